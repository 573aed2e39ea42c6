// A feed over server-sent events: feeds inputs to the state machine, executes its outputs and emits its events.
import { FeedMachine } from "../../pkg/rejoin-feed.js";
import { Credentials } from "../client/credentials.js";
import { Emitter } from "../util/emitter.js";
import { RejoinError } from "../errors.js";
import { endWith, iterate } from "../client/iterate.js";
import { watchPage } from "../client/page_lifecycle.js";
import { clientRules, randomSeed, roomName, ticketUrlRule } from "../client/options.js";
import type { Loader } from "../wasm/load_wasm.js";
import { LoadRetry } from "../wasm/load_retry.js";
import { wellFormed } from "../util/text.js";
import { Timer } from "../util/timer.js";
import { checkArgument, func, check, count, checkFields, signal, text, token, type Rules } from "../client/arguments.js";
import { parseBaseUrl, streamUrl } from "./url.js";
import { feedCauseCodes, feedGapReasons, FeedInput, FeedOutput, feedStates, type FeedState } from "./codes.js";
import { parseEvent, type ParsedEvent } from "./parse.js";
import { Stream } from "./stream.js";
import { utf8 } from "./utf8.js";
import type { Clock, FeedEvents, FollowOptions, ListenOptions, Message, UrlLike, WaitOptions } from "./types.js";

const rules: Rules = { ...clientRules, room: [() => true, ""], token, ticketUrl: ticketUrlRule, since: text, history: count, maxEvent: count, fetch: func };

/** Throws for a bad option. */
export const checkOptions = (given: FollowOptions): void => {
  checkFields(given, rules);
  roomName(given.room);
  // A URL has no way to write these two.
  check(given.room != "." && given.room != "..", "bad_argument", "that is no room to read", "name another one");
};

/** An event by its name. */
type NamedEvent = { [K in keyof FeedEvents]: [name: K, event: FeedEvents[K]] }[keyof FeedEvents];

/** A room that is read by server-sent events. Made by `follow`. */
export class Feed {
  readonly #base: URL;
  readonly #room: string;
  readonly #fetch: NonNullable<FollowOptions["fetch"]>;
  readonly #clock: Clock;
  readonly #credentials = new Credentials();
  /** Undefined until the module is loaded. */
  #machine: FeedMachine | undefined;
  readonly #loadRetry: LoadRetry | undefined;
  readonly #timer: Timer;
  readonly #stopWatching: () => void;
  readonly #emitter = new Emitter<FeedEvents>(["state", "began", "message", "event", "gap", "error"]);
  #stream: Stream | undefined;
  /** The event that was just parsed; the machine emits it within the same call or not at all. */
  #event: ParsedEvent | undefined;
  #events: [told: NamedEvent, lastEventId: string][] = [];
  #status: FeedEvents["state"] = { state: "idle" };
  #lastEventId: string;
  /** Text of the next cause: the machine knows only the cause's number. */
  #causeText = "";
  #isEnded = false;
  #isPerforming = false;
  #isEmitting = false;

  /** @internal */
  constructor(address: string | UrlLike, options: FollowOptions, loader: Loader) {
    const { since = "", history, maxEvent = 0, clock = globalThis } = options;
    const [url, token] = parseBaseUrl(address);
    const source = options.token ?? token ?? undefined;
    this.#base = url;
    this.#room = wellFormed(options.room);
    this.#fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
    this.#clock = clock;
    this.#lastEventId = since;
    this.#credentials.source = source;
    const begin = () => {
      const credentials = source == undefined ? 0 : typeof source == "string" ? 1 : 2;
      const attempts = options.maxAttempts == Infinity ? 0 : (options.maxAttempts ?? 0);
      this.#machine = new FeedMachine(options.seed ?? randomSeed(), credentials, options.policy == "legacy", attempts, history ?? -1, maxEvent, wellFormed(since));
      this.#input(FeedInput.Connect);
    };
    this.#timer = new Timer(clock, () => this.#input(FeedInput.Tick));
    this.#stopWatching = watchPage(
      clock,
      (hint) => (this.#machine ? this.#input(FeedInput.Hint, hint) : this.#loadRetry?.retry()),
      // An open stream keeps a page out of the back/forward cache, or is cut silently.
      () => this.#pageHidden(),
    );
    if (loader.isLoaded) begin();
    else {
      const tell = (state: FeedEvents["state"]) => {
        this.#events.push([["state", state], this.#lastEventId]);
        this.#emitAll();
      };
      this.#loadRetry = new LoadRetry(loader, options.wasm, clock, tell, begin);
    }
  }

