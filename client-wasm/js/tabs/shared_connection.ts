// Multiplexes the virtual sockets of several tabs over one real connection: joins, refs, pings and flow control.
import { textSize, type FromLeader } from "./messages.js";
import type { Connection, ConnectionHandlers } from "../client/connection.js";
import { wellFormedJson, decodeText } from "../protocol/validate.js";
import type { Subscriber } from "./subscriber.js";
import { SharedRoom } from "./shared_room.js";

/** A frame as JSON gave it. */
type Frame = { [field: string]: unknown };

/**
 * How long a lost tab stays in its rooms, in ms: the server's own grace period, so that a
 * reload causes no leave and join.
 */
const LEAVE_DELAY = 15_000;
/** Most pings without a pong. */
const MAX_PINGS = 64;
/** Most unread bytes in the channel before a tab loses its connection. */
const MAX_QUEUED_BYTES = 16 << 20;
/** Codes about the token of the tab that dialled: the other tabs retry with their own. */
const TOKEN_CODES = new Set([1008, 4001, 4002, 4401]);
/** A frame was too large. */
const TOO_LARGE = 1009;
/** Prefix of the refs of this object's own requests. */
const OWN_REF = "_";

/** Notifications of a shared connection. */
export interface SharedConnectionHandlers {
  opened(connection: SharedConnection): void;
  /** The real connection is closed. `sharesCause`: which subscribers get the close code; the others get a lost connection. */
  ended(connection: SharedConnection, code: number, reason: string, sharesCause: (subscriber: Subscriber) => boolean): void;
  deliver(subscribers: readonly Subscriber[], down: FromLeader): void;
  /** The subscriber has too many unread bytes in the channel. */
  slow(subscriber: Subscriber): void;
}

/** One real connection and the virtual sockets on it. */
export class SharedConnection {
  readonly subscribers = new Set<Subscriber>();
  isOpen = false;
  readonly #connection: Connection;
  readonly #rooms = new Map<string, SharedRoom>();
  #hello: string | undefined;
  /** The server is a plain one: its first frame was not `hello`. */
  #plain = false;
  /** Joins without an answer, by their ref. */
  readonly #joins = new Map<string, SharedRoom>();
  readonly #pings = new Map<number, [subscriber: Subscriber, t: unknown]>();
  #lastPing = 0;
  #lastRef = 0;
  /** Frames that are not flushed yet, with skipped frames in their order. */
  #written: [frame: number, subscriber: Subscriber, size: number][] = [];
  #last = 0;
  #largest: [size: number, subscriber: Subscriber | undefined] = [0, undefined];

