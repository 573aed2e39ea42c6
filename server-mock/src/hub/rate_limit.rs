//! A token bucket. The caller passes the time.

use super::mutation::mutation;
use rejoin::Timestamp;
use std::time::Duration;

/// What a user may still do: fills at a rate, holds at most a burst.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenBucket {
    tokens: f64,
    updated_at: Timestamp,
}

impl TokenBucket {
    /// A full one.
    pub(super) fn full(burst: f64, now: Timestamp) -> Self {
        Self { tokens: burst, updated_at: now }
    }

    /// Takes one; `false` when there is none.
    pub(super) fn try_take(&mut self, now: Timestamp, rate: f64, burst: f64) -> bool {
        self.try_take_many(now, rate, burst, 1.0)
    }

    /// Takes so many, or none when there are fewer.
    pub(super) fn try_take_many(&mut self, now: Timestamp, rate: f64, burst: f64, count: f64) -> bool {
        self.fill(now, rate, burst);
        if self.tokens < count {
            return false;
        }
        self.tokens -= count;
        true
    }

    /// Takes so many, whether there are so many or not. What is missing may be one burst at most.
    pub(super) fn take_with_debt(&mut self, now: Timestamp, rate: f64, burst: f64, count: f64) {
        self.fill(now, rate, burst);
        self.tokens = self.tokens.min((self.tokens - count).max(-burst));
    }

    /// Leaves no more than this; it may be less than nothing, by one burst at most, for what was taken elsewhere.
    pub(super) fn reduce_to(&mut self, now: Timestamp, rate: f64, burst: f64, left: f64) {
        self.fill(now, rate, burst);
        self.tokens = self.tokens.min(left.max(-burst));
    }

    fn fill(&mut self, now: Timestamp, rate: f64, burst: f64) {
        let slow = if mutation!(NeverFills) { 2.0 } else { 1.0 };
        let full = self.tokens + now.since(self.updated_at).as_secs_f64() * rate / slow;
        self.tokens = full.min(if mutation!(FillsBeyond) { f64::INFINITY } else { burst });
        self.updated_at = now;
    }

    /// How long after the last try there is one to take.
    pub(super) fn next_in(&self, rate: f64) -> Duration {
        let missing = (1.0 - self.tokens).max(0.0);
        let early = if mutation!(NextTooEarly) { 2.0 } else { 1.0 };
        Duration::try_from_secs_f64(missing / rate / early).unwrap_or(Duration::MAX)
    }

    /// When it is surely full again, if nothing more is taken.
    pub(super) fn full_at(&self, rate: f64, burst: f64) -> Timestamp {
        let missing = (burst - self.tokens).max(0.0);
        self.updated_at + Duration::try_from_secs_f64(missing / rate).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let mut bucket = TokenBucket::full(4.0, Timestamp::ZERO);
        for _ in 0..4 {
            assert!(bucket.try_take(Timestamp::ZERO, 2.0, 4.0));
        }
        assert!(!bucket.try_take(Timestamp::ZERO, 2.0, 4.0));
        assert!(!bucket.try_take(Timestamp::from_millis(499), 2.0, 4.0));
        assert!(bucket.try_take(Timestamp::from_millis(501), 2.0, 4.0));
        assert!(!bucket.try_take(Timestamp::from_millis(502), 2.0, 4.0));
    }

    #[test]
    fn what_is_taken_elsewhere_delays_the_next_by_one_burst_at_most() {
        let mut bucket = TokenBucket::full(4.0, Timestamp::ZERO);
        bucket.reduce_to(Timestamp::ZERO, 2.0, 4.0, 9.0);
        assert!(bucket.try_take(Timestamp::ZERO, 2.0, 4.0), "more than a burst is not given");
        bucket.reduce_to(Timestamp::ZERO, 2.0, 4.0, -100.0);
        assert!(!bucket.try_take(Timestamp::from_millis(2_499), 2.0, 4.0));
        assert!(bucket.try_take(Timestamp::from_millis(2_501), 2.0, 4.0));
    }

    #[test]
    fn what_was_taken_beyond_what_there_was_is_missing_later_but_for_more_than_a_burst() {
        let mut bucket = TokenBucket::full(4.0, Timestamp::ZERO);
        bucket.take_with_debt(Timestamp::ZERO, 2.0, 4.0, 3.0);
        assert!(bucket.try_take(Timestamp::ZERO, 2.0, 4.0));
        bucket.take_with_debt(Timestamp::ZERO, 2.0, 4.0, 1e9);
        assert!(!bucket.try_take(Timestamp::from_millis(2_499), 2.0, 4.0));
        assert!(bucket.try_take(Timestamp::from_millis(2_501), 2.0, 4.0));
    }

    #[test]
    fn an_unused_allowance_never_exceeds_the_burst() {
        let mut bucket = TokenBucket::full(2.0, Timestamp::ZERO);
        let later = Timestamp::from_millis(3_600_000);
        assert!(bucket.try_take(later, 1.0, 2.0));
        assert!(bucket.try_take(later, 1.0, 2.0));
        assert!(!bucket.try_take(later, 1.0, 2.0));
        assert_eq!(bucket.full_at(1.0, 2.0), later + Duration::from_secs(2));
    }
}
