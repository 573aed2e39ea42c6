// A virtual clock: time moves only when the test advances it.
import type { Clock } from "../types.js";
import { checkArgument, either, checkFields, wait, number } from "../client/arguments.js";

interface Timer {
  id: number;
  at: number;
  run: () => void;
}

const HOUR = 3_600_000;

/** More timers than this at one moment are an endless loop. */
const MAX_TIMERS_AT_ONCE = 100_000;

/**
 * Runs something after one turn of the real event loop: every promise that could settle by itself has settled then.
 * Taken before a test can replace it, and no timer where there is something else: a browser makes those wait.
 */
const turn: (run: () => void) => void = (() => {
  const { setImmediate, MessageChannel, setTimeout } = globalThis as { setImmediate?: (run: () => void) => void } & typeof globalThis;
  if (setImmediate) return setImmediate;
  if (!MessageChannel) return (run) => setTimeout(run);
  return (run) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      run();
    };
    port2.postMessage(0);
  };
})();

/**
 * Time that stands still until the test advances it, for the option `clock` of `connect`. What is due at once happens by
 * itself, one thing at a time as in any event loop; all else waits for {@link advance} or {@link until}.
 */
export class VirtualClock implements Clock {
  #now = 0;
  readonly #start: number;
  readonly #timers: Timer[] = [];
  #last = 0;
  #moving = false;
  #turning = false;

  /** Starts at 1 January 2026, or at another date. */
  constructor(options: { date?: number | Date } = {}) {
    checkFields(options, { date: either(number, [(value) => value instanceof Date, "a Date"]) });
    const { date = Date.UTC(2026, 0) } = options;
    this.#start = Number(date);
  }

  /** Milliseconds since the clock was made. */
  readonly performance = { now: () => this.#now };

  /** The date that the clock shows. */
  readonly Date = { now: () => this.#start + this.#now };

  /** How many timers wait. A client that was closed has none left. */
  get timers(): number {
    return this.#timers.length;
  }

  /** Calls `run` after so many virtual milliseconds; gives what `clearTimeout` takes. */
  setTimeout(run: () => void, ms = 0): number {
    const timer = { id: ++this.#last, at: this.#now + (ms > 0 ? ms : 0), run };
    const later = this.#timers.findIndex(({ at }) => at > timer.at);
    this.#timers.splice(later < 0 ? this.#timers.length : later, 0, timer);
    this.#runDue();
    return timer.id;
  }

  /** Ends that. */
  clearTimeout(timer: unknown): void {
    const at = this.#timers.findIndex(({ id }) => id == timer);
    if (at >= 0) this.#timers.splice(at, 1);
  }

  /**
   * Moves the time on by `ms`, through every timer on the way, and lets everything that follows from each happen
   * before the next. What a timer throws rejects it.
   */
  async advance(ms: number): Promise<void> {
    checkArgument(ms, wait, "ms");
    const to = this.#now + ms;
    await this.#move(to, () => false);
    this.#now = to;
  }

  /**
   * Moves the time on until the promise has settled, and no further; gives what it gives. Rejects if it takes more
   * than `within` ms, an hour by default.
   */
  async until<T>(promise: PromiseLike<T>, within = HOUR): Promise<T> {
    checkArgument(promise, [(value) => typeof value?.then == "function", "what a method gave that one waits for"], "promise");
    checkArgument(within, wait, "within");
    let settled = false;
    const done = () => void (settled = true);
    promise.then(done, done);
    await this.#move(this.#now + within, () => settled);
    if (!settled) throw new Error(`not settled within ${within} ms of virtual time: ${this.timers} timers are left`);
    return promise;
  }

  /** Moves the time on at once, as for a machine that slept: the timers that were due meanwhile fire late. */
  async sleep(ms: number): Promise<void> {
    checkArgument(ms, wait, "ms");
    this.#now += ms;
    await this.advance(0);
  }

  async #move(to: number, enough: () => boolean): Promise<void> {
    if (this.#moving) throw new Error("the clock is moving already: await its last move first");
    this.#moving = true;
    try {
      for (let count = 0; ; count++) {
        await new Promise<void>(turn);
        const [next] = this.#timers;
        if (enough() || !next || next.at > to) return;
        if (next.at > this.#now) count = 0;
        if (count > MAX_TIMERS_AT_ONCE) throw new Error(`${MAX_TIMERS_AT_ONCE} timers at one moment: something waits for 0 ms again and again`);
        this.#now = Math.max(this.#now, next.at);
        this.#timers.shift();
        next.run();
      }
    } finally {
      this.#moving = false;
      this.#runDue();
    }
  }

  /** Runs timers that are due now without an advance. */
  #runDue(): void {
    const [next] = this.#timers;
    if (this.#moving || this.#turning || !next || next.at > this.#now) return;
    this.#turning = true;
    turn(() => {
      this.#turning = false;
      const [next] = this.#timers;
      try {
        if (!this.#moving && next && next.at <= this.#now) {
          this.#timers.shift();
          next.run();
        }
      } finally {
        this.#runDue();
      }
    });
  }
}
