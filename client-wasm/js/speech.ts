import { read, write } from "./frames.js";
import { told } from "./told.js";

/** What a protocol is to a client: its texts, and what the machine's outputs are to the application. */
export interface Speech {
  readonly read: typeof read;
  readonly write: typeof write;
  readonly told: typeof told;
}

/** The protocol of rooms. */
export const rooms: Speech = { read, write, told };
