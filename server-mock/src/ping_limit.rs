//! Limits the pings of a peer: each costs an answer.

use std::time::Duration;
use tokio::time::Instant;

/// This many within [`WINDOW`].
const MOST: u32 = 100;
const WINDOW: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct PingLimit {
    count: u32,
    since: Instant,
}

impl PingLimit {
    pub(crate) fn new() -> Self {
        Self { count: 0, since: Instant::now() }
    }

    /// Counts one more, and says whether it is one too many.
    pub(crate) fn exceeds(&mut self) -> bool {
        let now = Instant::now();
        if now.duration_since(self.since) > WINDOW {
            (self.count, self.since) = (0, now);
        }
        self.count += 1;
        self.count > MOST
    }
}
