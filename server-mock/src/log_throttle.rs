//! Throttles log lines: at most one a minute for each cause. Writes nothing itself.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub(crate) const LOG_INTERVAL: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(crate) struct LogThrottle {
    told: Option<Instant>,
    /// How often it has happened since then.
    count: u64,
}

impl LogThrottle {
    /// It has happened again: `record` is called with how often since it was last told, if that is a minute ago.
    pub(crate) fn record(&mut self, tell: impl FnOnce(u64)) {
        self.tell_at(Instant::now(), tell);
    }

    fn tell_at(&mut self, now: Instant, tell: impl FnOnce(u64)) {
        self.count += 1;
        if self.told.is_none_or(|told| now.saturating_duration_since(told) >= LOG_INTERVAL) {
            tell(std::mem::take(&mut self.count));
            self.told = Some(now);
        }
    }
}

/// Causes that are told apart. Those beyond share one place.
const CAUSES: usize = 32;

/// The same for each cause of something.
#[derive(Debug, Default)]
pub(crate) struct LogThrottleByCause(BTreeMap<Box<str>, LogThrottle>);

impl LogThrottleByCause {
    /// It has happened again for this cause: as [`LogThrottle::record`].
    pub(crate) fn record(&mut self, cause: &str, tell: impl FnOnce(u64)) {
        self.tell_at(cause, Instant::now(), tell);
    }

    fn tell_at(&mut self, cause: &str, now: Instant, tell: impl FnOnce(u64)) {
        if !self.0.contains_key(cause) && self.0.len() >= CAUSES {
            // The others are told at once when they happen again.
            self.0.retain(|_, throttle| {
                throttle.told.is_some_and(|told| now.saturating_duration_since(told) < LOG_INTERVAL)
            });
        }
        let is_known = self.0.contains_key(cause) || self.0.len() < CAUSES;
        self.0.entry(if is_known { cause.into() } else { Box::default() }).or_default().tell_at(now, tell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_the_others_together_a_minute_later() {
        let (mut log_throttle, start) = (LogThrottle::default(), Instant::now());
        let mut told = Vec::new();
        for second in [0, 1, 59, 60, 61] {
            log_throttle.tell_at(start + Duration::from_secs(second), |count| told.push((second, count)));
        }
        assert_eq!(told, [(0, 1), (60, 3)]);
    }

    #[test]
    fn each_cause_is_told_at_once_and_so_many_causes_that_they_cannot_be_kept_share_a_place() {
        let (mut throttle, start) = (LogThrottleByCause::default(), Instant::now());
        let mut told = Vec::new();
        for (second, cause) in [(0, "a"), (1, "b"), (2, "a"), (60, "a"), (60, "b"), (61, "b")] {
            let now = start + Duration::from_secs(second);
            throttle.tell_at(cause, now, |count| told.push((cause, second, count)));
        }
        assert_eq!(told, [("a", 0, 1), ("b", 1, 1), ("a", 60, 2), ("b", 61, 2)]);
        let mut many = 0;
        for cause in 0..10_000 {
            let now = start + Duration::from_secs(61);
            throttle.tell_at(&cause.to_string(), now, |_| many += 1);
        }
        assert!(many <= CAUSES && throttle.0.len() <= CAUSES + 1, "{many} {}", throttle.0.len());
        let mut later = 0;
        throttle.tell_at("c", start + 3 * LOG_INTERVAL, |_| later += 1);
        assert_eq!((later, throttle.0.len() <= CAUSES + 1), (1, true));
    }
}
