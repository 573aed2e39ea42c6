//! The world: plays a plan against clients and server, one happening after the other.

use super::checker::Checker;
use super::client::Client;
use super::net::{Conn, Packet, Pipe, Way};
use super::plan::{Fault, Plan};
use super::server::{Process, Server};
use super::trace::Trace;
use super::{Micros, SECOND};
use fastrand::Rng;
use rejoin::messages::json::{ServerDecoder, decode_client, encode_client};
use rejoin::{
    ClientMessage, Command, DialError, DialErrorKind, Disconnect, Event, Hint, Input, Name, Outgoing, Output,
    SendId, ServerMessage, State, Token, TokenError,
};
use rejoin_server::hub;
use std::collections::BTreeMap;
use std::time::Duration;

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
            Happening::Accept { client, id, latency, token } => self.accept(client, id, latency, token),
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

    // ---- clients

    fn input(&mut self, client: usize, input: Input) {
        let now = self.clients[client].moment(self.now);
        self.trace.note(self.now, &self.clients[client].name, format_args!("{}", Shown(&input)));
        self.clients[client].session.handle(now, input);
        self.perform(client);
        let diagnostics = self.clients[client].session.diagnostics();
        if diagnostics.outbox_len > self.plan.outbox || diagnostics.outbox_bytes > 4 << 20 {
            self.checker.violated(format!("8: the outbox of u{client} is over its bound: {diagnostics:?}"));
        }
    }

    fn command(&mut self, client: usize, command: Command) {
        self.input(client, Input::Command(command));
    }

    /// Does what a driver does, and nothing more.
    fn perform(&mut self, client: usize) {
        while let Some(output) = self.clients[client].session.poll() {
            if self.watch_for_tokens {
                self.checker.said(client, &format!("{output:?}"));
            }
            match output {
                Output::Event(event) => self.told(client, &event),
                Output::Send { conn, frame, message } => {
                    if let Some(index) = self.current(client, conn) {
                        self.write(index, Way::Up, Packet::Text(encode_client(&message)));
                        self.conns[index].unflushed = Some(frame);
                    }
                }
                Output::Ping { conn } => {
                    if let Some(index) = self.current(client, conn) {
                        self.write(index, Way::Up, Packet::Ping);
                    }
                }
                Output::Close { conn, code } => {
                    if let Some(index) = self.current(client, conn) {
                        self.write(index, Way::Up, Packet::Close(code));
                    }
                }
                Output::Abandon { conn, code } => self.abandon(client, conn, code),
                Output::Dial { conn, token, .. } => self.dial(client, conn, token),
                Output::FetchToken { .. } => self.fetch_token(client),
                _ => {}
            }
        }
        if let Some(index) = self.clients[client].conn {
            self.flush(index);
        }
    }

    fn told(&mut self, client: usize, event: &Event) {
        self.trace.note(self.now, &self.clients[client].name, format_args!("    told {event:?}"));
        self.checker.event(client, event);
    }

    fn current(&self, client: usize, id: rejoin::ConnId) -> Option<usize> {
        self.clients[client].conn.filter(|index| self.conns[*index].id == id)
    }

    fn abandon(&mut self, client: usize, id: rejoin::ConnId, code: u16) {
        if let Some(index) = self.current(client, id) {
            self.write(index, Way::Up, Packet::Close(code));
            self.conns[index].client_open = false;
            self.clients[client].conn = None;
        }
        self.clients[client].dialing.take_if(|dialing| *dialing == id);
    }

    fn fetch_token(&mut self, client: usize) {
        self.clients[client].token_question += 1;
        let question = self.clients[client].token_question;
        let fails = if self.calm { 0 } else { self.plan.token_source.unwrap_or(0) };
        let serial = self.clients[client].token_serial;
        let result = match self.rng.u8(..100) {
            luck if luck >= fails => Ok(self.clients[client].token(serial)),
            // Hangs: no answer at all.
            luck if luck % 4 == 0 => return,
            luck if luck % 4 == 1 => Ok(self.clients[client].token(serial.wrapping_sub(1))),
            luck if luck % 16 == 2 => Err(TokenError::permanent("signed out")),
            _ => Err(TokenError::temporary("the token service is away")),
        };
        let delay = self.rng.u64(..SECOND);
        self.later(delay, Happening::TokenAnswer { client, question, result });
    }

    fn dial(&mut self, client: usize, id: rejoin::ConnId, token: Option<Token>) {
        let monotonic = self.clients[client].moment(self.now).monotonic.since_start().as_micros() as u64;
        self.checker.dialled(client, monotonic);
        if self.clients[client].conn.is_some() || self.clients[client].dialing.is_some() {
            self.checker.violated(format!("12: u{client} dials beside a connection it has"));
        }
        self.clients[client].dialing = Some(id);
        let (least, most) = self.plan.latency;
        let latency = self.rng.u64(least..=most);
        let faults = if self.calm { super::plan::DialFaults::default() } else { self.plan.dial };
        let mut luck = self.rng.u8(..100);
        let mut chance = |share: u8| {
            let hit = luck < share;
            luck = luck.saturating_sub(share);
            if !hit && luck == 0 {
                luck = 100;
            }
            hit
        };
        let error = if chance(faults.refused) {
            DialError::new(DialErrorKind::Refused, "")
        } else if chance(faults.hang) {
            return;
        } else if chance(faults.http) {
            let status = [400, 401, 403, 404, 429, 500, 502, 503][self.rng.usize(..8)];
            let seconds = self.rng.u64(..=LONGEST_HINT);
            let retry_after = self.rng.bool().then(|| Duration::from_secs(seconds));
            DialError { retry_after, ..DialError::new(DialErrorKind::Http(status), "") }
        } else if chance(faults.other) {
            use DialErrorKind::{Certificate, Dns, NotWebSocket, Proxy, Tls, Unreachable};
            let kind = [Certificate, Dns, NotWebSocket, Proxy, Tls, Unreachable][self.rng.usize(..6)];
            DialError::new(kind, "")
        } else {
            self.later(latency, Happening::Accept { client, id, latency, token });
            return;
        };
        self.later(2 * latency, Happening::DialEnds { client, id, result: Err(error) });
    }

    fn dial_ends(&mut self, client: usize, id: rejoin::ConnId, result: Result<usize, DialError>) {
        let awaited = self.clients[client].dialing == Some(id);
        match result {
            Ok(index) => {
                if awaited {
                    self.clients[client].dialing = None;
                    self.clients[client].conn = Some(index);
                    self.conns[index].client_open = true;
                    self.input(client, Input::Opened(id));
                } else {
                    // A driver that is a little behind may still report it; the machine must not care.
                    self.write(index, Way::Up, Packet::Reset);
                    if self.rng.bool() {
                        self.input(client, Input::Opened(id));
                    }
                }
            }
            Err(error) => {
                self.clients[client].dialing.take_if(|dialing| *dialing == id);
                self.input(client, Input::DialFailed(id, error));
            }
        }
    }

    fn arrive_down(&mut self, index: usize, end: u64, packet: Packet) {
        if !self.conns[index].down.take(end) || !self.conns[index].client_open {
            return;
        }
        let (client, id) = (self.conns[index].client, self.conns[index].id);
        let input = match packet {
            Packet::Text(text) => match self.decoder.decode(&text) {
                Ok(message) => Input::Received(id, message),
                Err(error) => Input::Garbled(id, error.to_string().into()),
            },
            Packet::Ping => {
                self.write(index, Way::Up, Packet::Pong);
                Input::Heard(id)
            }
            Packet::Pong => Input::Pong(id),
            Packet::Close(code) => {
                self.write(index, Way::Up, Packet::Close(code));
                self.hang_up(index);
                Input::Closed(id, Disconnect::Closed { code, reason: "bye".into() })
            }
            Packet::Reset => {
                self.hang_up(index);
                Input::Closed(id, Disconnect::Lost)
            }
        };
        self.input(client, input);
    }

    fn hang_up(&mut self, index: usize) {
        self.conns[index].client_open = false;
        let client = self.conns[index].client;
        self.clients[client].conn.take_if(|conn| *conn == index);
    }

    fn flush(&mut self, index: usize) {
        if !self.conns[index].up.is_flushed() {
            return;
        }
        let Some(frame) = self.conns[index].unflushed.take() else { return };
        let late = !self.calm && self.rng.u8(..100) < self.plan.late_flush;
        let delay = if late { self.rng.u64(..SECOND / 5) } else { 0 };
        self.later(delay, Happening::Flush { conn: index, frame });
    }

    fn flush_reported(&mut self, index: usize, frame: u64) {
        if self.conns[index].client_open {
            let (client, id) = (self.conns[index].client, self.conns[index].id);
            self.input(client, Input::Flushed(id, frame));
        }
    }

    // ---- the network

    fn write(&mut self, index: usize, way: Way, packet: Packet) {
        let jitter = self.rng.u64(..=self.conns[index].latency / 4);
        let conn = &mut self.conns[index];
        let latency = conn.latency + jitter;
        let now = self.now;
        if let Some((end, at)) = conn.pipe(way).write(now, latency, &packet) {
            self.at(at, Happening::Arrive { conn: index, way, end, packet });
        }
    }

    fn arrive_up(&mut self, index: usize, end: u64, packet: Packet) {
        let blocked = match self.server.process {
            Process::Frozen(_) => true,
            Process::Up | Process::Down(_) => false,
        };
        if blocked {
            self.server_backlog.push(Happening::Arrive { conn: index, way: Way::Up, end, packet });
            return;
        }
        if !self.conns[index].up.take(end) || !self.conns[index].server_open {
            return;
        }
        if self.conns[index].client_open {
            self.flush(index);
        }
        let conn = hub::ConnId(index as u64);
        match packet {
            Packet::Text(text) => {
                if let Ok(Some(ClientMessage::SendMessage { content, .. })) = decode_client(&text) {
                    self.checker.arrived(index, &content);
                }
                self.hub(hub::Input::Frame { conn, text: &text });
            }
            Packet::Ping => {
                self.write(index, Way::Down, Packet::Pong);
                self.hub(hub::Input::Heard { conn });
            }
            Packet::Pong => self.hub(hub::Input::Heard { conn }),
            Packet::Close(code) => {
                self.write(index, Way::Down, Packet::Close(code));
                self.server_hangs_up(index);
            }
            Packet::Reset => self.server_hangs_up(index),
        }
    }

    fn cut(&mut self, index: usize) {
        self.trace.note(self.now, "net", format_args!("cut connection {index}"));
        self.conns[index].up.cut(&mut self.rng);
        self.conns[index].down.cut(&mut self.rng);
        // Beyond the cut nothing arrives; that the connection is gone is learnt all the same, a little later.
        for way in [Way::Up, Way::Down] {
            let latency = self.conns[index].latency;
            let pipe: &mut Pipe = self.conns[index].pipe(way);
            if let Some((_, at)) = pipe.write(self.now, latency, &Packet::Reset) {
                self.at(at, Happening::Arrive { conn: index, way, end: 0, packet: Packet::Reset });
            }
        }
    }

    // ---- the server

    fn accept(&mut self, client: usize, id: rejoin::ConnId, latency: Micros, token: Option<Token>) {
        match self.server.process {
            Process::Down(_) => {
                let error = DialError::new(DialErrorKind::Refused, "");
                self.later(latency, Happening::DialEnds { client, id, result: Err(error) });
                return;
            }
            // The kernel accepts, nobody answers.
            Process::Frozen(_) => return,
            Process::Up => {}
        }
        if self.server.draining_until.is_some() {
            let retry_after = Some(Duration::from_secs(2));
            let error = DialError { retry_after, ..DialError::new(DialErrorKind::Http(503), "") };
            self.later(latency, Happening::DialEnds { client, id, result: Err(error) });
            return;
        }
        let index = self.conns.len();
        self.conns.push(Conn {
            client,
            id,
            latency,
            up: Pipe::default(),
            down: Pipe::default(),
            client_open: false,
            server_open: true,
            unflushed: None,
        });
        // The upgrade's answer and what follows it arrive in this order.
        self.later(latency, Happening::DialEnds { client, id, result: Ok(index) });
        let serial = self.clients[client].token_serial;
        if token.as_ref() == Some(&self.clients[client].token(serial)) {
            let user = Name::from(self.clients[client].name.as_str());
            self.hub(hub::Input::Connected { conn: hub::ConnId(index as u64), user });
        } else {
            self.write(index, Way::Down, Packet::Close(4001));
            self.conns[index].server_open = false;
        }
    }

    fn hub(&mut self, input: hub::Input<'_>) {
        self.server.hub.handle(Server::moment(self.now), input);
        while let Some(output) = self.server.hub.poll() {
            match output {
                hub::Output::Send { conn, text } => {
                    if let Ok(ServerMessage::Message(message)) = self.decoder.decode(&text) {
                        self.checker.broadcast(&message.room, &message.content);
                        self.trace.note(
                            self.now,
                            "hub",
                            format_args!("sends {} of {} to {}", message.content, message.room, conn.0),
                        );
                    }
                    self.write(conn.0 as usize, Way::Down, Packet::Text(text.as_str().to_owned()));
                }
                hub::Output::Ping { conn } => self.write(conn.0 as usize, Way::Down, Packet::Ping),
                hub::Output::Close { conn, code, .. } => {
                    self.trace.note(self.now, "hub", format_args!("closes {} with {code}", conn.0));
                    self.write(conn.0 as usize, Way::Down, Packet::Close(code));
                    self.conns[conn.0 as usize].server_open = false;
                }
                hub::Output::Terminate { conn } => {
                    self.trace.note(self.now, "hub", format_args!("terminates {}", conn.0));
                    self.write(conn.0 as usize, Way::Down, Packet::Reset);
                    self.conns[conn.0 as usize].server_open = false;
                }
                _ => {}
            }
        }
        if self.server.draining_until.is_some() && self.server.hub.connections() == 0 {
            self.server_down();
        }
    }

    fn server_hangs_up(&mut self, index: usize) {
        self.conns[index].server_open = false;
        self.hub(hub::Input::Disconnected { conn: hub::ConnId(index as u64) });
    }

    fn server_down(&mut self) {
        let back = self.now + self.rng.u64(SECOND / 10..40 * SECOND);
        self.trace.note(self.now, "server", format_args!("dies"));
        for index in 0..self.conns.len() {
            if self.conns[index].server_open {
                self.cut(index);
                self.conns[index].server_open = false;
            }
        }
        self.server = Server { process: Process::Down(back), ..Server::new() };
        self.server_backlog.clear();
        self.at(back, Happening::ServerBack);
    }

    fn server_back(&mut self) {
        let due = match self.server.process {
            Process::Down(at) | Process::Frozen(at) => at <= self.now || self.calm,
            Process::Up => match self.server.draining_until {
                Some(at) if at <= self.now => return self.server_down(),
                _ => return,
            },
        };
        if !due {
            return;
        }
        self.trace.note(self.now, "server", format_args!("is back"));
        self.server.process = Process::Up;
        for happening in std::mem::take(&mut self.server_backlog) {
            self.happen(happening);
        }
    }

    // ---- faults

    fn next_fault(&mut self) {
        if self.calm {
            return;
        }
        if let Some(fault) = self.rng.choice(self.plan.faults.clone()) {
            self.fault(fault);
        }
        let delay = self.rng.u64(..=2 * self.plan.fault_every);
        self.later(delay, Happening::Fault);
    }

    fn open_conn(&mut self) -> Option<usize> {
        let open: Vec<usize> = self.clients.iter().filter_map(|client| client.conn).collect();
        self.rng.choice(open)
    }

    fn fault(&mut self, fault: Fault) {
        self.trace.note(self.now, "fault", format_args!("{fault:?}"));
        let client = self.rng.usize(..self.clients.len());
        match fault {
            Fault::Cut => {
                if let Some(index) = self.open_conn() {
                    self.cut(index);
                }
            }
            Fault::HalfOpenUp | Fault::HalfOpenDown | Fault::HalfOpenBoth => {
                if let Some(index) = self.open_conn() {
                    self.conns[index].up.vanishing |= fault != Fault::HalfOpenDown;
                    self.conns[index].down.vanishing |= fault != Fault::HalfOpenUp;
                }
            }
            Fault::CloseCode => self.close_with_some_code(),
            Fault::Garbage => {
                if let Some(index) = self.open_conn() {
                    let garbage = [
                        "{{{",
                        "",
                        "[]",
                        "{\"type\":7}",
                        "{\"type\":\"presence_v9\",\"roomId\":{}}",
                        "{\"type\":\"message\",\"roomId\":3}",
                        "<html>",
                    ];
                    let text = garbage[self.rng.usize(..garbage.len())].to_owned();
                    self.write(index, Way::Down, Packet::Text(text));
                }
            }
            Fault::FreezeServer => {
                if self.server.process == Process::Up {
                    let until = self.now + self.rng.u64(SECOND / 10..90 * SECOND);
                    self.server.process = Process::Frozen(until);
                    self.at(until, Happening::ServerBack);
                }
            }
            Fault::CrashServer => {
                if !matches!(self.server.process, Process::Down(_)) {
                    self.server_down();
                }
            }
            Fault::DrainServer => {
                if self.server.process == Process::Up && self.server.draining_until.is_none() {
                    let window = Duration::from_micros(self.rng.u64(..10 * SECOND));
                    let until = self.now + 30 * SECOND;
                    self.server.draining_until = Some(until);
                    self.at(until, Happening::ServerBack);
                    self.hub(hub::Input::Drain { window });
                }
            }
            Fault::Sleep | Fault::FreezeClient => self.freeze(client, fault == Fault::Sleep),
            Fault::WallJump => {
                let hour = 3_600_000;
                self.clients[client].wall_ahead += self.rng.i64(-hour..=hour);
            }
            Fault::Hint => {
                let hint =
                    [Hint::Online, Hint::Offline, Hint::NetworkChanged, Hint::Woke][self.rng.usize(..4)];
                if self.clients[client].frozen_until.is_none() {
                    self.input(client, Input::Hint(hint));
                }
            }
            Fault::User => self.user_interferes(client),
            Fault::SlowServer => {
                if let Some(index) = self.open_conn() {
                    let until = self.now + self.rng.u64(..20 * SECOND);
                    self.conns[index].up.hold(until);
                }
            }
        }
    }

    fn close_with_some_code(&mut self) {
        let Some(index) = self.open_conn().filter(|index| self.conns[*index].server_open) else { return };
        if self.server.process != Process::Up {
            return;
        }
        let codes = [
            1000, 1001, 1001, 1002, 1005, 1008, 1009, 1011, 1012, 1013, 4000, 4001, 4002, 4003, 4008, 4010,
            4012, 4013, 4500,
        ];
        let code = codes[self.rng.usize(..codes.len())];
        if matches!(code, 4001 | 4002) && self.rng.bool() {
            let client = self.conns[index].client;
            self.clients[client].token_serial += 1;
        }
        self.write(index, Way::Down, Packet::Close(code));
        self.server_hangs_up(index);
    }

    fn freeze(&mut self, client: usize, asleep: bool) {
        if self.clients[client].frozen_until.is_some() {
            return;
        }
        let longest = if self.rng.u8(..4) == 0 { 7200 } else { 90 };
        let time = self.rng.u64(SECOND / 10..longest * SECOND);
        self.clients[client].frozen_until = Some(self.now + time);
        self.clients[client].asleep = asleep;
        if asleep && self.rng.u8(..10) < 6 {
            if let Some(index) = self.clients[client].conn {
                self.conns[index].up.vanishing = true;
                self.conns[index].down.vanishing = true;
            }
        }
        if asleep {
            // The whole time is known now: nothing asks for the clock before it is over.
            self.clients[client].missed(time);
        }
        self.later(time, Happening::Thaw { client });
    }

    fn thaw(&mut self, client: usize) {
        let Some(until) = self.clients[client].frozen_until.take() else { return };
        debug_assert!(until <= self.now);
        let backlog = std::mem::take(&mut self.client_backlog[client]);
        // Either the socket or the timer is served first: a driver promises nothing.
        let timer_first = self.rng.bool();
        if timer_first {
            self.input(client, Input::Tick);
        }
        for happening in backlog {
            self.happen(happening);
        }
        if !timer_first {
            self.input(client, Input::Tick);
        }
    }

    // ---- users

    fn room(&self, room: usize) -> Name {
        Name::from(format!("room{room}"))
    }

    fn user_joins(&mut self, client: usize) {
        let room = self.rng.usize(..self.plan.rooms);
        if self.clients[client].wanted.insert(room) {
            let name = self.room(room);
            self.checker.joined(client, &name);
            self.command(client, Command::Join(name));
        }
    }

    fn user_sends(&mut self, client: usize) {
        let room = self.rng.usize(..self.plan.rooms);
        self.send_to(client, room);
    }

    fn send_to(&mut self, client: usize, room: usize) -> String {
        self.clients[client].sends += 1;
        let number = self.clients[client].sends;
        let padding = if self.rng.u8(..20) == 0 { " ".repeat(self.rng.usize(..3000)) } else { String::new() };
        let content = format!("{padding}u{client}-{number}");
        self.checker.sent(client, number, &content);
        let timeout = (self.rng.u8(..10) == 0).then(|| Duration::from_micros(self.rng.u64(..10 * SECOND)));
        let room = self.room(room);
        let send = Outgoing { id: SendId(number), room, content: content.clone(), timeout };
        self.command(client, Command::Send(send));
        content
    }

    fn user_acts(&mut self) {
        if self.calm {
            return;
        }
        let client = self.rng.usize(..self.clients.len());
        if self.clients[client].frozen_until.is_none() {
            match self.rng.u8(..20) {
                0 => self.user_joins(client),
                1 => {
                    let wanted: Vec<usize> = self.clients[client].wanted.iter().copied().collect();
                    if let Some(room) = self.rng.choice(wanted) {
                        self.clients[client].wanted.remove(&room);
                        let name = self.room(room);
                        self.command(client, Command::Leave(name));
                    }
                }
                2 => {
                    let number = self.rng.u64(..=self.clients[client].sends);
                    self.command(client, Command::Cancel(SendId(number)));
                }
                3 => {
                    for _ in 0..self.rng.u8(..30) {
                        self.user_sends(client);
                    }
                }
                _ => self.user_sends(client),
            }
        }
        let delay = self.rng.u64(..=2 * self.plan.user_every);
        self.later(delay, Happening::UserActs);
    }

    fn user_interferes(&mut self, client: usize) {
        if self.clients[client].frozen_until.is_some() {
            return;
        }
        match self.rng.u8(..6) {
            0 => self.command(client, Command::Close),
            1 => {
                // Some users give the right token, some an old one.
                let serial = self.clients[client].token_serial.wrapping_sub(u64::from(self.rng.bool()));
                let token = self.clients[client].token(serial);
                self.checker.revived(client);
                self.command(client, Command::SetToken(token));
            }
            2 | 3 => {
                self.checker.revived(client);
                self.command(client, Command::Connect);
            }
            _ => {
                self.checker.revived(client);
                self.command(client, Command::Reconnect);
            }
        }
    }

    // ---- the end

    /// The faults stop. What was broken stays broken until somebody notices.
    fn calm_down(&mut self) {
        self.trace.note(self.now, "world", format_args!("calms down"));
        self.calm = true;
        self.server.draining_until = None;
        if self.server.process == Process::Up {
            // A drain in progress is over: a fresh process, as after a restart.
            if self.server.hub.connections() == 0 {
                self.server = Server::new();
            }
        } else {
            self.server_back();
        }
        for client in 0..self.clients.len() {
            if self.clients[client].frozen_until.is_some() && !self.clients[client].asleep {
                self.clients[client].frozen_until = Some(self.now);
                self.thaw(client);
            }
            if self.rng.bool() && self.clients[client].frozen_until.is_none() {
                let serial = self.clients[client].token_serial;
                let token = self.clients[client].token(serial);
                self.checker.revived(client);
                self.command(client, Command::SetToken(token));
                self.command(client, Command::Connect);
            }
        }
        // Who sleeps wakes up by himself; the time to recover counts from then.
        let asleep = self.clients.iter().filter_map(|client| client.frozen_until).max();
        let from = asleep.unwrap_or(self.now).max(self.now);
        self.at(from + RECOVERY, Happening::Probe);
    }

    fn is_living(&self, client: usize) -> bool {
        !matches!(self.clients[client].session.state(), State::Failed | State::Closed)
    }

    fn probe(&mut self) {
        for client in 0..self.clients.len() {
            if !self.is_living(client) {
                continue;
            }
            if !self.clients[client].session.is_ready() {
                let state = self.clients[client].session.state();
                self.checker
                    .violated(format!("9: u{client} is not back after the faults stopped: {state:?}"));
            }
            if self.clients[client].session.diagnostics().outbox_len > 0 {
                self.checker.violated(format!("9: u{client} is back but its outbox does not drain"));
            }
        }
        for room in 0..self.plan.rooms {
            // One after the other: the smallest outbox holds one send.
            self.later(room as Micros * SECOND, Happening::ProbeRoom(room));
        }
        self.later(30 * SECOND, Happening::Farewell);
    }

    fn probe_room(&mut self, room: usize) {
        let name = self.room(room);
        let mut members: Vec<String> =
            self.server.hub.members(&name).map(|(_, user)| user.to_string()).collect();
        members.sort();
        let expected: Vec<usize> = (0..self.clients.len())
            .filter(|c| self.is_living(*c) && self.clients[*c].wanted.contains(&room))
            .collect();
        let names: Vec<String> = expected.iter().map(|c| self.clients[*c].name.clone()).collect();
        if members != names {
            self.checker.violated(format!("15: {name} has members {members:?}, expected {names:?}"));
            return;
        }
        for client in &expected {
            let content = self.send_to(*client, room);
            self.probes.extend(expected.iter().map(|receiver| (*receiver, content.clone())));
        }
    }

    fn farewell(&mut self) {
        for (client, content) in std::mem::take(&mut self.probes) {
            if !self.checker.was_delivered(client, &content) {
                self.checker.violated(format!("9: {content} did not reach u{client} on a calm network"));
            }
        }
        for client in 0..self.clients.len() {
            self.command(client, Command::Close);
        }
        self.later(20 * SECOND, Happening::End);
    }

    fn end(&mut self) {
        for client in 0..self.clients.len() {
            let session = &self.clients[client].session;
            if session.state() != State::Closed || session.next_deadline().is_some() {
                let state = session.state();
                self.checker.violated(format!("14: u{client} is {state:?} after close, or has a timer"));
            }
        }
        if self.server.hub.connections() > 0 {
            self.checker.violated("14: the server still has connections after everybody left".to_owned());
        }
        self.checker.finish();
        self.over = true;
    }
}

/// An input as a reader of the trace wants it.
struct Shown<'a>(&'a Input);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Input::Received(conn, ServerMessage::Message(message)) => {
                write!(f, "receives {} in {} on {}", message.content.trim(), message.room, conn.0)
            }
            other => write!(f, "{other:?}"),
        }
    }
}
