// A server of prices on the package ws, as an application has one beside its rooms. It says what it is told to and notes what
// it hears; it shares no code with ours on purpose.

import { once } from "node:events";
import { WebSocketServer } from "ws";
import { Journal } from "../interop/journal.mjs";

/** JSON, or a text that is none as it is. */
function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export class PriceServer {
  #server;
  #sockets = [];
  #refuses = false;
  /** What was heard, in order: on which connection, and the text, or the bytes as a list. */
  heard = new Journal("the server of prices");

  static async start(t) {
    const server = new PriceServer();
    server.#server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    server.#server.on("connection", (socket) => server.#connected(socket));
    await once(server.#server, "listening");
    t.after(() => {
      server.cut();
      server.#server.close();
    });
    return server;
  }

  get url() {
    return `ws://127.0.0.1:${this.#server.address().port}/`;
  }

  #connected(socket) {
    if (this.#refuses) return socket.terminate();
    const conn = this.#sockets.push(socket) - 1;
    this.heard.add({ conn, opened: true });
    socket.on("error", () => {});
    socket.on("message", (data, isBinary) => this.#hear(conn, socket, isBinary ? [...data] : read(String(data))));
  }

  #hear(conn, socket, said) {
    this.heard.add({ conn, said });
    const { type, symbols = [], symbol, id } = said;
    if (type == "subscribe") for (const symbol of symbols) this.say({ type: "price", symbol, value: 1.5 });
    if (type == "quote" && symbol != "nobody's") this.say({ type: "quoted", id, value: 2.5 });
    if (type == "hang_up") socket.close(said.code);
  }

  /** What it hears next of this type, or all of it with `undefined`. */
  async hears(type) {
    const { found } = await this.heard.until(({ said }) => said && (type == undefined || said.type == type), type ?? "a frame");
    return found;
  }

  /** Says JSON, a text as it is, or bytes, on the last connection. */
  say(what) {
    this.#sockets.at(-1).send(typeof what == "string" || ArrayBuffer.isView(what) ? what : JSON.stringify(what));
  }

  /** Ends every connection, and whoever comes, until `allow`. */
  refuse() {
    this.#refuses = true;
    this.cut();
  }

  allow() {
    this.#refuses = false;
  }

  /** Ends every connection. */
  cut() {
    for (const socket of this.#sockets) socket.terminate();
  }
}
