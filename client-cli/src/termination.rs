//! The limit of what is waited for after a SIGTERM. Owns since when there is no connection; listens to no signal.

use std::time::Duration;
use tokio::time::Instant;

/// After a SIGTERM, what is under way is waited for only as long as there is a connection, or for so long without one.
pub(crate) const UNCONNECTED: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(crate) struct Termination {
    unconnected_since: Option<Instant>,
    requested_at: Option<Instant>,
}

impl Termination {
    /// There is no connection yet, and no SIGTERM has come.
    pub(crate) fn new() -> Self {
        Self { unconnected_since: Some(Instant::now()), requested_at: None }
    }

    /// Whether there is a connection now.
    pub(crate) fn set_connected(&mut self, is_connected: bool) {
        if is_connected {
            self.unconnected_since = None;
        } else {
            self.unconnected_since.get_or_insert_with(Instant::now);
        }
    }

    /// A SIGTERM has come.
    pub(crate) fn request(&mut self) {
        self.requested_at = Some(Instant::now());
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.requested_at.is_some()
    }

    /// When a wait ends that lasts until `at` without a SIGTERM.
    pub(crate) fn limit(&self, at: Instant) -> Instant {
        let unconnected = self.requested_at.zip(self.unconnected_since);
        unconnected.map_or(at, |(requested, since)| at.min(requested.max(since) + UNCONNECTED))
    }
}
