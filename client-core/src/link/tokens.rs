//! Tokens for the next dial and for the connection in use.

use super::{Action, Link, Phase};
use crate::backoff::RetryTrigger;
use crate::cause::{Cause, CauseCode};
use crate::mutation::mutation;
use crate::time::Timestamp;
use crate::token::{Token, TokenError};

impl Link {
    /// A new token: used at once on a connection that can take it, from the next dial on, and the way out of `failed`.
    pub(crate) fn set_token(&mut self, now: Timestamp, token: Token) {
        if !mutation!(TokenUnkept) || !matches!(self.phase, Phase::Open { .. }) {
            self.auth.replace(token.clone());
        }
        match self.phase {
            Phase::Open { .. } => {
                self.refreshing = None;
                if !mutation!(TokenUnshown) {
                    self.actions.push(Action::Authenticate(token));
                }
            }
            Phase::Failed if !mutation!(TokenNoWayOut) => self.connect(now),
            Phase::AwaitingToken { .. } if !mutation!(TokenGivenUnheard) => self.dial(now),
            _ => {}
        }
    }

    /// The token of the connection in use is about to expire.
    pub(crate) fn refresh_token(&mut self, now: Timestamp) {
        if matches!(self.phase, Phase::Open { .. })
            && self.refreshing.is_none()
            && self.auth.has_source()
            && !mutation!(ExpiryUnheard)
        {
            self.refreshing = Some(now + self.config.token_timeout);
            self.actions.push(Action::FetchToken { rejected: false });
        }
    }

    pub(crate) fn token(&mut self, now: Timestamp, result: Result<Token, TokenError>) {
        if self.refreshing.take().is_some() && matches!(self.phase, Phase::Open { .. }) {
            // Without one the connection continues for as long as the server lets it.
            if let Ok(token) = result {
                self.auth.fetched(token.clone());
                if !mutation!(RefreshUnshown) {
                    self.actions.push(Action::Authenticate(token));
                }
            }
            return;
        }
        if !matches!(self.phase, Phase::AwaitingToken { .. }) {
            return;
        }
        match result {
            Ok(token) => {
                self.auth.fetched(token);
                self.dial(now);
            }
            Err(error) => {
                let cause = Cause::new(CauseCode::TokenUnavailable, error.text);
                if (error.temporary || mutation!(TokenFailureRetried)) && !mutation!(TokenFailureFinal) {
                    self.retry(now, RetryTrigger::Remote, cause);
                } else {
                    self.fail(cause);
                }
            }
        }
    }
}
