//! The delay before Redis is dialled again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Exponential, with full jitter above a floor: nodes that lost the same Redis come back at different moments.
#[derive(Debug)]
pub(super) struct Backoff {
    rng: fastrand::Rng,
    failures: u32,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { rng: fastrand::Rng::new(), failures: 0 }
    }

    /// The next attempt is the first one again.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Another attempt has failed.
    pub(super) fn next(&mut self) -> Duration {
        let most = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let floor = u64::try_from(most.as_millis() / 4).unwrap_or(u64::MAX);
        let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.rng.u64(floor..=most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_bound_and_are_never_nothing() {
        let mut backoff = Backoff::new();
        let waits: Vec<_> = (0..40).map(|_| backoff.next()).collect();
        assert!(waits.iter().all(|wait| *wait >= FIRST / 4 && *wait <= LONGEST));
        assert!(waits.iter().skip(6).all(|wait| *wait >= LONGEST / 4));
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
