// Notifies the listeners of one store at most once per animation frame. Knows nothing of what is stored.
/** Milliseconds between two notifications: a frame of a screen. */
const INTERVAL = 16;

/** Calls listeners for changes that have come together. */
export class Notifier {
  readonly #listeners = new Set<() => void>();
  #isScheduled = false;
  #last = -Infinity;

  /** `publish` makes the state of now the one that listeners find. */
  constructor(readonly publish: () => void) {}

  get isEmpty(): boolean {
    return !this.#listeners.size;
  }

  /** Gives what ends it. One function twice is two listeners. */
  add(listener: () => void): () => void {
    const own = () => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** Something has changed. */
  change(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const run = () => {
      this.#isScheduled = false;
      this.#last = performance.now();
      this.publish();
      for (const listener of [...this.#listeners]) listener();
    };
    const wait = this.#last + INTERVAL - performance.now();
    if (wait > 0) setTimeout(run, wait);
    else queueMicrotask(run);
  }
}
