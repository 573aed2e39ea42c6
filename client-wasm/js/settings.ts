import { endpoint } from "./endpoint.js";
import { RejoinError } from "./errors.js";
import type { Options, TokenSource, WebSocketConstructor } from "./types.js";

/** What a client is made with, checked. */
export interface Settings {
  urls: URL[];
  socket: WebSocketConstructor;
  source: TokenSource | undefined;
}

export function check(
  good: boolean,
  code: "bad_url" | "bad_option" | "bad_argument" | "no_websocket",
  what: string,
  hint: string,
): asserts good {
  if (!good) throw new RejoinError(code, what, hint);
}

export function checkText(value: unknown, what: string): void {
  check(typeof value == "string", "bad_argument", `${what} is not a text`, "give a string");
}

/** Bad arguments are told here, before anything has begun. */
export function settings(address: string | URL | readonly (string | URL)[], options: Options): Settings {
  const found = (Array.isArray(address) ? address : [address]).map(endpoint);
  const socket = options.webSocket ?? globalThis.WebSocket;
  const source = options.token ?? found.map(([, token]) => token).findLast((token) => token != null) ?? undefined;
  check(found.length > 0, "bad_url", "no address", "give at least one");
  check(typeof socket == "function", "no_websocket", "there is no WebSocket here", "give the option webSocket, e.g. the package ws");
  check(!options.rooms || Array.isArray(options.rooms), "bad_option", "rooms is not a list", 'e.g. ["lobby"]');
  check(
    source == undefined || typeof source == "string" || typeof source == "function",
    "bad_option",
    "token is neither a text nor a function",
    "give a string, or a function that gives one",
  );
  return { urls: found.map(([url]) => url), socket, source };
}
