import type { Position } from "../types.js";

/** An entry of a room's log, or of a user's own stream if it has a `kind`. */
export interface Logged {
  /** Its id. */
  id: string;
  /** Its number in the log, from 1. */
  seq: number;
  /** Who said it. */
  user: string;
  /** The text. */
  content: string;
  /** When: UTC, ISO 8601. */
  timestamp: string;
  /** What was sent beside the text. */
  data?: unknown;
  /** Of a user's own stream: what it is. */
  kind?: string;
  /** Which send it was. */
  pid?: string;
  /** Its number among those of its producer. */
  pseq?: number;
}

/** What was said in a room, numbered under an epoch. */
export class Log {
  readonly entries: Logged[] = [];
  head = 0;
  #gone: { seq: number; id?: string } = { seq: 0 };

  constructor(readonly epoch: string) {}

  append(entry: Omit<Logged, "seq">): Logged {
    const logged = { ...entry, seq: ++this.head };
    this.entries.push(logged);
    return logged;
  }

  /** Forgets all but the newest. */
  trim(keep: number): void {
    for (const { seq, id } of this.entries.splice(0, Math.max(this.entries.length - keep, 0))) this.#gone = { seq, id };
  }

  after(seq: number): Logged[] {
    return this.entries.filter((entry) => entry.seq > seq);
  }

  /** Whether everything after `seq` is held. */
  reaches(seq: number): boolean {
    return seq >= this.#gone.seq && seq <= this.head;
  }

  /** Why somebody who has everything up to `since` cannot go on from there; `undefined` if it can be. */
  hindrance(since: Position | undefined): "fresh" | "epoch_changed" | "forked" | "trimmed" | undefined {
    if (!since) return "fresh";
    const { epoch, seq, id } = since;
    if (epoch != this.epoch) return "epoch_changed";
    if (seq > this.head) return "forked";
    if (seq < this.#gone.seq) return "trimmed";
    const known = seq == this.#gone.seq ? this.#gone.id : this.entries.find((entry) => entry.seq == seq)?.id;
    return seq == 0 || known == id ? undefined : "forked";
  }
}
