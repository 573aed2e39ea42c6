//! What is told in the log at most once a minute, however often it happens.

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
}
