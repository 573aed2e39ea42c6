// The fake server that tests script.
import type { Clock, WebSocketConstructor } from "../types.js";
import { checkArgument, count, checkFields, wait, number, object, text, bool } from "../client/arguments.js";
import { VirtualClock } from "./clock.js";
import { Connection } from "./connection.js";
import { Hub, streamOf } from "./hub.js";
import { defaultLimits, type Limits } from "./limits.js";
import { Link, Network } from "./fake_network.js";
import type { Logged } from "./log.js";
import { Plan, type Refusal } from "./plan.js";
import { FakeSocket } from "./socket.js";
import { parseClientFrame, type ClientFrame, type ServerFrame } from "./validate.js";

/** Options of a fake server. All are optional. */
export interface FakeServerOptions {
  /** The clock of the server and its clients; a new one by default. */
  clock?: VirtualClock;
  /** `false`: a server of the base contract. */
  extended?: boolean;
  /** The address that clients dial. */
  url?: string;
  /** Tokens and their users. Without it every token is good, and is its user's name. */
  tokens?: Readonly<Record<string, string>>;
  /** The one-way latency in ms: 0 by default. */
  latency?: number;
  /** Seeds the clients' randomness (`options()`). Give each server of a test a different one. */
  seed?: number;
  /** Limits that differ from those of the reference server. */
  limits?: Partial<Limits>;
}

/** A frame, and on whose connection it was. */
export interface Traffic<Frame> {
  /** The connection's number. */
  connection: number;
  /** Its user. */
  user: string;
  /** The frame. */
  frame: Frame;
}

/** A connection that a server has. */
export interface FakeConnection {
  /** Connections are counted from 1. */
  number: number;
  /** Its user. */
  user: string;
  /** Whether it uses the extended protocol. */
  extended: boolean;
}

/** A room as a server has it. */
export interface FakeRoom {
  /** Which log: another one when the room was begun anew. */
  epoch: string;
  /** The log, the oldest message first. */
  log: readonly Logged[];
  /** Including users who were just lost and may return. */
  members: readonly string[];
}

/** Rules of the options of a planned refusal. */
const refusalRules = { room: text, times: count, retry: bool, retryAfterMs: wait, message: text };

/** Checks that each of these arguments is a text. */
function checkTexts(given: { readonly [name: string]: unknown }): void {
  for (const [name, value] of Object.entries(given)) checkArgument(value, text, name);
}

/** A room server inside the test: no network, no time but that of its clock, and everything that can go wrong at will. */
export class FakeServer {
  /** What clients connect to. */
  readonly url: string;
  /** The time of the server and of its clients. */
  readonly clock: VirtualClock;
  /** A WebSocket class that dials only this server, for code that builds its own options; `options()` contains it. */
  readonly WebSocket: WebSocketConstructor;
  /** Frames received from clients, in order of arrival. */
  readonly received: Traffic<ClientFrame>[] = [];
  /** Frames sent to clients. */
  readonly sent: Traffic<ServerFrame>[] = [];
  /** Dials received, including refused ones. */
  dials = 0;
  readonly #tokens: Map<string, string | null>;
  readonly #open: boolean;
  readonly #extended: boolean;
  readonly #seed: number;
  readonly #network: Network;
  readonly #plan = new Plan();
  readonly #limits: Limits;
  #hub: Hub;
  #starts = 0;
  #clients = 0;
  #connections = 0;
  #stopped = false;

  constructor(options: FakeServerOptions = {}) {
    checkFields(options, { clock: object, extended: bool, url: text, tokens: object, latency: wait, seed: number, limits: object });
    const { clock = new VirtualClock(), extended = true, url, tokens, latency = 0, seed = 1, limits = {} } = options;
    checkFields(limits, Object.fromEntries(Object.keys(defaultLimits).map((name) => [name, count])), "limit");
    this.clock = clock;
    this.url = url ?? "wss://rejoin.test/ws";
    this.#extended = extended;
    this.#open = !tokens;
    this.#tokens = new Map(Object.entries(tokens ?? {}));
    this.#seed = seed;
    this.#limits = { ...defaultLimits, ...limits };
    this.#network = new Network(clock, latency);
    this.#hub = this.#begin();
    const dial = (socket: FakeSocket) => this.#dial(socket);
    this.WebSocket = class extends FakeSocket {
      constructor(url: string) {
        super(String(url), dial);
      }
    } as unknown as WebSocketConstructor;
  }

