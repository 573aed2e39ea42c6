// Errors that an application can receive, with their hints.
import type { CauseCode, Code, SendFailure } from "./code_types.js";
import type { SocketIoCauseCode } from "./socketio/codes.js";
import type { FeedCauseCode } from "./sse/codes.js";
import type { LoadCode } from "./types.js";

/** Codes of {@link RejoinError}. */
export type ErrorCode =
  | "bad_url"
  | "mixed_content"
  | "bad_option"
  | "bad_argument"
  | "no_websocket"
  | "own_failed"
  | "connection_lost"
  | "too_many_requests"
  | "closed"
  | "failed"
  | "left"
  | "removed"
  | "refused"
  | "lagged";

/** Why a client has failed: the code of its last cause. */
export type EndCode = CauseCode | SocketIoCauseCode | FeedCauseCode | "blocked" | LoadCode;

/** An error for programs (`code`) and people (`message`, with advice in `hint`). */
export class RejoinError extends Error {
  override readonly name: string = "RejoinError";
  constructor(
    /** What went wrong, for a program. */
    readonly code: ErrorCode | EndCode | SendFailure | Code | "unknown",
    message: string,
    /** What to do about it, for a person. */
    readonly hint: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** The error for waits of a client that is closed or failed with this cause, with the server's message if there is one. */
export const ended = (cause?: { code: EndCode; text?: string; lastCode?: EndCode } | false) =>
  new RejoinError(cause ? cause.code : "closed", cause ? `failed: ${cause.text || cause.lastCode || cause.code}` : "the client is closed", cause ? "setToken or reconnect leads out of it" : "connect again");

/** A message that was not, or may not have been, delivered. */
export class SendError extends RejoinError {
  override readonly name = "SendError";
  constructor(
    /** `failed`: certainly not delivered. `unknown`: on its way when the connection broke, so it arrived or it did not. */
    readonly outcome: "failed" | "unknown",
    /** What went wrong, for a program. */
    override readonly code: SendFailure | Code | "unknown",
    hint: string,
    { message, answer, serverCode }: Reply = {},
  ) {
    super(code, outcome == "unknown" ? "it is not known whether the message arrived" : `not sent: ${message ?? (code == "not_joined" ? hint : code)}`, hint);
    if (answer !== undefined) this.answer = answer;
    if (serverCode) this.serverCode = serverCode;
  }

  /** The server's own code, where `code` is `other`: untrusted text. A Socket.IO server's is in the answer. */
  declare readonly serverCode?: string;

  /** From a Socket.IO server: all that its handler answered to refuse it. */
  declare readonly answer?: unknown;
}

/** The server's reply to a send beside its outcome: message and whole answer. */
export interface Reply {
  /** Its words. Untrusted: show it as text only. */
  readonly message?: string;
  /** All that a Socket.IO server's handler answered. */
  readonly answer?: unknown;
  /** Its own code, which the protocol does not name, and with which its words begin. */
  readonly serverCode?: string;
}

const hints: { [code: string]: string } = {
  unknown: "look for it before you send it again",
  queue_full: "wait for the outcome of earlier sends",
  expired: "there was no connection within the option sendTtl",
  timeout: "there was no connection within its timeout",
  closed: "reconnect, or connect again if it is closed",
  user_changed: "the stored message belongs to another user",
  cancelled: "its signal was aborted",
  not_joined: "join the room first: option rooms, or join(room)",
  forbidden: "ask the server's operator for the right",
  rate_limited: "send less often",
  bad_request: "the server does not take such a name or message",
  too_many_rooms: "leave a room first",
  room_full: "try again when somebody has left",
};

/** The hint for a code of the server or of a send. */
export const hintOf = (code: string): string => hints[code] ?? "the server refused it: read its message";

export const sendError = (outcome: "failed" | "unknown", code: SendFailure | Code | "unknown", reply?: Reply, limit?: number) =>
  new SendError(outcome, code, code == "too_large" ? `at most ${limit} bytes are taken at once: split it` : hintOf(code), reply);
