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
mod keeper;
mod member;
mod namespaces;
mod offset;
mod outbound;
mod packet;
mod payload;
mod probe;
mod read_buffer;
mod recovery;
mod refusal;
mod session;
mod sessions;
mod short_text;
mod transport;
mod write_queue;

pub(crate) use endpoint::{Opening, is_taken, router};
pub(crate) use recovery::Recovery;

use crate::connection_limits::Limits;
use crate::hub::HubConfig;
use crate::namespace::Namespace;
use crate::query::field;
use crate::shared_sessions::SharedSessions;
use axum::extract::Request;
use axum::http::Method;
use namespaces::Namespaces;
use sessions::Sessions;
use std::sync::Arc;
use std::time::Duration;

/// What all sessions of one server share.
#[derive(Debug)]
pub(crate) struct SocketIo {
    sessions: Sessions,
    namespaces: Namespaces,
    recovery: Recovery,
}

impl SocketIo {
    /// `namespaces`: those beside `/`. `shared`: where other servers find the sessions of this one.
    pub(crate) fn new(
        namespaces: &[Namespace],
        limits: &Limits,
        hub: &HubConfig,
        shared: Option<Arc<dyn SharedSessions>>,
    ) -> Self {
        // What a client of the plain protocol has received is not known.
        let longest = if hub.extended { limits.recovery } else { Duration::ZERO };
        Self {
            sessions: Sessions::default(),
            namespaces: Namespaces::new(namespaces),
            recovery: Recovery::new(longest, limits.connections, hub.sockets_per_user, shared),
        }
    }

    /// The sessions that can be recovered.
    pub(crate) fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Whether a request is a poll or a POST of a session that counts what comes against its user's rate.
    pub(crate) fn is_of_a_member(&self, request: &Request) -> bool {
        let query = request.uri().query();
        matches!(*request.method(), Method::GET | Method::POST)
            && is_taken(request.uri().path())
            && field(query, "transport") == Some("polling")
            && field(query, "sid").is_some_and(|sid| self.sessions.is_polled_by_a_member(sid))
    }

    /// Whether there are sessions that began by polling.
    pub(crate) fn has_polling(&self) -> bool {
        !self.sessions.is_empty()
    }
}
