//! The delay before the next dial (reconnecting.md, "Delay").
//!
//! Not the crate `backoff`: it is unmaintained (RUSTSEC-2025-0012), reads the clock in its constructor and
//! draws from a generator that cannot be seeded. This is a page of integer arithmetic.

#[cfg(feature = "native")]
mod custom;

#[cfg(feature = "native")]
pub use custom::{Attempt, DelayRule};

use crate::mutation::mutation;
use crate::time::Nanos;
use core::time::Duration;
use fastrand::Rng;

/// The rule for the delay.
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// Jittered exponential delay with the server's window as its floor. The default.
    Standard {
        /// The first step, 1 s by default.
        base: Duration,
        /// The largest step, 30 s by default; the window may exceed it.
        cap: Duration,
    },
    /// The base contract's rule, exactly: `min(1000·2ⁿ, 30000)` ms, at most 10 attempts, counter reset on open
    /// (protocol.md §1).
    Legacy,
    /// The application's own rule: [`Policy::custom`].
    #[cfg(feature = "native")]
    #[cfg_attr(feature = "recording", serde(skip))]
    Custom(DelayRule),
}

impl Policy {
    /// Attempts the legacy rule allows.
    pub const LEGACY_ATTEMPTS: u32 = 10;

    /// A rule of the application's own: a function of what is known of the attempt. Its answer is kept between 100 ms and 10
    /// minutes, and is raised to what the server requests. An attempt that something on this side has caused (the network is
    /// back, a wake) does not ask it: it comes within 250 ms, but not more often than once in 10 s. The count of attempts, its
    /// limit and the limit of 6 dials in 30 s are those of [`Policy::Standard`].
    ///
    /// The function is called within the machine, so that it must not block, and must not panic; to be deterministic it
    /// takes its jitter from [`Attempt::random`].
    ///
    /// ```
    /// use rejoin::backoff::Policy;
    /// use std::time::Duration;
    ///
    /// // Two seconds more each time, up to a minute, half of it jitter.
    /// let policy = Policy::custom(|attempt| {
    ///     let longest = Duration::from_secs(60).min(Duration::from_secs(2) * attempt.number);
    ///     attempt.between(longest / 2, longest)
    /// });
    /// ```
    #[cfg(feature = "native")]
    pub fn custom(rule: impl Fn(Attempt) -> Duration + Send + Sync + 'static) -> Self {
        Self::Custom(DelayRule::new(rule))
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::Standard { base: Duration::from_secs(1), cap: Duration::from_secs(30) }
    }
}

/// The longest wait between tries of what a server refuses for now, unless it names a longer one.
const MAX_RETRY: Nanos = Nanos::from_secs(30);

/// The wait before something is sent again that was refused for now `refusals` times in a row before, at least `least`:
/// nothing the first time, then a quarter of a second, doubled each time.
pub(crate) fn retry_delay(refusals: u32, least: Nanos) -> Nanos {
    let delay = match refusals.min(8).checked_sub(1) {
        None => Nanos::ZERO,
        Some(doublings) => Nanos::from_millis(250).doubled(doublings).min(MAX_RETRY),
    };
    delay.max(least)
}

/// The wait after a temporary refusal that names none, and the longest one.
const PAUSE: Nanos = Nanos::from_secs(1);
const MAX_PAUSE: Nanos = Nanos::from_secs(600);

/// The shortest one after the refusal of a request, and after that of a send, of which many follow each other.
pub(crate) const MIN_REQUEST_PAUSE: Nanos = Nanos::from_millis(100);
pub(crate) const MIN_SEND_PAUSE: Nanos = Nanos::from_millis(10);

/// The wait that a server requests with a temporary refusal (protocol.md §2.2), at least `least`.
pub(crate) fn pause(retry_after_ms: Option<u64>, least: Nanos) -> Nanos {
    retry_after_ms.map_or(PAUSE, Nanos::from_millis).clamp(least, MAX_PAUSE)
}

/// What kind of event the next dial answers: it decides the first delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryTrigger {
    /// Something on this side: the network came back, a page was shown, a wake, the user asked.
    Local,
    /// The server announced a restart.
    Drain,
    /// The remote side, or nobody knows.
    Remote,
}

