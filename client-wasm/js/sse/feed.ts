import { FeedMachine } from "../../pkg/rejoin-feed.js";
import { Credentials } from "../credentials.js";
import { Emitter } from "../emitter.js";
import { RejoinError } from "../errors.js";
import { endWith, iterate } from "../iterate.js";
import { watch } from "../page.js";
import { seed } from "../seed.js";
import type { Loader } from "../loading.js";
import { Reload } from "../reload.js";
import { clientOptions, ticketUrl } from "../settings.js";
import { wellFormed } from "../text.js";
import { Timer } from "../timer.js";
import { argument, call, check, count, fields, signal, text, token, type Kinds } from "../validate.js";
import { base, streamOf } from "./address.js";
import { feedCauseCodes, feedGapReasons, FeedInput, FeedOutput, feedStates, type FeedState } from "./names.js";
import { reading, type Reading } from "./reading.js";
import { Stream } from "./stream.js";
import type { Clock, FeedEvents, FollowOptions, ListenOptions, Message, UrlLike, WaitOptions } from "./types.js";

const options: Kinds = { ...clientOptions, room: [() => true, ""], token, ticketUrl, since: text, history: count, maxEvent: count, fetch: call };

/** Throws for a bad option. */
export const checkOptions = (given: FollowOptions): void => {
  fields(given, options);
  argument(given.room, text, "room");
  // A URL has no way to write these two.
  check(given.room != "." && given.room != "..", "bad_argument", "that is no room to read", "name another one");
};

/** An event by its name. */
type Told = { [K in keyof FeedEvents]: [name: K, event: FeedEvents[K]] }[keyof FeedEvents];

/** A room that is read by server-sent events. Made by `follow`. */
export class Feed {
  readonly #base: URL;
  readonly #room: string;
  readonly #fetch: NonNullable<FollowOptions["fetch"]>;
  readonly #clock: Clock;
  readonly #credentials: Credentials;
  /** None as long as the module has not come. */
  #machine: FeedMachine | undefined;
  readonly #reload: Reload | undefined;
  readonly #timer: Timer;
  readonly #stopWatching: () => void;
  readonly #emitter = new Emitter<FeedEvents>(["state", "began", "message", "event", "gap", "error"]);
  #stream: Stream | undefined;
  /** The event that has just been read: the machine tells it at once or never. */
  #read: Reading | undefined;
  #events: [told: Told, lastEventId: string][] = [];
  #status: FeedEvents["state"] = { state: "idle" };
  #lastEventId: string;
  /** Words for the next cause, which the machine knows by its number only. */
  #words = "";
  #isOver = false;
  #performing = false;
  #telling = false;

  /** @internal */
  constructor(address: string | UrlLike, options: FollowOptions, loader: Loader) {
    const { since = "", history, maxEvent = 0, clock = globalThis } = options;
    const [url, token] = base(address);
    const source = options.token ?? token ?? undefined;
    this.#base = url;
    this.#room = wellFormed(options.room);
    this.#fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
    this.#clock = clock;
    this.#lastEventId = since;
    this.#credentials = new Credentials(source);
    const begin = () => {
      const credentials = source == undefined ? 0 : typeof source == "string" ? 1 : 2;
      const attempts = options.maxAttempts == Infinity ? 0 : (options.maxAttempts ?? 0);
      this.#machine = new FeedMachine(options.seed ?? seed(), credentials, options.policy == "legacy", attempts, history ?? -1, maxEvent, wellFormed(since));
      this.#say(FeedInput.Connect);
    };
    this.#timer = new Timer(clock, () => this.#say(FeedInput.Tick));
    this.#stopWatching = watch(
      clock,
      (hint) => (this.#machine ? this.#say(FeedInput.Hint, hint) : this.#reload?.again()),
      // A stream keeps a page out of the back/forward cache, or is cut without a word.
      () => this.#lose(),
    );
    if (loader.isLoaded) begin();
    else {
      const tell = (state: FeedEvents["state"]) => {
        this.#events.push([["state", state], this.#lastEventId]);
        this.#tellAll();
      };
      this.#reload = new Reload(loader, options.wasm, clock, tell, begin);
    }
  }

