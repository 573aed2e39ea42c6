// Rooms read by server-sent events, each over its own HTTP connection, seen from outside as one WebSocket of an extended server that
// takes no messages. Keeps nothing beyond the connection, and does not decide when it is used.
//
// The client's frames are answered here: a join opens the room's stream, whose first event is the answer that a member would get.
// From time to time the client is asked to move to another connection, which it dials by WebSocket; where that fails, the streams go on.
import { refusalOf, type Refusal } from "../../sse/stream.js";
import { utf8 } from "../../sse/utf8.js";
import type { Fetch, FetchInit } from "../../sse/types.js";
import type { Clock } from "../../types.js";
import type { StreamToken } from "../types.js";
import { hello, needsWebSocket, noHistory, notTaken, refused, type ServerFrame } from "./answers.js";
import { Reading } from "./reading.js";

/** When a room is asked for again that the server has no place for now, and gives no time. */
const RETRY_AFTER = 5_000;
/** At most between two attempts by WebSocket. */
const MAX_MOVE = 600_000;
const UNAUTHORIZED = 4001;
const LOST = 1006;
/** Refusals that are about whoever asks, or for now. Another says nothing of the address, where a WebSocket may open. */
const REFUSALS = [401, 429, 503];

/** How the streams are opened. */
export interface StreamOptions {
  fetch: Fetch;
  clock: Clock;
  maxRooms: number;
  /** In the place of the token of the address. */
  token: StreamToken | undefined;
  withCredentials: boolean;
  /** When the client is asked to move for the first time, in ms; never where that is undefined. */
  websocketRetry: number | undefined;
  /** Why the last dial by WebSocket failed, if that is known. */
  why: string;
}

/** Notifications of the connection; none after `close` and `ended`. */
export interface StreamsHandlers {
  opened(): void;
  frame(frame: ServerFrame): void;
  /** With an HTTP status or a close code. `retryAfter` in ms. */
  ended(code: number, reason: string, retryAfter?: number): void;
}

type Fields = { readonly [field: string]: unknown };

/** A connection by streams. */
export class EventStreams {
  readonly #base: URL;
  readonly #options: StreamOptions;
  readonly #handlers: StreamsHandlers;
  readonly #readings = new Map<string, Reading>();
  readonly #abort = new AbortController();
  #token: string | undefined;
  #timer: unknown;
  #isEnded = false;

  /** `address`: the one of the WebSocket. */
  constructor(address: string, options: StreamOptions, handlers: StreamsHandlers) {
    const url = new URL(address);
    this.#token = url.searchParams.get("token") ?? undefined;
    for (const name of ["token", "ext"]) url.searchParams.delete(name);
    url.protocol = url.protocol.replace("ws", "http");
    this.#base = url;
    this.#options = options;
    this.#handlers = handlers;
    void this.#open();
  }

  /** Answers a frame of the client. */
  send(text: string): void {
    const frame = JSON.parse(text) as Fields;
    const { type, ref, roomId } = frame;
    switch (type) {
      case "join_room":
        return this.#join(frame);
      case "leave_room":
        this.#drop(roomId);
        return this.#answer({ type: "left", ref, roomId });
      case "ping":
        return this.#answer({ type: "pong", t: frame["t"] });
      case "auth":
        // Shown with the next stream.
        this.#token = frame["token"] as string;
        return this.#answer({ type: "auth_ok", ref });
      case "history": {
        const reading = this.#readings.get(roomId as string);
        return reading ? reading.ask(frame) : this.#answer(noHistory(ref, roomId));
      }
      case "send_message":
        if (ref) this.#answer(notTaken(ref));
      // The client sends nothing else on such a connection, or expects no answer.
    }
  }

