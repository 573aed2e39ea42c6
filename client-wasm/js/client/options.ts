// Validates and resolves the options of a client before anything is started.
import { parseUrl } from "./url.js";
import { isCount, isId } from "../protocol/validate.js";
import { wellFormed } from "../util/text.js";
import type { Address, JoinOptions, Options, Position, RoomOptions, TokenSource, UrlLike, WebSocketConstructor } from "../types.js";
import { attempts, bool, check, checkArgument, checkFields, count, either, func, listOf, millis, number, object, oneOf, type Rules, signal, text, token } from "./arguments.js";

/** 53 random bits. */
export function randomSeed(): number {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2)) as unknown as [number, number];
  return (high % 2 ** 21) * 2 ** 32 + low;
}

// What a client is made with, checked before anything has begun.

/** Rules of the options of a join. */
export const joinRules: Rules = {
  since: [(value?: Position) => isId(value?.epoch) && isCount(value?.seq) && isId(value?.id), "the position of a message"],
  history: count,
};

/** Rules of the options that every client has. */
export const clientRules: Rules = {
  policy: oneOf("default", "legacy"),
  maxAttempts: attempts,
  clock: [(it: any) => [it?.setTimeout, it?.clearTimeout, it?.Date?.now, it?.performance?.now].every(func[0]), "an object with setTimeout, clearTimeout, Date and performance"],
  seed: number,
  debug: bool,
  wasm: either(text, [(it: any) => it?.href || it?.byteLength || it?.[Symbol.toStringTag] == "WebAssembly.Module", "a URL, bytes, or a compiled module"]),
  signal,
};

/** Rules of the options of a client of rooms. */
export const roomClientRules: Rules = {
  ...clientRules,
  rooms: listOf([either(text, object)[0], "a room's name, or { room, history }"]),
  sendTtl: millis,
  webSocket: func,
};

/** Rule of the option ticketUrl. */
export const ticketUrlRule = either(text, object);

const rules: Rules = {
  ...roomClientRules,
  token,
  ticketUrl: ticketUrlRule,
  notifications: bool,
  protocol: oneOf("auto", "plain"),
  persist: oneOf("indexeddb"),
  shareTabs: [(it: any) => text[0](it) && it.trim(), "a text that names the user, whose tabs alone share a connection"],
  allowedHosts: listOf(text),
  frames: bool,
};

/** Throws for a bad option. */
export function checkOptions(given: Options): void {
  checkFields(given, { ...rules, correlate: given?.frames ? text : [() => false, "it beside frames: true"] });
  parseRooms(given.rooms, joinRules);
}

/** Matches an invalid room name: more than 128 characters, an invisible one, or an @ at its beginning (protocol.md, 1). */
export const badRoomName = /^@|^.{129}|[\p{Cc}\xad\u034f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/su;

/** A room's name in its wire form. */
export function roomName(room: unknown, code: "bad_argument" | "bad_option" = "bad_argument", what = "room"): string {
  checkArgument(room, text, what, code);
  const name = wellFormed(room as string);
  check(!badRoomName.test(name), code, `${what} is not a room name`, "give 1-128 visible characters, no @ first");
  return name;
}

/** The rooms to join at once, each with its start position. `known`: the fields that may be set. */
export function parseRooms(rooms: readonly (string | RoomOptions)[] = [], known: Rules): [room: string, options: JoinOptions][] {
  return rooms.map((given, at) => {
    const what = `option rooms[${at}]`;
    const { room, ...options } = typeof given == "string" ? { room: given } : given;
    checkFields(options, known, `${what}:`);
    return [roomName(room, "bad_option", what), options];
  });
}

/** Parses one or several addresses. */
export function parseAddresses<T>(address: Address, read: (address: string | UrlLike, which: string) => T): T[] {
  const list: readonly unknown[] = Array.isArray(address) ? address : [address];
  check(list.length > 0, "bad_url", "no address", "give wss://host/path");
  return list.map((one, at) => {
    const which = at ? `: address ${at + 1}` : "";
    // Anything converts to a string, and a relative address may be any string.
    check(text[0](one) || typeof (one as UrlLike)?.href == "string", "bad_url", `not a URL${which}`, "give wss://host/path, or several");
    return read(one as string | UrlLike, which);
  });
}

/** The resolved options of a client. */
export interface ResolvedOptions {
  urls: URL[];
  socket: WebSocketConstructor;
  source: TokenSource | undefined;
}

/** Resolves an address and options that were validated. */
export function resolveOptions(address: Address, given: Options): ResolvedOptions {
  const found = parseAddresses(address, parseUrl);
  const socket = given.webSocket ?? (globalThis.WebSocket as WebSocketConstructor | undefined);
  check(typeof socket == "function", "no_websocket", "there is no WebSocket here", "give the option webSocket, e.g. the package ws");
  const source = given.token ?? found.map(([, token]) => token).findLast((token) => token != null) ?? undefined;
  return { urls: found.map(([url]) => url), socket, source };
}