  /** Calls `listener` for every such event from now on; gives the function that ends it. */
  on<K extends keyof FeedEvents>(name: K, listener: (event: FeedEvents[K]) => void, options?: ListenOptions): () => void {
    return this.#emitter.on(name, listener, options);
  }

  /** The same for the next such event alone. */
  once<K extends keyof FeedEvents>(name: K, listener: (event: FeedEvents[K]) => void, options?: ListenOptions): () => void {
    return this.#emitter.on(name, listener, options, true);
  }

  /** Ends what `on` and `once` began with this listener. */
  off<K extends keyof FeedEvents>(name: K, listener: (event: FeedEvents[K]) => void): void {
    this.#emitter.off(name, listener);
  }

  /** The messages from now on, until the feed is closed. Throws what ends it otherwise. */
  messages(options: WaitOptions = {}): AsyncIterableIterator<Message> {
    fields(options, { signal });
    return iterate(options.signal, (take, end) => [this.on("message", take), this.on("state", (status) => endWith(status, end))]);
  }

  /** How it stands with the connection. */
  get state(): FeedState {
    return this.#status.state;
  }

  /** The same with its attempt, the time of the next one and the cause. */
  get status(): FeedEvents["state"] {
    return this.#status;
  }

  /** What another page has to be given as `since`, to go on behind the event that is being told or was told last. */
  get lastEventId(): string {
    return this.#lastEventId;
  }

  /** Uses another token from the next dial on; leaves the state `failed`. */
  setToken(token: string): void {
    argument(token, text, "token");
    this.#credentials.token = wellFormed(token);
    this.#ask(FeedInput.SetToken);
  }

  /** Replaces the connection by a fresh one, or tries at once. Leaves the state `failed`. */
  reconnect(): void {
    this.#ask(FeedInput.Reconnect);
  }

  /** Ends it. There is nothing to wait for. */
  async close(): Promise<void> {
    if (this.#machine || this.#isOver) return this.#say(FeedInput.Close);
    for (const state of ["closing", "closed"] as const) this.#events.push([["state", { state }], this.#lastEventId]);
    this.#tellAll();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What the application asks of a feed that is still there. */
  #ask(kind: FeedInput): void {
    if (this.#isOver) throw new RejoinError("closed", "the feed is closed", "follow again");
    if (this.#machine) this.#say(kind);
    else this.#reload?.again();
  }

  get #now(): [monotonic: number, wall: number] {
    return [this.#clock.performance.now(), this.#clock.Date.now()];
  }

  /** Tells the machine what happened, and does what it wants. */
  #say(kind: FeedInput, a = 0, b = 0, c = 0): void {
    if (!this.#machine) return;
    this.#machine.input(kind, ...this.#now, a, b, c);
    this.#settle(this.#machine);
  }

  #settle(machine: FeedMachine): void {
    if (!this.#performing) {
      this.#performing = true;
      try {
        for (let kind; (kind = machine.poll()); ) this.#perform(kind, machine);
      } finally {
        this.#performing = false;
      }
      this.#timer.set(machine.deadline());
    }
    this.#tellAll();
  }

  #tellAll(): void {
    // A listener may call anything here: what follows from it is told after what is being told.
    if (!this.#telling) {
      this.#telling = true;
      for (let event; (event = this.#events.shift()); ) {
        const [told, lastEventId] = event;
        if (told[0] == "state") this.#status = told[1];
        this.#lastEventId = lastEventId;
        this.#emitter.emit(...(told as [never, never]));
      }
      this.#telling = false;
      if (this.#status.state == "closed") this.#end();
    }
  }

  #perform(kind: FeedOutput, machine: FeedMachine): void {
    const [a, b, c, d, e, f] = Array.from({ length: 6 }, (_, which) => machine.field(which)) as [number, number, number, number, number, number];
    switch (kind) {
      case FeedOutput.FetchToken:
        return this.#credentials.ask(a == 1, (answer, words) => {
          this.#words = words;
          this.#say(FeedInput.Token, answer);
        });
      case FeedOutput.Dial:
        return this.#dial(a, b == 1, c, machine.last_event_id());
      case FeedOutput.Abandon:
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
          if (this.#words) state.cause.text = this.#words;
          this.#words = "";
        }
        return this.#tell(["state", state], machine);
      }
      case FeedOutput.Began:
        return this.#tell(["began", { lastEventId: machine.last_event_id() }], machine);
      case FeedOutput.Message:
        return this.#message(a, machine);
      case FeedOutput.Gap: {
        const gap: FeedEvents["gap"] = { room: this.#room, reason: feedGapReasons[a - 1]! };
        const epoch = machine.text(0);
        if (epoch) gap.epoch = epoch;
        if (b >= 0) gap.after = b;
        if (c >= 0) gap.before = c;
        return this.#tell(["gap", gap], machine);
      }
      case FeedOutput.Event: {
        const read = this.#read;
        if (read?.what != "event") return;
        const { name, data } = read;
        return this.#tell(["event", { name, data, ...(a && { id: machine.text(0) }) }], machine);
      }
      case FeedOutput.Garbled:
        return this.#tell(["error", { message: "an event that cannot be read", code: "garbled" }], machine);
    }
  }

