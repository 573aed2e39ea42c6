import { Connection } from "./connection.js";
import { elsewhere, endpoint, withQuery } from "./endpoint.js";
import { Emitter } from "./emitter.js";
import { RejoinError, sendError } from "./errors.js";
import { position, read, write, type Frame } from "./frames.js";
import { Machine } from "./machine.js";
import {
  causeCodes,
  codes,
  gapReasons,
  Input,
  Item as ItemKind,
  joinReasons,
  modes,
  Output,
  roomStates,
  sendFailures,
  states,
  type Mode,
  type RoomState,
  type State,
} from "./names.js";
import { watch } from "./page.js";
import type { Given, Item, Store } from "./stored.js";
import { Timer } from "./timer.js";
import type {
  Cause,
  Diagnostics,
  Events,
  JoinOptions,
  Message,
  Options,
  Receipt,
  Restored,
  SendOptions,
  TokenSource,
} from "./types.js";

interface Pending {
  resolve(receipt: Receipt): void;
  reject(error: Error): void;
  forget(): void;
}

const PAGE_HIDDEN = 4901;
/** How long a change that can wait is gathered with others before it is stored, in ms. */
const GATHER = 100;
const encoder = /* @__PURE__ */ new TextEncoder();

/** A connection to a room server that looks after itself. Made by `connect`. */
export class Client {
  readonly #machine: Machine;
  readonly #emitter = new Emitter<Events>();
  readonly #timer = new Timer(() => this.#say(Input.Tick, []));
  readonly #socketOf: (url: string) => WebSocket;
  readonly #allowed: readonly string[];
  readonly #stopWatching: () => void;
  #urls: URL[];
  #elsewhere: URL | undefined;
  #token: string | undefined;
  #source: TokenSource | undefined;
  #fetches = 0;
  /** Two during a hand-over. */
  #connections = new Map<number, Connection>();
  /** Names by number; 0 is none. */
  #names = [""];
  #numbers = new Map<string, number>();
  /** Frames and what is to be sent, until the machine lets go of them. */
  #values = new Map<number, Frame | Given>();
  #lastValue = 0;
  /** Frames that the machine keeps no value of. */
  #passing: number[] = [];
  #pending = new Map<number, Pending>();
  #lastSend = 0;
  #events: (() => void)[] = [];
  #performing = false;
  #telling = false;
  #state: Events["state"] = { state: "idle" };
  #mode: Mode | undefined;
  #ready: Mode | undefined;
  #rooms = new Map<string, RoomState>();
  /** Words for the next cause, which the machine knows by its number only. */
  #words = "";
  readonly #store: Store | undefined;
  #stored = 0;
  #storeSoon: ReturnType<typeof setTimeout> | undefined;
  /** What follows must not happen before what is being stored is there. */
  #storing = false;
  #storeFailed = false;
  #restored: Restored[] = [];

