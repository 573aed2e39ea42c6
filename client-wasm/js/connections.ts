// The sockets of one client: dials them and tells what comes. Decides nothing.
import type { Connection } from "./connection.js";
import { elsewhere, withQuery } from "./endpoint.js";
import type { HeadStart } from "./head_start.js";
import { BLOCKED } from "./told.js";
import type { Clock, WebSocketConstructor, WebSocketLike } from "./types.js";

/** What connections tell the client, each by its number. */
export interface ConnectionsEars {
  opened(conn: number): void;
  /** `moved` is asked where a server that goes away sends us: whether we follow. */
  text(conn: number, text: unknown, moved: (url: unknown) => boolean): void;
  flushed(conn: number, frame: number): void;
  ended(conn: number, opened: boolean, code: number, reason: string): void;
  /** The dial was refused before it began. */
  refused(conn: number, words: string): void;
}

export class Connections {
  /** Two during a hand-over. */
  readonly #open = new Map<number, Connection>();
  /** Where the server has sent us. */
  #elsewhere: URL | undefined;

  constructor(
    readonly connection: typeof Connection,
    readonly urls: readonly URL[],
    readonly socket: WebSocketConstructor,
    /** Hosts that a server may send us to. */
    readonly allowed: readonly string[],
    readonly clock: Clock,
    readonly ears: ConnectionsEars,
    readonly headStart?: HeadStart,
  ) {}

  get(conn: number): Connection | undefined {
    return this.#open.get(conn);
  }

  /** `away`: where the server has sent us, if it has. */
  dial(conn: number, endpoint: number, away: boolean, token: string | undefined, extended: boolean): void {
    const url = (away && this.#elsewhere) || this.urls[endpoint]!;
    let socket: WebSocketLike;
    try {
      const href = withQuery(url, token, extended);
      socket = this.headStart?.take(href) ?? new this.socket(href);
    } catch (error) {
      // What a page on https:// may not open, for instance.
      const { name, message } = error as Error;
      return this.ears.refused(conn, name == "SecurityError" ? BLOCKED : String(message ?? error));
    }
    const { opened, text, flushed, ended } = this.ears;
    const moved = (to: unknown) => {
      this.#elsewhere = to == undefined ? undefined : elsewhere(url, to, this.allowed);
      return this.#elsewhere != undefined;
    };
    this.#open.set(
      conn,
      new this.connection(conn, socket, this.clock, {
        opened,
        text: (conn, data) => text(conn, data, moved),
        flushed,
        ended: (conn, ...how) => {
          this.#open.delete(conn);
          ended(conn, ...how);
        },
      }),
    );
  }

  /** Closes one and hears no more of it. */
  abandon(conn: number, code: number): void {
    this.#open.get(conn)?.drop(code);
    this.#open.delete(conn);
  }

  /** Closes all and hears no more of them. Gives their numbers. */
  drop(code: number): number[] {
    const conns = [...this.#open.keys()];
    for (const conn of conns) this.abandon(conn, code);
    return conns;
  }
}
