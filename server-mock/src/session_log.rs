//! The two log lines of a session: its origin, and how it ended. Never a token, never content.

use crate::close_reason::CloseReason;
use crate::faults::FaultState;
use crate::send_queue::Shutdown;
use rejoin::Name;
use std::net::IpAddr;
use std::time::Instant;

/// Where a session comes from and what it speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) client: IpAddr,
    pub(crate) protocol: &'static str,
    /// What carries it at first.
    pub(crate) transport: TransportKind,
}

/// Where a connection comes from, what carries it now, and since when it is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionInfo {
    pub(crate) origin: Origin,
    pub(crate) since: Instant,
}

/// What carries a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransportKind {
    WebSocket,
    /// Requests of Socket.IO.
    Polling,
    /// The answer to a request.
    Sse,
}

impl TransportKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Polling => "polling",
            Self::Sse => "sse",
        }
    }
}

/// Why a connection that answered no ping was cut.
pub(crate) const NO_PONG: &str = "It answered no ping";

/// Why one whose peer took nothing was.
pub(crate) const TOOK_NOTHING: &str = "It took nothing of what was sent";

/// How a session ended, by its connection's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionEnd {
    /// The peer said that it is done.
    Clean,
    /// The peer is gone: why.
    Gone(&'static str),
    /// The peer did what it must not.
    Violation(u16, &'static str),
}

impl SessionEnd {
    /// The connection broke.
    pub(crate) const LOST: Self = Self::Gone("Lost");

    /// What is known when there are no last words.
    pub(crate) fn lost(fault_state: &FaultState) -> Self {
        if fault_state.took_nothing() { Self::Gone(TOOK_NOTHING) } else { Self::LOST }
    }

    pub(crate) fn by(ending: &CloseReason, fault_state: &FaultState) -> Self {
        match ending {
            CloseReason::ClosedByPeer { clean: true } => Self::Clean,
            CloseReason::Violation(code, reason) | CloseReason::Over(_, code, reason) => {
                Self::Violation(*code, reason)
            }
            CloseReason::Silent => Self::Gone(NO_PONG),
            CloseReason::ClosedByPeer { clean: false } | CloseReason::Lost | CloseReason::Requested(_) => {
                Self::lost(fault_state)
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct SessionLog {
    user: Name,
    origin: Origin,
    since: Instant,
}

impl SessionLog {
    /// A session begins.
    pub(crate) fn begin(user: Name, origin: Origin) -> Self {
        let Origin { client, protocol, .. } = origin;
        tracing::info!(user = user.as_str(), %client, protocol, "connected");
        Self { user, origin, since: Instant::now() }
    }

    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    pub(crate) fn client(&self) -> IpAddr {
        self.origin.client
    }

    /// It is over. `told`: what the hub or a fault decided.
    pub(crate) fn end(&self, told: Option<Shutdown>, left: SessionEnd) {
        let Self { user, origin: Origin { client, protocol, .. }, since } = self;
        let seconds = since.elapsed().as_secs();
        let (code, reason) = match (told, left) {
            (Some(Shutdown::Close { code, reason } | Shutdown::HangUp { code, reason }), _)
            | (None, SessionEnd::Violation(code, reason)) => (code, reason),
            (Some(Shutdown::Abort(why)), _) | (None, SessionEnd::Gone(why)) => (1006, why),
            (None, SessionEnd::Clean) => (1000, "Closed by the client"),
        };
        tracing::info!(user = user.as_str(), %client, protocol, code, reason, seconds, "disconnected");
    }
}
