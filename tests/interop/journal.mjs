// An append-only list of what happened, with a reader that waits for what is to come.

// Guards against hanging only: no test passes or fails by how long something took.
export const DEADLINE_MS = 30_000;

export class Journal {
  #name;
  #entries = [];
  #cursor = 0;
  #failure = null;
  #wake = [];

  constructor(name) {
    this.#name = name;
  }

  add(entry) {
    this.#entries.push(entry);
    this.#notify();
  }

  /** Nothing more will come, or nothing that comes can be trusted: every wait ends with `error`. */
  fail(error) {
    this.#failure ??= error;
    this.#notify();
  }

  get entries() {
    return this.#entries;
  }

  /**
   * Reads on to the first entry that `matches`. Gives it and those passed over, so that a test can also say
   * what must or must not have come before.
   */
  async until(matches, what, deadline = DEADLINE_MS) {
    const start = this.#cursor;
    const timer = setTimeout(() => this.#notify(), deadline);
    const expires = Date.now() + deadline;
    try {
      for (;;) {
        while (this.#cursor < this.#entries.length) {
          const found = this.#entries[this.#cursor++];
          if (matches(found)) return { found, skipped: this.#entries.slice(start, this.#cursor - 1) };
        }
        if (this.#failure) throw this.#disappointment(what, `: ${this.#failure.message}`, start);
        if (Date.now() >= expires) throw this.#disappointment(what, ` for ${deadline} ms`, start);
        await new Promise((resolve) => this.#wake.push(resolve));
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #disappointment(what, why, start) {
    const seen = this.#entries.slice(start).slice(-20).map((entry) => `  ${JSON.stringify(entry)}`);
    return new Error(`${this.#name}: waited in vain for ${what}${why}\nseen meanwhile:\n${seen.join("\n")}`);
  }

  #notify() {
    for (const resolve of this.#wake.splice(0)) resolve();
  }
}

/** `promise`, or an error when it hangs. */
export async function inTime(promise, what, deadline = DEADLINE_MS) {
  let timer;
  const hanging = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), deadline);
  });
  try {
    return await Promise.race([promise, hanging]);
  } finally {
    clearTimeout(timer);
  }
}
