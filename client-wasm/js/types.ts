/// <reference lib="esnext.disposable" preserve="true" />
// Public types of a client of rooms. Types only.
import type { CauseCode, Code, GapReason, JoinReason, Mode, RoomState, State } from "./code_types.js";

/** A message in a room. */
export interface Message {
  /** Its room's name. */
  room: string;
  /** The sender's user id. Untrusted: show it as text only. */
  user: string;
  /** The text. Untrusted: show it as text only. */
  content: string;
  /** When the server took it: UTC, ISO 8601, also where the server gives a number of seconds or less; empty where it gives none. */
  timestamp: string;
  /** Extended servers: any JSON that was sent beside the text. */
  data?: unknown;
  /** Extended servers: its position in the room's log, from which a later `join(room, { since })` resumes. */
  position?: Position;
  /** It was missed during an outage and is replayed now. */
  replay: boolean;
}

/** A position in a room's log. */
export interface Position {
  /** Which log: another one when the server has begun the room anew. */
  epoch: string;
  /** The number in that log, which grows by 1 with each message. */
  seq: number;
  /** The id of the message there. */
  id: string;
}

/**
 * Why a client does not run yet. `wasm_unavailable`: the WebAssembly module has not come yet; `store_failed`, `tabs_failed`: nor has
 * the script for the option `persist`, or for `shareTabs` and `ticketUrl`. The others, as of `connect`, are no matter of time.
 */
export type LoadCode = "wasm_unavailable" | "store_failed" | "tabs_failed" | "wasm_failed" | "no_webassembly" | "no_storage";

/** Why the state changed. */
export interface Cause {
  /** `blocked`: the page's own security policy forbids the dial; `text` says what to do. */
  code: CauseCode | "blocked" | LoadCode;
  /** A close code, if there was one. */
  number?: number;
  /** Of `gave_up`: why the last attempt failed. */
  lastCode?: CauseCode;
  /** The message of the server or of the token function. Untrusted: show it as text only. */
  text?: string;
  /** The client goes on trying by itself. */
  willRetry: boolean;
}

/** The events of a client, by name. */
export interface Events {
  /** The connection's state changed. */
  state: {
    /** The new state. */
    state: State;
    /** Which attempt is next or under way, from 1. */
    attempt?: number;
    /** When the next attempt is: milliseconds since 1970. */
    retryAt?: number;
    /** Why. */
    cause?: Cause;
  };
  /** The mode of the connection is known, or has changed. */
  mode: Mode;
  /** Connected, and every wanted room is joined. */
  ready: Mode;
  /**
   * The state of a room changed. `code`: why the server refused or removed this client; with `willRetry` it is
   * temporary, reported once for each reason, and retried. `message`: the server's message, if there is one.
   */
  room: { room: string; state: RoomState; code?: Code; message?: string; serverCode?: string; willRetry?: boolean };
  /** Extended servers: a membership was confirmed; the missed messages follow. */
  joined: {
    room: string;
    /** It goes on where it was. */
    recovered: boolean;
    /** How many messages follow that were missed, or asked for as `history`. */
    replayed: number;
    /** Why it could not go on where it was. */
    reason?: JoinReason;
    /** The ids of who is there, if they are few enough for a list. */
    members?: string[];
    /** How many are there, if there is no list. */
    memberCount?: number;
  };
  /** A message of a room, also of this client itself. */
  message: Message;
  /** A user joined a room. */
  user_joined: { room: string; user: string };
  /** A user left a room. */
  user_left: { room: string; user: string };
  /** Who is in a room, where joins and leaves do not say it. */
  presence: { room: string; members?: string[]; memberCount?: number };
  /** Something ephemeral, `typing` for instance. */
  signal: { room: string; user: string; kind: string; data?: unknown };
  /** Something for this user alone (option `notifications`). */
  notification: { room: "@me"; kind: string; data?: unknown; position: Position; replay: boolean };
  /** Messages of a room were missed. Comes before any later message of that room. */
  gap: { room: string; reason: GapReason; epoch?: string; after?: number; before?: number };
  /** The server sent `error`, or something that is not a frame. */
  error: { message: string; code?: Code | "garbled" | "storage" | "not_kept" | "not_answered"; serverCode?: string };
}