/// Most that a server may make a client wait (reconnecting.md, rule 2).
const MAX_HINT: Nanos = Nanos::from_secs(600);
/// A connection in sync this long shows that the network works, though perhaps not well.
const SHORT_STABLE: Nanos = Nanos::from_secs(5);
/// A connection in sync this long starts the count anew.
const LONG_STABLE: Nanos = Nanos::from_secs(30);
const LOCAL_JITTER: Nanos = Nanos::from_millis(250);
const REMOTE_JITTER: Nanos = Nanos::from_secs(1);

/// The count of failed attempts and the delays that follow from it. Pure: time and randomness come in.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    policy: Policy,
    attempt: u32,
    window: Nanos,
    /// What the server has asked everybody to wait at least; zero if nothing.
    least: Nanos,
    /// The last connection was in sync for a while: its loss does not determine the server's health.
    stable: bool,
}

impl Backoff {
    /// A fresh count. `window` is the server's reconnect window, zero if it never named one.
    pub(crate) fn new(policy: Policy, window: Nanos) -> Self {
        Self { policy, attempt: 0, window, least: Nanos::ZERO, stable: false }
    }

    /// Attempts since the count was last reset.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// A connection is open. Only the legacy rule takes that for success.
    pub(crate) fn opened(&mut self) {
        if matches!(self.policy, Policy::Legacy) {
            self.attempt = 0;
        }
    }

    /// A connection that was in sync for `in_sync` is lost: adjusts the count (reconnecting.md, rule 3).
    pub(crate) fn lost(&mut self, in_sync: Nanos) {
        self.stable = in_sync >= SHORT_STABLE;
        if in_sync >= LONG_STABLE.max(self.window) && !mutation!(CountKept) {
            self.attempt = 0;
        } else if self.stable && !mutation!(CountUnhalved) {
            self.attempt /= 2;
        }
    }

    /// The server has named its reconnect window.
    pub(crate) fn set_window(&mut self, window: Nanos) {
        self.window = if mutation!(WindowUnlearnt) { self.window } else { window };
    }

    /// The server has announced how long to wait before each return.
    pub(crate) fn set_least(&mut self, least: Nanos) {
        self.least = least.min(MAX_HINT);
    }

    /// The application starts anew.
    pub(crate) fn reset(&mut self) {
        self.attempt = if mutation!(AnewCountsOn) { self.attempt } else { 0 };
        self.stable = false;
    }

    /// The delay before the next dial; counts it.
    pub(crate) fn next(&mut self, occasion: RetryTrigger, rng: &mut Rng) -> Nanos {
        let attempt = self.attempt;
        self.attempt = attempt.saturating_add(1);
        let delay = match &self.policy {
            Policy::Legacy => return Nanos::from_millis(1000 << attempt.min(5)).min(Nanos::from_secs(30)),
            Policy::Standard { base, cap } => {
                self.unhinted(attempt, occasion, (*base).into(), (*cap).into(), rng)
            }
            #[cfg(feature = "native")]
            Policy::Custom(_) if occasion == RetryTrigger::Local => uniform(rng, Nanos::ZERO, LOCAL_JITTER),
            #[cfg(feature = "native")]
            Policy::Custom(rule) => rule.delay(self.told(attempt, self.least, rng)),
        };
        if self.least == Nanos::ZERO || occasion == RetryTrigger::Local {
            return delay;
        }
        // A server may have told everybody the same.
        self.least.plus(uniform(rng, Nanos::ZERO, REMOTE_JITTER)).max(delay)
    }

    fn unhinted(
        &self,
        attempt: u32,
        occasion: RetryTrigger,
        base: Nanos,
        cap: Nanos,
        rng: &mut Rng,
    ) -> Nanos {
        let known = self.window > Nanos::ZERO;
        match occasion {
            RetryTrigger::Local => uniform(rng, Nanos::ZERO, LOCAL_JITTER),
            RetryTrigger::Drain if attempt == 0 && known => uniform(rng, Nanos::ZERO, self.window),
            RetryTrigger::Drain if attempt == 0 => uniform(rng, Nanos::ZERO, REMOTE_JITTER),
            RetryTrigger::Remote if attempt == 0 && (known || self.stable) => {
                uniform(rng, Nanos::ZERO, self.window.max(REMOTE_JITTER))
            }
            RetryTrigger::Drain | RetryTrigger::Remote => {
                // The window is a floor, not a raised cap: the cap form lets a herd through.
                let step = base
                    .doubled(attempt.min(20))
                    .min(if mutation!(CapForgotten) { Nanos::MAX } else { cap })
                    .max(self.floor());
                uniform(rng, if mutation!(JitterFromZero) { Nanos::ZERO } else { step.half().half() }, step)
            }
        }
    }

