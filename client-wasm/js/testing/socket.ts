// The fake WebSocket that the code under test is given.
import { byteLength } from "../util/text.js";
import type { Link } from "./fake_network.js";

const event = (type: string, fields: object = {}): Event => Object.assign(new Event(type), fields);

/** The browser's side of a connection: the WebSocket that code under test is given. */
export class FakeSocket extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;

  readonly url: string;
  readonly protocol = "";
  readonly extensions = "";
  binaryType = "blob";
  readyState = FakeSocket.CONNECTING;
  bufferedAmount = 0;
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: Event) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  onclose: ((event: Event) => void) | null = null;
  readonly #link: Link;

  constructor(url: string, dial: (socket: FakeSocket) => Link) {
    super();
    this.url = url;
    this.#link = dial(this);
  }

  send(text: string): void {
    if (this.readyState == FakeSocket.CONNECTING) throw new DOMException("still connecting", "InvalidStateError");
    const bytes = byteLength(text);
    this.bufferedAmount += bytes;
    if (this.readyState != FakeSocket.OPEN) return;
    // The operating system buffers data even while the network is held.
    this.#link.network.clock.setTimeout(() => (this.bufferedAmount -= bytes));
    this.#link.toServer(text);
  }

  close(code?: number, reason = ""): void {
    if (code != undefined && code != 1000 && !(code >= 3000 && code <= 4999)) {
      throw new DOMException(`a page may not close with ${code}`, "InvalidAccessError");
    }
    if (byteLength(reason) > 123) throw new DOMException("the reason is longer than 123 bytes", "SyntaxError");
    if (this.readyState > FakeSocket.OPEN) return;
    const opened = this.readyState == FakeSocket.OPEN;
    this.readyState = FakeSocket.CLOSING;
    this.#link.closedByClient(opened, code ?? 1005, reason);
  }

  /** @internal */
  opened(): void {
    if (this.readyState != FakeSocket.CONNECTING) return;
    this.readyState = FakeSocket.OPEN;
    this.#dispatch("open");
  }

  /** @internal */
  received(data: string): void {
    if (this.readyState == FakeSocket.OPEN) this.#dispatch("message", { data });
  }

  /** @internal */
  ended(code: number, reason: string, wasClean: boolean): void {
    if (this.readyState == FakeSocket.CLOSED) return;
    this.readyState = FakeSocket.CLOSED;
    if (!wasClean) this.#dispatch("error");
    this.#dispatch("close", { code, reason, wasClean });
  }

  #dispatch(type: "open" | "message" | "error" | "close", fields?: object): void {
    const dispatched = event(type, fields);
    this[`on${type}`]?.(dispatched);
    this.dispatchEvent(dispatched);
  }
}