  /** What a client of this server is made with. Each call gives another seed. */
  options(): { webSocket: WebSocketConstructor; clock: Clock; seed: number } {
    return { webSocket: this.WebSocket, clock: this.clock, seed: this.#seed * 1_000_003 + ++this.#clients };
  }

  /** The connections there are, the oldest first. */
  get connections(): readonly FakeConnection[] {
    return [...this.#hub.connections].map(({ number, user, extended }) => ({ number, user, extended }));
  }

  /** The rooms used so far. */
  get rooms(): readonly string[] {
    return [...this.#hub.rooms.keys()].filter((name) => !name.startsWith("@"));
  }

  /** What a room is like now. */
  room(name: string): FakeRoom {
    const { log, members } = this.#hub.room(name);
    return { epoch: log.epoch, log: [...log.entries], members };
  }

  // ---- what others do ----

  /** A user sends a message to a room. */
  say(room: string, user: string, content: string, { data }: { data?: unknown } = {}): void {
    checkTexts({ room, user });
    checkArgument(content, [(value) => typeof value == "string", "a text"], "content");
    this.#hub.deliver(room, this.#hub.append(room, { user, content, data }));
  }

  /** A user without a client enters a room. */
  enter(room: string, user: string): void {
    checkTexts({ room, user });
    this.#hub.room(room).enter(user);
  }

  /** A user who entered by {@link enter} leaves. */
  leave(room: string, user: string): void {
    checkTexts({ room, user });
    this.#hub.room(room).leave(user, true);
  }

  /** A user sends an ephemeral signal. */
  signal(room: string, user: string, kind: string, data?: unknown): void {
    checkTexts({ room, user, kind });
    this.#hub.signal(room, user, kind, data);
  }

  /** Sends a notification to one user. */
  notify(user: string, kind: string, data?: unknown): void {
    checkTexts({ user, kind });
    const stream = streamOf(user);
    this.#hub.deliver(stream, this.#hub.append(stream, { user, content: "", kind, data }));
  }

  // ---- what the server does ----

  /** Refuses the next send, or the next so many. With `retry` a client makes it again, without it is final. */
  nack(code: string, options: Omit<Refusal, "code"> & { room?: string; times?: number } = {}): void {
    checkTexts({ code });
    checkFields(options, refusalRules);
    const { room, times = 1, ...more } = options;
    this.#plan.refuse({ type: "send_message", room, times, code, ...more });
  }

  /** Refuses the next join, or the next so many. */
  refuseJoin(code: string, options: Omit<Refusal, "code"> & { room?: string; times?: number } = {}): void {
    checkTexts({ code });
    checkFields(options, refusalRules);
    const { room, times = 1, ...more } = options;
    this.#plan.refuse({ type: "join_room", room, times, code, ...more });
  }

  /** Removes a user from a room; the client does not rejoin by itself. */
  remove(room: string, user: string, code = "forbidden"): void {
    checkTexts({ room, user, code });
    for (const connection of this.#connectionsOf(user)) {
      if (!connection.rooms.delete(room)) continue;
      this.#hub.room(room).leave(user, true, connection);
      if (connection.extended) connection.send({ type: "left", roomId: room, code });
    }
  }

  /** Sends an error frame. */
  error(message: string, user?: string): void {
    checkTexts({ message });
    for (const connection of this.#connectionsOf(user)) connection.send({ type: "error", message });
  }

  /** Sends any text, to test how a client handles malformed frames. */
  garble(text: string, user?: string): void {
    for (const connection of this.#connectionsOf(user)) connection.link.toClient(text);
  }

  /** Sends going_away: clients open their new connection within the window, before they close this one. */
  goAway(options: { windowMs?: number; url?: string; user?: string } = {}): void {
    checkFields(options, { windowMs: wait, url: text, user: text });
    const { windowMs = 1000, url, user } = options;
    for (const connection of this.#connectionsOf(user)) {
      if (connection.extended) connection.send({ type: "going_away", windowMs, url });
    }
  }

  /** Accepts a token for this user from now on. */
  allow(token: string, user: string): void {
    checkTexts({ token, user });
    this.#tokens.set(token, user);
  }

  /** Rejects a token from now on. Connections that were made with it stay. */
  revoke(token: string): void {
    checkTexts({ token });
    this.#tokens.set(token, null);
  }

  /** Announces that tokens expire in `inMs`, and then closes with 4002 connections that have not sent a new one. */
  expire(inMs: number, user?: string): void {
    checkArgument(inMs, wait, "inMs");
    for (const connection of this.#connectionsOf(user)) {
      this.clock.clearTimeout(connection.tokenEnd);
      connection.tokenEnd = this.clock.setTimeout(() => this.#close(connection, 4002, "Token expired"), inMs);
      if (connection.extended) connection.send({ type: "auth_expiring", inMs });
    }
  }

  /** Forgets all but the last `keep` messages of a room. */
  trim(room: string, keep: number): void {
    checkTexts({ room });
    checkArgument(keep, count, "keep");
    this.#hub.room(room).log.trim(keep);
  }

  /** Closes connections with a code. */
  close(code: number, options: { reason?: string; user?: string } = {}): void {
    checkArgument(code, count, "code");
    checkFields(options, { reason: [(value) => typeof value == "string", "a text"], user: text });
    const { reason = "", user } = options;
    for (const connection of this.#connectionsOf(user)) this.#close(connection, code, reason);
  }

  // ---- what happens to the network and the process ----

  /** Connections break. What was on its way is lost. */
  drop(user?: string): void {
    for (const connection of this.#connectionsOf(user)) this.#cut(connection);
  }

  /** Breaks the connection in place of sending the next frame of this type, `ack` for instance. */
  cutBefore(type: string): void {
    checkTexts({ type });
    this.#plan.cutBefore(type);
  }

  /** The next dial fails, or the next so many. */
  refuse(times = 1): void {
    checkArgument(times, count, "times");
    this.#plan.refusedDials = times;
  }

  /** Holds the network: nothing arrives on either side, and no connection closes. */
  hold(): void {
    this.#network.hold();
  }

  /** Delivers what was held. */
  release(): void {
    this.#network.release();
  }

  /** Stops the server: connections break, dials fail. */
  stop(): void {
    this.#stopped = true;
    this.drop();
  }

  /** Starts again, with its memory or, `keepLog: false`, without: every room begins a new epoch. */
  start(options: { keepLog?: boolean } = {}): void {
    checkFields(options, { keepLog: bool });
    const { keepLog = true } = options;
    if (!keepLog) {
      for (const room of this.#hub.rooms.values()) room.clear();
      this.#hub = this.#begin();
    }
    this.#stopped = false;
  }

  /** Ends and starts it. */
  restart(memory: { keepLog?: boolean } = {}): void {
    this.stop();
    this.start(memory);
  }

  #begin(): Hub {
    const name = `${this.#seed}-${++this.#starts}`;
    const close = (connection: Connection, code: number, reason: string) => this.#close(connection, code, reason);
    return new Hub(this.clock, this.#limits, this.#plan, name, (token) => this.#userOf(token), close);
  }

  #connectionsOf(user: string | undefined): Connection[] {
    return [...this.#hub.connections].filter((connection) => user == undefined || connection.user == user);
  }

  #userOf(token: string): string | null {
    const known = this.#tokens.get(token);
    return known === undefined && this.#open ? token : (known ?? null);
  }

  #dial(socket: FakeSocket): Link {
    const [mine, dialled] = [new URL(this.url), new URL(socket.url)];
    if (dialled.origin + dialled.pathname != mine.origin + mine.pathname || dialled.protocol != mine.protocol) {
      // A client treats an exception of the constructor as a failed dial and retries; the test must fail instead.
      const wrong = new Error(`FakeServer: a dial to ${dialled.protocol}//${dialled.host}${dialled.pathname}, and the server is at ${this.url}`);
      this.clock.setTimeout(() => {
        throw wrong;
      });
      throw wrong;
    }
    const link = new Link(this.#network, socket);
    link.dial(() => this.#accept(link, dialled.searchParams));
    return link;
  }

  #accept(link: Link, query: URLSearchParams) {
    this.dials += 1;
    if (this.#stopped) return undefined;
    if (this.#plan.refusedDials > 0) {
      this.#plan.refusedDials -= 1;
      return undefined;
    }
    const hub = this.#hub;
    const user = this.#userOf(query.get("token") ?? "");
    if (!user) {
      link.close(4001, "Unauthorized");
      return { received: () => {}, closed: () => {} };
    }
    const extended = this.#extended && query.get("ext") == "1";
    const connection = new Connection(++this.#connections, user, extended, link, (connection, frame) => {
      if (!hub.connections.has(connection)) return false;
      if (this.#plan.cuts(frame.type)) {
        this.#cut(connection);
        return false;
      }
      this.sent.push({ connection: connection.number, user, frame });
      return true;
    });
    hub.connect(connection);
    return {
      received: (text: string) => {
        // Throws in the test: see VirtualClock.
        const frame = parseClientFrame(text, extended);
        this.received.push({ connection: connection.number, user, frame });
        hub.receive(connection, frame);
      },
      closed: (code: number) => hub.forget(connection, code == 1000),
    };
  }

  #close(connection: Connection, code: number, reason: string): void {
    connection.link.close(code, reason);
    this.#hub.forget(connection, false);
  }

  #cut(connection: Connection): void {
    connection.link.cut();
    this.#hub.forget(connection, false);
  }
}