/** The outcome of a message: a plain server confirms nothing beyond `written`. */
export type Receipt = { status: "written" } | { status: "acked"; id: string; seq: number };

/** A message of an earlier page that is sent now (option `persist`). */
export interface Restored {
  /** Empty for a frame of the application's own, which is `data` then. */
  room: string;
  /** What is sent. */
  content: string;
  /** What is sent beside the text. */
  data?: unknown;
  /** As of `send`. */
  outcome: Promise<Receipt>;
}

/** A token, or where to get one: asked before the first dial and again when the server rejects it. */
export type TokenSource = string | ((why: { rejected: boolean }) => string | PromiseLike<string>);

/** How a client is made. All have good defaults. */
export interface Options {
  /** Who connects: a text, or a function that gives one each time it is needed. */
  token?: TokenSource;
  /**
   * Where a ticket is fetched for each dial, so that no token stands in an address: a POST, with the `token` as
   * `Authorization: Bearer`, or without one with the page's cookies. It answers `{"ticket": "…"}`, as `/tickets` of the
   * server does.
   */
  ticketUrl?: string | UrlLike;
  /** Joined at once, and again after every reconnect. */
  rooms?: readonly (string | RoomOptions)[];
  /** Join the user's own stream: event `notification`. Extended servers only. */
  notifications?: boolean;
  /** `plain`: do not offer the extended protocol. */
  protocol?: "auto" | "plain";
  /** `legacy`: the fixed delays of the base contract, at most 10 attempts. */
  policy?: "default" | "legacy";
  /** How often it dials again after one that failed, or a loss, before the state is `failed`; without limit by default. */
  maxAttempts?: number;
  /** How long a message may wait for a connection, in ms: 10 minutes by default. */
  sendTtl?: number;
  /** Keep what is unsent and what has been received over a reload. Browsers only. */
  persist?: "indexeddb";
  /**
   * One connection for all tabs of the origin that give the same text and connect to the same addresses. The text names
   * the user, whose connection it is: the user's id, for instance. Each tab keeps its own rooms and sends, and loses
   * nothing when the tab that has the connection is closed or crashes. Without Web Locks and BroadcastChannel the client
   * has a connection of its own.
   */
  shareTabs?: string;
  /**
   * Messages of the application's own, beside those of rooms: the client then has `frames`. The code for it is loaded only
   * then.
   */
  frames?: boolean;
  /** With `frames`: the field of a request that its answer repeats. */
  correlate?: string;
  /** Hosts that a redirect may name. */
  allowedHosts?: readonly string[];
  /** A WebSocket constructor, where there is no global one (Node before 22). */
  webSocket?: WebSocketConstructor;
  /** Time as the client sees it, for tests: `VirtualClock` of `rejoin/testing`. */
  clock?: Clock;
  /** Seeds the client's randomness, for tests. Each client needs one of its own. */
  seed?: number;
  /** Where the wasm comes from, if not from beside the script. */
  wasm?: WasmSource;
  /**
   * Logs events with `console.debug`, one line each, without tokens and contents: dials, losses with their cause, rooms, gaps,
   * outcomes. `localStorage.rejoin = "debug"` in a page's console does the same for a client that is made after it. The code for it is
   * loaded only then.
   */
  debug?: boolean;
  /** Ends the wait for `connect`. The client that it gave is ended by `close`. */
  signal?: AbortSignalLike;
}

/** A room that is joined at once, with where its messages begin. */
export interface RoomOptions extends Pick<JoinOptions, "since" | "history"> {
  /** Its name. */
  room: string;
}

// What is used of the platform's own types: the package needs neither the DOM library nor that of Node.

/** A `URL`. */
export interface UrlLike {
  /** The whole address. */
  readonly href: string;
}

/** An address of a server, or several to be tried in turn. */
export type Address = string | UrlLike | readonly (string | UrlLike)[];

/** A URL, the bytes, or a compiled `WebAssembly.Module`. */
export type WasmSource = string | UrlLike | ArrayBuffer | ArrayBufferView | WasmModule;

/** A compiled `WebAssembly.Module`, of which nothing is used by name. */
export type WasmModule = object;

