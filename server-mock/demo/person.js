// One person of a page with several: a client on a cable, what they wrote and what became of it. Owns the client and its
// part of the page; does not know who else there is. What people write is only ever put into textContent.

import { connect } from "./package/index.js";
import { Cable } from "./cable.js";
import { drawPackets } from "./packets.js";
import { Pulse, showState, stateWords } from "./words.js";

/** A page that is left open must not grow for ever. */
const MOST_SHOWN = 300;
/** Own messages that are known again when they come. */
const MOST_KNOWN = 1000;
/** How much of the room's past is shown. */
const HISTORY = 15;
/** What one may say who has no words. */
const LINES = [
  "In the tunnel.", "Can you read this?", "Still no light.", "The next stop is ours.", "I have the tickets.",
  "Save me a seat.", "Nearly out.", "See you at eight.",
];
const MARKS = {
  waiting: "waiting",
  acknowledged: "✓ acknowledged",
  unknown: "unknown: nobody can say whether this arrived",
  failed: "not sent",
};

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  if (text != undefined) made.textContent = text;
  return made;
}

const clock = (at) => (Number.isNaN(+at) ? "" : at.toLocaleTimeString([], { timeStyle: "short" }));

/** Events: `written`, `settled` (with its mark) and `received`, each with the message's `key`; `cable`. */
export class Person extends EventTarget {
  cable = new Cable();
  client;
  #name;
  #room;
  #root;
  #list;
  #pulse;
  /** What was written, by key. */
  #own = new Map();
  /** Since when what has no outcome yet waits, the oldest first. */
  #waiting = new Map();
  #lines = 0;
  #past;

  constructor(root, name, room) {
    super();
    this.#root = root;
    this.#name = name;
    this.#room = room;
    this.#list = this.#find(".log ol");
    const shown = name[0].toUpperCase() + name.slice(1);
    this.#find(".name").textContent = shown;
    this.#find("legend").textContent = `The cable between ${shown} and the server`;
    this.#find(".log").setAttribute("aria-label", `What ${shown} sees of ${room}`);
    const label = this.#find(".write label");
    label.textContent = `${shown} writes`;
    const text = this.#find(".text");
    text.id = label.htmlFor = `${name}-writes`;
    root.setAttribute("aria-label", shown);
    this.#find(".write").addEventListener("submit", (event) => {
      event.preventDefault();
      this.write(text.value.trim() ? text.value : text.placeholder);
      text.value = "";
      text.placeholder = LINES[++this.#lines % LINES.length];
    });
    text.placeholder = LINES[0];
    this.#find(".retry").addEventListener("click", () => this.client?.reconnect());
    for (const radio of root.querySelectorAll(".choice input")) {
      radio.name = `${name}-cable`;
      radio.addEventListener("change", () => (this.cable.state = radio.value));
    }
    drawPackets(this.cable, this.#find(".cable"));
    this.cable.addEventListener("change", () => this.#cableChanged());
  }

  #find(selector) {
    return this.#root.querySelector(selector);
  }

