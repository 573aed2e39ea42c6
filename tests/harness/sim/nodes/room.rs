//! One room in the store: its log under an epoch, its producers, and its members by node.

use super::producers::{Answer, Known, Producers};
use crate::sim::Micros;
use crate::sim::client::EPOCH;
use rejoin::messages::Code;
use rejoin::{Id, Name};
use rejoin_server::hub::LogEntry;
use rejoin_server::hub::shared::{
    Decision, KnownHead, PRESENCE_TTL, RemoteMember, RoomState, SendKey, StoreResponse, UserPresence,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Who is in a room on one node, and until when if nothing is said again.
#[derive(Debug, Default)]
struct NodePresence {
    users: BTreeSet<Name>,
    until: Micros,
}

/// The room.
#[derive(Debug)]
pub(in crate::sim) struct SharedLog {
    epoch: Id,
    entries: VecDeque<LogEntry>,
    head: u64,
    gone: (u64, Option<Id>),
    lines: Producers,
    there: BTreeMap<Id, NodePresence>,
}

/// How a send was decided.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) answer: StoreResponse,
    /// It is in the log since now.
    pub(super) appended: Option<LogEntry>,
}

impl SharedLog {
    pub(super) fn new(epoch: Id) -> Self {
        Self {
            epoch,
            entries: VecDeque::new(),
            head: 0,
            gone: (0, None),
            lines: Producers::default(),
            there: BTreeMap::new(),
        }
    }

    /// The life of the log.
    pub(in crate::sim) fn epoch(&self) -> &Id {
        &self.epoch
    }

    /// The newest entry's number.
    pub(in crate::sim) fn head(&self) -> u64 {
        self.head
    }

    /// The oldest entry's number, if there is one.
    pub(in crate::sim) fn first(&self) -> Option<u64> {
        self.entries.front().map(|entry| entry.seq)
    }

    /// What is kept, the oldest first.
    pub(in crate::sim) fn entries(
        &self,
    ) -> impl DoubleEndedIterator<Item = &LogEntry> + ExactSizeIterator + Clone {
        self.entries.iter()
    }

    /// Whether somebody has had something of this life that is not here (any more).
    pub(super) fn has_lost(&self, held: &KnownHead) -> bool {
        if held.epoch != self.epoch || held.head < self.gone.0 {
            return false;
        }
        let id = if held.head == self.gone.0 {
            self.gone.1.as_ref()
        } else {
            self.entries.iter().find(|entry| entry.seq == held.head).map(|entry| &entry.id)
        };
        held.head > self.head || held.head > 0 && held.id.as_ref() != id
    }

    /// The log begins anew; who is there stays.
    pub(super) fn begin(&mut self, epoch: Id) {
        let there = std::mem::take(&mut self.there);
        *self = Self { there, ..Self::new(epoch) };
    }

    /// What is read of it by a node that has this much.
    pub(super) fn read(&mut self, now: Micros, node: &Id, held: Option<&KnownHead>) -> RoomState {
        let from = held.filter(|held| held.epoch == self.epoch && held.head >= self.gone.0);
        let gone = from.map_or_else(|| self.gone.clone(), |held| (held.head, held.id.clone()));
        let entries = self.entries.iter().filter(|entry| entry.seq > gone.0).cloned().collect();
        self.there.retain(|_, there| there.until > now);
        let others = self.there.iter().filter(|(other, _)| *other != node);
        let attendees = others.flat_map(|(other, there)| {
            let expires_in = Duration::from_micros(there.until - now);
            there.users.iter().map(move |user| RemoteMember {
                node: other.clone(),
                user: user.clone(),
                expires_in,
            })
        });
        let attendees = attendees.collect();
        RoomState {
            epoch: self.epoch.clone(),
            head: self.head,
            entries,
            preceding: gone,
            remote_members: attendees,
        }
    }

    /// Decides a send.
    pub(super) fn decide(
        &mut self,
        now: Micros,
        (history, window): (usize, Micros),
        send: Option<&SendKey>,
        decision: &Decision,
    ) -> Decided {
        let known = send.map_or(Known::Next, |send| self.lines.look(now, window, send, &self.epoch));
        let refused = |code, expected, dup| StoreResponse::Refused { code, expected, dup };
        let old = |answer| Decided { answer, appended: None };
        match (known, decision) {
            (Known::Stranger, _) => old(refused(Code::UnknownProducer, None, false)),
            (Known::Missing(expected), _) => old(refused(Code::SequenceGap, Some(expected), false)),
            (Known::Decided(Answer::Refused(code)), _) => old(refused(code, None, true)),
            (Known::Decided(Answer::Logged { id, seq }), _) => {
                let entry = self.entries.iter().find(|entry| entry.seq == seq).cloned().map(Box::new);
                old(StoreResponse::Appended { epoch: self.epoch.clone(), entry, id, seq, dup: true })
            }
            (Known::Next, Decision::Refuse(code)) => {
                if let Some(send) = send.filter(|_| !code.is_temporary()) {
                    self.lines.decided(now, send, Answer::Refused(*code));
                }
                old(refused(*code, None, false))
            }
            (Known::Next, Decision::Append(entry)) => {
                self.head += 1;
                let mut entry = entry.as_ref().clone();
                (entry.seq, entry.timestamp) = (self.head, rejoin::utc(EPOCH + Duration::from_micros(now)));
                self.entries.push_back(entry.clone());
                self.trim(history.max(1));
                let (id, seq) = (entry.id.clone(), entry.seq);
                if let Some(send) = send {
                    self.lines.decided(now, send, Answer::Logged { id: id.clone(), seq });
                }
                let (epoch, shown) = (self.epoch.clone(), Some(Box::new(entry.clone())));
                let answer = StoreResponse::Appended { epoch, entry: shown, id, seq, dup: false };
                Decided { answer, appended: Some(entry) }
            }
        }
    }

    /// Keeps so many of the newest entries.
    pub(super) fn trim(&mut self, keep: usize) {
        while self.entries.len() > keep {
            let Some(entry) = self.entries.pop_front() else { return };
            self.gone = (entry.seq, Some(entry.id));
        }
    }

    /// Loses so many of the newest entries, and what was decided with them.
    pub(super) fn lose(&mut self, count: usize) {
        self.entries.truncate(self.entries.len().saturating_sub(count));
        self.head = self.entries.back().map_or(self.gone.0, |entry| entry.seq);
        self.lines.lose_after(self.head);
    }

    /// A node says who is there.
    pub(super) fn attend(&mut self, now: Micros, node: &Id, users: &[UserPresence], whole: bool) {
        let there = self.there.entry(node.clone()).or_default();
        if whole || there.until <= now {
            there.users.clear();
        }
        for change in users {
            if change.is_present {
                there.users.insert(change.user.clone());
            } else {
                there.users.remove(&change.user);
            }
        }
        there.until = now + u64::try_from(PRESENCE_TTL.as_micros()).unwrap_or(Micros::MAX);
    }
}
