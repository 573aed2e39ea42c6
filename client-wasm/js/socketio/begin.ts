// What a client is made of: its options, checked, and its parts, put together.
import { Client as RoomClient } from "../client.js";
import { home as own } from "../home.js";
import type { Loader } from "../loading.js";
import { addresses, roomOptions, roomsOf, ticketUrl } from "../settings.js";
import { fields, millis, object, text, truth, word, type Kinds } from "../validate.js";
import { engine } from "./address.js";
import type { Client } from "./client.js";
import { source } from "./credentials.js";
import { EventNames } from "./events.js";
import { identity, namespaceName, Namespaces } from "./namespaces.js";
import type { Part } from "./part.js";
import { SocketIoSpeech } from "./speech.js";
import type { Address, Options } from "./types.js";

const options: Kinds = {
  ...roomOptions,
  ...identity,
  namespace: text,
  ticketUrl,
  events: object,
  acks: truth,
  ackText: word("ok", "error"),
  ackTimeout: millis,
  frames: truth,
};

/** Throws for a bad option. */
export const checkOptions = (given: Options): void => fields(given, options);

/** Starts a client, with options that have been checked. */
export function begin(address: Address, options: Options, loader: Loader, part: Part = { home: own, Speech: SocketIoSpeech }, Rooms = RoomClient): Client {
  const { namespace = "/", events = {}, acks = true, ackTimeout = 0, ackText = "ok", rooms, policy, maxAttempts, sendTtl, clock, seed, wasm, webSocket } = options;
  const name = namespaceName(namespace, "bad_option");
  const found = addresses(address, engine);
  roomsOf(rooms, {});
  const token = source(options, found.map(([, token]) => token).findLast((token) => token != null) ?? null);
  const names = new EventNames(events);
  const urls = found.map(([url]) => url);
  // They come in any case: whoever has named one wants to know that some were missed.
  const shared = { notifications: events.notification != undefined, sendTtl, webSocket, clock, wasm };
  const speech = (name: string) => new part.Speech(name, names, ackText == "error", hint(urls[0]!));
  const all = { home: part.home, urls, options: shared, acks: [+acks, ackTimeout], speech, loader, Rooms };
  return new Namespaces(name, all, { ...shared, token, rooms, policy, maxAttempts, seed }).client;
}

/** What may be wrong with the address of an engine at which no WebSocket opens. */
const hint = ({ pathname }: URL): string =>
  pathname == "/socket.io/"
    ? 'if the server is there, it must allow the transport "websocket": this client does no long polling'
    : `the address's path is that of the engine: if ${pathname.slice(0, -1)} is a namespace, leave it out and give it as the option namespace`;
