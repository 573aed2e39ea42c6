// The WebSocket that a client in a sharing tab is given.
import { textSize, type FromLeader } from "./messages.js";

const CONNECTING = 0;
const OPEN = 1;
const CLOSED = 3;

/** The owner of virtual sockets: transmits their frames. */
export interface SocketOwner {
  send(socket: VirtualSocket, text: string): void;
  /** The socket was closed, by its client or not. */
  ended(socket: VirtualSocket, code: number): void;
}

/** The part of a WebSocket that `Connection` uses, multiplexed over the real socket of this or another tab. */
export class VirtualSocket extends EventTarget {
  readyState = CONNECTING;
  /** Bytes not flushed by the real socket, wherever it is. */
  bufferedAmount = 0;
  onerror: unknown = null;
  /** The tab that owns the real connection; undefined after that tab has gone. */
  leader: string | undefined;
  wasOpen = false;
  /** The server is extended: the session can migrate. */
  extended = false;
  /** Consumed bytes not reported yet. */
  consumedBytes = 0;

  constructor(
    readonly id: string,
    /** The address for a real dial by this tab; it contains the token. */
    readonly url: string,
    readonly owner: SocketOwner,
  ) {
    super();
  }

  get isOpen(): boolean {
    return this.readyState == OPEN;
  }

  send(text: string): void {
    if (!this.isOpen) return;
    this.bufferedAmount += textSize(text);
    this.owner.send(this, text);
  }

  close(code = 1005, reason = ""): void {
    if (this.readyState == CLOSED) return;
    this.readyState = CLOSED;
    this.owner.ended(this, code);
    // Asynchronous, as with a real socket.
    queueMicrotask(() => this.dispatchEvent(new CloseEvent("close", { code, reason })));
  }

  /** Closes it for another reason than its client. */
  end(code: number, reason = ""): void {
    if (this.readyState == CLOSED) return;
    this.readyState = CLOSED;
    this.owner.ended(this, code);
    this.dispatchEvent(new CloseEvent("close", { code, reason }));
  }

  receive(leader: string, message: FromLeader): void {
    if (this.readyState == CLOSED) return;
    switch (message.kind) {
      case "opened":
        this.readyState = OPEN;
        this.wasOpen = true;
        this.leader = leader;
        this.dispatchEvent(new Event("open"));
        break;
      case "hello":
      case "text":
        this.extended ||= message.kind == "hello";
        this.dispatchEvent(new MessageEvent("message", { data: message.text }));
        break;
      case "taken":
        this.bufferedAmount -= message.size;
        break;
      case "end":
        this.end(message.code, message.reason);
    }
  }
}
