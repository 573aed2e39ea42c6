// One HTTP request for an event stream, from the request to the end of its body. Decides nothing.
import { secondsUntil } from "../util/retry_after.js";
import { errorMessage } from "../util/error_body.js";
import type { FetchInit, FetchResponse } from "./types.js";

/** Why there is no stream: an HTTP status; 1 for a wrong content; 0 for no response. */
export interface Refusal {
  status: number;
  /** `Retry-After` in seconds; −1 for none. */
  retryAfter: number;
  text: string;
  /** It is JSON, as a room server's is, and no page of something on the way. */
  isJson?: boolean;
}

/** Notifications of one request; none after {@link Stream.drop}. */
export interface StreamHandlers {
  opened(): void;
  refused(refusal: Refusal): void;
  /** More is read when it has resolved. */
  bytes(piece: Uint8Array): void | Promise<void>;
  /** `isClean`: the body ended as HTTP prescribes. */
  ended(isClean: boolean): void;
}

/** One request for a stream of events, and its answer. */
export class Stream {
  readonly #abort = new AbortController();

  constructor(
    readonly conn: number,
    fetching: (init: FetchInit) => Promise<FetchResponse>,
    headers: Record<string, string>,
    handlers: StreamHandlers,
  ) {
    const { signal } = this.#abort;
    // The response depends on the token and must not come from a cache. Redirects are not followed: the token stays with this server.
    const init: FetchInit = { headers, signal, cache: "no-store", redirect: "manual" };
    void this.#read(fetching, init, handlers);
  }

  /** Aborts the request; no further notification follows. */
  drop(): void {
    this.#abort.abort();
  }

  async #read(fetching: (init: FetchInit) => Promise<FetchResponse>, init: FetchInit, handlers: StreamHandlers): Promise<void> {
    const { signal } = this.#abort;
    let response: FetchResponse;
    let refusal: Refusal | undefined;
    try {
      response = await fetching(init);
      // The application's own fetch may answer with anything.
      refusal = refusalOf(response);
    } catch (error) {
      if (!signal.aborted) handlers.refused({ status: 0, retryAfter: -1, text: String((error as Error)?.message ?? error) });
      return;
    }
    if (signal.aborted) return;
    if (refusal || !response.body) {
      const message = refusal && refusal.status >= 400 ? await errorMessage(response) : "";
      if (signal.aborted) return;
      this.drop();
      if (message) refusal!.text += `: ${message}`;
      return handlers.refused(refusal ?? notAStream("there is no body in the answer"));
    }
    handlers.opened();
    const reader = response.body.getReader();
    for (;;) {
      const read = await (async () => reader.read())().catch(() => undefined);
      if (signal.aborted) return;
      if (!read?.value) return handlers.ended(!!read);
      await handlers.bytes(read.value);
      if (signal.aborted) return;
    }
  }
}

const notAStream = (words: string): Refusal => ({ status: 1, retryAfter: -1, text: words });

/** Why the answer is no stream; undefined where it is one. */
export function refusalOf(response: FetchResponse): Refusal | undefined {
  // The browser hides the status of a redirect.
  if (response.type == "opaqueredirect") return { status: 302, retryAfter: -1, text: "redirects are not followed" };
  const { status } = response;
  const kind = response.headers.get("content-type") ?? "";
  const words = `the server answered HTTP ${status}`;
  if (status == 200) return /^\s*text\/event-stream\s*(;|$)/i.test(kind) ? undefined : notAStream(`${words}: this is not a stream of events`);
  if (status > 200 && status < 300 && status != 204) return notAStream(words);
  const retryAfter = secondsUntil(response.headers.get("retry-after"), response.headers.get("date"));
  return { status, retryAfter, text: words, isJson: /json/i.test(kind) };
}
