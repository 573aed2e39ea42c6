import { initSync, Machine as Exported } from "../pkg/rejoin.js";
import type { Input, Output } from "./names.js";
import type { Item } from "./stored.js";
import type { Clock, Diagnostics } from "./types.js";

let memory: WebAssembly.Memory;

/** Makes the compiled module the one that machines run in; a second time is the same. */
export function start(module: WebAssembly.Module): void {
  memory ??= initSync({ module }).memory;
}

/** The exported object with its fields and ids in reach. */
export class Machine {
  readonly #exported: Exported;
  #fields = new Float64Array();
  #ids = new Uint8Array();

  constructor(
    readonly clock: Clock,
    ...config: ConstructorParameters<typeof Exported>
  ) {
    this.#exported = new Exported(...config);
  }

  /** What happened, with its fields and ids as `src/inputs.rs` and `src/frames.rs` list them. */
  input(kind: Input, fields: readonly number[], ids?: readonly string[]): void {
    this.#exported.input(kind, this.clock.performance.now(), this.clock.Date.now(), this.#put(fields, ids));
  }

  /** What is to be stored, item by item, as `src/stored.rs` lists them. */
  *stored(): Generator<Item> {
    this.#exported.save();
    for (let at = 0, kind: number; (kind = this.#exported.stored(at)); at++) {
      yield { kind, fields: [...this.fields], ids: this.ids };
    }
  }

  /** Takes up what was stored, before the first connect. */
  restore(items: Iterable<Item>): void {
    for (const { kind, fields, ids } of items) this.#exported.give_back(kind, this.#put(fields, ids));
    this.#exported.restore(this.clock.performance.now(), this.clock.Date.now());
  }

  /** Grows whenever there is something else to store. */
  get changes(): number {
    return this.#exported.changes();
  }

  #put(fields: readonly number[], ids: readonly string[] = []): number {
    const text = ids.join(" ");
    this.#look();
    this.#fields.fill(0).set(fields);
    for (let at = 0; at < text.length; at++) {
      // A character that is none of an id's becomes one that is none either.
      this.#ids[at] = Math.min(text.charCodeAt(at), 255);
    }
    return text.length;
  }

  /** The next thing to do; 0 for none. Its fields and ids are there until the next call. */
  poll(): Output | 0 {
    return this.#exported.poll();
  }

  /** The fields of the last output. */
  get fields(): Float64Array {
    this.#look();
    return this.#fields;
  }

  /** The ids of the last output; an absent one is the empty text. */
  get ids(): string[] {
    this.#look();
    return String.fromCharCode(...this.#ids.subarray(0, this.#exported.ids())).split(" ");
  }

  /** The numbers of the values it has let go of, one by one; 0 at the end. */
  released(): number {
    return this.#exported.released();
  }

  /** By the clock of `performance.now`; −1 for none. */
  get deadline(): number {
    return this.#exported.deadline();
  }

  /** What has been counted so far, in the order of `Machine::count`. */
  diagnostics(): Diagnostics {
    const [dials, connections, framesIn, framesOut, unknownFrames, garbledFrames, outboxLength, outboxBytes, contentLimit, rtt] =
      Array.from({ length: 10 }, (_, which) => this.#exported.count(which)) as any;
    return {
      dials, connections, framesIn, framesOut, unknownFrames, garbledFrames, outboxLength, outboxBytes, contentLimit,
      rtt: rtt < 0 ? undefined : rtt,
    };
  }

  free(): void {
    this.#exported.free();
  }

  /** Memory that has grown is another buffer. */
  #look(): void {
    if (!this.#fields.length) {
      this.#fields = new Float64Array(memory.buffer, this.#exported.slots(), 16);
      this.#ids = new Uint8Array(memory.buffer, this.#exported.texts(), 272);
    }
  }
}
