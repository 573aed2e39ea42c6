// The message log of one room.
import type { Position } from "../types.js";

/** An entry of a room's log, or of a personal stream if it has a `kind`. */
export interface Logged {
  /** Its id. */
  id: string;
  /** Its number in the log, from 1. */
  seq: number;
  /** The sender. */
  user: string;
  /** The text. */
  content: string;
  /** When: UTC, ISO 8601. */
  timestamp: string;
  /** What was sent beside the text. */
  data?: unknown;
  /** Of a personal stream: the notification's kind. */
  kind?: string;
  /** Which send it was. */
  pid?: string;
  /** Its number among those of its producer. */
  pseq?: number;
}

/** The log of a room, numbered within an epoch. */
export class Log {
  readonly entries: Logged[] = [];
  head = 0;
  #trimmed: { seq: number; id?: string } = { seq: 0 };

  constructor(readonly epoch: string) {}

  append(entry: Omit<Logged, "seq">): Logged {
    const logged = { ...entry, seq: ++this.head };
    this.entries.push(logged);
    return logged;
  }

  /** Forgets all but the newest. */
  trim(keep: number): void {
    for (const { seq, id } of this.entries.splice(0, Math.max(this.entries.length - keep, 0))) this.#trimmed = { seq, id };
  }

  after(seq: number): Logged[] {
    return this.entries.filter((entry) => entry.seq > seq);
  }

  /** Whether everything after `seq` is held. */
  reaches(seq: number): boolean {
    return seq >= this.#trimmed.seq && seq <= this.head;
  }

  /** Why a client with everything up to `since` cannot resume; undefined if it can. */
  resumeFailure(since: Position | undefined): "fresh" | "epoch_changed" | "forked" | "trimmed" | undefined {
    if (!since) return "fresh";
    const { epoch, seq, id } = since;
    if (epoch != this.epoch) return "epoch_changed";
    if (seq > this.head) return "forked";
    if (seq < this.#trimmed.seq) return "trimmed";
    const known = seq == this.#trimmed.seq ? this.#trimmed.id : this.entries.find((entry) => entry.seq == seq)?.id;
    return seq == 0 || known == id ? undefined : "forked";
  }
}
