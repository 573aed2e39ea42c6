// The state of a provider's connection, as components read it. Counts seconds down while somebody looks. Decides nothing.
import type { Client } from "../client.js";
import type { Mode } from "../words.js";
import type { Events } from "../types.js";
import { Notifier } from "./notifier.js";
import type { Connection, Failure } from "./view.js";
import { failureOf, sentence } from "./words.js";

/** What is known of the connection. */
interface Known {
  status: Events["state"];
  mode?: Mode;
  client?: Client;
  /** `connect` rejected with this. */
  error?: Failure;
}

export class ConnectionStore {
  #known: Known = { status: { state: "idle" } };
  #snapshot: Connection;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #notifier = new Notifier(() => {
    this.#snapshot = this.#build();
    this.#countDown();
  });

  constructor(readonly reconnect: () => void) {
    this.#snapshot = this.#build();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    const end = this.#notifier.add(listener);
    this.#countDown();
    return () => {
      end();
      if (this.#notifier.isEmpty) clearTimeout(this.#timer);
    };
  };

  /** The same object until something has changed. */
  readonly snapshot = (): Connection => this.#snapshot;

  /** Something else is known from now on. */
  set(known: Known): void {
    this.#known = known;
    this.#notifier.change();
  }

  #retryIn(): number | undefined {
    const { retryAt } = this.#known.status;
    return retryAt == undefined ? undefined : Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  }

  #build(): Connection {
    const { status, mode, client, error } = this.#known;
    const failure = error ?? (status.state == "failed" && status.cause ? failureOf(status.cause) : undefined);
    const retryIn = this.#retryIn();
    return {
      ...status,
      text: sentence(status.state, retryIn, failure),
      ...(retryIn != undefined && { retryIn }),
      ...(failure && { failure }),
      ...(mode && { mode }),
      ...(client && { client }),
      reconnect: this.reconnect,
    };
  }

  /** Wakes when another second begins. */
  #countDown(): void {
    clearTimeout(this.#timer);
    if (this.#notifier.isEmpty || !this.#retryIn()) return;
    const left = this.#known.status.retryAt! - Date.now();
    this.#timer = setTimeout(() => this.#notifier.change(), left - (Math.ceil(left / 1000) - 1) * 1000 + 1);
  }
}
