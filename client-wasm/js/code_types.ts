// String unions of the public types, each value with its meaning. wasm/codes.ts has the same values with their numbers.
import type * as codes from "./wasm/codes.js";

/**
 * The state of the connection.
 * - `idle`: not begun.
 * - `connecting`: the first attempts.
 * - `connected`: it works.
 * - `reconnecting`: lost, and tried again soon.
 * - `suspended`: lost for two minutes or more, still tried again.
 * - `closing`, `closed`: the application has closed the client, which cannot be used again.
 * - `failed`: given up for good, the cause says why. `setToken` and `reconnect` lead out.
 */
export type State = codes.State;

/**
 * The mode of a connection.
 * - `plain`: the base contract. A send is `written`; what is missed while away is gone.
 * - `extended`: a send is `acked`, exactly once; what was missed is fetched.
 */
export type Mode = codes.Mode;

/**
 * The state of a room.
 * - `joining`: asked for.
 * - `joined`: a member, also during an outage.
 * - `left`: left by the application.
 * - `refused`: it cannot be asked for: too many rooms.
 * - `failed`: the server does not let us in, for good.
 * - `removed`: the server has removed us.
 */
export type RoomState = codes.RoomState;

/**
 * Why messages cannot be had.
 * - `reconnected`: on a plain server, what was said meanwhile is gone.
 * - `epoch_changed`: the server has begun the room's log anew.
 * - `forked`: the server's log is not the one that was read so far.
 * - `trimmed`: the log does not reach back far enough.
 * - `unavailable`: the server did not give them.
 */
export type GapReason = codes.GapReason;

/**
 * Why a join could not go on where it was.
 * - `fresh`: there was nothing to go on from.
 * - `epoch_changed`, `forked`, `trimmed`: as of {@link GapReason}.
 * - `other`: a reason that this version does not know.
 */
export type JoinReason = codes.JoinReason;

/**
 * Why a message was not sent, where no server has said so.
 * - `queue_full`: too many messages, or too many bytes, wait.
 * - `bad_room`: it is no room that messages can be sent to.
 * - `too_large`: more bytes than the client or the server takes.
 * - `expired`: no connection within the option `sendTtl`.
 * - `timeout`: no connection within the send's own `timeout`.
 * - `closed`: the client was closed or has failed.
 * - `cancelled`: its `signal` was aborted before it was on its way.
 * - `user_changed`: it was stored for another user.
 * - `dropped`: a `volatile` frame that the connection could not take at once.
 */
export type SendFailure = codes.SendFailure;

/**
 * Why the state is what it is.
 * - `requested`: the application asked for it.
 * - `server_closed`: the server closed the connection in the ordinary way (1000).
 * - `closed`: the server closed it with another close code, which is `number`.
 * - `connection_lost`: it broke.
 * - `dead_peer`, `unanswered`: the server does not answer.
 * - `network_changed`: another network, or a long sleep.
 * - `protocol_error`: the server broke the protocol.
 * - `frame_too_large`: the server sent, or was sent, a frame that is too large.
 * - `dial_timeout`: no connection in time.
 * - `http`: the server, or that of the tickets, answered with an HTTP status, which is `number`.
 * - `unreachable`: no connection; a browser does not say why.
 * - `unauthorized`: the server refused the token.
 * - `token_unavailable`: the token function gave none.
 * - `gave_up`: the last attempt allowed (option `maxAttempts`).
 */
export type CauseCode = codes.CauseCode;

/**
 * Why a server refused something. The first three, and `not_joined`, `sequence_gap`, `room_full`, are for now; the client tries
 * again by itself.
 * - `rate_limited`: too fast.
 * - `overloaded`: the server has no room for it now.
 * - `internal`: a fault of the server.
 * - `not_joined`: the connection is not a member of the room.
 * - `sequence_gap`: an earlier send is missing.
 * - `forbidden`: not allowed.
 * - `too_large`: larger than the server takes.
 * - `bad_request`: malformed.
 * - `unknown_producer`: the server does not know any more what was sent before.
 * - `too_many_rooms`: leave one first.
 * - `room_full`: it has as many members as it may have.
 * - `other`: a code that this version does not know.
 */
export type Code = codes.Code;
