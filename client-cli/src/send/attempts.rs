//! The attempts to connect that have failed: which cause is to be told, when, and which has been. Opens no connection.

use crate::describe;
use crate::error::eprint_line;
use crate::hints::Hints;
use crate::token_notices::TokenNotices;
use rejoin::{Cause, CauseCode, ConnectionStatus, State};
use std::time::Duration;
use tokio::time::Instant;

/// An attempt that has failed is told when something has waited for the next one this long: until then what waited may have got
/// its outcome from the same loss, and the command ends with it.
const RETRY_NOTICE: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
pub(super) struct FailedAttempts {
    /// The cause that was told last.
    told: Option<String>,
    /// One that is to be told, and when.
    untold: Option<(Instant, Cause)>,
}

impl FailedAttempts {
    /// When [`FailedAttempts::tell_retry`] has something to tell.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.untold.as_ref().map(|(at, _)| *at)
    }

    /// One has failed, which is told where something waits for the next one, or with what ends without one.
    pub(super) fn failed(&mut self, cause: Option<&Cause>) {
        let Some(cause) = cause else { return };
        if cause.code == CauseCode::TokenUnavailable {
            // It has been told already.
            self.told = Some(describe::cause(cause));
        } else {
            let at = self.next_due().unwrap_or_else(|| Instant::now() + RETRY_NOTICE);
            self.untold = Some((at, cause.clone()));
        }
    }

    /// One has succeeded: why those before it failed matters to nobody.
    pub(super) fn connected(&mut self) {
        self.untold = None;
    }

    /// This cause was told elsewhere.
    pub(super) fn was_told(&mut self, cause: String) {
        self.told = Some(cause);
    }

    /// Another one follows the one that has failed: tells why it has, once for each cause.
    pub(super) fn tell_retry(&mut self, advice: &Hints) {
        if let Some((_, cause)) = self.untold.take() {
            self.tell(&cause, advice, |text| format!("rejoin: {text}; trying again"));
        }
    }

    /// Tells why there is no connection, where that has not been told.
    pub(super) fn tell_last(
        &mut self,
        status: &ConnectionStatus,
        advice: &Hints,
        token: Option<&TokenNotices>,
    ) {
        match self.untold.take().map(|(_, cause)| cause).or_else(|| status.cause.clone()) {
            Some(cause) => self.tell(&cause, advice, |text| format!("  {text}")),
            None if token.is_some_and(TokenNotices::is_fetching) => {
                eprint_line("  the token command had not ended by then: no connection was made");
            }
            None if status.state == State::Connecting => {
                eprint_line("  the server had not answered by then: no connection was made");
            }
            None => {}
        }
    }

    fn tell(&mut self, cause: &Cause, advice: &Hints, line: impl FnOnce(&str) -> String) {
        let text = describe::cause(cause);
        if self.told.as_ref() != Some(&text) {
            eprint_line(&line(&text));
            if let Some(advice) = advice.for_cause(cause) {
                eprint_line(&format!("  {advice}"));
            }
            self.told = Some(text);
        }
    }
}
