// Messages one by one, for `for await`.
import { abortReason, onAbort } from "./abort.js";
import { ended, RejoinError } from "./errors.js";
import type { AbortSignalLike } from "./types.js";

/** Most messages that wait to be taken, and characters of them. */
const MOST_WAITING = 65_536;
const MOST_CHARACTERS = 16 << 20;

/** Ends an iteration with its client: quietly when that was closed. */
export function endWith({ state, cause }: { state: string; cause?: Exclude<Parameters<typeof ended>[0], false> }, end: (why?: unknown) => void): void {
  if (state == "closed") end();
  if (state == "failed") end(ended(cause));
}

/**
 * What `begin` takes, in order, until it says that this ends: with an error, or quietly. What was taken before is given
 * first. `begin` gives the functions that end what it began.
 */
export function iterate<T extends { readonly content: string }>(
  signal: AbortSignalLike | undefined,
  begin: (take: (message: T) => void, end: (why?: unknown) => void) => (() => void)[],
): AsyncIterableIterator<T> {
  const waiting: T[] = [];
  let characters = 0;
  let isOver = false;
  let error: unknown;
  /** Those who wait for the next one. */
  const wakes: (() => void)[] = [];
  const wake = () => {
    for (const wake of wakes.splice(0)) wake();
  };
  const end = (why?: unknown) => {
    if (isOver) return;
    isOver = true;
    error = why;
    for (const off of offs) off();
    wake();
  };
  const abort = () => end(abortReason(signal!));
  const offs = [onAbort(signal, abort)];
  if (signal?.aborted) abort();
  else {
    offs.push(
      ...begin((message) => {
        waiting.push(message);
        characters += message.content.length;
        if (waiting.length > MOST_WAITING || characters > MOST_CHARACTERS) {
          end(new RejoinError("lagged", "too many messages wait to be taken", 'take them faster, or use on("message")'));
        }
        wake();
      }, end),
    );
  }
  return {
    async next() {
      while (!waiting.length && !isOver) await new Promise<void>((resolve) => wakes.push(resolve));
      const value = waiting.shift();
      if (value) {
        characters -= value.content.length;
        return { done: false, value };
      }
      // It throws once.
      const why = error;
      error = undefined;
      if (why !== undefined) throw why;
      return { done: true, value: undefined };
    },
    async return() {
      end();
      waiting.length = 0;
      error = undefined;
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
