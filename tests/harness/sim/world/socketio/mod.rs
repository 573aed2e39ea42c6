//! Clients that speak Socket.IO: what their driver does, and nothing more. Their connections are in `wire`, the namespaces beside
//! the first in `namespaces`, their server is in `serving` and `translation`, what happens to them in `actions`.

mod actions;
mod driver_rules;
mod namespaces;
mod own;
mod serving;
mod translation;
mod wire;

use super::driver::is_the_same;
use super::{SimEvent, World};
use crate::sim::SECOND;
use crate::sim::action::{Trigger, TriggerSource};
use crate::sim::checker::{Key, key, place};
use crate::sim::client::CANARY;
use crate::sim::server::Process;
use crate::sim::socketio::FIRST_USER;
use rejoin::machine::{Command, ConnId, Disconnect, Input, OutboundMessage, Output};
use rejoin::socketio::{ClientPacket, Manager, ServerPacket};
use rejoin::{CauseCode, DialError, Event, RoomState, SendId, State, Token};
use std::time::Duration;

type SioInput = Input<String, rejoin::Name, ServerPacket>;

/// What will happen to one of them at some moment.
#[derive(Debug)]
pub(super) enum SioEvent {
    /// The process begins.
    Starts { client: usize },
    /// The server is reached.
    Reaches { client: usize, process: u64, id: ConnId },
    /// The connection is open, or it is not.
    DialEnds { client: usize, process: u64, id: ConnId, result: Result<usize, DialError> },
    /// A packet arrives at the client.
    Down { conn: usize, end: u64, packet: Box<ServerPacket> },
    /// A packet arrives at the server.
    Up { conn: usize, end: u64, packet: Box<ClientPacket> },
    /// The client learns that a connection is gone.
    Lost { conn: usize, how: Disconnect },
    /// The server does.
    Gone { conn: usize },
    /// The engine asks whether somebody is there.
    Beats { conn: usize },
    /// It has waited long enough for the answer.
    Silent { conn: usize, beat: u64 },
    /// The operating system has taken what was written.
    Flushed { conn: usize },
    /// What the server had to say is on its way.
    Drained { conn: usize },
    /// The token source answers.
    Token { client: usize, process: u64 },
    /// It moves again.
    Thaws { client: usize },
    /// Its user begins anew.
    Reopens { client: usize },
}

impl World {
    pub(super) fn talking(&mut self, talking: SioEvent) {
        let client = match &talking {
            SioEvent::Down { conn, .. } | SioEvent::Lost { conn, .. } | SioEvent::Flushed { conn } => {
                Some(self.sio_conns[*conn].client)
            }
            SioEvent::DialEnds { client, .. }
            | SioEvent::Token { client, .. }
            | SioEvent::Reopens { client } => Some(*client),
            _ => None,
        };
        // Whoever stands still finds it waiting afterwards.
        if let Some(until) = client.and_then(|client| self.sios[client].frozen_until) {
            return self.at(until.max(self.now) + 1, SimEvent::SioEvent(talking));
        }
        let is_servers =
            matches!(talking, SioEvent::Up { .. } | SioEvent::Beats { .. } | SioEvent::Drained { .. });
        if is_servers && matches!(self.nodes[0].process, Process::Frozen(_)) {
            return self.server_backlogs[0].push(SimEvent::SioEvent(talking));
        }
        match talking {
            SioEvent::Starts { client } => self.sio_starts(client),
            SioEvent::Reaches { client, process, id } => self.sio_reaches(client, process, id),
            SioEvent::DialEnds { client, process, id, result } => {
                self.sio_dial_ends(client, process, id, result);
            }
            SioEvent::Down { conn, end, packet } => self.sio_arrives(conn, end, *packet),
            SioEvent::Up { conn, end, packet } => self.sio_reaches_server(conn, end, *packet),
            SioEvent::Lost { conn, how } => self.sio_loses(conn, how),
            SioEvent::Gone { conn } => self.sio_gone(conn, false),
            SioEvent::Beats { conn } => self.sio_beats(conn),
            SioEvent::Silent { conn, beat } => self.sio_silent(conn, beat),
            SioEvent::Flushed { conn } => {
                let (client, id) = (self.sio_conns[conn].client, self.sio_conns[conn].id);
                if let Some(frame) = self.sio_conns[conn].unflushed.take()
                    && self.sio_conns[conn].client_open
                {
                    self.sio_input(client, Input::Flushed(id, frame));
                }
            }
            SioEvent::Drained { conn } => self.sio_drained(conn),
            SioEvent::Token { client, process } => {
                if self.sios[client].process == process {
                    let token: Token = self.sios[client].token();
                    self.sio_input(client, Input::Token(Ok(token)));
                }
            }
            SioEvent::Thaws { client } => self.sio_thaws(client),
            SioEvent::Reopens { client } => self.sio_reopens(client),
        }
    }

    /// The checker's number of a client's link.
    fn sio_link(&self, client: usize) -> usize {
        self.clients.len() + self.readers.len() + client
    }

    pub(super) fn sios_start(&mut self) {
        for client in 0..self.sios.len() {
            self.sio_starts(client);
        }
    }

