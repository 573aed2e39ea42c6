import type { Link } from "./link.js";
import type { ServerFrame } from "./understanding.js";

/** A connection as the server has it. */
export class Connection {
  /** The rooms it is in, by their names on the server. */
  readonly rooms = new Set<string>();
  /** What happens when its token is over. */
  tokenEnd: unknown;

  constructor(
    readonly number: number,
    readonly user: string,
    readonly extended: boolean,
    readonly link: Link,
    /** `false`: it must not be said, for the connection has just been broken. */
    readonly said: (connection: Connection, frame: ServerFrame) => boolean,
  ) {}

  tell(frame: ServerFrame): void {
    if (this.said(this, frame)) this.link.toClient(JSON.stringify(frame));
  }
}
