// Gives a machine and its glue short names for each other, and leaves out what the glue does not use. Keeps the names by which
// the driver tells the machines apart. Called by build.mjs between the compiler and wasm-opt.

/** Names that stay: the driver looks for them. */
const KEPT = new Set(["memory", "machine_save", "has_frames"]);
const [IMPORTS, EXPORTS, FUNCTION] = [2, 7, 0];
const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** The names of one glue; machines that share the glue share them. */
export class ShortNames {
  #names = new Map();

  #short(name) {
    if (KEPT.has(name)) return name;
    if (!this.#names.has(name)) {
      if (this.#names.size == LETTERS.length) throw new Error("more names than letters");
      this.#names.set(name, LETTERS[this.#names.size]);
    }
    return this.#names.get(name);
  }

  /** The module with short names, without the exports that its glue does not mention. */
  module(bytes, glue) {
    const used = new Set([...glue.matchAll(/\bwasm\.(\w+)/g)].map(([, name]) => name));
    const from = new Reader(bytes, 8);
    const out = [bytes.subarray(0, 8)];
    while (from.at < bytes.length) {
      const id = from.byte();
      const section = new Reader(from.take(from.number()));
      const content = id == IMPORTS ? this.#imports(section) : id == EXPORTS ? this.#exports(section, used) : section.bytes;
      out.push(Uint8Array.of(id), number(content.length), content);
    }
    return Buffer.concat(out);
  }

  #imports(section) {
    const parts = [];
    for (let left = section.number(); left > 0; left--) {
      const names = [section.name(), section.name()].map((name) => this.#short(name));
      if (section.byte() != FUNCTION) throw new Error(`the import ${names.join(".")} is no function`);
      parts.push([...names.flatMap((name) => [number(name.length), Buffer.from(name)]), Uint8Array.of(FUNCTION), number(section.number())]);
    }
    return Buffer.concat([number(parts.length), ...parts.flat()]);
  }

  #exports(section, used) {
    const parts = [];
    for (let left = section.number(); left > 0; left--) {
      const [name, kind, index] = [section.name(), section.byte(), section.number()];
      if (!used.has(name) && !KEPT.has(name)) continue;
      const short = this.#short(name);
      parts.push([number(short.length), Buffer.from(short), Uint8Array.of(kind), number(index)]);
    }
    return Buffer.concat([number(parts.length), ...parts.flat()]);
  }

  /** The glue with the names of the modules before. */
  glue(text) {
    for (const [name, short] of this.#names) {
      const quoted = name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
      text = /\W/.test(name) ? text.replaceAll(`"${name}"`, `"${short}"`) : text.replace(new RegExp(`\\bwasm\\.${quoted}\\b`, "g"), `wasm.${short}`).replace(new RegExp(`\\b${quoted}(?=: function)`, "g"), short);
    }
    return text;
  }
}

/** An unsigned LEB128. */
function number(value) {
  const bytes = [];
  do {
    bytes.push((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value >>>= 7;
  } while (value);
  return Uint8Array.from(bytes);
}

class Reader {
  constructor(bytes, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  byte() {
    return this.bytes[this.at++];
  }

  number() {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  }

  take(length) {
    return this.bytes.subarray(this.at, (this.at += length));
  }

  name() {
    return Buffer.from(this.take(this.number())).toString();
  }
}
