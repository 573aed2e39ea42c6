//! The reason for which a WebSocket or a Socket.IO session ended. Closes nothing.

use crate::fragments::TooManyFragments;
use crate::limits::Limit;
use crate::send_queue::Shutdown;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;

/// Why the conversation ended.
pub(crate) enum CloseReason {
    /// The peer closed, and is answered. `clean`: it said that it is done (1000).
    ClosedByPeer { clean: bool },
    /// The connection broke.
    Lost,
    /// The peer answered no ping.
    Silent,
    /// The peer did what it must not.
    Violation(u16, &'static str),
    /// It went beyond a limit of connections.
    Over(Limit, u16, &'static str),
    /// The hub or a fault says so.
    Requested(Shutdown),
}

impl CloseReason {
    /// What a failed read says about the peer.
    pub(crate) fn of_error(error: &Error) -> Self {
        match error {
            Error::ConnectionClosed | Error::AlreadyClosed => Self::ClosedByPeer { clean: false },
            Error::Capacity(_) => Self::Over(Limit::FrameBytes, 1009, "Frame too large"),
            Error::Utf8(_) => Self::Violation(1007, "Text is UTF-8"),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Lost,
            Error::Protocol(_) => Self::Violation(1002, "Protocol error"),
            Error::Io(error) if is_too_many_fragments(error) => {
                Self::Over(Limit::Fragments, 4008, "Too many fragments")
            }
            _ => Self::Lost,
        }
    }
}

fn is_too_many_fragments(error: &std::io::Error) -> bool {
    let Some(cause) = error.get_ref() else { return false };
    cause.is::<TooManyFragments>()
}
