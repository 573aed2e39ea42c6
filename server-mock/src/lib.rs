//! The reference room server of Rejoin: what a test, a demonstration or a small deployment talks to.
//!
//! [`Server`] is the whole server: HTTP, WebSocket, TLS, authentication, limits, drain, [`faults`] on purpose and an
//! admin listener. Bind it inside a test or a program, or run the binary `rejoin-server` ([`cli`]). [`hub`] is its inner
//! half, the rooms without any socket, for simulations.
//!
//! It speaks the plain protocol (protocol.md §1) and nothing else.

mod admin;
mod app;
pub mod auth;
pub mod cli;
mod config;
mod connection;
mod demo;
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
