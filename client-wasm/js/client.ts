import { Connections } from "./connections.js";
import { Credentials } from "./credentials.js";
import { EarlyMachine } from "./early.js";
import { Emitter } from "./emitter.js";
import { abortable, abortReason, onAbort } from "./abort.js";
import { ended, sendError } from "./errors.js";
import type { HeadStart } from "./head_start.js";
import type { Keeper } from "./keeper.js";
import { Known } from "./known.js";
import type { Home } from "./home.js";
import type { Loader } from "./loading.js";
import type { Machine } from "./machine.js";
import { Input, Output } from "./names.js";
import { Outcomes } from "./outcomes.js";
import { watch } from "./page.js";
import { Reload } from "./reload.js";
import { joinOf, messagesOf } from "./rooms.js";
import { seed } from "./seed.js";
import { joining, roomName, roomsOf, settings } from "./settings.js";
import type { Inside, Speech } from "./speech.js";
import type { Store } from "./stored.js";
import type { StoringMachine } from "./storing.js";
import { Table } from "./table.js";
import { Timer } from "./timer.js";
import { byteLength, jsonOf, wellFormed } from "./text.js";
import type { Told } from "./told.js";
import type {
  Address,
  Clock,
  CloseOptions,
  Diagnostics,
  Events,
  JoinOptions,
  JoinOutcome,
  ListenOptions,
  Message,
  Options,
  Receipt,
  Restored,
  SendOptions,
  WaitOptions,
} from "./types.js";
import type { Mode, RoomState, State } from "./words.js";
import { argument, check, fields, millis, signal as aSignal, text as aText } from "./validate.js";

const PAGE_HIDDEN = 4901;

/** The events of a client of rooms. */
const events: readonly (keyof Events)[] = [
  "state", "mode", "ready", "room", "joined", "message", "user_joined", "user_left", "presence", "signal", "notification", "gap", "error",
];

const sending = { timeout: millis, signal: aSignal, data: [() => true, ""] as const };

/** A connection to a room server that looks after itself. Made by `connect`. */
export class Client {
  readonly #speech: Speech;
  /** Another one as long as the module has not come. */
  #machine: Machine | EarlyMachine;
  readonly #reload: Reload | undefined;
  readonly #emitter = new Emitter<Events>(events);
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #stopWatching: () => void;
  readonly #credentials: Credentials;
  readonly #connections: Connections;
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
  readonly #store: Store | undefined;
  #keeper: Keeper | undefined;
  /** What follows must not happen before what is being stored is there. */
  #storing = false;
  #restored: Restored[] = [];
  readonly #frames: unknown;
  /** Joins that have no outcome yet. */
  readonly #joins = new Map<string, Promise<JoinOutcome>>();

