/** What a send was answered, for good. */
export type Answer = { ack: { id: string; seq: number } } | { nack: string };

interface Line {
  last: number;
  answers: Map<number, Answer>;
  touched: number;
}

/** A client has at most as many sends under way. */
const ANSWERS = 64;

/** What makes a send that is made again the same send. */
export class Lines {
  readonly #lines = new Map<string, Line>();

  constructor(readonly window: number) {}

  /** The earlier answer to a send; `next` if it is to be decided now; or why it cannot be. */
  look(user: string, pid: string, pseq: number, sameEpoch: boolean, now: number): Answer | "next" | "unknown" | number {
    const key = JSON.stringify([user, pid]);
    const line = this.#lines.get(key);
    if (!line || now - line.touched > this.window) {
      this.#lines.delete(key);
      return pseq == 1 && sameEpoch ? "next" : "unknown";
    }
    line.touched = now;
    if (pseq <= line.last) return line.answers.get(pseq) ?? "unknown";
    return pseq == line.last + 1 ? "next" : line.last + 1;
  }

  /** The number is used up. A refusal makes no line. */
  answered(user: string, pid: string, pseq: number, answer: Answer, now: number): void {
    const key = JSON.stringify([user, pid]);
    let line = this.#lines.get(key);
    if (!line && "nack" in answer) return;
    if (!line) this.#lines.set(key, (line = { last: 0, answers: new Map(), touched: now }));
    line.last = pseq;
    line.touched = now;
    line.answers.set(pseq, answer);
    line.answers.delete(pseq - ANSWERS);
  }
}
