// Deduplicates sends by producer and sequence number.
/** A final answer to a send. */
export type Answer = { ack: { id: string; seq: number } } | { nack: string };

interface Producer {
  last: number;
  answers: Map<number, Answer>;
  usedAt: number;
}

/** A client has at most this many sends in flight. */
const MAX_ANSWERS = 64;

/** The producers of a room: recognises repeated sends. */
export class Producers {
  readonly #producers = new Map<string, Producer>();

  constructor(readonly window: number) {}

  /** The earlier answer to a send; `next` for a new one; `unknown` for an unknown producer; a number for a sequence gap. */
  check(user: string, pid: string, pseq: number, sameEpoch: boolean, now: number): Answer | "next" | "unknown" | number {
    const key = JSON.stringify([user, pid]);
    const producer = this.#producers.get(key);
    if (!producer || now - producer.usedAt > this.window) {
      this.#producers.delete(key);
      return pseq == 1 && sameEpoch ? "next" : "unknown";
    }
    producer.usedAt = now;
    if (pseq <= producer.last) return producer.answers.get(pseq) ?? "unknown";
    return pseq == producer.last + 1 ? "next" : producer.last + 1;
  }

  /** Records the answer to a sequence number. A refusal creates no producer. */
  record(user: string, pid: string, pseq: number, answer: Answer, now: number): void {
    const key = JSON.stringify([user, pid]);
    let producer = this.#producers.get(key);
    if (!producer && "nack" in answer) return;
    if (!producer) this.#producers.set(key, (producer = { last: 0, answers: new Map(), usedAt: now }));
    producer.last = pseq;
    producer.usedAt = now;
    producer.answers.set(pseq, answer);
    producer.answers.delete(pseq - MAX_ANSWERS);
  }
}