/** An `AbortSignal`. */
export interface AbortSignalLike {
  /** Whether it has been aborted. */
  readonly aborted: boolean;
  /** What the wait rejects with. */
  readonly reason?: any;
  /** Called once, when it is aborted. */
  addEventListener(type: "abort", listener: () => void): void;
  /** Ends that. */
  removeEventListener(type: "abort", listener: () => void): void;
}

/** The part of the global object that is about time, which is what a client uses unless it is given another. */
export interface Clock {
  /** Milliseconds that never go back. */
  performance: { now(): number };
  /** Milliseconds since 1970. */
  Date: { now(): number };
  /** Calls `run` after so many milliseconds; gives what `clearTimeout` takes. */
  setTimeout(run: () => void, ms?: number): unknown;
  /** Ends that. */
  clearTimeout(timer: unknown): void;
}

/** The part of a WebSocket that is used: that of browsers, of Node and of the package `ws` all have it. */
export interface WebSocketLike {
  /** The address. */
  readonly url: string;
  /** 0: dialling, 1: open, 2: closing, 3: closed. */
  readonly readyState: number;
  /** Bytes that were given to `send` and have not left yet. */
  readonly bufferedAmount: number;
  /** How bytes come: `arraybuffer`. */
  binaryType: string;
  /** Of a dial that failed with an HTTP status as its close code: how long the server wants to be left alone, in ms. */
  readonly retryAfter?: number | undefined;
  /** Called for errors; `close` follows. */
  onerror: ((event: any) => void) | null;
  /** Sends a text. */
  send(data: string): void;
  /** Closes it. */
  close(code?: number, reason?: string): void;
  /** `open`, `message` and `close` are listened to. */
  addEventListener(type: any, listener: (event: any) => void): void;
  /** Ends that. */
  removeEventListener(type: any, listener: (event: any) => void): void;
}

/** What makes one: the global `WebSocket`, or that of the package `ws`. */
export interface WebSocketConstructor {
  new (url: string): WebSocketLike;
}

/** How long something is wanted. */
export interface ListenOptions {
  /** Ends it. */
  signal?: AbortSignalLike;
}

/** How long something is waited for. */
export interface WaitOptions {
  /** Ends the wait, which rejects with the signal's reason. */
  signal?: AbortSignalLike;
}

/** Where a room's messages begin. */
export interface JoinOptions {
  /** Go on after this position, which the application has from elsewhere. */
  since?: Position;
  /** The last so many messages, at a first join or when `since` cannot be recovered. */
  history?: number;
  /** Ends the wait for the outcome. The room stays wanted until `leave`. */
  signal?: AbortSignalLike;
}

/** A join that has been answered. All but the room only an extended server tells, and only for a join of its own. */
export type JoinOutcome = Pick<Events["joined"], "room"> & Partial<Events["joined"]>;

/** How a message is sent. */
export interface SendOptions {
  /** How long it may wait for a connection, in ms, from 1. */
  timeout?: number;
  /** Cancels it, if it is not on its way yet. */
  signal?: AbortSignalLike;
  /** Extended servers: any JSON beside the text but `null`. */
  data?: unknown;
}

/** How a client is closed. */
export interface CloseOptions {
  /** How long sends that have no outcome yet are waited for, in ms: 5 s by default. */
  timeout?: number;
  /** Ends that wait: it closes at once. */
  signal?: AbortSignalLike;
}

/** Diagnostic counters since the start. */
export interface Diagnostics {
  /** Connections that were tried. */
  dials: number;
  /** Connections that were opened. */
  connections: number;
  /** Frames that came. */
  framesIn: number;
  /** Frames that were sent. */
  framesOut: number;
  /** Frames of a kind that this version does not know. */
  unknownFrames: number;
  /** What came and was no frame. */
  garbledFrames: number;
  /** Messages that have no outcome yet. */
  outboxLength: number;
  /** The bytes of their texts and data. */
  outboxBytes: number;
  /**
   * Most bytes of a message's text and data that are taken: the client's own limit, or the server's if that is less. Not there
   * before the module is.
   */
  contentLimit?: number;
  /** The last measured round trip in ms. */
  rtt?: number;
}
