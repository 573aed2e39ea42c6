//! The reference room server of Rejoin: what a test, a demonstration or a small deployment talks to.
//!
//! [`Server`] is the whole server: HTTP, WebSocket, server-sent events, Socket.IO, TLS, authentication, limits,
//! drain, [`faults`] on purpose and an admin listener. Bind it inside a test or a program, or run the binary
//! `rejoin-server` ([`cli`]). [`hub`] is its inner half, the rooms without any socket, for simulations.
//!
//! It speaks the plain protocol (protocol.md §1) with everybody, to the field, and the extended one (§2) with those who
//! offer it by `ext=1` in the query: messages are numbered and kept, sends are appended at most once and answered,
//! what was missed is replayed after a reconnect.
//!
//! ```text
//! rejoin-server --listen 127.0.0.1:8080 --admin 127.0.0.1:9090 --history 1000
//! ```
//!
//! Who only reads a room needs no WebSocket: `GET /rooms/{id}/events` is its feed of server-sent events (protocol.md §4),
//! with the token as `Authorization: Bearer` or `?token=`. Each event is the plain `message` under its position as `id`;
//! one who comes back with it, as `Last-Event-ID` or `?lastEventId=`, gets what it missed, and `event: gap` before the
//! next message when something is not held any more. `?history=N` begins with the last N messages for one who has no
//! position. A reader is no member of the room: nobody is told of it. `/demo/` has a demonstration for the browser.
//!
//! ```text
//! curl -N -H 'Authorization: Bearer ada' 'http://127.0.0.1:8080/rooms/lobby/events?history=10'
//! ```
//!
//! # Socket.IO
//!
//! `/socket.io/` serves clients of Socket.IO 5 over Engine.IO 4 (protocol.md §3), by polling, by WebSocket and by way of
//! one to the other. They are in the same rooms. `auth.token` of CONNECT says who it is; a token of nobody is refused by
//! an error `Unauthorized` with `data` `{code: "unauthorized", retry: false}`.
//!
//! | the client emits | its acknowledgement, if it asks for one |
//! |---|---|
//! | `join_room` `{roomId, since?, history?}` | `{ok: true, roomId, members}`, `memberCount` where they are many; after `since` or `history` also `epoch`, `seq`, `replay`, `recovered`, `reason?` |
//! | `leave_room` `{roomId}` | `{ok: true, roomId}` |
//! | `send_message` `{roomId, content, data?}` | `{ok: true, id, seq, timestamp}` |
//! | `auth` `{token}`, another one of the same user | `{ok: true, expiresInMs?}` |
//! | `signal` `{roomId, kind, data?}`, `presence` `{roomId}` | none |
//!
//! A refusal is `{ok: false, code, retry, retryAfterMs?, message}`, and the event `error` where nobody asked. Down come
//! `message`, `user_joined` and `error` with the fields of the plain protocol, a `message` with the `data` that it was
//! sent with, and `user_left`,
//! `presence`, `signal`, `notification`, `left` and `auth_expiring` with those of the extended one, each without `type`.
//! With `auth.positions: true` a `message` has a second argument `{epoch, seq, id}` (before the offset), which a later `join_room` takes as
//! `since`, and the acknowledgement of a send has its `epoch`. The user's personal stream is the room `@me`, joined
//! already; joined again with `since` or `history` it brings what was missed.
//!
//! The largest frame is the engine's `maxPayload`. Pings go out from the open packet on, whether there was a CONNECT or
//! not. A second poll at a time, or what is no packet, ends the session. Whatever ends a session ends its transport,
//! never by a DISCONNECT, so that clients come back by themselves. A server that speaks the plain protocol only gives no acknowledgements.
//!
//! A server may have other [namespaces](Namespace) beside `/`. A CONNECT to one is a connection of its own: it has its own
//! token, id, limits and rooms, and its DISCONNECT ends it and no other; whatever else ends it ends the transport, and with
//! it all of them. A room `R` of the namespace `/chat` is called `/chat,R` by everybody outside of it, so that
//! `POST /rooms/%2Fchat,R/messages` says something there; within `/chat` no other rooms can be named. `@me` is the user's
//! personal stream everywhere. In a namespace that is `=personal` it is joined already, and the only room; from then on
//! and for as long as the client is connected there, `/` of the same session has no `notification`.
//!
//! Connection state recovery works as in Socket.IO: CONNECT is answered with a `pid`, each `message` and `notification` has
//! an offset as its last argument, and a client that shows both within [`Limits::recovery`] of its loss is back in its
//! rooms, under the same `sid` and `pid` (`socket.recovered`), and gets what it missed of them, each room's in order,
//! after the answer to its CONNECT. A session is its user's, in its namespace; the token is checked as ever. One whose
//! client is back before the server knows of the loss is taken over. It begins anew, under another `pid`, when a log does
//! not reach back far enough, the offset is not known any more, the time is over, the user was removed, or the server has
//! been started again. What is in no log (`user_joined`, `signal`, …) is not given back.
//!
//! Bytes in `data` pass from one Socket.IO client to the others as attachments, at most ten of an event, which together
//! have at most the bytes of a frame. The members of the extended protocol have an object in their place,
//! `{"_binary":true,"base64":"AQID"}`; the same object in what is not a Socket.IO client's `data` becomes an attachment, an
//! event with more than ten keeps its objects. An attachment that does not come within the time for a pong, or that nobody
//! announced, ends the session.
//!
//! # Admin
//!
//! The admin listener is for this machine, unless an [`AdminToken`] protects it:
//!
//! | request | does |
//! |---|---|
//! | `GET /` | lists the routes |
//! | `GET /healthz`, `GET /readyz` | 200 while the process lives; while it takes connections (503 in a drain) |
//! | `GET /metrics` | Prometheus text; no name of a room or a user is in it |
//! | `GET /users` | `{users: [{id, connections}], next}`; `?limit=` (1 to 10,000) entries after `?after=` |
//! | `GET /users/{id}` | `{id, connections: [{protocol, rooms}], rooms, bannedForSecs}` |
//! | `DELETE /users/{id}` | `{closed}`: the user's connections are closed with 4003; `?ban=SECS` (1 to 31,622,400) keeps the user out for so long |
//! | `GET /bans` | `{bans: [{id, bannedForSecs}], next}`: who is kept out, connected before or not |
//! | `DELETE /bans/{user}` | 204: the user may come again |
//! | `GET /rooms` | `{rooms: [{id, members, connections, readers, seq, bytes}], next}` |
//! | `GET /rooms/{id}/members` | `{members: [{id, connections}], next}` |
//! | `DELETE /rooms/{id}/members/{user}` | 204: the user is taken out of the room |
//! | `POST /users/{id}/notifications` `{kind, data?}` | 202 `{id}`: goes to the user's personal stream, now or on the next connection |
//! | `POST /rooms/{id}/messages` `{userId, content, data?}` | 201 `{id, seq}`; with the `Idempotency-Key` of an earlier one 200 and that one's answer |
//! | `POST /revocations` `{user, for}` or `{jti, for}` | `{closed}`: for so many seconds the tokens that the user was given before, or the one with that claim `jti`, are nobody's; their connections are closed with 4001. 0 ends it |
//! | `POST`, `GET`, `DELETE /faults` | [`faults`] on purpose |
//!
//! What is kept, is kept in memory: a restart begins new epochs, and clients are told so. Everything is bounded;
//! [`hub::HubConfig`] has the bounds and says what happens at each.

