import type { Uplink } from "./uplink.js";

/** The other end of a virtual socket, where the connection is. */
export class Seat {
  /** The connection that it is on; none while there is no open one. */
  uplink: Uplink | undefined;
  /** What lies in the channel, as far as its tab has not said that it has dealt with it. */
  owed = 0;

  constructor(
    readonly socket: string,
    readonly tab: string,
    /** It is in the same tab as the connection. */
    readonly own: boolean,
    /** Before its refs on the wire. Not used again, so that a late answer finds nobody. */
    readonly prefix: string,
  ) {}
}
