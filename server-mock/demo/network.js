// A WebSocket that can be broken from the page, so that the demo needs no one at the server.

const sockets = new Set();
let offline = false;
let frozen = false;
let held = [];

/** Resets every connection. */
export function cut() {
  for (const socket of [...sockets]) socket.lose();
}

/** While it is on, connections are lost and none can be made. */
export function setOffline(on) {
  offline = on;
  if (on) cut();
}

/** While it is on, everything is accepted and nothing passes, in either direction. */
export function setFrozen(on) {
  frozen = on;
  if (!on) for (const pass of held.splice(0)) pass();
}

const passes = (pass) => (frozen ? held.push(pass) : pass());

export class FragileSocket extends EventTarget {
  #socket;
  #lost = false;

  constructor(url) {
    super();
    sockets.add(this);
    if (offline) {
      setTimeout(() => this.lose());
      return;
    }
    this.#socket = new WebSocket(url);
    for (const name of ["open", "message", "close", "error"]) {
      this.#socket.addEventListener(name, (event) => {
        const { data, code, reason } = event;
        passes(() => {
          if (this.#lost) return;
          if (name == "close") sockets.delete(this);
          this.dispatchEvent(Object.assign(new Event(name), name == "message" ? { data } : name == "close" ? { code, reason } : {}));
        });
      });
    }
  }

  get readyState() {
    return this.#lost ? 3 : (this.#socket?.readyState ?? 0);
  }

  get bufferedAmount() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  send(text) {
    passes(() => !this.#lost && this.#socket.send(text));
  }

  close(code, reason) {
    if (this.#socket) this.#socket.close(code, reason);
    else this.lose();
  }

  /** As when a cable is pulled: no close frame is heard. */
  lose() {
    if (this.#lost) return;
    this.#lost = true;
    sockets.delete(this);
    this.#socket?.close();
    this.dispatchEvent(Object.assign(new Event("close"), { code: 1006, reason: "" }));
  }
}
