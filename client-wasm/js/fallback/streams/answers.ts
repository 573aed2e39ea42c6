// Makes the frames that stand for a server's answers on streams: `hello`, acknowledgements and refusals.

/** A frame of the server. */
export type ServerFrame = { readonly type: string; readonly [field: string]: unknown };

/** When a client is to ask again for what needs a WebSocket, in ms. */
const LATER = 60_000;
/** Nothing is sent, so that these limits bind nobody. */
const NO_LIMIT = 2 ** 24;

/**
 * The first frame. `inFlight: 0`: the connection takes no sends, and what is known of the server's windows stays. The silence after
 * which a client pings is long: what the streams bring shows that they live.
 */
export const hello = (userId: string): ServerFrame => ({
  type: "hello",
  v: 1,
  userId,
  serverTime: 0,
  heartbeatMs: 60_000,
  dedupeWindowMs: 120_000,
  limits: { frameBytes: NO_LIMIT, contentBytes: NO_LIMIT, rooms: 256, inFlight: 0, replay: 200, sendPerSec: 0 },
  reconnect: { windowMs: 1000 },
});

/** A request that is refused: for good, or until so many ms have passed. */
export const refused = (ref: unknown, roomId: unknown, code: string, message: string, retryAfterMs?: number): ServerFrame => ({
  type: "error",
  ref,
  roomId,
  code,
  message,
  retry: retryAfterMs != undefined,
  retryAfterMs,
});

/** The user's own stream is not among the streams, or there are too many rooms. */
export const needsWebSocket = (ref: unknown, roomId: unknown, what: string): ServerFrame =>
  refused(ref, roomId, "overloaded", `${what} need a WebSocket, and none opens now`, LATER);

/** A stream begins where it begins; what is before that is reported as missed. */
export const noHistory = (ref: unknown, roomId: unknown): ServerFrame => refused(ref, roomId, "forbidden", "a stream of events has no history");

/** A send of a client that has taken the server for a plain one. */
export const notTaken = (ref: unknown): ServerFrame => ({
  type: "nack",
  ref,
  code: "overloaded",
  message: "sends need a WebSocket, and none opens now",
  retry: true,
  retryAfterMs: LATER,
});
