//! The consumption of users against the limits that all nodes share, as the modelled store adds it up.

use crate::sim::Micros;
use rejoin::{Id, Name};
use rejoin_server::hub::shared::{Consumption, StoreNotice, UsageReport};
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(super) struct SharedUsage {
    users: BTreeMap<Name, UserUsage>,
}

#[derive(Debug, Default)]
struct UserUsage {
    /// On each node: how many, and until when they count.
    connections: BTreeMap<Id, (u32, Micros)>,
    sends: Level,
    joins: Level,
}

/// What is not free again yet, in thousandths, and when that was so.
#[derive(Debug, Default)]
struct Level {
    milli: u64,
    at: Micros,
}

impl Level {
    fn add(&mut self, now: Micros, Consumption { used, refill_milli }: Consumption) -> u64 {
        let free = (now - self.at).saturating_mul(refill_milli) / 1_000_000;
        self.milli =
            if refill_milli == 0 { 0 } else { self.milli.saturating_sub(free) + 1_000 * u64::from(used) };
        self.at = now;
        self.milli
    }
}

impl SharedUsage {
    /// Adds what a node reports; what it is answered.
    pub(super) fn add(&mut self, now: Micros, node: &Id, report: UsageReport) -> StoreNotice {
        let user = self.users.entry(report.user.clone()).or_default();
        let lasts = u64::try_from(report.expires_in.as_micros()).unwrap_or(Micros::MAX / 2);
        user.connections.insert(node.clone(), (report.connections, now + lasts));
        user.connections.retain(|_, (count, until)| *count > 0 && *until > now);
        let remote = user.connections.iter().filter(|(other, _)| *other != node);
        StoreNotice::Usage {
            remote_connections: remote.map(|(_, (count, _))| *count).sum(),
            sends_milli: user.sends.add(now, report.sends),
            joins_milli: user.joins.add(now, report.joins),
            user: report.user,
        }
    }
}
