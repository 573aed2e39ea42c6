import { FeedMachine } from "../../pkg/rejoin-feed.js";
import { Credentials } from "../credentials.js";
import { Emitter } from "../emitter.js";
import { RejoinError } from "../errors.js";
import { watch } from "../page.js";
import { seed } from "../seed.js";
import { check, checkText } from "../settings.js";
import { Timer } from "../timer.js";
import { base, streamOf } from "./address.js";
import { feedCauseCodes, feedGapReasons, FeedInput, FeedOutput, feedStates, type FeedState } from "./names.js";
import { reading, type Reading } from "./reading.js";
import { Stream } from "./stream.js";
import type { Clock, FeedEvents, FollowOptions, Message } from "./types.js";

/** An event by its name. */
type Told = { [K in keyof FeedEvents]: [name: K, event: FeedEvents[K]] }[keyof FeedEvents];

/** A room that is read by server-sent events. Made by `follow`. */
export class Feed {
  readonly #base: URL;
  readonly #room: string;
  readonly #fetch: NonNullable<FollowOptions["fetch"]>;
  readonly #clock: Clock;
  readonly #credentials: Credentials;
  readonly #machine: FeedMachine;
  readonly #timer: Timer;
  readonly #stopWatching: () => void;
  readonly #emitter = new Emitter<FeedEvents>();
  #stream: Stream | undefined;
  /** The message that has just been read: the machine tells it at once or never. */
  #read: Reading | undefined;
  #events: [told: Told, lastEventId: string][] = [];
  #status: FeedEvents["state"] = { state: "idle" };
  #lastEventId: string;
  /** Words for the next cause, which the machine knows by its number only. */
  #words = "";
  #machineIsGone = false;
  #performing = false;
  #telling = false;

  /** @internal */
  constructor(address: string | URL, options: FollowOptions) {
    const { room, since = "", history, maxEvent = 0, clock = globalThis } = options;
    const [url, token] = base(address);
    const source = options.token ?? token ?? undefined;
    checkText(room, "room");
    checkText(since, "since");
    // A URL has no way to write these two.
    check(!!room && room != "." && room != "..", "bad_argument", "that is no room to read", "name another one");
    check(history == undefined || history >= 0, "bad_option", "history is not a count", "e.g. 20");
    check(
      source == undefined || typeof source == "string" || typeof source == "function",
      "bad_option",
      "token is neither a text nor a function",
      "give a string, or a function that gives one",
    );
    this.#base = url;
    this.#room = room;
    this.#fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
    this.#clock = clock;
    this.#lastEventId = since;
    this.#credentials = new Credentials(source);
    this.#machine = new FeedMachine(
      options.seed ?? seed(),
      source == undefined ? 0 : typeof source == "string" ? 1 : 2,
      options.policy == "legacy",
      options.maxAttempts ?? 0,
      history ?? -1,
      maxEvent,
      since,
    );
    this.#timer = new Timer(clock, () => this.#say(FeedInput.Tick));
    this.#stopWatching = watch(
      clock,
      (hint) => this.#say(FeedInput.Hint, hint),
      // A stream keeps a page out of the back/forward cache, or is cut without a word.
      () => this.#lose(),
    );
    this.#say(FeedInput.Connect);
  }

  /** Calls `listener` for every such event from now on; gives the function that ends it. */
  on<K extends keyof FeedEvents>(name: K, listener: (event: FeedEvents[K]) => void): () => void {
    return this.#emitter.on(name, listener);
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
    checkText(token, "token");
    this.#credentials.token = token;
    this.#ask(FeedInput.SetToken);
  }

  /** Replaces the connection by a fresh one, or tries at once. Leaves the state `failed`. */
  reconnect(): void {
    this.#ask(FeedInput.Reconnect);
  }

  /** Ends it. There is nothing to wait for. */
  async close(): Promise<void> {
    this.#say(FeedInput.Close);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** What the application asks of a feed that is still there. */
  #ask(kind: FeedInput): void {
    if (this.#machineIsGone) throw new RejoinError("closed", "the feed is closed", "follow again");
    this.#say(kind);
  }

  get #now(): [monotonic: number, wall: number] {
    return [this.#clock.performance.now(), this.#clock.Date.now()];
  }

  /** Tells the machine what happened, and does what it wants. */
  #say(kind: FeedInput, a = 0, b = 0, c = 0): void {
    if (this.#machineIsGone) return;
    this.#machine.input(kind, ...this.#now, a, b, c);
    this.#settle();
  }

  #settle(): void {
    if (!this.#performing) {
      this.#performing = true;
      try {
        for (let kind; (kind = this.#machine.poll()); ) this.#perform(kind);
      } finally {
        this.#performing = false;
      }
      this.#timer.set(this.#machine.deadline());
    }
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

  #perform(kind: FeedOutput): void {
    const machine = this.#machine;
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
        return this.#tell(["state", state]);
      }
      case FeedOutput.Began:
        return this.#tell(["began", { lastEventId: machine.last_event_id() }]);
      case FeedOutput.Message:
        return this.#message(a);
      case FeedOutput.Gap: {
        const gap: FeedEvents["gap"] = { room: this.#room, reason: feedGapReasons[a - 1]! };
        const epoch = machine.text(0);
        if (epoch) gap.epoch = epoch;
        if (b >= 0) gap.after = b;
        if (c >= 0) gap.before = c;
        return this.#tell(["gap", gap]);
      }
      case FeedOutput.Garbled:
        return this.#tell(["error", { message: "an event that cannot be read", code: "garbled" }]);
    }
  }

  #message(seq: number): void {
    const read = this.#read;
    if (read?.what != "message") return;
    const { what: _, ...said } = read;
    const message: Message = { room: this.#room, ...said, replay: false };
    if (seq >= 0) message.position = { epoch: this.#machine.text(0), seq, id: this.#machine.text(1) };
    this.#tell(["message", message]);
  }

  #tell(told: Told): void {
    this.#events.push([told, this.#machine.last_event_id()]);
  }

  #dial(conn: number, withToken: boolean, history: number, lastEventId: string): void {
    const { token } = this.#credentials;
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (withToken && token) headers["authorization"] = `Bearer ${token}`;
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
    const isOurs = () => !this.#machineIsGone && this.#stream?.conn == conn;
    if (!isOurs()) return;
    this.#machine.give(conn, ...this.#now, piece);
    this.#settle();
    while (isOurs() && this.#machine.read(...this.#now)) {
      const read = reading(this.#machine.kind(), this.#machine.data());
      this.#read = read;
      if (read.what == "gap") this.#machine.gap(...this.#now, read.epoch, read.after, read.before, read.reason);
      else this.#machine.arrived(read.what == "message" ? 1 : read.what == "unreadable" ? 2 : 0, ...this.#now);
      this.#settle();
    }
    this.#read = undefined;
    if (isOurs()) this.#settle();
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
    if (this.#machineIsGone) return;
    this.#machineIsGone = true;
    this.#timer.clear();
    this.#stopWatching();
    this.#stream?.drop();
    this.#stream = undefined;
    this.#machine.free();
  }
}

/** The bytes of a text, each as a character: the only ones that a header takes. */
const utf8 = (text: string): string => String.fromCharCode(...new TextEncoder().encode(text));
