// Where machines run, and what speaks to one: there is one such place for each file of the machine.
import { Connection } from "./connection.js";
import { Machine, start } from "./machine.js";
import type { Speech } from "./speech.js";
import type { Options } from "./types.js";

/** `speech`: how a client of such a machine speaks, where that is not the protocol of rooms alone. */
export interface Home {
  readonly Connection: typeof Connection;
  readonly Machine: typeof Machine;
  start(module: WebAssembly.Module): void;
  speech?(options: Options): Speech;
}

export const home: Home = { Connection, Machine, start };
