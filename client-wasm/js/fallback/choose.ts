// webSocketOrEvents() of `rejoin/fallback`: chooses for each dial of one client whether it takes a WebSocket or streams of events.
import { bool, check, checkFields, count, either, func, millis, object, oneOf, text, type Rules } from "../client/arguments.js";
import type { WebSocketConstructor, WebSocketLike } from "../types.js";
import { EventsSocket, type LoadStreams } from "./events_socket.js";
import type { FallbackOptions } from "./types.js";

/** Dials by WebSocket in a row that something on the way may have blocked, after which the streams are tried. */
const BLOCKED_DIALS = 3;
/** The close code with which a client replaces a connection: it was asked to, or is on another network. */
const REPLACED = 4902;
/** As of a native client. */
const MAX_ROOMS = 16;

const rules: Rules = {
  transports: oneOf("auto", "sse"),
  websocketRetry: millis,
  onReadOnly: func,
  token: either(text, func),
  withCredentials: bool,
  maxRooms: [(value) => count[0](value) && value > 0, "a whole number from 1"],
  webSocket: func,
  fetch: func,
  clock: object,
};


/** How this runtime does it. */
export interface FallbackParts {
  load: LoadStreams;
  /** How many rooms may be read at once over `http:`, which has few connections to a host in a page. */
  maxRoomsHttp?: number;
}

/** The same for every runtime. */
export const chooser = ({ load, maxRoomsHttp = MAX_ROOMS }: FallbackParts) =>
  /**
   * The option `webSocket` of one client: rooms are read by server-sent events where no WebSocket opens, and what is sent waits
   * until one does. Each client needs one of its own.
   */
  function webSocketOrEvents(options: FallbackOptions = {}): WebSocketConstructor {
    checkFields(options, rules);
    const { transports = "auto", websocketRetry = 60_000, clock = globalThis, token, withCredentials = false, maxRooms } = options;
    const isOnly = transports == "sse";
    const Socket = options.webSocket ?? (globalThis.WebSocket as WebSocketConstructor | undefined);
    check(isOnly || !!Socket, "no_websocket", "there is no WebSocket here", "give the option webSocket, e.g. the package ws");
    const fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init as RequestInit));
    let takesEvents = isOnly;
    let blocked = 0;
    /** Why the last dial by WebSocket failed. */
    let why = "";
    let streams: EventsSocket | undefined;
    let isReadOnly = false;

    const tell = (now: boolean) => {
      if (now == isReadOnly) return;
      isReadOnly = now;
      try {
        options.onReadOnly?.(now);
      } catch (error) {
        // As an error of any listener: it harms no client.
        setTimeout(() => {
          throw error;
        });
      }
    };

    const openStreams = (address: string): WebSocketLike => {
      const socket = new EventsSocket(address, load, {
        fetch,
        clock,
        token,
        withCredentials,
        maxRooms: maxRooms ?? (/^(ws|http):/.test(address) ? maxRoomsHttp : MAX_ROOMS),
        websocketRetry: isOnly ? undefined : websocketRetry,
        why,
      });
      let hasOpened = false;
      socket.addEventListener("open", () => {
        hasOpened = true;
        streams = socket;
        tell(true);
      });
      socket.addEventListener("close", (event) => {
        if (streams == socket) streams = undefined;
        const { code } = event as CloseEvent;
        // What is not reached at all may be reached by WebSocket too, when it is back.
        if (!isOnly && (!hasOpened || code == REPLACED)) takesEvents = false;
      });
      return socket;
    };

    const openWebSocket = (address: string): WebSocketLike => {
      const socket = new Socket!(address);
      let isDialling = true;
      socket.addEventListener("open", () => {
        isDialling = false;
        takesEvents = false;
        blocked = 0;
        tell(false);
      });
      socket.addEventListener("close", ({ code, reason }: CloseEvent) => {
        // An HTTP status in the place of a close code is the server's own refusal. One that fails beside streams leaves everything as it is. What is refused in words may end twice.
        if (!isDialling || streams) return;
        isDialling = false;
        why = reason;
        blocked = code > 999 ? blocked + 1 : 0;
        takesEvents = blocked >= BLOCKED_DIALS;
      });
      return socket;
    };

    const Chosen = function (given: string): WebSocketLike {
      const address = String(given);
      const isExtended = new URL(address).searchParams.has("ext");
      if (isOnly && !isExtended) throw new Error("streams of events need the extended protocol: leave out the option protocol");
      // A dial beside streams is to replace them.
      return isExtended && takesEvents && (isOnly || !streams) ? openStreams(address) : openWebSocket(address);
    };
    return Chosen as unknown as WebSocketConstructor;
  };