  async start(address) {
    this.client = await connect(address, {
      token: this.#name,
      rooms: [{ room: this.#room, history: HISTORY }],
      webSocket: this.cable.Socket,
    });
    this.#pulse = new Pulse(this.client, this.#room);
    this.client.on("state", ({ cause }) => {
      if (cause?.code == "unauthorized") this.#note("this server wants a token: the page for one person takes yours");
      this.#look();
    });
    this.client.on("joined", ({ recovered, replayed }) => {
      if (recovered) {
        if (replayed) this.#note(`${replayed} written meanwhile, fetched now`);
      } else if (replayed) {
        this.#past = replayed;
        this.#note("earlier");
      }
    });
    this.client.on("message", (message) => this.#received(message));
    this.client.on("user_joined", ({ user }) => this.#note(`${user} joined`));
    this.client.on("user_left", ({ user }) => this.#note(`${user} left`));
    this.client.on("gap", () => this.#note("messages may be missing here"));
    this.client.on("error", ({ message }) => this.#note(message));
    setInterval(() => this.#look(), 250);
    this.#look();
  }

  /** Whether what is written now has to wait. */
  get isInTunnel() {
    return this.cable.state == "cut" || this.cable.state == "frozen" || this.client.state != "connected";
  }

  async write(content) {
    if (!this.client) return;
    const key = `${this.#name} ${Date.now()} ${Math.random()}`;
    const isInTunnel = this.isInTunnel;
    const item = this.#message(this.#name, content, new Date());
    if (isInTunnel) item.classList.add("tunnel");
    this.#mark(item, "waiting");
    this.#own.set(key, item);
    if (this.#own.size > MOST_KNOWN) this.#own.delete(this.#own.keys().next().value);
    this.#waiting.set(key, performance.now());
    this.#append(item, true);
    this.#emit("written", { key, isInTunnel });
    let mark = "acknowledged";
    let hint;
    try {
      await this.client.send(this.#room, content, { data: { key } });
    } catch (error) {
      mark = error.outcome == "unknown" ? "unknown" : "failed";
      hint = error.hint;
    }
    this.#waiting.delete(key);
    this.#mark(item, mark, mark == "failed" ? hint : undefined);
    this.#emit("settled", { key, mark });
  }

  /** Says in the list what became of a tunnel. */
  sum(text, isGood) {
    this.#note(text, isGood ? "sum good" : "sum");
  }

  #received({ user, content, timestamp, data, replay }) {
    const key = data?.key;
    const past = this.#past > 0;
    if (past && !--this.#past) queueMicrotask(() => this.#note("now"));
    if (!past && typeof key == "string") this.#emit("received", { key });
    const own = typeof key == "string" ? this.#own.get(key) : undefined;
    if (own && !own.dataset.came) {
      own.dataset.came = "yes";
      return;
    }
    const item = this.#message(user, content, new Date(timestamp));
    if (own) item.querySelector(".meta").append(element("span", "again", " twice"));
    else if (replay && !past) item.querySelector(".meta").append(" · fetched");
    this.#append(item);
  }

  #message(user, content, at) {
    const item = element("li", user == this.#name ? "message own" : "message");
    const meta = element("span", "meta");
    meta.append(clock(at), element("span", "mark"));
    item.append(element("span", "who", user), element("span", "content", content), meta);
    return item;
  }

  #mark(item, mark, hint) {
    item.dataset.mark = mark;
    item.querySelector(".mark").textContent = ` · ${MARKS[mark]}${hint ? `: ${hint}` : ""}`;
  }

  #note(text, className = "") {
    this.#append(element("li", `note ${className}`, text));
  }

  #append(item, isOwn = false) {
    this.#list.append(item);
    if (this.#list.children.length > MOST_SHOWN) this.#list.firstElementChild.remove();
    // The list stands on its end (see the style), and stays there by itself unless a person has scrolled.
    if (isOwn) this.#find(".log").scrollTop = 0;
  }

  #cableChanged() {
    const { state } = this.cable;
    this.#find(".cable").dataset.state = state;
    this.#find(`.choice input[value="${state}"]`).checked = true;
    this.#note({ whole: "the cable is whole", slow: "the cable is slow", frozen: "nothing passes any more", cut: "the cable is cut" }[state]);
    // As a browser does for the whole page when the network is back.
    if (state == "whole" && this.client && this.client.state != "connected") this.client.reconnect();
    this.#emit("cable", { state });
    this.#look();
  }

  #look() {
    if (!this.client) return;
    const words = stateWords(this.client.status, this.#pulse.look(this.#waiting.values().next().value), this.client.diagnostics().rtt);
    showState(this.#find(".state"), words);
    this.#find(".retry").hidden = !/trying again/.test(words.text);
  }

  #emit(type, detail) {
    this.dispatchEvent(Object.assign(new Event(type), detail));
  }
}
