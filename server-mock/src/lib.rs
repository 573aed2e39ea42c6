//! The reference room server of Rejoin: what a test, a demonstration or a small deployment talks to.
//!
//! [`Server`] is the whole server: HTTP, WebSocket, server-sent events, TLS, authentication, limits, drain, [`faults`] on purpose and an
//! admin listener. Bind it inside a test or a program, or run the binary `rejoin-server` ([`cli`]). [`hub`] is its inner
//! half, the rooms without any socket, for simulations.
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
//! position. A reader is no member of the room: nobody is told of it. `/demo/` is a chat in the browser.
//!
//! ```text
//! curl -N -H 'Authorization: Bearer ada' 'http://127.0.0.1:8080/rooms/lobby/events?history=10'
//! ```
//!
//! The admin listener asks nobody who they are, so it belongs on a private address:
//!
//! | request | does |
//! |---|---|
//! | `GET /healthz`, `GET /readyz` | 200 while the process lives; while it takes connections (503 in a drain) |
//! | `GET /metrics` | Prometheus text; no name of a room or a user is in it |
//! | `POST /users/{id}/notifications` `{kind, data?}` | 202 `{id}`: goes to the user's personal stream, now or on the next connection |
//! | `POST /rooms/{id}/messages` `{userId, content, data?}` | 201 `{id, seq}`; with the `Idempotency-Key` of an earlier one 200 and that one's answer |
//! | `POST`, `GET`, `DELETE /faults` | [`faults`] on purpose |
//!
//! What is kept, is kept in memory: a restart begins new epochs, and clients are told so. Everything is bounded;
//! [`hub::HubConfig`] has the bounds and says what happens at each.

mod admin;
mod app;
pub mod auth;
pub mod cli;
mod config;
mod connection;
mod demo;
mod events;
pub mod faults;
pub mod hub;
mod mailbox;
mod metrics;
mod origin;
mod server;
mod socket;
mod switchboard;
mod transport;
mod upgrade;

pub use auth::Auth;
pub use config::{Config, Limits};
pub use faults::{Fault, FaultKind, Faults};
pub use server::{BindError, Server, ServerHandle};
