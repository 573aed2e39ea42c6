// Limits that the fake server announces and enforces.
/** Limits of a server, announced in `hello`. */
export interface Limits {
  /** After how long without a frame a client pings, in ms. */
  heartbeatMs: number;
  /** How long a producer is remembered, in ms. */
  dedupeWindowMs: number;
  /** The window over which clients reconnect after a loss, in ms. */
  windowMs: number;
  /** Most bytes of a frame. */
  frameBytes: number;
  /** Most bytes of a message's text and data. */
  contentBytes: number;
  /** Most rooms of one connection. */
  rooms: number;
  /** Most sends without an answer. */
  inFlight: number;
  /** Most messages replayed with a join; the rest is fetched by `history`. */
  replay: number;
  /** Messages kept in a room. */
  history: number;
}

/** The defaults of the reference server. */
export const defaultLimits: Limits = {
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
