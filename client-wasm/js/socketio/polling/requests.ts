// The HTTP requests of one session by long polling: their address, header fields, cookies and deadlines. Knows nothing of what is
// in them.
import type { Clock } from "../../types.js";
import { errorMessage } from "../../util/error_body.js";
import { REFUSALS, retryAfterOf } from "../../util/retry_after.js";

/** Most characters of an answer. */
const MAX_ANSWER = 32 << 20;
/** How long the first request may take, in ms; the server says how long the others may. */
const OPENING_PATIENCE = 30_000;
/** Most cookies, and characters of all of them. */
const MAX_COOKIES = 32;
const MAX_COOKIE_LENGTH = 8 << 10;


/** What all requests of a session have. */
export interface RequestOptions {
  headers: Record<string, string> | undefined;
  withCredentials: boolean;
  clock: Clock;
}

/** The session is over for this reason; `code` is a WebSocket's close code. */
export class PollingError extends Error {
  constructor(
    message: string,
    readonly code = 1006,
    /** The HTTP status of an answer that counts as at a WebSocket's upgrade, and its `Retry-After` in ms. */
    readonly status?: number,
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

export class Requests {
  /** How long one may take, in ms. */
  patience = OPENING_PATIENCE;
  /** The server's id of the session. */
  sid = "";
  readonly #running = new Set<AbortController>();
  /**
   * Cookies that the server has set, for load balancers that know a session by them. A browser keeps them itself and shows none
   * of them.
   */
  readonly #cookies = new Map<string, string>();

  constructor(
    readonly url: string,
    readonly options: RequestOptions,
  ) {}

  /** Asks for packets. */
  get(): Promise<string> {
    return this.#request({ method: "GET" }, true);
  }

  /** Sends packets. `isLast`: it is sent even if the page is closed meanwhile. */
  async post(body: string, isLast: boolean): Promise<void> {
    // Browsers bound what outlives a page.
    await this.#request({ method: "POST", body, ...(isLast && body.length < 16_000 && { keepalive: true }) }, false);
  }

  /** The address of the same session for a WebSocket, and its header fields. */
  get socketUrl(): string {
    const url = new URL(this.#address);
    url.protocol = url.protocol.replace("http", "ws");
    url.searchParams.set("transport", "websocket");
    return url.href;
  }

  get headers(): Record<string, string> {
    const headers = { ...this.options.headers };
    if (!this.#cookies.size) return headers;
    const name = Object.keys(headers).find((name) => name.toLowerCase() == "cookie") ?? "cookie";
    const own = headers[name] ? headers[name].split(/;\s*/) : [];
    // The application's own win.
    const set = [...this.#cookies].filter(([name]) => !own.some((pair) => pair.split("=")[0]!.trim() == name));
    return { ...headers, [name]: [...own, ...set.map((pair) => pair.join("="))].join("; ") };
  }

  /** Ends those under way. */
  abort(): void {
    for (const running of this.#running) running.abort();
  }

  get #address(): string {
    const url = new URL(this.url);
    if (this.sid) url.searchParams.set("sid", this.sid);
    return url.href;
  }

  /** `forPackets`: the answer has packets, while that to a POST is `ok` in whatever form. */
  async #request(init: RequestInit, forPackets: boolean): Promise<string> {
    const { clock, withCredentials } = this.options;
    const abort = new AbortController();
    this.#running.add(abort);
    let isLate = false;
    const timer = clock.setTimeout(() => {
      isLate = true;
      abort.abort();
    }, this.patience);
    try {
      const response = await fetch(this.#address, {
        ...init,
        headers: this.headers,
        signal: abort.signal,
        cache: "no-store",
        redirect: "manual",
        // Workers know no such field.
        ...(withCredentials && { credentials: "include" }),
      });
      this.#takeCookies(response.headers);
      if (response.status != 200) throw await refusal(response);
      if (forPackets && /^\s*text\/html/i.test(response.headers.get("content-type") ?? "")) throw new PollingError("a web page answers, not a Socket.IO server");
      return await textOf(response);
    } catch (error) {
      // What is left of the answer is not wanted.
      abort.abort();
      if (isLate) throw new PollingError(`no answer for ${this.patience / 1000} s`);
      throw error;
    } finally {
      clock.clearTimeout(timer);
      this.#running.delete(abort);
    }
  }

  #takeCookies(headers: Headers): void {
    for (const line of headers.getSetCookie?.() ?? []) {
      const [pair, ...attributes] = line.split(";");
      const [, name, value] = /^\s*([^=]+?)\s*=\s*(.*?)\s*$/.exec(pair!) ?? [];
      if (!name) continue;
      this.#cookies.delete(name);
      const isOver = attributes.some((attribute) => /^\s*max-age\s*=\s*(0|-\d+)\s*$/i.test(attribute));
      const length = [...this.#cookies].reduce((sum, pair) => sum + pair.join().length, line.length);
      if (!isOver && this.#cookies.size < MAX_COOKIES && length <= MAX_COOKIE_LENGTH) this.#cookies.set(name, value!);
    }
  }
}

/** Why there are no packets in an answer. */
async function refusal(response: Response): Promise<PollingError> {
  // The browser hides the status of a redirect.
  if (response.type == "opaqueredirect" || (response.status >= 300 && response.status < 400)) return new PollingError("redirects are not followed");
  if (response.status == 413) return new PollingError("the server takes no message of this size", 1009);
  const words = await errorMessage(response);
  const { status } = response;
  return new PollingError(`${words && `${words}: `}HTTP ${status}`, 1006, REFUSALS.includes(status) ? status : undefined, retryAfterOf((name) => response.headers.get(name)));
}

/** The text of an answer. Throws if it is too long. */
async function textOf(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  const reader = response.body?.getReader();
  for (let read; (read = await reader?.read())?.value; ) {
    text += decoder.decode(read.value, { stream: true });
    if (text.length > MAX_ANSWER) throw new PollingError("an answer is too long");
  }
  return text + decoder.decode();
}
