// A ticket for each dial, in the place of a token: tickets are good once, so that none of them in a log is worth anything.
// Knows where tickets are had and where they stand, and nothing of what a client does with its connection.
import { RejoinError } from "./errors.js";
import type { Fetch as FeedFetch } from "./sse/types.js";
import type { TokenSource, UrlLike, WebSocketConstructor, WebSocketLike } from "./types.js";

/** How long a ticket may take to come, in ms. */
const PATIENCE = 10_000;

/** Most characters of an answer. */
const MOST = 64 * 1024;

/** What the options of every client have for it. */
export interface Ticketing {
  token?: TokenSource;
  ticketUrl?: string | UrlLike;
}

type Fetch = (url: string, init: RequestInit) => Promise<Pick<Response, "ok" | "status" | "text">>;

/** Why there is no ticket. `permanent`: asking again does not help. */
class NoTicket extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly permanent: boolean,
  ) {
    super(message);
  }
}

/** The tickets of one client. */
export class Tickets {
  readonly #url: string;
  /** What the application's function has given last. */
  #bearer: string | undefined;
  /** Its last one has stood somewhere: it is worth nothing any more. */
  #isSpent = true;

  constructor(
    { token, ticketUrl }: Ticketing,
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
  /** The last one that the client has been given. */
  given: string | undefined;

  /** As a token function is asked. */
  readonly source = async ({ rejected }: { rejected: boolean }): Promise<string> => {
    this.given = await this.#get(rejected);
    this.#isSpent = false;
    return this.given;
  };

  /** One that has stood nowhere yet: the client's own, or another one. */
  async fresh(): Promise<string> {
    if (this.#isSpent) return this.#get(false);
    this.#isSpent = true;
    return this.given!;
  }

  async #get(rejected: boolean): Promise<string> {
    for (let again = rejected; ; again = true) {
      const { token } = this;
      if (typeof token == "function") {
        if (again || this.#bearer == undefined) this.#bearer = await token({ rejected: again });
      } else this.#bearer = token;
      try {
        return await this.#ask(this.#bearer);
      } catch (error) {
        // It may have ended since: the function is asked for another one, once.
        if (again || typeof token != "function" || !(error as NoTicket).permanent) throw error;
      }
    }
  }

  async #ask(bearer: string | undefined): Promise<string> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), PATIENCE);
    try {
      const answer = await this.fetching(this.#url, {
        method: "POST",
        // Without a token it is the page's session that says who it is.
        ...(bearer ? { headers: { authorization: `Bearer ${bearer}` } } : { credentials: "include" }),
        cache: "no-store",
        redirect: "error",
        signal: abort.signal,
      });
      const { status } = answer;
      if (!answer.ok) throw new NoTicket(`no ticket: HTTP ${status}`, status, status == 401 || status == 403);
      const text = await answer.text();
      let ticket: unknown;
      try {
        ticket = text.length <= MOST && JSON.parse(text).ticket;
      } catch {
        // It is no ticket either.
      }
      if (typeof ticket != "string" || !ticket) throw new NoTicket('no ticket: the answer is not {"ticket": "…"}', status, false);
      return ticket;
    } finally {
      clearTimeout(timer);
    }
  }
}

type Listener = (event: any) => void;

/** A socket that dials when it has a ticket of its own. */
class TicketSocket implements WebSocketLike {
  #binaryType = "blob";
  onerror: Listener | null = null;
  #real: WebSocketLike | undefined;
  #over = false;
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
    if (this.#real) this.#real.binaryType = type;
  }

  get readyState(): number {
    return this.#real ? this.#real.readyState : this.#over ? 3 : 0;
  }

  get bufferedAmount(): number {
    return this.#real?.bufferedAmount ?? 0;
  }

  /** What stands in the place of the client's own, behind the address. */
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
    if (this.#over) return;
    try {
      this.#real = new socket(url.href);
    } catch (error) {
      return this.#refused(error as NoTicket);
    }
    this.#real.binaryType = this.binaryType;
    this.#real.onerror = (event) => this.onerror?.(event);
    for (const [type, listeners] of this.#listeners) for (const listener of listeners) this.#real.addEventListener(type, listener);
  }

  /** As a server says it: who is refused for good is told so by a close code, and others have no connection. */
  #refused({ permanent, message }: NoTicket): void {
    if (this.#over) return;
    this.#over = true;
    if (permanent) this.#tell("open", {});
    this.#tell("close", permanent ? { code: 4001, reason: message } : { code: 1006, reason: message });
  }

  #tell(type: string, event: unknown): void {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) listener(event);
  }

  send(data: string): void {
    // CONNECT, which has what the client knows.
    const { given } = this.tickets;
    if (this.#fresh && given && data.startsWith("40")) data = data.replace(JSON.stringify(given), JSON.stringify(this.#fresh));
    this.#real?.send(data);
  }

  close(code?: number, reason?: string): void {
    if (this.#real) return this.#real.close(code, reason);
    if (this.#over) return;
    this.#over = true;
    queueMicrotask(() => this.#tell("close", { code: 1006, reason: "" }));
  }

  addEventListener(type: string, listener: Listener): void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener));
    this.#real?.addEventListener(type, listener);
  }

  removeEventListener(type: string, listener: Listener): void {
    this.#listeners.get(type)?.delete(listener);
    this.#real?.removeEventListener(type, listener);
  }
}

/** The same options, with a ticket in each address that is dialled, or behind it in what a client of Socket.IO sends first. */
export function withTickets<O extends Ticketing & { webSocket?: WebSocketConstructor }>(options: O, inAddress = true): O {
  const tickets = new Tickets(options);
  const real = options.webSocket ?? (globalThis.WebSocket as WebSocketConstructor | undefined);
  const webSocket = function (url: string) {
    return new TicketSocket(url, inAddress, tickets, real!);
  };
  return { ...options, token: tickets.source, webSocket: real && (webSocket as unknown as WebSocketConstructor) };
}

/** The same options, with a ticket in the header of each request. */
export function withTicketsInHeader<O extends Ticketing & { fetch?: FeedFetch }>(options: O): O {
  const tickets = new Tickets(options);
  const real: FeedFetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
  const fetching: FeedFetch = async (url, init) => {
    const headers = { ...init.headers };
    try {
      headers["authorization"] = `Bearer ${await tickets.fresh()}`;
    } catch (error) {
      if (!(error as NoTicket).permanent) throw error;
      // As the server would have said it.
      return new Response(null, { status: 401 });
    }
    return real(url, { ...init, headers });
  };
  return { ...options, token: tickets.source, fetch: fetching };
}
