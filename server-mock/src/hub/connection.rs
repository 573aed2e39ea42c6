//! The state that the hub has of one connection.

use super::producers::ProducerKey;
use super::replay::Replays;
use super::rights::Rights;
use super::sse_feed::Reader;
use super::token_expiry::TokenExpiry;
use rejoin::close_code::{CloseAction, CloseCodePolicy};
use rejoin::{Name, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What the hub knows of a connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) user: Name,
    /// Tells it apart from others that have had the same [`ConnId`](super::ConnId).
    pub(super) generation: u64,
    /// By their names in the hub, personal streams included.
    pub(super) rooms: BTreeSet<Name>,
    /// Whether anything came since the last ping.
    pub(super) is_active: bool,
    /// Its entry in the hub's deadlines.
    pub(super) heartbeat: Timestamp,
    /// Its second entry there, once a drain has begun.
    pub(super) drain: Option<Timestamp>,
    pub(super) token_expiry: TokenExpiry,
    pub(super) rights: Rights,
    /// What only a connection has that speaks the extended protocol. Boxed: most of a large server's connections
    /// are idle, and many are plain.
    pub(super) extended: Option<Box<Extended>>,
    /// What only a connection has that reads one room and says nothing.
    pub(super) reader: Option<Box<Reader>>,
}

/// What the extended protocol adds.
#[derive(Debug, Default)]
pub(super) struct Extended {
    pub(super) replays: Replays,
    /// Tokens that were nobody's.
    pub(super) refused_tokens: u8,
    /// The reconnect window that its last `hello` named.
    pub(super) announced_window: Duration,
    /// The number in each line that this node has refused as too fast: the store misses it before what is behind it.
    pub(super) too_fast: BTreeMap<ProducerKey, u64>,
}

/// Whether a peer is to come back after an ending with this close code (protocol.md §2.5).
///
/// A client of the plain protocol alone reconnects only after an unclean close. So toward a connection that did not
/// offer the extended protocol such an ending has no close frame: what is queued is written, then the stream ends.
pub fn is_retryable_close(code: u16) -> bool {
    match CloseCodePolicy::default().close_code(code) {
        CloseAction::Retry
        | CloseAction::Drain
        | CloseAction::RetryAfter
        | CloseAction::Expired
        | CloseAction::TooLarge => true,
        // Also what a later version decides: the code says why, and an operator can look it up.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_is_no_end_and_a_bad_token_is_one() {
        for code in [1001, 1009, 1011, 1012, 1013, 4002, 4008, 4010, 4011, 4012, 4013] {
            assert!(is_retryable_close(code), "{code}");
        }
        for code in [1000, 1002, 1003, 1007, 1008, 4001, 4003, 4004, 4009, 4014, 4500] {
            assert!(!is_retryable_close(code), "{code}");
        }
    }
}
