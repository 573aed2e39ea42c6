// The public client of a Socket.IO server: restricts the client of rooms to what Socket.IO can do.
import type { Client as RoomClient } from "../client/client.js";
import { SendError } from "../errors.js";
import type { Events as AnyEvents } from "../types.js";
import { checkArgument, either, checkFields, checkName, object, signal, text } from "../client/arguments.js";
import { authText } from "./credentials.js";
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

/** The events of this client. */
const events: readonly (keyof Events)[] = ["state", "ready", "room", "joined", "message", "user_joined", "notification", "gap", "error"];

/** A connection to a Socket.IO server that reconnects by itself. Made by `connect`. */
export class Client {
  /** The client of rooms, running the Socket.IO protocol. */
  readonly #client: RoomClient;
  readonly #namespaces: Namespaces;

  /** @internal */
  constructor(client: RoomClient, namespaces: Namespaces) {
    this.#client = client;
    this.#namespaces = namespaces;
  }

  /** Adds a listener for an event; returns a function that removes it. */
  on<K extends keyof Events>(name: K, listener: (event: Events[K]) => void, options?: ListenOptions): () => void {
    return this.#client.on(event(name), listener as (event: unknown) => void, options);
  }

  /** Adds a listener for the next such event only. */
  once<K extends keyof Events>(name: K, listener: (event: Events[K]) => void, options?: ListenOptions): () => void {
    return this.#client.once(event(name), listener as (event: unknown) => void, options);
  }

  /** Removes a listener that `on` or `once` added. */
  off<K extends keyof Events>(name: K, listener: (event: Events[K]) => void): void {
    this.#client.off(event(name), listener as (event: unknown) => void);
  }

  /** The messages of a room from now on, until it is left or the client is closed. Throws if it ends for another reason. */
  messages(room: string, options?: WaitOptions): AsyncIterableIterator<Message> {
    return this.#client.messages(room, options);
  }

  /** The state of the connection. */
  get state(): State {
    return this.#client.state;
  }

  /** The state with its attempt, the time of the next attempt and the cause. */
  get status(): Events["state"] {
    return this.#client.status;
  }

  /** The wanted rooms and their states. */
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

  /** Sends a message. Resolves or rejects (with a `SendError`) exactly once, when its outcome is known. */
  async send(room: string, content: string, options: SendOptions = {}): Promise<Receipt> {
    try {
      const receipt = await this.#client.send(room, content, options);
      if (receipt.status == "written") return receipt;
      const { id, seq, ...answer } = receipt;
      return { ...answer, status: "answered", ...(id && { id }), ...(seq >= 0 && { seq }) };
    } catch (error) {
      if (!(error instanceof SendError)) throw error;
      const { outcome, code, answer } = error;
      if (outcome == "failed" && code == "other" && error.message.endsWith(": other") && answer !== undefined) {
        // It has given no words.
        const message = `the server answered ${JSON.stringify(answer)}`;
        throw new SendError(outcome, code, "the server refused it: its answer may say why", { message, answer });
      }
      if (outcome != "unknown") throw error;
      const hint = "no answer came in time, or the connection broke first: look for it before you send it again";
      throw new SendError("unknown", "unknown", hint);
    }
  }

  /**
   * Be a member of a room, now and after every reconnect. Resolves when it is joined; rejects when the server refuses it,
   * when it is left first, and when the client is closed or has failed. The promise may be ignored: the event `room` reports the same.
   */
  join(room: string, options: WaitOptions = {}): Promise<JoinOutcome> {
    try {
      checkFields(options, { signal });
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
    checkArgument(token, either(text, [object[0], "an auth object"]), "token");
    this.#client.setToken(authText(token));
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

  /** The counters since the start. */
  diagnostics(): Diagnostics {
    return this.#client.diagnostics();
  }
}

/** Checks the name of an event. */
function event<K extends keyof Events>(name: K): K & keyof AnyEvents {
  checkName(name, events, "event");
  return name;
}
