// The parts that a client of one module file is built from: connection class, machine class and protocol.
import { Connection } from "./connection.js";
import { Machine, start } from "../wasm/machine.js";
import type { Protocol } from "../protocol/protocol.js";
import type { Options } from "../types.js";

/** `protocol`: the client's protocol, if it is not that of rooms alone. */
export interface Runtime {
  readonly Connection: typeof Connection;
  readonly Machine: typeof Machine;
  start(module: WebAssembly.Module): void;
  protocol?(options: Options): Protocol;
}

export const runtime: Runtime = { Connection, Machine, start };
