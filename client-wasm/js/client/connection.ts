// One WebSocket from dial to close, with the flush tracking of what was written. Decides nothing.
import { FlushTracker } from "../../pkg/rejoin.js";
import { BLOCKED } from "../protocol/event_decoder.js";
import type { Clock, WebSocketLike } from "../types.js";

/** Notifications of a connection. */
export interface ConnectionHandlers {
  opened(conn: number): void;
  text(conn: number, text: unknown): void;
  /** The operating system has taken every byte of the frames up to this number. */
  flushed(conn: number, frame: number): void;
  /** One that has not opened may have an HTTP status as its code. */
  ended(conn: number, opened: boolean, code: number, reason: string, retryAfter?: number): void;
}

/** Delays between polls of bufferedAmount; no event reports a flush. */
const POLL_DELAYS = [0, 1, 4, 10, 25, 50];

type Target = Pick<WebSocketLike, "addEventListener" | "removeEventListener">;

/** One socket from dial to close. No notification follows `drop`. */
export class Connection {
  readonly #socket: WebSocketLike;
  readonly #conn: number;
  readonly #clock: Clock;
  readonly #handlers: ConnectionHandlers;
  /** Undefined after the socket was detached. */
  #flushTracker: FlushTracker | undefined;
  readonly #listeners: [target: Target, name: string, listener: (event: any) => void][];
  #opened = false;
  #error: string | undefined;
  #polls = 0;
  #timer: unknown;

  constructor(
    conn: number,
    socket: WebSocketLike,
    clock: Clock,
    handlers: ConnectionHandlers,
  ) {
    this.#handlers = handlers;
    this.#clock = clock;
    this.#conn = conn;
    this.#socket = socket;
    // Binary frames as ArrayBuffer: reading a Blob is asynchronous.
    socket.binaryType = "arraybuffer";
    this.#flushTracker = new FlushTracker(socket as WebSocket);
    this.#listeners = [
      [socket, "open", () => this.#open()],
      [socket, "message", (event: MessageEvent) => handlers.text(conn, event.data)],
      [socket, "close", (event: CloseEvent) => this.#close(event.code, event.reason || (!this.#opened && this.#error) || "")],
      // Chromium fires only this event, without `close`. The blocked URI may start with http.
      [globalThis as unknown as Target, "securitypolicyviolation", (event: SecurityPolicyViolationEvent) => {
        const isOurs = socket.url.endsWith(event.blockedURI.replace(/^\w+:/, ""));
        if (isOurs && event.disposition == "enforce") this.#close(1006, BLOCKED);
      }],
    ];
    for (const [target, name, listener] of this.#listeners) target.addEventListener?.(name, listener);
    // `close` follows. Outside of a browser this says why a dial failed. The handler stays: the package ws throws errors without a handler.
    socket.onerror = (event) => (this.#error = (event as ErrorEvent)?.message);
  }

  #open(): void {
    this.#opened = true;
    this.#handlers.opened(this.#conn);
  }

  #close(code: number, reason: string): void {
    this.#detach();
    this.#handlers.ended(this.#conn, this.#opened, code, reason, this.#socket.retryAfter);
  }

  write(frame: number, text: string): void {
    if (!this.#flushTracker?.can_send()) return;
    this.#socket.send(text);
    this.#flushTracker.sent(frame);
    if (this.#timer == undefined) {
      this.#polls = 0;
      this.#schedulePoll();
    }
  }

  close(code: number, reason?: string): void {
    try {
      // Pages may send only these codes.
      this.#socket.close(code == 1000 || code >= 3000 ? code : undefined, reason);
    } catch {
      // The close event follows in any case.
    }
  }

  /** Closes it without further notifications. */
  drop(code: number): void {
    this.#detach();
    // A socket that is still connecting is closed by the browser.
    this.close(code);
  }

  #detach(): void {
    for (const [target, name, listener] of this.#listeners) target.removeEventListener?.(name, listener);
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#flushTracker?.free();
    this.#flushTracker = undefined;
  }

  #schedulePoll(): void {
    this.#timer = this.#clock.setTimeout(() => this.#poll(), POLL_DELAYS[Math.min(this.#polls++, POLL_DELAYS.length - 1)]);
  }

  /** Reports flushed frames. */
  #poll(): void {
    this.#timer = undefined;
    const frame = this.#flushTracker!.flushed();
    if (frame) this.#polls = 0;
    if (this.#flushTracker!.has_unflushed()) this.#schedulePoll();
    if (frame) this.#handlers.flushed(this.#conn, frame);
  }
}
