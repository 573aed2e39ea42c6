//! The driver of each client: executes its session's outputs. Decides nothing.

use super::{SimEvent, World};
use crate::sim::SECOND;
use crate::sim::action::{Trigger, TriggerSource};
use crate::sim::checker::{key, place};
use crate::sim::client::LEAST_PACE;
use crate::sim::coverage::Sometimes;
use crate::sim::net::{Packet, Way};
use crate::sim::plan::Commits;
use rejoin::machine::{
    ClientMessage, Command, Input, Output, Saved, SavedProducer, SavedSend, ServerMessage, Session,
};
use rejoin::messages::json::encode_client;
use rejoin::{Event, Id, Mode, Name, Position, RoomState, State, TokenError};
use std::collections::BTreeMap;

impl World {
    pub(super) fn input(&mut self, client: usize, input: Input) {
        let now = self.clients[client].moment(self.now);
        if self.trace.is_readable() {
            let who = format!("client{client}");
            self.trace.note(self.now, &who, format_args!("{}", Shown(&input)));
        }
        if !matches!(input, Input::Tick) {
            self.clients[client].ticks_at.1 = 0;
        }
        let clock = self.clients[client].clock(self.now);
        let Some(session) = &mut self.clients[client].session else { return };
        self.checker.before(client, clock, &input, session);
        session.handle(now, input);
        self.perform(client);
        let Some(session) = &self.clients[client].session else { return };
        if session.state() == State::Closed && session.next_deadline().is_some() {
            self.checker.violated(format!("14: u{client} is closed and has a timer"));
        }
        self.clients[client].look_at_deadline();
    }

    pub(super) fn command(&mut self, client: usize, command: Command) {
        if let Command::Send(send) | Command::SendVolatile(send) = &command {
            self.own.asked(client, &send.content);
        }
        self.input(client, Input::Command(command));
    }

    fn perform(&mut self, client: usize) {
        loop {
            if self.clients[client].death.is_some_and(|death| death.outputs == 0) {
                self.dies(client);
                return;
            }
            let Some(output) = self.clients[client].session.as_mut().and_then(Session::poll) else { break };
            if let Some(death) = &mut self.clients[client].death {
                death.outputs -= 1;
            }
            if self.watch_for_tokens {
                self.checker.said(client, &format!("{output:?}"));
            }
            self.checker.did(client, &output);
            self.perform_one(client, output);
        }
        if let Some(session) = &self.clients[client].session {
            self.checker.after(client, session);
        }
        for index in self.clients[client].sockets.clone() {
            self.flush(index);
        }
        self.app_looks(client);
        self.stores_some_time(client);
    }

    /// What has changed and must not be on the disk before anything else is stored a little later.
    fn stores_some_time(&mut self, client: usize) {
        let state = &mut self.clients[client];
        let Some(session) = state.session.as_ref().filter(|_| state.plan.stores && !state.will_store) else {
            return;
        };
        if session.changes() != state.stored {
            state.will_store = true;
            let delay = state.rng.u64(..SECOND / 2);
            let process = self.processes[client];
            self.later(delay, SimEvent::Stores { client, process });
        }
    }

    fn perform_one(&mut self, client: usize, output: Output) {
        self.clients[client].just_stored = matches!(output, Output::Save);
        match output {
            Output::Event(event) => self.told(client, &event),
            Output::Send { conn, frame, message } => {
                if let Some(index) = self.socket(client, conn) {
                    match message {
                        ClientMessage::JoinRoom { .. } => {
                            self.moment(TriggerSource::Client(client), Trigger::Asks);
                        }
                        ClientMessage::SendMessage { .. } => {
                            self.moment(TriggerSource::Client(client), Trigger::Transmits);
                        }
                        _ => {}
                    }
                    self.observe_up(client, index, &message);
                    if let ClientMessage::SendMessage { content, .. } = &message
                        && let Some(key) = key(content)
                    {
                        self.checker.frame_is(index, key, frame);
                    }
                    self.checker.frame_written(index, frame);
                    self.conns[index].unflushed = Some(frame);
                    let text = encode_client(&message);
                    if self.trace.is_readable() {
                        let text = super::to_server::shortened(&text);
                        self.trace.note(
                            self.now,
                            "client",
                            format_args!("{client} writes to {index}: {text}"),
                        );
                    }
                    self.write(index, Way::Up, Packet::Text(text.into()));
                }
            }
            Output::Ping { conn } => {
                if let Some(index) = self.socket(client, conn) {
                    self.write(index, Way::Up, Packet::Ping);
                }
            }
            Output::Close { conn, code } => {
                if let Some(index) = self.socket(client, conn) {
                    self.moved(client, index);
                    self.write(index, Way::Up, Packet::Close(code));
                }
            }
            Output::Abort { conn, code } => self.abandon(client, conn, code),
            Output::Dial { conn, token, extended, attempt, .. } => {
                self.dial(client, conn, token, extended, attempt);
            }
            Output::FetchToken { rejected } => self.fetch_token(client, rejected),
            Output::Save => {
                self.save(client);
                self.moment(TriggerSource::Client(client), Trigger::Save);
            }
            _ => {}
        }
    }