  constructor(
    dial: (handlers: ConnectionHandlers) => Connection,
    readonly handlers: SharedConnectionHandlers,
  ) {
    this.#connection = dial({
      opened: () => {
        this.isOpen = true;
        handlers.opened(this);
      },
      text: (_, text) => this.#receive(text),
      flushed: (_, frame) => this.#flushed(frame),
      ended: (_, opened, code, reason) => this.#ended(opened, code, reason),
    });
  }

  /** Attaches a virtual socket to this connection. */
  attach(subscriber: Subscriber): void {
    this.subscribers.add(subscriber);
    this.handlers.deliver([subscriber], { kind: "opened" });
    if (this.#hello) this.handlers.deliver([subscriber], { kind: "hello", text: this.#hello });
  }

  /** Detaches a virtual socket. `isDeliberate`: it was closed, so that no return is expected. */
  detach(subscriber: Subscriber, isDeliberate: boolean): void {
    this.subscribers.delete(subscriber);
    // With the last subscriber the connection closes, which leaves all rooms.
    if (!this.subscribers.size) return;
    for (const [name, room] of this.#rooms) {
      if (!this.#depart(subscriber, name, room)) continue;
      if (isDeliberate) this.#leave(name);
      else room.grace = setTimeout(() => this.#leave(name), LEAVE_DELAY);
    }
  }

  /** Closes the real connection without further notifications. */
  close(code: number): void {
    for (const room of this.#rooms.values()) clearTimeout(room.grace);
    this.#connection.drop(code);
  }

  #ended(opened: boolean, code: number, reason: string): void {
    for (const room of this.#rooms.values()) clearTimeout(room.grace);
    const largest = this.#largest[1];
    this.handlers.ended(this, code, reason, (subscriber) =>
      TOKEN_CODES.has(code) ? subscriber.isLocal : code == TOO_LARGE && opened ? subscriber == largest : true,
    );
  }

  // ---- to the server ----

  /** A frame of a virtual socket. */
  up(subscriber: Subscriber, text: string): void {
    const frame = parsed(text) ?? {};
    const size = textSize(text);
    const room = frame["roomId"] as string;
    const ref = typeof frame["ref"] == "string" ? subscriber.prefix + frame["ref"] : undefined;
    if (ref) text = JSON.stringify({ ...frame, ref });
    switch (frame["type"]) {
      case "join_room":
        if (!this.#join(subscriber, room, ref, text)) return this.#unwritten(subscriber, size);
        break;
      case "leave_room":
        if (!this.#left(subscriber, room)) {
          if (ref) this.#deliver([subscriber], JSON.stringify({ ...frame, type: "left" }));
          return this.#unwritten(subscriber, size);
        }
        break;
      case "history": {
        // It does not wait for its replay any more.
        const shared = this.#rooms.get(room);
        if (shared?.joining?.subscriber == subscriber && shared.joining.remaining != undefined) this.#joinEnded(room, shared);
        break;
      }
      case "ping":
        this.#pings.set(++this.#lastPing, [subscriber, frame["t"]]);
        this.#pings.delete(this.#lastPing - MAX_PINGS);
        text = JSON.stringify({ ...frame, t: this.#lastPing });
    }
    this.#write(text, subscriber, size);
  }

  #write(text: string, subscriber?: Subscriber, size = 0): void {
    if (subscriber) {
      this.#written.push([this.#last + 1, subscriber, size]);
      if (size > this.#largest[0]) this.#largest = [size, subscriber];
    }
    this.#connection.write(++this.#last, text);
  }

  /** A frame that is not for the server counts as taken with those before it. */
  #unwritten(subscriber: Subscriber, size: number): void {
    if (this.#written.length) this.#written.push([this.#last, subscriber, size]);
    else this.handlers.deliver([subscriber], { kind: "taken", size });
  }

  #flushed(frame: number): void {
    const still = this.#written.findIndex(([written]) => written > frame);
    const sizes = new Map<Subscriber, number>();
    for (const [, subscriber, size] of this.#written.splice(0, still < 0 ? this.#written.length : still)) {
      sizes.set(subscriber, (sizes.get(subscriber) ?? 0) + size);
    }
    for (const [subscriber, size] of sizes) if (this.subscribers.has(subscriber)) this.handlers.deliver([subscriber], { kind: "taken", size });
  }

  /** Whether a join is for the server now. */
  #join(subscriber: Subscriber, name: string, ref: string | undefined, text: string): boolean {
    let room = this.#rooms.get(name);
    if (!room) this.#rooms.set(name, (room = new SharedRoom()));
    const others = room.members.size > +room.members.has(subscriber) || room.grace != undefined;
    clearTimeout(room.grace);
    room.grace = undefined;
    room.members.add(subscriber);
    // A plain server does not answer a second join.
    if (this.#plain || !ref) return !others;
    if (room.joining && room.joining.subscriber != subscriber) {
      room.waiting.set(subscriber, text);
      return false;
    }
    this.#asked(room, subscriber, ref);
    return true;
  }

  #asked(room: SharedRoom, subscriber: Subscriber, ref: string): void {
    if (room.joining) this.#joins.delete(room.joining.ref);
    room.joining = { subscriber, ref, remaining: undefined, head: 0 };
    this.#joins.set(ref, room);
  }

  /** Whether to send a leave: no other subscriber is in the room. */
  #left(subscriber: Subscriber, name: string): boolean {
    const room = this.#rooms.get(name);
    if (!room) return true;
    const last = this.#depart(subscriber, name, room);
    if (last) this.#rooms.delete(name);
    return last;
  }

  /** Removes a subscriber from a room; returns whether it was the last one. */
  #depart(subscriber: Subscriber, name: string, room: SharedRoom): boolean {
    room.waiting.delete(subscriber);
    const last = room.members.delete(subscriber) && !room.members.size;
    if (room.joining?.subscriber == subscriber) this.#joinEnded(name, room);
    return last;
  }

  #leave(name: string): void {
    const room = this.#rooms.get(name);
    clearTimeout(room?.grace);
    this.#rooms.delete(name);
    this.#write(JSON.stringify({ type: "leave_room", roomId: name }));
  }

  /** Ends a join and starts the next one. */
  #joinEnded(name: string, room: SharedRoom): void {
    const { joining } = room;
    if (joining) this.#joins.delete(joining.ref);
    const undelivered = room.joinEnded();
    for (const [subscriber, text] of room.waiting) {
      room.waiting.delete(subscriber);
      this.#asked(room, subscriber, parsed(text)!["ref"] as string);
      this.#write(text);
      break;
    }
    if (undelivered && name != "@me") {
      const { epoch, head } = undelivered;
      const ref = OWN_REF + ++this.#lastRef;
      this.#write(JSON.stringify({ type: "history", ref, roomId: name, epoch, after: head - 1, limit: 1 }));
    }
  }

  // ---- from the server ----

  #receive(data: unknown): void {
    const text = decodeText(data);
    const frame = parsed(text);
    const type = frame?.["type"];
    if (type == "hello") return this.#helloReceived(text);
    if (!this.#hello && !this.#plain) this.#decidePlain();
    if (!frame) return this.#deliver(this.subscribers, text);
    if (typeof frame["ref"] == "string") return this.#answer(frame, frame["ref"]);
    const name = type == "notification" ? "@me" : (frame["roomId"] as string);
    const room = this.#rooms.get(name);
    switch (type) {
      case "message":
      case "notification":
        return this.#logEntry(name, room, frame, text);
      case "left":
        if (room) {
          this.#deliver(room.members, text);
          room.clear();
          this.#rooms.delete(name);
        }
        return;
      case "pong": {
        const [subscriber, t] = this.#pings.get(frame["t"] as number) ?? [];
        this.#pings.delete(frame["t"] as number);
        return this.#deliver(subscriber ? [subscriber] : [], JSON.stringify({ ...frame, t }));
      }
      // Only the tab that owns the connection: it dials next. The others migrate after it.
      case "auth_expiring":
      case "going_away":
        return this.#deliver([...this.subscribers].filter((subscriber) => subscriber.isLocal), text);
      case "user_joined":
      case "user_left":
      case "presence":
      case "signal":
        return this.#deliver(room?.members ?? this.subscribers, text);
      default:
        return this.#deliver(this.subscribers, text);
    }
  }

  /** Asks the other tabs to migrate to the next connection. */
  move(): void {
    const text = JSON.stringify({ type: "going_away", windowMs: 0 });
    this.#deliver([...this.subscribers].filter((subscriber) => !subscriber.isLocal), text);
  }

  #deliver(subscribers: Iterable<Subscriber>, text: string, kind: "text" | "hello" = "text"): void {
    const attached = [...subscribers].filter((subscriber) => this.subscribers.has(subscriber));
    const slow = attached.filter((subscriber) => !subscriber.isLocal && (subscriber.queuedBytes += textSize(text)) > MAX_QUEUED_BYTES);
    this.handlers.deliver(
      attached.filter((subscriber) => !slow.includes(subscriber)),
      { kind, text },
    );
    for (const subscriber of slow) this.handlers.slow(subscriber);
  }

  #helloReceived(text: string): void {
    // After plain mode all rooms are joined again.
    if (this.#plain) this.#resetJoins();
    this.#plain = false;
    this.#hello = text;
    this.#deliver(this.subscribers, text, "hello");
  }

  #decidePlain(): void {
    this.#plain = true;
    this.#resetJoins();
  }

  #resetJoins(): void {
    this.#joins.clear();
    for (const room of this.#rooms.values()) {
      room.joining = undefined;
      room.waiting.clear();
    }
  }

  #answer(frame: Frame, ref: string): void {
    if (ref.startsWith(OWN_REF)) return this.#deliverTail(frame);
    const room = this.#joins.get(ref);
    this.#joins.delete(ref);
    const at = ref.indexOf("_") + 1;
    const subscriber = [...this.subscribers].find(({ prefix }) => prefix == ref.slice(0, at));
    if (subscriber) this.#deliver([subscriber], JSON.stringify({ ...frame, ref: ref.slice(at) }));
    if (!room) return;
    const name = frame["roomId"] as string;
    if (frame["type"] == "joined") {
      if (room.joined(frame["epoch"], frame["seq"] as number, frame["replay"] as number)) this.#joinEnded(name, room);
    } else {
      if (subscriber) room.members.delete(subscriber);
      this.#joinEnded(name, room);
      if (!room.members.size) this.#rooms.delete(name);
    }
  }

  #logEntry(name: string, room: SharedRoom | undefined, frame: Frame, text: string): void {
    // A plain server may send messages of rooms that were not joined; from an extended server they belong to a room that was left.
    if (!room) return this.#deliver(this.#hello ? [] : this.subscribers, text);
    if (frame["seq"] == undefined) return this.#deliver(room.members, text);
    const replayed = frame["replay"] === true;
    this.#deliver(room.recipients(frame["epoch"], frame["seq"] as number, replayed), text);
    if (replayed ? room.replayed() : room.joining?.remaining != undefined) this.#joinEnded(name, room);
  }

  /** Delivers the last message that only the joining tab received; other tabs detect the gap before it and fetch the rest. */
  #deliverTail(frame: Frame): void {
    const { roomId, messages } = frame as { roomId: string; messages?: Frame[] };
    const room = this.#rooms.get(roomId);
    for (const message of messages ?? []) {
      this.#deliver(room?.members ?? [], JSON.stringify({ ...message, type: "message", replay: true }));
    }
  }
}

function parsed(text: string): Frame | undefined {
  try {
    const value = JSON.parse(wellFormedJson(text));
    return value != undefined && typeof value == "object" ? value : undefined;
  } catch {
    return undefined;
  }
}
