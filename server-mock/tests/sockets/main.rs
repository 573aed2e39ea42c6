//! The server over real sockets, spoken to by plain tokio-tungstenite clients.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and its helpers fail for it"
)]

mod admin;
mod admission;
mod asked;
mod attacks;
mod authorized;
mod binary;
mod client;
mod closed;
#[cfg(target_os = "linux")]
mod deploy;
mod drain;
mod engine;
mod events;
mod every_limit;
mod extended;
mod faults;
mod feed;
#[cfg(target_os = "linux")]
mod files;
mod jwt;
mod limits;
mod logbook;
#[cfg(unix)]
mod logs;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod memory_budget;
mod namespaces;
mod places;
mod process;
mod proxied;
mod rejections;
mod rights;
mod rooms;
mod socketio;
mod stuck;
mod tickets;
mod tls;
mod tokens;
