// A connection by streams of events with the interface of a WebSocket, whose code is loaded when the first one is dialled.
import type { WebSocketLike } from "../types.js";
import type { EventStreams, StreamOptions } from "./streams/event_streams.js";

/** Loads the code for streams. */
export type LoadStreams = () => Promise<typeof import("./streams.js")>;

const [OPEN, CLOSING, CLOSED] = [1, 2, 3];

/** What `Connection` uses of a WebSocket. */
export class EventsSocket extends EventTarget implements WebSocketLike {
  readyState = 0;
  /** What is sent is answered here. */
  readonly bufferedAmount = 0;
  binaryType = "";
  onerror = null;
  retryAfter: number | undefined;
  #streams: EventStreams | undefined;

  constructor(
    readonly url: string,
    load: LoadStreams,
    options: StreamOptions,
  ) {
    super();
    load().then(
      ({ EventStreams }) => {
        if (this.readyState) return;
        this.#streams = new EventStreams(url, options, {
          opened: () => {
            this.readyState = OPEN;
            this.#emit("open");
          },
          // Asynchronous, as with a WebSocket, and in order.
          frame: (frame) => queueMicrotask(() => this.readyState == OPEN && this.#emit("message", { data: JSON.stringify(frame) })),
          ended: (code, reason, retryAfter) => {
            this.retryAfter = retryAfter;
            this.#end(code, reason);
          },
        });
      },
      (error) => this.#end(1006, `streams.js did not load: ${error?.message ?? error}`),
    );
  }

  send(text: string): void {
    if (this.readyState == OPEN) this.#streams!.send(text);
  }

  close(code = 1005, reason = ""): void {
    if (this.readyState >= CLOSING) return;
    this.readyState = CLOSING;
    this.#streams?.close();
    this.#end(code, reason);
  }

  #end(code: number, reason: string): void {
    if (this.readyState == CLOSED) return;
    this.readyState = CLOSED;
    queueMicrotask(() => this.#emit("close", { code, reason }));
  }

  #emit(name: string, fields?: object): void {
    this.dispatchEvent(Object.assign(new Event(name), fields));
  }
}
