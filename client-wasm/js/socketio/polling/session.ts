// An Engine.IO session by long polling: one request for packets and one with packets at a time, a bounded queue, and the move to a
// WebSocket, which loses and doubles nothing. Decides neither when it is used nor what a packet means.
import { isCount } from "../../protocol/validate.js";
import type { WebSocketLike } from "../../types.js";
import { decodePayload, queued, type QueuedPacket, takePayload } from "./payload.js";
import { PollingError, type RequestOptions, Requests } from "./requests.js";

/** Most packets in the queue, and bytes of them. */
const MAX_QUEUED = 1 << 17;
const MAX_QUEUED_BYTES = 16 << 20;
/** Bytes of one request where the server does not say how many it takes, and at most; and at least. */
const MAX_BODY = 1_000_000;
const MIN_BODY = 1 << 10;
/** Most characters of a session's id. */
const MAX_SID = 256;
/** How long the WebSocket may take to show that it lets packets through, and the server to take the last packets, in ms. */
const PROBE_TIMEOUT = 10_000;
const CLOSE_TIMEOUT = 3_000;

/** How a session is opened. */
export interface PollingOptions extends RequestOptions {
  /** It moves to a WebSocket if it can. */
  upgrades: boolean;
  /** Opens a WebSocket. */
  open(url: string, headers: Record<string, string>): WebSocketLike;
}

/** Notifications of a session; none after `ended`. */
export interface PollingHandlers {
  opened(): void;
  packet(data: string | ArrayBuffer): void;
  upgraded(): void;
  /** With a WebSocket's close code, or where it was not opened with an HTTP status and how long to wait, in ms. */
  ended(code: number, reason: string, retryAfter?: number): void;
}

/** What the opening packet says, as far as the transport needs it. */
function readOpening(packet: unknown): { sid: string; canUpgrade: boolean; silence: number; maxBody: number } {
  let opening: { [field: string]: unknown } = {};
  try {
    if (typeof packet == "string" && packet[0] == "0") opening = JSON.parse(packet.slice(1)) ?? {};
  } catch {
    // The id is missing then.
  }
  const { sid, upgrades, pingInterval, pingTimeout, maxPayload } = opening;
  if (typeof sid != "string" || !sid || sid.length > MAX_SID || !isCount(pingInterval) || !isCount(pingTimeout)) {
    throw new PollingError("the answer is not that of a Socket.IO server");
  }
  const within = (value: number, least: number, most: number) => Math.min(Math.max(value, least), most);
  return {
    sid,
    canUpgrade: Array.isArray(upgrades) && upgrades.includes("websocket"),
    // A server says something at least this often.
    silence: within(pingInterval, 1_000, 120_000) + within(pingTimeout, 1_000, 120_000),
    maxBody: within(isCount(maxPayload) ? maxPayload : MAX_BODY, MIN_BODY, MAX_BODY),
  };
}

export class PollingSession {
  readonly #options: PollingOptions;
  readonly #handlers: PollingHandlers;
  readonly #requests: Requests;
  readonly #queue: QueuedPacket[] = [];
  /** Bytes that the server has not taken. */
  #bytes = 0;
  #maxBody = MAX_BODY;
  #isPolling = true;
  #isPosting = false;
  #isClosing = false;
  #isOver = false;
  /** The WebSocket that is tried out. */
  #probe: WebSocketLike | undefined;
  /** It works, or the session has moved to it: nothing more is sent by long polling, and what is under way is waited for. */
  #isPaused = false;
  /** The WebSocket that the session has moved to. */
  #socket: WebSocketLike | undefined;
  /** The deadline of the probe, or of the end. */
  #timer: unknown;

  constructor(url: string, options: PollingOptions, handlers: PollingHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#requests = new Requests(url, options);
    void this.#open();
  }

  /** Bytes that have not left. */
  get bufferedAmount(): number {
    return this.#bytes + (this.#socket?.bufferedAmount ?? 0);
  }

