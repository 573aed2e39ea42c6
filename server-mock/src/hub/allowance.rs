//! A token bucket on the caller's clock.

use super::bug::{Bug, made};
use rejoin::Timestamp;
use std::time::Duration;

/// What a user may still do: fills at a rate, holds at most a burst.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    left: f64,
    counted: Timestamp,
}

impl Allowance {
    /// A full one.
    pub(super) fn full(burst: f64, now: Timestamp) -> Self {
        Self { left: burst, counted: now }
    }

    /// Takes one; `false` when there is none.
    pub(super) fn take(&mut self, now: Timestamp, rate: f64, burst: f64) -> bool {
        self.left = (self.left
            + now.since(self.counted).as_secs_f64() * rate / if made(Bug::NeverFills) { 2.0 } else { 1.0 })
        .min(burst);
        self.counted = now;
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }

    /// How long after the last try there is one to take.
    pub(super) fn next_in(&self, rate: f64) -> Duration {
        let missing = (1.0 - self.left).max(0.0);
        Duration::try_from_secs_f64(missing / rate).unwrap_or(Duration::MAX)
    }

    /// When it is surely full again, if nothing more is taken.
    pub(super) fn full_at(&self, rate: f64, burst: f64) -> Timestamp {
        let missing = (burst - self.left).max(0.0);
        self.counted + Duration::try_from_secs_f64(missing / rate).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let mut allowance = Allowance::full(4.0, Timestamp::ZERO);
        for _ in 0..4 {
            assert!(allowance.take(Timestamp::ZERO, 2.0, 4.0));
        }
        assert!(!allowance.take(Timestamp::ZERO, 2.0, 4.0));
        assert!(!allowance.take(Timestamp::from_millis(499), 2.0, 4.0));
        assert!(allowance.take(Timestamp::from_millis(501), 2.0, 4.0));
        assert!(!allowance.take(Timestamp::from_millis(502), 2.0, 4.0));
    }

    #[test]
    fn an_unused_allowance_never_exceeds_the_burst() {
        let mut allowance = Allowance::full(2.0, Timestamp::ZERO);
        let later = Timestamp::from_millis(3_600_000);
        assert!(allowance.take(later, 1.0, 2.0));
        assert!(allowance.take(later, 1.0, 2.0));
        assert!(!allowance.take(later, 1.0, 2.0));
        assert_eq!(allowance.full_at(1.0, 2.0), later + Duration::from_secs(2));
    }
}