  /** Ends it without a notification. */
  close(): void {
    this.#isEnded = true;
    this.#abort.abort();
    this.#options.clock.clearTimeout(this.#timer);
    for (const reading of this.#readings.values()) reading.drop();
    this.#readings.clear();
  }

  /** Asks the server whose the token is: it has streams then, and they are this user's. */
  async #open(): Promise<void> {
    let user = "";
    let refusal: Refusal | undefined;
    try {
      const answer = await this.#fetch(this.#address("@me"), { ...(await this.#init()), method: "HEAD", signal: this.#abort.signal });
      refusal = refusalOf(answer);
      user = decodeURIComponent(answer.headers.get("rejoin-user") ?? "");
      if (!user) refusal ??= { status: 0, retryAfter: -1, text: "the server has streams, but does not say whose: a page of another origin has to be shown the header Rejoin-User" };
    } catch (error) {
      refusal = { status: 0, retryAfter: -1, text: String((error as Error)?.message ?? error) };
    }
    if (this.#isEnded) return;
    if (refusal) {
      const { status, retryAfter, text } = refusal;
      const { websocketRetry, why } = this.#options;
      const counts = REFUSALS.includes(status) || (status == 403 && !websocketRetry);
      const reason = `${why && `${why}; `}server-sent events: ${text}`;
      return this.#end(counts ? status : LOST, reason, retryAfter > 0 ? retryAfter * 1000 : undefined);
    }
    // Before the answers to what the client says when it is open.
    this.#answer(hello(user));
    this.#handlers.opened();
    const { websocketRetry } = this.#options;
    if (websocketRetry) this.#moveAfter(websocketRetry);
  }

  #moveAfter(pause: number): void {
    this.#timer = this.#options.clock.setTimeout(() => {
      // Clients that were cut off together do not come back together.
      this.#answer({ type: "going_away", windowMs: Math.ceil(pause / 4) });
      this.#moveAfter(Math.max(pause, Math.min(2 * pause, MAX_MOVE)));
    }, pause);
  }

  #join(join: Fields): void {
    const { ref } = join;
    const room = join["roomId"] as string;
    this.#drop(room);
    // A URL has no way to write these two.
    if (room == "." || room == "..") return this.#answer(refused(ref, room, "bad_request", "no stream has this name"));
    if (room.startsWith("@")) return this.#answer(needsWebSocket(ref, room, "notifications"));
    if (this.#readings.size >= this.#options.maxRooms) return this.#answer(needsWebSocket(ref, room, "so many rooms"));
    const { epoch, seq, id } = (join["since"] ?? {}) as Fields;
    const refuse = (refusal: Refusal) => {
      this.#readings.delete(room);
      this.#refused(ref, room, refusal);
    };
    const fetching = async (init: FetchInit) => {
      const { headers, ...more } = await this.#init();
      return this.#fetch(this.#address(room, join["history"]), { ...init, ...more, headers: { ...init.headers, ...headers } });
    };
    const reading = new Reading(room, join, fetching, id ? { "last-event-id": `${epoch}:${seq}:${id}` } : {}, this.#options.clock, {
      frame: (frame) => this.#answer(frame),
      refused: refuse,
      // What a browser keeps waiting for one of its few connections to a host is no reason to end the others.
      late: (isOpen) => (isOpen || this.#readings.size < 2 ? this.#end(LOST) : refuse({ status: 503, retryAfter: 60, text: "no answer in time" })),
      lost: () => this.#end(LOST),
    });
    this.#readings.set(room, reading);
  }

  #refused(ref: unknown, room: string, { status, retryAfter, text, isJson }: Refusal): void {
    if (status == 401) return this.#end(UNAUTHORIZED, "the token is refused");
    if (status == 0) return this.#end(LOST, text);
    if (isJson && status == 403) return this.#answer(refused(ref, room, "forbidden", text));
    if (isJson && status == 404) return this.#answer(refused(ref, room, "bad_request", text));
    // What is wrong with one room's stream is no reason to end the others.
    this.#answer(refused(ref, room, "overloaded", text, retryAfter > 0 ? retryAfter * 1000 : RETRY_AFTER));
  }

  #drop(room: unknown): void {
    this.#readings.get(room as string)?.drop();
    this.#readings.delete(room as string);
  }

  #address(room: string, history?: unknown): string {
    const url = new URL(this.#base);
    // Beside the path `/ws`, or below another one.
    url.pathname = `${url.pathname.replace(/(\/ws)?\/*$/, "")}/rooms/${encodeURIComponent(room)}/events`;
    url.searchParams.set("joined", "1");
    if (history != undefined) url.searchParams.set("history", `${history}`);
    return url.href;
  }

  /** What each request has. */
  async #init(): Promise<Pick<FetchInit, "headers" | "cache" | "redirect" | "credentials">> {
    const { token: source, withCredentials } = this.#options;
    const token = typeof source == "function" ? await source() : (source ?? this.#token);
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (token != undefined) headers["authorization"] = utf8(`Bearer ${token}`);
    return { headers, cache: "no-store", redirect: "manual", ...(withCredentials && { credentials: "include" }) };
  }

  #fetch(url: string, init: FetchInit) {
    return (0, this.#options.fetch)(url, init);
  }

  #answer(frame: ServerFrame): void {
    if (!this.#isEnded) this.#handlers.frame(frame);
  }

  #end(code: number, reason = "", retryAfter?: number): void {
    if (this.#isEnded) return;
    this.close();
    this.#handlers.ended(code, reason, retryAfter);
  }
}