  send(packet: string | Uint8Array): void {
    if (this.#isOver || this.#isClosing) return;
    if (this.#socket) return this.#socket.send(packet as string);
    this.#push(packet);
    // Not while the caller is still sending.
    if (this.#bytes > MAX_QUEUED_BYTES || this.#queue.length > MAX_QUEUED) queueMicrotask(() => this.#end(1006, "too much waits to be sent"));
  }

  /** Ends it when the server has taken what was sent; a session that is not open yet at once. */
  close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    if (this.#socket) return this.#socket.close();
    if (!this.#requests.sid) return this.#end(1006, "");
    this.#abandonProbe();
    this.#timer = this.#options.clock.setTimeout(() => this.#end(1006, ""), CLOSE_TIMEOUT);
    this.#push("1");
  }

  #push(packet: string | Uint8Array): void {
    const next = queued(packet);
    this.#queue.push(next);
    this.#bytes += next.bytes;
    void this.#post();
  }

  async #open(): Promise<void> {
    let canUpgrade = false;
    try {
      const packets = decodePayload(await this.#requests.get());
      if (this.#isOver) return;
      const opening = readOpening(packets[0]);
      this.#requests.sid = opening.sid;
      this.#requests.patience = opening.silence;
      this.#maxBody = opening.maxBody;
      canUpgrade = opening.canUpgrade;
      this.#handlers.opened();
      for (const packet of packets) this.#deliver(packet);
    } catch (error) {
      return this.#fail(error);
    } finally {
      this.#isPolling = false;
    }
    if (this.#options.upgrades && canUpgrade && !this.#isClosing) this.#startProbe();
    void this.#poll();
  }

  get #mayRequest(): boolean {
    return !this.#isOver && !this.#isPaused;
  }

  /** Asks for packets, again and again. */
  async #poll(): Promise<void> {
    if (this.#isPolling) return;
    this.#isPolling = true;
    try {
      // Before the move a server may answer what was sent only when something has been taken from it.
      while (!this.#isOver && !this.#isClosing && (!this.#isPaused || this.#isPosting)) {
        for (const packet of decodePayload(await this.#requests.get())) this.#deliver(packet);
      }
    } catch (error) {
      // A server that has taken the close packet answers no more.
      if (!this.#isClosing) this.#fail(error);
    } finally {
      this.#isPolling = false;
    }
    this.#move();
  }

  /** Sends what is in the queue. */
  async #post(): Promise<void> {
    if (this.#isPosting) return;
    this.#isPosting = true;
    try {
      while (this.#mayRequest && this.#queue.length) {
        const { body, bytes } = takePayload(this.#queue, this.#maxBody);
        await this.#requests.post(body, this.#isClosing);
        this.#bytes -= bytes;
      }
      if (this.#isClosing && this.#mayRequest) this.#end(1000, "");
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isPosting = false;
    }
    this.#move();
  }

  #deliver(packet: string | ArrayBuffer): void {
    if (!this.#isOver) this.#handlers.packet(packet);
  }

  #startProbe(): void {
    const { clock, open } = this.#options;
    let socket: WebSocketLike;
    try {
      socket = open(this.#requests.socketUrl, this.#requests.headers);
    } catch {
      // Long polling goes on.
      return;
    }
    this.#probe = socket;
    socket.binaryType = "arraybuffer";
    // The package ws throws errors without a handler; `close` follows.
    socket.onerror = () => {};
    socket.addEventListener("open", () => this.#probe == socket && socket.send("2probe"));
    socket.addEventListener("message", ({ data }: { data: string | ArrayBuffer }) => {
      if (this.#socket == socket) return this.#deliver(data);
      if (this.#probe != socket) return;
      if (data != "3probe" || this.#isPaused) return this.#abandonProbe();
      this.#isPaused = true;
      this.#move();
    });
    socket.addEventListener("close", ({ code, reason }: { code: number; reason: string }) => {
      if (this.#socket == socket) this.#end(code, reason);
      else if (this.#probe == socket) this.#abandonProbe();
    });
    this.#timer = clock.setTimeout(() => this.#abandonProbe(), PROBE_TIMEOUT);
  }

  /** Long polling goes on. */
  #abandonProbe(): void {
    const socket = this.#probe;
    if (!socket) return;
    this.#probe = undefined;
    this.#isPaused = false;
    this.#options.clock.clearTimeout(this.#timer);
    closeQuietly(socket);
    if (this.#isOver) return;
    void this.#poll();
    void this.#post();
  }

  /** Moves to the WebSocket as soon as no request is under way. The server is not told before. */
  #move(): void {
    const socket = this.#probe;
    if (!socket || !this.#isPaused || this.#isPolling || this.#isPosting || this.#isOver) return;
    this.#options.clock.clearTimeout(this.#timer);
    this.#probe = undefined;
    this.#socket = socket;
    socket.send("5");
    for (const { packet } of this.#queue.splice(0)) socket.send(packet as string);
    this.#bytes = 0;
    this.#handlers.upgraded();
  }

  #fail(error: unknown): void {
    const message = (error as Partial<Error> | undefined)?.message ?? error;
    const { code, status, retryAfter } = error instanceof PollingError ? error : new PollingError("");
    this.#end(this.#requests.sid ? code : (status ?? code), `long polling: ${message}`, retryAfter);
  }

  #end(code: number, reason: string, retryAfter?: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.clock.clearTimeout(this.#timer);
    this.#requests.abort();
    for (const socket of [this.#probe, this.#socket]) if (socket) closeQuietly(socket);
    this.#handlers.ended(code, reason, ...(retryAfter == undefined ? [] : [retryAfter]));
  }
}

/** A WebSocket that is connecting may complain. */
function closeQuietly(socket: WebSocketLike): void {
  try {
    socket.close();
  } catch {
    // It is over in any case.
  }
}
