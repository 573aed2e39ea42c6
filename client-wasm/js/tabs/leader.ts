// Runs in the leading tab: assigns the virtual sockets of all tabs to real connections. Knows no locks and no channel.
import type { FromLeader, ToLeader } from "./messages.js";
import type { Connection, ConnectionHandlers } from "../client/connection.js";
import { Subscriber } from "./subscriber.js";
import { SharedConnection } from "./shared_connection.js";

/** A lost connection, and one that is not there. */
const LOST = 1006;
/** A slow consumer (protocol.md §2.5). */
const SLOW = 4012;
/** The tab with the connection goes away. */
const PAGE_HIDDEN = 4901;

/** What the leader depends on. */
export interface LeaderContext {
  /** A real connection. */
  dial(url: string, handlers: ConnectionHandlers): Connection;
  /** Delivers to a virtual socket of this tab. */
  deliver(socket: string, message: FromLeader): void;
  /** Delivers to virtual sockets of other tabs. */
  post(sockets: readonly string[], message: FromLeader): void;
  /** Calls `gone` when that tab has gone. Returns a function that stops watching. */
  watch(tab: string, gone: () => void): () => void;
}

/**
 * Assigns the virtual sockets of all tabs to real connections. The leading tab is the one that dialled the
 * real connection, so that no token crosses tabs.
 */
export class Leader {
  readonly #subscribers = new Map<string, Subscriber>();
  /** The newest last: more than one during a migration. */
  #connections: SharedConnection[] = [];
  readonly #watches = new Map<string, () => void>();
  #lastPrefix = 0;

  constructor(
    readonly tab: string,
    readonly context: LeaderContext,
  ) {}

  /** Adds a virtual socket of this tab and dials the real connection with its address. */
  dial(socket: string, url: string): void {
    this.#add(socket, this.tab);
    try {
      const connection = new SharedConnection((handlers) => this.context.dial(url, handlers), {
        opened: (connection) => this.#opened(connection),
        ended: (connection, code, reason, sharesCause) => this.#ended(connection, code, reason, sharesCause),
        deliver: (subscribers, down) => this.#deliver(subscribers, down),
        slow: (subscriber) => {
          this.#end([subscriber], SLOW, "this tab does not take what comes");
          this.#remove(subscriber, false);
        },
      });
      this.#connections.push(connection);
    } catch (error) {
      // The dial was refused synchronously, for instance by a content security policy.
      this.#fail(String((error as Error)?.message ?? error));
    }
  }

  /** Handles a message of another tab or of a virtual socket of this one. */
  receive(message: ToLeader): void {
    if (message.kind == "dial") return this.#admit(message.socket, message.tab);
    const subscriber = this.#subscribers.get(message.socket);
    if (!subscriber) return;
    switch (message.kind) {
      case "text":
        return subscriber.connection?.up(subscriber, message.text);
      case "took":
        subscriber.queuedBytes -= message.size;
        return;
      case "close":
        return this.#remove(subscriber, message.code == 1000, message.code);
    }
  }

  /** Whether other tabs use this leader. */
  get isShared(): boolean {
    return [...this.#subscribers.values()].some(({ isLocal: own }) => !own);
  }

  /** Stops leading and closes every connection. */
  stop(code: number): void {
    for (const end of this.#watches.values()) end();
    // 4901 instead of 1000: the server keeps the user present, because another tab takes over.
    for (const connection of this.#connections) connection.close(this.isShared ? PAGE_HIDDEN : code);
  }

  #add(socket: string, tab: string): Subscriber {
    const subscriber = new Subscriber(socket, tab, tab == this.tab, `${(++this.#lastPrefix).toString(36)}_`);
    this.#subscribers.set(socket, subscriber);
    return subscriber;
  }

  #admit(socket: string, tab: string): void {
    let subscriber = this.#subscribers.get(socket);
    if (!subscriber) {
      subscriber = this.#add(socket, tab);
      if (!this.#watches.has(tab)) this.#watches.set(tab, this.context.watch(tab, () => this.#tabGone(tab)));
      const connection = this.#connections.findLast(({ isOpen }) => isOpen);
      if (connection) return this.#attach(subscriber, connection);
    }
    if (!subscriber.connection) this.#deliver([subscriber], { kind: "waits" });
  }

  #attach(subscriber: Subscriber, connection: SharedConnection): void {
    subscriber.connection = connection;
    connection.attach(subscriber);
  }

  #opened(connection: SharedConnection): void {
    for (const subscriber of this.#subscribers.values()) if (!subscriber.connection) this.#attach(subscriber, connection);
    // After this tab has migrated the others can follow.
    for (const older of this.#connections) if (older != connection) older.move();
  }

  #ended(connection: SharedConnection, code: number, reason: string, sharesCause: (subscriber: Subscriber) => boolean): void {
    this.#connections = this.#connections.filter((other) => other != connection);
    if (!connection.isOpen) return this.#fail(reason);
    const subscribers = [...connection.subscribers];
    this.#end(subscribers.filter((subscriber) => !sharesCause(subscriber)), LOST, "");
    this.#end(subscribers.filter(sharesCause), code, reason);
    for (const subscriber of subscribers) this.#drop(subscriber);
  }

  /** The real dial failed: the waiting sockets fail with it. */
  #fail(reason: string): void {
    const waiting = [...this.#subscribers.values()].filter((subscriber) => !subscriber.connection);
    this.#end(waiting, LOST, reason);
    for (const subscriber of waiting) this.#drop(subscriber);
  }

  #tabGone(tab: string): void {
    for (const subscriber of [...this.#subscribers.values()]) if (subscriber.tab == tab) this.#remove(subscriber, false);
  }

  #remove(subscriber: Subscriber, isDeliberate: boolean, code = 1000): void {
    this.#drop(subscriber);
    const { connection } = subscriber;
    connection?.detach(subscriber, isDeliberate);
    if (connection && !connection.subscribers.size) {
      this.#connections = this.#connections.filter((other) => other != connection);
      connection.close(code);
    }
  }

  #drop(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber.socket);
    if ([...this.#subscribers.values()].some(({ tab }) => tab == subscriber.tab)) return;
    this.#watches.get(subscriber.tab)?.();
    this.#watches.delete(subscriber.tab);
  }

  #end(subscribers: readonly Subscriber[], code: number, reason: string): void {
    this.#deliver(subscribers, { kind: "end", code, reason });
  }

  #deliver(subscribers: readonly Subscriber[], message: FromLeader): void {
    const others = subscribers.filter(({ isLocal: own }) => !own).map(({ socket }) => socket);
    if (others.length) this.context.post(others, message);
    for (const { isLocal: own, socket } of subscribers) if (own) this.context.deliver(socket, message);
  }
}
