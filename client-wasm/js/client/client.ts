// The client of rooms: feeds inputs to the state machine, executes its outputs and emits its events. Decides nothing about the
// connection.
import { Connections } from "./connections.js";
import { Credentials } from "./credentials.js";
import { EarlyMachine } from "../wasm/early_machine.js";
import { Emitter } from "../util/emitter.js";
import { abortable, abortReason, onAbort } from "../util/abort.js";
import { ended, sendError } from "../errors.js";
import type { HeadStart } from "./head_start.js";
import type { Persister } from "../storage/persister.js";
import { ClientState } from "./client_state.js";
import type { Runtime } from "./runtime.js";
import type { ClientLoader, Parts } from "./client_loader.js";
import type { Machine } from "../wasm/machine.js";
import { Input, Output } from "../wasm/codes.js";
import { PendingSends } from "./pending_sends.js";
import { watchPage } from "./page_lifecycle.js";
import { LoadRetry } from "../wasm/load_retry.js";
import { awaitJoin, iterateMessages } from "./rooms.js";
import { joinRules, parseRooms, randomSeed, resolveOptions, roomName } from "./options.js";
import type { ClientInternals, Protocol } from "../protocol/protocol.js";
import type { StoringMachine } from "../storage/storing_machine.js";
import { HandleTable } from "../wasm/handle_table.js";
import { Timer } from "../util/timer.js";
import { byteLength, jsonOf, wellFormed } from "../util/text.js";
import type { NamedEvent } from "../protocol/event_decoder.js";
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
} from "../types.js";
import type { Mode, RoomState, State } from "../code_types.js";
import { checkArgument, check, checkFields, millis, wait, signal as aSignal, text as aText } from "./arguments.js";

const PAGE_HIDDEN = 4901;

/** After so many dials in a row that did not open the token may be the reason: its source is asked again. */
const ASK_AGAIN_AFTER = 3;

/** The events of a client of rooms. */
const events: readonly (keyof Events)[] = [
  "state", "mode", "ready", "room", "joined", "message", "user_joined", "user_left", "presence", "signal", "notification", "gap", "error",
];

/** A server cannot tell `null` from no data. */
const data = [(value: unknown) => value !== null, "other data, or leave it out"] as const;

const sendRules = { timeout: millis, signal: aSignal, data };

/** Rules of the options of `close`. */
export const closeRules = { timeout: wait, signal: aSignal };

/** A connection to a room server that reconnects by itself. Made by `connect`. */
export class Client {
  readonly #protocol: Protocol;
  /** The early machine until the module is loaded. */
  #machine: Machine | EarlyMachine;
  readonly #loadRetry: LoadRetry | undefined;
  readonly #emitter = new Emitter<Events>(events);
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #stopWatching: () => void;
  readonly #credentials = new Credentials();
  /** Undefined until all is loaded. */
  #connections: Connections | undefined;
  readonly #handles = new HandleTable();
  readonly #pendingSends = new PendingSends();
  #events: (() => void)[] = [];
  #isEnded = false;
  /** close() was called: nothing more is sent. */
  #isClosing = false;
  /** The final counters. */
  #finalDiagnostics: Diagnostics | undefined;
  /** Dials in a row that did not open. */
  #unopened = 0;
  #isPerforming = false;
  #isEmitting = false;
  readonly #current = new ClientState();
  /** Text of the next cause: the machine knows only the cause's number. */
  #causeText = "";
  readonly #loader: ClientLoader;
  #persister: Persister | undefined;
  /** A save is in progress: outputs wait for it. */
  #isSaving = false;
  #restored: Restored[] = [];
  readonly #frames: unknown;
  /** Joins in progress. */
  readonly #joins = new Map<string, Promise<JoinOutcome>>();