  /** Adds a listener for an event; returns a function that removes it. */
  on<K extends keyof FeedEvents>(name: K, listener: (event: FeedEvents[K]) => void, options?: ListenOptions): () => void {
    return this.#emitter.on(name, listener, options);
  }

  /** Adds a listener for the next such event only. */
  once<K extends keyof FeedEvents>(name: K, listener: (event: FeedEvents[K]) => void, options?: ListenOptions): () => void {
    return this.#emitter.on(name, listener, options, true);
  }

  /** Removes a listener that `on` or `once` added. */
  off<K extends keyof FeedEvents>(name: K, listener: (event: FeedEvents[K]) => void): void {
    this.#emitter.off(name, listener);
  }

  /** The messages from now on, until the feed is closed. Throws if it ends for another reason. */
  messages(options: WaitOptions = {}): AsyncIterableIterator<Message> {
    checkFields(options, { signal });
    return iterate(options.signal, (take, end) => (endWith(this.status, end), [this.on("message", take), this.on("state", (status) => endWith(status, end))]));
  }

  /** The state of the connection. */
  get state(): FeedState {
    return this.#status.state;
  }

  /** The state with its attempt, the time of the next attempt and the cause. */
  get status(): FeedEvents["state"] {
    return this.#status;
  }

  /** What another page has to be given as `since`, to go on behind the event that is being told or was told last. */
  get lastEventId(): string {
    return this.#lastEventId;
  }

  /** Uses another token from the next dial on; leaves the state `failed`. */
  setToken(token: string): void {
    checkArgument(token, text, "token");
    this.#credentials.token = wellFormed(token);
    this.#command(FeedInput.SetToken);
  }

  /** Replaces the connection by a fresh one, or tries at once. Leaves the state `failed`. */
  reconnect(): void {
    this.#command(FeedInput.Reconnect);
  }

