//! The two lines of the log that every session has: who came from where, and how it ended. Never a token, never what was
//! said.

use crate::faults::Link;
use crate::mailbox::End;
use crate::socket::Ending;
use rejoin::Name;
use std::net::IpAddr;
use std::time::Instant;

/// Where a session comes from and what it speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) client: IpAddr,
    pub(crate) protocol: &'static str,
    /// What carries it at first.
    pub(crate) transport: Carrying,
}

/// Where a connection comes from, what carries it now, and since when it is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Presence {
    pub(crate) origin: Origin,
    pub(crate) since: Instant,
}

/// What carries a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrying {
    WebSocket,
    /// Requests of Socket.IO.
    Polling,
    /// The answer to a request.
    Sse,
}

impl Carrying {
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
pub(crate) enum Left {
    /// The peer said that it is done.
    Said,
    /// The peer is gone: why.
    Gone(&'static str),
    /// The peer did what it must not.
    Violation(u16, &'static str),
}

impl Left {
    /// The connection broke.
    pub(crate) const LOST: Self = Self::Gone("Lost");

    /// What is known when there are no last words.
    pub(crate) fn lost(link: &Link) -> Self {
        if link.took_nothing() { Self::Gone(TOOK_NOTHING) } else { Self::LOST }
    }

    pub(crate) fn by(ending: &Ending, link: &Link) -> Self {
        match ending {
            Ending::ClosedByPeer { clean: true } => Self::Said,
            Ending::Violation(code, reason) | Ending::Over(_, code, reason) => Self::Violation(*code, reason),
            Ending::Silent => Self::Gone(NO_PONG),
            Ending::ClosedByPeer { clean: false } | Ending::Lost | Ending::Told(_) => Self::lost(link),
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
    pub(crate) fn end(&self, told: Option<End>, left: Left) {
        let Self { user, origin: Origin { client, protocol, .. }, since } = self;
        let seconds = since.elapsed().as_secs();
        let (code, reason) = match (told, left) {
            (Some(End::Close { code, reason } | End::HangUp { code, reason }), _)
            | (None, Left::Violation(code, reason)) => (code, reason),
            (Some(End::Cut(why)), _) | (None, Left::Gone(why)) => (1006, why),
            (None, Left::Said) => (1000, "Closed by the client"),
        };
        tracing::info!(user = user.as_str(), %client, protocol, code, reason, seconds, "disconnected");
    }
}
