// Membership and replay of one room on a shared connection.
import type { Subscriber } from "./subscriber.js";

/** A join in progress, including its replay. */
interface Joining {
  readonly subscriber: Subscriber;
  readonly ref: string;
  /** Replayed messages not yet received; undefined before the answer. */
  remaining: number | undefined;
  /** The head in the answer. */
  head: number;
}

/**
 * A room of one connection and its subscribers. A server runs one replay at a time for a room of a
 * connection, and a second join aborts the first one's replay: joins are serialised.
 */
export class SharedRoom {
  readonly members = new Set<Subscriber>();
  joining: Joining | undefined;
  /** Joins waiting for their turn; the last one of each subscriber. */
  readonly waiting = new Map<Subscriber, string>();
  /** The position up to which all members have received the log. */
  #epoch: unknown;
  #seq = 0;
  /** Timer that leaves an empty room. */
  grace: ReturnType<typeof setTimeout> | undefined;

  /** Records the answer to a join; returns whether the join is complete (nothing is replayed). */
  joined(epoch: unknown, head: number, replay: number): boolean {
    if (!this.joining) return true;
    if (this.#epoch !== epoch) {
      // The other members detect the new epoch themselves.
      this.#epoch = epoch;
      this.#seq = head;
    }
    // The first member fetches what the replay leaves out; no other member depends on it.
    if (this.members.size <= 1) this.#seq = Math.max(this.#seq, head);
    this.joining.head = head;
    this.joining.remaining = replay;
    return replay == 0;
  }

  /** The recipients of a log message. */
  recipients(epoch: unknown, seq: number, replayed: boolean): Iterable<Subscriber> {
    const { joining } = this;
    const isNew = epoch !== this.#epoch || seq > this.#seq;
    if (isNew) {
      this.#epoch = epoch;
      this.#seq = seq;
    }
    return replayed && !isNew && joining ? [joining.subscriber] : this.members;
  }

  /** Counts a replayed message; returns whether it was the last. */
  replayed(): boolean {
    return this.joining?.remaining != undefined && --this.joining.remaining <= 0;
  }

  /**
   * Ends the join. Messages between the last live one and the head went only to
   * the joining subscriber: returns the head if the other members have not received it.
   */
  joinEnded(): { epoch: unknown; head: number } | undefined {
    const head = this.joining?.head ?? 0;
    this.joining = undefined;
    if (head <= this.#seq) return undefined;
    this.#seq = head;
    return this.members.size > 1 ? { epoch: this.#epoch, head } : undefined;
  }

  /** Removes all members and joins. */
  clear(): void {
    this.members.clear();
    this.waiting.clear();
    this.joining = undefined;
    clearTimeout(this.grace);
  }
}
