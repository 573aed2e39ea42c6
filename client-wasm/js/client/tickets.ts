// Fetches one-time tickets and puts one into each dial in place of the token. A logged ticket is worthless.
// Knows nothing of what a client does with its connection.
import { RejoinError } from "../errors.js";
import { REFUSALS, retryAfterOf } from "../util/retry_after.js";
import type { Fetch as FeedFetch } from "../sse/types.js";
import type { TokenSource, UrlLike, WebSocketConstructor, WebSocketLike } from "../types.js";

/** Timeout of a ticket request, in ms. */
const TICKET_TIMEOUT = 10_000;

/** Most characters of a response. */
const MAX_BODY = 64 * 1024;

/** The options that concern tickets. */
export interface TicketOptions {
  token?: TokenSource;
  ticketUrl?: string | UrlLike;
}

type Fetch = (url: string, init: RequestInit) => Promise<Pick<Response, "ok" | "status" | "text" | "headers">>;


/** Why there is no ticket. `permanent`: a retry does not help. */
class NoTicket extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly permanent: boolean,
    /** `Retry-After` in ms. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** The tickets of one client. */
export class Tickets {
  readonly #url: string;
  /** The last token of the token function. */
  #bearer: string | undefined;
  /** The server of the tickets refuses the token, or gives none for now: the next dial fails so. */
  #refusal: NoTicket | undefined;
  /** The last issued ticket was used: it is spent. */
  #isUsed = true;

  constructor(
    { token, ticketUrl }: TicketOptions,
    readonly fetching: Fetch = (url, init) => fetch(url, init),
  ) {
    const page = globalThis.location?.href;
    let url: URL;
    try {
      url = new URL(typeof ticketUrl == "string" ? ticketUrl : ticketUrl!.href, page);
    } catch (cause) {
      throw new RejoinError("bad_option", "ticketUrl is not a URL", "it should look like https://host/tickets", { cause });
    }
    if (!/^https?:$/.test(url.protocol) || url.username) {
      throw new RejoinError("bad_option", "ticketUrl is not the address of a web server", "it begins with https:// and has no user");
    }
    this.#url = url.href;
    this.token = token;
  }

  readonly token: TokenSource | undefined;
  /** The last ticket issued to the client. */
  issued: string | undefined;

  /** A token source that issues tickets. */
  readonly source = async ({ rejected }: { rejected: boolean }): Promise<string> => {
    this.#refusal = undefined;
    try {
      this.issued = await this.#get(rejected);
    } catch (error) {
      if (!(error instanceof NoTicket) || !REFUSALS.includes(error.status)) throw error;
      // The dial fails as where the room server refuses it.
      this.#refusal = error;
      return (this.issued = "refused");
    }
    this.#isUsed = false;
    return this.issued;
  };

  /** An unused ticket: the issued one or a new one. */
  async fresh(): Promise<string> {
    const refusal = this.#refusal;
    if (refusal) {
      // The next dial asks again.
      if (!refusal.permanent) this.#refusal = undefined;
      throw refusal;
    }
    if (this.#isUsed) return this.#get(false);
    this.#isUsed = true;
    return this.issued!;
  }

  async #get(rejected: boolean): Promise<string> {
    for (let again = rejected; ; again = true) {
      const { token } = this;
      if (typeof token == "function") {
        if (again || this.#bearer == undefined) this.#bearer = await token({ rejected: again });
      } else this.#bearer = token;
      try {
        return await this.#request(this.#bearer);
      } catch (error) {
        // The token may have expired: one retry with a new token.
        if (again || typeof token != "function" || !(error as NoTicket).permanent) throw error;
      }
    }
  }

  async #request(bearer: string | undefined): Promise<string> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), TICKET_TIMEOUT);
    try {
      const answer = await this.fetching(this.#url, {
        method: "POST",
        // Without a token the page's cookies authenticate.
        ...(bearer ? { headers: { authorization: `Bearer ${bearer}` } } : { credentials: "include" }),
        cache: "no-store",
        redirect: "error",
        signal: abort.signal,
      });
      const { status } = answer;
      if (!answer.ok) throw new NoTicket(`no ticket: HTTP ${status}`, status, status == 401 || status == 403, retryAfterOf((name) => answer.headers?.get(name)));
      const text = await answer.text();
      let ticket: unknown;
      try {
        ticket = text.length <= MAX_BODY && JSON.parse(text).ticket;
      } catch {
        // Handled below as a missing ticket.
      }
      if (typeof ticket != "string" || !ticket) throw new NoTicket('no ticket: the answer is not {"ticket": "…"}', status, false);
      return ticket;
    } finally {
      clearTimeout(timer);
    }
  }
}

