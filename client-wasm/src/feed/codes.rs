//! The codes of a feed.

use crate::codes::numbered;
use rejoin::{CauseCode, DialErrorKind};

numbered!(
    /// The number of a cause's code. A page learns less about a failed dial than a native program.
    cause, causes, CauseCode,
    CauseCode::Requested => CauseCode::Requested,
    CauseCode::Closed(_) => CauseCode::Closed(1000),
    CauseCode::ConnectionLost => CauseCode::ConnectionLost,
    CauseCode::StreamEnded => CauseCode::StreamEnded,
    CauseCode::DeadPeer => CauseCode::DeadPeer,
    CauseCode::NetworkChanged => CauseCode::NetworkChanged,
    CauseCode::Dial(DialErrorKind::Timeout) => CauseCode::Dial(DialErrorKind::Timeout),
    CauseCode::Dial(DialErrorKind::Http(_)) => CauseCode::Dial(DialErrorKind::Http(500)),
    CauseCode::Dial(DialErrorKind::NotEventStream) => CauseCode::Dial(DialErrorKind::NotEventStream),
    CauseCode::Dial(_) => CauseCode::Dial(DialErrorKind::Unreachable),
    CauseCode::Unauthorized(_) => CauseCode::Unauthorized(401),
    CauseCode::TokenUnavailable => CauseCode::TokenUnavailable,
    CauseCode::GaveUp => CauseCode::GaveUp,
);
