import type { Seat } from "./seat.js";

/** A join on its way, or its replay. */
interface Joining {
  readonly seat: Seat;
  readonly ref: string;
  /** Replayed messages still to come; unknown before the answer. */
  left: number | undefined;
  /** The head that the answer named. */
  head: number;
}

/**
 * A room of one connection with the virtual sockets that are in it. A server has one replay at a time for a room of a
 * connection, and a second join ends the first one's: joins follow one another, each when the replay before it is over.
 */
export class SharedRoom {
  readonly members = new Set<Seat>();
  joining: Joining | undefined;
  /** Joins that wait for their turn; of one seat only the last. */
  readonly waiting = new Map<Seat, string>();
  /** How far all members have been told of the log. */
  #epoch: unknown;
  #seq = 0;
  /** When to leave a room that nobody is in. */
  grace: ReturnType<typeof setTimeout> | undefined;

  /** A join has been answered. Gives whether it is over: whether nothing is replayed. */
  joined(epoch: unknown, head: number, replay: number): boolean {
    if (!this.joining) return true;
    if (this.#epoch !== epoch) {
      // The others find out by themselves that it is another log.
      this.#epoch = epoch;
      this.#seq = head;
    }
    // Whoever joins first fetches what the replay leaves out; nobody else waits for it.
    if (this.members.size <= 1) this.#seq = Math.max(this.#seq, head);
    this.joining.head = head;
    this.joining.left = replay;
    return replay == 0;
  }

  /** Who is to be told of a message of the log. */
  listeners(epoch: unknown, seq: number, replayed: boolean): Iterable<Seat> {
    const { joining } = this;
    const news = epoch !== this.#epoch || seq > this.#seq;
    if (news) {
      this.#epoch = epoch;
      this.#seq = seq;
    }
    return replayed && !news && joining ? [joining.seat] : this.members;
  }

  /** One message of the replay has come. Gives whether it was the last. */
  replayed(): boolean {
    return this.joining?.left != undefined && --this.joining.left <= 0;
  }

  /**
   * The join is over, one way or the other. What was said between the last live message and the head was replayed to
   * nobody but the one who joined, if at all: gives the head if the others have not heard of it.
   */
  over(): { epoch: unknown; head: number } | undefined {
    const head = this.joining?.head ?? 0;
    this.joining = undefined;
    if (head <= this.#seq) return undefined;
    this.#seq = head;
    return this.members.size > 1 ? { epoch: this.#epoch, head } : undefined;
  }

  /** Nobody is told anything any more, and nobody waits. */
  clear(): void {
    this.members.clear();
    this.waiting.clear();
    this.joining = undefined;
    clearTimeout(this.grace);
  }
}
