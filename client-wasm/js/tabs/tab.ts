// The part of one tab in the shared connection: its virtual sockets, its locks, and the election of the leader.
import type { Connection } from "../client/connection.js";
import { textSize, type FromLeader, type ToLeader, type ChannelMessage } from "./messages.js";
import { Leader } from "./leader.js";
import type { WebSocketConstructor } from "../types.js";
import { VirtualSocket, type SocketOwner } from "./virtual_socket.js";

const LOST = 1006;
/** A leader answers a dial immediately, even while it connects: one that does not is stuck. */
const LEADER_TIMEOUT = 3_000;
/** How long a virtual socket may wait for migration after its leader has gone. */
const MIGRATION_TIMEOUT = 3_000;
/** Consumed bytes are reported in portions of this size. */
const REPORT_BYTES = 64 << 10;

/**
 * Lives from the client's first socket until it has none. Only during that time it requests leadership, and
 * holds it. So the leading tab is always the one that dialled the real connection.
 */
export class Tab implements SocketOwner {
  readonly #id = crypto.randomUUID();
  readonly #ended = new AbortController();
  readonly #sockets = new Map<string, VirtualSocket>();
  readonly #channel: BroadcastChannel;
  #dials = 0;
  /** This tab holds its own lock: others can detect its end. */
  #hasTabLock = false;
  #leader: Leader | undefined;
  #leaderTimer: ReturnType<typeof setTimeout> | undefined;
  #migrationTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    /** Name of the channel and of the leader's lock. */
    readonly name: string,
    readonly socket: WebSocketConstructor,
    readonly connection: typeof Connection,
  ) {
    const { signal } = this.#ended;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }: MessageEvent<ChannelMessage>) => this.#receive(data);
    globalThis.document?.addEventListener("freeze", () => this.#frozen(), { signal });
    this.#holdLock(lockOf(this.#id), () => {
      this.#hasTabLock = true;
      this.#holdLock(name, () => this.#lead());
      this.#requestConnection();
    });
  }

  get isEnded(): boolean {
    return this.#ended.signal.aborted;
  }

  dial(url: string): VirtualSocket {
    const socket = new VirtualSocket(`${this.#id} ${++this.#dials}`, url, this);
    this.#sockets.set(socket.id, socket);
    if (this.#leader) this.#leader.dial(socket.id, url);
    else this.#requestConnection();
    return socket;
  }

  send(socket: VirtualSocket, text: string): void {
    // A token belongs to this tab's own dial, not to another tab's connection.
    if (!this.#leader && text.startsWith('{"type":"auth"')) socket.bufferedAmount -= textSize(text);
    else if (socket.leader) this.#send({ kind: "text", socket: socket.id, text });
  }

  ended(socket: VirtualSocket, code: number): void {
    this.#sockets.delete(socket.id);
    this.#send({ kind: "close", socket: socket.id, code });
    // The connection that others wait to migrate to has failed.
    if (!socket.wasOpen) this.#closeUnmigrated();
    if (this.#sockets.size || this.isEnded) return;
    if (this.#leader) {
      this.#leader.stop(code);
      this.#post({ from: this.#id, leads: false });
    }
    this.#ended.abort();
    clearTimeout(this.#leaderTimer);
    clearTimeout(this.#migrationTimer);
    this.#channel.close();
  }

  /** Holds a lock from the time it is granted until this tab's part ends. */
  #holdLock(name: string, granted: () => void, options: LockOptions = { signal: this.#ended.signal }): void {
    const { signal } = this.#ended;
    const held = () =>
      new Promise<void>((release) => {
        signal.addEventListener("abort", () => release());
        if (signal.aborted) release();
        else granted();
      });
    // Another tab has stolen the lock because this one did not respond.
    navigator.locks.request(name, options, held).catch(() => this.#closeAll());
  }

  #lead(): void {
    if (this.#leader) return;
    clearTimeout(this.#leaderTimer);
    this.#leader = new Leader(this.#id, {
      dial: (url, handlers) => new this.connection(0, new this.socket(url), globalThis, handlers),
      // Asynchronous, as with a real socket.
      deliver: (socket, down) => queueMicrotask(() => this.#deliver(this.#sockets.get(socket), this.#id, down)),
      post: (to, down) => this.#post({ from: this.#id, to, down }),
      watch: (tab, gone) => {
        const watch = new AbortController();
        navigator.locks.request(lockOf(tab), { signal: watch.signal }, gone).catch(() => {});
        return () => watch.abort();
      },
    });
    this.#post({ from: this.#id, leads: true });
    for (const socket of [...this.#sockets.values()]) {
      if (socket.isOpen) this.#leaderGone(socket);
      else this.#leader.dial(socket.id, socket.url);
    }
  }

  /** Requests a connection from the leader for sockets that are not open yet. */
  #requestConnection(): void {
    if (!this.#hasTabLock || this.#leader) return;
    const unanswered = [...this.#sockets.values()].filter(({ wasOpen }) => !wasOpen);
    for (const { id: socket } of unanswered) this.#send({ kind: "dial", socket, tab: this.#id });
    clearTimeout(this.#leaderTimer);
    if (unanswered.length) {
      this.#leaderTimer = setTimeout(() => this.#holdLock(this.name, () => this.#lead(), { steal: true }), LEADER_TIMEOUT);
    }
  }

  #send(message: ToLeader): void {
    if (this.#leader) this.#leader.receive(message);
    else this.#post({ up: message });
  }

  #post(message: ChannelMessage): void {
    if (!this.isEnded) this.#channel.postMessage(message);
  }

  #receive(message: ChannelMessage): void {
    if ("up" in message) return this.#leader?.receive(message.up);
    // This tab may have stolen the leadership.
    if (this.#leader) return;
    if ("leads" in message) {
      for (const socket of [...this.#sockets.values()]) {
        if (socket.isOpen && (message.leads ? socket.leader != message.from : socket.leader == message.from)) this.#leaderGone(socket);
      }
      if (message.leads) this.#requestConnection();
      return;
    }
    for (const id of message.to) {
      const socket = this.#sockets.get(id);
      if (!socket || (socket.isOpen && socket.leader != message.from)) continue;
      clearTimeout(this.#leaderTimer);
      this.#deliver(socket, message.from, message.down);
      this.#reportConsumed(socket, message.down);
    }
  }

  #deliver(socket: VirtualSocket | undefined, leader: string, message: FromLeader): void {
    socket?.receive(leader, message);
    // The session has moved here. On a socket whose leader has gone no answer can come: what has none is sent again now.
    if (message.kind == "opened") this.#closeUnmigrated();
  }

  /** Reports consumed bytes, so that the leader knows how much is unread in the channel. */
  #reportConsumed(socket: VirtualSocket, message: FromLeader): void {
    if (!("text" in message)) return;
    socket.consumedBytes += textSize(message.text);
    if (socket.consumedBytes < REPORT_BYTES) return;
    this.#send({ kind: "took", socket: socket.id, size: socket.consumedBytes });
    socket.consumedBytes = 0;
  }

  /** Its leader has gone. An extended session migrates as for `going_away`; a plain one has lost its connection. */
  #leaderGone(socket: VirtualSocket): void {
    if (!socket.leader) return;
    socket.leader = undefined;
    if (!socket.extended) return socket.end(LOST);
    this.#migrationTimer ??= setTimeout(() => this.#closeUnmigrated(), MIGRATION_TIMEOUT);
    socket.dispatchEvent(new MessageEvent("message", { data: JSON.stringify({ type: "going_away", windowMs: 0 }) }));
  }

  #closeUnmigrated(): void {
    clearTimeout(this.#migrationTimer);
    this.#migrationTimer = undefined;
    for (const socket of [...this.#sockets.values()]) if (socket.isOpen && !socket.leader) socket.end(LOST);
  }

  /** The page will be frozen: another tab should lead. */
  #frozen(): void {
    if (this.#leader?.isShared) this.#closeAll();
  }

  #closeAll(): void {
    for (const socket of [...this.#sockets.values()]) socket.end(LOST);
  }
}

const lockOf = (tab: string): string => `rejoin tab ${tab}`;
