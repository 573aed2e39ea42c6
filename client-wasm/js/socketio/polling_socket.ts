// A session by long polling with the interface of a WebSocket, whose code is loaded when the first one is dialled.
import type { WebSocketLike } from "../types.js";
import type { PollingOptions, PollingSession } from "./polling/session.js";

/** Loads the code for long polling. */
export type LoadPolling = () => Promise<typeof import("./polling.js")>;

const [OPEN, CLOSING, CLOSED] = [1, 2, 3];

/** What `Connection` uses of a WebSocket. The event `upgrade` says that it is one now. */
export class PollingSocket extends EventTarget implements WebSocketLike {
  readyState = 0;
  binaryType = "";
  onerror = null;
  retryAfter: number | undefined;
  #session: PollingSession | undefined;

  constructor(
    readonly url: string,
    load: LoadPolling,
    options: PollingOptions,
  ) {
    super();
    load().then(
      ({ PollingSession }) => {
        if (this.readyState) return;
        this.#session = new PollingSession(url, options, {
          opened: () => {
            this.readyState = OPEN;
            this.#emit("open");
          },
          packet: (data) => this.#emit("message", { data }),
          upgraded: () => this.#emit("upgrade"),
          ended: (code, reason, retryAfter) => {
            this.retryAfter = retryAfter;
            this.#end(code, reason);
          },
        });
      },
      (error) => this.#end(1006, `polling.js did not load: ${error?.message ?? error}`),
    );
  }

  get bufferedAmount(): number {
    return this.#session?.bufferedAmount ?? 0;
  }

  send(packet: string): void {
    this.#session?.send(packet);
  }

  close(): void {
    if (this.readyState >= CLOSING) return;
    this.readyState = CLOSING;
    if (this.#session) this.#session.close();
    else this.#end(1006, "");
  }

  #end(code: number, reason: string): void {
    if (this.readyState == CLOSED) return;
    this.readyState = CLOSED;
    // Asynchronous, as with a WebSocket.
    queueMicrotask(() => this.#emit("close", { code, reason }));
  }

  #emit(name: string, fields?: object): void {
    this.dispatchEvent(Object.assign(new Event(name), fields));
  }
}
