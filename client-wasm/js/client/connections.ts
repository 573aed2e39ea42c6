// The sockets of one client by connection number: dials them and forwards their events. Decides nothing.
import type { Connection } from "./connection.js";
import { redirectTarget, dialUrl } from "./url.js";
import type { HeadStart } from "./head_start.js";
import { BLOCKED } from "../protocol/event_decoder.js";
import type { Clock, WebSocketConstructor, WebSocketLike } from "../types.js";

/** Notifications of connections, by connection number. */
export interface ConnectionsHandlers {
  opened(conn: number): void;
  /** `redirect` receives the target of `going_away` and returns whether it is followed. */
  text(conn: number, text: unknown, redirect: (url: unknown) => boolean): void;
  flushed(conn: number, frame: number): void;
  ended(conn: number, opened: boolean, code: number, reason: string, retryAfter?: number): void;
  /** The dial failed synchronously. */
  refused(conn: number, causeText: string): void;
}

export class Connections {
  readonly #connection: typeof Connection;
  readonly #urls: readonly URL[];
  readonly #socket: WebSocketConstructor;
  readonly #allowedHosts: readonly string[];
  readonly #clock: Clock;
  readonly #handlers: ConnectionsHandlers;
  readonly #headStart: HeadStart | undefined;
  /** Two during a migration. */
  readonly #open = new Map<number, Connection>();
  /** The target of the last `going_away`. */
  #redirectTarget: URL | undefined;

  constructor(
    connection: typeof Connection,
    urls: readonly URL[],
    socket: WebSocketConstructor,
    /** Hosts that a redirect may name. */
    allowedHosts: readonly string[],
    clock: Clock,
    handlers: ConnectionsHandlers,
    headStart?: HeadStart,
  ) {
    this.#connection = connection;
    this.#urls = urls;
    this.#socket = socket;
    this.#allowedHosts = allowedHosts;
    this.#clock = clock;
    this.#handlers = handlers;
    this.#headStart = headStart;
  }

  get(conn: number): Connection | undefined {
    return this.#open.get(conn);
  }

  /** `useRedirect`: dial the redirect target, if there is one. */
  dial(conn: number, urlIndex: number, useRedirect: boolean, token: string | undefined, extended: boolean): void {
    const url = (useRedirect && this.#redirectTarget) || this.#urls[urlIndex]!;
    let socket: WebSocketLike;
    try {
      const href = dialUrl(url, token, extended);
      socket = this.#headStart?.take(href) ?? new this.#socket(href);
    } catch (error) {
      // For instance ws:// on a page from https://.
      const { name, message } = error as Error;
      return this.#handlers.refused(conn, name == "SecurityError" ? BLOCKED : String(message ?? error));
    }
    const { opened, text, flushed, ended } = this.#handlers;
    const redirect = (to: unknown) => {
      this.#redirectTarget = to == undefined ? undefined : redirectTarget(url, to, this.#allowedHosts);
      return this.#redirectTarget != undefined;
    };
    this.#open.set(
      conn,
      new this.#connection(conn, socket, this.#clock, {
        opened,
        text: (conn, data) => text(conn, data, redirect),
        flushed,
        ended: (conn, ...how) => {
          this.#open.delete(conn);
          ended(conn, ...how);
        },
      }),
    );
  }

  /** Closes one without further notifications. */
  abort(conn: number, code: number): void {
    this.#open.get(conn)?.drop(code);
    this.#open.delete(conn);
  }

  /** Closes all without further notifications; returns their numbers. */
  drop(code: number): number[] {
    const conns = [...this.#open.keys()];
    for (const conn of conns) this.abort(conn, code);
    return conns;
  }
}
