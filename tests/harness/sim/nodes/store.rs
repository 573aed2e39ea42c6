//! The modelled store that several nodes share: executes each request in one step and notifies the nodes concerned. Is given the time,
//! and loses nothing unless a fault says so.

use super::room::SharedLog;
use super::usage::SharedUsage;
use crate::sim::Micros;
use rejoin::{Id, Name};
use rejoin_server::hub::LogEntry;
use rejoin_server::hub::shared::{Control, KnownHead, RequestId, StoreNotice, StoreRequest, StoreResponse};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a request has led to.
#[derive(Debug, Default)]
pub(in crate::sim) struct RequestResult {
    /// The answer, if there is one.
    pub(in crate::sim) answer: Option<(RequestId, StoreResponse)>,
    /// Who is told what.
    pub(in crate::sim) notices: Vec<(usize, StoreNotice)>,
    /// The entry that is in the log since now.
    pub(in crate::sim) appended: Option<LogEntry>,
    /// The log had lost what its node has, and has begun anew.
    pub(in crate::sim) anew: bool,
    /// The send had been decided before.
    pub(in crate::sim) again: bool,
}

/// The store.
#[derive(Debug)]
pub(in crate::sim) struct SharedStore {
    rooms: BTreeMap<Name, SharedLog>,
    /// Which node wants to be told of which room.
    watched: BTreeMap<Name, BTreeSet<usize>>,
    bans: BTreeMap<Name, Micros>,
    usage: SharedUsage,
    nodes: usize,
    history: usize,
    window: Micros,
}

impl SharedStore {
    /// An empty one for so many nodes, which keeps so many entries of a room and remembers producers for so long.
    pub(in crate::sim) fn new(nodes: usize, history: usize, window: Micros) -> Self {
        let (rooms, watched, bans) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { rooms, watched, bans, usage: SharedUsage::default(), nodes, history, window }
    }

    /// The rooms, in alphabetical order.
    pub(in crate::sim) fn logs(&self) -> impl Iterator<Item = (&Name, &SharedLog)> {
        self.rooms.iter()
    }

    /// Carries out what a node asks, which has this name.
    pub(in crate::sim) fn carry_out(
        &mut self,
        now: Micros,
        (node, name): (usize, &Id),
        request: StoreRequest,
    ) -> RequestResult {
        let mut carried = RequestResult::default();
        match request {
            StoreRequest::Open { request_id, room, known_head: held, new_epoch: fresh } => {
                carried.anew = self.is_there(&room, held.as_ref(), fresh);
                self.watched.entry(room.clone()).or_default().insert(node);
                let Some(log) = self.rooms.get_mut(&room) else { return carried };
                let state = log.read(now, name, held.as_ref());
                carried.answer = Some((request_id, StoreResponse::Opened(state)));
            }
            StoreRequest::Append { request_id, room, known_head: held, new_epoch: fresh, send, decision } => {
                carried.anew = self.is_there(&room, held.as_ref(), fresh);
                let bounds = (self.history, self.window);
                let Some(log) = self.rooms.get_mut(&room) else { return carried };
                let decided = log.decide(now, bounds, send.as_ref(), &decision);
                carried.again = matches!(
                    decided.answer,
                    StoreResponse::Appended { dup: true, .. } | StoreResponse::Refused { dup: true, .. }
                );
                if let Some(entry) = &decided.appended {
                    let (epoch, entry) = (log.epoch().clone(), Box::new(entry.clone()));
                    self.tell(
                        &mut carried,
                        &room,
                        None,
                        &StoreNotice::Appended { room: room.clone(), epoch, entry },
                    );
                }
                carried.appended = decided.appended;
                carried.answer = Some((request_id, decided.answer));
            }
            StoreRequest::UpdatePresence { room, users, is_snapshot: whole } => {
                if let Some(log) = self.rooms.get_mut(&room) {
                    log.attend(now, name, &users, whole);
                }
                let notice = StoreNotice::Presence {
                    room: room.clone(),
                    node: name.clone(),
                    users,
                    is_snapshot: whole,
                };
                self.tell(&mut carried, &room, Some(node), &notice);
            }
            StoreRequest::Signal(signal) => {
                let room = signal.room.clone();
                let notice = StoreNotice::Signal(signal);
                self.tell(&mut carried, &room, Some(node), &notice);
            }
            StoreRequest::Close { room } => {
                if let Some(watched) = self.watched.get_mut(&room) {
                    watched.remove(&node);
                }
            }
            StoreRequest::ReportUsage(report) => {
                carried.notices.push((node, self.usage.add(now, name, report)));
            }
            StoreRequest::Control(control) => {
                if let Control::Kick { user, ban: Some(ban) } = &control {
                    let ban = u64::try_from(ban.as_micros()).unwrap_or(Micros::MAX / 2);
                    self.bans.insert(user.clone(), now + ban);
                }
                let others = (0..self.nodes).filter(|other| *other != node);
                carried.notices.extend(others.map(|other| (other, StoreNotice::Control(control.clone()))));
            }
        }
        carried
    }

