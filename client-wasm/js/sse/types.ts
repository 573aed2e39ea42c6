// Public types of `rejoin/sse`. Types only.
import type { AbortSignalLike, Cause, Clock, LoadCode, Message, TokenSource, UrlLike, WasmSource } from "../types.js";
import type { GapReason, State } from "../code_types.js";
import type * as codes from "./codes.js";

export type { AbortSignalLike, Clock, ListenOptions, Message, Position, TokenSource, UrlLike, WaitOptions, WasmModule, WasmSource } from "../types.js";

/** The state of the connection, as of a client. */
export type FeedState = State;

/** Why messages cannot be had: as of a client. */
export type FeedGapReason = GapReason;

/**
 * Why the state is what it is.
 * - `requested`: the application asked for it.
 * - `server_closed`: the server ended it for good (204).
 * - `connection_lost`: it broke.
 * - `stream_ended`: the server ended the stream.
 * - `dead_peer`: the server does not answer.
 * - `network_changed`: another network, or a long sleep.
 * - `dial_timeout`: no answer in time.
 * - `http`: an HTTP status that is no feed; `number` is it.
 * - `not_event_stream`: the answer is something else.
 * - `unreachable`: no connection; a browser does not say why.
 * - `unauthorized`: the server refused the token.
 * - `token_unavailable`: the token function gave none.
 * - `gave_up`: the last attempt allowed (option `maxAttempts`).
 */
export type FeedCauseCode = codes.FeedCauseCode;

/** The events of a {@link Feed}, by name. */
export interface FeedEvents {
  /** The connection's state changed. */
  state: {
    /** The new state. */
    state: FeedState;
    /** Which attempt is next or under way, from 1. */
    attempt?: number;
    /** When the next attempt is: milliseconds since 1970. */
    retryAt?: number;
    /** `number` is an HTTP status. */
    cause?: Omit<Cause, "code" | "lastCode"> & { code: FeedCauseCode | LoadCode; lastCode?: FeedCauseCode };
  };
  /** The server has said where it begins: there is a `lastEventId` to go on from, before any message has come. */
  began: { lastEventId: string };
  /** A message of the room. */
  message: Message;
  /** Messages of the room were missed. Comes before any later message. */
  gap: { room: string; reason: FeedGapReason; epoch?: string; after?: number; before?: number };
  /**
   * An event that is no message of the contract: of another name (`message` if it has none), or with data of another
   * shape. `data` is its text, `id` its own id.
   */
  event: { name: string; data: string; id?: string };
  /** An event was left out: it is larger than `maxEvent`, or damaged, on a server that speaks the contract. */
  error: { message: string; code: "garbled" };
}

/** What is read, and how. */
export interface FollowOptions {
  /** The room to read. */
  room: string;
  /** Who reads: a text, or a function that gives one each time it is needed. */
  token?: TokenSource;
  /**
   * Where a ticket is fetched for each dial, which stands in the place of the token: a POST, with the `token` as
   * `Authorization: Bearer`, or without one with the page's cookies. It answers `{"ticket": "…"}`, as `/tickets` of the
   * server does.
   */
  ticketUrl?: string | UrlLike;
  /** Go on behind the event with this id: the {@link Feed.lastEventId} of another page. By default from now on. */
  since?: string;
  /** Begin with the last so many messages, where there is nothing to go on from. */
  history?: number;
  /** `legacy`: fixed delays, at most 10 attempts. */
  policy?: "default" | "legacy";
  /** How often it asks again after a request that failed, or a loss, before the state is `failed`; without limit by default. */
  maxAttempts?: number;
  /** The largest event that is taken, in bytes: 1 MiB by default. A larger one is left out, and said to be. */
  maxEvent?: number;
  /** In the place of the global one. */
  fetch?: Fetch;
  /** Time as the feed sees it, for tests: `VirtualClock` of `rejoin/testing`. */
  clock?: Clock;
  /** Seeds the feed's randomness, for tests. */
  seed?: number;
  /** Where the wasm comes from, if not from beside the script. */
  wasm?: WasmSource;
  /**
   * Logs events with `console.debug`, one line each, without tokens and contents. `localStorage.rejoin = "debug"` in a page's
   * console does the same for a feed that begins after it. The code for it is loaded only then.
   */
  debug?: boolean;
  /** Ends the wait for `follow`. The feed that it gave is ended by `close`. */
  signal?: AbortSignalLike;
}

/** The part of `fetch` that is used. */
export type Fetch = (url: string, init: FetchInit) => PromiseLike<FetchResponse>;

/** What it is given. */
export interface FetchInit {
  /** `Authorization` and `Last-Event-ID`. */
  headers: Record<string, string>;
  /** `HEAD` asks whose the token is (`rejoin/fallback`); a stream without it. */
  method?: "HEAD";
  /** Of a client whose option `withCredentials` says so. */
  credentials?: "include";
  /** An `AbortSignal`. */
  signal: any;
  /** Nothing of it is kept. */
  cache: "no-store";
  /** Redirects are not followed. */
  redirect: "manual";
}

/** The part of a `Response` that is used. */
export interface FetchResponse {
  /** The HTTP status. */
  readonly status: number;
  /** `opaqueredirect`: a redirect, which is not followed. */
  readonly type?: string;
  /** By name, in any case. */
  readonly headers: { get(name: string): string | null };
  /** What comes, piece by piece. */
  readonly body: { getReader(): { read(): PromiseLike<{ readonly done: boolean; readonly value?: Uint8Array | undefined }> } } | null;
}
