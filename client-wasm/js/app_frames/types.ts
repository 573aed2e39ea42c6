// Public types of application frames (option frames). Types only.
import type { Client } from "../client/client.js";
import type { AbortSignalLike, Address, ListenOptions, Options, SendOptions } from "../types.js";

/** What a server is taken to send, where nobody says more. */
export interface OwnFrame {
  /** What it is called. */
  readonly type: string;
  readonly [field: string]: unknown;
}

/** The names of such frames: what they have as `type`. */
export type FrameName<Down> = Down extends { readonly type: infer Name extends string } ? Name : never;

/** The frames of this name. */
export type FrameOf<Down, Name> = Down extends { readonly type: infer Own } ? (Name extends Own ? Down : never) : never;

/** A frame as it came. */
export interface AnyFrame {
  /** Its `type`, if it has one that is a text. Untrusted text. */
  readonly name?: string;
  /** What it says: the whole of the JSON, a text that is no JSON as it came, or the bytes of a binary frame that is none, as a `Uint8Array`. */
  readonly data: unknown;
}

/** How a frame is sent. */
export interface FrameOptions extends Pick<SendOptions, "timeout" | "signal"> {
  /** Only if the connection takes it at once: otherwise it fails with `dropped`, and is never sent. */
  volatile?: boolean;
}

/** A request's wait for its answer. */
export interface RequestOptions {
  /** How long the answer may take, in ms, the time in which there is no connection included: 30 s by default. */
  timeout?: number;
  /** Ends the wait, which rejects with the signal's reason, and takes the request back if it is not on its way yet. */
  signal?: AbortSignalLike;
}

/** A frame that was sent: the browser has given every byte away. */
export type FrameReceipt = { status: "written" };

/** Messages of the application's own. What the server sends is `Down` as far as the application is right about it. */
export interface Frames<Down, Up> {
  /** Calls `listener` for every frame of this `type` from now on; gives the function that ends it. */
  on<Name extends FrameName<Down>>(name: Name, listener: (frame: FrameOf<Down, Name>) => void, options?: ListenOptions): () => void;
  /** The same for the next such frame alone. */
  once<Name extends FrameName<Down>>(name: Name, listener: (frame: FrameOf<Down, Name>) => void, options?: ListenOptions): () => void;
  /** Removes a listener that `on` or `once` added. */
  off<Name extends FrameName<Down>>(name: Name, listener: (frame: FrameOf<Down, Name>) => void): void;
  /** Calls `listener` for every frame, also for JSON without a `type`, for a text that is no JSON and for bytes; gives the function that ends it. */
  any(listener: (frame: AnyFrame) => void, options?: ListenOptions): () => void;
  /**
   * Sends a frame, as JSON, a text as it is, or bytes as a binary one. Resolves or rejects (with a `SendError`) exactly once, when it is known
   * what became of it. It is sent at most once, in order with the messages on a plain server.
   */
  send(frame: Up | string | Uint8Array, options?: FrameOptions): Promise<FrameReceipt>;
  /**
   * Has each connection begin with a frame, before anything that waits, and sends it now if there is one. What is kept under
   * the same key, of at most 64 characters, is replaced. For what a server forgets with the connection, such as a subscription.
   * At most 64 frames of together 64 KiB: the event `error` with the code `not_kept` says of one that it is not kept, or no longer.
   */
  keep(key: string, frame: Up | string | Uint8Array): void;
  /** No connection begins with the frame kept under this key any more. The server is told nothing. */
  dropKept(key: string): void;
  /**
   * Sends a frame that the server answers with one that repeats the field of the option `correlate`, and gives that answer,
   * which then is no event. A frame without the field gets one. It is sent at most once: `connection_lost` when the connection
   * breaks before the answer, `timeout` when none comes in time. At most 1,024 are under way.
   */
  request<Answer = Down>(frame: Up, options?: RequestOptions): Promise<Answer>;
}

/** A client with messages of its own: option `frames`. */
export interface FramesClient<Down, Up> extends Client {
  /** Messages of the application's own. */
  readonly frames: Frames<Down, Up>;
}

/** Starts a client. */
export interface Connect {
  /** The same with messages of the application's own: it is sent `Down`, and sends `Up`. */
  <Down extends object = OwnFrame, Up extends object = object>(url: Address, options: Options & { frames: true }): Promise<FramesClient<Down, Up>>;
  /**
   * Starts a client. Resolves as soon as it runs: it dials in the background, and works offline. Rejects on bad
   * arguments, and when the WebAssembly module cannot be loaded.
   */
  (url: Address, options?: Options): Promise<Client>;
}
