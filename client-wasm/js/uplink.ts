import { sizeOf, type Down } from "./channel.js";
import type { Connection, Ears } from "./connection.js";
import { repaired, textOf } from "./fields.js";
import type { Seat } from "./seat.js";
import { SharedRoom } from "./shared_room.js";

/** A frame as JSON gave it. */
type Frame = { [field: string]: unknown };

/**
 * How long a tab that has been lost still counts as in its rooms, in ms: as long as the server's own grace, so that a
 * reload makes no flicker.
 */
const GRACE = 15_000;
/** Pings whose answer is still waited for. */
const MOST_PINGS = 64;
/** Most bytes that a tab may leave lying in the channel before it loses its connection. */
const MOST_OWED = 16 << 20;
/** What these say is about the token of the tab that has dialled: the others try their own. */
const OF_THE_TOKEN = new Set([1008, 4001, 4002]);
/** A frame was too large. */
const TOO_LARGE = 1009;
/** An answer to a question of ours. */
const OWN = "_";

/** What a real connection tells the hub. */
export interface UplinkEars {
  opened(uplink: Uplink): void;
  /** The real connection is over. `whose`: to whom the code is told; for the others the connection is just lost. */
  ended(uplink: Uplink, code: number, reason: string, whose: (seat: Seat) => boolean): void;
  tell(seats: readonly Seat[], down: Down): void;
  /** It leaves too much lying in the channel. */
  slow(seat: Seat): void;
}

/** One real connection and the virtual sockets on it. */
export class Uplink {
  readonly seats = new Set<Seat>();
  isOpen = false;
  readonly #connection: Connection;
  readonly #rooms = new Map<string, SharedRoom>();
  #hello: string | undefined;
  /** The first frame was no `hello`. */
  #plain = false;
  /** Joins without an answer, by their ref. */
  readonly #joins = new Map<string, SharedRoom>();
  readonly #pings = new Map<number, [seat: Seat, t: unknown]>();
  #lastPing = 0;
  #questions = 0;
  /** Frames that the socket has not taken, with those that were not for it in their places. */
  #written: [frame: number, seat: Seat, size: number][] = [];
  #last = 0;
  #largest: [size: number, seat: Seat | undefined] = [0, undefined];

