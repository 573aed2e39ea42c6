// Another member of a room, on `socket.io-client`.

import { io } from "socket.io-client";
import { Journal } from "./journal.mjs";

export class SocketIoMember {
  /** `{type, …payload}` of every event, in order. */
  journal;
  #socket;

  /** A client of test `t` that is let in, and leaves when the test ends. */
  static async open(t, url, token, namespace = "/") {
    const client = new SocketIoMember(t, new URL(namespace, url).href, token);
    await client.event(({ type }) => type === "connect", "its connection");
    return client;
  }

  constructor(t, url, token) {
    this.journal = new Journal(`socket.io-client ${token}`);
    this.#socket = io(url, { auth: { token }, transports: ["websocket"], forceNew: true });
    this.#socket.on("connect", () => this.journal.add({ type: "connect" }));
    this.#socket.onAny((type, payload) => this.journal.add({ type, ...payload }));
    t.after(() => this.#socket.close());
  }

  join(roomId) {
    return this.#socket.timeout(20_000).emitWithAck("join_room", { roomId });
  }

  send(roomId, content) {
    return this.#socket.timeout(20_000).emitWithAck("send_message", { roomId, content });
  }

  async event(matches, what) {
    const { found, skipped } = await this.journal.until(matches, what);
    return { event: found, before: skipped };
  }

  said(user, content) {
    return this.event(
      (event) => event.type === "message" && event.userId === user && event.content === content,
      `"${content}" from ${user}`,
    );
  }
}