    pub(super) fn save(&mut self, client: usize) {
        let state = &mut self.clients[client];
        if let (true, Some(session)) = (state.plan.stores, &mut state.session) {
            let saved = session.saved();
            state.stored = session.changes();
            if self.watch_for_tokens {
                self.checker.said(client, &format!("{saved:?}"));
            }
            let changes = session.take_changes();
            let disk = state.disk.get_or_insert_default();
            for change in changes {
                disk.record(change);
            }
            if !is_the_same(&disk.saved(), &saved) {
                let disk = disk.saved();
                self.checker
                    .violated(format!("u{client} has changed to {saved:?}, and its disk to {disk:?}"));
            }
        }
    }

    fn observe_up(&mut self, client: usize, index: usize, message: &ClientMessage) {
        let user = self.clients[client].user;
        match message {
            ClientMessage::Custom(content) => self.observe_own(client, index, content, true),
            ClientMessage::Kept(frame) => self.observe_kept(client, index, frame),
            ClientMessage::SendMessage { content, tag, .. } => {
                self.observe_own(client, index, content, false);
                let Some(key) = key(content) else { return };
                let (reference, line) =
                    tag.as_ref().map_or((None, None), |tag| (Some(&tag.reference), tag.producer.as_ref()));
                let extended = self.conns[index].extended;
                let limit = self.conns[index].in_flight.unwrap_or(self.plan.server.in_flight);
                let limit = usize::try_from(limit).unwrap_or(1);
                let limit = if self.checker.lied.contains(&client) { 64 } else { limit };
                self.checker.transmitted(key, index, extended, reference, line, limit);
            }
            ClientMessage::JoinRoom { room, .. } if *room == *"@me" && !self.speaks(client) => {
                self.checker
                    .violated(format!("2.2: u{client} asks for its stream before the server has said hello"));
            }
            ClientMessage::JoinRoom { room, request: Some(request) } => {
                let since = request.since.as_ref().map(|since| (since.epoch.clone(), since.seq));
                self.checker.counts_join(client, place(room, user), since);
                let past = self.clients[client].plan.history.unwrap_or(1);
                let is_wanted = self.clients[client].wanted.contains(&(place(room, user) as usize));
                if request.since.is_none()
                    && is_wanted
                    && request
                        .history
                        .is_some_and(|history| history < past && history < self.plan.server.replay)
                {
                    self.checker
                        .violated(format!("2.4: u{client} asks for less than the last {past}: {request:?}"));
                }
                self.checker.joins_again(client, index, place(room, user));
                self.checker.join_asked(index, place(room, user), request);
            }
            // As on a plain server: without a name there is no answer.
            ClientMessage::JoinRoom { .. } | ClientMessage::LeaveRoom { .. } => self.checker.tampered(index),
            ClientMessage::History(request) => {
                let (epoch, after) = (request.epoch.clone(), request.after);
                let slow = self.clients[client].app.was_busy;
                self.checker.counts_history(client, place(&request.room, user), epoch, after, slow);
                self.checker.pages_again(client, index, place(&request.room, user), after);
                self.checker.history_asked(index, request);
            }
            _ => {}
        }
    }

    /// The connection with this number, if the client still has it.
    pub(super) fn socket(&self, client: usize, id: rejoin::machine::ConnId) -> Option<usize> {
        self.clients[client].sockets.iter().copied().find(|index| self.conns[*index].id == id)
    }

    fn abandon(&mut self, client: usize, id: rejoin::machine::ConnId, code: u16) {
        if let Some(index) = self.socket(client, id) {
            self.moved(client, index);
            self.write(index, Way::Up, Packet::Close(code));
            self.hang_up(index);
        }
        self.clients[client].dialing.retain(|dialing| *dialing != id);
    }

    /// A client gives up the old one of two connections.
    fn moved(&mut self, client: usize, index: usize) {
        let sockets = &self.clients[client].sockets;
        if sockets.len() > 1 && sockets[0] == index && self.conns[index].server_open {
            self.checker.cover.reach(Sometimes::HandoverDone);
        }
    }

