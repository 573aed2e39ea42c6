// Opens the first socket while the machine's module is under way. Keeps what comes on it until the first dial takes it;
// decides nothing, and what is not taken in time is closed.
import { withQuery } from "./endpoint.js";
import type { Settings } from "./settings.js";
import type { WebSocketLike } from "./types.js";

/** As long as a module may take. */
const LIFE = 10_000;
/** A server that writes more than this before it is asked for anything is not waited for. */
const MOST_EVENTS = 16;

const NAMES = ["open", "message", "close"];

export class HeadStart {
  readonly #href: string;
  readonly #events: Event[] = [];
  readonly #timer: unknown;
  #socket: WebSocket | undefined;

  constructor({ urls, source }: Settings, extended: boolean) {
    this.#href = withQuery(urls[0]!, source as string | undefined, extended);
    try {
      this.#socket = new WebSocket(this.#href);
    } catch {
      // The dial tells why.
      return;
    }
    this.#socket.binaryType = "arraybuffer";
    for (const name of NAMES) this.#socket.addEventListener(name, this.#keep);
    this.#timer = setTimeout(() => this.take(""), LIFE);
  }

  readonly #keep = (event: Event): void => {
    // Whoever has taken the socket is not told of it before the rest.
    event.stopImmediatePropagation();
    if (this.#events.push(event) > MOST_EVENTS) this.take("");
  };

  /**
   * Once: the socket, if it goes to this address and still lives. What has come on it comes again, in a task of its own: the
   * application has its listeners by then.
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
      // Copies: Chromium keeps in mind that an event was stopped.
      if (isTaken) for (const event of this.#events) socket.dispatchEvent(new (event.constructor as typeof Event)(event.type, event));
    };
    port2.postMessage(0);
    if (isTaken) return socket as WebSocketLike;
    socket.close();
    return undefined;
  }
}
