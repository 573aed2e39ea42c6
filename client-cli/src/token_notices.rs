//! Reports on stderr that no token is available, at once and once for each cause. Fetches none.

use crate::hints;
use crate::logging::write_line;
use crate::sanitise;
use rejoin::{CauseCode, State, StateChange};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A command that has printed no token by then is told.
pub(crate) const SLOW: Duration = Duration::from_secs(3);

/// What was told. Its clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct TokenNotices(Arc<Mutex<NoticeState>>);

#[derive(Debug, Default)]
struct NoticeState {
    /// The last cause.
    cause: Option<String>,
    /// That the command takes long.
    is_slow: bool,
    /// Commands that run.
    fetching: usize,
    /// Changes of the connection are shown by somebody else, with their causes.
    only_connected: bool,
    is_connected: bool,
}

impl TokenNotices {
    /// For a command that shows each change of the connection: here only what changes nothing there is told.
    pub(crate) fn while_connected() -> Self {
        Self(Arc::new(Mutex::new(NoticeState { only_connected: true, ..NoticeState::default() })))
    }

    /// `text` says why there is no token. Another attempt follows.
    pub(crate) fn tell(&self, text: &str) {
        if self.is_new(text) {
            write_line(&format!("rejoin: {text}; trying again"));
            if let Some(advice) = hints::general(CauseCode::TokenUnavailable) {
                write_line(&format!("  {advice}"));
            }
        }
    }

    /// A command runs, until this is dropped.
    pub(crate) fn fetching(&self) -> Fetching {
        self.lock().fetching += 1;
        Fetching(self.clone())
    }

    /// Whether a command runs.
    pub(crate) fn is_fetching(&self) -> bool {
        self.lock().fetching > 0
    }

    /// There is a token: what failed before is worth telling again.
    pub(crate) fn over(&self) {
        let mut told = self.lock();
        (told.cause, told.is_slow) = (None, false);
    }

    /// The command takes long.
    pub(crate) fn print_slow(&self) {
        let mut told = self.lock();
        if !told.is_silent() && !std::mem::replace(&mut told.is_slow, true) {
            let seconds = SLOW.as_secs();
            write_line(&format!("rejoin: the token command has not ended after {seconds} s; waiting for it"));
        }
    }

    /// A change of state that may have no other cause than that.
    pub(crate) fn look(&self, change: &StateChange) {
        self.lock().is_connected = change.state == State::Connected;
        if let Some(cause) = &change.cause
            && cause.code == CauseCode::TokenUnavailable
            && cause.will_retry
        {
            match &*cause.text {
                "" => self.tell("no token could be had in time"),
                text => self.tell(&sanitise::line(text)),
            }
        }
    }

    fn is_new(&self, text: &str) -> bool {
        let mut told = self.lock();
        !told.is_silent() && told.cause.replace(text.to_owned()).is_none_or(|before| before != text)
    }

    fn lock(&self) -> MutexGuard<'_, NoticeState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A command that runs.
pub(crate) struct Fetching(TokenNotices);

impl Drop for Fetching {
    fn drop(&mut self) {
        self.0.lock().fetching -= 1;
    }
}

impl NoticeState {
    fn is_silent(&self) -> bool {
        self.only_connected && !self.is_connected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_new_until_it_is_told_and_again_after_a_token() {
        let trouble = TokenNotices::default();
        assert!(trouble.is_new("no network") && !trouble.clone().is_new("no network"));
        assert!(trouble.is_new("no disk"));
        trouble.over();
        assert!(trouble.is_new("no disk"));
    }

    #[test]
    fn where_each_change_is_shown_only_a_refresh_that_changes_nothing_is_told() {
        let trouble = TokenNotices::while_connected();
        assert!(!trouble.is_new("no network"));
        trouble.look(&StateChange::new(State::Connected, None));
        assert!(trouble.is_new("no network"));
    }
}
