//! The state of a room on a node beside its copy of the log: the read under way, who waits for it, remote members.

use super::super::eviction::Creator;
use super::super::log::LogEntry;
use super::super::shared::UserPresence;
use super::super::{ConnId, HubConfig};
use super::requests::PendingRequests;
use rejoin::messages::Epoch;
use rejoin::{Id, Name, Timestamp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Entries that are kept while the room is read, and bytes of them.
const MAX_EARLY: usize = 256;
const MAX_EARLY_BYTES: usize = 1 << 20;

/// Users in what is said of members while a room is read.
const MAX_PENDING_USERS: usize = 4_096;

/// A connection that cannot go on before a room was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ParkedRef {
    pub(super) conn: ConnId,
    /// Which of the things that wait. None has the number of an earlier one.
    pub(super) serial: u64,
}

/// A room that somebody on this node is in, or about to be.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each may be so whatever the others are")]
pub(super) struct Replica {
    /// It is being read.
    pub(super) reading: bool,
    /// For these.
    pub(super) waiting: Vec<ParkedRef>,
    /// The read is over for these, who have their turn soon.
    pub(super) ready: VecDeque<ParkedRef>,
    /// These asked after the read had begun: what it says may be older than their question.
    pub(super) next: Vec<ParkedRef>,
    /// It has to be read once more, whoever waits.
    pub(super) read_again: bool,
    /// Notices may have been lost, and it has not been read since: what is noticed next may be of another log.
    pub(super) unsure: bool,
    /// The read under way was asked for since.
    pub(super) makes_sure: bool,
    /// Reads in a row that have left something to be read.
    pub(super) futile_reads: u32,
    /// Who is there has to be said after it was read.
    pub(super) publish_presence: bool,
    /// The read is one of a bounded number that nobody waits for.
    pub(super) background: bool,
    pub(super) early: EarlyEntries,
    /// Connections that are about to be put back into several rooms, this one among them.
    pub(super) pins: usize,
    /// Who made the room, as far as this node knows.
    pub(super) creator: Creator,
    pub(super) nodes: BTreeMap<Id, RemoteNode>,
    /// What nodes have said of their members while the room is read.
    pub(super) pending_presence: PendingPresence,
    /// When it is said again who is here.
    pub(super) repeats_at: Option<Timestamp>,
}

/// The members of a room on another node.
#[derive(Debug)]
pub(super) struct RemoteNode {
    pub(super) users: BTreeSet<Name>,
    pub(super) expires: Timestamp,
}

impl Replica {
    pub(super) fn is_idle(&self) -> bool {
        let waits = [self.waiting.is_empty(), self.ready.is_empty(), self.next.is_empty()];
        !self.reading && self.pins == 0 && waits == [true; 3]
    }

    /// Everybody on other nodes, once for each node.
    pub(super) fn remote_users(&self) -> impl Iterator<Item = &Name> {
        self.nodes.values().flat_map(|node| &node.users)
    }
}

/// What a node has said of its members.
pub(super) type PresenceUpdate = (Id, Vec<UserPresence>, bool);

/// Sayings in their order.
#[derive(Debug, Default)]
pub(super) struct PendingPresence {
    updates: Vec<PresenceUpdate>,
    users: usize,
    /// Not all are here.
    overflowed: bool,
}

impl PendingPresence {
    pub(super) fn keep(&mut self, node: &Id, users: &[UserPresence], is_snapshot: bool) {
        self.users += users.len() + 1;
        if self.users > MAX_PENDING_USERS {
            self.overflowed = true;
            return;
        }
        self.updates.push((node.clone(), users.to_vec(), is_snapshot));
    }

    /// Takes all of them, and whether some are missing.
    pub(super) fn take(&mut self) -> (Vec<PresenceUpdate>, bool) {
        let Self { updates, overflowed, .. } = std::mem::take(self);
        (updates, overflowed)
    }
}

/// Entries that came before it was known what lies before them, by epoch and number.
#[derive(Debug, Default)]
pub(super) struct EarlyEntries {
    entries: BTreeMap<(Epoch, u64), Box<LogEntry>>,
    /// Those that were here when the read under way was asked for: its answer has them, or the store has lost them.
    asked: BTreeSet<(Epoch, u64)>,
    bytes: usize,
    /// Not all are here.
    pub(super) overflowed: bool,
}

impl EarlyEntries {
    pub(super) fn keep(
        &mut self,
        epoch: &Epoch,
        entry: Box<LogEntry>,
        requests: &mut PendingRequests,
        config: &HubConfig,
    ) {
        let bytes = entry.bytes();
        if self.entries.len() >= MAX_EARLY
            || self.bytes + bytes > MAX_EARLY_BYTES
            || bytes > requests.free_bytes(config)
        {
            self.overflowed = true;
            return;
        }
        if self.entries.contains_key(&(epoch.clone(), entry.seq)) {
            return;
        }
        self.bytes += bytes;
        requests.keep(bytes);
        self.entries.insert((epoch.clone(), entry.seq), entry);
    }

    /// The room is about to be read.
    pub(super) fn read_begins(&mut self) {
        self.asked = self.entries.keys().cloned().collect();
    }

    /// The room was read, and its newest entry is this one. Forgets what the store had said before and has no more:
    /// otherwise the room would be read for it again and again, and in the end it would stand in the place of another.
    pub(super) fn forget_lost(&mut self, epoch: &Epoch, head: u64, requests: &mut PendingRequests) {
        for place in std::mem::take(&mut self.asked) {
            let is_lost = place.0 != *epoch || place.1 > head;
            if let Some(entry) = is_lost.then(|| self.entries.remove(&place)).flatten() {
                self.bytes -= entry.bytes();
                requests.release(entry.bytes());
            }
        }
    }

    /// Forgets those of other epochs; whether there were any, or are.
    pub(super) fn keep_only(&mut self, epoch: &Epoch, requests: &mut PendingRequests) -> bool {
        let any = !self.entries.is_empty() || self.overflowed;
        let Self { entries, bytes, .. } = self;
        entries.retain(|(of, _), entry| {
            let keep = of == epoch;
            if !keep {
                *bytes -= entry.bytes();
                requests.release(entry.bytes());
            }
            keep
        });
        self.overflowed = false;
        any
    }

    /// Takes all of them, in order.
    pub(super) fn take(&mut self, requests: &mut PendingRequests) -> (Vec<(Epoch, Box<LogEntry>)>, bool) {
        requests.release(self.bytes);
        let Self { entries, overflowed, .. } = std::mem::take(self);
        (entries.into_iter().map(|((epoch, _), entry)| (epoch, entry)).collect(), overflowed)
    }
}
