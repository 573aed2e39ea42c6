//! The world: executes a schedule against clients and server, one event after the other.

mod app_observer;
mod byzantine;
mod dials;
mod driver;
mod ending;
mod faults;
mod fixed_answers;
mod frame_rules;
mod nodes;
mod operator;
mod own;
mod processes;
mod quiescence;
mod readers;
mod server_observer;
mod serving;
mod socketio;
mod to_client;
mod to_server;
mod triggers;
mod user_actions;

use super::action::{Action, FixedAnswer, Step, Trigger, TriggerSource};
use super::checker::{Checker, Moves, Waits};
use super::client::Client;
use super::coverage::Coverage;
use super::net::{Conn, Packet, Way};
use super::own::Own;
use super::plan::Plan;
use super::readers::{Reader, Stream};
use super::server::{Process, Server};
use super::setup::Setup;
use super::socketio::{Lost, SioClient, SioConn, SioOwn, SioPlan};
use super::trace::Trace;
use super::{Micros, SECOND};
use fastrand::Rng;
use nodes::Shared;
use rejoin::machine::{ConnId, Input};
use rejoin::messages::json::ServerDecoder;
use rejoin::{DialError, Token, TokenError};
use rejoin_server::hub;
use std::collections::{BTreeMap, BTreeSet};

/// What will happen at some moment.
#[derive(Debug)]
enum SimEvent {
    Arrive { conn: usize, way: Way, end: u64, packet: Packet },
    DialEnds { client: usize, process: u64, id: ConnId, result: Result<usize, DialError> },
    Accept { client: usize, process: u64, id: ConnId, latency: Micros, token: Option<Token>, offered: bool },
    Dropped { conn: usize },
    Speaks { conn: usize },
    Flush { conn: usize, frame: u64 },
    TokenAnswer { client: usize, question: u64, result: Result<Token, TokenError> },
    Drained { conn: usize },
    GatewayGone { conn: usize },
    AppTakes { client: usize },
    Stores { client: usize, process: u64 },
    Starts { client: usize },
    Action(usize),
    Strikes { of: TriggerSource, act: Box<Action> },
    Thaw { client: usize },
    ReaderEvent(readers::ReaderEvent),
    SioEvent(socketio::SioEvent),
    ServerBack { node: usize },
    StoreEvent(nodes::StoreEvent),
    Calm,
    Settled,
    ProbeStreams,
    ProbeRoom { room: usize, counts: bool },
    Farewell,
    End,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// What was violated; empty for a good run.
    pub violations: Vec<String>,
    /// Equal for equal runs.
    pub hash: u64,
    /// Happenings played.
    pub happenings: u64,
    /// Messages appended.
    pub messages: usize,
    /// Interesting states reached.
    pub cover: Coverage,
    /// When in its window clients began to move away from a server that is about to go.
    pub moves: Moves,
    /// In which quarter of what is allowed waits before a dial ended.
    pub waits: Waits,
    /// Connections that arrived as they were sent, of all extended ones; logs that never lost anything, of all.
    pub live: [u32; 4],
    /// The record, if it was asked for.
    pub lines: Vec<String>,
    /// Bytes that the first connection carried up and down.
    pub carried: (u64, u64),
}