  /** @internal */
  constructor(
    home: Home,
    address: Address,
    options: Options,
    speech: Speech,
    loader: Loader,
    store?: Store,
    headStart?: HeadStart,
  ) {
    const { urls, socket, source } = settings(address, options);
    const rooms = roomsOf(options.rooms, joining);
    this.#store = store;
    this.#speech = speech;
    this.#credentials = new Credentials(source);
    this.#clock = options.clock ?? globalThis;
    this.#timer = new Timer(this.#clock, () => this.#say(Input.Tick, []));
    this.#connections = new Connections(home.Connection, urls, socket, options.allowedHosts ?? [], this.#clock, {
      opened: (conn) => this.#say(Input.Opened, [conn]),
      text: (conn, text, moved) => {
        if (this.#machineIsGone) return;
        this.#speech.read(conn, text, { machine: this.#machine, table: this.#table, moved });
        this.#settle();
      },
      flushed: (conn, frame) => this.#say(Input.Flushed, [conn, frame]),
      ended: (conn, opened, code, reason) => {
        this.#words = reason;
        this.#say(opened ? Input.Closed : Input.DialFailed, [conn, code]);
      },
      // Within what the machine wants done: what follows comes with the rest of it.
      refused: (conn, words) => {
        this.#words = words;
        this.#machine.input(Input.DialFailed, [conn]);
      },
    }, headStart);
    const makeMachine = () =>
      new home.Machine(
        this.#clock,
        options.seed ?? seed(),
        urls.length,
        source == undefined ? 0 : typeof source == "string" ? 1 : 2,
        options.protocol == "plain",
        options.policy == "legacy",
        options.maxAttempts == Infinity ? 0 : (options.maxAttempts ?? 0),
        options.sendTtl ?? 0,
      );
    this.#stopWatching = watch(
      this.#clock,
      (hint) => this.#say(Input.Hint, [hint]),
      () => this.#hidden(),
    );
    const early = loader.isLoaded ? undefined : new EarlyMachine(this.#clock, options.sendTtl, () => this.#reload?.again());
    this.#machine = early ?? this.#restore(makeMachine());
    this.#frames = speech.frames?.({
      emitter: this.#emitter,
      table: this.#table,
      failed: sendError,
      ask: (kind, fields) => this.#ask(kind, fields),
      send: this.#send,
    });
    if (options.notifications) this.#join("@me", {}, true);
    for (const [room, from] of rooms) this.#join(room, from, false);
    this.#say(Input.Connect, []);
    this.#reload =
      early &&
      new Reload(
        loader,
        options.wasm,
        this.#clock,
        (state) => {
          if (state.state == "failed") early.fail();
          this.#tell(["state", state]);
          this.#settle();
        },
        () => {
          const machine = (this.#machine = this.#restore(makeMachine()));
          early.handOver(machine);
          this.#settle();
        },
      );
  }

  /** Calls `listener` for every such event from now on; gives the function that ends it. */
  on<K extends keyof Events>(name: K, listener: (event: Events[K]) => void, options?: ListenOptions): () => void {
    return this.#emitter.on(name, listener, options);
  }

  /** The same for the next such event alone. */
  once<K extends keyof Events>(name: K, listener: (event: Events[K]) => void, options?: ListenOptions): () => void {
    return this.#emitter.on(name, listener, options, true);
  }

  /** Ends what `on` and `once` began with this listener. */
  off<K extends keyof Events>(name: K, listener: (event: Events[K]) => void): void {
    this.#emitter.off(name, listener);
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

  /** @internal Messages of the application's own: {@link FramesClient} has their type. */
  get frames(): unknown {
    check(!!this.#frames, "bad_option", "the option frames is not given", "connect with { frames: true }");
    return this.#frames;
  }

  /** Resolves when connected and every wanted room is joined; rejects when the client is closed or has failed. */
  async ready(options: WaitOptions = {}): Promise<Mode> {
    fields(options, { signal: aSignal });
    const ready = (): Mode | undefined => this.#known.ready ?? this.#checkAlive();
    return abortable((async () => ready() ?? this.#emitter.until<Mode>({ ready, state: ready }))(), options.signal);
  }

  /** The messages of a room from now on, until it is left or the client is closed. Throws what ends it otherwise. */
  messages(room: string, options: WaitOptions = {}): AsyncIterableIterator<Message> {
    fields(options, { signal: aSignal });
    return messagesOf(this.#emitter, roomName(room), options.signal);
  }

  /** Sends a message. Resolves or rejects (with a `SendError`) exactly once, when it is known what became of it. */
  send(room: string, content: string, options: SendOptions = {}): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      // Inside, so that a bad argument rejects and does not throw. Nothing is kept before all of it is good.
      const name = roomName(room);
      fields(options, sending);
      // What is said by its data alone needs no text.
      if (content !== "" || options.data === undefined) argument(content, aText, "content");
      const { copy, json } = options.data === undefined ? { copy: undefined, json: "" } : jsonOf(options.data, "data");
      const said = wellFormed(content);
      const given = { content: said, data: copy };
      this.#send(Input.Send, this.#table.number(name), given, byteLength(said) + byteLength(json), options, resolve, reject);
    });
  }

  readonly #send: Inside["send"] = (kind, room, given, bytes, { signal, timeout }, resolve, reject) => {
    if (signal?.aborted) return reject(sendError("failed", "cancelled"));
    if (this.#machineIsGone) return reject(sendError("failed", "closed"));
    const send = this.#outcomes.next();
    const forget = onAbort(signal, () => this.#say(Input.Cancel, [send]));
    this.#outcomes.wait(send, { resolve, reject, forget });
    this.#say(kind, [send, room, this.#table.keep(given), bytes, timeout ?? 0]);
  };

  /**
   * Be a member of a room, now and after every reconnect. Resolves when it is joined; rejects when the server refuses it,
   * when it is left first, and when the client is closed or has failed. Nobody has to look: the event `room` says the same.
   */
  join(room: string, options: JoinOptions = {}): Promise<JoinOutcome> {
    try {
      const name = roomName(room);
      fields(options, { ...joining, signal: aSignal });
      if (options.signal?.aborted) throw abortReason(options.signal);
      this.#checkOpen();
      let joined = this.#joins.get(name);
      if (!joined) {
        this.#joins.set(name, (joined = joinOf(this.#emitter, name, () => this.#checkAlive())));
        joined.catch(() => {}).finally(() => this.#joins.delete(name));
      }
      this.#join(name, options, false);
      const outcome = abortable(joined, options.signal);
      outcome.catch(() => {});
      return outcome;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Leave a room, once the earlier sends to it are final. */
  leave(room: string): void {
    this.#ask(Input.Leave, [this.#table.number(roomName(room))]);
  }

  /** Sends something ephemeral, `typing` for instance. Dropped where it cannot be sent at once. */
  signal(room: string, kind: string, data?: unknown): void {
    const name = roomName(room);
    argument(kind, aText, "kind");
    const copy = data === undefined ? data : jsonOf(data, "data").copy;
    this.#ask(Input.Signal, [this.#table.number(name), this.#table.keep({ kind: wellFormed(kind), data: copy })]);
  }

  /** Asks who is in a room; the answer is the event `presence`. */
  presence(room: string): void {
    this.#ask(Input.Presence, [this.#table.number(roomName(room))]);
  }

  /** Uses another token from the next dial on; leaves the state `failed`. */
  setToken(token: string): void {
    argument(token, aText, "token");
    this.#credentials.token = wellFormed(token);
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
  async close(options: CloseOptions = {}): Promise<void> {
    fields(options, { timeout: millis, signal: aSignal });
    const { timeout = 5000, signal } = options;
    if (this.#known.state.state == "connected") await this.#outcomes.drain(timeout, this.#clock, signal);
    if (this.#machineIsGone) return;
    const closed = this.#emitter.until({ state: ({ state }) => state == "closed" || undefined });
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

  /** Gives the machine what an earlier page has stored. */
  #restore(machine: Machine): Machine {
    if (!this.#store) return machine;
    this.#machine = machine;
    this.#keeper = new this.#store.Keeper(this.#store, machine as StoringMachine, this.#table, this.#clock, (error) => {
      this.#tell(["error", { message: `what should outlive the page is not stored: ${error}`, code: "storage" }]);
      if (!this.#machineIsGone) this.#settle();
    });
    this.#keeper.restore();
    this.#settle();
    return machine;
  }

  /** Throws when nothing more is to be waited for. */
  #checkAlive(): undefined {
    const { state, cause } = this.#known.state;
    if (state != "closed" && state != "failed") return undefined;
    throw ended(state == "failed" && cause);
  }

  /** What the application asks of a client that is still there. */
  #ask(kind: Input, fields: number[], ids?: string[]): void {
    this.#checkOpen();
    this.#say(kind, fields, ids);
  }

  #checkOpen(): void {
    if (this.#machineIsGone) throw ended();
  }

  #join(room: string, { since, history }: JoinOptions, personal: boolean): void {
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
        this.#connections.dial(a, b, e == 1, c == 1 ? this.#credentials.token : undefined, d == 1);
        return;
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
        return this.#connections.abandon(a, b);
      case Output.Delivery:
        return void this.#events.push(this.#outcomes.settle(fields, this.#machine.ids[0] ?? "", this.#table.frame(fields[5]!), this.diagnostics().contentLimit));
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

  /** The page goes into the back/forward cache, or for good. Nothing may run any more when it is back. */
  #hidden(): void {
    this.#keeper?.flush();
    for (const conn of this.#connections.drop(PAGE_HIDDEN)) {
      this.#say(Input.Closed, [conn, 1006]);
      this.#say(Input.DialFailed, [conn]);
    }
  }

  #end(): void {
    // Once more: what the end left unsent is for another page.
    void Promise.resolve(this.#keeper?.save()).then(() => this.#store?.close());
    this.#last = this.#machine.diagnostics();
    this.#machineIsGone = true;
    this.#timer.clear();
    this.#reload?.stop();
    this.#stopWatching();
    this.#connections.drop(1000);
    this.#machine.free();
  }
}