  #message(seq: number, machine: FeedMachine): void {
    const read = this.#read;
    if (read?.what != "message") return;
    const { what: _, ...said } = read;
    const message: Message = { room: this.#room, ...said, replay: false };
    if (seq >= 0) message.position = { epoch: machine.text(0), seq, id: machine.text(1) };
    this.#tell(["message", message], machine);
  }

  #tell(told: Told, machine: FeedMachine): void {
    this.#events.push([told, machine.last_event_id()]);
  }

  #dial(conn: number, withToken: boolean, history: number, lastEventId: string): void {
    const { token } = this.#credentials;
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (withToken && token) headers["authorization"] = utf8(`Bearer ${token}`);
    // A header has bytes: what is not ASCII goes as UTF-8, which is what the standard wants of this one.
    if (lastEventId) headers["last-event-id"] = utf8(lastEventId);
    this.#stream = new Stream(conn, async (init) => this.#fetch(streamOf(this.#base, this.#room, history), init), headers, {
      opened: () => this.#say(FeedInput.Opened, conn),
      refused: ({ status, retryAfter, words }) => {
        this.#words = words;
        this.#say(FeedInput.Failed, conn, status, retryAfter);
      },
      bytes: (piece) => this.#bytes(conn, piece),
      ended: (said) => this.#say(FeedInput.Ended, conn, +said),
    });
  }

  #bytes(conn: number, piece: Uint8Array): void {
    /** The machine, as long as this connection is its. */
    const mine = () => (this.#stream?.conn == conn ? this.#machine : undefined);
    let machine = mine();
    if (!machine) return;
    machine.give(conn, ...this.#now, piece);
    this.#settle(machine);
    while ((machine = mine()) && machine.read(...this.#now)) {
      const read = reading(machine.kind(), machine.data());
      this.#read = read;
      if (read.what == "gap") machine.gap(...this.#now, read.epoch, read.after, read.before, read.reason);
      else machine.arrived(read.what == "message" ? 1 : read.claims ? 2 : 0, ...this.#now);
      this.#settle(machine);
    }
    this.#read = undefined;
    if (machine) this.#settle(machine);
  }

  /** The page goes into the back/forward cache, or for good. */
  #lose(): void {
    const { conn } = this.#stream ?? {};
    if (conn == undefined) return;
    this.#stream!.drop();
    this.#stream = undefined;
    this.#say(FeedInput.Ended, conn);
    this.#say(FeedInput.Failed, conn, 0, -1);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#reload?.stop();
    this.#timer.clear();
    this.#stopWatching();
    this.#stream?.drop();
    this.#stream = undefined;
    this.#machine?.free();
    this.#machine = undefined;
  }
}

/** The bytes of a text, each as a character: the only ones that a header takes. */
const utf8 = (text: string): string => String.fromCharCode(...new TextEncoder().encode(text));
