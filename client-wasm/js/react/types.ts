// The types of what the hooks return to a component.
import type { Client } from "../client/client.js";
import type { Code, Mode, RoomState, State } from "../code_types.js";
import type { Cause, Events, Message, Receipt, SendOptions } from "../types.js";

/** Messages of a room that were missed and cannot be had: the event `gap`. */
export type Gap = Events["gap"];

/** A message of a room, as {@link useRoom} lists it. */
export interface RoomMessage extends Message {
  /** Another one for each message of the page: for React's `key`. */
  readonly key: number;
  /** Right before this message some were missed. */
  readonly gap?: Gap;
}

/** A message that this page has sent with {@link Room.send}, until the room's own copy of it is listed. */
export interface OutgoingMessage {
  /** Another one for each message of the page: for React's `key`, for {@link Room.resend} and {@link Room.dismiss}. */
  readonly key: number;
  /** The text. */
  readonly content: string;
  /** What was sent beside the text. */
  readonly data?: unknown;
  /**
   * - `waiting`: nothing is known yet. It is sent as soon as there is a connection.
   * - `sent`: the server has it (a plain server: the browser has given every byte away). The room's copy of it is on its way.
   * - `failed`: it was certainly not delivered; `error` says why.
   * - `unknown`: the connection broke while it was on its way, so it arrived or it did not.
   */
  readonly status: "waiting" | "sent" | "failed" | "unknown";
  /** Of `failed` and `unknown`: what `send` rejected with. */
  readonly error?: Error;
}

/** Why a room is not joined. */
export interface Refusal {
  /** For a program. */
  readonly code?: Code | "bad_argument";
  /** The server's message, if there is one. Untrusted: show it as text only. */
  readonly message?: string;
  /** It is for now: the client asks again by itself. */
  readonly willRetry: boolean;
}

/** How a room is joined and listed. Of components in one room the largest number of each counts. */
export interface UseRoomOptions {
  /** Extended servers: the last so many messages, when the room is joined. None by default. */
  history?: number;
  /** At most so many messages are listed, the newest: 200 by default. */
  limit?: number;
}

/** A room as a component sees it: the same object until something in it changes. */
export interface Room extends RoomSnapshot {
  /** Its name. */
  readonly room: string;
  /**
   * Sends a message, which is listed in {@link outgoing} from now on. Resolves or rejects (with a `SendError`) exactly once, when
   * its outcome is known, which the caller may ignore.
   */
  send(content: string, options?: SendOptions): Promise<Receipt>;
  /** Sends a `failed` or `unknown` message again. One that is `unknown` may be there twice then. */
  resend(key: number): void;
  /** Lists a message no more in {@link outgoing}. It takes nothing back. */
  dismiss(key: number): void;
  /** {@link unread} is 0 again. */
  markRead(): void;
  /** Asks for the room again, after it was refused, removed or left. */
  join(): void;
}

/** What changes of a room. */
export interface RoomSnapshot {
  /**
   * - `joining`: asked for, or about to be; also while the page is rendered on a server.
   * - `joined`: a member. It stays so during an outage, which `useConnection` tells.
   * - `left`: the application has left it with `client.leave`.
   * - `failed`: the server does not let us in; {@link refusal} says why.
   * - `refused`: it is no room that can be asked for, or one too many.
   * - `removed`: the server has removed us.
   */
  readonly state: RoomState;
  /** Why it is not joined, if somebody said so. */
  readonly refusal?: Refusal;
  /** The newest messages, the oldest first. Another array only when it has changed. */
  readonly messages: readonly RoomMessage[];
  /** Messages of this page that are not listed in {@link messages} yet, the oldest first. */
  readonly outgoing: readonly OutgoingMessage[];
  /** After the last message some were missed. It becomes the `gap` of the next one. */
  readonly gap?: Gap;
  /** Extended servers: the ids of who is there, if the room is small enough for a list. */
  readonly members?: readonly string[];
  /** Extended servers: how many are there. */
  readonly memberCount?: number;
  /** Messages of others since {@link Room.markRead}, without the history of the first join. */
  readonly unread: number;
}

/** The connection as a component sees it: the same object until something in it changes. */
export interface Connection {
  /**
   * - `idle`: not begun, also while the page is rendered on a server.
   * - `connecting`: the first attempts.
   * - `connected`: it works.
   * - `reconnecting`: lost, the next attempt is near.
   * - `suspended`: lost for two minutes or more, still trying.
   * - `closing`, `closed`: the application has closed it.
   * - `failed`: given up for good, {@link failure} says why. {@link reconnect} and `client.setToken` lead out.
   */
  readonly state: State;
  /** The same in an English sentence for people, with the seconds until the next attempt or the reason. */
  readonly text: string;
  /** Which attempt is next, from 1. */
  readonly attempt?: number;
  /** When the next attempt is: milliseconds since 1970. */
  readonly retryAt?: number;
  /** Whole seconds until the next attempt, counted down. */
  readonly retryIn?: number;
  /** Why the state is what it is. */
  readonly cause?: Cause;
  /** Of `failed`: why it was given up. */
  readonly failure?: Failure;
  /** What this connection can promise; not there while there is none. */
  readonly mode?: Mode;
  /** The client, as soon as there is one. */
  readonly client?: Client;
  /** Connects at once, also out of `failed`. */
  reconnect(): void;
}

/** Why a connection was given up. */
export interface Failure {
  /** For a program: that of the cause, or of the error with which `connect` rejected. */
  readonly code: string;
  /** For a person. It may hold the server's words: show it as text only. */
  readonly message: string;
  /** What to do about it, if that is known. */
  readonly hint?: string;
}