/// Everything there is.
pub(super) struct World {
    plan: Plan,
    schedule: Vec<Step>,
    cut: Option<(Way, u64)>,
    now: Micros,
    queue: BTreeMap<(Micros, u64), SimEvent>,
    queued: u64,
    clients: Vec<Client>,
    readers: Vec<Reader>,
    streams: Vec<Stream>,
    /// What readers were told of when to come back, in milliseconds.
    waits: Vec<u64>,
    sios: Vec<SioClient>,
    sio_conns: Vec<SioConn>,
    /// Sessions that may be recovered, by their names.
    sio_lost: BTreeMap<String, Lost>,
    sio_pids: u64,
    /// The rooms that are being left in the present input.
    sio_leaves: Vec<(usize, rejoin::Name)>,
    /// The rooms of which the hub has just said who is there.
    sio_presence_of: Option<Vec<rejoin::Name>>,
    sio_own: SioOwn,
    /// What servers want answered, and which send a connection's answer is for.
    sio_asked: BTreeSet<u64>,
    sio_due: Option<u64>,
    sio_numbers: BTreeMap<(usize, u64), u64>,
    /// What is to reach whom in the end.
    sio_told: Vec<(usize, super::checker::Key)>,
    /// How many processes each client has had.
    processes: Vec<u64>,
    /// The server's processes: one, or several nodes that share a store.
    nodes: Vec<Server>,
    /// What each of them finds when it moves again.
    server_backlogs: Vec<Vec<SimEvent>>,
    /// What the nodes share.
    shared: Option<Box<Shared>>,
    client_backlog: Vec<Vec<SimEvent>>,
    conns: Vec<Conn>,
    decoder: ServerDecoder,
    checker: Checker,
    trace: Trace,
    /// For what the server's side decides by itself.
    rng: Rng,
    calm: bool,
    over: bool,
    watch_for_tokens: bool,
    /// Something before the first client answers no pings.
    eats_pings: bool,
    /// The connections that were open when the server stood still for long.
    outlived: Vec<usize>,
    notes: u64,
    /// Messages that the server has sent.
    notes_sent: u64,
    /// A request that the hub is dealing with: its connection and its name.
    asking: Option<(usize, String)>,
    /// The connection whose frame the hub is dealing with.
    speaking: Option<usize>,
    probes: Vec<(usize, super::checker::Key)>,
    /// Acts that wait for a moment of somebody.
    aims: Vec<(TriggerSource, Trigger, Micros, Action)>,
    /// Which client is answered how, and until when.
    stubborn: Vec<(usize, FixedAnswer, Micros)>,
    happenings: u64,
    /// Frames of the applications' own.
    own: Own,
    operator: operator::Operator,
    /// The frame that has just not been kept, and how many frames have been told.
    not_kept: Option<String>,
    /// The hub has just handed a signal on.
    signals: bool,
    /// The connection of a request that no client has made.
    straying: Option<usize>,
    frames_told: u64,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("now", &self.now).field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl World {
    /// The world of a setup, before anything has happened.
    pub(super) fn new(setup: &Setup, readable: bool) -> Self {
        let mut rng = Rng::with_seed(setup.seed ^ 0x5151_5151);
        let plan = setup.plan.clone();
        let clients: Vec<Client> =
            (0..plan.clients.len()).map(|index| Client::new(index, rng.u64(..), &plan)).collect();
        let first = Server::new(&plan.server, rng.u64(..), None, plan.limits);
        let (nodes, shared) = nodes::begin(setup, first);
        let readers = (0..plan.readers.len()).map(|index| Reader::new(index, rng.u64(..), &plan)).collect();
        let sio = |(index, own): (usize, &SioPlan)| {
            // Those in other namespaces take nothing from what is drawn besides.
            let seed = own.carrier.map_or_else(|| rng.u64(..), |_| setup.seed.rotate_left(17) ^ index as u64);
            SioClient::new(index, seed, &plan)
        };
        let sios = plan.socketio.iter().enumerate().map(sio).collect();
        let mut checker = Checker::new(plan.server.dedupe_window, plan.legacy);
        checker.answers_kept = plan.server.in_flight;
        checker.several = plan.nodes.is_some();
        checker.bounded(plan.bounds());
        Self {
            schedule: setup.schedule.clone(),
            cut: setup.cut,
            now: 0,
            queue: BTreeMap::new(),
            queued: 0,
            processes: vec![0; clients.len()],
            server_backlogs: nodes.iter().map(|_| Vec::new()).collect(),
            nodes,
            shared,
            client_backlog: clients.iter().map(|_| Vec::new()).collect(),
            clients,
            readers,
            streams: Vec::new(),
            sios,
            sio_conns: Vec::new(),
            sio_lost: BTreeMap::new(),
            sio_pids: 0,
            sio_leaves: Vec::new(),
            sio_presence_of: None,
            sio_own: SioOwn::default(),
            sio_asked: BTreeSet::new(),
            sio_due: None,
            sio_numbers: BTreeMap::new(),
            sio_told: Vec::new(),
            waits: Vec::new(),
            conns: Vec::new(),
            decoder: ServerDecoder::default(),
            checker,
            trace: Trace::new(readable),
            rng,
            calm: false,
            over: false,
            watch_for_tokens: setup.seed.is_multiple_of(16),
            eats_pings: setup.seed % 16 == 5 && setup.plan.latency.1 <= SECOND / 10,
            outlived: Vec::new(),
            notes: 0,
            notes_sent: 0,
            asking: None,
            speaking: None,
            probes: Vec::new(),
            aims: Vec::new(),
            stubborn: Vec::new(),
            happenings: 0,
            own: Own::default(),
            operator: operator::Operator::default(),
            not_kept: None,
            signals: false,
            straying: None,
            frames_told: 0,
            plan,
        }
    }

    /// Plays it to its end, or to the first violation.
    pub(super) fn play(mut self) -> Outcome {
        self.trace.note(0, "plan", format_args!("{:?}", self.plan));
        self.checker.keeps(self.limits());
        for client in 0..self.clients.len() {
            let first = self.clients[client].rng.usize(..self.plan.rooms);
            self.clients[client].wanted.insert(first);
            self.start(client);
        }
        self.readers_start();
        self.sios_start();
        self.sharing_starts();
        for index in 0..self.schedule.len() {
            self.at(self.schedule[index].at, SimEvent::Action(index));
        }
        self.later(self.plan.chaos, SimEvent::Calm);
        while !self.over && self.checker.violations().is_empty() {
            self.step();
        }
        let carried = self.conns.first().map_or((0, 0), |conn| (conn.up.written(), conn.down.written()));
        Outcome {
            violations: self.checker.violations().to_vec(),
            hash: self.trace.hash(),
            happenings: self.happenings,
            messages: self.checker.appended_count(),
            cover: self.checker.cover,
            moves: self.checker.moves,
            waits: self.checker.waited(),
            live: self.live(),
            carried,
            lines: self.trace.into_lines(),
        }
    }

    /// Where every check was live.
    fn live(&self) -> [u32; 4] {
        let extended = self.conns.iter().filter(|conn| conn.extended);
        let (mut whole, mut all) = (0, 0);
        for conn in extended {
            (whole, all) = (whole + u32::from(!conn.tampered), all + 1);
        }
        let (intact, logs) = self.checker.intact();
        [whole, all, intact, logs]
    }

    fn later(&mut self, delay: Micros, happening: SimEvent) {
        self.at(self.now + delay, happening);
    }

    fn at(&mut self, time: Micros, happening: SimEvent) {
        self.queued += 1;
        self.queue.insert((time, self.queued), happening);
    }

    /// Plays whatever comes next.
    fn step(&mut self) {
        self.happenings += 1;
        let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
        let client = (0..self.clients.len()).filter_map(|c| Some((self.clients[c].due?, c))).min();
        let reader = (0..self.readers.len()).filter_map(|r| Some((self.readers[r].due?, r))).min();
        let sio = (0..self.sios.len()).filter_map(|s| Some((self.sios[s].due?, s))).min();
        let others = [client, reader, sio].map(|due| due.map(|(at, _)| at));
        let node = (0..self.nodes.len()).filter_map(|n| Some((self.nodes[n].due?, n))).min();
        let next = [queued, node.map(|(at, _)| at)].into_iter().chain(others).flatten().min();
        let Some(next) = next else {
            self.checker.violated("the world stands still".to_owned());
            return;
        };
        if next > self.now + 1 && self.happenings.is_multiple_of(8) {
            self.tick_early(next - 1);
        }
        self.now = self.now.max(next);
        self.checker.now = self.now;
        self.trace.mix(self.now);
        if queued == Some(next) {
            if let Some((_, happening)) = self.queue.pop_first() {
                self.happen(happening);
            }
        } else if let Some((_, client)) = client.filter(|(at, _)| *at == next) {
            self.input(client, Input::Tick);
            // A delay of zero is allowed; a deadline that a tick does not move would spin a driver.
            let ticks = &mut self.clients[client].ticks_at;
            *ticks = if ticks.0 == self.now { (self.now, ticks.1 + 1) } else { (self.now, 1) };
            if ticks.1 > 6 {
                self.checker.violated(format!("u{client} wants the tick it has been given again and again"));
            }
        } else if let Some((_, reader)) = reader.filter(|(at, _)| *at == next) {
            self.reader_ticks(reader);
        } else if let Some((_, client)) = sio.filter(|(at, _)| *at == next) {
            self.sio_ticks(client);
        } else if let Some((_, node)) = node {
            self.hub_at(node, hub::Input::Tick);
        }
        if self.happenings > 400_000 {
            self.checker.violated("the world does not come to an end".to_owned());
        }
    }

    /// A tick before its time does nothing, just before the next thing that happens: what is due then and is not in any
    /// deadline shows itself so.
    fn tick_early(&mut self, at: Micros) {
        let turn = usize::try_from(self.happenings / 8).unwrap_or(0);
        // Every other turn, of all clients in turn.
        let client = turn / 2 % self.clients.len();
        // One that sleeps has no clock: its sleep is counted as soon as it begins.
        let runs = self.clients[client].is_running() && turn.is_multiple_of(2);
        let moment = runs.then(|| self.clients[client].moment(at));
        if let Some(moment) = moment
            && let Some(session) = self.clients[client].session.as_mut()
        {
            session.handle(moment, Input::Tick);
            if let Some(output) = session.poll() {
                self.checker.violated(format!("u{client} does {output:?} at a tick before its time"));
            }
        }
        let node = turn % self.nodes.len();
        if self.nodes[node].process == Process::Up {
            self.nodes[node].hub.handle(Server::moment(at), hub::Input::Tick);
            if let Some(output) = self.nodes[node].hub.poll() {
                self.checker.violated(format!("the server does {output:?} at a tick before its time"));
            }
        }
        if let Some(sio) = turn.checked_rem(self.sios.len()) {
            let moment = self.sio_runs(sio).then(|| self.sios[sio].moment(at));
            if let Some(moment) = moment
                && let Some(manager) = self.sios[sio].manager.as_mut()
            {
                manager.handle(moment, Input::Tick);
                if let Some(output) = manager.poll() {
                    self.checker.violated(format!("sio{sio} does {output:?} at a tick before its time"));
                }
                if let Some((namespace, output)) = manager.poll_namespace() {
                    self.checker.violated(format!(
                        "sio{sio} does {output:?} in {namespace} at a tick before its time"
                    ));
                }
            }
        }
    }

    fn happen(&mut self, happening: SimEvent) {
        // Whoever stands still finds it waiting afterwards.
        let client = match &happening {
            SimEvent::Arrive { conn, way: Way::Down, .. } | SimEvent::Flush { conn, .. } => {
                Some(self.conns[*conn].client)
            }
            SimEvent::DialEnds { client, .. }
            | SimEvent::TokenAnswer { client, .. }
            | SimEvent::Stores { client, .. }
            | SimEvent::AppTakes { client } => Some(*client),
            _ => None,
        };
        if let Some(client) = client.filter(|client| self.clients[*client].frozen_until.is_some()) {
            self.client_backlog[client].push(happening);
            return;
        }
        match happening {
            SimEvent::Arrive { conn, way: Way::Up, end, packet } => self.arrive_up(conn, end, packet),
            SimEvent::Arrive { conn, way: Way::Down, end, packet } => self.arrive_down(conn, end, packet),
            SimEvent::DialEnds { client, process, id, result } => {
                self.dial_ends(client, process, id, result);
            }
            SimEvent::Accept { client, process, id, latency, token, offered } => {
                self.accept(client, process, id, latency, token.as_ref(), offered);
            }
            SimEvent::Dropped { conn } => self.cut(conn, 0),
            SimEvent::Speaks { conn } => self.speaks_at_last(conn),
            SimEvent::Flush { conn, frame } => self.flush_reported(conn, frame),
            SimEvent::TokenAnswer { client, question, result } => {
                if self.clients[client].token_question == question {
                    self.input(client, Input::Token(result));
                }
            }
            SimEvent::Drained { conn } => self.drained(conn),
            SimEvent::GatewayGone { conn } => self.gateway_gone(conn),
            SimEvent::AppTakes { client } => self.app_takes(client),
            SimEvent::Stores { client, process } => {
                if self.processes[client] == process {
                    self.clients[client].will_store = false;
                    self.stores_places(client);
                    self.save(client);
                }
            }
            SimEvent::Starts { client } => self.start(client),
            SimEvent::Action(index) => {
                let act = self.schedule[index].act.clone();
                self.act(&act);
            }
            SimEvent::Strikes { of, act } => self.strikes(of, &act),
            SimEvent::Thaw { client } => self.thaw(client),
            SimEvent::ReaderEvent(reading) => self.reading(reading),
            SimEvent::SioEvent(talking) => self.talking(talking),
            SimEvent::ServerBack { node } => self.server_back(node),
            SimEvent::StoreEvent(sharing) => self.sharing(sharing),
            SimEvent::Calm => self.stop_faults(),
            SimEvent::Settled => self.settled(),
            SimEvent::ProbeStreams => self.probe_streams(),
            SimEvent::ProbeRoom { room, counts } => self.probe_room(room, counts),
            SimEvent::Farewell => self.close_all(),
            SimEvent::End => self.end(),
        }
    }
}
