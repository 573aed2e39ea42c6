//! The application's own delay rule: its inputs, and the bounds of its result. Reads no clock and draws no entropy.

use super::MAX_HINT;
use crate::time::Nanos;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

/// The shortest delay that a rule of the application's own gives: no such retry is immediate.
const SHORTEST: Nanos = Nanos::from_millis(100);

/// What a rule of your own ([`Policy::custom`](super::Policy::custom)) is reported of the attempt that it gives the delay for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// Which attempt it is, from 1. The count is halved by a connection that was in sync for 5 s, and starts anew after 30 s
    /// in sync or the reconnect window, whichever is longer.
    pub number: u32,
    /// The reconnect window that the server has named: everybody comes back spread over it. Zero if it named none.
    pub window: Duration,
    /// What the server asks this client to wait at least, if it does, at most 10 minutes. A shorter answer is raised to it
    /// (and up to as much again, so that those it turned away together do not come back together).
    pub retry_after: Option<Duration>,
    /// A number drawn for this attempt from the client's seed, each equally likely: for jitter.
    pub random: u64,
}

impl Attempt {
    /// A delay in `from..=to`, to the millisecond, by this attempt's random number; `from` if `to` is shorter.
    pub fn between(&self, from: Duration, to: Duration) -> Duration {
        let (from, to) = (Nanos::from(from).millis(), Nanos::from(to).millis());
        let width = u128::from(to.saturating_sub(from)) + 1;
        // Less than the width, so it fits.
        let offset = u64::try_from((u128::from(self.random) * width) >> 64).unwrap_or_default();
        Duration::from_millis(from.saturating_add(offset))
    }
}

/// A rule of the application's own. Two are equal if they are the same function object.
#[derive(Clone)]
pub struct DelayRule(Arc<dyn Fn(Attempt) -> Duration + Send + Sync>);

impl DelayRule {
    pub(super) fn new(rule: impl Fn(Attempt) -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(rule))
    }

    /// Its answer, kept in bounds.
    pub(super) fn delay(&self, attempt: Attempt) -> Nanos {
        Nanos::from((self.0)(attempt)).clamp(SHORTEST, MAX_HINT)
    }
}

impl PartialEq for DelayRule {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for DelayRule {}

impl fmt::Debug for DelayRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DelayRule(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Backoff, Policy, RetryTrigger};
    use super::*;
    use alloc::vec::Vec;
    use fastrand::Rng;

    const SECOND: Duration = Duration::from_secs(1);

    fn backoff(rule: impl Fn(Attempt) -> Duration + Send + Sync + 'static) -> (Backoff, Rng) {
        (Backoff::new(Policy::custom(rule), Nanos::from_secs(7)), Rng::with_seed(3))
    }

    #[test]
    fn a_rule_of_ones_own_is_told_the_attempt_and_its_answer_is_the_delay() {
        let (mut backoff, mut rng) = backoff(|attempt| {
            assert_eq!((attempt.window, attempt.retry_after), (7 * SECOND, None));
            SECOND * attempt.number
        });
        for expected in 1..=40 {
            assert_eq!(backoff.next(RetryTrigger::Remote, &mut rng).duration(), SECOND * expected);
        }
        backoff.lost(Nanos::from_secs(30));
        assert_eq!(backoff.next(RetryTrigger::Drain, &mut rng).duration(), SECOND);
    }

    #[test]
    fn no_answer_makes_a_retry_immediate_or_endless() {
        for (answer, expected) in
            [(Duration::ZERO, Duration::from_millis(100)), (Duration::MAX, 600 * SECOND)]
        {
            let (mut backoff, mut rng) = backoff(move |_| answer);
            assert_eq!(backoff.next(RetryTrigger::Remote, &mut rng).duration(), expected);
        }
    }

    #[test]
    fn what_the_server_asks_for_is_waited_whatever_the_rule_says_and_local_causes_do_not_ask_it() {
        let (mut short, mut rng) = backoff(|_| Duration::ZERO);
        let hinted: Vec<Duration> =
            (0..50).map(|_| short.hinted(Nanos::from_secs(5), &mut rng).duration()).collect();
        assert!(hinted.iter().all(|delay| (5 * SECOND..=10 * SECOND).contains(delay)), "{hinted:?}");
        assert!(hinted.iter().any(|delay| *delay != hinted[0]), "all come back at once: {hinted:?}");
        assert!(short.hinted(Nanos::from_secs(86_400), &mut rng) <= MAX_HINT);
        short.set_least(Nanos::from_secs(3));
        assert!(short.next(RetryTrigger::Remote, &mut rng) >= Nanos::from_secs(3));
        let (mut told, mut rng) = backoff(|attempt| attempt.retry_after.unwrap_or_default() * 3);
        assert_eq!(told.hinted(Nanos::from_secs(5), &mut rng).duration(), 15 * SECOND);
        let (mut unasked, mut rng) = backoff(|_| Duration::MAX);
        assert!(unasked.next(RetryTrigger::Local, &mut rng) <= Nanos::from_millis(250));
    }

    #[test]
    fn jitter_is_within_its_bounds_and_comes_from_the_seed() {
        let delays = |seed| -> Vec<Duration> {
            let policy = Policy::custom(|attempt| attempt.between(SECOND, 2 * SECOND));
            let (mut backoff, mut rng) = (Backoff::new(policy, Nanos::ZERO), Rng::with_seed(seed));
            (0..50).map(|_| backoff.next(RetryTrigger::Remote, &mut rng).duration()).collect()
        };
        assert_eq!(delays(1), delays(1));
        assert_ne!(delays(1), delays(2));
        assert!(delays(1).iter().all(|delay| (SECOND..=2 * SECOND).contains(delay)));
        let attempt = |random| Attempt { number: 1, window: Duration::ZERO, retry_after: None, random };
        assert_eq!(attempt(0).between(SECOND, 2 * SECOND), SECOND);
        assert_eq!(attempt(u64::MAX).between(SECOND, 2 * SECOND), 2 * SECOND);
        assert_eq!(attempt(u64::MAX).between(2 * SECOND, SECOND), 2 * SECOND);
    }
}
