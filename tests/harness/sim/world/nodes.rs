//! The server as several nodes: who is dialled, what goes between the nodes and the store that they share, and what goes
//! wrong there. With one node nothing of this happens.

use super::{SimEvent, World};
use crate::sim::Micros;
use crate::sim::SECOND;
use crate::sim::action::{Action, Fate};
use crate::sim::checker::Key;
use crate::sim::nodes::{
    Amid, Asked, NodeAction, RequestResult, SharedLog, SharedStore, StoreLink, counts, longest,
};
use crate::sim::server::{Crash, Process, Server};
use crate::sim::setup::Setup;
use crate::sim::small_limits::SmallLimits;
use fastrand::Rng;
use rejoin::{Id, Name};
use rejoin_server::hub;
use rejoin_server::hub::shared::{Control, Decision, RequestId, StoreNotice, StoreRequest, StoreResponse};
use std::collections::{BTreeMap, BTreeSet};

/// How often a node's side compares the heads of its rooms with the store's.
const COMPARES: Micros = 10 * SECOND;
/// More reads of one room by one node between two such looks are no answer to anything, when nothing is wrong any more.
const MOST_READS: u32 = 24;
/// Everything that asks for an answer gets one within this time, whatever the store does.
const ANSWERED: Micros = 60 * SECOND;
/// So long after a fault a node may be wrong about who is on another.
const UNSURE: Micros = 90 * SECOND;
/// Who is back within this time has not been away.
const GRACE: Micros = 15 * SECOND;

/// What will happen between a node and the store.
#[derive(Debug)]
pub(super) enum StoreEvent {
    /// The store looks at what a node has asked.
    Pull { node: usize },
    /// An answer reaches a node's process.
    Answer { node: usize, process: u64, request_id: RequestId, answer: StoreResponse },
    /// A notice does.
    Notice { node: usize, process: u64, notice: StoreNotice },
    /// A node reaches the store again.
    Heals { node: usize },
    /// A node's side compares heads.
    Compare { node: usize },
}

/// What the nodes share, and how they reach it.
#[derive(Debug)]
pub(super) struct Shared {
    store: SharedStore,
    wires: Vec<StoreLink>,
    rng: Rng,
    latency: (Micros, Micros),
    longest: Micros,
    stalled_until: Micros,
    refuses_until: Micros,
    /// What connections wait for: since when, and what they asked.
    waiting: BTreeMap<(usize, String), (Micros, String)>,
    /// Sends that were carried out for a node that does not know it.
    unknown: BTreeMap<(Id, u64), usize>,
    /// Entries of which a node's process was not told.
    missed: Vec<(usize, u64, Name, Id, u64)>,
    /// Until then nodes may be wrong about who is on others.
    unsure_until: Micros,
    /// Who was on a node that died.
    orphans: BTreeSet<(Name, Name)>,
    /// How often each node has asked for each room since it last compared heads.
    reads: BTreeMap<(usize, Name), u32>,
}

impl Shared {
    /// The logs as they are.
    pub(super) fn logs(&self) -> impl Iterator<Item = (&Name, &SharedLog)> {
        self.store.logs()
    }

    fn delay(&mut self, node: usize, now: Micros) -> Micros {
        let (least, most) = self.latency;
        self.rng.u64(least..=most) + self.wires.get(node).map_or(0, |wire| wire.slowness(now))
    }

    fn stall_ends(&self) -> Micros {
        self.stalled_until
    }
}

/// The processes of a world, and what they share if they are several.
pub(super) fn begin(setup: &Setup, first: Server) -> (Vec<Server>, Option<Box<Shared>>) {
    let Some(plan) = &setup.plan.nodes else { return (vec![first], None) };
    let mut rng = Rng::with_seed(setup.seed ^ 0x7368_6172_6564);
    let server = &setup.plan.server;
    let nodes = (0..plan.count).map(|_| {
        Server::new(server, rng.u64(..), Some(Id::from_bits(rng.u64(..), 0)), SmallLimits::default())
    });
    let nodes: Vec<Server> = nodes.collect();
    let shared = Shared {
        store: SharedStore::new(plan.count, server.history, server.dedupe_window),
        wires: nodes.iter().map(|_| StoreLink::default()).collect(),
        rng,
        latency: plan.latency,
        longest: longest(&setup.plan),
        stalled_until: 0,
        refuses_until: 0,
        waiting: BTreeMap::new(),
        unknown: BTreeMap::new(),
        missed: Vec::new(),
        unsure_until: 0,
        orphans: BTreeSet::new(),
        reads: BTreeMap::new(),
    };
    (nodes, Some(Box::new(shared)))
}

