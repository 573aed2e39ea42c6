// Typed event listeners by event name.
import { onAbort } from "./abort.js";
import type { ListenOptions } from "../types.js";
import { checkArgument, func, checkFields, checkName, signal } from "../client/arguments.js";

/** One registration; registering a function twice makes two. */
interface Entry {
  readonly listener: unknown;
  call(event: any): void;
  end(): void;
}

/** Event listeners by name. An exception of a listener goes to the page's error handler and affects nothing else. */
export class Emitter<E> {
  readonly #entries = new Map<keyof E, Set<Entry>>();

  constructor(public names: readonly (keyof E & string)[]) {}

  /** Throws for an unknown event, or a listener that is not a function. */
  protected check(name: unknown, listener: unknown): void {
    checkName(name, this.names, "event");
    checkArgument(listener, func, `the listener of "${String(name)}"`);
  }

  /** Returns a function that unsubscribes. `once`: unsubscribes after the first event. */
  on<K extends keyof E>(name: K, listener: (event: E[K]) => void, options: ListenOptions = {}, once = false): () => void {
    this.check(name, listener);
    checkFields(options, { signal });
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

  /** Removes every registration of this function. */
  off<K extends keyof E>(name: K, listener: (event: E[K]) => void): void {
    this.check(name, listener);
    for (const entry of this.#entries.get(name) ?? []) if (entry.listener == listener) entry.end();
  }

  emit<K extends keyof E>(name: K, event: E[K]): void {
    const entries = this.#entries.get(name);
    for (const entry of [...(entries ?? [])]) {
      // An earlier listener may have removed it.
      if (!entries!.has(entry)) continue;
      try {
        entry.call(event);
      } catch (error) {
        // Rethrown outside the client's call stack.
        setTimeout(() => {
          throw error;
        });
      }
    }
  }

  /** Resolves with the first value a handler returns; rejects with an exception of a handler. */
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
