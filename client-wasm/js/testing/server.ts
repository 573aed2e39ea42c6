import type { Clock, WebSocketConstructor } from "../types.js";
import { argument, count, fields, millis, number, object, text, truth } from "../validate.js";
import { VirtualClock } from "./clock.js";
import { Connection } from "./connection.js";
import { Hub, streamOf } from "./hub.js";
import { usual, type Limits } from "./limits.js";
import { Link } from "./link.js";
import type { Logged } from "./log.js";
import { Network } from "./network.js";
import { Script, type Refusal } from "./script.js";
import { FakeSocket } from "./socket.js";
import { understand, type ClientFrame, type ServerFrame } from "./understanding.js";

/** What a server is like. All have good defaults. */
export interface FakeServerOptions {
  /** Its time, and that of its clients: one of its own if none is given. */
  clock?: VirtualClock;
  /** `false`: a server of the base contract. */
  extended?: boolean;
  /** The address that clients dial. */
  url?: string;
  /** Tokens and their users. Without it every token is good, and is its user's name. */
  tokens?: Readonly<Record<string, string>>;
  /** How long everything takes from one side to the other, in ms: 0 by default. */
  latency?: number;
  /** What is random about the clients (`options()`) follows from it. Give each server of a test another. */
  seed?: number;
  /** What it keeps and allows, where that is not as with the reference server. */
  limits?: Partial<Limits>;
}

/** A frame, and on whose connection it was. */
export interface Traffic<Frame> {
  /** The connection's number. */
  connection: number;
  /** Whose it is. */
  user: string;
  /** What was said. */
  frame: Frame;
}

/** A connection that a server has. */
export interface FakeConnection {
  /** Connections are counted from 1. */
  number: number;
  /** Whose it is. */
  user: string;
  /** Whether it speaks the extended protocol. */
  extended: boolean;
}

/** A room as a server has it. */
export interface FakeRoom {
  /** Which log: another one when the room was begun anew. */
  epoch: string;
  /** What was said, the oldest first. */
  log: readonly Logged[];
  /** Those included who were lost a moment ago and may be back. */
  members: readonly string[];
}

/** How a refusal may be planned. */
const refusing = { room: text, times: count, retry: truth, retryAfterMs: millis, message: text };

/** That each of these arguments is a text. */
function texts(given: { readonly [name: string]: unknown }): void {
  for (const [name, value] of Object.entries(given)) argument(value, text, name);
}

/** A room server inside the test: no network, no time but that of its clock, and everything that can go wrong at will. */
export class FakeServer {
  /** What clients connect to. */
  readonly url: string;
  /** The time of the server and of its clients. */
  readonly clock: VirtualClock;
  /** Dials only this server. For code that makes its own options; `options()` has it already. */
  readonly WebSocket: WebSocketConstructor;
  /** What clients have said so far, in the order of its coming. */
  readonly received: Traffic<ClientFrame>[] = [];
  /** What they were told. */
  readonly sent: Traffic<ServerFrame>[] = [];
  /** Dials that came, the refused ones included. */
  dials = 0;
  readonly #tokens: Map<string, string | null>;
  readonly #open: boolean;
  readonly #extended: boolean;
  readonly #seed: number;
  readonly #network: Network;
  readonly #script = new Script();
  readonly #limits: Limits;
  #hub: Hub;
  #lives = 0;
  #clients = 0;
  #connections = 0;
  #stopped = false;

