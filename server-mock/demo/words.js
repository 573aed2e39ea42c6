// What the pages say of a connection. Owns the words and the question whether the server still answers; changes nothing.

/** After so long without a frame the server is asked something, in ms. */
const QUIET = 2000;
/** When no answer has come after so long, the page says that it is waiting for one, in ms. */
const LATE = 2500;

/** Whether the server still answers. A connection that is only silent looks like one that is dead. */
export class Pulse {
  #client;
  #room;
  #frames = 0;
  #heard = performance.now();
  #asked;

  constructor(client, room) {
    this.#client = client;
    this.#room = room;
  }

  /** Asks if it is time. Gives whether an answer is late; `waiting`: since when something else waits for one. */
  look(waiting) {
    const now = performance.now();
    const { framesIn } = this.#client.diagnostics();
    if (framesIn != this.#frames || this.#client.state != "connected") {
      this.#frames = framesIn;
      this.#heard = now;
      this.#asked = undefined;
      return false;
    }
    if (this.#asked == undefined && now - this.#heard > QUIET && this.#client.mode == "extended") {
      this.#client.presence(this.#room);
      this.#asked = now;
    }
    const since = Math.min(this.#asked ?? Infinity, Math.max(waiting ?? Infinity, this.#heard));
    return now - since > LATE;
  }
}

/** The state in words, and the colour of its light: good, wait or bad. */
export function stateWords({ state, retryAt, cause }, isLate, rtt) {
  switch (state) {
    case "connected":
      if (isLate) return { text: "Checking whether the server still answers", light: "wait" };
      return { text: rtt == undefined ? "Connected" : `Connected, ${Math.round(rtt)} ms`, light: "good" };
    case "reconnecting":
    case "suspended": {
      const wait = retryAt ? Math.ceil((retryAt - Date.now()) / 1000) : 0;
      return { text: wait > 0 ? `No connection, trying again in ${wait} s` : "No connection, trying now", light: "wait" };
    }
    case "failed":
      return { text: `Ended: ${(cause?.text || cause?.code || "").replaceAll("_", " ")}`, light: "bad" };
    case "closing":
    case "closed":
      return { text: "Closed", light: "bad" };
    default:
      return { text: "Connecting", light: "wait" };
  }
}

/** Puts the state where it is shown. */
export function showState(element, { text, light }) {
  const words = element.querySelector(".words");
  if (words.textContent != text) words.textContent = text;
  element.dataset.light = light;
}
