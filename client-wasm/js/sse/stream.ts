import type { FetchInit, FetchResponse } from "./types.js";

/** Bytes of an explanation that are looked at, how long they may take, and characters of it that are shown. */
const MOST = 4096, PATIENCE_MS = 500, SHOWN = 200;

/** Why there is no stream: an HTTP status, 1 for an answer that is none, 0 for no answer at all. */
export interface Refusal {
  status: number;
  /** `Retry-After` in seconds; −1 for none. */
  retryAfter: number;
  words: string;
}

/** Who is told of one request; nothing after {@link Stream.drop}. */
export interface StreamEars {
  opened(): void;
  refused(refusal: Refusal): void;
  bytes(piece: Uint8Array): void;
  /** `said`: as HTTP ends an answer. */
  ended(said: boolean): void;
}

/** One request for a stream of events, and its answer. */
export class Stream {
  readonly #abort = new AbortController();

  constructor(
    readonly conn: number,
    fetching: (init: FetchInit) => Promise<FetchResponse>,
    headers: Record<string, string>,
    ears: StreamEars,
  ) {
    const { signal } = this.#abort;
    // Tokens authenticate here, and what is cached is no stream. Where a redirect leads nobody has said the token may go.
    const init: FetchInit = { headers, signal, cache: "no-store", redirect: "manual" };
    void this.#read(fetching, init, ears);
  }

  /** Nothing of it is told any more. */
  drop(): void {
    this.#abort.abort();
  }

  async #read(fetching: (init: FetchInit) => Promise<FetchResponse>, init: FetchInit, ears: StreamEars): Promise<void> {
    const { signal } = this.#abort;
    let response: FetchResponse;
    try {
      response = await fetching(init);
    } catch (error) {
      if (!signal.aborted) ears.refused({ status: 0, retryAfter: -1, words: String((error as Error)?.message ?? error) });
      return;
    }
    if (signal.aborted) return;
    const refusal = refused(response);
    if (refusal || !response.body) {
      const said = refusal && refusal.status >= 400 ? await explanation(response) : "";
      if (signal.aborted) return;
      this.drop();
      if (said) refusal!.words += `: ${said}`;
      return ears.refused(refusal ?? none("there is no body in the answer"));
    }
    ears.opened();
    const reader = response.body.getReader();
    for (;;) {
      const read = await (async () => reader.read())().catch(() => undefined);
      if (signal.aborted) return;
      if (!read?.value) return ears.ended(!!read);
      ears.bytes(read.value);
    }
  }
}

/** What an error in JSON says of itself, as far as that has come in time. */
async function explanation({ headers, body }: FetchResponse): Promise<string> {
  if (!body || !/json/i.test(headers.get("content-type") ?? "")) return "";
  let timer: unknown;
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), PATIENCE_MS)));
  const decoder = new TextDecoder();
  let text = "";
  try {
    const reader = body.getReader();
    while (text.length < MOST) {
      const read = await Promise.race([reader.read(), late]);
      if (!read?.value) break;
      text += decoder.decode(read.value.subarray(0, MOST), { stream: true });
    }
    const { message } = JSON.parse(text) as { message?: unknown };
    // Nothing in it acts on what shows it.
    return typeof message == "string" ? message.replace(/[\p{Cc}\p{Cf}]/gu, "").slice(0, SHOWN) : "";
  } catch {
    return "";
  } finally {
    clearTimeout(timer as number);
  }
}

const none = (words: string): Refusal => ({ status: 1, retryAfter: -1, words });

function refused(response: FetchResponse): Refusal | undefined {
  // Its status is hidden.
  if (response.type == "opaqueredirect") return { status: 302, retryAfter: -1, words: "redirects are not followed" };
  const { status } = response;
  const kind = response.headers.get("content-type") ?? "";
  const words = `the server answered HTTP ${status}`;
  if (status == 200) return /^\s*text\/event-stream\s*(;|$)/i.test(kind) ? undefined : none(`${words}: this is not a stream of events`);
  if (status > 200 && status < 300 && status != 204) return none(words);
  const retryAfter = /^\s*\d+\s*$/.exec(response.headers.get("retry-after") ?? "");
  return { status, retryAfter: retryAfter ? Number(retryAfter[0]) : -1, words };
}
