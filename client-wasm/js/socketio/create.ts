// Validates the options of a Socket.IO client and constructs it.
import { parseUrl } from "../client/url.js";
import type { UrlLike } from "../types.js";
import { type Runtime, runtime as base } from "../client/runtime.js";
import { RejoinError } from "../errors.js";
import { SocketIoProtocol } from "./protocol.js";
import { Client as RoomClient } from "../client/client.js";
import type { Loader } from "../wasm/load_wasm.js";
import { parseAddresses, parseRooms, roomClientRules, ticketUrlRule } from "../client/options.js";
import { bool, check, checkFields, millis, object, oneOf, type Rules, text } from "../client/arguments.js";
import type { Client } from "./client.js";
import { authSource } from "./credentials.js";
import { EventNames } from "./event_names.js";
import { credentialRules, namespaceName, Namespaces, type Shared } from "./namespaces.js";
import { headersRule, socketConstructor, transportNames, type TransportParts, transportsRule } from "./transports.js";
import type { Address, Options } from "./types.js";

/** The address of the Engine.IO endpoint as a WebSocket address. A token in it is removed and returned separately. */
function parseEngineUrl(address: string | UrlLike, which: string): [url: URL, token: string | null] {
  const [url, token] = parseUrl(address, which);
  url.pathname = url.pathname == "/" ? "/socket.io/" : url.pathname.replace(/\/?$/, "/");
  for (const [name, value] of [["EIO", "4"], ["transport", "websocket"]] as const) {
    if (!url.searchParams.has(name)) url.searchParams.set(name, value);
  }
  return [url, token];
}

/** The same for one or several. */
export function parseEngineUrls(address: Address): [url: URL, token: string | null][] {
  try {
    return parseAddresses(address, parseEngineUrl);
  } catch (error) {
    // As the server's pages write its address.
    const { code, message, hint, cause } = error as RejoinError;
    throw new RejoinError(code, message, hint.replace("wss://host/path", "https://host").replace("wss:", "https:"), { cause });
  }
}

/** What differs for a client with application events. */
export interface ProtocolPart {
  readonly runtime: Runtime;
  readonly Protocol: typeof SocketIoProtocol;
}

// What a client is made of: its options, checked, and its parts, put together.

const rules: Rules = {
  ...roomClientRules,
  ...credentialRules,
  namespace: text,
  ticketUrl: ticketUrlRule,
  events: object,
  acks: bool,
  ackText: oneOf("ok", "error"),
  ackTimeout: millis,
  frames: bool,
  transports: transportsRule,
  extraHeaders: headersRule,
  withCredentials: bool,
};

/** Throws for a bad option. */
export function checkOptions(given: Options): void {
  for (const name of ["path", "query"]) {
    check(!object[0](given) || !(name in given), "bad_option", `there is no option "${name}"`, "put it into the address: https://host/path/?name=value");
  }
  checkFields(given, rules);
}

/** Starts a client, with options that have been checked. */
export function createClient(address: Address, options: Options, loader: Loader, transportParts: TransportParts, part: ProtocolPart = { runtime: base, Protocol: SocketIoProtocol }, Rooms = RoomClient): Client {
  const { namespace = "/", events = {}, acks = true, ackTimeout = 0, ackText = "ok", rooms, policy, maxAttempts, sendTtl, clock, seed, wasm, webSocket, transports = "auto", extraHeaders, withCredentials } = options;
  const name = namespaceName(namespace, "bad_option");
  const found = parseEngineUrls(address);
  parseRooms(rooms, {});
  const token = authSource(options, found.map(([, token]) => token).findLast((token) => token != null) ?? null);
  const names = new EventNames(events);
  const urls = found.map(([url]) => url);
  // Notifications arrive in any case; an application that named one is told of gaps in them.
  const shared = { notifications: events.notification != undefined, sendTtl, clock, wasm };
  const protocol = (name: string) => new part.Protocol(name, names, ackText == "error", urlHint(urls[0]!, transports));
  const sockets: Shared["sockets"] = (...dials) => socketConstructor(transportParts, { webSocket, extraHeaders, withCredentials, clock }, ...dials);
  const hasSocket = typeof (webSocket ?? globalThis.WebSocket) == "function";
  check(hasSocket || transports == "polling", "no_websocket", "there is no WebSocket here", 'give the option webSocket, e.g. the package ws, or transports: "polling"');
  const all = { runtime: part.runtime, urls, options: shared, settings: [+acks, ackTimeout, transportNames.indexOf(transports)], sockets, protocol, loader, Rooms };
  return new Namespaces(name, all, { ...shared, token, rooms, policy, maxAttempts, seed }).client;
}

/** A hint for an Engine.IO address at which no WebSocket opens. */
const urlHint = ({ pathname }: URL, transports: string): string =>
  pathname == "/socket.io/"
    ? transports == "websocket"
      ? 'if the server is there, it must allow the transport "websocket": the option transports is that alone'
      : "if the server is there, something on the way may block WebSockets: after three dials that did not open, long polling is tried"
    : `the address's path is that of the engine: if ${pathname.slice(0, -1)} is a namespace, leave it out and give it as the option namespace`;
