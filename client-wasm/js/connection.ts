import { Outlet } from "../pkg/rejoin.js";
import { BLOCKED } from "./told.js";
import type { Clock, WebSocketLike } from "./types.js";

/** What a connection tells the client. */
export interface Ears {
  opened(conn: number): void;
  text(conn: number, text: unknown): void;
  /** The operating system has taken every byte of the frames up to this number. */
  flushed(conn: number, frame: number): void;
  ended(conn: number, opened: boolean, code: number, reason: string): void;
}

/** How soon to look again whether what was written has left. There is no event for that. */
const LOOKS = [0, 1, 4, 10, 25, 50];

const deaf = () => {};

type Target = Pick<WebSocketLike, "addEventListener" | "removeEventListener">;

/** One socket, from the dial to its end. It tells nothing more after `drop`. */
export class Connection {
  readonly #socket: WebSocketLike;
  /** Gone once nothing more is told. */
  #outlet: Outlet | undefined;
  readonly #listeners: [target: Target, name: string, listener: (event: any) => void][];
  #opened = false;
  #look = 0;
  #timer: unknown;

  constructor(
    readonly conn: number,
    socket: WebSocketLike,
    readonly clock: Clock,
    readonly ears: Ears,
  ) {
    this.#socket = socket;
    // Bytes come at once, and not as a Blob.
    socket.binaryType = "arraybuffer";
    this.#outlet = new Outlet(socket as WebSocket);
    this.#listeners = [
      [socket, "open", () => this.#open()],
      [socket, "message", (event: MessageEvent) => ears.text(conn, event.data)],
      [socket, "close", (event: CloseEvent) => this.#close(event.code, event.reason)],
      // Nothing else says why, and in Chromium no `close` follows. Elsewhere the address begins with http.
      [globalThis as unknown as Target, "securitypolicyviolation", (event: SecurityPolicyViolationEvent) => {
        const mine = socket.url.endsWith(event.blockedURI.replace(/^\w+:/, ""));
        if (mine && event.disposition == "enforce") this.#close(1006, BLOCKED);
      }],
    ];
    for (const [target, name, listener] of this.#listeners) target.addEventListener?.(name, listener);
    // `close` follows, and says all there is to know. It stays: the package ws throws errors that nobody hears.
    socket.onerror = deaf;
  }

  #open(): void {
    this.#opened = true;
    this.ears.opened(this.conn);
  }

  #close(code: number, reason: string): void {
    this.#still();
    this.ears.ended(this.conn, this.#opened, code, reason);
  }

  write(frame: number, text: string): void {
    if (!this.#outlet?.may_give()) return;
    this.#socket.send(text);
    this.#outlet.gave(frame);
    if (this.#timer == undefined) {
      this.#look = 0;
      this.#wait();
    }
  }

  close(code: number, reason?: string): void {
    try {
      // Others than these a page may not send.
      this.#socket.close(code == 1000 || code >= 3000 ? code : undefined, reason);
    } catch {
      // The close event comes all the same.
    }
  }

  /** Closes it and hears no more of it. */
  drop(code: number): void {
    this.#still();
    // A socket that opens only now is closed by the browser: it was told to.
    this.close(code);
  }

  #still(): void {
    for (const [target, name, listener] of this.#listeners) target.removeEventListener?.(name, listener);
    this.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#outlet?.free();
    this.#outlet = undefined;
  }

  #wait(): void {
    this.#timer = this.clock.setTimeout(() => this.#check(), LOOKS[Math.min(this.#look++, LOOKS.length - 1)]);
  }

  /** Tells which frames have left. */
  #check(): void {
    this.#timer = undefined;
    const frame = this.#outlet!.left();
    if (frame) this.#look = 0;
    if (this.#outlet!.is_waiting()) this.#wait();
    if (frame) this.ears.flushed(this.conn, frame);
  }
}
