// Retries loading the module with the delays of a dial, and reports the progress as connection states.
import type { ClientLoader } from "../client/client_loader.js";
import { START_TIMEOUT, Unreachable, withTimeout } from "./load_wasm.js";
import { Timer } from "../util/timer.js";
import type { Clock, LoadCode, WasmSource } from "../types.js";

/** The states that a client and a feed share while loading. */
export interface LoadState {
  state: "connecting" | "reconnecting" | "suspended" | "failed";
  attempt?: number;
  retryAt?: number;
  cause?: { code: LoadCode; text: string; willRetry: boolean };
}

/** Backoff: the first delay, and the largest. */
const FIRST_DELAY = 1_000;
const MAX_DELAY = 30_000;
/** Outages from this length on are `suspended`. */
const SUSPENDED_AFTER = 120_000;

/** Resolves when the module is loaded or still loading. Rejects when it can never be loaded. */
export const startLoading = (loader: ClientLoader, from: WasmSource | undefined): Promise<void> =>
  withTimeout(loader.try(from), START_TIMEOUT).catch((error) => {
    if (!(error instanceof Unreachable)) throw error;
  });

/** The retries of one client. */
export class LoadRetry {
  readonly #loaded: () => void;
  readonly #emitState: (state: LoadState) => void;
  readonly #clock: Clock;
  readonly #from: WasmSource | undefined;
  readonly #loader: ClientLoader;
  readonly #timer: Timer;
  readonly #since: number;
  #attempt = 0;
  #isTrying = false;
  #isOver = false;

  constructor(
    loader: ClientLoader,
    from: WasmSource | undefined,
    clock: Clock,
    emitState: (state: LoadState) => void,
    /** Called once, when the module is loaded. */
    loaded: () => void,
  ) {
    this.#loaded = loaded;
    this.#emitState = emitState;
    this.#clock = clock;
    this.#from = from;
    this.#loader = loader;
    this.#timer = new Timer(clock, () => this.retry());
    this.#since = clock.performance.now();
    emitState({ state: "connecting" });
    this.retry();
  }

  /** Tries immediately. */
  retry(): void {
    if (this.#isTrying || this.#isOver) return;
    this.#isTrying = true;
    this.#timer.clear();
    this.#loader.try(this.#from).then(
      () => {
        // Nobody else closes a store that comes after the end.
        if (this.#isOver) return this.#loader.parts?.store?.close();
        this.stop();
        this.#loaded();
      },
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
    const cause = { code: (error as Unreachable).code, text: error.message, willRetry };
    if (!willRetry) return this.#emitState({ state: "failed", cause });
    const longest = Math.min(FIRST_DELAY * 2 ** this.#attempt++, MAX_DELAY);
    const delay = longest * (0.25 + 0.75 * Math.random());
    const state = this.#clock.performance.now() - this.#since < SUSPENDED_AFTER ? "reconnecting" : "suspended";
    this.#timer.set(this.#clock.performance.now() + delay);
    this.#emitState({ state, attempt: this.#attempt, retryAt: Math.round(this.#clock.Date.now() + delay), cause });
  }
}
