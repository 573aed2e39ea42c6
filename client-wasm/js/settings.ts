// What a client is made with, checked before anything has begun.
import { endpoint } from "./endpoint.js";
import { isCount, isId } from "./fields.js";
import { wellFormed } from "./text.js";
import type { Address, JoinOptions, Options, Position, RoomOptions, TokenSource, UrlLike, WebSocketConstructor } from "./types.js";
import { argument, attempts, call, check, count, either, fields, listOf, millis, number, object, signal, text, token, truth, word, type Kinds } from "./validate.js";

/** What a join may be given. */
export const joining: Kinds = {
  since: [(value?: Position) => isId(value?.epoch) && isCount(value?.seq) && isId(value?.id), "the position of a message"],
  history: count,
};

/** Of these the options of every client are made. */
export const clientOptions: Kinds = {
  policy: word("default", "legacy"),
  maxAttempts: attempts,
  clock: [(it: any) => [it?.setTimeout, it?.clearTimeout, it?.Date?.now, it?.performance?.now].every(call[0]), "an object with setTimeout, clearTimeout, Date and performance"],
  seed: number,
  debug: truth,
  wasm: either(text, [(it: any) => it?.href || it?.byteLength || (object[0](it) && `${it}`.includes("Module")), "a URL, bytes, or a compiled module"]),
  signal,
};

/** Those of a client of rooms. */
export const roomOptions: Kinds = {
  ...clientOptions,
  rooms: listOf([either(text, object)[0], "a room's name, or { room, history }"]),
  sendTtl: millis,
  webSocket: call,
};

/** Where tickets are had: an address, or a URL. */
export const ticketUrl = either(text, object);

const options: Kinds = {
  ...roomOptions,
  token,
  ticketUrl,
  notifications: truth,
  protocol: word("auto", "plain"),
  persist: word("indexeddb"),
  shareTabs: [(it: any) => text[0](it) && it.trim(), "a text that names the user, whose tabs alone share a connection"],
  allowedHosts: listOf(text),
  frames: truth,
};

/** Throws for a bad option. */
export function checkOptions(given: Options): void {
  fields(given, given?.frames ? { ...options, correlate: text } : options);
  roomsOf(given.rooms, joining);
}

/** The name of a room, as it goes over the wire. */
export function roomName(room: unknown, code: "bad_argument" | "bad_option" = "bad_argument"): string {
  argument(room, text, "room", code);
  check(room != "@me", code, "@me is no room", "the user's own stream is the option notifications");
  return wellFormed(room as string);
}

/** The rooms to join at once, each with where its messages begin. `known`: what may be said of one. */
export function roomsOf(rooms: readonly (string | RoomOptions)[] = [], known: Kinds): [room: string, options: JoinOptions][] {
  return rooms.map((given) => {
    const { room, ...options } = typeof given == "string" ? { room: given } : given;
    fields(options, known, "option rooms:");
    return [roomName(room, "bad_option"), options];
  });
}

/** The addresses, one or several. */
export function addresses<T>(address: Address, read: (address: string | UrlLike) => T): T[] {
  const list: readonly unknown[] = Array.isArray(address) ? address : [address];
  check(list.length > 0, "bad_url", "no address", "give at least one");
  for (const one of list) {
    // A text can be made of anything, and an address that is relative to the page of any text.
    check(text[0](one) || typeof (one as UrlLike)?.href == "string", "bad_url", "the address is no text and no URL", "give wss://host/path, or a list of such");
  }
  return list.map((one) => read(one as string | UrlLike));
}

/** What a client is made with. */
export interface Settings {
  urls: URL[];
  socket: WebSocketConstructor;
  source: TokenSource | undefined;
}

/** Reads address and options, which have been checked. */
export function settings(address: Address, given: Options): Settings {
  const found = addresses(address, endpoint);
  const socket = given.webSocket ?? (globalThis.WebSocket as WebSocketConstructor | undefined);
  check(typeof socket == "function", "no_websocket", "there is no WebSocket here", "give the option webSocket, e.g. the package ws");
  const source = given.token ?? found.map(([, token]) => token).findLast((token) => token != null) ?? undefined;
  return { urls: found.map(([url]) => url), socket, source };
}