    /// The delay when the server sent how long to wait: the hint and up to as much again, so that those it
    /// turned away together do not come back together. A hint is about one client, the window about all of them:
    /// it stays the floor.
    pub(crate) fn hinted(&mut self, hint: Nanos, rng: &mut Rng) -> Nanos {
        if matches!(self.policy, Policy::Legacy) {
            // Its rule knows no hints.
            return self.next(RetryTrigger::Remote, rng);
        }
        let attempt = self.attempt;
        self.attempt = attempt.saturating_add(u32::from(!mutation!(HintUncounted)));
        let hint = hint.min(MAX_HINT);
        #[cfg(feature = "native")]
        if let Policy::Custom(rule) = &self.policy {
            let delay = rule.delay(self.told(attempt, hint.max(self.least), rng));
            let asked = uniform(rng, hint, hint.plus(hint.max(REMOTE_JITTER)));
            return delay.max(asked).min(MAX_HINT);
        }
        let spread =
            if mutation!(HintUnspread) { Nanos::ZERO } else { hint.max(self.window).max(REMOTE_JITTER) };
        let floor = self.floor();
        uniform(rng, hint.max(floor.half().half()), hint.plus(spread).max(floor)).min(MAX_HINT)
    }

    /// What a rule of the application's own is reported.
    #[cfg(feature = "native")]
    fn told(&self, attempt: u32, least: Nanos, rng: &mut Rng) -> Attempt {
        Attempt {
            number: attempt.saturating_add(1),
            window: self.window.duration(),
            retry_after: (least > Nanos::ZERO).then(|| least.duration()),
            random: rng.u64(..),
        }
    }

    /// The least that the largest delay may be where the server has named its window.
    fn floor(&self) -> Nanos {
        if mutation!(WindowNoFloor) {
            return Nanos::ZERO;
        }
        self.window.plus(self.window.half())
    }
}

