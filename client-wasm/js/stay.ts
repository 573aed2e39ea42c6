import type { Connection } from "./connection.js";
import { sizeOf, type Down, type Up, type Word } from "./channel.js";
import { Hub } from "./hub.js";
import type { WebSocketConstructor } from "./types.js";
import { VirtualSocket, type Carrier } from "./virtual.js";

const LOST = 1006;
/** A leader answers a dial at once, though the connection may take its time: one that does not is stuck. */
const STUCK = 3_000;
/** How long a virtual socket may wait to be moved after its leader has gone. */
const ORPHANED = 3_000;
/** What has been dealt with is reported in such portions. */
const PORTION = 64 << 10;

/**
 * One client among those of other tabs, from its first socket to when it has none: only then it asks for the lead, and
 * only so long it has it. So the tab that leads is always one whose own dial the real connection is.
 */
export class Stay implements Carrier {
  readonly #id = crypto.randomUUID();
  readonly #over = new AbortController();
  readonly #sockets = new Map<string, VirtualSocket>();
  readonly #channel: BroadcastChannel;
  #dialled = 0;
  /** It holds its own lock: others can notice its end. */
  #isCounted = false;
  #hub: Hub | undefined;
  #stuck: ReturnType<typeof setTimeout> | undefined;
  #orphaned: ReturnType<typeof setTimeout> | undefined;

  constructor(
    /** Of the channel, and of the lock that the leader holds. */
    readonly name: string,
    readonly socket: WebSocketConstructor,
    readonly connection: typeof Connection,
  ) {
    const { signal } = this.#over;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }: MessageEvent<Word>) => this.#hear(data);
    globalThis.document?.addEventListener("freeze", () => this.#frozen(), { signal });
    this.#hold(lockOf(this.#id), () => {
      this.#isCounted = true;
      this.#hold(name, () => this.#lead());
      this.#ask();
    });
  }

  get isOver(): boolean {
    return this.#over.signal.aborted;
  }

  dial(url: string): VirtualSocket {
    const socket = new VirtualSocket(`${this.#id} ${++this.#dialled}`, url, this);
    this.#sockets.set(socket.id, socket);
    if (this.#hub) this.#hub.dial(socket.id, url);
    else this.#ask();
    return socket;
  }

  carry(socket: VirtualSocket, text: string): void {
    // A token is for the connection of its own tab. It is there for the next dial.
    if (!this.#hub && text.startsWith('{"type":"auth"')) socket.bufferedAmount -= sizeOf(text);
    else if (socket.leader) this.#say({ kind: "text", socket: socket.id, text });
  }

  ended(socket: VirtualSocket, code: number): void {
    this.#sockets.delete(socket.id);
    this.#say({ kind: "close", socket: socket.id, code });
    // There is nothing to move to.
    if (!socket.wasOpen) this.#loseOrphans();
    if (this.#sockets.size || this.isOver) return;
    if (this.#hub) {
      this.#hub.stop(code);
      this.#post({ from: this.#id, leads: false });
    }
    this.#over.abort();
    clearTimeout(this.#stuck);
    clearTimeout(this.#orphaned);
    this.#channel.close();
  }

  /** Has a lock from when it is free until the stay is over. */
  #hold(name: string, granted: () => void, options: LockOptions = { signal: this.#over.signal }): void {
    const { signal } = this.#over;
    const held = () =>
      new Promise<void>((release) => {
        signal.addEventListener("abort", () => release());
        if (signal.aborted) release();
        else granted();
      });
    // Another tab has taken it by force, for want of an answer.
    navigator.locks.request(name, options, held).catch(() => this.#lose());
  }

  #lead(): void {
    if (this.#hub) return;
    clearTimeout(this.#stuck);
    this.#hub = new Hub(this.#id, {
      dial: (url, ears) => new this.connection(0, new this.socket(url), globalThis, ears),
      // Never within the call that it follows from, as with a real socket.
      tell: (socket, down) => queueMicrotask(() => this.#sockets.get(socket)?.hear(this.#id, down)),
      post: (to, down) => this.#post({ from: this.#id, to, down }),
      watch: (tab, gone) => {
        const watch = new AbortController();
        navigator.locks.request(lockOf(tab), { signal: watch.signal }, gone).catch(() => {});
        return () => watch.abort();
      },
    });
    this.#post({ from: this.#id, leads: true });
    for (const socket of [...this.#sockets.values()]) {
      if (socket.isOpen) this.#orphan(socket);
      else this.#hub.dial(socket.id, socket.url);
    }
  }

  /** Asks whoever leads for what has not been answered. */
  #ask(): void {
    if (!this.#isCounted || this.#hub) return;
    const unanswered = [...this.#sockets.values()].filter(({ wasOpen }) => !wasOpen);
    for (const { id: socket } of unanswered) this.#say({ kind: "dial", socket, tab: this.#id });
    clearTimeout(this.#stuck);
    if (unanswered.length) {
      this.#stuck = setTimeout(() => this.#hold(this.name, () => this.#lead(), { steal: true }), STUCK);
    }
  }

  #say(up: Up): void {
    if (this.#hub) this.#hub.take(up);
    else this.#post({ up });
  }

  #post(word: Word): void {
    if (!this.isOver) this.#channel.postMessage(word);
  }

  #hear(word: Word): void {
    if ("up" in word) return this.#hub?.take(word.up);
    // Another one may have taken the lead by force.
    if (this.#hub) return;
    if ("leads" in word) {
      for (const socket of [...this.#sockets.values()]) {
        if (socket.isOpen && (word.leads ? socket.leader != word.from : socket.leader == word.from)) this.#orphan(socket);
      }
      if (word.leads) this.#ask();
      return;
    }
    for (const id of word.to) {
      const socket = this.#sockets.get(id);
      if (!socket || (socket.isOpen && socket.leader != word.from)) continue;
      clearTimeout(this.#stuck);
      socket.hear(word.from, word.down);
      this.#deal(socket, word.down);
    }
  }

  /** Reports what has been dealt with, so that the leader knows what still lies in the channel. */
  #deal(socket: VirtualSocket, down: Down): void {
    if (!("text" in down)) return;
    socket.dealt += sizeOf(down.text);
    if (socket.dealt < PORTION) return;
    this.#say({ kind: "took", socket: socket.id, size: socket.dealt });
    socket.dealt = 0;
  }

  /** Its leader is gone. An extended session moves, as when a server goes away; a plain one has lost its connection. */
  #orphan(socket: VirtualSocket): void {
    if (!socket.leader) return;
    socket.leader = undefined;
    if (!socket.extended) return socket.end(LOST);
    this.#orphaned ??= setTimeout(() => this.#loseOrphans(), ORPHANED);
    socket.dispatchEvent(new MessageEvent("message", { data: JSON.stringify({ type: "going_away", windowMs: 0 }) }));
  }

  #loseOrphans(): void {
    clearTimeout(this.#orphaned);
    this.#orphaned = undefined;
    for (const socket of [...this.#sockets.values()]) if (socket.isOpen && !socket.leader) socket.end(LOST);
  }

  /** Nothing will run here for a while: another tab is to lead, if there is one. */
  #frozen(): void {
    if (this.#hub?.isShared) this.#lose();
  }

  #lose(): void {
    for (const socket of [...this.#sockets.values()]) socket.end(LOST);
  }
}

const lockOf = (tab: string): string => `rejoin tab ${tab}`;
