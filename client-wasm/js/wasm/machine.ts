// The exported state machine, with its slots and ids mapped into memory.
import { initSync, Machine as WasmMachine } from "../../pkg/rejoin.js";
import type { Input, Output } from "./codes.js";
import type { Clock, Diagnostics } from "../types.js";

let memory: WebAssembly.Memory;

/** The counters, in the order of `Machine::count`. */
export const diagnosticsOf = ([dials, connections, framesIn, framesOut, unknownFrames, garbledFrames, outboxLength, outboxBytes, contentLimit, rtt]: any[]): Diagnostics => ({
  dials, connections, framesIn, framesOut, unknownFrames, garbledFrames, outboxLength, outboxBytes, contentLimit,
  rtt: rtt < 0 ? undefined : rtt,
});

/** Instantiates the module for all machines; a second call has no effect. */
export function start(module: WebAssembly.Module): void {
  memory ??= initSync({ module }).memory;
}

/** The exported machine with its slots and ids as typed arrays. */
export class Machine {
  protected readonly wasm: WasmMachine;
  #fields = new Float64Array();
  #ids = new Uint8Array();

  constructor(
    readonly clock: Clock,
    ...config: ConstructorParameters<typeof WasmMachine>
  ) {
    this.wasm = new WasmMachine(...config);
  }

  /** Feeds an input; `src/inputs.rs` and `src/server_frames.rs` list the fields and ids of each kind. */
  input(kind: Input, fields: readonly number[], ids?: readonly string[]): void {
    this.wasm.input(kind, this.clock.performance.now(), this.clock.Date.now(), this.put(fields, ids));
  }

  protected put(fields: readonly number[], ids: readonly string[] = []): number {
    const text = ids.join(" ");
    this.#refreshViews();
    this.#fields.fill(0).set(fields);
    for (let at = 0; at < text.length; at++) {
      // A character outside the id alphabet stays outside it.
      this.#ids[at] = Math.min(text.charCodeAt(at), 255);
    }
    return text.length;
  }

  /** The next output; 0 for none. Its fields and ids are valid until the next call. */
  poll(): Output | 0 {
    return this.wasm.poll();
  }

  /** The fields of the last output. */
  get fields(): Float64Array {
    this.#refreshViews();
    return this.#fields;
  }

  /** The ids of the last output; an absent one is the empty text. */
  get ids(): string[] {
    this.#refreshViews();
    return String.fromCharCode(...this.#ids.subarray(0, this.wasm.ids())).split(" ");
  }

  /** The handle of the next released value; 0 if there is none. */
  released(): number {
    return this.wasm.released();
  }

  /** By the clock of `performance.now`; −1 for none. */
  get deadline(): number {
    return this.wasm.deadline();
  }

  diagnostics(): Diagnostics {
    return diagnosticsOf(Array.from({ length: 10 }, (_, which) => this.wasm.count(which)));
  }

  free(): void {
    this.wasm.free();
  }

  /** Growing the memory detaches the views. */
  #refreshViews(): void {
    if (!this.#fields.length) {
      this.#fields = new Float64Array(memory.buffer, this.wasm.slots(), 16);
      this.#ids = new Uint8Array(memory.buffer, this.wasm.id_buffer(), 272);
    }
  }
}
