// The leader's record of one virtual socket.
import type { SharedConnection } from "./shared_connection.js";

/** The other end of a virtual socket, where the connection is. */
export class Subscriber {
  /** Its connection; undefined while none is open. */
  connection: SharedConnection | undefined;
  /** Bytes sent over the channel that its tab has not consumed. */
  queuedBytes = 0;

  constructor(
    readonly socket: string,
    readonly tab: string,
    /** Whether it is in the leader's tab. */
    readonly isLocal: boolean,
    /** Prefix of its refs on the wire. Never reused, so that a late answer has no recipient. */
    readonly prefix: string,
  ) {}
}
