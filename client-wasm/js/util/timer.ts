// One timer for a deadline that moves with every frame.
import type { Clock } from "../types.js";

/** Browsers fire a timer with a longer delay immediately. */
const LONGEST = 2 ** 31 - 1;

/** One timer for a deadline that moves with every frame. */
export class Timer {
  readonly #clock: Clock;
  readonly #due: () => void;
  #timer: unknown;
  #at = Infinity;

  constructor(
    clock: Clock,
    due: () => void,
  ) {
    this.#clock = clock;
    this.#due = due;
  }

  /** By the clock of `performance.now`; −1 for none. A later deadline takes effect when the earlier timer fires. */
  set(deadline: number): void {
    if (deadline < 0) return this.clear();
    if (deadline >= this.#at) return;
    this.#clock.clearTimeout(this.#timer);
    this.#at = deadline;
    const wait = Math.min(Math.max(deadline - this.#clock.performance.now(), 0), LONGEST);
    this.#timer = this.#clock.setTimeout(() => {
      this.#at = Infinity;
      this.#due();
    }, wait);
  }

  clear(): void {
    this.#clock.clearTimeout(this.#timer);
    this.#at = Infinity;
  }
}
