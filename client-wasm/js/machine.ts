import { initSync, Machine as Exported } from "../pkg/rejoin.js";
import type { Input, Output } from "./names.js";
import type { Clock, Diagnostics } from "./types.js";

let memory: WebAssembly.Memory;

/** Makes the compiled module the one that machines run in; a second time is the same. */
export function start(module: WebAssembly.Module): void {
  memory ??= initSync({ module }).memory;
}

/** The exported object with its fields and ids in reach. */
export class Machine {
  protected readonly wasm: Exported;
  #fields = new Float64Array();
  #ids = new Uint8Array();

  constructor(
    readonly clock: Clock,
    ...config: ConstructorParameters<typeof Exported>
  ) {
    this.wasm = new Exported(...config);
  }

  /** What happened, with its fields and ids as `src/inputs.rs` and `src/frames.rs` list them. */
  input(kind: Input, fields: readonly number[], ids?: readonly string[]): void {
    this.wasm.input(kind, this.clock.performance.now(), this.clock.Date.now(), this.put(fields, ids));
  }

  protected put(fields: readonly number[], ids: readonly string[] = []): number {
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
    return this.wasm.poll();
  }

  /** The fields of the last output. */
  get fields(): Float64Array {
    this.#look();
    return this.#fields;
  }

  /** The ids of the last output; an absent one is the empty text. */
  get ids(): string[] {
    this.#look();
    return String.fromCharCode(...this.#ids.subarray(0, this.wasm.ids())).split(" ");
  }

  /** The numbers of the values it has let go of, one by one; 0 at the end. */
  released(): number {
    return this.wasm.released();
  }

  /** By the clock of `performance.now`; −1 for none. */
  get deadline(): number {
    return this.wasm.deadline();
  }

  /** What has been counted so far, in the order of `Machine::count`. */
  diagnostics(): Diagnostics {
    const [dials, connections, framesIn, framesOut, unknownFrames, garbledFrames, outboxLength, outboxBytes, contentLimit, rtt] =
      Array.from({ length: 10 }, (_, which) => this.wasm.count(which)) as any;
    return {
      dials, connections, framesIn, framesOut, unknownFrames, garbledFrames, outboxLength, outboxBytes, contentLimit,
      rtt: rtt < 0 ? undefined : rtt,
    };
  }

  free(): void {
    this.wasm.free();
  }

  /** Memory that has grown is another buffer. */
  #look(): void {
    if (!this.#fields.length) {
      this.#fields = new Float64Array(memory.buffer, this.wasm.slots(), 16);
      this.#ids = new Uint8Array(memory.buffer, this.wasm.texts(), 272);
    }
  }
}
