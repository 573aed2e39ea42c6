/** What a server keeps and allows; it tells its clients. */
export interface Limits {
  /** How long a client may hear nothing before it asks, in ms. */
  heartbeatMs: number;
  /** How long a line of sends is remembered, in ms. */
  dedupeWindowMs: number;
  /** Over what time clients that were lost together come back, in ms. */
  windowMs: number;
  /** Most bytes of a frame. */
  frameBytes: number;
  /** Most bytes of a message's text and data. */
  contentBytes: number;
  /** Rooms that one connection may be in. */
  rooms: number;
  /** Sends that may wait for their answers at a time. */
  inFlight: number;
  /** Messages told at once to somebody who comes back; the rest is asked for. */
  replay: number;
  /** Messages kept in a room. */
  history: number;
}

/** Those of the reference server. */
export const usual: Limits = {
  heartbeatMs: 30_000,
  dedupeWindowMs: 600_000,
  windowMs: 1000,
  frameBytes: 65_536,
  contentBytes: 8192,
  rooms: 256,
  inFlight: 64,
  replay: 200,
  history: 500,
};