/// The number of a request, if it is answered.
fn request_id(request: &StoreRequest) -> Option<RequestId> {
    match request {
        StoreRequest::Open { request_id, .. } | StoreRequest::Append { request_id, .. } => Some(*request_id),
        _ => None,
    }
}

/// Which send a request is about.
fn send(request: &StoreRequest) -> Option<(Id, u64)> {
    match request {
        StoreRequest::Append { send: Some(send), .. } => Some((send.pid.clone(), send.pseq)),
        _ => None,
    }
}

impl World {
    pub(super) fn sharing_starts(&mut self) {
        for node in 0..self.shared.as_ref().map_or(0, |shared| shared.wires.len()) {
            self.later(COMPARES, SimEvent::StoreEvent(StoreEvent::Compare { node }));
        }
    }

    pub(super) fn sharing(&mut self, sharing: StoreEvent) {
        let (StoreEvent::Pull { node }
        | StoreEvent::Answer { node, .. }
        | StoreEvent::Notice { node, .. }
        | StoreEvent::Heals { node }
        | StoreEvent::Compare { node }) = sharing;
        let to_node = matches!(sharing, StoreEvent::Answer { .. } | StoreEvent::Notice { .. });
        if to_node && matches!(self.nodes[node].process, Process::Frozen(_)) {
            return self.server_backlogs[node].push(SimEvent::StoreEvent(sharing));
        }
        let now = self.now;
        let Some(shared) = &mut self.shared else { return };
        let wire = &shared.wires[node];
        match sharing {
            StoreEvent::Pull { .. } => self.store_looks(node),
            StoreEvent::Answer { process, request_id, answer, .. } => {
                if process != wire.process {
                    return self.checker.cover.reach_amid(Amid::LateAnswer);
                }
                let answer = if wire.is_cut(now) { StoreResponse::Failed } else { answer };
                self.trace.note(now, "store", format_args!("answers {node}: {request_id:?} {answer:?}"));
                self.hub_at(node, hub::Input::StoreResponse { request_id, response: answer });
            }
            StoreEvent::Notice { process, notice, .. } => {
                if process == wire.process && !wire.is_cut(now) && !self.cannot_be_told(node, &notice) {
                    self.trace.note(now, "store", format_args!("tells {node}: {notice:?}"));
                    self.hub_at(node, hub::Input::StoreNotice(notice));
                }
            }
            StoreEvent::Heals { .. } => {
                if !wire.is_cut(now) {
                    if self.nodes[node].process == Process::Up {
                        self.checker.cover.reach_amid(Amid::CutOff);
                    }
                    self.is_interrupted(node);
                }
            }
            StoreEvent::Compare { .. } => {
                self.later(COMPARES, SimEvent::StoreEvent(StoreEvent::Compare { node }));
                self.compares(node);
            }
        }
    }

    /// A node that a client's dial reaches: mostly one that serves.
    pub(super) fn balanced(&mut self, client: usize) -> usize {
        let Some(shared) = &mut self.shared else { return 0 };
        let serves = |node: &usize| {
            self.nodes[*node].process == Process::Up && self.nodes[*node].draining_until.is_none()
        };
        let all: Vec<usize> = (0..self.nodes.len()).collect();
        let good: Vec<usize> = all.iter().copied().filter(serves).collect();
        let checked = shared.rng.u8(..8) > 0 || self.calm;
        let choice = if good.is_empty() || !checked { &all } else { &good };
        let node = choice[shared.rng.usize(..choice.len())];
        let before = self.conns.iter().rev().find(|conn| conn.client == client);
        let moved = before.is_some_and(|conn| conn.node != node && self.now < conn.heard_at + GRACE);
        if moved {
            self.checker.cover.reach_amid(Amid::MovedInGrace);
        }
        node
    }

    /// Which node has the connection that an input is about.
    pub(super) fn node_of(&self, input: &hub::Input<'_>) -> usize {
        use hub::Input::{
            Activity, Authenticated, AuthenticationFailed, Connected, Disconnected, Frame, QueueDrained,
        };
        let (Connected { conn, .. }
        | Frame { conn, .. }
        | Activity { conn }
        | QueueDrained { conn }
        | Disconnected { conn, .. }
        | Authenticated { conn, .. }
        | AuthenticationFailed { conn, .. }) = input
        else {
            return 0;
        };
        let index = usize::try_from(conn.0).unwrap_or(usize::MAX);
        self.conns.get(index).map_or(0, |conn| conn.node)
    }

