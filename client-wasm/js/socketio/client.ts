import type { Client as RoomClient } from "../client.js";
import { SendError } from "../errors.js";
import type { Events as AnyEvents } from "../types.js";
import { argument, either, fields, known, object, signal, text } from "../validate.js";
import { textOf } from "./credentials.js";
import type { Namespaces } from "./namespaces.js";
import type {
  Auth,
  CloseOptions,
  Diagnostics,
  Events,
  JoinOutcome,
  ListenOptions,
  Message,
  NamespaceOptions,
  Receipt,
  RoomState,
  SendOptions,
  State,
  WaitOptions,
} from "./types.js";

/** What this client tells; the client of rooms has others too. */
const events: readonly (keyof Events)[] = ["state", "ready", "room", "joined", "message", "user_joined", "notification", "gap", "error"];

/** A connection to a Socket.IO server that looks after itself. Made by `connect`. */
export class Client {
  /** The client of rooms, which speaks another protocol here. */
  readonly #client: RoomClient;
  readonly #namespaces: Namespaces;

  /** @internal */
  constructor(client: RoomClient, namespaces: Namespaces) {
    this.#client = client;
    this.#namespaces = namespaces;
  }

  /** Calls `listener` for every such event from now on; gives the function that ends it. */
  on<K extends keyof Events>(name: K, listener: (event: Events[K]) => void, options?: ListenOptions): () => void {
    return this.#client.on(event(name), listener as (event: unknown) => void, options);
  }

  /** The same for the next such event alone. */
  once<K extends keyof Events>(name: K, listener: (event: Events[K]) => void, options?: ListenOptions): () => void {
    return this.#client.once(event(name), listener as (event: unknown) => void, options);
  }

  /** Ends what `on` and `once` began with this listener. */
  off<K extends keyof Events>(name: K, listener: (event: Events[K]) => void): void {
    this.#client.off(event(name), listener as (event: unknown) => void);
  }

  /** The messages of a room from now on, until it is left or the client is closed. Throws what ends it otherwise. */
  messages(room: string, options?: WaitOptions): AsyncIterableIterator<Message> {
    return this.#client.messages(room, options);
  }

  /** How it stands with the connection. */
  get state(): State {
    return this.#client.state;
  }

  /** The same with its attempt, the time of the next one and the cause. */
  get status(): Events["state"] {
    return this.#client.status;
  }

  /** The rooms that were asked for, and how it stands with each. */
  get rooms(): ReadonlyMap<string, RoomState> {
    return this.#client.rooms;
  }

  /** @internal Events of the application's own: {@link EventsClient} has their type. */
  get frames(): unknown {
    return this.#client.frames;
  }

  /** Resolves when connected and every wanted room is joined; rejects when the client is closed or has failed. */
  async ready(options?: WaitOptions): Promise<void> {
    await this.#client.ready(options);
  }

  /** Sends a message. Resolves or rejects (with a `SendError`) exactly once, when it is known what became of it. */
  async send(room: string, content: string, options: SendOptions = {}): Promise<Receipt> {
    try {
      const receipt = await this.#client.send(room, content, options);
      if (receipt.status == "written") return receipt;
      const { id, seq, ...answer } = receipt;
      return { ...answer, status: "answered", ...(id && { id }), ...(seq >= 0 && { seq }) };
    } catch (error) {
      if (!(error instanceof SendError) || error.outcome != "unknown") throw error;
      const hint = "no answer came in time, or the connection broke first: look for it before you send it again";
      throw new SendError("unknown", "unknown", hint);
    }
  }

  /**
   * Be a member of a room, now and after every reconnect. Resolves when it is joined; rejects when the server refuses it,
   * when it is left first, and when the client is closed or has failed. Nobody has to look: the event `room` says the same.
   */
  join(room: string, options: WaitOptions = {}): Promise<JoinOutcome> {
    try {
      fields(options, { signal });
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#client.join(room, options);
  }

  /** Leave a room, once the earlier sends to it are final. */
  leave(room: string): void {
    this.#client.leave(room);
  }

  /** Uses another token, or another `auth` object, from the next dial on; leaves the state `failed`. */
  setToken(token: string | Auth): void {
    argument(token, either(text, [object[0], "an auth object"]), "token");
    this.#client.setToken(textOf(token));
  }

  /** Replaces the connection by a fresh one, or tries at once. Leaves the state `failed`. */
  reconnect(): void {
    this.#client.reconnect();
  }

  /**
   * Ends it; the client of another namespace leaves that alone. Sends that have no outcome yet get one first, for at most
   * `timeout` ms (5 s by default) while there is a connection.
   */
  close(options?: CloseOptions): Promise<void> {
    return this.#namespaces.close(this.#client, options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * One more namespace over the same connection, as a client of its own: with its own state, rooms, sends, events and recovery,
   * and with no token unless it is given one. One that is refused, or that the server disconnects, is `failed` and changes
   * nothing for the others; `reconnect` and `setToken` enter it anew. The end of the first one's connection is the end of
   * all. At most 64; it can be opened again once it is closed.
   */
  namespace(name: string, options?: NamespaceOptions): Client {
    return this.#namespaces.open(name, options);
  }

  /** What has been counted so far. */
  diagnostics(): Diagnostics {
    return this.#client.diagnostics();
  }
}

/** The name of an event as the client of rooms has it. */
function event<K extends keyof Events>(name: K): K & keyof AnyEvents {
  known(name, events, "event");
  return name;
}
