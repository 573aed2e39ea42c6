import { sizeOf, type Down } from "./channel.js";

const CONNECTING = 0;
const OPEN = 1;
const CLOSED = 3;

/** Where the frames of a virtual socket go. */
export interface Carrier {
  carry(socket: VirtualSocket, text: string): void;
  /** It has ended, by its own will or not. */
  ended(socket: VirtualSocket, code: number): void;
}

/** The part of a WebSocket that `Connection` uses, on the real one of another tab, or of this one. */
export class VirtualSocket extends EventTarget {
  readyState = CONNECTING;
  /** What the real socket has not taken yet counts here, wherever it is. */
  bufferedAmount = 0;
  onerror: unknown = null;
  /** The tab whose connection this one is on; none any more when that tab is gone. */
  leader: string | undefined;
  wasOpen = false;
  /** An extended server is at the other end: only then it can be asked to move. */
  extended = false;
  /** What was heard and has not been reported yet. */
  dealt = 0;

  constructor(
    readonly id: string,
    /** For a real dial by this tab; it has the token in it. */
    readonly url: string,
    readonly carrier: Carrier,
  ) {
    super();
  }

  get isOpen(): boolean {
    return this.readyState == OPEN;
  }

  send(text: string): void {
    if (!this.isOpen) return;
    this.bufferedAmount += sizeOf(text);
    this.carrier.carry(this, text);
  }

  close(code = 1005, reason = ""): void {
    if (this.readyState == CLOSED) return;
    this.readyState = CLOSED;
    this.carrier.ended(this, code);
    // Never within the call, as with a real one.
    queueMicrotask(() => this.dispatchEvent(new CloseEvent("close", { code, reason })));
  }

  /** It is over, but not because its client closed it. */
  end(code: number, reason = ""): void {
    if (this.readyState == CLOSED) return;
    this.readyState = CLOSED;
    this.carrier.ended(this, code);
    this.dispatchEvent(new CloseEvent("close", { code, reason }));
  }

  hear(leader: string, down: Down): void {
    if (this.readyState == CLOSED) return;
    switch (down.kind) {
      case "opened":
        this.readyState = OPEN;
        this.wasOpen = true;
        this.leader = leader;
        this.dispatchEvent(new Event("open"));
        break;
      case "hello":
      case "text":
        this.extended ||= down.kind == "hello";
        this.dispatchEvent(new MessageEvent("message", { data: down.text }));
        break;
      case "taken":
        this.bufferedAmount -= down.size;
        break;
      case "end":
        this.end(down.code, down.reason);
    }
  }
}
