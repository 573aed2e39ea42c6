import type { Cause, Clock, Message, TokenSource } from "../types.js";
import type { FeedCauseCode, FeedGapReason, FeedState } from "./names.js";

export type { Clock, Message, Position, TokenSource } from "../types.js";
export type { FeedCauseCode, FeedGapReason, FeedState } from "./names.js";

/** What a {@link Feed} tells, by name. */
export interface FeedEvents {
  /** The connection's state changed. */
  state: {
    state: FeedState;
    attempt?: number;
    retryAt?: number;
    /** `number` is an HTTP status. */
    cause?: Omit<Cause, "code"> & { code: FeedCauseCode };
  };
  /** The server has said where it begins: there is a `lastEventId` to go on from, before any message has come. */
  began: { lastEventId: string };
  message: Message;
  /** Messages of the room were missed. Comes before any later message. */
  gap: { room: string; reason: FeedGapReason; epoch?: string; after?: number; before?: number };
  /** The server sent an event that cannot be read; it was left out. */
  error: { message: string; code: "garbled" };
}

export interface FollowOptions {
  /** The room to read. */
  room: string;
  token?: TokenSource;
  /** Go on behind the event with this id: the {@link Feed.lastEventId} of another page. By default from now on. */
  since?: string;
  /** Begin with the last so many messages, where there is nothing to go on from. */
  history?: number;
  /** `legacy`: fixed delays, at most 10 attempts. */
  policy?: "default" | "legacy";
  /** Attempts before the state is `failed`; without limit by default. */
  maxAttempts?: number;
  /** The largest event that is taken, in bytes: 1 MiB by default. A larger one is left out, and said to be. */
  maxEvent?: number;
  /** In the place of the global one. */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** Time as the feed sees it, for tests: `VirtualClock` of `rejoin/testing`. */
  clock?: Clock;
  /** What is random about the feed follows from this number, for tests. */
  seed?: number;
  /** Where the wasm comes from, if not from beside the script: a URL, its bytes, or a compiled module. */
  wasm?: string | URL | BufferSource | WebAssembly.Module;
}