    fn sio_starts(&mut self, client: usize) {
        // A process is begun by the client that has the connection.
        if self.sios[client].manager.is_some() || self.sios[client].plan.carrier.is_some() {
            return;
        }
        let plan = &self.sios[client].plan;
        self.checker.sio_is(client, plan.acks, plan.held < 1000, plan.personal);
        self.checker.reader_restarts(self.sio_link(client));
        self.sios[client].begins();
        if let Some(disk) = &mut self.sios[client].disk {
            disk.assign_restored_ids();
            let disk = disk.saved();
            self.sio_input(client, Input::Restore(Box::new(disk)));
        }
        self.sio_wants(client);
        for carried in self.sio_carried(client) {
            self.sio_opens(carried);
        }
    }

    /// What its user wants of one that has just begun.
    fn sio_wants(&mut self, client: usize) {
        self.checker.sio_began(client);
        let personal = self.sios[client].plan.personal;
        let rooms: Vec<usize> = self.sios[client].wanted.iter().copied().collect();
        for room in rooms {
            self.sio_command(client, Command::Join(Self::room(room).into()));
        }
        if personal {
            self.sio_command(client, Command::Join(rejoin::Join::room(rejoin::PERSONAL_ROOM).personal()));
        }
        self.sio_command(client, Command::Connect);
    }

    fn sio_command(&mut self, client: usize, command: Command) {
        self.sio_input(client, Input::Command(command));
    }

    pub(super) fn sio_ticks(&mut self, client: usize) {
        self.sio_input(client, Input::Tick);
        let now = self.now;
        let ticks = &mut self.sios[client].ticks_at;
        *ticks = if ticks.0 == now { (now, ticks.1 + 1) } else { (now, 1) };
        if ticks.1 > 6 {
            self.checker.violated(format!("sio{client} wants the tick it has been given again and again"));
        }
    }

    /// Tells a session something, and does what it and those beside it want.
    fn sio_input(&mut self, client: usize, input: SioInput) {
        if self.trace.is_readable() && !matches!(input, Input::Tick) {
            self.trace.note(self.now, "socketio", format_args!("{client} {input:?}"));
        }
        let main = self.sio_main(client);
        let (now, namespace) = (self.sios[main].moment(self.now), self.sios[client].namespace.clone());
        let Some(manager) = &mut self.sios[main].manager else { return };
        if client == main {
            manager.handle(now, input);
        } else {
            manager.handle_namespace(now, &namespace, input);
        }
        self.sio_does(main);
        self.sio_leaves_rightly();
        self.sio_saves(main);
        self.sio_is_in_bounds(main);
        for carried in self.sio_carried(main) {
            self.sio_is_in_bounds(carried);
        }
        self.sios[main].look_at_deadline();
    }

    /// Does what the sessions of a process want: first what is of the connection, and then what is told in other namespaces.
    fn sio_does(&mut self, main: usize) {
        while let Some(manager) = &mut self.sios[main].manager {
            if let Some(output) = manager.poll() {
                self.sio_output(main, output);
            } else if let Some((namespace, output)) = manager.poll_namespace() {
                match self.sio_in(main, &namespace) {
                    Some(carried) => self.sio_output(carried, output),
                    None => self.checker.violated(format!("sio{main} wants {output:?} in {namespace}")),
                }
            } else {
                return;
            }
        }
    }

    fn sio_is_in_bounds(&mut self, client: usize) {
        let Some(session) = self.sio_session(client) else { return };
        let (diagnostics, (sends, held)) = (session.diagnostics(), self.sios[client].bounds());
        let ended = matches!(session.state(), State::Closed | State::Failed);
        let (has_timer, is_ready) = (session.next_deadline().is_some(), session.is_ready());
        if diagnostics.outbox_len > sends || diagnostics.buffered > held {
            self.checker.violated(format!("8: sio{client} is over its bounds: {diagnostics:?}"));
        }
        if ended && has_timer {
            self.checker.violated(format!("14: sio{client} has ended and has a timer"));
        }
        if is_ready && !self.checker.sio_knows_ready(client) {
            self.checker.violated(format!("S: sio{client} is ready, and was not told so"));
        }
    }

    fn sio_saves(&mut self, client: usize) {
        let state = &mut self.sios[client];
        let manager = state.manager.as_mut().filter(|_| state.plan.stores);
        let Some(session) = manager.map(Manager::session_mut) else { return };
        if state.disk.is_some() && session.changes() == state.stored {
            return;
        }
        state.stored = session.changes();
        let saved = session.saved();
        let disk = state.disk.get_or_insert_default();
        for change in session.take_changes() {
            disk.record(change);
        }
        let kept = disk.saved();
        if !is_the_same(&kept, &saved) {
            self.checker
                .violated(format!("S: sio{client} has changed to {saved:?}, and its disk to {kept:?}"));
        }
    }

