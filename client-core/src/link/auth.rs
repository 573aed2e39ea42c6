//! The token in use, and the limits on refreshing it (protocol.md §2.5).

use crate::close_code::CloseAction;
use crate::mutation::mutation;
use crate::time::{Nanos, Timestamp};
use crate::token::{Credentials, Token};

/// A second rejection within this time is final; an expiry within it waits for the backoff.
const REFRESH_INTERVAL: Nanos = Nanos::from_secs(60);

/// What to do about a refused token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// Ask the source for another one.
    Fetch,
    /// A new one was requested a moment ago: back off first.
    Later,
    /// There is no other one to be had.
    Never,
}

#[derive(Debug)]
pub(crate) struct Auth {
    token: Option<Token>,
    has_source: bool,
    wants_token: bool,
    rejected: bool,
    rejected_at: Option<Timestamp>,
    renewed_at: Option<Timestamp>,
}

impl Auth {
    pub(crate) fn new(credentials: Credentials) -> Self {
        let (token, has_source) = match credentials {
            Credentials::Anonymous => (None, false),
            Credentials::Fixed(token) => (Some(token), false),
            Credentials::Source => (None, true),
        };
        let wants_token = has_source;
        Self { token, has_source, wants_token, rejected: false, rejected_at: None, renewed_at: None }
    }

    pub(crate) fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// `Some(rejected)` when the source has to be asked before a dial.
    pub(crate) fn needs_token(&self) -> Option<bool> {
        self.wants_token.then_some(self.rejected)
    }

    pub(crate) fn has_source(&self) -> bool {
        self.has_source
    }

    pub(crate) fn fetched(&mut self, token: Token) {
        self.token = Some(token);
        self.wants_token = false;
        self.rejected = false;
    }

    /// The application brought a token of its own accord.
    pub(crate) fn replace(&mut self, token: Token) {
        self.fetched(token);
        if !mutation!(OwnTokenForgetsNothing) {
            self.rejected_at = None;
        }
    }

    /// Old refusals no longer count, but a token that was refused is not used again.
    pub(crate) fn start_anew(&mut self) {
        if !mutation!(OldRefusalKept) {
            self.rejected_at = None;
        }
        self.renewed_at = None;
    }

    pub(crate) fn refused(&mut self, now: Timestamp, verdict: CloseAction) -> Refresh {
        if !self.has_source {
            return Refresh::Never;
        }
        let expired = verdict == CloseAction::Expired;
        let last =
            if expired && !mutation!(ExpiryIsRefusal) { &mut self.renewed_at } else { &mut self.rejected_at };
        let recent = last.is_some_and(|at| {
            now.after(at)
                < if mutation!(RefreshTooLong) {
                    REFRESH_INTERVAL.plus(REFRESH_INTERVAL)
                } else {
                    REFRESH_INTERVAL
                }
        });
        *last = Some(now);
        self.wants_token = !(mutation!(RefusedTokenAgain) || mutation!(ExpiredAgain) && expired);
        self.rejected = !mutation!(RefusalUntold);
        match (recent, expired) {
            (false, _) => Refresh::Fetch,
            (true, _) if mutation!(SecondRefusalForgiven) => Refresh::Later,
            (true, true) if mutation!(SecondExpiryEnds) => Refresh::Never,
            (true, true) => Refresh::Later,
            (true, false) => Refresh::Never,
        }
    }
}
