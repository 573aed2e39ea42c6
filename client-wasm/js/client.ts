import type { Connection } from "./connection.js";
import { Credentials } from "./credentials.js";
import { elsewhere, withQuery } from "./endpoint.js";
import { Emitter } from "./emitter.js";
import { RejoinError, sendError } from "./errors.js";
import { Keeper } from "./keeper.js";
import { Known } from "./known.js";
import type * as own from "./home.js";
import type { Machine } from "./machine.js";
import {
  Input,
  Output,
  type Mode,
  type RoomState,
  type State,
} from "./names.js";
import { Outcomes } from "./outcomes.js";
import { watch } from "./page.js";
import { seed } from "./seed.js";
import { checkText, settings } from "./settings.js";
import type { Speech } from "./speech.js";
import type { Store } from "./stored.js";
import { Table } from "./table.js";
import { Timer } from "./timer.js";
import { BLOCKED, type Told } from "./told.js";
import type {
  Clock,
  Diagnostics,
  Events,
  JoinOptions,
  Options,
  Receipt,
  Restored,
  SendOptions,
} from "./types.js";

const PAGE_HIDDEN = 4901;
const encoder = /* @__PURE__ */ new TextEncoder();

/** A connection to a room server that looks after itself. Made by `connect`. */
export class Client {
  readonly #home: typeof own;
  readonly #speech: Speech;
  readonly #machine: Machine;
  readonly #emitter = new Emitter<Events>();
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #socketOf: (url: string) => WebSocket;
  readonly #allowed: readonly string[];
  readonly #stopWatching: () => void;
  readonly #urls: readonly URL[];
  #elsewhere: URL | undefined;
  readonly #credentials: Credentials;
  /** Two during a hand-over. */
  #connections = new Map<number, Connection>();
  readonly #table = new Table();
  readonly #outcomes = new Outcomes();
  #events: (() => void)[] = [];
  #machineIsGone = false;
  /** The counts at the end. */
  #last: Diagnostics | undefined;
  #performing = false;
  #telling = false;
  readonly #known = new Known();
  /** Words for the next cause, which the machine knows by its number only. */
  #words = "";
  readonly #keeper: Keeper | undefined;
  /** What follows must not happen before what is being stored is there. */
  #storing = false;
  #restored: Restored[] = [];