  /** @internal */
  constructor(address: string | URL | readonly (string | URL)[], options: Options, store?: Store) {
    this.#store = store;
    const addresses = Array.isArray(address) ? address : [address];
    const found = addresses.map(endpoint);
    const socket = options.webSocket ?? globalThis.WebSocket;
    check(found.length > 0, "bad_url", "no address", "give at least one");
    check(typeof socket == "function", "no_websocket", "there is no WebSocket here", "give the option webSocket, e.g. the package ws");
    check(!options.rooms || Array.isArray(options.rooms), "bad_option", "rooms is not a list", 'e.g. ["lobby"]');
    this.#urls = found.map(([url]) => url);
    this.#source = options.token ?? found.map(([, token]) => token).findLast((token) => token != null) ?? undefined;
    check(
      this.#source == undefined || typeof this.#source == "string" || typeof this.#source == "function",
      "bad_option",
      "token is neither a text nor a function",
      "give a string, or a function that gives one",
    );
    if (typeof this.#source == "string") this.#token = this.#source;
    this.#socketOf = (url) => new socket(url);
    this.#allowed = options.allowedHosts ?? [];
    this.#machine = new Machine(
      seed(),
      found.length,
      this.#source == undefined ? 0 : typeof this.#source == "string" ? 1 : 2,
      options.protocol == "plain",
      options.policy == "legacy",
      options.maxAttempts ?? 0,
      options.sendTtl ?? 0,
    );
    this.#stopWatching = watch(
      (hint) => this.#say(Input.Hint, [hint]),
      () => this.#hidden(),
    );
    if (store?.saved) this.#restore(store.saved);
    if (options.notifications) this.#join("@me", {}, true);
    for (const room of options.rooms ?? []) this.join(room);
    this.#say(Input.Connect, []);
  }

  /** Calls `listener` for every such event from now on; gives the function that ends it. */
  on<K extends keyof Events>(name: K, listener: (event: Events[K]) => void): () => void {
    return this.#emitter.on(name, listener);
  }

  /** How it stands with the connection. */
  get state(): State {
    return this.#state.state;
  }

  /** The same with its attempt, the time of the next one and the cause. */
  get status(): Events["state"] {
    return this.#state;
  }

  /** What this connection can promise; `undefined` while there is none or it is not known yet. */
  get mode(): Mode | undefined {
    return this.#mode;
  }

  /** The rooms that were asked for, and how it stands with each. */
  get rooms(): ReadonlyMap<string, RoomState> {
    return this.#rooms;
  }

  /** What an earlier page left unsent (option `persist`). */
  get restored(): readonly Restored[] {
    return this.#restored;
  }

  /** Resolves when connected and every wanted room is joined; rejects when the client is closed or has failed. */
  async ready(): Promise<Mode> {
    while (!this.#ready) {
      if (this.#state.state == "closed" || this.#state.state == "failed") {
        const { code, text } = this.#state.cause ?? { code: "requested" as const };
        throw new RejoinError(this.#state.state, `${this.#state.state}: ${text || code}`, "connect again");
      }
      await new Promise<void>((resolve) => {
        const offs = [this.on("ready", done), this.on("state", done)];
        function done() {
          for (const off of offs) off();
          resolve();
        }
      });
    }
    return this.#ready;
  }

  /** Sends a message. Resolves or rejects (with a `SendError`) exactly once, when it is known what became of it. */
  send(room: string, content: string, options: SendOptions = {}): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      // Inside, so that a bad argument rejects and does not throw.
      checkText(room, "room");
      checkText(content, "content");
      const { data, signal, timeout } = options;
      const text = data === undefined ? "" : JSON.stringify(data);
      if (signal?.aborted) return reject(sendError("failed", "cancelled"));
      if (this.#machineIsGone) return reject(sendError("failed", "closed"));
      const send = ++this.#lastSend;
      const cancel = () => this.#say(Input.Cancel, [send]);
      signal?.addEventListener("abort", cancel);
      this.#pending.set(send, { resolve, reject, forget: () => signal?.removeEventListener("abort", cancel) });
      const value = this.#keep({ content, data });
      const bytes = encoder.encode(content).length + text.length;
      this.#say(Input.Send, [send, this.#number(room), value, bytes, timeout ?? 0]);
    });
  }

  /** Be a member of a room, now and after every reconnect. */
  join(room: string, options: JoinOptions = {}): void {
    this.#join(room, options, false);
  }

  /** Leave a room, once the earlier sends to it are final. */
  leave(room: string): void {
    checkText(room, "room");
    this.#ask(Input.Leave, [this.#number(room)]);
  }

  /** Sends something ephemeral, `typing` for instance. Dropped where it cannot be sent at once. */
  signal(room: string, kind: string, data?: unknown): void {
    checkText(room, "room");
    checkText(kind, "kind");
    this.#ask(Input.Signal, [this.#number(room), this.#keep({ kind, data })]);
  }

  /** Asks who is in a room; the answer is the event `presence`. */
  presence(room: string): void {
    checkText(room, "room");
    this.#ask(Input.Presence, [this.#number(room)]);
  }

  /** Uses another token from the next dial on; leaves the state `failed`. */
  setToken(token: string): void {
    checkText(token, "token");
    this.#token = token;
    this.#ask(Input.SetToken, []);
  }

  /** Replaces the connection by a fresh one, or tries at once. Leaves the state `failed`. */
  reconnect(): void {
    this.#ask(Input.Reconnect, []);
  }

  /**
   * Ends it. Sends that have no outcome yet get one first, for at most `timeout` ms (5 s by default) while there is
   * a connection.
   */
  async close({ timeout = 5000 } = {}): Promise<void> {
    if (this.#pending.size && this.#state.state == "connected") {
      let timer: ReturnType<typeof setTimeout>;
      await new Promise<void>((resolve) => {
        timer = setTimeout(resolve, timeout);
        this.#drained = resolve;
      });
      clearTimeout(timer!);
    }
    if (this.#machineIsGone) return;
    const closed = new Promise<void>((resolve) => {
      const off = this.on("state", ({ state }) => state == "closed" && (off(), resolve()));
    });
    this.#say(Input.Close, []);
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What has been counted so far. */
  diagnostics(): Diagnostics {
    const [dials, connections, framesIn, framesOut, unknownFrames, garbledFrames, outboxLength, outboxBytes, rtt] =
      Array.from({ length: 9 }, (_, which) => (this.#machineIsGone ? 0 : this.#machine.count(which))) as any;
    return {
      dials, connections, framesIn, framesOut, unknownFrames, garbledFrames, outboxLength, outboxBytes,
      rtt: rtt < 0 ? undefined : rtt,
    };
  }

  #machineIsGone = false;
  #drained: (() => void) | undefined;

  /** What the application asks of a client that is still there. */
  #ask(kind: Input, fields: number[], ids?: string[]): void {
    if (this.#machineIsGone) throw new RejoinError("closed", "the client is closed", "connect again");
    this.#say(kind, fields, ids);
  }

  #join(room: string, { since, history }: JoinOptions, personal: boolean): void {
    checkText(room, "room");
    const ids = since ? [since.epoch, since.id] : [];
    this.#ask(
      Input.Join,
      [this.#number(room), history == undefined ? 0 : history + 1, +personal, since?.seq ?? 0],
      ids,
    );
  }

  /** Tells the machine what happened, and does what it wants. */
  #say(kind: Input, fields: number[], ids?: string[]): void {
    if (this.#machineIsGone) return;
    this.#machine.input(kind, fields, ids);
    this.#settle();
  }

  #settle(): void {
    if (!this.#performing) {
      this.#performing = true;
      for (let kind; !this.#storing && (kind = this.#machine.poll()); ) this.#perform(kind);
      for (let value; (value = this.#machine.released()); ) this.#values.delete(value);
      for (const value of this.#passing.splice(0)) this.#values.delete(value);
      this.#timer.set(this.#machine.deadline);
      if (this.#store && this.#machine.changes != this.#stored) {
        this.#storeSoon ??= setTimeout(() => void this.#save(), GATHER);
      }
      this.#performing = false;
    }
    // A listener may call anything here: what follows from it is told after what is being told.
    if (!this.#telling) {
      this.#telling = true;
      for (let event; (event = this.#events.shift()); ) event();
      this.#telling = false;
      if (this.#state.state == "closed") this.#end();
    }
  }

  #perform(kind: Output): void {
    const fields = [...this.#machine.fields];
    const [a, b, c, d, e, f] = fields as [number, number, number, number, number, number];
    switch (kind) {
      case Output.FetchToken:
        return this.#fetchToken(a == 1);
      case Output.Dial:
        return this.#dial(a, (e && this.#elsewhere) || this.#urls[b]!, c == 1, d == 1);
      case Output.Save:
        if (this.#store) {
          this.#storing = true;
          void this.#save().then(() => {
            this.#storing = false;
            if (!this.#machineIsGone) this.#settle();
          });
        }
        return;
      case Output.Restored: {
        const { content = "", data } = this.#values.get(c) as Given;
        const outcome = new Promise<Receipt>((resolve, reject) => {
          this.#pending.set(a, { resolve, reject, forget() {} });
        });
        // Nobody has to ask what became of it.
        outcome.catch(() => {});
        this.#restored.push({ room: this.#names[b]!, content, data, outcome });
        return;
      }
      case Output.Close:
        return this.#connections.get(a)?.close(b);
      case Output.Abandon:
        this.#connections.get(a)?.drop(b);
        this.#connections.delete(a);
        return;
      case Output.State: {
        const cause = d ? this.#cause(d, e, f == 1) : undefined;
        const state: Events["state"] = { state: states[a - 1]! };
        if (b) state.attempt = b;
        if (c >= 0) state.retryAt = Math.round(Date.now() + Math.max(c - performance.now(), 0));
        if (cause) state.cause = cause;
        return this.#tell("state", state, () => {
          this.#state = state;
          this.#ready = undefined;
          if (state.state != "connected") this.#mode = undefined;
        });
      }
      case Output.Mode:
        return this.#tell("mode", modes[a - 1]!, () => (this.#mode = modes[a - 1]));
      case Output.Ready:
        return this.#tell("ready", modes[a - 1]!, () => (this.#mode = this.#ready = modes[a - 1]));
      case Output.Room: {
        const change: Events["room"] = { room: this.#names[a]!, state: roomStates[b - 1]! };
        if (c) change.code = codes[c - 1]!;
        return this.#tell("room", change, () => {
          if (change.state == "left" || change.state == "refused") this.#rooms.delete(change.room);
          else this.#rooms.set(change.room, change.state);
        });
      }
      case Output.Joined: {
        const { members, memberCount } = this.#values.get(b) as Frame & Events["presence"];
        const joined: Events["joined"] = { room: this.#names[a]!, recovered: c == 1, replayed: d, members, memberCount };
        if (e) joined.reason = joinReasons[e - 1]!;
        return this.#tell("joined", joined);
      }
      case Output.Message:
        return this.#tellLogged("message", message(this.#values.get(a) as Frame));
      case Output.Notification: {
        const frame = this.#values.get(a) as Frame;
        return this.#tellLogged("notification", {
          room: "@me",
          kind: frame["kind"] as string,
          data: frame["data"],
          position: position(frame)!,
          replay: frame["replay"] === true,
        });
      }
      case Output.UserJoined:
      case Output.UserLeft: {
        const { roomId: room, userId: user } = this.#values.get(b) as { roomId: string; userId: string };
        return this.#tell(kind == Output.UserJoined ? "user_joined" : "user_left", { room, user });
      }
      case Output.Members: {
        const { roomId: room, members, memberCount } = this.#values.get(b) as any;
        return this.#tell("presence", { room, members, memberCount });
      }
      case Output.Signal: {
        const { roomId: room, userId: user, kind, data } = this.#values.get(b) as any;
        return this.#tell("signal", { room, user, kind, data });
      }
      case Output.Gap: {
        const gap: Events["gap"] = { room: this.#names[a]!, reason: gapReasons[b - 1]! };
        const [epoch] = this.#machine.ids;
        if (epoch) gap.epoch = epoch;
        if (c >= 0) gap.after = c;
        if (d >= 0) gap.before = d;
        return this.#tell("gap", gap);
      }
      case Output.Delivery:
        return this.#deliver(a, b, c, d, e);
      case Output.ServerError: {
        const error: Events["error"] = { message: String((this.#values.get(a) as Frame)["message"]) };
        if (b) error.code = codes[b - 1]!;
        return this.#tell("error", error);
      }
      case Output.Garbled:
        return this.#tell("error", { message: "a text that is no frame", code: "garbled" });
      default: {
        const text = write(kind, fields, this.#machine.ids, {
          name: (room) => this.#names[room] ?? "",
          given: (value) => this.#values.get(value) ?? {},
          token: () => this.#token,
        });
        if (text) this.#connections.get(a)?.write(b, text);
      }
    }
  }

  /** Changes what the getters say at the moment the event is told. */
  #tell<K extends keyof Events>(name: K, event: Events[K], change?: () => void): void {
    this.#events.push(() => {
      change?.();
      this.#emitter.emit(name, event);
    });
  }

  /** What has been told need not be told again to a later page. */
  #tellLogged<K extends "message" | "notification">(name: K, event: Events[K]): void {
    this.#tell(name, event);
    const { room, position } = event;
    if (this.#store && position) {
      const { epoch, seq, id } = position;
      this.#events.push(() => this.#say(Input.Commit, [this.#number(room), seq], [epoch, id]));
    }
  }

  async #save(): Promise<void> {
    clearTimeout(this.#storeSoon);
    this.#storeSoon = undefined;
    this.#stored = this.#machine.changes;
    const items: Item[] = [];
    for (const item of this.#machine.stored()) {
      const [name = 0, value = 0] = item.fields;
      if (name) item.name = this.#names[name]!;
      if (item.kind == ItemKind.Send) item.given = this.#values.get(value) as Given;
      items.push(item);
    }
    try {
      await this.#store!.save(items);
    } catch (error) {
      // It goes on as without a store, and says so once.
      if (!this.#storeFailed) {
        this.#tell("error", { message: `what should outlive the page is not stored: ${error}`, code: "storage" });
      }
      this.#storeFailed = true;
    }
  }

  #restore(items: Item[]): void {
    for (const { fields, name, given } of items) {
      if (name != undefined) fields[0] = this.#number(name);
      if (given) fields[1] = this.#keep(given);
    }
    this.#machine.restore(items);
    this.#settle();
  }

  #cause(code: number, number: number, willRetry: boolean): Cause {
    const cause: Cause = { code: causeCodes[code - 1]!, willRetry };
    if (number) cause.number = number;
    if (this.#words) cause.text = this.#words;
    this.#words = "";
    return cause;
  }

  #deliver(send: number, status: number, failure: number, code: number, seq: number): void {
    const pending = this.#pending.get(send);
    this.#pending.delete(send);
    pending?.forget();
    const [id] = this.#machine.ids;
    this.#events.push(() => {
      if (status == 1) pending?.resolve({ status: "written" });
      else if (status == 2) pending?.resolve({ status: "acked", id: id!, seq });
      else if (status == 3) pending?.reject(sendError("unknown", "unknown"));
      else pending?.reject(sendError("failed", code ? codes[code - 1]! : sendFailures[failure - 1]!));
      if (!this.#pending.size) this.#drained?.();
    });
  }

  #dial(conn: number, url: URL, withToken: boolean, extended: boolean): void {
    let socket: WebSocket;
    try {
      socket = this.#socketOf(withQuery(url, withToken ? this.#token : undefined, extended));
    } catch (error) {
      // Refused before it began, by a content security policy for instance.
      this.#words = String((error as Error)?.message ?? error);
      return this.#machine.input(Input.DialFailed, [conn]);
    }
    this.#connections.set(
      conn,
      new Connection(conn, socket, {
        opened: (conn) => this.#say(Input.Opened, [conn]),
        text: (conn, text) => {
          if (this.#machineIsGone) return;
          read(conn, text, {
            machine: this.#machine,
            room: (name) => this.#numbers.get(name as string) ?? 0,
            user: (name) => this.#number(name),
            keep: (frame) => this.#keep(frame),
            pass: (frame) => {
              const value = this.#keep(frame);
              this.#passing.push(value);
              return value;
            },
            moved: (to) => {
              this.#elsewhere = to == undefined ? undefined : elsewhere(url, to, this.#allowed);
              return this.#elsewhere != undefined;
            },
          });
          this.#settle();
        },
        flushed: (conn, frame) => this.#say(Input.Flushed, [conn, frame]),
        ended: (conn, opened, code, reason) => {
          this.#connections.delete(conn);
          this.#words = reason;
          this.#say(opened ? Input.Closed : Input.DialFailed, [conn, code]);
        },
      }),
    );
  }

  #fetchToken(rejected: boolean): void {
    const fetch = ++this.#fetches;
    const source = this.#source;
    const answer = async () => (typeof source == "function" ? source({ rejected }) : source);
    answer().then(
      (token) => {
        // Another question has replaced this one.
        if (fetch != this.#fetches) return;
        const good = typeof token == "string" && token != "";
        if (good) this.#token = token;
        else this.#words = "the token function did not give a text";
        this.#say(Input.Token, [good ? 1 : 3]);
      },
      (error) => {
        if (fetch != this.#fetches) return;
        this.#words = String(error?.message ?? error);
        this.#say(Input.Token, [error?.permanent === true ? 3 : 2]);
      },
    );
  }

  /** The page goes into the back/forward cache, or for good. Nothing may run any more when it is back. */
  #hidden(): void {
    if (this.#storeSoon) void this.#save();
    for (const [conn, connection] of this.#connections) {
      connection.drop(PAGE_HIDDEN);
      this.#connections.delete(conn);
      this.#say(Input.Closed, [conn, 1006]);
      this.#say(Input.DialFailed, [conn]);
    }
  }

  #end(): void {
    // Once more: what the end left unsent is for another page.
    if (this.#store) void this.#save().then(() => this.#store!.close());
    this.#machineIsGone = true;
    this.#timer.clear();
    this.#stopWatching();
    for (const connection of this.#connections.values()) connection.drop(1000);
    this.#machine.free();
  }

  #number(name: string): number {
    let number = this.#numbers.get(name);
    if (number == undefined) {
      number = this.#names.push(name) - 1;
      this.#numbers.set(name, number);
    }
    return number;
  }

  #keep(value: Frame | Given): number {
    this.#lastValue = (this.#lastValue % 0xffff_ffff) + 1;
    this.#values.set(this.#lastValue, value);
    return this.#lastValue;
  }
}

function message(frame: Frame): Message {
  const { roomId, userId, content, timestamp, data, replay } = frame as any;
  const message: Message = { room: roomId, user: userId, content, timestamp, replay: replay === true };
  if (data !== undefined) message.data = data;
  const at = position(frame);
  if (at) message.position = at;
  return message;
}

function check(good: boolean, code: "bad_url" | "bad_option" | "bad_argument" | "no_websocket", what: string, hint: string): asserts good {
  if (!good) throw new RejoinError(code, what, hint);
}

function checkText(value: unknown, what: string): void {
  check(typeof value == "string", "bad_argument", `${what} is not a text`, "give a string");
}

/** 53 random bits. */
function seed(): number {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2)) as unknown as [number, number];
  return (high % 2 ** 21) * 2 ** 32 + low;
}
