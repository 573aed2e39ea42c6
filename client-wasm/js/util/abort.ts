// AbortSignal helpers for everything that waits.
import { RejoinError } from "../errors.js";
import type { AbortSignalLike } from "../types.js";

/** Calls `stop` when the signal is aborted. Returns a function that unsubscribes. */
export function onAbort(signal: AbortSignalLike | undefined, stop: () => void): () => void {
  signal?.addEventListener("abort", stop);
  return () => signal?.removeEventListener("abort", stop);
}

/** The reason with which an aborted wait rejects. */
export const abortReason = (signal: AbortSignalLike): unknown =>
  signal.reason ?? new RejoinError("cancelled", "the signal was aborted", "start again with another signal");

/** Rejects as soon as the signal is aborted; the result of `promise` is then ignored. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignalLike | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise<T>((resolve, reject) => {
    const abort = () => reject(abortReason(signal));
    if (signal.aborted) abort();
    const off = onAbort(signal, abort);
    promise.then(resolve, reject).finally(off);
  });
}
