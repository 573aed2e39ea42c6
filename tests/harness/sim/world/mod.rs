//! The world: plays a plan against clients and server, one happening after the other.

mod chaos;
mod clients;
mod ending;
mod server_side;
mod users;

use super::checker::Checker;
use super::client::Client;
use super::net::{Conn, Packet, Way};
use super::plan::Plan;
use super::server::Server;
use super::trace::Trace;
use super::{Micros, SECOND};
use fastrand::Rng;
use rejoin::messages::json::ServerDecoder;
use rejoin::{Command, DialError, Input, Token, TokenError};
use rejoin_server::hub;
use std::collections::BTreeMap;

/// What will happen at some moment.
#[derive(Debug)]
enum Happening {
    Arrive { conn: usize, way: Way, end: u64, packet: Packet },
    DialEnds { client: usize, id: rejoin::ConnId, result: Result<usize, DialError> },
    Accept { client: usize, id: rejoin::ConnId, latency: Micros, token: Option<Token> },
    Flush { conn: usize, frame: u64 },
    TokenAnswer { client: usize, question: u64, result: Result<Token, TokenError> },
    UserActs,
    Fault,
    Thaw { client: usize },
    ServerBack,
    Calm,
    Probe,
    ProbeRoom(usize),
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
    /// Messages the hub accepted.
    pub messages: usize,
    /// The end of the record, if it was asked for.
    pub tail: Vec<String>,
}

/// Everything there is.
pub struct World {
    plan: Plan,
    rng: Rng,
    now: Micros,
    queue: BTreeMap<(Micros, u64), Happening>,
    queued: u64,
    clients: Vec<Client>,
    server: Server,
    server_backlog: Vec<Happening>,
    client_backlog: Vec<Vec<Happening>>,
    conns: Vec<Conn>,
    decoder: ServerDecoder,
    checker: Checker,
    trace: Trace,
    calm: bool,
    over: bool,
    watch_for_tokens: bool,
    probes: Vec<(usize, String)>,
    happenings: u64,
}

/// After the faults stop: the longest step of the backoff, heartbeat and answer, two dials and the longest hint
/// that this world gives, doubled by its jitter (protocol.md §2.6, invariant 9).
const RECOVERY: Micros = (30 + 31 + 10 + 20 + 60) * SECOND;
/// The longest `Retry-After` of this world, in seconds.
const LONGEST_HINT: u64 = 30;

/// Plays a seed.
pub fn run(seed: u64, readable: bool) -> Outcome {
    let mut world = World::new(seed, readable);
    while !world.over && world.checker.violations().is_empty() {
        world.step();
    }
    Outcome {
        violations: world.checker.violations().to_vec(),
        hash: world.trace.hash(),
        happenings: world.happenings,
        messages: world.checker.appended_count(),
        tail: world.trace.tail(400).to_vec(),
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("now", &self.now).field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl World {
    /// The world of a seed, before anything has happened.
    pub fn new(seed: u64, readable: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let plan = Plan::draw(&mut rng);
        let clients: Vec<Client> = (0..plan.clients)
            .map(|index| {
                Client::new(index, rng.u64(..), plan.token_source.is_some(), plan.legacy, plan.outbox)
            })
            .collect();
        let mut world = Self {
            rng,
            now: 0,
            queue: BTreeMap::new(),
            queued: 0,
            server: Server::new(),
            server_backlog: Vec::new(),
            client_backlog: clients.iter().map(|_| Vec::new()).collect(),
            clients,
            conns: Vec::new(),
            decoder: ServerDecoder::default(),
            checker: Checker::default(),
            trace: Trace::new(readable),
            calm: false,
            over: false,
            watch_for_tokens: seed.is_multiple_of(8),
            probes: Vec::new(),
            happenings: 0,
            plan,
        };
        world.trace.note(0, "plan", format_args!("{:?}", world.plan));
        for client in 0..world.clients.len() {
            world.user_joins(client);
            world.command(client, Command::Connect);
        }
        world.later(0, Happening::UserActs);
        let first = world.rng.u64(..=world.plan.fault_every);
        world.later(first, Happening::Fault);
        world.later(world.plan.chaos, Happening::Calm);
        world
    }

    fn later(&mut self, delay: Micros, happening: Happening) {
        self.at(self.now + delay, happening);
    }

    fn at(&mut self, time: Micros, happening: Happening) {
        self.queued += 1;
        self.queue.insert((time, self.queued), happening);
    }

    /// Plays whatever comes next.
    fn step(&mut self) {
        self.happenings += 1;
        let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
        let client = (0..self.clients.len()).filter_map(|c| Some((self.clients[c].deadline()?, c))).min();
        let server = self.server.deadline();
        let next = [queued, client.map(|(at, _)| at), server].into_iter().flatten().min();
        let Some(next) = next else {
            self.checker.violated("the world stands still".to_owned());
            return;
        };
        self.now = self.now.max(next);
        if queued == Some(next) {
            if let Some((_, happening)) = self.queue.pop_first() {
                self.happen(happening);
            }
        } else if let Some((_, client)) = client.filter(|(at, _)| *at == next) {
            self.input(client, Input::Tick);
            // A delay of zero is allowed; a deadline that a tick does not move would spin a driver.
            let ticks = &mut self.clients[client].ticks_at;
            *ticks = if ticks.0 == self.now { (self.now, ticks.1 + 1) } else { (self.now, 1) };
            if ticks.1 > 4 {
                self.checker.violated(format!("u{client} wants the tick it has been given again and again"));
            }
        } else {
            self.hub(hub::Input::Tick);
        }
        if self.happenings > 2_000_000 {
            self.checker.violated("the world does not come to an end".to_owned());
        }
    }

    fn happen(&mut self, happening: Happening) {
        // Whoever stands still finds it waiting afterwards.
        let client = match &happening {
            Happening::Arrive { conn, way: Way::Down, .. } | Happening::Flush { conn, .. } => {
                Some(self.conns[*conn].client)
            }
            Happening::DialEnds { client, .. } | Happening::TokenAnswer { client, .. } => Some(*client),
            _ => None,
        };
        if let Some(client) = client.filter(|client| self.clients[*client].frozen_until.is_some()) {
            self.client_backlog[client].push(happening);
            return;
        }
        match happening {
            Happening::Arrive { conn, way: Way::Up, end, packet } => self.arrive_up(conn, end, packet),
            Happening::Arrive { conn, way: Way::Down, end, packet } => self.arrive_down(conn, end, packet),
            Happening::DialEnds { client, id, result } => self.dial_ends(client, id, result),
            Happening::Accept { client, id, latency, token } => {
                self.accept(client, id, latency, token.as_ref());
            }
            Happening::Flush { conn, frame } => self.flush_reported(conn, frame),
            Happening::TokenAnswer { client, question, result } => {
                if self.clients[client].token_question == question {
                    self.input(client, Input::Token(result));
                }
            }
            Happening::UserActs => self.user_acts(),
            Happening::Fault => self.next_fault(),
            Happening::Thaw { client } => self.thaw(client),
            Happening::ServerBack => self.server_back(),
            Happening::Calm => self.calm_down(),
            Happening::Probe => self.probe(),
            Happening::ProbeRoom(room) => self.probe_room(room),
            Happening::Farewell => self.farewell(),
            Happening::End => self.end(),
        }
    }
}
