//! The limits of a user over all nodes: reports what is used on this node, and takes from the user's limits what is used on
//! all of them. Owns when a user is reported. Without the store each node limits its users alone.

use super::super::shared::{StoreRequest, UsageReport};
use super::super::{Hub, Limit, Timer};
use super::mutation::mutation;
use rejoin::{Name, Timestamp};
use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::Duration;

/// Time between two batches of reports. A user is reported once in a batch, however much was used.
const BATCH_INTERVAL: Duration = Duration::from_millis(100);

/// The fewest users in a batch, if there are so many; a tenth of those that wait otherwise.
const BATCH: usize = 100;

/// A connection is reported at each heartbeat. It does not count any more on other nodes after so many without a report.
const HEARTBEATS: u32 = 3;

/// Users to be reported.
#[derive(Debug, Default)]
pub(super) struct UsageReports {
    changed: BTreeSet<Name>,
    /// The last user of the batch before: the next one begins behind it, so that each user has a turn.
    last: Option<Name>,
    is_scheduled: bool,
}

impl UsageReports {
    fn next_batch(&mut self) -> Vec<Name> {
        let count = BATCH.max(self.changed.len() / 10);
        let start = self.last.take().map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.changed.range((start, Bound::Unbounded));
        let batch: Vec<_> =
            behind.chain(&self.changed).take(count.min(self.changed.len())).cloned().collect();
        for user in &batch {
            self.changed.remove(user);
        }
        self.last = batch.last().cloned();
        batch
    }
}

impl Hub {
    /// The user has sent something, or joined: where that is not limited it is nobody else's business.
    pub(in super::super) fn note_consumption(&mut self, now: Timestamp, user: &Name) {
        if self.rate().is_some() {
            self.note_usage(now, user);
        }
    }

    /// Something has changed in what the user has used, or it is time to say it again.
    pub(in super::super) fn note_usage(&mut self, now: Timestamp, user: &Name) {
        let Some(nodes) = &mut self.nodes else { return };
        if mutation!(UsageUnreported) {
            return;
        }
        nodes.usage.changed.insert(user.clone());
        if !std::mem::replace(&mut nodes.usage.is_scheduled, true) {
            self.due.insert((now + BATCH_INTERVAL, Timer::ReportUsage));
        }
    }

    /// Reports the next users.
    pub(in super::super) fn report_usage(&mut self, now: Timestamp) {
        let Some(nodes) = &mut self.nodes else { return };
        let batch = nodes.usage.next_batch();
        nodes.usage.is_scheduled = !nodes.usage.changed.is_empty();
        if nodes.usage.is_scheduled {
            self.due.insert((now + BATCH_INTERVAL, Timer::ReportUsage));
        }
        let config = &self.config;
        let longest = config.heartbeat.max(config.plain_heartbeat).max(config.comment_interval);
        let expires_in = longest * HEARTBEATS;
        for user in batch {
            let (connections, (sends, joins)) = match self.users.get_mut(&user) {
                Some(state) => (state.connections, state.take_unreported(now)),
                None => (0, Default::default()),
            };
            let connections = u32::try_from(connections).unwrap_or(u32::MAX);
            self.request_store(StoreRequest::ReportUsage(UsageReport {
                user,
                connections,
                expires_in,
                sends,
                joins,
            }));
        }
    }

    /// The store has added up what the user has used on all nodes.
    pub(super) fn handle_usage(
        &mut self,
        now: Timestamp,
        user: &Name,
        remote_connections: u32,
        (sends_milli, joins_milli): (u64, u64),
    ) {
        let Some(state) = self.users.get_mut(user) else { return };
        if !mutation!(RemoteUsageUncounted) {
            state.apply_shared_usage(now, sends_milli, joins_milli);
        }
        let remote = usize::try_from(remote_connections).unwrap_or(usize::MAX);
        let remote = if mutation!(RemoteConnectionsUncounted) { 0 } else { remote };
        let excess = state.connections.saturating_add(remote).saturating_sub(self.config.sockets_per_user);
        // Those that were known to be few enough stay: a connection elsewhere is judged there.
        for conn in state.take_unconfirmed().take(excess) {
            self.refusal_counts.record(Limit::ConnectionsOfUser);
            self.close(now, conn, 4011, "Too many connections");
        }
    }
}
