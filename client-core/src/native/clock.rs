//! The clocks of a driver. The machines read no clock.

use crate::time::{ClockReading, Timestamp};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// A deadline further away is looked at again then.
const MAX_SLEEP: Duration = Duration::from_secs(86_400);

/// A monotonic clock that begins with its driver, and the wall's. The monotonic one is tokio's, as the timers are: in a
/// test that pauses time (`tokio::time::pause`) both stand still together.
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
    pub(crate) fn now(&self) -> ClockReading {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        ClockReading::new(self.monotonic(), wall)
    }

    /// When a timer has to ring that waits for `deadline`, if it is `now`.
    pub(crate) fn instant_at(&self, now: Timestamp, deadline: Timestamp) -> Instant {
        let until = deadline.since_start().min(now.since_start().saturating_add(MAX_SLEEP));
        self.start + until
    }
}

#[cfg(test)]
mod tests {
    use crate::{Client, Config, Event, State};
    use std::time::Duration;

    /// Waits for half an hour between attempts, which takes no time where tokio's is paused. With two clocks the task would
    /// turn without a rest until the other one has come so far.
    #[tokio::test(start_paused = true)]
    async fn where_time_is_paused_the_client_waits_in_the_same_time() {
        let mut config = Config::default();
        config.link.max_elapsed = Some(Duration::from_secs(1800));
        let (client, mut events) = Client::builder("ws://127.0.0.1:1/ws").config(config).connect().unwrap();
        let start = tokio::time::Instant::now();
        let mut failed = false;
        while let Some(event) = events.next().await {
            failed |= matches!(event, Event::State(change) if change.state == State::Failed);
        }
        assert!(failed);
        assert!(start.elapsed() >= Duration::from_secs(1700), "{:?}", start.elapsed());
        assert_eq!(client.now().since_start().as_secs(), start.elapsed().as_secs());
    }
}
