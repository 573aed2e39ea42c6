// A client of the base contract (protocol.md §1) on `ws`, and a strict judge of the server: one frame type or
// field it does not know, a wrong order or a missing echo is a violation, and from then on every wait throws.
// It shares no code with ours on purpose.

import WebSocket from "ws";
import { DEADLINE_MS, Journal } from "./journal.mjs";

// The whole of what a base-contract server may say.
const FIELDS = {
  message: ["content", "roomId", "timestamp", "userId"],
  user_joined: ["roomId", "userId"],
  error: ["message"],
};
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const BASE_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 30_000;
const ATTEMPTS = 10;

export class PlainClient {
  /** `{open}`, `{frame}`, `{ping}`, `{close, reason}`, `{retryIn}` in the order they happened. */
  journal;
  #url;
  #options;
  #socket;
  #attempt = 0;
  #retry = null;
  #over = false;
  #rooms = new Set(); // wanted: joined again after each reconnect
  #left = new Map(); // room left → the first send whose echo proves that the server has seen the leave
  #sends = 0;
  #unechoed = new Map(); // room → sends in the order they were made
  #echoed = new Set(); // contents of own messages that came back
  #violation = null;

  /**
   * A client of test `t`, closed when the test ends, judged by `finish`. Options: token, header (token by header,
   * not query), reconnect (true), autoPong (true), otherConnections (false: what this user says, it says here).
   */
  constructor(t, url, options = {}) {
    this.#url = url;
    this.#options = { reconnect: true, autoPong: true, ...options };
    this.journal = new Journal(`plain client ${options.token}`);
    t.after(() => {
      this.#end();
      this.#abandonSends();
      this.#socket.terminate();
    });
    this.#dial();
  }

  /** A client whose connection is open. */
  static async open(t, url, token, options = {}) {
    const client = new PlainClient(t, url, { token, ...options });
    await client.opened();
    return client;
  }

  join(room) {
    this.#rooms.add(room);
    this.#left.delete(room);
    this.#write({ type: "join_room", roomId: room });
  }

  leave(room) {
    this.#rooms.delete(room);
    this.#left.set(room, this.#sends + 1);
    this.#write({ type: "leave_room", roomId: room });
  }

