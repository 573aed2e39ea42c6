//! Chooses what follows a closed connection or a failed dial: fail, or dial again after a delay.

use super::auth::Refresh;
use super::state::Outage;
use super::state::State;
use super::{Link, Phase};
use crate::backoff::{Policy, RetryTrigger, uniform};
use crate::cause::{Cause, CauseCode, Disconnect};
use crate::close_code::CloseAction;
use crate::mutation::mutation;
use crate::time::{Nanos, Timestamp};
use core::time::Duration;

/// A local cause shortens the wait at most once in this time.
const LOCAL_RETRY_INTERVAL: Nanos = Nanos::from_secs(10);
/// The third suspicious ending in this time is the last one (protocol.md §2.5).
const SUSPICIOUS_WINDOW: Nanos = Nanos::from_secs(600);
/// How long a URL that has worked may answer as a wrong address would: a deployment behind a proxy or the sign-in page
/// of a network takes no longer.
const MISCONFIGURED_GRACE: Nanos = Nanos::from_secs(300);
/// The shortest wait that an overloaded server is given when it names none.
const MIN_OVERLOAD_DELAY: Nanos = Nanos::from_secs(5);

impl Link {
    pub(super) fn apply_close_action(
        &mut self,
        now: Timestamp,
        verdict: CloseAction,
        cause: Cause,
        hint: Option<Duration>,
    ) {
        match verdict {
            CloseAction::Terminal if mutation!(RetryAfterTerminal) => {
                self.retry(now, RetryTrigger::Remote, cause);
            }
            CloseAction::Terminal => self.fail(cause),
            CloseAction::Retry | CloseAction::TooLarge => self.retry(now, RetryTrigger::Remote, cause),
            CloseAction::Drain => self.retry(now, RetryTrigger::Drain, cause),
            CloseAction::RetryAfter if mutation!(OverloadIgnored) => {
                self.retry(now, RetryTrigger::Remote, cause);
            }
            CloseAction::RetryAfter => {
                let hint = if mutation!(HintIgnored) { None } else { hint };
                let least = if mutation!(OverloadUnwaited) { Nanos::ZERO } else { MIN_OVERLOAD_DELAY };
                let hint = hint.map_or(least, Nanos::from);
                let delay = self.backoff.hinted(hint, &mut self.rng);
                self.wait(now, delay, cause);
            }
            CloseAction::RetryLimited => {
                let [last_but_one, last] = self.suspicious_closes;
                self.suspicious_closes = [last, if mutation!(SuspectsNeverEnd) { None } else { Some(now) }];
                if mutation!(SuspectTwice) && last.is_some()
                    || last_but_one.is_some_and(|at| {
                        now.after(at)
                            < if mutation!(SuspectSooner) { Nanos::from_secs(20) } else { SUSPICIOUS_WINDOW }
                    })
                {
                    #[cfg(any(feature = "socketio", feature = "sse"))]
                    if self.transports.has_untried() {
                        return self.retry(now, RetryTrigger::Remote, cause);
                    }
                    self.fail(cause);
                } else {
                    self.retry(now, RetryTrigger::Remote, cause);
                }
            }
            CloseAction::Rejected | CloseAction::Expired => {
                let refresh = self.auth.refused(now, verdict);
                if !mutation!(RefusedTokenMoves) {
                    // The dial of a move shows that token too, and its refusal would be the second.
                    self.drop_others();
                }
                match refresh {
                    Refresh::Fetch => {
                        let delay = uniform(&mut self.rng, Nanos::ZERO, Nanos::from_secs(1));
                        self.wait(now, delay, cause);
                    }
                    Refresh::Later => self.retry(now, RetryTrigger::Remote, cause),
                    Refresh::Never => {
                        let code = CauseCode::Unauthorized(cause.code.number().unwrap_or(4001));
                        let code = if mutation!(RefusalAsClose) { cause.code } else { code };
                        self.fail(Cause { code, ..cause });
                    }
                }
            }
        }
    }

