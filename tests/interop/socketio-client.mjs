// The real Socket.IO client, with a journal of what happened to it.

import assert from "node:assert/strict";
import { io } from "socket.io-client";
import { inTime, Journal } from "./journal.mjs";

export class SocketIoClient {
  /** `{connect}`, `{connectError}`, `{disconnect}`, `{event, args}`, `{transport}` in the order they happened. */
  journal;
  socket;

  /** A client of test `t`, gone when the test ends. `options` are the library's own; `manager` is one to share. */
  constructor(t, server, token, options = {}) {
    this.journal = new Journal(`socket.io client ${token}`);
    const defaults = { auth: { token }, forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200 };
    const origin = server?.origin ?? `http://127.0.0.1:${server?.port}`;
    this.socket = options.manager
      ? options.manager.socket(options.namespace, { ...defaults, ...options })
      : io(`${origin}${options.namespace ?? ""}`, { ...defaults, ...options });
    t.after(() => this.socket.disconnect());
    this.socket.on("connect", () => {
      this.journal.add({ connect: true, recovered: this.socket.recovered });
      // The transport may have changed before the namespace let us in.
      if (this.transport === "websocket") this.journal.add({ transport: "websocket" });
      else this.socket.io.engine.once("upgrade", ({ name }) => this.journal.add({ transport: name }));
    });
    this.socket.on("connect_error", (error) =>
      this.journal.add({ connectError: error.message, data: error.data, description: error.description }),
    );
    this.socket.on("disconnect", (reason) => this.journal.add({ disconnect: reason }));
    this.socket.onAny((event, ...args) => this.journal.add({ event, args }));
  }

  static async open(t, server, token, options) {
    const client = new SocketIoClient(t, server, token, options);
    await client.connected();
    return client;
  }

  /** Another namespace over the connection of this one. */
  async beside(t, namespace, token, options) {
    return SocketIoClient.open(t, undefined, token, { ...options, namespace, manager: this.socket.io });
  }

  /** One that is in these rooms. */
  static async inRoom(t, server, token, room, options) {
    const client = await SocketIoClient.open(t, server, token, options);
    const joined = await client.ask("join_room", { roomId: room });
    assert.equal(joined.ok, true, JSON.stringify(joined));
    return client;
  }

  connected() {
    return this.journal.until(({ connect }) => connect, "the connection");
  }

  disconnected() {
    return this.journal.until((entry) => "disconnect" in entry, "the disconnection").then(({ found }) => found.disconnect);
  }

  refused() {
    return this.journal.until((entry) => "connectError" in entry, "a refusal").then(({ found }) => found);
  }

  upgraded() {
    return this.journal.until(({ transport }) => transport === "websocket", "the upgrade");
  }

  emit(event, ...args) {
    this.socket.emit(event, ...args);
  }

  /** Emits and gives the acknowledgement. */
  ask(event, ...args) {
    return inTime(this.socket.emitWithAck(event, ...args), `the acknowledgement of ${event}`);
  }

  /** The arguments of the next event of this name that `matches`. */
  async event(name, matches = () => true) {
    const { found } = await this.journal.until((entry) => entry.event === name && matches(...entry.args), `the event ${name}`);
    return found.args;
  }

  join(roomId) {
    return this.ask("join_room", { roomId });
  }

  send(roomId, content) {
    return this.ask("send_message", { roomId, content });
  }

  /** `user` has joined. */
  sees(user) {
    return this.event("user_joined", ({ userId }) => userId === user);
  }

  /** The message with this content, from `user` if it is said who. */
  said(content, user) {
    const matches = (message) => message.content === content && (!user || message.userId === user);
    return this.event("message", matches).then(([message]) => message);
  }

  /** Everything said so far has been handled; what that caused has come. */
  async settled(room) {
    const content = `settled? ${settles++}`;
    this.emit("send_message", { roomId: room, content });
    return this.said(content);
  }

  get events() {
    return this.journal.entries.filter(({ event }) => event);
  }

  /** The events as the frames of the other protocol. */
  get frames() {
    return this.events.map(({ event, args }) => ({ type: event, ...args[0] }));
  }

  get transport() {
    return this.socket.io.engine.transport.name;
  }
}

let settles = 0;