  /** @internal */
  constructor(
    home: typeof own,
    address: string | URL | readonly (string | URL)[],
    options: Options,
    speech: Speech,
    store?: Store,
  ) {
    const { urls, socket, source } = settings(address, options);
    this.#home = home;
    this.#speech = speech;
    this.#urls = urls;
    this.#credentials = new Credentials(source);
    this.#socketOf = (url) => new socket(url);
    this.#allowed = options.allowedHosts ?? [];
    this.#clock = options.clock ?? globalThis;
    this.#timer = new Timer(this.#clock, () => this.#say(Input.Tick, []));
    this.#machine = new home.Machine(
      this.#clock,
      options.seed ?? seed(),
      urls.length,
      source == undefined ? 0 : typeof source == "string" ? 1 : 2,
      options.protocol == "plain",
      options.policy == "legacy",
      options.maxAttempts ?? 0,
      options.sendTtl ?? 0,
    );
    this.#stopWatching = watch(
      this.#clock,
      (hint) => this.#say(Input.Hint, [hint]),
      () => this.#hidden(),
    );
    if (store) {
      this.#keeper = new Keeper(store, this.#machine, this.#table, this.#clock, (error) => {
        this.#tell(["error", { message: `what should outlive the page is not stored: ${error}`, code: "storage" }]);
        if (!this.#machineIsGone) this.#settle();
      });
      this.#keeper.restore();
      this.#settle();
    }
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
    return this.#known.state.state;
  }

  /** The same with its attempt, the time of the next one and the cause. */
  get status(): Events["state"] {
    return this.#known.state;
  }

  /** What this connection can promise; `undefined` while there is none or it is not known yet. */
  get mode(): Mode | undefined {
    return this.#known.mode;
  }

  /** The rooms that were asked for, and how it stands with each. */
  get rooms(): ReadonlyMap<string, RoomState> {
    return this.#known.rooms;
  }

  /** What an earlier page left unsent (option `persist`). */
  get restored(): readonly Restored[] {
    return this.#restored;
  }

  /** Resolves when connected and every wanted room is joined; rejects when the client is closed or has failed. */
  async ready(): Promise<Mode> {
    while (!this.#known.ready) {
      if (this.#known.state.state == "closed" || this.#known.state.state == "failed") {
        const { code, text } = this.#known.state.cause ?? { code: "requested" as const };
        throw new RejoinError(this.#known.state.state, `${this.#known.state.state}: ${text || code}`, "connect again");
      }
      await new Promise<void>((resolve) => {
        const offs = [this.on("ready", done), this.on("state", done)];
        function done() {
          for (const off of offs) off();
          resolve();
        }
      });
    }
    return this.#known.ready;
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
      const send = this.#outcomes.next();
      const cancel = () => this.#say(Input.Cancel, [send]);
      signal?.addEventListener("abort", cancel);
      this.#outcomes.wait(send, { resolve, reject, forget: () => signal?.removeEventListener("abort", cancel) });
      const value = this.#table.keep({ content, data });
      const bytes = encoder.encode(content).length + text.length;
      this.#say(Input.Send, [send, this.#table.number(room), value, bytes, timeout ?? 0]);
    });
  }

  /** Be a member of a room, now and after every reconnect. */
  join(room: string, options: JoinOptions = {}): void {
    this.#join(room, options, false);
  }

  /** Leave a room, once the earlier sends to it are final. */
  leave(room: string): void {
    checkText(room, "room");
    this.#ask(Input.Leave, [this.#table.number(room)]);
  }

  /** Sends something ephemeral, `typing` for instance. Dropped where it cannot be sent at once. */
  signal(room: string, kind: string, data?: unknown): void {
    checkText(room, "room");
    checkText(kind, "kind");
    this.#ask(Input.Signal, [this.#table.number(room), this.#table.keep({ kind, data })]);
  }

  /** Asks who is in a room; the answer is the event `presence`. */
  presence(room: string): void {
    checkText(room, "room");
    this.#ask(Input.Presence, [this.#table.number(room)]);
  }

  /** Uses another token from the next dial on; leaves the state `failed`. */
  setToken(token: string): void {
    checkText(token, "token");
    this.#credentials.token = token;
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
    if (this.#known.state.state == "connected") await this.#outcomes.drain(timeout, this.#clock);
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
    return this.#machineIsGone ? this.#last! : this.#machine.diagnostics();
  }

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
      [this.#table.number(room), history == undefined ? 0 : history + 1, +personal, since?.seq ?? 0],
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
      try {
        for (let kind; !this.#storing && (kind = this.#machine.poll()); ) this.#perform(kind);
      } finally {
        this.#performing = false;
      }
      for (let value; (value = this.#machine.released()); ) this.#table.drop(value);
      // What waits for the store may still be about such a frame.
      if (!this.#storing) this.#table.passed();
      this.#timer.set(this.#machine.deadline);
      this.#keeper?.look();
    }
    // A listener may call anything here: what follows from it is told after what is being told.
    if (!this.#telling) {
      this.#telling = true;
      for (let event; (event = this.#events.shift()); ) event();
      this.#telling = false;
      if (this.#known.state.state == "closed") this.#end();
    }
  }

  #perform(kind: Output): void {
    const fields = [...this.#machine.fields];
    const [a, b, c, d, e] = fields as [number, number, number, number, number];
    switch (kind) {
      case Output.FetchToken:
        return this.#credentials.ask(a == 1, (answer, words) => {
          this.#words = words;
          this.#say(Input.Token, [answer]);
        });
      case Output.Dial:
        return this.#dial(a, (e && this.#elsewhere) || this.#urls[b]!, c == 1, d == 1);
      case Output.Save:
        if (this.#keeper) {
          this.#storing = true;
          void this.#keeper.save().then(() => {
            this.#storing = false;
            if (!this.#machineIsGone) this.#settle();
          });
        }
        return;
      case Output.Restored: {
        const { content = "", data } = this.#table.given(c);
        const outcome = new Promise<Receipt>((resolve, reject) => {
          this.#outcomes.wait(a, { resolve, reject, forget: () => {} });
        });
        // Nobody has to ask what became of it.
        outcome.catch(() => {});
        this.#restored.push({ room: this.#table.name(b), content, data, outcome });
        return;
      }
      case Output.Close:
        return this.#connections.get(a)?.close(b);
      case Output.Abandon:
        this.#connections.get(a)?.drop(b);
        this.#connections.delete(a);
        return;
      case Output.Delivery:
        return void this.#events.push(this.#outcomes.settle(fields, this.#machine.ids[0] ?? ""));
      default: {
        const event = this.#speech.told(kind, fields, this.#table, this.#clock, () => this.#machine.ids, () => this.#takeWords());
        if (event) return this.#tell(event);
        const text = this.#speech.write(kind, fields, this.#machine.ids, {
          name: (room) => this.#table.name(room),
          given: (value) => this.#table.given(value),
          token: () => this.#credentials.token,
        });
        if (text) this.#connections.get(a)?.write(b, text);
      }
    }
  }

  #tell(event: Told): void {
    this.#events.push(() => {
      this.#known.learn(event);
      this.#emitter.emit(...(event as [never, never]));
      const [name, what] = event;
      if (this.#keeper && (name == "message" || name == "notification") && what.position) {
        // What has been told need not be told again to a later page.
        const { epoch, seq, id } = what.position;
        this.#say(Input.Commit, [this.#table.number(what.room), seq], [epoch, id]);
      }
    });
  }

  #takeWords(): string {
    const words = this.#words;
    this.#words = "";
    return words;
  }

  #dial(conn: number, url: URL, withToken: boolean, extended: boolean): void {
    let socket: WebSocket;
    try {
      socket = this.#socketOf(withQuery(url, withToken ? this.#credentials.token : undefined, extended));
    } catch (error) {
      // Refused before it began: what a page on https:// may not open, for instance.
      const { name, message } = error as Error;
      this.#words = name == "SecurityError" ? BLOCKED : String(message ?? error);
      return this.#machine.input(Input.DialFailed, [conn]);
    }
    this.#connections.set(
      conn,
      new this.#home.Connection(conn, socket, this.#clock, {
        opened: (conn) => this.#say(Input.Opened, [conn]),
        text: (conn, text) => {
          if (this.#machineIsGone) return;
          this.#speech.read(conn, text, {
            machine: this.#machine,
            table: this.#table,
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

  /** The page goes into the back/forward cache, or for good. Nothing may run any more when it is back. */
  #hidden(): void {
    this.#keeper?.flush();
    for (const [conn, connection] of this.#connections) {
      connection.drop(PAGE_HIDDEN);
      this.#connections.delete(conn);
      this.#say(Input.Closed, [conn, 1006]);
      this.#say(Input.DialFailed, [conn]);
    }
  }

  #end(): void {
    // Once more: what the end left unsent is for another page.
    const keeper = this.#keeper;
    void keeper?.save().then(() => keeper.store.close());
    this.#last = this.#machine.diagnostics();
    this.#machineIsGone = true;
    this.#timer.clear();
    this.#stopWatching();
    for (const connection of this.#connections.values()) connection.drop(1000);
    this.#machine.free();
  }
}