    /// A URL that has worked is answered as a wrong one would be, by a proxy most likely.
    pub(super) fn unexpected_answer(&mut self, now: Timestamp, cause: Cause) {
        let since = *self.misconfigured_since.get_or_insert(now);
        if now.after(since) < MISCONFIGURED_GRACE && !mutation!(StrangeAnswerEnds) {
            self.retry(now, RetryTrigger::Remote, cause);
        } else {
            self.fail(cause);
        }
    }

    /// Waits as the backoff says.
    pub(super) fn retry(&mut self, now: Timestamp, occasion: RetryTrigger, cause: Cause) {
        let occasion = match occasion {
            RetryTrigger::Local if !self.take_local_retry(now) => RetryTrigger::Remote,
            other => other,
        };
        let delay = self.backoff.next(occasion, &mut self.rng);
        self.wait(now, delay, cause);
    }

    /// Whether a local cause may still shorten a wait; uses the chance up.
    pub(super) fn take_local_retry(&mut self, now: Timestamp) -> bool {
        let free = !mutation!(ChanceUnused)
            && (mutation!(LocalTooOften)
                || self.last_local_retry.is_none_or(|at| now.after(at) >= LOCAL_RETRY_INTERVAL));
        if free {
            self.last_local_retry = Some(now);
        }
        free
    }

    pub(super) fn wait(&mut self, now: Timestamp, delay: Nanos, cause: Cause) {
        let loss = self.outage.get_or_insert(Outage::new(now));
        let attempts = match self.config.policy {
            Policy::Legacy => Some(Policy::LEGACY_ATTEMPTS),
            _ => self.config.max_attempts,
        };
        let exhausted = attempts
            .is_some_and(|most| self.backoff.attempt() + u32::from(mutation!(LegacyGivesUpEarly)) > most)
            || self.config.max_elapsed.is_some_and(|most| loss.age(now).plus(delay) > most.into());
        if exhausted {
            self.fail(cause.give_up());
            return;
        }
        self.phase = match self.take_replacement_dial() {
            Some((conn, until)) => Phase::AwaitingOpen { conn, until, offered: self.offer },
            #[cfg(feature = "socketio")]
            None => Phase::AwaitingRetry { at: self.retry_at(now, delay) },
            #[cfg(not(feature = "socketio"))]
            None => Phase::AwaitingRetry { at: self.limiter.earliest(now + delay) },
        };
        self.changed(self.state(), Some(cause));
    }

    /// Brings the next dial forward after a local cause.
    pub(super) fn retry_soon(&mut self, now: Timestamp, cause: CauseCode) {
        let Phase::AwaitingRetry { at } = self.phase else { return };
        #[cfg(feature = "socketio")]
        if self.is_carried() {
            return;
        }
        let soon = now + uniform(&mut self.rng, Nanos::ZERO, Nanos::from_millis(250));
        let soon = self.limiter.earliest(soon);
        if (soon < at || mutation!(HintLengthens)) && self.take_local_retry(now) {
            self.phase = Phase::AwaitingRetry { at: soon };
            self.changed(self.state(), Some(Cause::bare(cause)));
        }
    }

    /// The next dial tries the next URL.
    pub(super) fn next_endpoint(&mut self) {
        self.endpoint = (self.endpoint + 1) % self.config.endpoints.max(1);
        self.backoff.lost(Nanos::ZERO);
    }

    pub(super) fn fail(&mut self, cause: Cause) {
        if !mutation!(FailLeavesOther) {
            self.drop_others();
        }
        self.phase = Phase::Failed;
        self.outage = None;
        self.changed(State::Failed, Some(Cause { will_retry: mutation!(EndSaysRetry), ..cause }));
    }
}

/// The end of an open connection, as the application receives it.
pub(super) fn cause(how: Disconnect) -> Cause {
    match how {
        Disconnect::Closed { code, reason } => Cause::new(CauseCode::Closed(code), reason),
        Disconnect::Lost => Cause::bare(CauseCode::ConnectionLost),
        Disconnect::Protocol => Cause::bare(CauseCode::ProtocolError),
        Disconnect::TooLarge(sizes) => Cause::new(CauseCode::FrameTooLarge, sizes),
        Disconnect::Ended => Cause::bare(CauseCode::StreamEnded),
    }
}
