// Says what a client does, one line each, by `console.debug`. Loaded when the option debug is given, or when localStorage.rejoin is "debug".
// Never says a token, a content, or words of others, which may hold one.
import type { Client } from "./client.js";
import type { Feed } from "./sse/feed.js";
import type { Cause, Clock, Events, SendOptions, WebSocketConstructor } from "./types.js";

/** Most characters of a name. */
const LONGEST_NAME = 60;

const named = (name: string): string => JSON.stringify(name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name);

const duration = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

/** An address without what follows the path: a token may be there. */
function addressOf(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

let clients = 0;

/** Says lines of one client, each with the time since it was made. */
export class Tracer {
  readonly #name = `rejoin ${++clients}`;
  readonly #start: number;

  constructor(readonly clock: Clock) {
    this.#start = clock.performance.now();
  }

  get now(): number {
    return this.clock.performance.now();
  }

  say(line: string): void {
    // Not `console` alone: the build drops what is called on that.
    globalThis.console?.debug(`${this.#name} +${duration(this.now - this.#start)}: ${line}`);
  }

  state({ state, attempt, retryAt, cause }: { state: string; attempt?: number; retryAt?: number; cause?: Pick<Cause, "number" | "willRetry"> & { code: string } }): void {
    const why = cause ? `, ${cause.code}${cause.number ? ` ${cause.number}` : ""}` : "";
    const next = retryAt ? `, attempt ${attempt ?? 1} in ${duration(Math.max(retryAt - this.clock.Date.now(), 0))}` : attempt ? `, attempt ${attempt}` : "";
    this.say(`state ${state}${why}${next}`);
  }

  gap({ room, reason, after, before }: { room: string; reason: string; after?: number; before?: number }): void {
    const range = after == undefined && before == undefined ? "" : `, between ${after ?? "the start"} and ${before ?? "now"}`;
    this.say(`gap in ${named(room)}: ${reason}${range}`);
  }

  /** Says what becomes of something that is sent. */
  outcome<T>(what: string, promise: Promise<T>): Promise<T> {
    const start = this.now;
    const end = (how: string) => this.say(`${what}: ${how} after ${duration(this.now - start)}`);
    promise.then(
      (receipt) => {
        const { status = "answered", seq } = (receipt ?? {}) as { status?: unknown; seq?: unknown };
        end(typeof seq == "number" ? `${status}, seq ${seq}` : typeof status == "string" ? status : "answered");
      },
      ({ outcome, code } = {}) => end([outcome, code].filter((word, at, all) => word && all.indexOf(word) == at).join(", ") || "failed"),
    );
    return promise;
  }

  /** The same constructor, whose sockets say how they begin and end. */
  sockets(Real: WebSocketConstructor): WebSocketConstructor {
    const tracer = this;
    const Traced = function (url: string) {
      const start = tracer.now;
      tracer.say(`dial ${addressOf(url)}`);
      const socket = new Real(url);
      socket.addEventListener("open", () => tracer.say(`open after ${duration(tracer.now - start)}`));
      socket.addEventListener("close", ({ code }: { code: number }) => tracer.say(`closed ${code} after ${duration(tracer.now - start)}`));
      return socket;
    };
    return Traced as unknown as WebSocketConstructor;
  }
}

/** What the application's own messages are sent by: each gives a promise of the outcome. */
const SENDING = ["send", "request", "emit", "emitWithAck"];

/** The same class, whose clients say what happens. */
export function debugged(Base: typeof Client): typeof Client {
  class TracedClient extends Base {
    readonly #tracer: Tracer;

    constructor(...[home, address, options, ...rest]: ConstructorParameters<typeof Client>) {
      const tracer = new Tracer(options.clock ?? globalThis);
      const real = options.webSocket ?? (globalThis.WebSocket as WebSocketConstructor | undefined);
      super(home, address, { ...options, ...(real && { webSocket: tracer.sockets(real) }) }, ...rest);
      this.#tracer = tracer;
      // Told before anybody could listen.
      tracer.state(this.status);
      this.on("state", (state) => tracer.state(state));
      this.on("mode", (mode) => tracer.say(`mode ${mode}`));
      this.on("ready", () => tracer.say("ready"));
      this.on("room", ({ room, state, code, willRetry }) => {
        const why = code ? `, ${code}${willRetry ? ", asked for again later" : ""}` : "";
        tracer.say(`room ${named(room)} ${state}${why}`);
      });
      this.on("joined", (joined) => tracer.say(describeJoin(joined)));
      this.on("gap", (gap) => tracer.gap(gap));
      this.on("error", ({ code }) => tracer.say(`error ${code ?? "without a code"}`));
    }

    override send(room: string, content: string, options?: SendOptions) {
      return this.#tracer.outcome(`send to ${typeof room == "string" ? named(room) : "no room"}`, super.send(room, content, options));
    }

    override get frames(): unknown {
      return tracedFrames(super.frames as object, this.#tracer);
    }
  }
  return TracedClient;
}

/** Has a feed say what happens. */
export function traceFeed(feed: Feed, clock: Clock = globalThis): void {
  const tracer = new Tracer(clock);
  tracer.state(feed.status);
  feed.on("state", (state) => tracer.state(state));
  feed.on("began", () => tracer.say("began"));
  feed.on("gap", (gap) => tracer.gap(gap));
  feed.on("error", ({ code }) => tracer.say(`error ${code}`));
}

function describeJoin({ room, recovered, replayed, reason, memberCount, members }: Events["joined"]): string {
  const count = memberCount ?? members?.length;
  const people = count == undefined ? "" : `, ${count} there`;
  return `joined ${named(room)}: ${recovered ? "recovered" : (reason ?? "fresh")}, ${replayed} replayed${people}`;
}

const tracedFrames = (frames: object, tracer: Tracer): unknown =>
  new Proxy(frames, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value != "function") return value;
      return (...given: unknown[]) => {
        const result: unknown = value.apply(target, given);
        if (name == "with") return tracedFrames(result as object, tracer);
        if (SENDING.includes(String(name))) tracer.outcome(`frames.${String(name)}`, Promise.resolve(result));
        return result;
      };
    },
  });
