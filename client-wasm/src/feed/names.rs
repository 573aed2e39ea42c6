//! The numbers of a feed that cross the border, and the text of `js/sse/names.ts`
//! (`cargo run -p rejoin-wasm --example feed_names`).

use crate::numbered::numbered;
use rejoin::{CauseCode, DialErrorKind};

numbered!(
    /// The number of a cause's code. A page is told less of a failed dial than a program is.
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

/// The text of `js/sse/names.ts`.
#[cfg(not(target_family = "wasm"))]
pub fn typescript() -> String {
    let lists = [
        ("FeedState", crate::names::states()),
        ("FeedGapReason", crate::names::gap_reasons()),
        ("FeedCauseCode", causes()),
    ];
    let kinds = [("FeedInput", super::INPUTS), ("FeedOutput", super::OUTPUTS)];
    crate::names::text("src/feed/names.rs", "feed_names", &lists, &kinds, 1)
}
