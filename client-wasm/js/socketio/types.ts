// Public types of `rejoin/socketio`. Types only.
import type {
  Cause as AnyCause,
  Events as AnyEvents,
  Message as AnyMessage,
  Options as AnyOptions,
  SendOptions as AnySendOptions,
  TokenSource,
  UrlLike,
} from "../types.js";
import type * as codes from "./codes.js";

export type {
  AbortSignalLike,
  Address,
  Clock,
  CloseOptions,
  Diagnostics,
  ListenOptions,
  TokenSource,
  UrlLike,
  WaitOptions,
  WasmModule,
  WasmSource,
  WebSocketConstructor,
  WebSocketLike,
} from "../types.js";
export type { CauseCode, Code, GapReason, JoinReason, RoomState, SendFailure, State } from "../code_types.js";

/**
 * Why the state is what it is, beside those of a client of rooms.
 * - `incompatible`: the server speaks another version of the protocol.
 * - `unknown_namespace`: the server has no such namespace.
 */
export type SocketIoCauseCode = codes.SocketIoCauseCode;

/**
 * A message in a room. Such a server has no places in a log. The ids of rooms and users are texts, also where the server
 * writes numbers; a timestamp that is a number becomes the text of its time, and is absent where the server gave none.
 */
export type Message = Omit<AnyMessage, "position" | "replay" | "timestamp"> & Partial<Pick<AnyMessage, "timestamp">>;

/** Why the state changed. */
export type Cause = Omit<AnyCause, "code"> & {
  /** What happened, for a program. */
  code: AnyCause["code"] | SocketIoCauseCode;
  /** The `data` of the error with which the server's middleware refused. */
  data?: unknown;
};

/** The events of {@link Client}, by name. */
export interface Events extends Pick<AnyEvents, "room" | "user_joined" | "error"> {
  /** The connection's state changed. `connected`: the namespace has let us in. */
  state: Omit<AnyEvents["state"], "cause"> & { cause?: Cause };
  /** Connected, and every wanted room is joined. */
  ready: "socketio";
  /**
   * A join was answered, or the server has recovered the session that was lost: then nothing was missed. `answer` is all that
   * the handler gave to its ack, as in a {@link Receipt}.
   */
  joined: Omit<AnyEvents["joined"], "memberCount"> & { answer?: unknown };
  /** A message of a room. */
  message: Message;
  /**
   * Something for this user alone: an event that the option `events` calls so, or an object with a `kind`. `data` is the
   * object's, where it has nothing else; otherwise all that was sent, several arguments as a list.
   */
  notification: { kind: string; data?: unknown };
  /**
   * Messages of a room were missed: how many nobody knows. Comes before any later message of that room. The room `@me` is
   * the notifications.
   */
  gap: Pick<AnyEvents["gap"], "room" | "reason">;
}

/**
 * What became of a message. `answered`: the server's handler has called its ack, with this id and number if it says so;
 * `answer` is all that it gave, one argument as it is and several as a list, of more than 16 KiB the beginning as a text.
 * `written`: the browser has given every byte away (option `acks: false`).
 */
export type Receipt = { status: "written" } | { status: "answered"; id?: string; seq?: number; answer?: unknown };

/** A join that was answered. All but the room is what the server said of it. */
export type JoinOutcome = Pick<Events["joined"], "room"> & Partial<Events["joined"]>;

/** The events of rooms: the first three go up, the others come down. */
export type EventName =
  | "join_room"
  | "leave_room"
  | "send_message"
  | "message"
  | "user_joined"
  | "error"
  | "notification";

/** What a server wants to know of who connects: its `socket.handshake.auth`. */
export type Auth = { readonly [field: string]: unknown };

/** That, or where to get it: asked before the first dial and again when the server refuses. */
export type AuthSource = Auth | ((why: { rejected: boolean }) => Auth | PromiseLike<Auth>);

/** How a client is made. All have good defaults. */
export interface Options
  extends Pick<AnyOptions, "policy" | "maxAttempts" | "sendTtl" | "webSocket" | "clock" | "seed" | "wasm" | "signal" | "debug"> {
  /** Joined at once, and again after every reconnect. */
  rooms?: readonly (string | { room: string })[];
  /** `/admin`; `/` by default. */
  namespace?: string;
  /** Goes into the `auth` object as `token`, never into the address. */
  token?: TokenSource;
  /**
   * Where a ticket is fetched for each dial, which stands in the place of the token: a POST, with the `token` as
   * `Authorization: Bearer`, or without one with the page's cookies. It answers `{"ticket": "…"}`, as `/tickets` of the
   * server does.
   */
  ticketUrl?: string | UrlLike;
  /** The whole `auth` object, in the place of `token`. */
  auth?: AuthSource;
  /** What the server calls the events, where that is something else. What comes down may have several names. */
  events?: { readonly [name in EventName]?: string | readonly string[] };
  /** `false`: the server's handlers do not call their acks. A message is done when it is written then. */
  acks?: boolean;
  /** What an ack means that is nothing but a text: `error` is a refusal in these words, `ok`, the default, a success. */
  ackText?: "ok" | "error";
  /** How long an answer may take, in ms: 10 s by default. */
  ackTimeout?: number;
  /**
   * The transports of Engine.IO. `auto`, the default, is WebSocket, and after three dials in a row that did not open long polling,
   * from where the connection moves to a WebSocket as soon as one opens. `websocket` and `polling` are that alone. The code for
   * long polling is loaded only then.
   */
  transports?: "auto" | "websocket" | "polling";
  /**
   * Header fields of each request. In a page they go with long polling alone, since a browser's WebSocket takes none; in Node with
   * both, where the constructor of WebSockets takes `{ headers }`, as Node's own and that of the package `ws` do.
   */
  extraHeaders?: { readonly [name: string]: string };
  /** `true`: the requests of long polling to another origin carry cookies, as a WebSocket does in any case. */
  withCredentials?: boolean;
  /** Events of the application's own: the client then has `frames`. The code for it is loaded only then. */
  frames?: boolean;
}

/** How one more namespace is entered: as the options of the same names. The rest is as the first one has it. */
export type NamespaceOptions = Pick<Options, "rooms" | "token" | "auth">;

/** How a message is sent. */
export interface SendOptions extends Omit<AnySendOptions, "data"> {
  /** Any JSON beside the text, as a field of the event. */
  data?: unknown;
}