/// A delay in `[from, to]`, to the millisecond.
pub(crate) fn uniform(rng: &mut Rng, from: Nanos, to: Nanos) -> Nanos {
    let (from, to) = (from.millis(), to.millis());
    Nanos::from_millis(rng.u64(from..=to.max(from)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const SECOND: Duration = Duration::from_secs(1);

    fn standard(window: Duration) -> (Backoff, Rng) {
        (Backoff::new(Policy::default(), window.into()), Rng::with_seed(7))
    }

    fn next(backoff: &mut Backoff, rng: &mut Rng) -> Duration {
        backoff.next(RetryTrigger::Remote, rng).duration()
    }

    #[test]
    fn legacy_waits_doubling_seconds_up_to_thirty_without_jitter() {
        let mut backoff = Backoff::new(Policy::Legacy, Nanos::ZERO);
        let mut rng = Rng::with_seed(1);
        let delays: Vec<u64> = (0..8).map(|_| next(&mut backoff, &mut rng).as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 30, 30, 30]);
        backoff.opened();
        assert_eq!(next(&mut backoff, &mut rng), SECOND);
    }

    #[test]
    fn the_delay_grows_to_the_cap_and_keeps_its_jitter_there() {
        let (mut backoff, mut rng) = standard(Duration::ZERO);
        for n in 0..5_u32 {
            let delay = next(&mut backoff, &mut rng);
            let step = SECOND * 2_u32.pow(n);
            assert!(delay >= step / 4 && delay <= step, "attempt {n}: {delay:?}");
        }
        let mut seen: Vec<Duration> = (0..50).map(|_| next(&mut backoff, &mut rng)).collect();
        assert!(seen.iter().all(|d| *d >= Duration::from_millis(7500) && *d <= 30 * SECOND));
        seen.sort();
        seen.dedup();
        assert!(seen.len() > 40, "the jitter froze: {seen:?}");
    }

    #[test]
    fn an_hour_of_attempts_does_not_overflow() {
        let (mut backoff, mut rng) = standard(Duration::ZERO);
        backoff.attempt = u32::MAX - 2;
        for _ in 0..5 {
            assert!(next(&mut backoff, &mut rng) <= 30 * SECOND);
        }
    }

    #[test]
    fn the_window_is_a_floor_for_every_delay_after_the_first() {
        let (mut backoff, mut rng) = standard(60 * SECOND);
        assert!(next(&mut backoff, &mut rng) <= 60 * SECOND);
        for _ in 0..20 {
            let delay = next(&mut backoff, &mut rng);
            assert!(delay >= 22 * SECOND && delay <= 90 * SECOND, "{delay:?}");
        }
    }

    #[test]
    fn a_server_that_accepts_and_drops_is_not_hammered() {
        let (mut backoff, mut rng) = standard(Duration::ZERO);
        let mut total = Duration::ZERO;
        for _ in 0..20 {
            backoff.opened();
            backoff.lost(Duration::from_millis(100).into());
            total += next(&mut backoff, &mut rng);
        }
        assert!(total > 120 * SECOND, "20 attempts in {total:?}");
    }

    #[test]
    fn a_short_stable_connection_halves_the_count_and_a_long_one_resets_it() {
        let (mut backoff, _) = standard(Duration::ZERO);
        backoff.attempt = 8;
        backoff.lost((4 * SECOND).into());
        assert_eq!(backoff.attempt(), 8);
        backoff.lost((5 * SECOND).into());
        assert_eq!(backoff.attempt(), 4);
        backoff.lost((30 * SECOND).into());
        assert_eq!(backoff.attempt(), 0);
    }

    #[test]
    fn a_hint_is_a_floor_and_never_exceeds_ten_minutes() {
        let (mut backoff, mut rng) = standard(Duration::ZERO);
        for _ in 0..20 {
            let delay = backoff.hinted(Nanos::from_secs(5), &mut rng).duration();
            assert!(delay >= 5 * SECOND && delay <= 10 * SECOND);
            assert!(backoff.hinted(Nanos::from_secs(86_400), &mut rng) <= MAX_HINT);
        }
    }

    #[test]
    fn what_a_stream_asks_for_is_waited_and_never_shortens_the_rule() {
        let (mut backoff, mut rng) = standard(Duration::ZERO);
        backoff.set_least(Nanos::from_secs(3));
        backoff.lost((5 * SECOND).into());
        let first: Vec<Duration> = (0..20)
            .map(|_| {
                backoff.reset();
                next(&mut backoff, &mut rng)
            })
            .collect();
        assert!(first.iter().all(|delay| (3 * SECOND..=4 * SECOND).contains(delay)), "{first:?}");
        assert!(first.iter().any(|delay| *delay != first[0]), "everybody came back at once: {first:?}");
        assert!(backoff.next(RetryTrigger::Local, &mut rng) <= LOCAL_JITTER);
        backoff.attempt = 8;
        let grown: Vec<Duration> = (0..50).map(|_| next(&mut backoff, &mut rng)).collect();
        assert!(grown.iter().any(|delay| *delay > 20 * SECOND), "{grown:?}");
        backoff.set_least(Nanos::from_secs(86_400));
        assert!(next(&mut backoff, &mut rng) <= MAX_HINT.plus(REMOTE_JITTER).duration());
    }

    #[test]
    fn legacy_knows_no_hints() {
        let (_, mut rng) = standard(Duration::ZERO);
        let mut backoff = Backoff::new(Policy::Legacy, Nanos::ZERO);
        backoff.set_least(Nanos::from_secs(60));
        let delays: Vec<Duration> =
            (0..3).map(|_| backoff.hinted(Nanos::from_secs(60), &mut rng).duration()).collect();
        assert_eq!(delays, [SECOND, 2 * SECOND, 4 * SECOND]);
    }

    #[test]
    fn a_hint_shorter_than_the_window_brings_nobody_back_before_it() {
        let (mut backoff, mut rng) = standard(80 * SECOND);
        let delays: Vec<Duration> =
            (0..200).map(|_| backoff.hinted(Nanos::from_secs(5), &mut rng).duration()).collect();
        assert!(delays.iter().all(|delay| *delay >= 30 * SECOND && *delay <= 120 * SECOND), "{delays:?}");
        assert!(delays.iter().any(|delay| *delay > 100 * SECOND), "{delays:?}");
    }
}
