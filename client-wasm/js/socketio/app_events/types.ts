// Public types of application events (option frames). Types only.
import type { AbortSignalLike, ListenOptions } from "../../types.js";
import type { Client } from "../client.js";
import type { Address, NamespaceOptions, Options } from "../types.js";

/** Events by name, each with a function that takes its arguments and gives what answers it. */
export type EventsOf<Map> = { [Name in keyof Map]: (...args: any[]) => any };

/** What is called for an event: it gives the answer, at once or later, or leaves that to another. */
export type EventListener<Event extends (...args: any[]) => any> = (
  ...args: Parameters<Event>
) => [ReturnType<Event>] extends [void] ? void : ReturnType<Event> | Promise<Awaited<ReturnType<Event>>> | void;

/** Any event, where nobody says more. */
export type AnyEvents = { [name: string]: (...args: any[]) => any };

/** An event as it came. */
export interface AnyEvent {
  /** Untrusted text. */
  readonly name: string;
  /** Its arguments; bytes are a `Uint8Array`. */
  readonly args: readonly unknown[];
}

/** How an event is sent. */
export interface EmitOptions {
  /** After how long it has its outcome at the latest, in ms; with an ack the time for the answer too, 10 s by default. */
  timeout?: number;
  /** Cancels it, if it is not on its way yet. */
  signal?: AbortSignalLike;
  /** Only if the connection takes it at once: otherwise it fails with `dropped`, and is never sent. Not with an ack. */
  volatile?: boolean;
  /**
   * The server can tell by this key, a text of 1 to 128 characters, when the event comes twice: it is the last of its arguments. The
   * event is sent again with it when the connection is lost, in its place, until it has its outcome; `unknown` only when its
   * time is over or the client ends before. With `emitWithAck` only: without an answer nobody knows that it has arrived.
   */
  idempotent?: string;
}

/** How events are sent. Bytes (`Uint8Array`, `ArrayBuffer`) in the arguments are attachments, at most 10. */
export interface Emits<Up extends EventsOf<Up>> {
  /** Resolves when the browser has given every byte away; rejects with a `SendError`. Sent at most once. */
  emit<Name extends keyof Up & string>(name: Name, ...args: Parameters<Up[Name]>): Promise<{ status: "written" }>;
  /**
   * Resolves with what the server's handler gives to its ack, whatever that says: one argument as it is, several as a list.
   * Rejects with a `SendError`: `unknown` when no answer comes in time, or the connection breaks first and it is not `idempotent`.
   */
  emitWithAck<Name extends keyof Up & string>(name: Name, ...args: Parameters<Up[Name]>): Promise<Awaited<ReturnType<Up[Name]>>>;
}

/** Events of the application's own. */
export interface OwnEvents<Down extends EventsOf<Down>, Up extends EventsOf<Up>> extends Emits<Up> {
  /**
   * Calls `listener` with the arguments of every such event from now on; gives the function that ends it. An event that wants an
   * answer gets what the first listener gives that gives something, or resolves to; an empty one otherwise.
   */
  on<Name extends keyof Down & string>(name: Name, listener: EventListener<Down[Name]>, options?: ListenOptions): () => void;
  /** Adds a listener for the next such event only. */
  once<Name extends keyof Down & string>(name: Name, listener: EventListener<Down[Name]>, options?: ListenOptions): () => void;
  /** Removes a listener that `on` or `once` added. */
  off<Name extends keyof Down & string>(name: Name, listener: EventListener<Down[Name]>): void;
  /** Calls `listener` for every event; gives the function that ends it. */
  any(listener: (event: AnyEvent) => void, options?: ListenOptions): () => void;
  /** The same with a timeout, a signal, volatile, or idempotent. */
  with(options: EmitOptions): Emits<Up>;
  /** Has each connection begin with an event, before anything that waits; as `keep` of a client of rooms. */
  keep<Name extends keyof Up & string>(key: string, name: Name, ...args: Parameters<Up[Name]>): void;
  /** No connection begins with the event kept under this key any more. */
  dropKept(key: string): void;
}

/** A client with events of its own: option `frames`. */
export interface EventsClient<Down extends EventsOf<Down>, Up extends EventsOf<Up>> extends Client {
  /** Events of the application's own. */
  readonly frames: OwnEvents<Down, Up>;
  /** One more namespace, with events of its own too: it is sent `Down`, and sends `Up`. */
  namespace<Down extends EventsOf<Down> = AnyEvents, Up extends EventsOf<Up> = AnyEvents>(
    name: string,
    options?: NamespaceOptions,
  ): EventsClient<Down, Up>;
}

/** Starts a client of a Socket.IO server. */
export interface Connect {
  /** The same with events of the application's own: it is sent `Down`, and sends `Up`. */
  <Down extends EventsOf<Down> = AnyEvents, Up extends EventsOf<Up> = AnyEvents>(
    url: Address,
    options: Options & { frames: true },
  ): Promise<EventsClient<Down, Up>>;
  /**
   * Starts a client of a Socket.IO server: `https://host`, or with the path of its engine if that is not `/socket.io/`.
   * Resolves as soon as it runs: it dials in the background, and works offline. Rejects on bad arguments, and when the
   * WebAssembly module cannot be loaded.
   */
  (url: Address, options?: Options): Promise<Client>;
}
