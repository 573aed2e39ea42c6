//! Which endings a connection of the plain protocol is told by a close frame.

use rejoin::close_code::{CloseAction, CloseCodePolicy};

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
