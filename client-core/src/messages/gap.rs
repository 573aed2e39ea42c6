//! Missed messages: where they are missing, and why.

use super::Epoch;
use crate::name::Name;

/// Messages that were missed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap<N = Name> {
    /// The room they were in.
    pub room: N,
    /// The life of the log that the numbers belong to.
    pub epoch: Option<Epoch>,
    /// The last message before the gap; `None`: not known.
    pub after: Option<u64>,
    /// The first message behind it; `None`: not known, maybe none is missing.
    pub before: Option<u64>,
    /// Why they are missing.
    pub reason: GapReason,
}

impl<N> Gap<N> {
    /// A gap of which nothing is known but the reason.
    pub fn unknown(room: N, reason: GapReason) -> Self {
        Self::new(room, None, None, None, reason)
    }

    /// A gap behind one message of this life of the log and before another one, as far as they are known.
    pub fn new(
        room: N,
        epoch: Option<Epoch>,
        after: Option<u64>,
        before: Option<u64>,
        reason: GapReason,
    ) -> Self {
        Self { room, epoch, after, before, reason }
    }
}

/// Why messages are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GapReason {
    /// The connection was lost, and the server has kept nothing: how many is unknown, maybe none.
    Reconnected,
    /// The log began anew: what was in the old one and not received is lost.
    EpochChanged,
    /// The log has other messages where this client had received some: the store lost a suffix.
    Forked,
    /// The log does not go back far enough.
    Trimmed,
    /// The server did not hand the messages out though it was asked again.
    Unavailable,
}

impl GapReason {
    /// A reason as the wire writes it; one that is not known says no more than that messages are missing.
    pub fn from_wire(text: &str) -> Self {
        match text {
            "reconnected" => Self::Reconnected,
            "epoch_changed" => Self::EpochChanged,
            "forked" => Self::Forked,
            "trimmed" => Self::Trimmed,
            _ => Self::Unavailable,
        }
    }

    /// The reason's name, in snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reconnected => "reconnected",
            Self::EpochChanged => "epoch_changed",
            Self::Forked => "forked",
            Self::Trimmed => "trimmed",
            Self::Unavailable => "unavailable",
        }
    }
}
