// Bounded async iteration over messages, for `for await`.
import { abortReason, onAbort } from "../util/abort.js";
import { ended, RejoinError } from "../errors.js";
import type { AbortSignalLike } from "../types.js";

/** Most buffered messages, and characters of them. */
const MAX_MESSAGES = 65_536;
const MAX_CHARACTERS = 16 << 20;

/** Ends an iteration when its client ends: without an error if it was closed. */
export function endWith({ state, cause }: { state: string; cause?: Exclude<Parameters<typeof ended>[0], false> }, end: (why?: unknown) => void): void {
  if (state == "closed") end();
  if (state == "failed") end(ended(cause));
}

/**
 * Iterates over the messages that `begin` passes to `take`, until it calls `end`. Earlier messages are returned
 * first. `begin` returns the functions that unsubscribe.
 */
export function iterate<T extends { readonly content: string }>(
  signal: AbortSignalLike | undefined,
  begin: (take: (message: T) => void, end: (why?: unknown) => void) => (() => void)[],
): AsyncIterableIterator<T> {
  const queue: T[] = [];
  let characters = 0;
  let isOver = false;
  let error: unknown;
  /** Pending calls of next(). */
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
        if (isOver) return;
        queue.push(message);
        characters += message.content.length;
        if (queue.length > MAX_MESSAGES || characters > MAX_CHARACTERS) {
          end(new RejoinError("lagged", "too many messages wait to be taken", 'take them faster, or use on("message")'));
        }
        wake();
      }, end),
    );
  }
  return {
    async next() {
      while (!queue.length && !isOver) await new Promise<void>((resolve) => wakes.push(resolve));
      const value = queue.shift();
      if (value) {
        characters -= value.content.length;
        return { done: false, value };
      }
      // The error is thrown once.
      const why = error;
      error = undefined;
      if (why !== undefined) throw why;
      return { done: true, value: undefined };
    },
    async return() {
      end();
      queue.length = 0;
      error = undefined;
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
