// Matches application requests with their responses by the correlation field. Sends nothing twice.
import { abortReason, onAbort } from "../util/abort.js";
import { ended, RejoinError } from "../errors.js";
import type { State } from "../wasm/codes.js";
import type { Clock, SendOptions } from "../types.js";
import { checkArgument, check, object } from "../client/arguments.js";
import { checkFrame } from "./frame.js";
import type { AnyFrame, RequestOptions } from "./types.js";

/** Most open requests. */
const MAX_REQUESTS = 1_024;
/** Default timeout of a request, in ms. */
const TIMEOUT = 30_000;

/** A request without an answer. */
interface OpenRequest {
  isWritten: boolean;
  /** Ends it, once. */
  answered(data: unknown): void;
  failed(error: unknown): void;
}

/** Sends a request and reports whether it was written or failed. */
export type SendRequest = (frame: { data: unknown; bytes: number }, options: SendOptions, written: () => void, failed: (error: Error) => void) => void;

/** The requests of one client. */
export class Requests {
  /** By the JSON of the correlation value. */
  readonly #open = new Map<string, OpenRequest>();
  #last = 0;

  constructor(
    readonly field: string | undefined,
    readonly clock: Clock,
    readonly send: SendRequest,
  ) {}

  /** Resolves the request that this frame answers; returns whether there is one. */
  resolves({ data }: AnyFrame): boolean {
    if (!this.#open.size || !object[0](data)) return false;
    const open = this.#open.get(keyOf((data as { [field: string]: unknown })[this.field!]));
    open?.answered(data);
    return !!open;
  }

  /** Fails written requests when the connection is lost: no answer can arrive on another one. */
  stateChanged(state: State): void {
    if (state == "connected") return;
    const isOver = state == "closing" || state == "closed" || state == "failed";
    for (const open of [...this.#open.values()]) {
      if (open.isWritten) open.failed(isOver ? ended() : lost());
    }
  }

  /** Sends a request. Throws for invalid arguments. */
  request(frame: unknown, { timeout = TIMEOUT, signal }: RequestOptions): Promise<unknown> {
    const { field, clock } = this;
    check(!!field, "bad_option", "it is not known which field an answer repeats", 'connect with { correlate: "id" }, or what the field is called');
    checkArgument(frame, [(value) => object[0](value) && !ArrayBuffer.isView(value), "an object"], "request");
    if (signal?.aborted) throw abortReason(signal);
    const [key, request] = this.#correlated(field!, frame);
    if (this.#open.size >= MAX_REQUESTS) throw new RejoinError("too_many_requests", `${MAX_REQUESTS} requests are without an answer`, "wait for some of them");
    return new Promise((resolve, reject) => {
      const cancel = new AbortController();
      const end = () => {
        clock.clearTimeout(timer);
        forget();
        this.#open.delete(key);
        // Cancels the send if it is not on its way yet.
        cancel.abort();
      };
      const failed = (error: unknown) => {
        end();
        reject(error);
      };
      const open: OpenRequest = {
        isWritten: false,
        failed,
        answered(data) {
          end();
          resolve(data);
        },
      };
      const timedOut = () => failed(new RejoinError("timeout", "no answer came in time", "if there was a connection, the server may have dealt with it, or may yet"));
      const timer = clock.setTimeout(timedOut, timeout);
      const forget = onAbort(signal, () => failed(abortReason(signal!)));
      this.#open.set(key, open);
      this.send(
        request,
        { timeout, signal: cancel.signal },
        () => (open.isWritten = true),
        (error) => this.#open.get(key) == open && failed((error as { outcome?: string }).outcome == "unknown" ? lost() : error),
      );
    });
  }

  /** The frame with its correlation field, and the key of the answer. */
  #correlated(field: string, frame: unknown): [key: string, said: ReturnType<typeof checkFrame>] {
    const request = checkFrame(frame);
    const data = request.data as { [field: string]: unknown };
    const value = data[field];
    if (value === undefined) {
      let key: string;
      do key = `r${++this.#last}`;
      while (this.#open.has(keyOf(key)));
      return [keyOf(key), checkFrame({ [field]: key, ...data })];
    }
    const key = keyOf(value);
    check(key != "", "bad_argument", `the field "${field}" of the request is neither a text nor a number`, "leave it out: then it gets one");
    check(!this.#open.has(key), "bad_argument", `the field "${field}" of the request is that of another one under way`, "leave it out: then it gets one of its own");
    return [key, request];
  }
}

const lost = (): RejoinError =>
  new RejoinError("connection_lost", "the connection was lost before the answer came", "the server may have dealt with the request, or not: look before you ask again");

const keyOf = (mark: unknown): string => (typeof mark == "string" || typeof mark == "number" ? JSON.stringify(mark) : "");
