// The server's side of one fake connection.
import type { Link } from "./fake_network.js";
import type { ServerFrame } from "./validate.js";

/** A connection as the server has it. */
export class Connection {
  /** The rooms it is in, by their names on the server. */
  readonly rooms = new Set<string>();
  /** Timer of the token's expiry. */
  tokenEnd: unknown;

  constructor(
    readonly number: number,
    readonly user: string,
    readonly extended: boolean,
    readonly link: Link,
    /** Returns false if the frame must not be sent, because the connection was just broken. */
    readonly onSend: (connection: Connection, frame: ServerFrame) => boolean,
  ) {}

  send(frame: ServerFrame): void {
    if (this.onSend(this, frame)) this.link.toClient(JSON.stringify(frame));
  }
}