    /// Makes a room if there is none. If it lacks what somebody has had, it begins anew; says so.
    fn is_there(&mut self, room: &Name, held: Option<&KnownHead>, fresh: Id) -> bool {
        let log = self.rooms.entry(room.clone()).or_insert_with(|| SharedLog::new(fresh.clone()));
        let lost = held.is_some_and(|held| log.has_lost(held));
        if lost {
            log.begin(fresh);
        }
        lost
    }

    /// Tells everybody who watches a room, but one.
    fn tell(&self, carried: &mut RequestResult, room: &Name, but: Option<usize>, notice: &StoreNotice) {
        let watched = self.watched.get(room).into_iter().flatten().copied();
        let told = watched.filter(|node| Some(*node) != but);
        carried.notices.extend(told.map(|node| (node, notice.clone())));
    }

    /// Where the rooms are that a node watches.
    pub(in crate::sim) fn heads(&self, node: usize) -> Vec<StoreNotice> {
        let mine = self.watched.iter().filter(|(_, nodes)| nodes.contains(&node));
        let heads = mine.filter_map(|(room, _)| {
            let log = self.rooms.get(room)?;
            Some(StoreNotice::Head { room: room.clone(), epoch: log.epoch().clone(), head: log.head() })
        });
        heads.collect()
    }

    /// A node's process begins: it watches nothing, and learns who is kept out.
    pub(in crate::sim) fn node_begins(&mut self, now: Micros, node: usize) -> Vec<StoreNotice> {
        self.node_ends(node);
        let left = self.bans.iter().filter(|(_, end)| **end > now);
        let kicks = left.map(|(user, end)| {
            let ban = Some(Duration::from_micros(end - now));
            StoreNotice::Control(Control::Kick { user: user.clone(), ban })
        });
        kicks.collect()
    }

    /// A node's process is gone.
    pub(in crate::sim) fn node_ends(&mut self, node: usize) {
        for nodes in self.watched.values_mut() {
            nodes.remove(&node);
        }
    }

    /// A copy takes over that lacks the newest entries of each room.
    pub(in crate::sim) fn fails_over(&mut self, count: usize) {
        for log in self.rooms.values_mut() {
            log.lose(count);
        }
    }

    /// It begins empty. Who watches what is known by the nodes' side, which says so again.
    pub(in crate::sim) fn is_emptied(&mut self) {
        self.rooms.clear();
        self.bans.clear();
        self.usage = SharedUsage::default();
    }

    /// One room's log loses its newest entries.
    pub(in crate::sim) fn crop(&mut self, room: &Name, count: usize) {
        if let Some(log) = self.rooms.get_mut(room) {
            log.lose(count);
        }
    }

    /// One room's log forgets its oldest entries.
    pub(in crate::sim) fn trim(&mut self, room: &Name, keep: usize) {
        if let Some(log) = self.rooms.get_mut(room) {
            log.trim(keep);
        }
    }

    /// One room's log begins anew.
    pub(in crate::sim) fn begin_epoch(&mut self, room: &Name, epoch: Id) {
        if let Some(log) = self.rooms.get_mut(room) {
            log.begin(epoch);
        }
    }
}
