//! The machine: link, rooms and outbox behind one `handle`, one `poll` and one deadline.

mod io;

pub use io::{Command, Diagnostics, Input, Join, Output};

use crate::config::Config;
use crate::event::{
    Delivery, DeliveryStatus, Event, Gap, GapReason, Mode, RoomChange, RoomState, SendFailure,
};
use crate::link::{Action, ConnId, Link, State};
use crate::messages::{ClientMessage, Message, ServerMessage};
use crate::name::Name;
use crate::outbox::{Outbox, Outgoing, Payload};
use crate::rooms::{Membership, Rooms};
use crate::time::{Moment, Timestamp};
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

/// The connection in use: its frames are numbered from 1.
#[derive(Debug)]
struct Wire {
    conn: ConnId,
    last_frame: u64,
    ready: bool,
}

/// The whole client without its socket. See the crate's first page for the loop that drives it.
#[derive(Debug)]
pub struct Session<P = String, N = Name> {
    link: Link,
    rooms: Rooms<N>,
    outbox: Outbox<P, N>,
    wire: Option<Wire>,
    /// Some room waits to be left: looked for after each input only then.
    leaving: bool,
    max_content: usize,
    max_unflushed: usize,
    outputs: VecDeque<Output<P, N>>,
    outcomes: Vec<Delivery<N>>,
    diagnostics: Diagnostics,
}

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    /// A session that is idle. Two sessions with equal configuration, seed and inputs give equal outputs.
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            link: Link::new(config.link, seed),
            rooms: Rooms::new(config.max_rooms),
            outbox: Outbox::new(config.outbox),
            wire: None,
            leaving: false,
            max_content: config.max_content,
            max_unflushed: config.max_unflushed,
            outputs: VecDeque::new(),
            outcomes: Vec::new(),
            diagnostics: Diagnostics::default(),
        }
    }

    /// Takes one input. Never fails, never blocks, never panics: what was wrong with an input comes out as an
    /// event. Call [`Session::poll`] until it is empty afterwards; several inputs may come before that.
    pub fn handle(&mut self, now: Moment, input: Input<P, N>) {
        self.link.observe(now);
        let now = now.monotonic;
        match input {
            Input::Received(conn, message) => {
                if self.heard(now, conn) {
                    self.received(message);
                }
            }
            Input::Garbled(conn, error) => {
                if self.heard(now, conn) {
                    self.diagnostics.garbled_frames += 1;
                    self.event(Event::Garbled { error });
                }
            }
            Input::Heard(conn) => {
                self.heard(now, conn);
            }
            Input::Pong(conn) => {
                if self.link.is_current(conn) {
                    self.link.ponged(now);
                }
            }
            Input::Flushed(conn, through) => self.flushed(conn, through),
            Input::Command(command) => self.command(now, command),
            Input::Opened(conn) => self.link.opened(now, conn),
            Input::DialFailed(conn, error) => self.link.dial_failed(now, conn, error),
            Input::Closed(conn, how) => self.link.closed(now, conn, how),
            Input::Token(result) => self.link.token(now, result),
            Input::Hint(hint) => self.link.hint(now, hint),
            Input::Busy(_) | Input::Restore(_) => {}
            Input::Tick => {
                self.link.tick(now);
                self.outbox.expire(now, &mut self.outcomes);
            }
        }
        self.settle();
    }

    /// The next thing to do, in order; `None` when there is nothing until the next input.
    pub fn poll(&mut self) -> Option<Output<P, N>> {
        self.outputs.pop_front()
    }

    /// When to say [`Input::Tick`], if nothing else happens before. Ticks that come early do nothing.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.link.deadline().into_iter().chain(self.outbox.deadline()).min()
    }

    /// The state of the connection.
    pub fn state(&self) -> State {
        self.link.state()
    }

    /// Whether the mode is decided and every wanted room joined (plain: the joins are written).
    pub fn is_ready(&self) -> bool {
        self.wire.as_ref().is_some_and(|wire| wire.ready)
    }

    /// The wanted rooms and how it stands with them, by name.
    pub fn rooms(&self) -> impl Iterator<Item = (&N, RoomState)> {
        self.rooms.iter().filter(|room| room.is_wanted()).map(|room| {
            let joined = room.membership == Membership::Member;
            (&room.name, if joined { RoomState::Joined } else { RoomState::Joining })
        })
    }

    /// What has been counted so far.
    pub fn diagnostics(&self) -> Diagnostics {
        Diagnostics {
            outbox_len: self.outbox.len(),
            outbox_bytes: self.outbox.bytes(),
            rtt: self.link.rtt(),
            ..self.diagnostics
        }
    }

    fn event(&mut self, event: Event<P, N>) {
        self.outputs.push_back(Output::Event(event));
    }

    fn room_changed(&mut self, room: N, state: RoomState) {
        self.event(Event::Room(RoomChange { room, state }));
    }

    fn heard(&mut self, now: Timestamp, conn: ConnId) -> bool {
        let current = self.link.is_current(conn);
        if current {
            self.diagnostics.frames_in += 1;
            self.link.heard(now);
        }
        current
    }

    fn received(&mut self, message: ServerMessage<P, N>) {
        match message {
            ServerMessage::Message(message) => self.message(message),
            ServerMessage::UserJoined { room, user } => {
                if !self.is_left(&room) {
                    self.event(Event::UserJoined { room, user });
                }
            }
            ServerMessage::Error { message, refusal } => {
                let code = refusal.map(|refusal| refusal.code);
                self.event(Event::ServerError { message, code });
            }
            _ => self.diagnostics.unknown_frames += 1,
        }
    }

    fn message(&mut self, message: Message<P, N>) {
        if !self.is_left(&message.room) {
            self.event(Event::Message(message));
        }
    }

    /// A server that does not implement leaving goes on sending; rooms never asked for are its own choice.
    fn is_left(&self, room: &N) -> bool {
        self.rooms.get(room).is_some_and(|room| room.membership == Membership::Left)
    }

    fn command(&mut self, now: Timestamp, command: Command<P, N>) {
        match command {
            Command::Connect => self.link.connect(now),
            Command::Reconnect => self.link.reconnect(now),
            Command::Close => self.link.close(now),
            Command::Join(join) => self.join(join.room),
            Command::Leave(room) => self.leave(&room),
            Command::Send(send) => self.send(now, send),
            Command::Cancel(id) => self.outcomes.extend(self.outbox.cancel(id)),
            Command::SetToken(token) => self.link.set_token(now, token),
            Command::Commit { .. } | Command::Signal { .. } | Command::Presence(_) => {}
        }
    }

    fn send(&mut self, now: Timestamp, send: Outgoing<P, N>) {
        let refused = if self.link.has_ended() {
            Some(SendFailure::Closed)
        } else if send.content.weight() > self.max_content {
            Some(SendFailure::TooLarge)
        } else {
            None
        };
        match refused {
            Some(why) => {
                let status = DeliveryStatus::Failed(why);
                self.outcomes.push(Delivery { id: send.id, room: send.room, status });
            }
            None => self.outbox.push(now, send, &mut self.outcomes),
        }
    }

    fn join(&mut self, room: N) {
        let Some(entry) = self.rooms.want(room.clone()) else {
            self.room_changed(room, RoomState::Refused);
            return;
        };
        match (entry.membership, &mut self.wire) {
            (Membership::Member | Membership::Joining { .. }, _) => return,
            // Not left yet: it simply stays.
            (Membership::Leaving { .. }, _) => entry.membership = Membership::Member,
            (Membership::Absent | Membership::Left, Some(wire)) => {
                let frame = wire.last_frame + 1;
                entry.membership = Membership::Joining { frame };
                wire.ready = false;
                self.write(ClientMessage::join(room.clone()));
            }
            (Membership::Absent | Membership::Left, None) => entry.membership = Membership::Absent,
        }
        let joined = self.rooms.get(&room).is_some_and(|room| room.membership == Membership::Member);
        self.room_changed(room, if joined { RoomState::Joined } else { RoomState::Joining });
    }

    fn leave(&mut self, room: &N) {
        let serial = self.outbox.last_serial();
        let connected = self.wire.is_some();
        let Some(entry) = self.rooms.get_mut(room).filter(|entry| entry.is_wanted()) else { return };
        entry.membership = Membership::Leaving { serial };
        self.leaving = true;
        if !connected {
            for room in self.rooms.connection_lost() {
                self.room_changed(room, RoomState::Left);
            }
        }
    }

    /// Sends `leave_room` for the rooms whose earlier sends have become final.
    fn finish_leaving(&mut self) {
        let mut done = Vec::new();
        self.leaving = false;
        for room in self.rooms.iter_mut() {
            let Membership::Leaving { serial } = room.membership else { continue };
            if self.outbox.is_pending(&room.name, serial) {
                self.leaving = true;
            } else {
                room.membership = Membership::Left;
                done.push(room.name.clone());
            }
        }
        for room in done {
            self.write(ClientMessage::leave(room.clone()));
            self.room_changed(room, RoomState::Left);
        }
    }

    fn write(&mut self, message: ClientMessage<P, N>) {
        let Some(wire) = &mut self.wire else { return };
        wire.last_frame += 1;
        self.diagnostics.frames_out += 1;
        let (conn, frame) = (wire.conn, wire.last_frame);
        self.outputs.push_back(Output::Send { conn, frame, message });
    }

    fn flushed(&mut self, conn: ConnId, through: u64) {
        if self.wire.as_ref().is_none_or(|wire| wire.conn != conn) {
            return;
        }
        let outputs = &mut self.outputs;
        self.outbox.flushed(through, |delivery| {
            outputs.push_back(Output::Event(Event::Delivery(delivery)));
        });
        if self.is_ready() {
            return;
        }
        let mut ready = true;
        for room in self.rooms.iter_mut() {
            match room.membership {
                Membership::Joining { frame } if frame <= through => {
                    room.membership = Membership::Member;
                    room.seen_before = true;
                    let change = RoomChange { room: room.name.clone(), state: RoomState::Joined };
                    self.outputs.push_back(Output::Event(Event::Room(change)));
                }
                Membership::Joining { .. } => ready = false,
                _ => {}
            }
        }
        if ready {
            self.ready();
        }
    }

    fn ready(&mut self) {
        if let Some(wire) = &mut self.wire {
            wire.ready = true;
            self.event(Event::Ready(Mode::Plain));
        }
    }

    /// Turns what the link wants and what has become possible into outputs.
    fn settle(&mut self) {
        while let Some(action) = self.link.next_action() {
            self.act(action);
        }
        self.transmit();
        if self.leaving && self.wire.is_some() {
            self.finish_leaving();
        }
        for delivery in self.outcomes.drain(..) {
            self.outputs.push_back(Output::Event(Event::Delivery(delivery)));
        }
    }

    fn act(&mut self, action: Action) {
        let output = match action {
            Action::FetchToken { rejected } => Output::FetchToken { rejected },
            Action::Dial { conn, endpoint, attempt, token } => {
                self.diagnostics.dials += 1;
                Output::Dial { conn, endpoint, attempt, token, extended: false, url: None }
            }
            Action::Ping(conn) => Output::Ping { conn },
            Action::Close { conn, code } => Output::Close { conn, code },
            Action::Abandon { conn, code } => Output::Abandon { conn, code },
            Action::Up(conn) => return self.up(conn),
            Action::Down => return self.down(),
            Action::Changed(change) => {
                if matches!(change.state, State::Closing | State::Closed | State::Failed) {
                    self.outbox.close(&mut self.outcomes);
                }
                Output::Event(Event::State(change))
            }
        };
        self.outputs.push_back(output);
    }

    /// A connection is open: announce what may have been missed, then ask for every wanted room at once.
    fn up(&mut self, conn: ConnId) {
        self.diagnostics.connections += 1;
        self.wire = Some(Wire { conn, last_frame: 0, ready: false });
        let mut joins = Vec::new();
        for (frame, room) in (1..).zip(self.rooms.iter_mut()) {
            room.membership = Membership::Joining { frame };
            joins.push((room.name.clone(), room.seen_before));
        }
        for (room, seen_before) in &joins {
            if *seen_before {
                self.event(Event::Gap(Gap::unknown(room.clone(), GapReason::Reconnected)));
            }
        }
        let none = joins.is_empty();
        for (room, _) in joins {
            self.write(ClientMessage::join(room));
        }
        if none {
            self.ready();
        }
    }

    fn down(&mut self) {
        self.wire = None;
        self.outbox.connection_lost(&mut self.outcomes);
        for room in self.rooms.connection_lost() {
            self.room_changed(room, RoomState::Left);
        }
    }

    /// Gives waiting sends to the connection while the operating system keeps up.
    fn transmit(&mut self) {
        while self.outbox.has_waiting() && self.outbox.written_bytes() < self.max_unflushed {
            let Some(wire) = &self.wire else { return };
            let Some((room, content)) = self.outbox.transmit(wire.last_frame + 1) else { return };
            self.write(ClientMessage::send(room, content));
        }
    }
}

#[cfg(test)]
mod tests;
