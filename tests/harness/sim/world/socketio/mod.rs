//! Clients that speak Socket.IO: what their driver does, and nothing more. Their server is in `serving`, what happens to
//! them in `actions`.

mod actions;
mod driver_rules;
mod own;
mod serving;

use super::driver::is_the_same;
use super::{SimEvent, World};
use crate::sim::SECOND;
use crate::sim::action::{Trigger, TriggerSource};
use crate::sim::checker::{Key, key, place};
use crate::sim::client::CANARY;
use crate::sim::net::{Packet, Pipe};
use crate::sim::plan::DialFaults;
use crate::sim::server::Process;
use crate::sim::socketio::{FIRST_USER, SioConn};
use rejoin::machine::{Command, ConnId, Disconnect, Input, OutboundMessage, Output};
use rejoin::socketio::{ClientEvent, ClientPacket, ServerPacket, Session};
use rejoin::{CauseCode, DialError, DialErrorKind, Event, RoomState, SendId, State, Token};
use std::collections::BTreeMap;
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
        if self.sios[client].session.is_some() {
            return;
        }
        let plan = &self.sios[client].plan;
        self.checker.sio_is(client, plan.acks, plan.held < 1000, plan.personal);
        self.checker.reader_restarts(self.sio_link(client));
        let personal = plan.personal;
        self.sios[client].begins();
        if let Some(disk) = &mut self.sios[client].disk {
            disk.assign_restored_ids();
            let disk = disk.saved();
            self.sio_input(client, Input::Restore(Box::new(disk)));
        }
        self.checker.sio_began(client);
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

    /// Tells a session something, and does what it wants.
    fn sio_input(&mut self, client: usize, input: SioInput) {
        if self.trace.is_readable() && !matches!(input, Input::Tick) {
            self.trace.note(self.now, "socketio", format_args!("{client} {input:?}"));
        }
        let now = self.sios[client].moment(self.now);
        let Some(session) = &mut self.sios[client].session else { return };
        session.handle(now, input);
        while let Some(output) = self.sios[client].session.as_mut().and_then(Session::poll) {
            self.sio_output(client, output);
        }
        self.sio_saves(client);
        let Some(session) = &self.sios[client].session else { return };
        let (diagnostics, (sends, held)) = (session.diagnostics(), self.sios[client].bounds());
        if diagnostics.outbox_len > sends || diagnostics.buffered > held {
            self.checker.violated(format!("8: sio{client} is over its bounds: {diagnostics:?}"));
        }
        let ended = matches!(session.state(), State::Closed | State::Failed);
        if ended && session.next_deadline().is_some() {
            self.checker.violated(format!("14: sio{client} has ended and has a timer"));
        }
        if session.is_ready() && !self.checker.sio_knows_ready(client) {
            self.checker.violated(format!("S: sio{client} is ready, and was not told so"));
        }
        self.sios[client].look_at_deadline();
    }

    fn sio_saves(&mut self, client: usize) {
        let state = &mut self.sios[client];
        let Some(session) = state.session.as_mut().filter(|_| state.plan.stores) else { return };
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

    /// The connection with this number, if the client still has it.
    fn sio_socket(&self, client: usize, id: ConnId) -> Option<usize> {
        self.sio_conns.iter().rposition(|conn| conn.client == client && conn.id == id && conn.client_open)
    }

    /// The newest connection that a client has.
    fn sio_newest(&self, client: usize) -> Option<usize> {
        self.sio_conns.iter().rposition(|conn| conn.client == client && conn.client_open)
    }

    fn sio_dials(&mut self, client: usize, id: ConnId, attempt: u32) {
        let link = self.sio_link(client);
        let open = self.sio_conns.iter().filter(|conn| conn.client == client && conn.client_open).count();
        let state = &mut self.sios[client];
        let sockets = open + usize::from(state.dialing.is_some());
        state.dialing = Some(id);
        let (process, monotonic) = (state.process, state.monotonic(self.now));
        let (luck, detail) = (state.rng.u8(..100), state.rng.u32(..));
        self.checker.dialled(link, monotonic, attempt, sockets, false);
        self.moment(TriggerSource::Sio(client), Trigger::Dials);
        let blocked = self.sio_takes_transport(client);
        let faults = if self.calm { DialFaults::default() } else { self.plan.dial };
        let latency = self.plan.latency.0.midpoint(self.plan.latency.1);
        let error = if let Some(how) = blocked {
            DialError::new(how, "")
        } else if luck < faults.refused / 2 {
            DialError::new(DialErrorKind::Refused, "")
        } else if luck < faults.refused / 2 + faults.hang / 2 {
            return;
        } else if luck >= 100 - faults.http / 4 {
            let status = [429, 500, 502, 503][detail as usize % 4];
            let retry_after = (detail & 8 == 0).then(|| Duration::from_secs(u64::from(detail >> 8) % 31));
            DialError::new(DialErrorKind::Http(status), "").with_retry_after(retry_after)
        } else {
            return self.later(latency, SimEvent::SioEvent(SioEvent::Reaches { client, process, id }));
        };
        let ends = SioEvent::DialEnds { client, process, id, result: Err(error) };
        self.later(2 * latency, SimEvent::SioEvent(ends));
    }

    fn sio_reaches(&mut self, client: usize, process: u64, id: ConnId) {
        let (least, most) = self.plan.latency;
        let latency = self.sios[client].rng.u64(least..=most);
        let result = match self.nodes[0].process {
            Process::Frozen(_) => return,
            Process::Down(_) => Err(DialError::new(DialErrorKind::Refused, "")),
            Process::Up if self.nodes[0].draining_until.is_some() => {
                let retry_after = Some(Duration::from_secs(2));
                Err(DialError::new(DialErrorKind::Http(503), "").with_retry_after(retry_after))
            }
            Process::Up => {
                self.sio_conns.push(SioConn {
                    client,
                    id,
                    latency,
                    up: Pipe::default(),
                    down: Pipe::default(),
                    dismissed: false,
                    before: Vec::new(),
                    client_open: false,
                    opened: self.now,
                    closing: false,
                    server_open: true,
                    beats: 0,
                    heard: 0,
                    seat: None,
                    before_consent: false,
                    restored: None,
                    is_restored: false,
                    draining: false,
                    cut_at: None,
                    refused_at: BTreeMap::new(),
                    unflushed: None,
                });
                Ok(self.sio_conns.len() - 1)
            }
        };
        if let Ok(index) = result {
            // The upgrade's answer comes before the engine's first word.
            self.sio_conns[index].down.hold(self.now + latency + 1);
            self.sio_greets(index);
        }
        let ends = SioEvent::DialEnds { client, process, id, result };
        self.later(latency, SimEvent::SioEvent(ends));
    }

    fn sio_dial_ends(&mut self, client: usize, process: u64, id: ConnId, result: Result<usize, DialError>) {
        let state = &self.sios[client];
        let same = state.process == process && state.session.is_some();
        let awaited = same && state.dialing == Some(id);
        if awaited {
            self.sios[client].dialing = None;
        }
        match result {
            Ok(index) if awaited => {
                self.sio_conns[index].client_open = true;
                self.sio_conns[index].opened = self.now;
                self.sio_input(client, Input::Opened(id));
            }
            Ok(index) => self.sio_learns(index),
            Err(error) if awaited => self.sio_input(client, Input::DialFailed(id, error)),
            Err(_) => {}
        }
    }

    fn sio_writes(&mut self, client: usize, index: usize, frame: u64, message: ClientPacket) {
        if let ClientPacket::Emit { event: ClientEvent::Send { content, .. }, .. } = &message {
            let disk = self.sios[client].disk.as_ref().filter(|_| self.sios[client].plan.stores);
            let on_disk =
                disk.is_some_and(|disk| disk.saved().sends.iter().any(|send| send.content == *content));
            let clock = self.sios[client].monotonic(self.now);
            self.checker.sio_writes(client, index, clock, content, on_disk);
            self.sio_observe_own(client, index, content, false);
        }
        match &message {
            ClientPacket::Custom { event, .. } => self.sio_observe_own(client, index, event, true),
            ClientPacket::Kept(event) => self.sio_observe_kept(client, index, event),
            _ => {}
        }
        self.sio_writes_rightly(client, index, &message);
        if let ClientPacket::Emit { event, .. } = &message {
            match event {
                ClientEvent::Send { .. } => self.moment(TriggerSource::Sio(client), Trigger::Transmits),
                ClientEvent::Join { .. } => self.moment(TriggerSource::Sio(client), Trigger::Asks),
                ClientEvent::Leave { .. } => self.moment(TriggerSource::Sio(client), Trigger::Leaves),
            }
        }
        if self.trace.is_readable() {
            self.trace.note(self.now, "socketio", format_args!("{client} writes {message:?} to {index}"));
        }
        let conn = &mut self.sio_conns[index];
        let latency = conn.latency;
        if let Some((end, at)) = conn.up.write(self.now, latency, &Packet::Ping) {
            let up = SioEvent::Up { conn: index, end, packet: Box::new(message) };
            self.at(at, SimEvent::SioEvent(up));
        }
        if self.sio_conns[index].unflushed.replace(frame).is_none() {
            let late = !self.calm && self.sios[client].rng.u8(..100) < self.plan.late_flush;
            let wait = if late { self.sios[client].rng.u64(..SECOND / 5) } else { 0 };
            self.later(wait, SimEvent::SioEvent(SioEvent::Flushed { conn: index }));
        }
    }

    fn sio_arrives(&mut self, index: usize, end: u64, packet: ServerPacket) {
        if !self.sio_conns[index].down.take(end) || !self.sio_conns[index].client_open {
            return;
        }
        let (client, id) = (self.sio_conns[index].client, self.sio_conns[index].id);
        if matches!(packet, ServerPacket::Connected(_)) {
            let restored = self.sio_conns[index].restored.clone();
            self.checker.sio_consent(client, restored.as_deref());
        }
        let own = Self::own_event_of(&packet);
        let engine = matches!(packet, ServerPacket::Open(_));
        let is_up = self.sios[client].session.as_ref().map(Session::state) == Some(State::Connected);
        // Before the consent it is not known yet what an event belongs to.
        if matches!(packet, ServerPacket::Connected(_)) {
            let held = std::mem::take(&mut self.sio_conns[index].before);
            let goes_on = self.sio_conns[index].restored.is_some();
            self.sio_may_resume(client, &packet);
            for event in held.iter().filter(|_| goes_on) {
                self.sio_may_resume(client, event);
            }
        } else if is_up {
            self.sio_may_resume(client, &packet);
        } else if matches!(packet, ServerPacket::Event(_)) {
            self.sio_conns[index].before.push(packet.clone());
        }
        let is_dismissed = matches!(packet, ServerPacket::Disconnected) && is_up;
        self.sio_input(client, Input::Received(id, packet));
        let state = self.sios[client].session.as_ref().map(Session::state);
        if is_dismissed && !matches!(state, Some(State::Failed | State::Closing | State::Closed)) {
            self.checker.violated(format!("S: sio{client} was thrown out, and is {state:?}"));
        }
        if engine && self.sio_conns[index].client_open {
            self.sio_engine_answers(client, id);
        }
        let is_in = self.sio_conns[index].client_open
            && self.sios[client].session.as_ref().map(Session::state) == Some(State::Connected);
        if let Some(number) = own.filter(|_| is_in) {
            self.sio_has_heard_own(client, number);
        }
    }

    /// The client's end of a connection is gone.
    fn sio_hangs_up(&mut self, index: usize) {
        if std::mem::take(&mut self.sio_conns[index].client_open) {
            let (client, opened) = (self.sio_conns[index].client, self.sio_conns[index].opened);
            self.checker.lost(self.sio_link(client), self.now - opened);
        }
    }

    /// The client learns that a connection is gone.
    fn sio_loses(&mut self, index: usize, how: Disconnect) {
        if !self.sio_conns[index].client_open {
            return;
        }
        let (client, id) = (self.sio_conns[index].client, self.sio_conns[index].id);
        self.sio_hangs_up(index);
        self.sio_input(client, Input::Closed(id, how));
    }

    /// The server is about to learn that the client's end is gone, unless nothing reaches it.
    fn sio_learns(&mut self, index: usize) {
        let conn = &mut self.sio_conns[index];
        let latency = conn.latency;
        if let Some((_, at)) = conn.up.write(self.now, latency, &Packet::Reset) {
            self.at(at, SimEvent::SioEvent(SioEvent::Gone { conn: index }));
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
