//! The clocks of a driver. The machines read none.

use crate::time::{Moment, Timestamp};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A deadline further away is looked at again then.
const FURTHEST: Duration = Duration::from_secs(86_400);

/// A monotonic clock that begins with its driver, and the wall's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// What the monotonic one says.
    pub(crate) fn monotonic(&self) -> Timestamp {
        Timestamp::new(self.start.elapsed())
    }

    /// What both say.
    pub(crate) fn now(&self) -> Moment {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment::new(self.monotonic(), wall)
    }

    /// When a timer has to ring that waits for `deadline`, if it is `now`.
    pub(crate) fn ring(&self, now: Timestamp, deadline: Timestamp) -> tokio::time::Instant {
        let until = deadline.since_start().min(now.since_start().saturating_add(FURTHEST));
        tokio::time::Instant::from_std(self.start) + until
    }
}
