// The transports of Engine.IO: opens for each dial the socket that the machine has chosen. Decides nothing.
import type { Clock, WebSocketConstructor, WebSocketLike } from "../types.js";
import { object, oneOf, type Rule } from "../client/arguments.js";
import { type LoadPolling, PollingSocket } from "./polling_socket.js";
import type { Options } from "./types.js";

/** By the machine's number. */
export const transportNames = ["auto", "websocket", "polling"] as const;

export const transportsRule = oneOf(...transportNames);

/** Rule of header fields: names and values that HTTP can write. */
export const headersRule: Rule = [
  (value) =>
    object[0](value) &&
    Object.entries(value).every(([name, value]) => /^[!#$%&'*+.^`|~\w-]+$/.test(name) && typeof value == "string" && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)),
  "an object with texts, the header fields by name",
];

/** What a dial takes, by the machine's number. */
export const enum DialTransport {
  WebSocket,
  Polling,
  /** Long polling, from where it moves to a WebSocket if it can. */
  PollingFirst,
}

/** How this runtime does it. */
export interface TransportParts {
  loadPolling: LoadPolling;
  /** Its WebSockets take header fields. */
  socketsTakeHeaders: boolean;
}

/** The constructor of sockets: each takes the transport that was chosen for the dial, and says when it has moved to a WebSocket. */
export function socketConstructor(
  { loadPolling, socketsTakeHeaders }: TransportParts,
  { webSocket, extraHeaders, withCredentials = false, clock = globalThis }: Pick<Options, "webSocket" | "extraHeaders" | "withCredentials"> & { clock?: Clock | undefined },
  chosen: () => [conn: number, transport: DialTransport],
  upgraded: (conn: number) => void,
): WebSocketConstructor {
  const Socket = (webSocket ?? globalThis.WebSocket) as new (url: string, options?: object) => WebSocketLike;
  const open = (url: string, headers = extraHeaders) => (headers && socketsTakeHeaders ? new Socket(url, { headers }) : new Socket(url));
  const Chosen = function (address: string): WebSocketLike {
    const [conn, transport] = chosen();
    if (transport == DialTransport.WebSocket) return open(address);
    const url = new URL(address);
    url.protocol = url.protocol.replace("ws", "http");
    url.searchParams.set("transport", "polling");
    const upgrades = transport == DialTransport.PollingFirst;
    const socket = new PollingSocket(url.href, loadPolling, { upgrades, headers: extraHeaders, withCredentials, clock, open });
    socket.addEventListener("upgrade", () => upgraded(conn));
    return socket;
  };
  return Chosen as unknown as WebSocketConstructor;
}
