import type { Down, Up } from "./channel.js";
import type { Connection, Ears } from "./connection.js";
import { Seat } from "./seat.js";
import { Uplink } from "./uplink.js";

/** A lost connection, and one that is not there. */
const LOST = 1006;
/** A slow consumer (protocol.md §2.5). */
const SLOW = 4012;
/** The tab with the connection goes away. */
const PAGE_HIDDEN = 4901;

/** What the hub is given to work with. */
export interface Surroundings {
  /** A real connection. */
  dial(url: string, ears: Ears): Connection;
  /** To virtual sockets of this tab. */
  tell(socket: string, down: Down): void;
  /** To virtual sockets of other tabs. */
  post(sockets: readonly string[], down: Down): void;
  /** Calls `gone` when that tab is there no more. Gives what ends the watch. */
  watch(tab: string, gone: () => void): () => void;
}

/**
 * Gives the virtual sockets of all tabs to real connections. It runs in the tab that leads: the one whose own dial the
 * real one is, so that nobody's token has to be told to another tab.
 */
export class Hub {
  readonly #seats = new Map<string, Seat>();
  /** The newest last: more than one during a hand-over. */
  #uplinks: Uplink[] = [];
  readonly #watches = new Map<string, () => void>();
  #numbers = 0;

  constructor(
    readonly tab: string,
    readonly around: Surroundings,
  ) {}

  /** A virtual socket of this tab: the real connection is dialled with what it has in its address. */
  dial(socket: string, url: string): void {
    this.#sit(socket, this.tab);
    try {
      const uplink = new Uplink((ears) => this.around.dial(url, ears), {
        opened: (uplink) => this.#opened(uplink),
        ended: (uplink, code, reason, whose) => this.#ended(uplink, code, reason, whose),
        tell: (seats, down) => this.#tell(seats, down),
        slow: (seat) => {
          this.#end([seat], SLOW, "this tab does not take what comes");
          this.#unseat(seat, false);
        },
      });
      this.#uplinks.push(uplink);
    } catch (error) {
      // Refused before it began, by a content security policy for instance.
      this.#fail(String((error as Error)?.message ?? error));
    }
  }

  /** What another tab says, or a virtual socket of this one. */
  take(up: Up): void {
    if (up.kind == "dial") return this.#admit(up.socket, up.tab);
    const seat = this.#seats.get(up.socket);
    if (!seat) return;
    switch (up.kind) {
      case "text":
        return seat.uplink?.up(seat, up.text);
      case "took":
        seat.owed -= up.size;
        return;
      case "close":
        return this.#unseat(seat, up.code == 1000, up.code);
    }
  }

  /** Whether other tabs depend on it. */
  get isShared(): boolean {
    return [...this.#seats.values()].some(({ own }) => !own);
  }

  /** The end of it, with every connection. */
  stop(code: number): void {
    for (const end of this.#watches.values()) end();
    // For the server somebody who is expected back is not gone at once.
    for (const uplink of this.#uplinks) uplink.close(this.isShared ? PAGE_HIDDEN : code);
  }

  #sit(socket: string, tab: string): Seat {
    const seat = new Seat(socket, tab, tab == this.tab, `${(++this.#numbers).toString(36)}_`);
    this.#seats.set(socket, seat);
    return seat;
  }

  #admit(socket: string, tab: string): void {
    let seat = this.#seats.get(socket);
    if (!seat) {
      seat = this.#sit(socket, tab);
      if (!this.#watches.has(tab)) this.#watches.set(tab, this.around.watch(tab, () => this.#tabGone(tab)));
      const uplink = this.#uplinks.findLast(({ isOpen }) => isOpen);
      if (uplink) return this.#place(seat, uplink);
    }
    if (!seat.uplink) this.#tell([seat], { kind: "waits" });
  }

  #place(seat: Seat, uplink: Uplink): void {
    seat.uplink = uplink;
    uplink.seat(seat);
  }

  #opened(uplink: Uplink): void {
    for (const seat of this.#seats.values()) if (!seat.uplink) this.#place(seat, uplink);
    // Where this tab has moved the others can follow.
    for (const older of this.#uplinks) if (older != uplink) older.move();
  }

  #ended(uplink: Uplink, code: number, reason: string, whose: (seat: Seat) => boolean): void {
    this.#uplinks = this.#uplinks.filter((other) => other != uplink);
    if (!uplink.isOpen) return this.#fail(reason);
    const seats = [...uplink.seats];
    this.#end(seats.filter((seat) => !whose(seat)), LOST, "");
    this.#end(seats.filter(whose), code, reason);
    for (const seat of seats) this.#forget(seat);
  }

  /** The real dial has failed, and with it those that waited for it. */
  #fail(reason: string): void {
    const waiting = [...this.#seats.values()].filter((seat) => !seat.uplink);
    this.#end(waiting, LOST, reason);
    for (const seat of waiting) this.#forget(seat);
  }

  #tabGone(tab: string): void {
    for (const seat of [...this.#seats.values()]) if (seat.tab == tab) this.#unseat(seat, false);
  }

  #unseat(seat: Seat, said: boolean, code = 1000): void {
    this.#forget(seat);
    const { uplink } = seat;
    uplink?.unseat(seat, said);
    if (uplink && !uplink.seats.size) {
      this.#uplinks = this.#uplinks.filter((other) => other != uplink);
      uplink.close(code);
    }
  }

  #forget(seat: Seat): void {
    this.#seats.delete(seat.socket);
    if ([...this.#seats.values()].some(({ tab }) => tab == seat.tab)) return;
    this.#watches.get(seat.tab)?.();
    this.#watches.delete(seat.tab);
  }

  #end(seats: readonly Seat[], code: number, reason: string): void {
    this.#tell(seats, { kind: "end", code, reason });
  }

  #tell(seats: readonly Seat[], down: Down): void {
    const others = seats.filter(({ own }) => !own).map(({ socket }) => socket);
    if (others.length) this.around.post(others, down);
    for (const { own, socket } of seats) if (own) this.around.tell(socket, down);
  }
}
