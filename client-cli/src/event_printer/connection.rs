//! Prints connection failures: what was lost, when it is retried, and what ends it. Limits their number and prints none twice.

use super::EventPrinter;
use crate::describe;
use rejoin::{Cause, CauseCode, State, StateChange, Timestamp};

/// Attempts that are each worth a line; after them every doubling is.
const FIRST_ATTEMPTS: u32 = 3;

impl EventPrinter {
    pub(super) fn state_changed(&mut self, change: &StateChange, now: Timestamp) {
        self.state = change.state;
        self.has_connected |= change.state == State::Connected;
        if change.state != State::Connected {
            self.rooms.connection_lost();
            self.told_gap = None;
        }
        self.connection_trouble(change, "", now);
    }

    /// The connection has ended for good.
    pub(crate) fn fail(&mut self, cause: Option<&Cause>) {
        self.failed = Some(self.advice.failure(cause));
    }

    /// An idle timeout that a change of state shows for the first time, in words.
    pub(crate) fn idle_timeout(&mut self, change: &StateChange) -> Option<String> {
        self.idle_notice.of(change)
    }

    pub(super) fn connection_trouble(&mut self, change: &StateChange, whose: &str, now: Timestamp) {
        let idle_timeout = self.idle_timeout(change);
        self.print_trouble(change, whose, now);
        if let Some(text) = idle_timeout {
            self.notice(&text);
        }
    }

    fn print_trouble(&mut self, change: &StateChange, whose: &str, now: Timestamp) {
        match change.state {
            State::Reconnecting { attempt, retry_at: Some(at) }
            | State::Suspended { attempt, retry_at: Some(at) } => {
                let is_new = matches!(change.state, State::Suspended { .. }) && !self.is_suspended;
                if attempt > FIRST_ATTEMPTS && !attempt.is_power_of_two() && !is_new {
                    return;
                }
                if change.cause.as_ref().is_some_and(|cause| cause.code == CauseCode::Requested) {
                    // The user asked for it, and has been answered.
                    return;
                }
                let cause =
                    change.cause.as_ref().map_or_else(|| "connection lost".to_owned(), describe::cause);
                let retry = describe::retry(at, now);
                // Each attempt is another one, not the same notice again.
                let retry = if attempt > 1 { format!("{retry} (attempt {attempt})") } else { retry };
                let is_suspended = matches!(change.state, State::Suspended { .. });
                // Said once, and then as any other attempt.
                if is_suspended && !std::mem::replace(&mut self.is_suspended, true) {
                    self.notice(&format!("{whose}offline, still trying: {cause}; {retry}"));
                } else {
                    self.notice(&format!("{whose}{cause}; {retry}"));
                }
            }
            State::Connected => self.is_suspended = false,
            State::Failed => self.fail(change.cause.as_ref()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::event_printer::tests::{lost, told};
    use rejoin::{Cause, CauseCode, Event, State, StateChange, Timestamp};

    #[test]
    fn each_attempt_is_told_as_another_one() {
        let lost = || {
            let state = State::Reconnecting { attempt: 1, retry_at: Some(Timestamp::from_millis(3_000)) };
            StateChange::new(state, Some(Cause::new(CauseCode::ConnectionLost, "")))
        };
        let again = |attempt| {
            let state = State::Reconnecting { attempt, retry_at: Some(Timestamp::from_millis(3_000)) };
            Event::State(StateChange::new(state, lost().cause))
        };
        assert_eq!(
            told(&[Event::State(lost()), again(2), again(3)]),
            "* connection lost; retrying in 2 s\n* connection lost; retrying in 2 s (attempt 2)\n\
             * connection lost; retrying in 2 s (attempt 3)\n"
        );
    }

    #[test]
    fn a_long_absence_is_not_a_wall_of_lines() {
        let attempts: Vec<Event> = (1..=64).map(lost).collect();
        assert_eq!(told(&attempts).lines().count(), 8);
    }
}
