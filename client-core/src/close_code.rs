//! Maps close codes and dial errors to actions of the link: the table of protocol.md §2.5, with overrides. Holds no
//! connection state.

pub use crate::cause::DEAD_PEER;
use crate::cause::{DialErrorKind, Disconnect};
use crate::mutation::mutation;
use alloc::vec::Vec;

/// The close code sent when a page is hidden permanently.
pub const PAGE_HIDDEN: u16 = 4901;
/// The close code of a connection this side replaced by another: after a sleep, a network change, on request.
pub const REPLACED: u16 = 4902;
/// The close code of a connection the application ended.
pub const NORMAL: u16 = 1000;

/// What the link does after a connection ended or a dial failed.
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseAction {
    /// No further attempt; the state is `failed`.
    Terminal,
    /// Try again after the backoff.
    Retry,
    /// The server is restarting: try again inside its reconnect window.
    Drain,
    /// The server is overloaded: wait for its hint, or at least 5 s.
    RetryAfter,
    /// Probably a bug or a wrong address: 3 tries in 10 minutes, then terminal. A dial that fails so where this address
    /// has worked before is an outage: tried again for 5 minutes.
    RetryLimited,
    /// The token was rejected: one refresh if there is a source; again within 60 s is terminal.
    Rejected,
    /// The token has expired: one refresh in 60 s, then a dial within a second.
    Expired,
    /// A frame of ours was too large: reconnect after the backoff. What was on its way is not sent again.
    TooLarge,
}

/// Close codes and what they mean here. The default is protocol.md §2.5; single codes can be overridden.
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CloseCodePolicy {
    overrides: Vec<(u16, CloseAction)>,
}

impl CloseCodePolicy {
    /// Gives `code` another meaning than the default one, e.g. `(1000, CloseAction::Retry)` for servers that use
    /// 1000 for the end of a connection's lifetime.
    pub fn set(&mut self, code: u16, verdict: CloseAction) {
        match self.overrides.binary_search_by_key(&code, |(code, _)| *code) {
            Ok(at) => {
                if let Some(entry) = self.overrides.get_mut(at) {
                    entry.1 = verdict;
                }
            }
            Err(at) => self.overrides.insert(at, (code, verdict)),
        }
    }

    /// What a close code received from the server means.
    pub fn close_code(&self, code: u16) -> CloseAction {
        let own = self
            .overrides
            .binary_search_by_key(&code, |(code, _)| *code)
            .ok()
            .and_then(|at| self.overrides.get(at));
        if let Some((_, verdict)) = own {
            return *verdict;
        }
        match code {
            4003 if mutation!(RemovedComesBack) => CloseAction::Retry,
            1000 | 4003 | 4004 | 4009 | 4014 | 4403 | 4500..=4899 => CloseAction::Terminal,
            1012 if mutation!(RestartIsSuspect) => CloseAction::RetryLimited,
            1001 | 1012 | 4010 => CloseAction::Drain,
            1013 | 4008 | 4011 | 4429 => CloseAction::RetryAfter,
            1002 | 1003 | 1007 | 1010 => CloseAction::RetryLimited,
            1009 if mutation!(TooLargeIsSuspect) => CloseAction::RetryLimited,
            1009 => CloseAction::TooLarge,
            1008 if mutation!(PolicyIsLoss) => CloseAction::Retry,
            1008 | 4001 | 4401 => CloseAction::Rejected,
            4002 => CloseAction::Expired,
            _ => CloseAction::Retry,
        }
    }

    /// What the end of an open connection means.
    pub fn disconnect(&self, how: &Disconnect) -> CloseAction {
        match how {
            Disconnect::Closed { code, .. } => self.close_code(*code),
            Disconnect::Lost => self.close_code(1006),
            Disconnect::Protocol => self.close_code(1002),
            // Ours is the limit, so no send of ours is to blame; the next connection may do better.
            Disconnect::TooLarge(_) => CloseAction::RetryLimited,
            // A restart, or the end of a connection's lifetime.
            Disconnect::Ended => CloseAction::Drain,
        }
    }

    /// What a failed dial means.
    pub fn dial_error(&self, kind: DialErrorKind) -> CloseAction {
        match kind {
            // What a stream of events is not to be requested again with (the HTML standard, "Processing model").
            DialErrorKind::Http(204) => self.close_code(NORMAL),
            DialErrorKind::Http(401 | 403) => CloseAction::Rejected,
            DialErrorKind::Http(503) if mutation!(UnavailableIsLoss) => CloseAction::Retry,
            DialErrorKind::Http(429 | 503) => CloseAction::RetryAfter,
            // 408, 421, 425: this request came at a bad time or on the wrong connection; the next one may not.
            DialErrorKind::Http(408 | 421 | 425 | 500..=599)
            | DialErrorKind::Dns
            | DialErrorKind::Refused
            | DialErrorKind::Unreachable
            | DialErrorKind::Timeout
            | DialErrorKind::Tls
            | DialErrorKind::Proxy
            | DialErrorKind::Headers => CloseAction::Retry,
            DialErrorKind::Http(_)
            | DialErrorKind::Certificate
            | DialErrorKind::NotWebSocket
            | DialErrorKind::NotEventStream => CloseAction::RetryLimited,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_table_is_the_one_of_the_protocol_page() {
        let table = CloseCodePolicy::default();
        for (codes, verdict) in [
            (&[1000, 4003, 4004, 4009, 4014, 4403, 4500, 4899][..], CloseAction::Terminal),
            (&[1001, 1012, 4010], CloseAction::Drain),
            (&[1013, 4008, 4011, 4429], CloseAction::RetryAfter),
            (&[1005, 1006, 1011, 1014, 4012, 4013, 4000, 4499, 3000], CloseAction::Retry),
            (&[1002, 1003, 1007, 1010], CloseAction::RetryLimited),
            (&[1008, 4001, 4401], CloseAction::Rejected),
            (&[4002], CloseAction::Expired),
            (&[1009], CloseAction::TooLarge),
        ] {
            for code in codes {
                assert_eq!(table.close_code(*code), verdict, "{code}");
            }
        }
    }

    #[test]
    fn an_override_wins_and_the_last_one_stays() {
        let mut table = CloseCodePolicy::default();
        table.set(1000, CloseAction::Drain);
        table.set(1000, CloseAction::Retry);
        table.set(4001, CloseAction::Terminal);
        assert_eq!(table.close_code(1000), CloseAction::Retry);
        assert_eq!(table.close_code(4001), CloseAction::Terminal);
        assert_eq!(table.close_code(1008), CloseAction::Rejected);
    }

    #[test]
    fn http_answers_follow_the_table() {
        let table = CloseCodePolicy::default();
        for status in [401, 403] {
            assert_eq!(table.dial_error(DialErrorKind::Http(status)), CloseAction::Rejected);
        }
        for status in [429, 503] {
            assert_eq!(table.dial_error(DialErrorKind::Http(status)), CloseAction::RetryAfter);
        }
        for status in [408, 421, 425, 500, 502, 504] {
            assert_eq!(table.dial_error(DialErrorKind::Http(status)), CloseAction::Retry);
        }
        for status in [200, 301, 400, 404, 410, 426] {
            assert_eq!(table.dial_error(DialErrorKind::Http(status)), CloseAction::RetryLimited);
        }
    }
}
