// Connection states as English sentences for users: the state first, then the reason or the next step.
import type { State } from "../code_types.js";
import type { Cause } from "../types.js";
import type { Failure } from "./types.js";

const reasons: { readonly [code: string]: string } = {
  unauthorized: "the server refused the token",
  token_unavailable: "no token",
  gave_up: "gave up after the last attempt allowed",
  closed: "the server closed the connection",
  server_closed: "the server closed the connection",
  protocol_error: "the server broke the protocol",
  frame_too_large: "the server sent a frame that is too large",
  http: "the server answered with an error",
  unreachable: "the server cannot be reached",
};

/** Why a client has failed. */
export function failureOf({ code, text, lastCode }: Cause): Failure {
  const reason = reasons[code];
  const detail = text || (lastCode && (reasons[lastCode] ?? lastCode.replaceAll("_", " ")));
  const message = reason && detail ? `${reason}: ${detail}` : detail || reason || code.replaceAll("_", " ");
  return { code, message };
}

/** The sentence for a state. `retryIn`: whole seconds until the next attempt, if one is planned. */
export function describeState(state: State, retryIn: number | undefined, failure: Failure | undefined): string {
  const next = retryIn ? `trying again in ${retryIn} s` : "trying again";
  switch (state) {
    case "idle":
      return "Not connected";
    case "connecting":
      return retryIn ? `Connecting, ${next}` : "Connecting";
    case "connected":
      return "Connected";
    case "reconnecting":
      return `No connection, ${next}`;
    case "suspended":
      return `Still no connection, ${next}`;
    case "closing":
      return "Closing";
    case "closed":
      return "Closed";
    case "failed":
      return failure ? `Not connected: ${failure.message}` : "Not connected";
  }
}
