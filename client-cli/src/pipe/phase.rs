//! The phases of `pipe`'s shutdown, with what each waits for and its time limit. Reads and writes nothing.

use super::Pipe;
use super::restored_outcomes::RestoredOutcomes;
use rejoin::State;
use std::time::Duration;
use tokio::time::Instant;

/// A plain server refuses a token only after it has let the client in, and what was written to it by then counts as
/// written. So the first connection is not closed before it has had this long to do so, unless it has proven
/// itself by sending something.
const REFUSAL: Duration = Duration::from_millis(500);

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Input may come.
    Open,
    /// Input has ended; waiting for outcomes until then, and longer with each of them.
    Draining(Instant),
    /// All outcomes are there; the server may still refuse the token until then.
    Settling(Instant),
    /// Receiving until then.
    Lingering(Instant),
    /// What has been printed is to be flushed and committed before the end; with `true` because outcomes took too
    /// long.
    Flushing(bool),
    /// The connection is being closed; with `true` because outcomes took too long.
    Closing(bool),
    /// The connection has failed for good; lines are answered until then, if another one comes in time.
    Failed(Instant),
    /// Nothing will come any more.
    Ended,
}

impl Pipe {
    /// Begins the next phase when this one has nothing left to wait for.
    pub(super) fn move_on(&mut self) {
        let has_earlier = self.earlier.as_ref().is_some_and(RestoredOutcomes::has_outcomes);
        let are_joined = self.joins.values().all(|join| join.is_member);
        let are_joined = are_joined && self.namespaces.are_joined();
        let is_idle = self.flight.is_empty() && self.lines.is_empty() && are_joined && !has_earlier;
        match self.phase {
            Phase::Open if (self.input.is_none() || self.is_closed()) && self.has_begun => {
                self.phase = Phase::Draining(Instant::now() + self.drain_timeout);
                self.move_on();
            }
            Phase::Draining(until) if is_idle => {
                self.phase = Phase::Settling(until);
                self.move_on();
            }
            Phase::Settling(until) => match self.settled_at(until) {
                Some(at) if at > Instant::now() => self.phase = Phase::Settling(at),
                _ => self.linger(),
            },
            Phase::Flushing(late)
                if self
                    .commits
                    .as_ref()
                    .is_none_or(|commits| self.printed.is_empty() && commits.is_empty()) =>
            {
                self.phase = Phase::Closing(late);
                // Ends by itself: the library closes within its own time limit.
                tokio::spawn(self.client.close());
            }
            // With a state file the end is a proper one, too: what has been printed is to be stored.
            Phase::Failed(_)
                if self.input.is_none()
                    && self.refs.is_some()
                    && self.flight.is_empty()
                    && self.lines.is_empty() =>
            {
                self.close(false);
            }
            Phase::Failed(_) if self.input.is_none() && is_idle && self.namespaces.have_ended() => {
                self.phase = Phase::Ended;
            }
            _ => {}
        }
    }

    /// Until when the server may still refuse what it was asked for: a token, or a room of `-r`; `until` at the latest.
    fn settled_at(&self, until: Instant) -> Option<Instant> {
        let token = self.unproven_since.filter(|_| self.has_sent).map(|since| since + REFUSAL);
        let rooms = match self.state {
            _ if self.unanswered.is_empty() => None,
            State::Connecting => Some(until),
            State::Connected => self.connected_at.map(|since| since + REFUSAL),
            // What an outage does to them is known at another time.
            _ => None,
        };
        token.max(rooms).map(|at| at.min(until))
    }

    fn linger(&mut self) {
        if self.linger.is_zero() || self.unprinted.is_some() || self.termination.is_requested() {
            self.close(false);
        } else {
            self.phase = Phase::Lingering(Instant::now() + self.linger);
        }
    }

    pub(super) fn deadline_passed(&mut self) {
        match self.phase {
            Phase::Draining(_) => self.close(true),
            Phase::Settling(_) => self.linger(),
            // Whoever writes has had the time to write on.
            Phase::Failed(_) => self.input = None,
            _ => self.close(false),
        }
    }

    pub(super) fn close(&mut self, late: bool) {
        self.user_unknown();
        self.phase = Phase::Flushing(late);
        self.move_on();
    }
}
