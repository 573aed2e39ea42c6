// Loads the machine's module again until it is there, with the delays of a dial, and tells it as states.
import type { Loader } from "./loading.js";
import { Unreachable } from "./loading.js";
import { Timer } from "./timer.js";
import type { Clock, WasmSource } from "./types.js";

/** The states that a client and a feed have in common here. */
export interface LoadState {
  state: "connecting" | "reconnecting" | "suspended" | "failed";
  attempt?: number;
  retryAt?: number;
  cause?: { code: "wasm_unavailable"; text: string; willRetry: boolean };
}

/** How long somebody who starts waits for the module before it comes in the background. */
const PATIENCE = 3_000;
/** The first delay is up to this, the next twice as long, up to the longest. */
const FIRST_DELAY = 1_000;
const LONGEST_DELAY = 30_000;
/** An outage that has lasted so long is no blip. */
const SUSPENDED_AFTER = 120_000;

/** Resolves when the module is there, or may still come. Rejects when it never will. */
export async function begin(loader: Loader, from: WasmSource | undefined): Promise<void> {
  let timer: ReturnType<typeof setTimeout>;
  const enough = new Promise<void>((resolve) => (timer = setTimeout(resolve, PATIENCE)));
  await Promise.race([loader.try(from), enough])
    .catch((error) => {
      if (!(error instanceof Unreachable)) throw error;
    })
    .finally(() => clearTimeout(timer));
}

/** One client's wait for the module. */
export class Reload {
  readonly #timer: Timer;
  readonly #since: number;
  #attempt = 0;
  #isTrying = false;
  #isOver = false;

  constructor(
    readonly loader: Loader,
    readonly from: WasmSource | undefined,
    readonly clock: Clock,
    readonly tell: (state: LoadState) => void,
    /** Once: the module is there. */
    readonly loaded: () => void,
  ) {
    this.#timer = new Timer(clock, () => this.again());
    this.#since = clock.performance.now();
    tell({ state: "connecting" });
    this.again();
  }

  /** Tries at once. */
  again(): void {
    if (this.#isTrying || this.#isOver) return;
    this.#isTrying = true;
    this.#timer.clear();
    this.loader.try(this.from).then(
      () => !this.#isOver && (this.stop(), this.loaded()),
      (error: Error) => {
        this.#isTrying = false;
        if (!this.#isOver) this.#failed(error);
      },
    );
  }

  stop(): void {
    this.#isOver = true;
    this.#timer.clear();
  }

  #failed(error: Error): void {
    const willRetry = error instanceof Unreachable;
    const cause = { code: "wasm_unavailable", text: error.message, willRetry } as const;
    if (!willRetry) return this.tell({ state: "failed", cause });
    const longest = Math.min(FIRST_DELAY * 2 ** this.#attempt++, LONGEST_DELAY);
    const delay = longest * (0.25 + 0.75 * Math.random());
    const state = this.clock.performance.now() - this.#since < SUSPENDED_AFTER ? "reconnecting" : "suspended";
    this.#timer.set(this.clock.performance.now() + delay);
    this.tell({ state, attempt: this.#attempt, retryAt: Math.round(this.clock.Date.now() + delay), cause });
  }
}