  constructor(
    dial: (ears: Ears) => Connection,
    readonly ears: UplinkEars,
  ) {
    this.#connection = dial({
      opened: () => {
        this.isOpen = true;
        ears.opened(this);
      },
      text: (_, text) => this.#down(text),
      flushed: (_, frame) => this.#taken(frame),
      ended: (_, opened, code, reason) => this.#ended(opened, code, reason),
    });
  }

  /** A virtual socket is on this connection from now on. */
  seat(seat: Seat): void {
    this.seats.add(seat);
    this.ears.tell([seat], { kind: "opened" });
    if (this.#hello) this.ears.tell([seat], { kind: "hello", text: this.#hello });
  }

  /** A virtual socket is gone. `said`: by its own will, so that nobody expects it back. */
  unseat(seat: Seat, said: boolean): void {
    this.seats.delete(seat);
    // With the last one the connection ends, and says it all.
    if (!this.seats.size) return;
    for (const [name, room] of this.#rooms) {
      if (!this.#depart(seat, name, room)) continue;
      if (said) this.#leave(name);
      else room.grace = setTimeout(() => this.#leave(name), GRACE);
    }
  }

  /** Nobody hears of it any more. */
  close(code: number): void {
    for (const room of this.#rooms.values()) clearTimeout(room.grace);
    this.#connection.drop(code);
  }

  #ended(opened: boolean, code: number, reason: string): void {
    for (const room of this.#rooms.values()) clearTimeout(room.grace);
    const largest = this.#largest[1];
    this.ears.ended(this, code, reason, (seat) =>
      OF_THE_TOKEN.has(code) ? seat.own : code == TOO_LARGE && opened ? seat == largest : true,
    );
  }

  // ---- to the server ----

  /** A frame of a virtual socket. */
  up(seat: Seat, text: string): void {
    const frame = parsed(text) ?? {};
    const size = sizeOf(text);
    const room = frame["roomId"] as string;
    const ref = typeof frame["ref"] == "string" ? seat.prefix + frame["ref"] : undefined;
    if (ref) text = JSON.stringify({ ...frame, ref });
    switch (frame["type"]) {
      case "join_room":
        if (!this.#join(seat, room, ref, text)) return this.#unwritten(seat, size);
        break;
      case "leave_room":
        if (!this.#left(seat, room)) {
          if (ref) this.#tell([seat], JSON.stringify({ ...frame, type: "left" }));
          return this.#unwritten(seat, size);
        }
        break;
      case "history": {
        // It does not wait for its replay any more.
        const shared = this.#rooms.get(room);
        if (shared?.joining?.seat == seat && shared.joining.left != undefined) this.#over(room, shared);
        break;
      }
      case "ping":
        this.#pings.set(++this.#lastPing, [seat, frame["t"]]);
        this.#pings.delete(this.#lastPing - MOST_PINGS);
        text = JSON.stringify({ ...frame, t: this.#lastPing });
    }
    this.#write(text, seat, size);
  }

  #write(text: string, seat?: Seat, size = 0): void {
    if (seat) {
      this.#written.push([this.#last + 1, seat, size]);
      if (size > this.#largest[0]) this.#largest = [size, seat];
    }
    this.#connection.write(++this.#last, text);
  }

  /** A frame that is not for the server counts as taken with those before it. */
  #unwritten(seat: Seat, size: number): void {
    if (this.#written.length) this.#written.push([this.#last, seat, size]);
    else this.ears.tell([seat], { kind: "taken", size });
  }

  #taken(frame: number): void {
    const still = this.#written.findIndex(([written]) => written > frame);
    const sizes = new Map<Seat, number>();
    for (const [, seat, size] of this.#written.splice(0, still < 0 ? this.#written.length : still)) {
      sizes.set(seat, (sizes.get(seat) ?? 0) + size);
    }
    for (const [seat, size] of sizes) if (this.seats.has(seat)) this.ears.tell([seat], { kind: "taken", size });
  }

  /** Whether a join is for the server now. */
  #join(seat: Seat, name: string, ref: string | undefined, text: string): boolean {
    let room = this.#rooms.get(name);
    if (!room) this.#rooms.set(name, (room = new SharedRoom()));
    const others = room.members.size > +room.members.has(seat) || room.grace != undefined;
    clearTimeout(room.grace);
    room.grace = undefined;
    room.members.add(seat);
    // A plain server has nothing more to say to a second join.
    if (this.#plain || !ref) return !others;
    if (room.joining && room.joining.seat != seat) {
      room.waiting.set(seat, text);
      return false;
    }
    this.#asked(room, seat, ref);
    return true;
  }

  #asked(room: SharedRoom, seat: Seat, ref: string): void {
    if (room.joining) this.#joins.delete(room.joining.ref);
    room.joining = { seat, ref, left: undefined, head: 0 };
    this.#joins.set(ref, room);
  }

  /** Whether a leave is for the server: nobody else is there. */
  #left(seat: Seat, name: string): boolean {
    const room = this.#rooms.get(name);
    if (!room) return true;
    const last = this.#depart(seat, name, room);
    if (last) this.#rooms.delete(name);
    return last;
  }

  /** Takes a virtual socket out of a room; whether it was the last one there. */
  #depart(seat: Seat, name: string, room: SharedRoom): boolean {
    room.waiting.delete(seat);
    const last = room.members.delete(seat) && !room.members.size;
    if (room.joining?.seat == seat) this.#over(name, room);
    return last;
  }

  #leave(name: string): void {
    const room = this.#rooms.get(name);
    clearTimeout(room?.grace);
    this.#rooms.delete(name);
    this.#write(JSON.stringify({ type: "leave_room", roomId: name }));
  }

  /** A join is over: the next one's turn. */
  #over(name: string, room: SharedRoom): void {
    const { joining } = room;
    if (joining) this.#joins.delete(joining.ref);
    const unheard = room.over();
    for (const [seat, text] of room.waiting) {
      room.waiting.delete(seat);
      this.#asked(room, seat, parsed(text)!["ref"] as string);
      this.#write(text);
      break;
    }
    if (unheard && name != "@me") {
      const { epoch, head } = unheard;
      const ref = OWN + ++this.#questions;
      this.#write(JSON.stringify({ type: "history", ref, roomId: name, epoch, after: head - 1, limit: 1 }));
    }
  }

  // ---- from the server ----

  #down(data: unknown): void {
    const text = textOf(data);
    const frame = parsed(text);
    const type = frame?.["type"];
    if (type == "hello") return this.#greeted(text);
    if (!this.#hello && !this.#plain) this.#decidePlain();
    if (!frame) return this.#tell(this.seats, text);
    if (typeof frame["ref"] == "string") return this.#answer(frame, frame["ref"]);
    const name = type == "notification" ? "@me" : (frame["roomId"] as string);
    const room = this.#rooms.get(name);
    switch (type) {
      case "message":
      case "notification":
        return this.#logged(name, room, frame, text);
      case "left":
        if (room) {
          this.#tell(room.members, text);
          room.clear();
          this.#rooms.delete(name);
        }
        return;
      case "pong": {
        const [seat, t] = this.#pings.get(frame["t"] as number) ?? [];
        this.#pings.delete(frame["t"] as number);
        return this.#tell(seat ? [seat] : [], JSON.stringify({ ...frame, t }));
      }
      // The tab with the token, and with the next dial. The others move when it has moved.
      case "auth_expiring":
      case "going_away":
        return this.#tell([...this.seats].filter((seat) => seat.own), text);
      case "user_joined":
      case "user_left":
      case "presence":
      case "signal":
        return this.#tell(room?.members ?? this.seats, text);
      default:
        return this.#tell(this.seats, text);
    }
  }

  /** The other tabs may follow to the next connection. */
  move(): void {
    const text = JSON.stringify({ type: "going_away", windowMs: 0 });
    this.#tell([...this.seats].filter((seat) => !seat.own), text);
  }

  #tell(seats: Iterable<Seat>, text: string, kind: "text" | "hello" = "text"): void {
    const here = [...seats].filter((seat) => this.seats.has(seat));
    const slow = here.filter((seat) => !seat.own && (seat.owed += sizeOf(text)) > MOST_OWED);
    this.ears.tell(
      here.filter((seat) => !slow.includes(seat)),
      { kind, text },
    );
    for (const seat of slow) this.ears.slow(seat);
  }

  #greeted(text: string): void {
    // After a plain beginning everything is asked for again.
    if (this.#plain) this.#forget();
    this.#plain = false;
    this.#hello = text;
    this.#tell(this.seats, text, "hello");
  }

  #decidePlain(): void {
    this.#plain = true;
    this.#forget();
  }

  #forget(): void {
    this.#joins.clear();
    for (const room of this.#rooms.values()) {
      room.joining = undefined;
      room.waiting.clear();
    }
  }

  #answer(frame: Frame, ref: string): void {
    if (ref.startsWith(OWN)) return this.#repair(frame);
    const room = this.#joins.get(ref);
    this.#joins.delete(ref);
    const at = ref.indexOf("_") + 1;
    const seat = [...this.seats].find(({ prefix }) => prefix == ref.slice(0, at));
    if (seat) this.#tell([seat], JSON.stringify({ ...frame, ref: ref.slice(at) }));
    if (!room) return;
    const name = frame["roomId"] as string;
    if (frame["type"] == "joined") {
      if (room.joined(frame["epoch"], frame["seq"] as number, frame["replay"] as number)) this.#over(name, room);
    } else {
      if (seat) room.members.delete(seat);
      this.#over(name, room);
      if (!room.members.size) this.#rooms.delete(name);
    }
  }

  #logged(name: string, room: SharedRoom | undefined, frame: Frame, text: string): void {
    // A plain server may speak of rooms that nobody has asked for; to an extended one it would be news of a room left.
    if (!room) return this.#tell(this.#hello ? [] : this.seats, text);
    if (frame["seq"] == undefined) return this.#tell(room.members, text);
    const replayed = frame["replay"] === true;
    this.#tell(room.listeners(frame["epoch"], frame["seq"] as number, replayed), text);
    if (replayed ? room.replayed() : room.joining?.left != undefined) this.#over(name, room);
  }

  /** The last message of what was replayed to nobody: whoever misses something before it asks for that. */
  #repair(frame: Frame): void {
    const { roomId, messages } = frame as { roomId: string; messages?: Frame[] };
    const room = this.#rooms.get(roomId);
    for (const message of messages ?? []) {
      this.#tell(room?.members ?? [], JSON.stringify({ ...message, type: "message", replay: true }));
    }
  }
}

function parsed(text: string): Frame | undefined {
  try {
    const value = JSON.parse(repaired(text));
    return value != undefined && typeof value == "object" ? value : undefined;
  } catch {
    return undefined;
  }
}