  /**
   * Sends to a joined room; resolves to the echoed frame, or to null when the connection is lost before.
   * Contents are unique per client: that is how an echo is told from a duplicate.
   */
  send(room, content) {
    this.#write({ type: "send_message", roomId: room, content });
    const number = ++this.#sends;
    return new Promise((resolve) => {
      const hanging = setTimeout(() => this.#violated(`no echo of "${content}"`), DEADLINE_MS);
      const settle = (frame) => {
        clearTimeout(hanging);
        resolve(frame);
      };
      if (!this.#unechoed.has(room)) this.#unechoed.set(room, []);
      this.#unechoed.get(room).push({ content, number, settle });
    });
  }

  /** Sends a text as it is, expecting nothing. */
  raw(text) {
    this.#socket.send(text);
  }

  /** The server has handled all frames sent so far, and delivered what they caused to this client. */
  async settled(room) {
    const content = `settled? ${this.#sends}`;
    void this.send(room, content);
    return this.said(this.#options.token, content);
  }

  opened() {
    return this.journal.until((entry) => entry.open, "the connection to open");
  }

  closed() {
    return this.journal.until((entry) => "close" in entry, "the connection to close");
  }

  pinged() {
    return this.journal.until((entry) => entry.ping, "a ping");
  }

  /** The next frame that `matches`, and the frames passed over on the way to it. */
  async frame(matches, what) {
    const { found, skipped } = await this.journal.until((entry) => entry.frame && matches(entry.frame), what);
    return { frame: found.frame, before: skipped.filter((entry) => entry.frame).map((entry) => entry.frame) };
  }

  said(user, content) {
    return this.frame(
      (frame) => frame.type === "message" && frame.userId === user && frame.content === content,
      `"${content}" from ${user}`,
    );
  }

  joined(user) {
    return this.frame((frame) => frame.type === "user_joined" && frame.userId === user, `user_joined of ${user}`);
  }

  /** Every message and user_joined so far, in order. */
  get frames() {
    return this.journal.entries.filter((entry) => entry.frame).map((entry) => entry.frame);
  }

  /** Is gone for good without a close frame, as a machine that loses power. */
  vanish() {
    this.#end();
    this.#socket.terminate();
  }

  /** Closes in order and says what the server broke, if it did. */
  async finish() {
    this.#end();
    const missing = [...this.#unechoed.values()].flat().map(({ content }) => content);
    if (missing.length > 0) this.#violated(`no echo of ${JSON.stringify(missing)}`);
    if (this.#violation) throw this.#violation;
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.close(1000);
      await this.closed();
    }
    if (this.#violation) throw this.#violation;
  }

  #end() {
    this.#over = true;
    clearTimeout(this.#retry);
  }

  #dial() {
    const { token, header, autoPong } = this.#options;
    const url = new URL(this.#url);
    if (token !== undefined && !header) url.searchParams.set("token", token);
    const headers = header ? { Authorization: `Bearer ${token}` } : {};
    const socket = new WebSocket(url, { headers, autoPong });
    this.#socket = socket;
    socket.on("open", () => {
      this.#attempt = 0;
      for (const room of this.#rooms) this.#write({ type: "join_room", roomId: room });
      this.journal.add({ open: true });
    });
    socket.on("message", (data, isBinary) => this.#received(data, isBinary));
    socket.on("ping", () => this.journal.add({ ping: true }));
    // Each failed dial is followed by `close`.
    socket.on("error", () => {});
    socket.addEventListener("close", (event) => this.#lost(event));
  }

  #lost({ code, reason, wasClean }) {
    this.#abandonSends();
    this.journal.add({ close: code, reason, wasClean });
    // The base contract's rule: whatever ended with a close frame is over.
    if (this.#over || !this.#options.reconnect || wasClean) return;
    if (this.#attempt >= ATTEMPTS) {
      this.journal.fail(new Error(`gave up after ${ATTEMPTS} attempts`));
      return;
    }
    const retryIn = Math.min(BASE_DELAY_MS * 2 ** this.#attempt++, LONGEST_DELAY_MS);
    this.journal.add({ retryIn });
    this.#retry = setTimeout(() => this.#dial(), retryIn);
  }

  #write(frame) {
    this.#socket.send(JSON.stringify(frame));
  }

  #received(data, isBinary) {
    if (isBinary) return this.#violated(`a binary frame of ${data.length} bytes`);
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return this.#violated(`a frame that is not JSON: ${data}`);
    }
    const wrong = this.#judge(frame);
    if (wrong) return this.#violated(`${wrong}: ${data}`);
    this.journal.add({ frame });
  }

  #judge(frame) {
    if (frame === null || typeof frame !== "object" || Array.isArray(frame)) return "a frame that is no object";
    const { type, ...fields } = frame;
    if (!Object.hasOwn(FIELDS, type)) return "a frame type outside the base contract";
    const names = Object.keys(fields).sort();
    if (names.join() !== FIELDS[type].join()) return `fields other than ${FIELDS[type]}`;
    const mistyped = names.find((name) => typeof fields[name] !== "string");
    if (mistyped) return `a ${mistyped} that is no string`;
    if (type === "message" && !TIMESTAMP.test(frame.timestamp)) return "a timestamp that is not UTC with milliseconds";
    if (type === "error") return null;
    if (!this.#rooms.has(frame.roomId) && !this.#left.has(frame.roomId)) return "a room this client is not in";
    if (type === "message" && frame.userId === this.#options.token) return this.#judgeEcho(frame);
    return null;
  }

  #judgeEcho(frame) {
    const waiting = this.#unechoed.get(frame.roomId) ?? [];
    const place = waiting.findIndex(({ content }) => content === frame.content);
    if (place > 0) return `the echo of "${waiting[0].content}" is missing or late`;
    if (place < 0) {
      if (this.#echoed.has(frame.content)) return "an echo that came before";
      return this.#options.otherConnections ? null : "an own message that was not sent";
    }
    const { number, settle } = waiting.shift();
    this.#echoed.add(frame.content);
    for (const [room, leftBefore] of this.#left) if (number >= leftBefore) this.#left.delete(room);
    settle(frame);
    return null;
  }

  #violated(what) {
    this.#violation ??= new Error(`the server broke the base contract: ${what}`);
    this.journal.fail(this.#violation);
    this.#abandonSends();
  }

  #abandonSends() {
    for (const { settle } of [...this.#unechoed.values()].flat()) settle(null);
    this.#unechoed.clear();
  }
}
