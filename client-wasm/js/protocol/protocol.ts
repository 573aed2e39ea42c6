// The interface between a client and its wire protocol, and the protocol of rooms.
import type { Emitter } from "../util/emitter.js";
import type { sendError } from "../errors.js";
import { read, write } from "./frames.js";
import type { Input } from "../wasm/codes.js";
import type { PendingSend } from "../client/pending_sends.js";
import type { Payload } from "../storage/storage_types.js";
import type { HandleTable } from "../wasm/handle_table.js";
import { decode } from "./event_decoder.js";
import type { Events, SendOptions } from "../types.js";

/** The client's internals that the application-frames part uses. */
export interface ClientInternals {
  readonly emitter: Emitter<Events>;
  readonly handles: HandleTable;
  readonly sendError: typeof sendError;
  /** Executes a command; throws if the client is closed. */
  command(kind: Input, fields: number[]): void;
  /** Sends a payload as this kind of input, and settles the promise with its outcome. */
  send(kind: Input, room: number, given: Payload, bytes: number, options: SendOptions, resolve: PendingSend["resolve"], reject: PendingSend["reject"]): void;
}

/** A wire protocol as a client uses it: reads frames, writes frames, decodes outputs into events. */
export interface Protocol {
  readonly read: typeof read;
  readonly write: typeof write;
  readonly decode: typeof decode;
  /** The object `client.frames`. */
  frames?(internals: ClientInternals): unknown;
}

/** The protocol of rooms. */
export const roomProtocol: Protocol = { read, write, decode: decode };