  constructor(options: FakeServerOptions = {}) {
    fields(options, { clock: object, extended: truth, url: text, tokens: object, latency: millis, seed: number, limits: object });
    const { clock = new VirtualClock(), extended = true, url, tokens, latency = 0, seed = 1, limits = {} } = options;
    fields(limits, Object.fromEntries(Object.keys(usual).map((name) => [name, count])), "limit");
    this.clock = clock;
    this.url = url ?? "wss://rejoin.test/ws";
    this.#extended = extended;
    this.#open = !tokens;
    this.#tokens = new Map(Object.entries(tokens ?? {}));
    this.#seed = seed;
    this.#limits = { ...usual, ...limits };
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

  /** The rooms that anybody has used. */
  get rooms(): readonly string[] {
    return [...this.#hub.rooms.keys()].filter((name) => !name.startsWith("@"));
  }

  /** What a room is like now. */
  room(name: string): FakeRoom {
    const { log, members } = this.#hub.room(name);
    return { epoch: log.epoch, log: [...log.entries], members };
  }

  // ---- what others do ----

  /** Somebody says something in a room. */
  say(room: string, user: string, content: string, { data }: { data?: unknown } = {}): void {
    texts({ room, user });
    argument(content, [(value) => typeof value == "string", "a text"], "content");
    this.#hub.deliver(room, this.#hub.append(room, { user, content, data }));
  }

  /** Somebody who is no client comes into a room. */
  enter(room: string, user: string): void {
    texts({ room, user });
    this.#hub.room(room).enter(user);
  }

  /** Somebody who came by {@link enter} goes. */
  leave(room: string, user: string): void {
    texts({ room, user });
    this.#hub.room(room).leave(user, true);
  }

  /** Somebody says something ephemeral. */
  signal(room: string, user: string, kind: string, data?: unknown): void {
    texts({ room, user, kind });
    this.#hub.signal(room, user, kind, data);
  }

  /** Something for one user alone. */
  notify(user: string, kind: string, data?: unknown): void {
    texts({ user, kind });
    const stream = streamOf(user);
    this.#hub.deliver(stream, this.#hub.append(stream, { user, content: "", kind, data }));
  }

  // ---- what the server does ----

  /** Refuses the next send, or the next so many. With `retry` a client makes it again, without it is final. */
  nack(code: string, options: Omit<Refusal, "code"> & { room?: string; times?: number } = {}): void {
    texts({ code });
    fields(options, refusing);
    const { room, times = 1, ...more } = options;
    this.#script.refuse({ type: "send_message", room, times, code, ...more });
  }

  /** Refuses the next join, or the next so many. */
  refuseJoin(code: string, options: Omit<Refusal, "code"> & { room?: string; times?: number } = {}): void {
    texts({ code });
    fields(options, refusing);
    const { room, times = 1, ...more } = options;
    this.#script.refuse({ type: "join_room", room, times, code, ...more });
  }

  /** Takes a user out of a room, who may not come back by itself. */
  remove(room: string, user: string, code = "forbidden"): void {
    texts({ room, user, code });
    for (const connection of this.#of(user)) {
      if (!connection.rooms.delete(room)) continue;
      this.#hub.room(room).leave(user, true, connection);
      if (connection.extended) connection.tell({ type: "left", roomId: room, code });
    }
  }

  /** Says that something is wrong. */
  error(message: string, user?: string): void {
    texts({ message });
    for (const connection of this.#of(user)) connection.tell({ type: "error", message });
  }

  /** Says anything at all, for what a client makes of nonsense. */
  garble(text: string, user?: string): void {
    for (const connection of this.#of(user)) connection.link.toClient(text);
  }

  /** Says that it goes away: clients make their new connection within the window, before they close this one. */
  goAway(options: { windowMs?: number; url?: string; user?: string } = {}): void {
    fields(options, { windowMs: millis, url: text, user: text });
    const { windowMs = 1000, url, user } = options;
    for (const connection of this.#of(user)) {
      if (connection.extended) connection.tell({ type: "going_away", windowMs, url });
    }
  }

  /** A token is good from now on, and is that user's. */
  allow(token: string, user: string): void {
    texts({ token, user });
    this.#tokens.set(token, user);
  }

  /** A token is good no more. Connections that were made with it stay. */
  revoke(token: string): void {
    texts({ token });
    this.#tokens.set(token, null);
  }

  /** Says that tokens end in `inMs`, and closes with 4002 then whoever has not shown another. */
  expire(inMs: number, user?: string): void {
    argument(inMs, millis, "inMs");
    for (const connection of this.#of(user)) {
      this.clock.clearTimeout(connection.tokenEnd);
      connection.tokenEnd = this.clock.setTimeout(() => this.#close(connection, 4002, "Token expired"), inMs);
      if (connection.extended) connection.tell({ type: "auth_expiring", inMs });
    }
  }

  /** Forgets all but the last `keep` messages of a room. */
  trim(room: string, keep: number): void {
    texts({ room });
    argument(keep, count, "keep");
    this.#hub.room(room).log.trim(keep);
  }

  /** Closes connections with a code. */
  close(code: number, options: { reason?: string; user?: string } = {}): void {
    argument(code, count, "code");
    fields(options, { reason: [(value) => typeof value == "string", "a text"], user: text });
    const { reason = "", user } = options;
    for (const connection of this.#of(user)) this.#close(connection, code, reason);
  }

  // ---- what happens to the network and the process ----

  /** Connections break. What was on its way is lost. */
  drop(user?: string): void {
    for (const connection of this.#of(user)) this.#cut(connection);
  }

  /** The connection breaks when the server is about to say a frame of this type, `ack` for instance. */
  cutBefore(type: string): void {
    texts({ type });
    this.#script.cutBefore(type);
  }

  /** The next dial fails, or the next so many. */
  refuse(times = 1): void {
    argument(times, count, "times");
    this.#script.refusedDials = times;
  }

  /** The network is silent: nothing arrives on either side, and nobody is told. */
  hold(): void {
    this.#network.hold();
  }

  /** What was held arrives now. */
  release(): void {
    this.#network.release();
  }

  /** The process ends: connections break, dials fail. */
  stop(): void {
    this.#stopped = true;
    this.drop();
  }

  /** It is back, with its memory or, `keepLog: false`, without: every room begins a new epoch. */
  start(options: { keepLog?: boolean } = {}): void {
    fields(options, { keepLog: truth });
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
    const name = `${this.#seed}-${++this.#lives}`;
    const close = (connection: Connection, code: number, reason: string) => this.#close(connection, code, reason);
    return new Hub(this.clock, this.#limits, this.#script, name, (token) => this.#userOf(token), close);
  }

  #of(user: string | undefined): Connection[] {
    return [...this.#hub.connections].filter((connection) => user == undefined || connection.user == user);
  }

  #userOf(token: string): string | null {
    const known = this.#tokens.get(token);
    return known === undefined && this.#open ? token : (known ?? null);
  }

  #dial(socket: FakeSocket): Link {
    const [mine, dialled] = [new URL(this.url), new URL(socket.url)];
    if (dialled.origin + dialled.pathname != mine.origin + mine.pathname || dialled.protocol != mine.protocol) {
      // A client takes what a constructor throws for a refusal and tries again; the test is to know.
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
    if (this.#script.refusedDials > 0) {
      this.#script.refusedDials -= 1;
      return undefined;
    }
    const hub = this.#hub;
    const user = this.#userOf(query.get("token") ?? "");
    if (!user) {
      link.close(4001, "Unauthorized");
      return { heard: () => {}, closed: () => {} };
    }
    const extended = this.#extended && query.get("ext") == "1";
    const connection = new Connection(++this.#connections, user, extended, link, (connection, frame) => {
      if (!hub.connections.has(connection)) return false;
      if (this.#script.cuts(frame.type)) {
        this.#cut(connection);
        return false;
      }
      this.sent.push({ connection: connection.number, user, frame });
      return true;
    });
    hub.welcome(connection);
    return {
      heard: (text: string) => {
        // Throws in the test: see VirtualClock.
        const frame = understand(text, extended);
        this.received.push({ connection: connection.number, user, frame });
        hub.take(connection, frame);
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
