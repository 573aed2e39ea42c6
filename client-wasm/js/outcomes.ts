import { onAbort } from "./abort.js";
import { sendError, type Reply } from "./errors.js";
import { codes, sendFailures } from "./names.js";
import type { AbortSignalLike, Clock, Receipt } from "./types.js";

/** Who waits for an outcome. */
export interface Waiting {
  resolve(receipt: Receipt): void;
  reject(error: Error): void;
  forget: () => void;
}

/** The sends that have no outcome yet, by number. */
export class Outcomes {
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;
  /** Two may close at a time. */
  readonly #drained = new Set<() => void>();

  /** The number of another send of this page. */
  next(): number {
    return ++this.#last;
  }

  wait(send: number, waiting: Waiting): void {
    this.#waiting.set(send, waiting);
  }

  /** The outcome is known, and what the server answered where that is more. Gives what tells it, with the limit on a message. */
  settle([send, status, failure, code, seq]: readonly number[], id: string, reply: Reply, limit: number | undefined): () => void {
    const waiting = this.#waiting.get(send!);
    this.#waiting.delete(send!);
    waiting?.forget();
    return () => {
      if (status == 1) waiting?.resolve({ status: "written" });
      else if (status == 2) waiting?.resolve({ status: "acked", id, seq: seq!, ...reply });
      else if (status == 3) waiting?.reject(sendError("unknown", "unknown"));
      else waiting?.reject(sendError("failed", code ? codes[code - 1]! : sendFailures[failure! - 1]!, reply, limit));
      if (!this.#waiting.size) for (const drained of this.#drained) drained();
    };
  }

  /** Resolves when every send has its outcome, when the time is over, or when the signal is aborted. */
  async drain(timeout: number, clock: Clock, signal: AbortSignalLike | undefined): Promise<void> {
    if (!this.#waiting.size || signal?.aborted) return;
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
