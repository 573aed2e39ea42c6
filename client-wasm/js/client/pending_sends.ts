// The sends without an outcome. Settles their promises; sends nothing.
import { onAbort } from "../util/abort.js";
import { sendError, type Reply } from "../errors.js";
import { codes, sendFailures } from "../wasm/codes.js";
import type { AbortSignalLike, Clock, Receipt } from "../types.js";

/** The promise of a send. */
export interface PendingSend {
  resolve(receipt: Receipt): void;
  reject(error: Error): void;
  detach: () => void;
}

/** The sends without an outcome, by number. */
export class PendingSends {
  readonly #sends = new Map<number, PendingSend>();
  #last = 0;
  /** close() may be called several times. */
  readonly #drained = new Set<() => void>();

  /** The number of the next send. */
  next(): number {
    return ++this.#last;
  }

  add(send: number, waiting: PendingSend): void {
    this.#sends.set(send, waiting);
  }

  /** Records an outcome; returns the function that settles the promise. `limit`: most bytes of a message. */
  settle([send, status, failure, code, seq]: readonly number[], id: string, reply: Reply, limit: number | undefined): () => void {
    const waiting = this.#sends.get(send!);
    this.#sends.delete(send!);
    waiting?.detach();
    return () => {
      if (status == 1) waiting?.resolve({ status: "written" });
      else if (status == 2) waiting?.resolve({ status: "acked", id, seq: seq!, ...reply });
      else if (status == 3) waiting?.reject(sendError("unknown", "unknown"));
      else waiting?.reject(sendError("failed", code ? codes[code - 1]! : sendFailures[failure! - 1]!, reply, limit));
      if (!this.#sends.size) for (const drained of this.#drained) drained();
    };
  }

  /** Resolves when every send has its outcome, when the time is over, or when the signal is aborted. */
  async drain(timeout: number, clock: Clock, signal: AbortSignalLike | undefined): Promise<void> {
    if (!this.#sends.size || signal?.aborted) return;
    let timer: unknown;
    let off: () => void;
    await new Promise<void>((resolve) => {
      timer = clock.setTimeout(resolve, timeout);
      off = onAbort(signal, resolve);
      this.#drained.add(resolve);
    });
    clock.clearTimeout(timer);
    off!();
  }
}
