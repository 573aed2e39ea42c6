//! Tells on stderr that no token can be had for now, at once and once for each cause. It fetches none and decides nothing.

use crate::advice;
use crate::error::eprint_line;
use rejoin::{CauseCode, StateChange};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A command that has printed no token by then is told.
pub(crate) const SLOW: Duration = Duration::from_secs(3);

/// What was told last. Its clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct TokenTrouble(Arc<Mutex<Option<String>>>);

impl TokenTrouble {
    /// `text` says why there is no token. Another attempt follows.
    pub(crate) fn tell(&self, text: &str) {
        if self.is_new(text) {
            eprint_line(&format!("rejoin: {text}; trying again"));
            if let Some(advice) = advice::general(CauseCode::TokenUnavailable) {
                eprint_line(&format!("  {advice}"));
            }
        }
    }

    /// There is a token: what failed before is worth telling again.
    pub(crate) fn over(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The command takes long.
    pub(crate) fn tell_slow() {
        let seconds = SLOW.as_secs();
        eprint_line(&format!(
            "rejoin: the token command has printed nothing for {seconds} s; waiting for it"
        ));
    }

    /// A change of state that has no other cause than that.
    pub(crate) fn look(&self, change: &StateChange) {
        if let Some(cause) = &change.cause
            && cause.code == CauseCode::TokenUnavailable
            && cause.will_retry
        {
            match &*cause.text {
                "" => self.tell("no token could be had in time"),
                text => self.tell(&crate::sanitise::line(text)),
            }
        }
    }

    fn is_new(&self, text: &str) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.replace(text.to_owned()).is_none_or(|before| before != text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_new_until_it_is_told_and_again_after_a_token() {
        let trouble = TokenTrouble::default();
        assert!(trouble.is_new("no network") && !trouble.clone().is_new("no network"));
        assert!(trouble.is_new("no disk"));
        trouble.over();
        assert!(trouble.is_new("no disk"));
    }
}
