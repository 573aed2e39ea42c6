// Traces a client or a feed with console.debug, one line per event. Loaded for the option debug, or when localStorage.rejoin is "debug".
// Never logs a token, a content, or text of a server, which may contain one.
import type { Client } from "./client/client.js";
import type { ClientLoader } from "./client/client_loader.js";
import type { Feed } from "./sse/feed.js";
import type { Cause, Clock, Events, Options, SendOptions, WebSocketConstructor } from "./types.js";

/** Most characters of a name. */
const LONGEST_NAME = 60;

const quoted = (name: string): string => JSON.stringify(name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name);

const duration = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

/** An address without its query, which may contain a token. */
function addressOf(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

let clients = 0;

/** Logs lines of one client, each with the time since its start. */
export class Tracer {
  readonly #name = `rejoin ${++clients}`;
  readonly #start: number;

  constructor(readonly clock: Clock) {
    this.#start = clock.performance.now();
  }

  get now(): number {
    return this.clock.performance.now();
  }

  log(line: string): void {
    // Written as globalThis.console: the build removes calls of plain console.
    globalThis.console?.debug(`${this.#name} +${duration(this.now - this.#start)}: ${line}`);
  }

  state({ state, attempt, retryAt, cause }: { state: string; attempt?: number; retryAt?: number; cause?: Pick<Cause, "number" | "willRetry"> & { code: string } }): void {
    const why = cause ? `, ${cause.code}${cause.number ? ` ${cause.number}` : ""}` : "";
    const next = retryAt ? `, attempt ${attempt ?? 1} in ${duration(Math.max(retryAt - this.clock.Date.now(), 0))}` : attempt ? `, attempt ${attempt}` : "";
    this.log(`state ${state}${why}${next}`);
  }

  gap({ room, reason, after, before }: { room: string; reason: string; after?: number; before?: number }): void {
    const range = after == undefined && before == undefined ? "" : `, between ${after ?? "the start"} and ${before ?? "now"}`;
    this.log(`gap in ${quoted(room)}: ${reason}${range}`);
  }

  /** Logs the outcome of a send. */
  outcome<T>(what: string, promise: Promise<T>): Promise<T> {
    const start = this.now;
    const end = (how: string) => this.log(`${what}: ${how} after ${duration(this.now - start)}`);
    promise.then(
      (receipt) => {
        const { status = "answered", seq } = (receipt ?? {}) as { status?: unknown; seq?: unknown };
        end(typeof seq == "number" ? `${status}, seq ${seq}` : typeof status == "string" ? status : "answered");
      },
      ({ outcome, code } = {}) => end([outcome, code].filter((word, at, all) => word && all.indexOf(word) == at).join(", ") || "failed"),
    );
    return promise;
  }

  /** The same constructor with sockets that log their open and close. */
  sockets(Real: WebSocketConstructor): WebSocketConstructor {
    const tracer = this;
    const Traced = function (url: string) {
      const start = tracer.now;
      const socket = new Real(url);
      tracer.log(`dial ${addressOf(socket.url)}`);
      socket.addEventListener("open", () => tracer.log(`open after ${duration(tracer.now - start)}`));
      socket.addEventListener("upgrade", () => tracer.log("moved to a WebSocket"));
      socket.addEventListener("close", ({ code }: { code: number }) => tracer.log(`closed ${code} after ${duration(tracer.now - start)}`));
      return socket;
    };
    return Traced as unknown as WebSocketConstructor;
  }
}

/** Methods of `frames` that return the promise of an outcome. */
const SENDERS = ["send", "request", "emit", "emitWithAck"];

/** A subclass whose clients log their events. */
export function debugged(Base: typeof Client): typeof Client {
  class TracedClient extends Base {
    readonly #tracer: Tracer;

    constructor(...[runtime, address, options, protocol, loader, ...rest]: ConstructorParameters<typeof Client>) {
      const tracer = new Tracer(options.clock ?? globalThis);
      const traced = (options: Options): Options => {
        const real = options.webSocket ?? (globalThis.WebSocket as WebSocketConstructor | undefined);
        return { ...options, ...(real && { webSocket: tracer.sockets(real) }) };
      };
      const tracedLoader: ClientLoader = {
        get isLoaded() {
          return loader.isLoaded;
        },
        get parts() {
          return loader.parts && { ...loader.parts, options: traced(loader.parts.options) };
        },
        try: (from) => loader.try(from),
      };
      super(runtime, address, traced(options), protocol, tracedLoader, ...rest);
      this.#tracer = tracer;
      // Emitted before a listener could be added.
      tracer.state(this.status);
      this.on("state", (state) => tracer.state(state));
      this.on("mode", (mode) => tracer.log(`mode ${mode}`));
      this.on("ready", () => tracer.log("ready"));
      this.on("room", ({ room, state, code, willRetry }) => {
        const why = code ? `, ${code}${willRetry ? ", asked for again later" : ""}` : "";
        tracer.log(`room ${quoted(room)} ${state}${why}`);
      });
      this.on("joined", (joined) => tracer.log(describeJoin(joined)));
      this.on("gap", (gap) => tracer.gap(gap));
      this.on("error", ({ code }) => tracer.log(`error ${code ?? "without a code"}`));
    }

    override send(room: string, content: string, options?: SendOptions) {
      return this.#tracer.outcome(`send to ${typeof room == "string" ? quoted(room) : "no room"}`, super.send(room, content, options));
    }

    override get frames(): unknown {
      return tracedFrames(super.frames as object, this.#tracer);
    }
  }
  return TracedClient;
}

/** Logs the events of a feed. */
export function traceFeed(feed: Feed, clock: Clock = globalThis): void {
  const tracer = new Tracer(clock);
  tracer.state(feed.status);
  feed.on("state", (state) => tracer.state(state));
  feed.on("began", () => tracer.log("began"));
  feed.on("gap", (gap) => tracer.gap(gap));
  feed.on("error", ({ code }) => tracer.log(`error ${code}`));
}

function describeJoin({ room, recovered, replayed, reason, memberCount, members }: Events["joined"]): string {
  const count = memberCount ?? members?.length;
  const people = count == undefined ? "" : `, ${count} there`;
  return `joined ${quoted(room)}: ${recovered ? "recovered" : (reason ?? "fresh")}, ${replayed} replayed${people}`;
}

const tracedFrames = (frames: object, tracer: Tracer): unknown =>
  new Proxy(frames, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value != "function") return value;
      return (...given: unknown[]) => {
        const result: unknown = value.apply(target, given);
        if (name == "with") return tracedFrames(result as object, tracer);
        if (SENDERS.includes(String(name))) tracer.outcome(`frames.${String(name)}`, Promise.resolve(result));
        return result;
      };
    },
  });