type Listener = (event: any) => void;

/** A socket that dials after it has obtained a ticket. */
class TicketSocket implements WebSocketLike {
  #binaryType = "blob";
  onerror: Listener | null = null;
  #socket: WebSocketLike | undefined;
  #retryAfter: number | undefined;
  #isEnded = false;
  readonly #listeners = new Map<string, Set<Listener>>();

  constructor(
    readonly url: string,
    readonly inAddress: boolean,
    readonly tickets: Tickets,
    socket: WebSocketConstructor,
  ) {
    void this.#dial(socket);
  }

  get binaryType(): string {
    return this.#binaryType;
  }

  set binaryType(type: string) {
    this.#binaryType = type;
    if (this.#socket) this.#socket.binaryType = type;
  }

  get readyState(): number {
    return this.#socket ? this.#socket.readyState : this.#isEnded ? 3 : 0;
  }

  get bufferedAmount(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  get retryAfter(): number | undefined {
    return this.#socket ? this.#socket.retryAfter : this.#retryAfter;
  }

  /** The ticket that replaces the client's token in CONNECT. */
  #fresh = "";

  async #dial(socket: WebSocketConstructor): Promise<void> {
    const url = new URL(this.url);
    try {
      const fresh = await this.tickets.fresh();
      if (this.inAddress) {
        url.searchParams.delete("token");
        url.searchParams.set("ticket", fresh);
      } else this.#fresh = fresh;
    } catch (error) {
      return this.#refused(error as NoTicket);
    }
    if (this.#isEnded) return;
    try {
      this.#socket = new socket(url.href);
    } catch (error) {
      return this.#refused(error as NoTicket);
    }
    this.#socket.binaryType = this.binaryType;
    this.#socket.onerror = (event) => this.onerror?.(event);
    for (const [type, listeners] of this.#listeners) for (const listener of listeners) this.#socket.addEventListener(type, listener);
  }

  /** Fails like a dial that the room server answers so. */
  #refused({ status, message, retryAfter }: NoTicket): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#retryAfter = retryAfter;
    this.#dispatch("close", { code: REFUSALS.includes(status) ? status : 1006, reason: message });
  }

  #dispatch(type: string, event: unknown): void {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) listener(event);
  }

  send(data: string): void {
    // CONNECT contains the ticket that the client was issued.
    const { issued: given } = this.tickets;
    if (this.#fresh && given && data.startsWith("40")) data = data.replace(JSON.stringify(given), JSON.stringify(this.#fresh));
    this.#socket?.send(data);
  }

  close(code?: number, reason?: string): void {
    if (this.#socket) return this.#socket.close(code, reason);
    if (this.#isEnded) return;
    this.#isEnded = true;
    queueMicrotask(() => this.#dispatch("close", { code: 1006, reason: "" }));
  }

  addEventListener(type: string, listener: Listener): void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener));
    this.#socket?.addEventListener(type, listener);
  }

  removeEventListener(type: string, listener: Listener): void {
    this.#listeners.get(type)?.delete(listener);
    this.#socket?.removeEventListener(type, listener);
  }
}

/** Options whose dials carry a ticket in the address, or in the CONNECT packet of Socket.IO. */
export function withTickets<O extends TicketOptions & { webSocket?: WebSocketConstructor }>(options: O, inAddress = true): O {
  const tickets = new Tickets(options);
  const real = options.webSocket ?? (globalThis.WebSocket as WebSocketConstructor | undefined);
  const webSocket = function (url: string) {
    return new TicketSocket(url, inAddress, tickets, real!);
  };
  return { ...options, token: tickets.source, webSocket: real && (webSocket as unknown as WebSocketConstructor) };
}

/** Options whose requests carry a ticket in the header. */
export function withTicketsInHeader<O extends TicketOptions & { fetch?: FeedFetch }>(options: O): O {
  const tickets = new Tickets(options);
  const real: FeedFetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
  const fetching: FeedFetch = async (url, init) => {
    const headers = { ...init.headers };
    try {
      headers["authorization"] = `Bearer ${await tickets.fresh()}`;
    } catch (error) {
      const { status, retryAfter } = error as NoTicket;
      if (!REFUSALS.includes(status)) throw error;
      // As the server would refuse it.
      return new Response(null, { status, headers: retryAfter ? { "retry-after": `${Math.ceil(retryAfter / 1000)}` } : {} });
    }
    return real(url, { ...init, headers });
  };
  return { ...options, token: tickets.source, fetch: fetching };
}
