// A cable between a client and the server: WebSockets that can be slowed, frozen and cut from the page. Owns what is
// under way on them; knows nothing of what is in it.

/** How long a slow cable takes each way, in ms. */
export const SLOW = 700;
/** What a cable holds in each direction; one that is asked to hold more breaks. */
const MOST_HELD = 2000;

/**
 * whole, slow (later, in order), frozen (nothing passes, nothing is lost) or cut (what is under way is lost). Events:
 * `change`, and `frame` for each one that is given to it, with its direction.
 */
export class Cable extends EventTarget {
  #state = "whole";
  #sockets = new Set();
  /** A WebSocket constructor for this cable. */
  Socket;

  constructor() {
    super();
    const cable = this;
    this.Socket = class extends CableSocket {
      constructor(url, protocols) {
        super(cable, url, protocols);
        cable.#sockets.add(this);
        this.addEventListener("close", () => cable.#sockets.delete(this));
      }
    };
  }

  get state() {
    return this.#state;
  }

  set state(state) {
    if (state == this.#state) return;
    this.#state = state;
    for (const socket of [...this.#sockets]) socket.changed();
    this.dispatchEvent(new Event("change"));
  }

  /** Something has been given to it: `up` to the server, or `down`. */
  carries(way) {
    this.dispatchEvent(Object.assign(new Event("frame"), { way }));
  }
}

/** One direction: what passes does so in order. */
class Way {
  #cable;
  #held = [];
  #timer;

  constructor(cable) {
    this.#cable = cable;
  }

  get isFull() {
    return this.#held.length >= MOST_HELD;
  }

  add(pass) {
    this.#held.push({ pass, since: performance.now() });
    this.run();
  }

  run() {
    clearTimeout(this.#timer);
    if (this.#cable.state == "frozen") return;
    const delay = this.#cable.state == "slow" ? SLOW : 0;
    while (this.#held.length) {
      const left = this.#held[0].since + delay - performance.now();
      if (left > 0) {
        this.#timer = setTimeout(() => this.run(), left);
        return;
      }
      this.#held.shift().pass();
    }
  }

  lose() {
    clearTimeout(this.#timer);
    this.#held = [];
  }
}

/** What is used of a WebSocket, by ours and by socket.io-client. */
class CableSocket extends EventTarget {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSING = 2;
  static CLOSED = 3;
  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;
  readyState = 0;
  #cable;
  #socket;
  #up;
  #down;

  constructor(cable, url, protocols) {
    super();
    this.#cable = cable;
    this.url = String(url);
    this.#up = new Way(cable);
    this.#down = new Way(cable);
    if (cable.state == "cut") {
      setTimeout(() => this.#lose());
      return;
    }
    this.#socket = new WebSocket(url, protocols);
    this.#socket.binaryType = "arraybuffer";
    for (const type of ["open", "message", "error", "close"]) {
      this.#socket.addEventListener(type, ({ data, code, reason, wasClean }) => {
        if (this.#down.isFull) return this.#lose();
        if (type == "message") this.#cable.carries("down");
        this.#down.add(() => {
          if (type == "open") this.readyState = 1;
          if (type == "close") this.readyState = 3;
          this.#tell(type, type == "message" ? { data } : type == "close" ? { code, reason, wasClean } : {});
        });
      });
    }
  }

  get binaryType() {
    return "arraybuffer";
  }

  set binaryType(_) {
    // The clients of these pages want no Blob.
  }

  get bufferedAmount() {
    // As with a real network that does not answer: the system has taken it.
    return this.#socket?.bufferedAmount ?? 0;
  }

  send(data) {
    if (this.readyState != 1) return;
    if (this.#up.isFull) return this.#lose();
    this.#cable.carries("up");
    this.#up.add(() => this.#socket.send(data));
  }

  close(code, reason) {
    if (this.readyState >= 2) return;
    this.readyState = 2;
    if (this.#socket) this.#up.add(() => this.#socket.close(code, reason));
    else this.#lose();
  }

  /** The cable is in another state. */
  changed() {
    if (this.#cable.state == "cut") return this.#lose();
    this.#up.run();
    this.#down.run();
  }

  /** No close frame comes, and what was under way is lost. */
  #lose() {
    if (this.readyState == 3) return;
    this.readyState = 3;
    this.#up.lose();
    this.#down.lose();
    this.#socket?.close();
    this.#tell("error", {});
    this.#tell("close", { code: 1006, reason: "", wasClean: false });
    this.#tell = () => {};
  }

  #tell = (type, fields) => {
    const event = Object.assign(new Event(type), fields);
    this.dispatchEvent(event);
    this[`on${type}`]?.(event);
  };
}