    fn sio_output(&mut self, client: usize, output: Output<String, rejoin::Name, ClientPacket>) {
        match output {
            Output::FetchToken { .. } => {
                let process = self.sios[client].process;
                self.later(SECOND / 10, SimEvent::SioEvent(SioEvent::Token { client, process }));
            }
            Output::Dial { conn, attempt, .. } => self.sio_dials(client, conn, attempt),
            Output::Send { conn, frame, message } => {
                if let Some(index) = self.sio_socket(client, conn) {
                    self.sio_writes(client, index, frame, message);
                }
            }
            Output::Abort { conn, .. } => {
                self.sios[client].dialing.take_if(|dialing| *dialing == conn);
                if let Some(index) = self.sio_socket(client, conn) {
                    self.sio_hangs_up(index);
                    self.sio_learns(index);
                }
            }
            Output::Close { conn, .. } => {
                if let Some(index) = self.sio_socket(client, conn) {
                    let is_said = std::mem::replace(&mut self.sio_conns[index].closing, true);
                    if !is_said {
                        self.checker.violated(format!("S: sio{client} ends without a word"));
                    }
                    self.sio_learns(index);
                    let wait = 3 * self.sio_conns[index].latency;
                    let lost = SioEvent::Lost { conn: index, how: Disconnect::Lost };
                    self.later(wait, SimEvent::SioEvent(lost));
                }
            }
            Output::Save => {
                self.sio_saves(client);
                self.moment(TriggerSource::Sio(client), Trigger::Save);
            }
            Output::Event(event) => self.sio_told(client, &event),
            // The engine asks, and not the client.
            Output::Ping { .. } => {}
            other => self.checker.violated(format!("sio{client} wants {other:?}, which nobody knows")),
        }
    }

    fn sio_told(&mut self, client: usize, event: &Event) {
        if self.trace.is_readable() {
            self.trace.note(self.now, "told", format_args!("socketio {client} {event:?}"));
        }
        let text = format!("{event:?}");
        self.trace.mix_text(&text);
        if text.contains(CANARY) {
            self.checker.violated(format!("13: sio{client} shows its token: {text}"));
        }
        if let Event::State(change) = event
            && let Some(cause) = change.cause.as_ref().filter(|_| change.state != State::Closing)
        {
            self.sios[client].choice.told(cause.code);
        }
        self.sio_is_out(client, event);
        if self.sio_told_own(client, event) {
            return;
        }
        let conns = &self.sio_conns;
        let open = |index: usize| conns.get(index).is_some_and(|conn| conn.client_open && !conn.closing);
        let clock = self.sios[client].monotonic(self.now);
        self.checker.sio_event(client, clock, event, &open);
        if let Event::State(change) = event
            && matches!(change.state, State::Closing | State::Closed | State::Failed)
        {
            self.sios[client].resumes = self.sios[client].resumes.take().map(|(pid, _)| (pid, None));
        }
        match event {
            Event::Joined(joined)
                if !joined.recovered
                    && joined.room != *rejoin::PERSONAL_ROOM
                    && self.sios[client].plan.held >= 1000 =>
            {
                let listed = self.sios[client].listed.get(&joined.room);
                if listed.is_some_and(|listed| !listed.contains(&joined.members)) {
                    self.checker
                        .violated(format!("S: sio{client} is told {joined:?}, its server said {listed:?}"));
                }
            }
            Event::Room(change) if change.state == RoomState::Refused => {
                self.sios[client].wanted.retain(|room| *Self::room(*room) != *change.room);
            }
            Event::Ready(_) => {
                let wanted = self.sios[client].wanted.iter().map(|room| place(&Self::room(*room), 0));
                self.checker.sio_ready(client, wanted);
            }
            Event::Gap(_) => self.moment(TriggerSource::Sio(client), Trigger::Gap),
            Event::State(change) if change.state == State::Failed => {
                let code = change.cause.as_ref().map(|cause| cause.code);
                let suspects = self.sios[client].plan.blockade.is_some();
                let right = match code {
                    Some(CauseCode::Unauthorized(_)) => self.plan.token_source.is_some(),
                    Some(CauseCode::Closed(_)) => true,
                    Some(CauseCode::Dial(_)) => suspects,
                    _ => false,
                };
                if !right {
                    self.checker.violated(format!("S: sio{client} has ended, and says why: {code:?}"));
                }
                self.checker.sio_ended(self.sio_link(client));
            }
            _ => {}
        }
    }

    fn sio_sends(
        &mut self,
        client: usize,
        room: usize,
        padding: u32,
        with_data: bool,
        timeout: Option<u64>,
    ) -> Key {
        self.sios[client].sends += 1;
        let number = self.sios[client].sends;
        let author: Key = (FIRST_USER + client, number);
        let content = format!("{}u{}-{number}", " ".repeat(padding as usize), author.0);
        let data = with_data.then(|| format!("{{\"n\":{number}}}"));
        let room = Self::room(room);
        let words = (content.clone(), data.clone());
        self.checker.sio_sent(client, number, place(&room, 0), words, timeout.is_some());
        debug_assert_eq!(key(&content), Some(author));
        self.sio_orders(client, &content);
        let timeout = timeout.map(Duration::from_micros);
        let send = OutboundMessage { timeout, data, ..OutboundMessage::new(SendId(number), room, content) };
        self.sio_command(client, Command::Send(send));
        author
    }
}