    /// The node that a fault of the schedule strikes, which names none.
    pub(super) fn struck(&self) -> usize {
        usize::try_from(self.now / 1_000).unwrap_or(0) % self.nodes.len()
    }

    /// How long a process may stand still: what it reads then must not be older than a producer's window.
    pub(super) fn longest_standstill(&self) -> Micros {
        self.shared.as_ref().map_or(Micros::MAX, |shared| shared.longest)
    }

    /// Who is in a room, on whatever node.
    pub(super) fn members_of(&self, room: &Name) -> BTreeSet<Name> {
        self.nodes.iter().flat_map(|node| node.hub.members(room)).map(|(_, user)| user.clone()).collect()
    }

    /// Whether a join may wait for a store: a plain connection is no member yet then, and nothing says when it is.
    pub(super) fn join_may_wait(&self) -> bool {
        self.shared.is_some()
    }

    /// Whether something of a connection waits for the store.
    pub(super) fn join_waits(&self, index: usize) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.waiting.keys().any(|(of, _)| *of == index))
    }

    /// Whether an order would take somebody out of a room whose connection cannot be told of it. A seed has no such order:
    /// its client would believe for ever that it is there.
    fn cannot_be_told(&self, node: usize, notice: &StoreNotice) -> bool {
        let StoreNotice::Control(Control::Remove { room, user }) = notice else { return false };
        let mut here = self.nodes[node].hub.members(room).filter(|(_, name)| *name == user);
        here.any(|(conn, _)| {
            let index = usize::try_from(conn.0).unwrap_or(usize::MAX);
            self.conns.get(index).is_some_and(|conn| !conn.extended)
        })
    }

    /// A hub has dealt with a frame that asks for an answer, and has not answered it yet.
    pub(super) fn waits_for_answer(&mut self, index: usize, name: String, text: &str) {
        match &mut self.shared {
            Some(shared) => {
                shared.waiting.insert((index, name), (self.now, text.to_owned()));
            }
            None => self.checker.unanswered(index, text),
        }
    }

    pub(super) fn is_answered(&mut self, index: usize, reference: Option<&str>) {
        if let (Some(shared), Some(reference)) = (&mut self.shared, reference) {
            shared.waiting.remove(&(index, reference.to_owned()));
        }
    }

    /// Whoever has waited for long enough has an answer, or no connection any more.
    pub(super) fn answers_are_there(&mut self) {
        let Some(shared) = &mut self.shared else { return };
        let (conns, nodes, now) = (&self.conns, &self.nodes, self.now);
        shared.waiting.retain(|(index, _), _| conns[*index].server_open);
        let overdue = shared.waiting.iter().find(|((index, _), (since, _))| {
            let node = &nodes[conns[*index].node];
            node.process == Process::Up && now > (*since).max(node.thawed) + ANSWERED
        });
        if let Some(((index, _), (_, text))) = overdue {
            self.checker.unanswered(*index, text);
        }
    }

    /// A hub asks the store.
    pub(super) fn asks_store(&mut self, node: usize, request: StoreRequest) {
        let now = self.now;
        self.trace.note(now, "store", format_args!("{node} asks {request:?}"));
        let Some(shared) = &mut self.shared else {
            return self.checker.violated(format!("a server that is alone asks a store: {request:?}"));
        };
        if let StoreRequest::Open { room, .. } = &request
            && self.calm
        {
            let count = shared.reads.entry((node, room.clone())).or_default();
            *count += 1;
            if *count == MOST_READS {
                let text = format!(
                    "pace: node {node} reads {room} {MOST_READS} times between two looks at its heads"
                );
                self.checker.violated(text);
                return;
            }
        }
        if shared.wires[node].is_cut(now) {
            return self.store_fails(node, request_id(&request));
        }
        let delay = shared.delay(node, now);
        let wire = &mut shared.wires[node];
        let at = wire.asked.back().map_or(0, |asked| asked.at).max(now + delay);
        let Some(name) = self.nodes[node].node().cloned() else { return };
        wire.asked.push_back(Asked { at, made: now, process: wire.process, name, request });
        self.at(at, SimEvent::StoreEvent(StoreEvent::Pull { node }));
    }

    /// A node is told, after a while, that a request has failed.
    fn store_fails(&mut self, node: usize, request_id: Option<RequestId>) {
        let (Some(shared), Some(request_id)) = (&mut self.shared, request_id) else { return };
        let (delay, process) = (shared.rng.u64(1..3 * SECOND), shared.wires[node].process);
        let answer = StoreResponse::Failed;
        self.later(delay, SimEvent::StoreEvent(StoreEvent::Answer { node, process, request_id, answer }));
    }

    /// The store carries out what has reached it.
    fn store_looks(&mut self, node: usize) {
        loop {
            let Some(shared) = &mut self.shared else { return };
            let wire = &mut shared.wires[node];
            let Some(front) = wire.asked.front() else { return };
            let ready = front.at.max(shared.stalled_until);
            if ready > self.now {
                return self.at(ready, SimEvent::StoreEvent(StoreEvent::Pull { node }));
            }
            let Some(asked) = wire.asked.pop_front() else { return };
            self.store_decides(node, asked);
        }
    }

    /// Whether a request is carried out, and whether its node learns of it.
    fn store_decides(&mut self, node: usize, asked: Asked) {
        let now = self.now;
        let Some(shared) = &mut self.shared else { return };
        let lives = asked.process == shared.wires[node].process;
        let request_id = request_id(&asked.request).filter(|_| lives);
        let wire = &mut shared.wires[node];
        let cut = wire.is_cut(now);
        let refused = now < shared.refuses_until || now > asked.made + shared.longest;
        if refused || counts(&mut wire.dropped) || cut && shared.rng.bool() {
            return self.store_fails(node, request_id);
        }
        let is_append = matches!(asked.request, StoreRequest::Append { .. });
        if matches!(asked.request, StoreRequest::Open { .. }) && now > asked.at + SECOND {
            self.checker.cover.reach_amid(Amid::JoinWaited);
        }
        let wire = &mut shared.wires[node];
        let unknown = cut || is_append && counts(&mut wire.unknown);
        let send = send(&asked.request);
        let is_final = matches!(
            &asked.request,
            StoreRequest::Append { decision: Decision::Refuse(code), .. } if !code.is_temporary()
        );
        let carried = shared.store.carry_out(now, (node, &asked.name), asked.request);
        if carried.anew {
            self.checker.cover.reach_amid(Amid::LossFound);
        }
        if let (Some((pid, pseq)), true) = (&send, is_final) {
            self.checker.refused_by_store(pid, *pseq);
        }
        if let Some(send) = send {
            let before = shared.unknown.get(&send).copied();
            if carried.again && before.is_some_and(|before| before != node) {
                self.checker.cover.reach_amid(Amid::UnknownThenRepeated);
            }
            let knows_not = unknown || !lives || shared.wires[node].dies_at_append.is_some();
            if carried.appended.is_some() && (knows_not || self.nodes[node].dies_at_commit.is_some()) {
                shared.unknown.insert(send, node);
            }
        }
        let new = self.observe();
        let RequestResult { answer, notices, appended, .. } = carried;
        for (to, notice) in notices {
            self.notices(to, notice);
        }
        if appended.is_some() && lives && self.dies_at_append(node, new) {
            return;
        }
        let answer = answer.filter(|_| lives);
        match answer {
            Some(_) if unknown => self.store_fails(node, request_id),
            Some((request_id, answer)) => self.answers(node, request_id, answer),
            None => {}
        }
    }

    /// A process may die with what it has appended, before it learns of it.
    fn dies_at_append(&mut self, node: usize, new: Option<Key>) -> bool {
        let Some(shared) = &mut self.shared else { return false };
        let down = shared.wires[node].dies_at_append.take();
        let kept = |down| Crash { down, fate: Fate::Kept, speaks_extended: None };
        let crash = self.nodes[node].dies_at_commit.take().or(down.map(kept));
        let Some(crash) = crash.filter(|_| !matches!(self.nodes[node].process, Process::Down(_))) else {
            return false;
        };
        if let Some(key) = new {
            self.checker.died_after_commit(key);
        }
        self.checker.cover.reach_amid(Amid::KilledAtAppend);
        self.server_down(node, crash);
        true
    }

    /// The store answers a node.
    fn answers(&mut self, node: usize, request_id: RequestId, answer: StoreResponse) {
        let now = self.now;
        let Some(shared) = &mut self.shared else { return };
        let delay = shared.delay(node, now);
        let wire = &mut shared.wires[node];
        let process = wire.process;
        let late = counts(&mut wire.late.0);
        let at = if late {
            self.checker.cover.reach_amid(Amid::LateAnswer);
            now + delay + wire.late.1
        } else {
            wire.answered_at = wire.answered_at.max(now + delay);
            wire.answered_at
        };
        self.at(at, SimEvent::StoreEvent(StoreEvent::Answer { node, process, request_id, answer }));
    }

    /// The store tells a node.
    fn notices(&mut self, node: usize, notice: StoreNotice) {
        let now = self.now;
        let Some(shared) = &mut self.shared else { return };
        let delay = shared.delay(node, now);
        let wire = &mut shared.wires[node];
        let process = wire.process;
        if wire.is_cut(now) || counts(&mut wire.lost) {
            shared.unsure_until = now + UNSURE;
            if let StoreNotice::Appended { room, epoch, entry } = notice {
                shared.missed.push((node, process, room, epoch, entry.seq));
            }
            return;
        }
        let mut times = Vec::new();
        if counts(&mut wire.overtaken.0) {
            shared.unsure_until = now + UNSURE;
            times.push(now + delay + wire.overtaken.1);
            self.checker.cover.reach_amid(Amid::NoticeOvertaken);
        } else {
            wire.noticed_at = wire.noticed_at.max(now + delay);
            times.push(wire.noticed_at);
        }
        // A signal has nothing by which it could be recognised, so no store may say it twice.
        if !matches!(notice, StoreNotice::Signal(_)) && counts(&mut wire.doubled.0) {
            times.push(now + delay + wire.doubled.1);
            self.checker.cover.reach_amid(Amid::NoticeDoubled);
        }
        for at in times {
            let notice = notice.clone();
            self.at(at, SimEvent::StoreEvent(StoreEvent::Notice { node, process, notice }));
        }
    }

    /// A node's side tells it that notices may have been lost.
    fn is_interrupted(&mut self, node: usize) {
        let Some(shared) = &self.shared else { return };
        let (process, notice) = (shared.wires[node].process, StoreNotice::Interrupted);
        self.later(1, SimEvent::StoreEvent(StoreEvent::Notice { node, process, notice }));
    }

    /// Heads are compared; what a node was not told of is looked for in what it has.
    fn compares(&mut self, node: usize) {
        self.answers_are_there();
        let up = self.nodes[node].process == Process::Up;
        let Some(shared) = &mut self.shared else { return };
        shared.reads.retain(|(of, _), _| *of != node);
        if !up || shared.wires[node].is_cut(self.now) || shared.stall_ends() > self.now {
            return;
        }
        let hub = &self.nodes[node].hub;
        let process = shared.wires[node].process;
        let filled = shared.missed.iter().any(|(of, then, room, epoch, seq)| {
            let log = hub.store().room(room).filter(|log| log.epoch() == epoch);
            *of == node && *then == process && log.is_some_and(|log| log.head() >= *seq)
        });
        if filled {
            self.checker.cover.reach_amid(Amid::HoleFilled);
        }
        for notice in shared.store.heads(node) {
            self.notices(node, notice);
        }
    }

    /// Whether nodes know by now who is on others.
    pub(super) fn nodes_know_each_other(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| self.now >= shared.unsure_until)
    }

    /// A connection's node has died.
    pub(super) fn lost_with_its_node(&mut self, index: usize) {
        if self.shared.is_none() {
            return;
        }
        let rooms: Vec<Name> = self.conns[index].rooms.iter().map(|room| Self::room(*room)).collect();
        let user = self.conns[index].name.clone();
        if let Some(shared) = &mut self.shared {
            shared.orphans.extend(rooms.into_iter().map(|room| (room, user.clone())));
        }
        self.members_change(index, false);
    }

    /// Members are told that somebody has left.
    pub(super) fn is_gone_with_its_node(&mut self, room: &Name, user: &Name) {
        let Some(shared) = &mut self.shared else { return };
        if shared.orphans.remove(&(room.clone(), user.clone())) {
            self.checker.cover.reach_amid(Amid::Expired);
        }
    }

    /// Somebody has joined a room of which others are on another node.
    pub(super) fn looks_spread(&mut self, node: usize, room: &Name) {
        let others = self.nodes.iter().enumerate().filter(|(other, _)| *other != node);
        if others.flat_map(|(_, other)| other.hub.members(room)).next().is_some() {
            self.checker.cover.reach_amid(Amid::TwoNodesInRoom);
        }
    }

    /// A node's process is gone, and perhaps the store has lost something in the same moment.
    pub(super) fn node_is_gone(&mut self, node: usize, fate: Fate) {
        let Some(shared) = &mut self.shared else { return };
        shared.wires[node].process += 1;
        shared.wires[node].dies_at_append = None;
        shared.store.node_ends(node);
        match fate {
            Fate::Kept => {}
            Fate::Lost => self.store_begins_empty(),
            Fate::Cropped(count) => self.store_fails_over(usize::try_from(count).unwrap_or(0)),
        }
    }

    /// A node's next process begins.
    pub(super) fn node_begins(&mut self, node: usize) {
        let Some(shared) = &mut self.shared else { return };
        for notice in shared.store.node_begins(self.now, node) {
            self.notices(node, notice);
        }
    }

    fn store_begins_empty(&mut self) {
        let Some(shared) = &mut self.shared else { return };
        shared.store.is_emptied();
        shared.unsure_until = self.now + UNSURE;
        self.checker.store_lost();
        self.checker.cover.reach_amid(Amid::Emptied);
        for node in 0..self.nodes.len() {
            self.is_interrupted(node);
        }
    }

    fn store_fails_over(&mut self, count: usize) {
        let Some(shared) = &mut self.shared else { return };
        shared.store.fails_over(count);
        shared.unsure_until = self.now + UNSURE;
        self.observe();
        self.checker.cover.reach_amid(Amid::FailedOver);
        for node in 0..self.nodes.len() {
            self.is_interrupted(node);
        }
    }

    /// A fault of one log.
    pub(super) fn shared_fault(&mut self, act: &Action) {
        let epoch = Id::from_bits(self.rng.u64(..), self.rng.u32(..));
        let (Action::Crop { log, .. } | Action::Trim { log, .. } | Action::NewEpoch { log }) = *act else {
            return;
        };
        let name = self.log_name(log);
        if matches!(act, Action::Trim { .. }) {
            self.hides_what_was_not_read(log);
        }
        let Some(shared) = &mut self.shared else { return };
        match *act {
            Action::Crop { count, .. } => shared.store.crop(&name, usize::try_from(count).unwrap_or(0)),
            Action::Trim { keep, .. } => shared.store.trim(&name, keep),
            _ => shared.store.begin_epoch(&name, epoch),
        }
        self.observe();
    }

    pub(super) fn node_fault(&mut self, act: &NodeAction) {
        let now = self.now;
        let Some(shared) = &mut self.shared else { return };
        shared.unsure_until = now + shared.longest + UNSURE;
        match *act {
            NodeAction::Slow { node, by, time } => shared.wires[node].slow = (by, now + time),
            NodeAction::Stall { time } => shared.stalled_until = shared.stalled_until.max(now + time),
            NodeAction::Refuse { time } => shared.refuses_until = shared.refuses_until.max(now + time),
            NodeAction::Unknown { node, count } => shared.wires[node].unknown = count,
            NodeAction::Dropped { node, count } => shared.wires[node].dropped = count,
            NodeAction::Late { node, count, by } => shared.wires[node].late = (count, by),
            NodeAction::Partition { node, time } => {
                let wire = &mut shared.wires[node];
                wire.cut_until = wire.cut_until.max(now + time);
                let until = wire.cut_until;
                self.at(until, SimEvent::StoreEvent(StoreEvent::Heals { node }));
            }
            NodeAction::LoseNotices { node, count } => shared.wires[node].lost = count,
            NodeAction::DoubleNotices { node, count, by } => shared.wires[node].doubled = (count, by),
            NodeAction::LateNotices { node, count, by } => shared.wires[node].overtaken = (count, by),
            NodeAction::Failover { count } => self.store_fails_over(count),
            NodeAction::Emptied => self.store_begins_empty(),
            NodeAction::Interrupted { node } => self.is_interrupted(node),
            NodeAction::DiesAtAppend { node, down } => shared.wires[node].dies_at_append = Some(down),
        }
    }

    /// The faults stop.
    pub(super) fn sharing_calms(&mut self) {
        let now = self.now;
        let Some(shared) = &mut self.shared else { return };
        (shared.stalled_until, shared.refuses_until) = (now, now);
        let cut: Vec<usize> =
            (0..shared.wires.len()).filter(|node| shared.wires[*node].is_cut(now)).collect();
        shared.wires.iter_mut().for_each(StoreLink::calms);
        for node in 0..self.nodes.len() {
            self.at(now, SimEvent::StoreEvent(StoreEvent::Pull { node }));
        }
        for node in cut {
            self.is_interrupted(node);
        }
    }
}