#![cfg_attr(
    not(all(feature = "cli", feature = "redis")),
    allow(
        dead_code,
        unused_imports,
        unused_mut,
        reason = "what the command line alone or several nodes alone use"
    )
)]

mod accept;
mod accept_policy;
mod admin;
mod admission;
pub mod auth;
mod authorize;
#[cfg(feature = "cli")]
pub mod cli;
mod close_reason;
mod config;
mod connection;
mod connection_limits;
mod cors;
mod counters;
mod demo;
pub mod faults;
mod file_limit;
mod forwarded;
mod fragments;
mod host;
mod http_client;
mod http_connection;
pub mod hub;
mod json_body;
mod json_refusal;
mod kept_connections;
mod limit_log;
mod limits;
mod lingering;
#[cfg(feature = "cli")]
pub mod log;
mod log_throttle;
mod memory;
mod metrics;
mod namespace;
mod option_file;
mod origin;
mod other_nodes;
mod ping_limit;
mod process;
mod query;
#[cfg(feature = "redis")]
pub mod redis;
mod send_queue;
mod server;
mod session_log;
mod shared_hub;
mod shared_sessions;
mod socket;
mod socketio;
mod sse;
mod state;
mod tickets;
pub mod tls;
mod transport;
mod upgrade;
mod write_timeout;

pub use admin::{AdminToken, AdminTokenError};
pub use auth::{Auth, Reloader};
pub use config::Config;
pub use connection_limits::{Limits, PerAddress};
pub use faults::{Fault, FaultKind, Faults};
pub use ipnet::IpNet;
pub use namespace::{Namespace, NamespaceError};
pub use server::{BindError, Server, ServerBuilder, ServerHandle};
