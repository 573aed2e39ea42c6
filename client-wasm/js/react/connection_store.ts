// The connection state that components read. Counts seconds down while a component is subscribed. Decides nothing.
import type { Client } from "../client/client.js";
import type { Mode } from "../code_types.js";
import type { Events } from "../types.js";
import { Notifier } from "./notifier.js";
import type { Connection, Failure } from "./types.js";
import { failureOf, describeState } from "./describe.js";

/** What is known of the connection. */
interface ConnectionInfo {
  status: Events["state"];
  mode?: Mode;
  client?: Client;
  /** `connect` rejected with this. */
  error?: Failure;
}

export class ConnectionStore {
  #info: ConnectionInfo = { status: { state: "idle" } };
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

  /** Sets what is known of the connection. */
  set(info: ConnectionInfo): void {
    this.#info = info;
    this.#notifier.change();
  }

  #retryIn(): number | undefined {
    const { retryAt } = this.#info.status;
    return retryAt == undefined ? undefined : Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  }

  #build(): Connection {
    const { status, mode, client, error } = this.#info;
    const failure = error ?? (status.state == "failed" && status.cause ? failureOf(status.cause) : undefined);
    const retryIn = this.#retryIn();
    return {
      ...status,
      text: describeState(status.state, retryIn, failure),
      ...(retryIn != undefined && { retryIn }),
      ...(failure && { failure }),
      ...(mode && { mode }),
      ...(client && { client }),
      reconnect: this.reconnect,
    };
  }

  /** Schedules an update for the next full second. */
  #countDown(): void {
    clearTimeout(this.#timer);
    if (this.#notifier.isEmpty || !this.#retryIn()) return;
    const left = this.#info.status.retryAt! - Date.now();
    this.#timer = setTimeout(() => this.#notifier.change(), left - (Math.ceil(left / 1000) - 1) * 1000 + 1);
  }
}
