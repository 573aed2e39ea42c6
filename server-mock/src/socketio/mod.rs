//! `/socket.io/`: the same rooms for clients that speak Socket.IO 5 over Engine.IO 4 (protocol.md §3).
//!
//! ```text
//! a request ─► endpoint.rs ─► a new session, or a command to the task of an old one (sessions.rs)
//! session.rs: transport.rs ⇄ packets ⇄ member.rs: inbound.rs ─► hub ─► send queue ─► outbound.rs
//! ```
//!
//! Toward the hub a session is a connection that speaks the extended protocol, so that it gets answers. Whether its client
//! is there is the engine's to find out (heartbeat.rs), from the open packet on: the hub's pings are answered here.
//!
//! What it says to clients is in the documentation of the crate.

mod acks;
mod binary;
mod deliveries;
mod endpoint;
mod heartbeat;
mod inbound;
mod member;
mod namespaces;
mod outbound;
mod packet;
mod payload;
mod probe;
mod read_buffer;
mod recovery;
mod refusal;
mod session;
mod sessions;
mod transport;
mod write_queue;

pub(crate) use endpoint::{Opening, is_taken, router};
pub(crate) use namespaces::Namespaces;
pub(crate) use recovery::Recovery;
pub(crate) use sessions::Sessions;
