// Opens the first socket while the machine's module is under way. Keeps what comes on it until the first dial takes it;
// decides nothing, and what is not taken in time is closed.
import { withQuery } from "./endpoint.js";
import type { Settings } from "./settings.js";
import type { WebSocketLike } from "./types.js";

/** As long as a module may take. */
const LIFE = 10_000;
/** A server that writes more than this before it is asked for anything is not waited for. */
const MOST_EVENTS = 16;

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
    for (const name of ["open", "message"]) this.#socket.addEventListener(name, this.#keep);
    this.#timer = setTimeout(() => this.take(""), LIFE);
  }

  readonly #keep = (event: Event): void => {
    if (this.#events.push(event) > MOST_EVENTS) this.take("");
  };

  /** Once: the socket, if it goes to this address and still lives. What has come on it comes again. */
  take(href: string): WebSocketLike | undefined {
    const socket = this.#socket;
    if (!socket) return undefined;
    this.#socket = undefined;
    clearTimeout(this.#timer as number);
    for (const name of ["open", "message"]) socket.removeEventListener(name, this.#keep);
    if (href != this.#href || socket.readyState > 1) return void socket.close();
    // After whoever takes it listens, and before anything new comes.
    queueMicrotask(() => this.#events.forEach((event) => socket.dispatchEvent(event)));
    return socket as WebSocketLike;
  }
}
