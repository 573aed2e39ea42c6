//! `/socket.io/`: the same rooms for clients that speak Socket.IO 5 over Engine.IO 4 (protocol.md §3).
//!
//! ```text
//! a request ─► endpoint.rs ─► a new session, or a command to the task of an old one (sessions.rs)
//! session.rs: carrier.rs ⇄ packets ⇄ seated.rs: up.rs ─► hub ─► mailbox ─► down.rs
//! ```
//!
//! Toward the hub a session is a connection that speaks the extended protocol, so that it gets answers, and its
//! client's liveness is the hub's heartbeat: a ping of the hub is one of the engine.
//!
//! | the client emits | its acknowledgement, if it asks for one |
//! |---|---|
//! | `join_room` `{roomId, since?, history?}` | `{ok: true, roomId, members` or `memberCount}`, after `since` or `history` also `epoch, seq, replay, recovered, reason?` |
//! | `leave_room` `{roomId}` | `{ok: true, roomId}` |
//! | `send_message` `{roomId, content, data?}` | `{ok: true, id, seq, timestamp}` |
//! | `signal` `{roomId, kind, data?}`, `presence` `{roomId}` | none |
//! | `auth` `{token}` | `{ok: true, expiresInMs?}` |
//!
//! A refusal is `{ok: false, code, retry, retryAfterMs?, message}`, or the event `error` where nobody asked. Down go
//! `message`, `user_joined` and `error` with the fields of the plain protocol and no others, and `user_left`,
//! `presence`, `signal`, `notification`, `left` and `auth_expiring` as in the extended one, each without `type`.
//!
//! `auth.token` of CONNECT says who it is. `auth.positions: true` adds a second argument `{epoch, seq, id}` to each
//! `message`, which a later `join_room` takes as `since`.
//!
//! Not offered: namespaces other than `/`, binary attachments, connection state recovery. A client that comes back
//! joins its rooms again, with `since` if it keeps positions.

mod answers;
mod carrier;
mod cors;
mod down;
mod endpoint;
mod incoming;
mod outgoing;
mod packet;
mod payload;
mod probe;
mod refusal;
mod seated;
mod session;
mod sessions;
mod up;

pub(crate) use endpoint::{Opening, router};
pub(crate) use session::longest_poll;
pub(crate) use sessions::Sessions;