  /** Ends it. There is nothing to wait for. */
  async close(): Promise<void> {
    if (this.#machine || this.#isEnded) return this.#input(FeedInput.Close);
    for (const state of ["closing", "closed"] as const) this.#events.push([["state", { state }], this.#lastEventId]);
    this.#emitAll();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** A command of the application; throws after the feed was closed. */
  #command(kind: FeedInput): void {
    if (this.#isEnded) throw new RejoinError("closed", "the feed is closed", "follow again");
    if (this.#machine) this.#input(kind);
    else this.#loadRetry?.retry();
  }

  get #now(): [monotonic: number, wall: number] {
    return [this.#clock.performance.now(), this.#clock.Date.now()];
  }

  /** Feeds an input to the machine and executes the outputs. */
  #input(kind: FeedInput, a = 0, b = 0, c = 0): void {
    if (!this.#machine) return;
    this.#machine.input(kind, ...this.#now, a, b, c);
    this.#settle(this.#machine);
  }

  #settle(machine: FeedMachine): void {
    if (!this.#isPerforming) {
      this.#isPerforming = true;
      try {
        for (let kind; (kind = machine.poll()); ) this.#perform(kind, machine);
      } finally {
        this.#isPerforming = false;
      }
      this.#timer.set(machine.deadline());
    }
    this.#emitAll();
  }

  #emitAll(): void {
    // A listener may call any method: the resulting events are emitted after the current one.
    if (!this.#isEmitting) {
      this.#isEmitting = true;
      for (let event; (event = this.#events.shift()); ) {
        const [named, lastEventId] = event;
        if (named[0] == "state") this.#status = named[1];
        this.#lastEventId = lastEventId;
        this.#emitter.emit(...(named as [never, never]));
      }
      this.#isEmitting = false;
      if (this.#status.state == "closed") this.#end();
    }
  }

  #perform(kind: FeedOutput, machine: FeedMachine): void {
    const [a, b, c, d, e, f, g] = Array.from({ length: 7 }, (_, which) => machine.field(which)) as [number, number, number, number, number, number, number];
    switch (kind) {
      case FeedOutput.FetchToken:
        return this.#credentials.fetch(a == 1, (answer, words) => {
          this.#causeText = words;
          this.#input(FeedInput.Token, answer);
        });
      case FeedOutput.Dial:
        return this.#dial(a, b == 1, c, machine.last_event_id());
      case FeedOutput.Abort:
        if (this.#stream?.conn == a) {
          this.#stream.drop();
          this.#stream = undefined;
        }
        return;
      case FeedOutput.State: {
        const state: FeedEvents["state"] = { state: feedStates[a - 1]! };
        if (b) state.attempt = b;
        if (c >= 0) state.retryAt = Math.round(this.#clock.Date.now() + Math.max(c - this.#clock.performance.now(), 0));
        if (d) {
          state.cause = { code: feedCauseCodes[d - 1]!, willRetry: f == 1 };
          if (e) state.cause.number = e;
          if (g) state.cause.lastCode = feedCauseCodes[g - 1]!;
          if (this.#causeText) state.cause.text = this.#causeText;
          this.#causeText = "";
        }
        return this.#emit(["state", state], machine);
      }
      case FeedOutput.Began:
        return this.#emit(["began", { lastEventId: machine.last_event_id() }], machine);
      case FeedOutput.Message:
        return this.#message(a, machine);
      case FeedOutput.Gap: {
        const gap: FeedEvents["gap"] = { room: this.#room, reason: feedGapReasons[a - 1]! };
        const epoch = machine.text(0);
        if (epoch) gap.epoch = epoch;
        if (b >= 0) gap.after = b;
        if (c >= 0) gap.before = c;
        return this.#emit(["gap", gap], machine);
      }
      case FeedOutput.Event: {
        const read = this.#event;
        if (read?.what != "event") return;
        const { name, data } = read;
        return this.#emit(["event", { name, data, ...(a && { id: machine.text(0) }) }], machine);
      }
      case FeedOutput.Malformed:
        return this.#emit(["error", { message: "an event that cannot be read", code: "garbled" }], machine);
    }
  }

  #message(seq: number, machine: FeedMachine): void {
    const read = this.#event;
    if (read?.what != "message") return;
    const { what: _, ...said } = read;
    const message: Message = { room: this.#room, ...said, replay: false };
    if (seq >= 0) message.position = { epoch: machine.text(0), seq, id: machine.text(1) };
    this.#emit(["message", message], machine);
  }

  #emit(event: NamedEvent, machine: FeedMachine): void {
    this.#events.push([event, machine.last_event_id()]);
  }

  #dial(conn: number, withToken: boolean, history: number, lastEventId: string): void {
    const { token } = this.#credentials;
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (withToken && token) headers["authorization"] = utf8(`Bearer ${token}`);
    // Header values are bytes: non-ASCII text is sent as UTF-8, as the standard requires for Last-Event-ID.
    if (lastEventId) headers["last-event-id"] = utf8(lastEventId);
    this.#stream = new Stream(conn, async (init) => this.#fetch(streamUrl(this.#base, this.#room, history), init), headers, {
      opened: () => this.#input(FeedInput.Opened, conn),
      refused: ({ status, retryAfter, text: words }) => {
        this.#causeText = words;
        this.#input(FeedInput.Failed, conn, status, retryAfter);
      },
      bytes: (piece) => this.#bytes(conn, piece),
      ended: (said) => this.#input(FeedInput.Ended, conn, +said),
    });
  }

  #bytes(conn: number, piece: Uint8Array): void {
    /** The machine, while this is its current connection. */
    const mine = () => (this.#stream?.conn == conn ? this.#machine : undefined);
    let machine = mine();
    if (!machine) return;
    machine.give(conn, ...this.#now, piece);
    this.#settle(machine);
    while ((machine = mine()) && machine.read(...this.#now)) {
      const read = parseEvent(machine.kind(), machine.data());
      this.#event = read;
      if (read.what == "gap") machine.gap(...this.#now, read.epoch, read.after, read.before, read.reason);
      else machine.arrived(read.what == "message" ? 1 : read.isBadMessage ? 2 : 0, ...this.#now);
      this.#settle(machine);
    }
    this.#event = undefined;
    if (machine) this.#settle(machine);
  }

  /** The page goes into the back/forward cache, or for good. */
  #pageHidden(): void {
    const { conn } = this.#stream ?? {};
    if (conn == undefined) return;
    this.#stream!.drop();
    this.#stream = undefined;
    this.#input(FeedInput.Ended, conn);
    this.#input(FeedInput.Failed, conn, 0, -1);
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#loadRetry?.stop();
    this.#timer.clear();
    this.#stopWatching();
    this.#stream?.drop();
    this.#stream = undefined;
    this.#machine?.free();
    this.#machine = undefined;
  }
}
