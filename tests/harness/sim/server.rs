//! The server in the world: the real hub, in a process that can stand still, die and come back.

use super::Micros;
use rejoin::{Moment, Timestamp};
use rejoin_server::hub::{Hub, HubConfig};
use std::time::Duration;

/// What the process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    /// It serves.
    Up,
    /// It stands still until then; its sockets stay.
    Frozen(Micros),
    /// It is not there until then.
    Down(Micros),
}

/// The server.
#[derive(Debug)]
pub(super) struct Server {
    /// The real hub.
    pub(super) hub: Hub,
    /// What its process is doing.
    pub(super) process: Process,
    /// It dies when its last connection is closed, or then.
    pub(super) draining_until: Option<Micros>,
}

impl Server {
    /// A fresh process.
    pub(super) fn new() -> Self {
        Self { hub: Hub::new(HubConfig::default(), 1), process: Process::Up, draining_until: None }
    }

    /// Its clocks.
    pub(super) fn moment(now: Micros) -> Moment {
        let since_start = Duration::from_micros(now);
        Moment::new(Timestamp::new(since_start), Duration::from_secs(1_800_000_000) + since_start)
    }

    /// When the hub's deadline comes.
    pub(super) fn deadline(&self) -> Option<Micros> {
        if self.process != Process::Up {
            return None;
        }
        let nanos = self.hub.next_deadline()?.since_start().as_nanos();
        Some(u64::try_from(nanos.div_ceil(1000)).unwrap_or(u64::MAX))
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}
