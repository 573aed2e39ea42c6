import { Client as RoomClient } from "../client.js";
import { SendError } from "../errors.js";
import { home as own } from "../home.js";
import type { Loader } from "../loading.js";
import { Input } from "../names.js";
import { addresses, roomOptions, roomsOf } from "../settings.js";
import type { Events as AnyEvents } from "../types.js";
import { argument, check, either, fields, known, millis, object, signal, text, token, truth, word } from "../validate.js";
import { wellFormed } from "../text.js";
import { engine } from "./address.js";
import { source, textOf } from "./credentials.js";
import { EventNames } from "./events.js";
import { Said } from "./names.js";
import type { Part } from "./part.js";
import { SocketIoSpeech } from "./speech.js";
import type {
  Address,
  Auth,
  CloseOptions,
  Diagnostics,
  Events,
  JoinOutcome,
  ListenOptions,
  Message,
  Options,
  Receipt,
  RoomState,
  SendOptions,
  State,
  WaitOptions,
} from "./types.js";

/** A slash and what neither ends a name on the wire nor begins what servers ignore. */
const NAMESPACE = /^\/[^,?\s\p{Cc}]{0,127}$/u;

const options = {
  ...roomOptions,
  namespace: text,
  token,
  auth: either([object[0], "an object"], [(value: unknown) => typeof value == "function", "a function that gives one"]),
  events: object,
  acks: truth,
  ackText: word("ok", "error"),
  ackTimeout: millis,
  frames: truth,
};

/** Throws for a bad option. */
export const checkOptions = (given: Options): void => fields(given, options);

/** What this client tells; the client of rooms has others too. */
const events: readonly (keyof Events)[] = ["state", "ready", "room", "joined", "message", "user_joined", "notification", "gap", "error"];

/** A connection to a Socket.IO server that looks after itself. Made by `connect`. */
export class Client {
  /** The client of rooms, which speaks another protocol here. */
  readonly #client: RoomClient;

  /** @internal */
  constructor(address: Address, options: Options, loader: Loader, part: Part = { home: own, Speech: SocketIoSpeech }, Rooms = RoomClient) {
    const { namespace = "/", events = {}, acks = true, ackTimeout = 0, ackText = "ok", rooms, policy, maxAttempts, sendTtl, clock, seed, wasm } = options;
    check(NAMESPACE.test(namespace), "bad_option", `"${namespace}" is no namespace`, "it looks like /admin");
    const found = addresses(address, engine);
    roomsOf(rooms, {});
    const token = source(options, found.map(([, token]) => token).findLast((token) => token != null) ?? null);
    const home = { ...part.home, Machine: machine(part.home.Machine, [+acks, ackTimeout]) };
    const speech = new part.Speech(wellFormed(namespace), new EventNames(events), ackText == "error", hint(found[0]![0]));
    // They come in any case: whoever has named one wants to know that some were missed.
    const notifications = events.notification != undefined;
    const given = { token, notifications, rooms, policy, maxAttempts, sendTtl, clock, seed, wasm, webSocket: options.webSocket };
    this.#client = new Rooms(home, found.map(([url]) => url), given, speech, loader);
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
   * Ends it. Sends that have no outcome yet get one first, for at most `timeout` ms (5 s by default) while there is
   * a connection.
   */
  close(options?: CloseOptions): Promise<void> {
    return this.#client.close(options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What has been counted so far. */
  diagnostics(): Diagnostics {
    return this.#client.diagnostics();
  }
}

/** What may be wrong with the address of an engine at which no WebSocket opens. */
const hint = ({ pathname }: URL): string =>
  pathname == "/socket.io/"
    ? 'if the server is there, it must allow the transport "websocket": this client does no long polling'
    : `the address's path is that of the engine: if ${pathname.slice(0, -1)} is a namespace, leave it out and give it as the option namespace`;

/** The name of an event as the client of rooms has it. */
function event<K extends keyof Events>(name: K): K & keyof AnyEvents {
  known(name, events, "event");
  return name;
}

/** A machine that is told first how acks are dealt with. */
function machine(Machine: typeof own.Machine, acks: readonly number[]): typeof own.Machine {
  return class extends Machine {
    constructor(...config: ConstructorParameters<typeof own.Machine>) {
      super(...config);
      this.input(Said.Acks as number as Input, acks);
    }
  };
}
