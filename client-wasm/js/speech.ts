import type { Emitter } from "./emitter.js";
import type { sendError } from "./errors.js";
import { read, write } from "./frames.js";
import type { Input } from "./names.js";
import type { Waiting } from "./outcomes.js";
import type { Given } from "./stored.js";
import type { Table } from "./table.js";
import { told } from "./told.js";
import type { Events, SendOptions } from "./types.js";

/** What a client gives to the part that is for messages of the application's own. */
export interface Inside {
  readonly emitter: Emitter<Events>;
  readonly table: Table;
  readonly failed: typeof sendError;
  /** Throws when the client is closed. */
  ask(kind: Input, fields: number[]): void;
  /** Hands over what is to be sent, and tells its outcome. `kind`: the input that it is. */
  send(kind: Input, room: number, given: Given, bytes: number, options: SendOptions, resolve: Waiting["resolve"], reject: Waiting["reject"]): void;
}

/** What a protocol is to a client: its texts, and what the machine's outputs are to the application. */
export interface Speech {
  readonly read: typeof read;
  readonly write: typeof write;
  readonly told: typeof told;
  /** What the client has as `frames`. */
  frames?(inside: Inside): unknown;
}

/** The protocol of rooms. */
export const rooms: Speech = { read, write, told };