    fn fetch_token(&mut self, client: usize, rejected: bool) {
        if rejected {
            self.checker.cover.reach(Sometimes::TokenRefused);
        }
        self.checker.counts_token(client);
        let state = &mut self.clients[client];
        state.token_question += 1;
        let question = state.token_question;
        let fails = if self.calm { 0 } else { self.plan.token_source.unwrap_or(0) };
        let (serial, delay) = (state.token_serial, state.rng.u64(..SECOND));
        let delay = if serial % 4 == question % 4 { delay * 8 } else { delay };
        let result = match state.rng.u8(..100) {
            luck if luck >= fails => Ok(state.token(serial)),
            // Hangs: no answer at all.
            luck if luck % 4 == 0 => return,
            luck if luck % 4 == 1 => Ok(state.token(serial.wrapping_sub(1))),
            luck if luck % 16 == 2 => Err(TokenError::permanent("signed out")),
            _ => Err(TokenError::temporary("the token service is away")),
        };
        self.later(delay, SimEvent::TokenAnswer { client, question, result });
    }

    fn told(&mut self, client: usize, event: &Event) {
        if self.trace.is_readable() {
            let who = format!("client{client}");
            self.trace.note(self.now, &who, format_args!("    told {event:?}"));
        }
        if self.told_own(client, event) {
            return;
        }
        let user = self.clients[client].user;
        match event {
            Event::Joined(joined) => {
                if let Some(frame) = self.clients[client].joined.get(&joined.room) {
                    self.checker.joined(client, place(&joined.room, user), frame);
                    self.checker.join_told(client, place(&joined.room, user), joined, frame);
                }
            }
            Event::Mode(mode) => {
                let conn = self.clients[client].newest().unwrap_or(usize::MAX);
                if self.clients[client].mode == Some((conn, Mode::Plain)) && *mode == Mode::Extended {
                    self.checker.cover.reach(Sometimes::LateHello);
                }
                self.clients[client].mode = Some((conn, *mode));
            }
            Event::Malformed { error, count, .. } => {
                let conn = self.clients[client].newest();
                let (of, told) = &mut self.clients[client].damage_told;
                if std::mem::replace(of, conn) != conn {
                    told.clear();
                }
                let kind = error.split(':').next().unwrap_or_default();
                let before = told.insert(kind.to_owned(), *count).unwrap_or(0);
                // The first, the tenth, the hundredth.
                if *count != (before * 10).max(1) {
                    self.checker
                        .violated(format!("u{client} is told of damage {before}, then {count} times"));
                }
            }
            Event::Ready(mode) => self.told_ready(client, *mode),
            Event::Room(change) => {
                if matches!(change.state, RoomState::Failed(_) | RoomState::Removed(_) | RoomState::Refused) {
                    self.clients[client].wanted.remove(&(place(&change.room, 0) as usize));
                    self.clients[client].plan.personal &= *change.room != *"@me";
                }
                self.told_of_room(client, &change.room, change.state);
            }
            _ => {}
        }
        self.trace.mix(tag(event));
        self.checker.event(client, user, event);
        self.app_gets(client, event);
    }

    fn app_gets(&mut self, client: usize, event: &Event) {
        let (room, position) = match event {
            Event::Message(message) => (message.room.clone(), message.position()),
            Event::Notification(notification) => {
                ("@me".into(), notification.entry.as_ref().map(rejoin::messages::EntryMeta::position))
            }
            _ => return,
        };
        let app = &mut self.clients[client].app;
        // What has no position cannot be fetched later.
        if app.busy && position.is_some() {
            self.checker.violated(format!("8: u{client} is given {position:?} though its queue is full"));
        }
        app.queue.push_back((room, position));
    }

    /// After its session had something to say: the application takes what it has been given, if it is quick.
    fn app_looks(&mut self, client: usize) {
        if self.clients[client].session.is_none() {
            return;
        }
        if self.clients[client].is_quick(self.now) {
            while self.clients[client].session.is_some() && self.app_takes_one(client) {}
        } else if !self.clients[client].app.taking {
            self.clients[client].app.taking = true;
            let wait = self.clients[client].app.pace.max(LEAST_PACE);
            self.later(wait, SimEvent::AppTakes { client });
        }
        let state = &mut self.clients[client];
        if state.session.is_some() && !state.app.busy && state.app.queue.len() >= state.plan.queue {
            state.app.busy = true;
            state.app.was_busy = true;
            self.input(client, Input::Backpressure(true));
        }
    }

    pub(super) fn app_takes(&mut self, client: usize) {
        self.clients[client].app.taking = false;
        if self.clients[client].session.is_some() {
            self.app_takes_one(client);
            self.app_looks(client);
        }
    }

