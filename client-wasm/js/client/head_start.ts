// Opens the first socket while the WebAssembly module loads. Buffers its events until the first dial takes the socket over; a socket
// that is not taken in time is closed. Decides nothing else.
import { dialUrl } from "./url.js";
import type { ResolvedOptions } from "./options.js";
import type { WebSocketLike } from "../types.js";

/** How long the module may load, in ms. */
const MAX_WAIT = 10_000;
/** Most events before the takeover; a server that sends more loses the head start. */
const MAX_EVENTS = 16;

const NAMES = ["open", "message", "close"];

export class HeadStart {
  readonly #href: string;
  readonly #events: Event[] = [];
  readonly #timer: unknown;
  #socket: WebSocket | undefined;

  constructor({ urls, source }: ResolvedOptions, extended: boolean) {
    this.#href = dialUrl(urls[0]!, source as string | undefined, extended);
    try {
      this.#socket = new WebSocket(this.#href);
    } catch {
      // The regular dial reports the reason.
      return;
    }
    this.#socket.binaryType = "arraybuffer";
    for (const name of NAMES) this.#socket.addEventListener(name, this.#keep);
    this.#timer = setTimeout(() => this.take(""), MAX_WAIT);
  }

  readonly #keep = (event: Event): void => {
    // The new owner must not receive this event before the buffered ones.
    event.stopImmediatePropagation();
    if (this.#events.push(event) > MAX_EVENTS) this.take("");
  };

  /**
   * Hands the socket over, once, if it has this address and is still open. Buffered events are dispatched again in a later task: the
   * the application has added its listeners by then.
   */
  take(href: string): WebSocketLike | undefined {
    const socket = this.#socket;
    if (!socket) return undefined;
    this.#socket = undefined;
    clearTimeout(this.#timer as number);
    const isTaken = href == this.#href && socket.readyState < 2;
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      for (const name of NAMES) socket.removeEventListener(name, this.#keep);
      // Copies: Chromium remembers that an event was stopped.
      if (isTaken) for (const event of this.#events) socket.dispatchEvent(new (event.constructor as typeof Event)(event.type, event));
    };
    port2.postMessage(0);
    if (isTaken) return socket as WebSocketLike;
    socket.close();
    return undefined;
  }
}
