import type { Clock } from "./types.js";

/** Browsers fire a timer of more milliseconds than this at once. */
const LONGEST = 2 ** 31 - 1;

/** One timer for a deadline that moves with every frame. */
export class Timer {
  #timer: unknown;
  #at = Infinity;

  constructor(
    readonly clock: Clock,
    readonly due: () => void,
  ) {}

  /** By the clock of `performance.now`; −1 for no deadline. One that moves back is noticed when the old one comes. */
  set(deadline: number): void {
    if (deadline < 0) return this.clear();
    if (deadline >= this.#at) return;
    this.clock.clearTimeout(this.#timer);
    this.#at = deadline;
    const wait = Math.min(Math.max(deadline - this.clock.performance.now(), 0), LONGEST);
    this.#timer = this.clock.setTimeout(() => {
      this.#at = Infinity;
      this.due();
    }, wait);
  }

  clear(): void {
    this.clock.clearTimeout(this.#timer);
    this.#at = Infinity;
  }
}