    fn app_takes_one(&mut self, client: usize) -> bool {
        let state = &mut self.clients[client];
        let Some((room, position)) = state.app.queue.pop_front() else { return false };
        state.app.taken += 1;
        let before =
            position.as_ref().and_then(|position| state.positions.insert(room.clone(), position.clone()));
        // One task of the application may be behind another.
        let again = before.filter(|_| state.plan.commits != Commits::Never && state.rng.u8(..16) == 0);
        let last_of_room = !state.app.queue.iter().any(|(next, _)| *next == room);
        let commits = match state.plan.commits {
            Commits::Taken => last_of_room,
            Commits::Seldom => state.app.taken.is_multiple_of(5),
            Commits::Never => false,
        };
        let rests = state.app.busy && state.app.queue.len() <= state.plan.queue / 2;
        if rests {
            state.app.busy = false;
        }
        let again =
            again.filter(|again| position.as_ref().is_some_and(|position| position.epoch == again.epoch));
        if let Some(position) = position.filter(|_| commits) {
            let at = place(&room, state.user);
            self.checker.committed(client, at, &position.epoch, position.seq);
            self.checker.has_dealt_with(client, at, &position.epoch, position.seq);
            self.command(client, Command::Commit { room: room.clone(), position });
            if let Some(position) = again {
                self.checker.committed(client, at, &position.epoch, position.seq);
                self.checker.has_dealt_with(client, at, &position.epoch, position.seq);
                self.command(client, Command::Commit { room, position });
            }
        }
        if rests {
            self.input(client, Input::Backpressure(false));
        }
        true
    }
}

/// Whether a state kept change by change is the state as a whole. Times may differ by what clocks do: a whole that was fixed
/// when its client failed does not follow a wall clock that is set back later, the changes do, so there a send may be older,
/// and is never younger. What will not be transmitted again has no time.
pub(super) fn is_the_same(disk: &Saved, whole: &Saved) -> bool {
    let sends = |saved: &Saved| -> Vec<_> {
        let send = |send: &SavedSend| {
            let line =
                send.transmitted.as_ref().map(|sent| (sent.pid.clone(), sent.pseq, sent.epoch.clone()));
            let texts = (send.content.clone(), send.data.clone(), send.reference.clone());
            (send.room.clone(), texts, line)
        };
        saved.sends.iter().map(send).collect()
    };
    let times = disk.sends.iter().zip(&whole.sends).all(|(one, other)| {
        let at = |send: &SavedSend| send.transmitted.as_ref().map_or(0, |sent| sent.at_ms);
        at(other) == 0 || at(one) <= at(other) + 50
    });
    let positions = |saved: &Saved| -> BTreeMap<Name, Position> {
        saved.positions.iter().map(|saved| (saved.room.clone(), saved.position.clone())).collect()
    };
    // Sends from a future, after a wall clock that was set back, are given up by the run and not by its disk: the next run
    // judges them by its own clock.
    let given_up = |pid: &Id| {
        let mut sent = whole.sends.iter().filter_map(|send| send.transmitted.as_ref());
        sent.all(|sent| sent.pid != *pid || sent.at_ms == 0)
    };
    let lines = |saved: &Saved| -> BTreeMap<Name, (Id, u64)> {
        let has_sends = |line: &&SavedProducer| {
            let mut sent = saved.sends.iter().filter_map(|send| send.transmitted.as_ref());
            sent.any(|sent| sent.pid == line.pid && sent.at_ms > 0)
        };
        let lines = saved.producers.iter().filter(has_sends).filter(|line| !given_up(&line.pid));
        lines.map(|line| (line.room.clone(), (line.pid.clone(), line.next_pseq))).collect()
    };
    let head = |saved: &Saved| {
        (saved.user.clone(), saved.extended, saved.worked, saved.window_ms, saved.dedupe_window_ms)
    };
    times
        && sends(disk) == sends(whole)
        && positions(disk) == positions(whole)
        && disk.kept == whole.kept
        && lines(disk) == lines(whole)
        && (head(disk) == head(whole) || whole.user.is_none())
}

/// An event as the hash of the run takes it.
fn tag(event: &Event) -> u64 {
    match event {
        Event::State(_) => 1,
        Event::Mode(_) => 2,
        Event::Ready(_) => 3,
        Event::Room(_) => 4,
        Event::Joined(joined) => 5 + (joined.replayed << 8),
        Event::Message(message) => 6 + (message.entry.as_ref().map_or(0, |stamp| stamp.seq) << 8),
        Event::Gap(gap) => 7 + (gap.after.unwrap_or(0) << 8),
        Event::Delivery(delivery) => 8 + (delivery.id.0 << 8),
        _ => 9,
    }
}

/// An input as a reader of the trace wants it.
struct Shown<'a>(&'a Input);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Input::Received(conn, ServerMessage::Message(message)) => {
                let stamp = message.entry.as_deref();
                let seq = stamp.map_or_else(String::new, |stamp| format!(" {}:{}", stamp.epoch, stamp.seq));
                write!(f, "receives {}{seq} in {} on {}", message.content.trim(), message.room, conn.0)
            }
            Input::Restore(saved) => write!(f, "restores {saved:?}"),
            other => write!(f, "{other:?}"),
        }
    }
}
