//! The states of a connection, as an application sees them.

use crate::cause::Cause;
use crate::time::{Nanos, Timestamp};

/// One dial, successful or not. Events of an older one are ignored and its socket is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// The states an application sees (reconnecting.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// No connection has been requested yet.
    Idle,
    /// The first dial is under way.
    Connecting,
    /// The upgrade is done and the joins are on their way.
    Connected,
    /// The connection is lost, or could not be made; trying again.
    Reconnecting {
        /// The attempt that comes next or is under way, from 1.
        attempt: u32,
        /// When it begins; `None` while it is under way.
        retry_at: Option<Timestamp>,
    },
    /// As `Reconnecting`, but the loss has outlasted what can be recovered.
    Suspended {
        /// The attempt that comes next or is under way, from 1.
        attempt: u32,
        /// When it begins; `None` while it is under way.
        retry_at: Option<Timestamp>,
    },
    /// The application requested the end; the close handshake is under way.
    Closing,
    /// Ended by the application.
    Closed,
    /// Ended by a terminal code. Left only by connecting again or a new token.
    Failed,
}

impl State {
    /// The state's name, in snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Reconnecting { .. } => "reconnecting",
            Self::Suspended { .. } => "suspended",
            Self::Closing => "closing",
            Self::Closed => "closed",
            Self::Failed => "failed",
        }
    }
}

/// A change of state and why it came.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StateChange {
    /// The state now.
    pub state: State,
    /// What led to it. Absent when it was requested or is the success of what went before.
    pub cause: Option<Cause>,
}

impl StateChange {
    /// A change to this state.
    pub fn new(state: State, cause: Option<Cause>) -> Self {
        Self { state, cause }
    }
}

/// A loss that has not been made good yet.
#[derive(Debug)]
pub(crate) struct Outage {
    since: Timestamp,
    /// What the monotonic clock missed while the machine slept.
    pub(crate) slept: Nanos,
    pub(crate) suspended: bool,
}

impl Outage {
    pub(crate) fn new(since: Timestamp) -> Self {
        Self { since, slept: Nanos::ZERO, suspended: false }
    }

    pub(crate) fn age(&self, now: Timestamp) -> Nanos {
        now.after(self.since).plus(self.slept)
    }

    /// When the age will be `age`.
    pub(crate) fn reaches(&self, age: Nanos) -> Timestamp {
        self.since + age.minus(self.slept)
    }
}
