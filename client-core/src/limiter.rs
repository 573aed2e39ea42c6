//! Limits dials to six in any thirty seconds, whatever triggers them (reconnecting.md, rule 4; invariant 11).

use crate::mutation::mutation;
use crate::time::{Nanos, Timestamp};

/// Dials allowed in one [`PERIOD`].
const MAX_DIALS: usize = 6;
const PERIOD: Nanos = Nanos::from_secs(30);

/// The times of the last dials.
#[derive(Debug, Clone, Default)]
pub(crate) struct DialLimiter {
    dials: [Option<Timestamp>; MAX_DIALS],
    oldest: usize,
}

impl DialLimiter {
    /// The earliest moment at or after `now` at which a dial is allowed.
    pub(crate) fn earliest(&self, now: Timestamp) -> Timestamp {
        match self.dials.get(self.oldest) {
            // One past the period: "any 30 s" includes both ends.
            Some(Some(oldest)) if mutation!(LimiterTooShort) => (*oldest + PERIOD.half()).max(now),
            Some(Some(oldest)) => (*oldest + PERIOD + Nanos::from_millis(1)).max(now),
            _ => now,
        }
    }

    /// Counts a dial made at `now`.
    pub(crate) fn count(&mut self, now: Timestamp) {
        if let Some(slot) = self.dials.get_mut(self.oldest) {
            *slot = Some(now);
        }
        self.oldest = (self.oldest + 1 + usize::from(mutation!(FiveDials) && self.oldest == 2)) % MAX_DIALS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seventh_dial_waits_until_the_first_is_thirty_seconds_old() {
        let mut limiter = DialLimiter::default();
        for n in 0..6 {
            let now = Timestamp::from_millis(n * 100);
            assert_eq!(limiter.earliest(now), now);
            limiter.count(now);
        }
        assert_eq!(limiter.earliest(Timestamp::from_millis(600)), Timestamp::from_millis(30_001));
        limiter.count(Timestamp::from_millis(30_001));
        assert_eq!(limiter.earliest(Timestamp::from_millis(30_002)), Timestamp::from_millis(30_101));
    }
}
