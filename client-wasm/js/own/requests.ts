// Frames that want an answer. Finds the answer by the field that it repeats; sends nothing again.
import { abortReason, onAbort } from "../abort.js";
import { ended, RejoinError } from "../errors.js";
import type { State } from "../names.js";
import type { Clock, SendOptions } from "../types.js";
import { argument, check, object } from "../validate.js";
import { given } from "./given.js";
import type { AnyFrame, RequestOptions } from "./types.js";

/** Most requests without an answer. */
const MOST = 1_024;
/** How long an answer is waited for, in ms, if the application says nothing. */
const TIMEOUT = 30_000;

/** One that has no answer yet. */
interface Open {
  isWritten: boolean;
  /** Ends it, once. */
  answered(data: unknown): void;
  failed(error: unknown): void;
}

/** Sends what is to be asked, and tells what becomes of it. */
export type Ask = (frame: { data: unknown; bytes: number }, options: SendOptions, written: () => void, failed: (error: Error) => void) => void;

/** The requests of one client. */
export class Requests {
  /** By the JSON of what the answer repeats. */
  readonly #open = new Map<string, Open>();
  #last = 0;

  constructor(
    readonly field: string | undefined,
    readonly clock: Clock,
    readonly ask: Ask,
  ) {}

  /** Gives a frame to the request that it answers; whether there is one. */
  takes({ data }: AnyFrame): boolean {
    if (!this.#open.size || !object[0](data)) return false;
    const open = this.#open.get(keyOf((data as { [field: string]: unknown })[this.field!]));
    open?.answered(data);
    return !!open;
  }

  /** The state has changed: on a connection that is gone nothing is answered any more. */
  changed(state: State): void {
    if (state == "connected") return;
    const isOver = state == "closing" || state == "closed" || state == "failed";
    for (const open of [...this.#open.values()]) {
      if (open.isWritten) open.failed(isOver ? ended() : lost());
    }
  }

  /** Throws for what cannot be asked. */
  request(frame: unknown, { timeout = TIMEOUT, signal }: RequestOptions): Promise<unknown> {
    const { field, clock } = this;
    check(!!field, "bad_option", "it is not known which field an answer repeats", 'connect with { correlate: "id" }, or what the field is called');
    argument(frame, object, "request");
    if (signal?.aborted) throw abortReason(signal);
    const [key, said] = this.#marked(field!, frame);
    if (this.#open.size >= MOST) throw new RejoinError("too_many_requests", `${MOST} requests are without an answer`, "wait for some of them");
    return new Promise((resolve, reject) => {
      const taking = new AbortController();
      const end = () => {
        clock.clearTimeout(timer);
        forget();
        this.#open.delete(key);
        // If it is not on its way yet, it need not go.
        taking.abort();
      };
      const failed = (error: unknown) => {
        end();
        reject(error);
      };
      const open: Open = {
        isWritten: false,
        failed,
        answered(data) {
          end();
          resolve(data);
        },
      };
      const late = () => failed(new RejoinError("timeout", "no answer came in time", "if there was a connection, the server may have dealt with it, or may yet"));
      const timer = clock.setTimeout(late, timeout);
      const forget = onAbort(signal, () => failed(abortReason(signal!)));
      this.#open.set(key, open);
      this.ask(
        said,
        { timeout, signal: taking.signal },
        () => (open.isWritten = true),
        (error) => this.#open.get(key) == open && failed((error as { outcome?: string }).outcome == "unknown" ? lost() : error),
      );
    });
  }

  /** The frame with the field, and what the answer repeats. */
  #marked(field: string, frame: unknown): [key: string, said: ReturnType<typeof given>] {
    const said = given(frame);
    const data = said.data as { [field: string]: unknown };
    const mark = data[field];
    if (mark === undefined) {
      let key: string;
      do key = `r${++this.#last}`;
      while (this.#open.has(keyOf(key)));
      return [keyOf(key), given({ [field]: key, ...data })];
    }
    const key = keyOf(mark);
    check(key != "", "bad_argument", `the field "${field}" of the request is neither a text nor a number`, "leave it out: then it gets one");
    check(!this.#open.has(key), "bad_argument", `the field "${field}" of the request is that of another one under way`, "leave it out: then it gets one of its own");
    return [key, said];
  }
}

const lost = (): RejoinError =>
  new RejoinError("connection_lost", "the connection was lost before the answer came", "the server may have dealt with the request, or not: look before you ask again");

const keyOf = (mark: unknown): string => (typeof mark == "string" || typeof mark == "number" ? JSON.stringify(mark) : "");