  /** @internal */
  constructor(
    runtime: Runtime,
    address: Address,
    options: Options,
    protocol: Protocol,
    loader: ClientLoader,
    headStart?: HeadStart,
  ) {
    const rooms = parseRooms(options.rooms, joinRules);
    this.#loader = loader;
    this.#protocol = protocol;
    this.#clock = options.clock ?? globalThis;
    this.#timer = new Timer(this.#clock, () => this.#input(Input.Tick, []));
    this.#stopWatching = watchPage(
      this.#clock,
      (hint) => this.#input(Input.Hint, [hint]),
      () => this.#pageHidden(),
    );
    const build = () => this.#build(address, loader.parts ?? { runtime, options, store: undefined }, headStart);
    const early = loader.isLoaded ? undefined : new EarlyMachine(this.#clock, options.sendTtl, () => this.#loadRetry?.retry());
    this.#machine = early ?? build();
    this.#frames = protocol.frames?.({
      emitter: this.#emitter,
      handles: this.#handles,
      sendError: sendError,
      command: (kind, fields) => this.#command(kind, fields),
      send: this.#send,
    });
    if (options.notifications) this.#join("@me", {}, true);
    for (const [room, from] of rooms) this.#join(room, from, false);
    this.#input(Input.Connect, []);
    this.#loadRetry =
      early &&
      new LoadRetry(
        loader,
        options.wasm,
        this.#clock,
        (state) => {
          if (state.state == "failed") early.fail();
          this.#emit(["state", state]);
          this.#settle();
        },
        () => {
          const machine = (this.#machine = build());
          early.replay(machine);
          this.#settle();
        },
      );
  }

  /** Adds a listener for an event; returns a function that removes it. */
  on<K extends keyof Events>(name: K, listener: (event: Events[K]) => void, options?: ListenOptions): () => void {
    return this.#emitter.on(name, listener, options);
  }

  /** Adds a listener for the next such event only. */
  once<K extends keyof Events>(name: K, listener: (event: Events[K]) => void, options?: ListenOptions): () => void {
    return this.#emitter.on(name, listener, options, true);
  }

  /** Removes a listener that `on` or `once` added. */
  off<K extends keyof Events>(name: K, listener: (event: Events[K]) => void): void {
    this.#emitter.off(name, listener);
  }

  /** The state of the connection. */
  get state(): State {
    return this.#current.state.state;
  }

  /** The state with its attempt, the time of the next attempt and the cause. */
  get status(): Events["state"] {
    return this.#current.state;
  }

  /** The mode of this connection; `undefined` while there is none or it is not known yet. */
  get mode(): Mode | undefined {
    return this.#current.mode;
  }

  /** The wanted rooms and their states. */
  get rooms(): ReadonlyMap<string, RoomState> {
    return this.#current.rooms;
  }

  /** Messages that an earlier page left unsent (option `persist`). */
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
    checkFields(options, { signal: aSignal });
    const ready = (): Mode | undefined => this.#current.ready ?? this.#checkAlive();
    return abortable((async () => ready() ?? this.#emitter.until<Mode>({ ready, state: ready }))(), options.signal);
  }

  /** The messages of a room from now on, until it is left or the client is closed. Throws if it ends for another reason. */
  messages(room: string, options: WaitOptions = {}): AsyncIterableIterator<Message> {
    checkFields(options, { signal: aSignal });
    return iterateMessages(this.#emitter, roomName(room), options.signal, this.status);
  }

  /** Sends a message. Resolves or rejects (with a `SendError`) exactly once, when its outcome is known. */
  send(room: string, content: string, options: SendOptions = {}): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      // Inside the promise, so that a bad argument rejects. Nothing is stored before all arguments are valid.
      const name = roomName(room);
      checkFields(options, sendRules);
      // A message with data may have an empty text.
      if (content !== "" || options.data === undefined) checkArgument(content, aText, "content");
      const { copy, json } = options.data === undefined ? { copy: undefined, json: "" } : jsonOf(options.data, "data");
      const text = wellFormed(content);
      const payload = { content: text, data: copy };
      this.#send(Input.Send, this.#handles.number(name), payload, byteLength(text) + byteLength(json), options, resolve, reject);
    });
  }

  readonly #send: ClientInternals["send"] = (kind, room, payload, bytes, { signal, timeout }, resolve, reject) => {
    if (signal?.aborted) return reject(sendError("failed", "cancelled"));
    if (this.#isEnded || this.#isClosing) return reject(sendError("failed", "closed"));
    const send = this.#pendingSends.next();
    const detach = onAbort(signal, () => this.#input(Input.Cancel, [send]));
    this.#pendingSends.add(send, { resolve, reject, detach: detach });
    this.#input(kind, [send, room, this.#handles.add(payload), bytes, timeout ?? 0]);
  };

  /**
   * Be a member of a room, now and after every reconnect. Resolves when it is joined; rejects when the server refuses it,
   * when it is left first, and when the client is closed or has failed. The promise may be ignored: the event `room` reports the same.
   */
  join(room: string, options: JoinOptions = {}): Promise<JoinOutcome> {
    try {
      const name = roomName(room);
      checkFields(options, { ...joinRules, signal: aSignal });
      if (options.signal?.aborted) throw abortReason(options.signal);
      this.#checkOpen();
      let joined = this.#joins.get(name);
      if (!joined) {
        this.#joins.set(name, (joined = awaitJoin(this.#emitter, name, () => this.#checkAlive())));
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
    this.#command(Input.Leave, [this.#handles.number(roomName(room))]);
  }

  /** Sends something ephemeral, `typing` for instance. Dropped where it cannot be sent at once. */
  signal(room: string, kind: string, given?: unknown): void {
    const name = roomName(room);
    checkArgument(kind, aText, "kind");
    if (given !== undefined) checkArgument(given, data, "data");
    const copy = given === undefined ? given : jsonOf(given, "data").copy;
    this.#command(Input.Signal, [this.#handles.number(name), this.#handles.add({ kind: wellFormed(kind), data: copy })]);
  }

  /** Asks who is in a room; the answer is the event `presence`. */
  presence(room: string): void {
    this.#command(Input.Presence, [this.#handles.number(roomName(room))]);
  }

  /** Uses another token from the next dial on; leaves the state `failed`. */
  setToken(token: string): void {
    checkArgument(token, aText, "token");
    this.#credentials.token = wellFormed(token);
    this.#command(Input.SetToken, []);
  }

  /** Replaces the connection by a fresh one, or tries at once. Leaves the state `failed`. */
  reconnect(): void {
    this.#command(Input.Reconnect, []);
  }

  /**
   * Ends it. Sends that have no outcome yet get one first, for at most `timeout` ms (5 s by default) while there is
   * a connection.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    checkFields(options, closeRules);
    this.#isClosing = true;
    const { timeout = 5000, signal } = options;
    if (this.#current.state.state == "connected") await this.#pendingSends.drain(timeout, this.#clock, signal);
    if (this.#isEnded) return;
    const closed = this.#emitter.until({ state: ({ state }) => state == "closed" || undefined });
    this.#input(Input.Close, []);
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The counters since the start. */
  diagnostics(): Diagnostics {
    return this.#isEnded ? this.#finalDiagnostics! : this.#machine.diagnostics();
  }

  /** Makes the machine, and all that is for it alone, of what is loaded. Restores what an earlier page has stored. */
  #build(address: Address, { runtime, options, store }: Parts, headStart: HeadStart | undefined): Machine {
    const { urls, socket, source } = resolveOptions(address, options);
    this.#credentials.source = source;
    this.#connections = new Connections(runtime.Connection, urls, socket, options.allowedHosts ?? [], this.#clock, {
      opened: (conn) => {
        this.#unopened = 0;
        this.#input(Input.Opened, [conn]);
      },
      text: (conn, text, moved) => {
        if (this.#isEnded) return;
        this.#protocol.read(conn, text, { machine: this.#machine, handles: this.#handles, redirect: moved });
        this.#settle();
      },
      flushed: (conn, frame) => this.#input(Input.Flushed, [conn, frame]),
      ended: (conn, opened, code, reason, retryAfter = 0) => {
        this.#causeText = reason;
        // A page is not told of a 401.
        if (!opened && code > 999 && ++this.#unopened % ASK_AGAIN_AFTER == 0) this.#credentials.renew();
        this.#input(opened ? Input.Closed : Input.DialFailed, [conn, code, retryAfter]);
      },
      // Called while outputs are executed: the loop processes what follows.
      refused: (conn, causeText) => {
        this.#causeText = causeText;
        this.#machine.input(Input.DialFailed, [conn]);
      },
    }, headStart);
    const machine = new runtime.Machine(
      this.#clock,
      options.seed ?? randomSeed(),
      urls.length,
      source == undefined ? 0 : typeof source == "string" ? 1 : 2,
      options.protocol == "plain",
      options.policy == "legacy",
      options.maxAttempts == Infinity ? 0 : (options.maxAttempts ?? 0),
      options.sendTtl ?? 0,
    );
    if (!store) return machine;
    this.#machine = machine;
    this.#persister = new store.Persister(store, machine as StoringMachine, this.#handles, this.#clock, (error) => {
      this.#emit(["error", { message: `what should outlive the page is not stored: ${error}`, code: "storage" }]);
      if (!this.#isEnded) this.#settle();
    });
    this.#persister.restore();
    this.#settle();
    return machine;
  }

  /** Throws if the client has ended. */
  #checkAlive(): undefined {
    const { state, cause } = this.#current.state;
    if (state != "closed" && state != "failed") return undefined;
    throw ended(state == "failed" && cause);
  }

  /** A command of the application; throws after the client was closed. */
  #command(kind: Input, fields: number[], ids?: string[]): void {
    this.#checkOpen();
    this.#input(kind, fields, ids);
  }

  #checkOpen(): void {
    if (this.#isEnded) throw ended();
  }

  #join(room: string, { since, history }: JoinOptions, personal: boolean): void {
    const ids = since ? [since.epoch, since.id] : [];
    this.#command(
      Input.Join,
      [this.#handles.number(room), history == undefined ? 0 : history + 1, +personal, since?.seq ?? 0],
      ids,
    );
  }

  /** Feeds an input to the machine and executes the outputs. */
  #input(kind: Input, fields: number[], ids?: string[]): void {
    if (this.#isEnded) return;
    this.#machine.input(kind, fields, ids);
    this.#settle();
  }

  #settle(): void {
    if (!this.#isPerforming) {
      this.#isPerforming = true;
      try {
        for (let kind; !this.#isSaving && (kind = this.#machine.poll()); ) this.#perform(kind);
      } finally {
        this.#isPerforming = false;
      }
      for (let value; (value = this.#machine.released()); ) this.#handles.drop(value);
      // Outputs that wait for a save may still refer to such a frame.
      if (!this.#isSaving) this.#handles.dropHeld();
      this.#timer.set(this.#machine.deadline);
      this.#persister?.saveSoon();
    }
    // A listener may call any method: the resulting events are emitted after the current one.
    if (!this.#isEmitting) {
      this.#isEmitting = true;
      for (let event; (event = this.#events.shift()); ) event();
      this.#isEmitting = false;
      if (this.#current.state.state == "closed") this.#end();
    }
  }

  #perform(kind: Output): void {
    const fields = [...this.#machine.fields];
    const [a, b, c, d, e] = fields as [number, number, number, number, number];
    switch (kind) {
      case Output.FetchToken:
        return this.#credentials.fetch(a == 1, (answer, causeText) => {
          this.#causeText = causeText;
          this.#input(Input.Token, [answer]);
        });
      case Output.Dial:
        this.#connections!.dial(a, b, e == 1, c == 1 ? this.#credentials.token : undefined, d == 1);
        return;
      case Output.Save:
        if (this.#persister) {
          this.#isSaving = true;
          void this.#persister.save().then(() => {
            this.#isSaving = false;
            if (!this.#isEnded) this.#settle();
          });
        }
        return;
      case Output.Restored: {
        const { content = "", data } = this.#handles.payload(c);
        const outcome = new Promise<Receipt>((resolve, reject) => {
          this.#pendingSends.add(a, { resolve, reject, detach: () => {} });
        });
        // The application may ignore the outcome.
        outcome.catch(() => {});
        this.#restored.push({ room: this.#handles.name(b), content, data, outcome });
        return;
      }
      case Output.Close:
        return this.#connections!.get(a)?.close(b);
      case Output.Abort:
        return this.#connections!.abort(a, b);
      case Output.Delivery:
        return void this.#events.push(this.#pendingSends.settle(fields, this.#machine.ids[0] ?? "", this.#handles.frame(fields[5]!), this.diagnostics().contentLimit));
      default: {
        const event = this.#protocol.decode(kind, fields, this.#handles, this.#clock, () => this.#machine.ids, () => this.#takeCauseText());
        if (event) return this.#emit(event);
        const text = this.#protocol.write(kind, fields, this.#machine.ids, {
          name: (room) => this.#handles.name(room),
          payload: (value) => this.#handles.payload(value),
          token: () => this.#credentials.token,
        });
        if (text) this.#connections!.get(a)?.write(b, text);
      }
    }
  }

  #emit(event: NamedEvent): void {
    this.#events.push(() => {
      this.#current.apply(event);
      this.#emitter.emit(...(event as [never, never]));
      const [name, what] = event;
      if (this.#persister && (name == "message" || name == "notification") && what.position) {
        // An emitted message need not be emitted again by a later page.
        const { epoch, seq, id } = what.position;
        this.#input(Input.Commit, [this.#handles.number(what.room), seq], [epoch, id]);
      }
    });
  }

  #takeCauseText(): string {
    const causeText = this.#causeText;
    this.#causeText = "";
    return causeText;
  }

  /** The page goes into the back/forward cache, or for good. Nothing may run any more when it is back. */
  #pageHidden(): void {
    this.#persister?.flush();
    for (const conn of this.#connections?.drop(PAGE_HIDDEN) ?? []) {
      this.#input(Input.Closed, [conn, 1006]);
      this.#input(Input.DialFailed, [conn]);
    }
  }

  #end(): void {
    // A last save: unsent messages are for a later page.
    void (this.#persister ?? this.#loader.parts?.store)?.close();
    this.#finalDiagnostics = this.#machine.diagnostics();
    this.#isEnded = true;
    this.#timer.clear();
    this.#loadRetry?.stop();
    this.#stopWatching();
    this.#connections?.drop(1000);
    this.#machine.free();
  }
}
