//! The table of sessions that can be recovered: by their secrets, and those that are lost by when that was. Knows no limit but
//! that of age.

use super::Owner;
use crate::admission::Network;
use crate::hub::ConnId;
use crate::socketio::deliveries::SharedDeliveries;
use crate::socketio::keeper::SharedPlace;
use crate::state::ConnectionPermit;
use rejoin::Name;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Default)]
pub(super) struct Table {
    pub(super) by_pid: BTreeMap<String, Entry>,
    /// Those that are lost, by when that was.
    pub(super) lost: BTreeMap<u64, Lost>,
    pub(super) lost_of: BTreeMap<Name, BTreeSet<u64>>,
    pub(super) bytes: usize,
    pub(super) losses: u64,
    /// How many sessions last came from where.
    pub(super) networks: BTreeMap<Network, usize>,
}

pub(super) struct Entry {
    /// Tells it from a later one under the same `pid`.
    pub(super) number: u64,
    pub(super) owner: Owner,
    pub(super) sid: String,
    pub(super) deliveries: SharedDeliveries,
    /// Where other servers find it.
    pub(super) place: Option<SharedPlace>,
    /// Where it last came from.
    pub(super) network: Network,
    pub(super) state: State,
}

pub(super) enum State {
    /// For all that is known its client is there, and holds this permit.
    Open(ConnId, Arc<ConnectionPermit>),
    Lost(u64),
}

pub(super) struct Lost {
    pub(super) pid: String,
    pub(super) user: Name,
    pub(super) at: Instant,
    pub(super) bytes: usize,
}

impl Table {
    pub(super) fn remove(&mut self, pid: &str) -> Option<Entry> {
        let entry = self.by_pid.remove(pid)?;
        if let Some(count) = self.networks.get_mut(&entry.network) {
            *count -= 1;
            if *count == 0 {
                self.networks.remove(&entry.network);
            }
        }
        if let State::Lost(loss) = entry.state
            && let Some(lost) = self.lost.remove(&loss)
        {
            self.bytes = self.bytes.saturating_sub(lost.bytes);
            if let Some(own) = self.lost_of.get_mut(&lost.user) {
                own.remove(&loss);
                if own.is_empty() {
                    self.lost_of.remove(&lost.user);
                }
            }
        }
        Some(entry)
    }

    pub(super) fn forget(&mut self, loss: u64) -> Option<Entry> {
        let pid = self.lost.get(&loss).map(|lost| lost.pid.clone())?;
        self.remove(&pid)
    }

    pub(super) fn forget_oldest(&mut self) -> Option<()> {
        let oldest = *self.lost.first_key_value()?.0;
        self.forget(oldest);
        Some(())
    }

    pub(super) fn forget_before(&mut self, now: Instant, longest: Duration) {
        while self
            .lost
            .first_key_value()
            .is_some_and(|(_, lost)| now.saturating_duration_since(lost.at) > longest)
        {
            self.forget_oldest();
        }
    }
}
