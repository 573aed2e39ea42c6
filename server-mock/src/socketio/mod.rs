//! `/socket.io/`: the same rooms for clients that speak Socket.IO 5 over Engine.IO 4 (protocol.md §3).
//!
//! ```text
//! a request ─► endpoint.rs ─► a new session, or a command to the task of an old one (sessions.rs)
//! session.rs: carrier.rs ⇄ packets ⇄ seated.rs: up.rs ─► hub ─► mailbox ─► down.rs
//! ```
//!
//! Toward the hub a session is a connection that speaks the extended protocol, so that it gets answers. Whether its client
//! is there is the engine's to find out (heartbeat.rs), from the open packet on: the hub's pings are answered here.
//!
//! What it says to clients is in the documentation of the crate.

mod answers;
mod binary;
mod carrier;
mod connecting;
mod deliveries;
mod down;
mod endpoint;
mod farewell;
mod heartbeat;
mod incoming;
mod outgoing;
mod packet;
mod payload;
mod probe;
mod recovery;
mod refusal;
mod seated;
mod session;
mod sessions;
mod space;
mod up;

pub(crate) use endpoint::{Opening, is_taken, router};
pub(crate) use recovery::Recovery;
pub(crate) use sessions::Sessions;
pub(crate) use space::Spaces;
