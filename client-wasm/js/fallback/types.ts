// Public types of `rejoin/fallback`. Types only.
import type { Clock, WebSocketConstructor } from "../types.js";
import type { Fetch } from "../sse/types.js";

export type { Clock, WebSocketConstructor, WebSocketLike } from "../types.js";
export type { Fetch, FetchInit, FetchResponse } from "../sse/types.js";

/** A token, or where to get one for each request. */
export type StreamToken = string | (() => string | PromiseLike<string>);

/** How rooms are read where no WebSocket opens. All have good defaults. */
export interface FallbackOptions {
  /**
   * - `auto`: by streams of events after three dials by WebSocket in a row that something on the way may have blocked. A
   *   WebSocket is tried again meanwhile, and takes over when it opens. The default.
   * - `sse`: by streams of events alone.
   */
  transports?: "auto" | "sse";
  /** When a WebSocket is tried again, in ms: a minute by default, then later and later, up to ten minutes. */
  websocketRetry?: number;
  /** Told when the client can read only, and when it can send again. */
  onReadOnly?: (isReadOnly: boolean) => void;
  /**
   * What the streams show in the place of the client's own token: for a client with `ticketUrl`, whose tickets are good
   * for one request, a function that gives a ticket or a token for each.
   */
  token?: StreamToken;
  /** Streams to another origin carry cookies. */
  withCredentials?: boolean;
  /** How many rooms are read at once, each over a connection of its own: 16 by default, in a page over `http:` 4. */
  maxRooms?: number;
  /** A WebSocket constructor, where there is no global one (Node before 22). */
  webSocket?: WebSocketConstructor;
  /** In the place of the global one. */
  fetch?: Fetch;
  /** Time as the client sees it, for tests: `VirtualClock` of `rejoin/testing`. */
  clock?: Clock;
}
