// Listeners by the name of their event.
import { onAbort } from "./abort.js";
import type { ListenOptions } from "./types.js";
import { argument, call, fields, known, signal } from "./validate.js";

/** One registration: also of one function twice each is its own. */
interface Entry {
  readonly listener: unknown;
  call(event: any): void;
  end(): void;
}

/** Events by name. What a listener throws reaches the page's own error handler and nobody else. */
export class Emitter<E> {
  readonly #entries = new Map<keyof E, Set<Entry>>();

  constructor(public names: readonly (keyof E & string)[]) {}

  /** Throws for what cannot be listened with, or to. */
  protected check(name: unknown, listener: unknown): void {
    known(name, this.names, "event");
    argument(listener, call, `the listener of "${String(name)}"`);
  }

  /** Gives what ends it. `once`: it ends with the first event. */
  on<K extends keyof E>(name: K, listener: (event: E[K]) => void, options: ListenOptions = {}, once = false): () => void {
    this.check(name, listener);
    fields(options, { signal });
    if (options.signal?.aborted) return () => {};
    const entries = this.#entries.get(name) ?? new Set();
    this.#entries.set(name, entries);
    const entry: Entry = {
      listener,
      call(event) {
        if (once) entry.end();
        listener(event);
      },
      end() {
        entries.delete(entry);
        forget();
      },
    };
    const forget = onAbort(options.signal, entry.end);
    entries.add(entry);
    return entry.end;
  }

  /** Ends every registration of this function. */
  off<K extends keyof E>(name: K, listener: (event: E[K]) => void): void {
    this.check(name, listener);
    for (const entry of this.#entries.get(name) ?? []) if (entry.listener == listener) entry.end();
  }

  emit<K extends keyof E>(name: K, event: E[K]): void {
    const entries = this.#entries.get(name);
    for (const entry of [...(entries ?? [])]) {
      // One before it may have ended it.
      if (!entries!.has(entry)) continue;
      try {
        entry.call(event);
      } catch (error) {
        // Thrown where nothing of ours is on the stack.
        setTimeout(() => {
          throw error;
        });
      }
    }
  }

  /** Resolves with the first value that a handler gives for its event; rejects with what one throws. */
  until<T>(handlers: { readonly [K in keyof E]?: (event: E[K]) => T | undefined }): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const offs: (() => void)[] = [];
      for (const name in handlers) {
        const handle = handlers[name]!;
        offs.push(
          this.on(name, (event) => {
            try {
              const value = handle(event);
              if (value === undefined) return;
              resolve(value);
            } catch (error) {
              reject(error);
            }
            for (const off of offs) off();
          }),
        );
      }
    });
  }
}
