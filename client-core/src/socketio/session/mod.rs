//! The session for Socket.IO servers: link, rooms and outbox behind one `handle`, one `poll` and one deadline. Does no
//! I/O.

mod carrier;
mod connecting;
mod connection;
#[cfg(feature = "frames")]
mod custom;
mod receiving;
#[cfg(feature = "stored")]
mod restoring;
mod rooms;

use super::messages::{ClientEvent, ClientPacket, ServerPacket};
use super::offset::Offset;
use super::outbox::{Outbox, SendWindow};
use super::personal::Personal;
use super::rooms::{Membership, Rooms};
#[cfg(feature = "journal")]
use crate::change_log::record;
use crate::config::Config;
use crate::event::{Delivery, DeliveryStatus, Event, RoomChange, RoomState, SendFailure};
use crate::link::{Action, ConnId, EngineTransport, Link, State, Transports};
use crate::mutation::mutation;
use crate::name::Name;
use crate::outbound::OutboundMessage;
use crate::payload::Payload;
#[cfg(feature = "stored")]
use crate::persisted::SavedSend;
use crate::session::{Command, Diagnostics, Input, Output};
use crate::time::{ClockReading, Nanos, Timestamp};
use crate::token::Token;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use connection::ActiveConnection;
use core::time::Duration;
use fastrand::Rng;

/// Silence after a message, after which the server is requested activity.
const UNANSWERED_TIMEOUT: Nanos = Nanos::from_secs(5);

/// What can be chosen beside [`Config`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Ask the server to answer joins and messages. `true` by default; turn it off for a server whose handlers do not
    /// call their acks: then a message is done when it is written.
    pub acks: bool,
    /// How long an answer may take: 10 s by default.
    pub ack_timeout: Duration,
    /// The transports: by default WebSocket, and long polling where something on the way blocks that.
    pub transports: Transports,
}

impl Options {
    /// Options with or without acks, and so long a wait for one; the rest is the default.
    pub fn new(acks: bool, ack_timeout: Duration) -> Self {
        Self { acks, ack_timeout, ..Self::default() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { acks: true, ack_timeout: Duration::from_secs(10), transports: Transports::default() }
    }
}

/// The whole client of a Socket.IO server without its socket. Driven as [`crate::machine::Session`] is.
#[derive(Debug)]
pub struct Session<P = String, N = Name> {
    link: Link,
    rooms: Rooms<N>,
    personal: Personal<N>,
    outbox: Outbox<P, N>,
    #[cfg(feature = "frames")]
    custom: custom::CustomEvents<P, N>,
    connection: Option<ActiveConnection<P, N>>,
    /// The session that a server may recover, and how far it has been received: without a place there is nothing to
    /// request.
    pid: Option<Box<str>>,
    offset: Offset,
    /// Of the dial under way or the connection in use.
    token: Option<Token>,
    now: ClockReading,
    /// Numbers of acks are counted over all connections, so that a late answer is never taken for another's.
    acks: u64,
    /// Some room waits to be left: looked for after each input only then.
    leaving: bool,
    settings: Settings,
    outputs: VecDeque<Output<P, N, ClientPacket<P, N>>>,
    outcomes: Vec<Delivery<P, N>>,
    /// So many of them have been noted, or are not to be.
    recorded: usize,
    /// Changes of the sends that a stored state does not show.
    unstored_changes: u64,
    /// What the end has resolved: told to the application, and still worth storing for another run.
    #[cfg(feature = "stored")]
    final_sends: Option<Vec<SavedSend<P, N>>>,
    /// There has been a connection, in this run or an earlier one.
    #[cfg(feature = "stored")]
    was_reached: bool,
    diagnostics: Diagnostics,
}

/// The part of the configuration that the session itself looks at.
#[derive(Debug, Clone, Copy)]
struct Settings {
    acks: bool,
    ack_timeout: Nanos,
    max_content: usize,
    max_unflushed: usize,
    max_buffered: usize,
    max_buffered_bytes: usize,
}

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    /// A session that is idle. Two sessions with equal configuration, seed and inputs give equal outputs. `personal` is
    /// what the stream of notifications is called in events about it.
    ///
    /// Of the configuration, `extended` means nothing here, and a transport closed with 1000 is an ordinary loss: a
    /// Socket.IO server announces its end in a packet.
    pub fn new(config: Config, options: Options, personal: N, seed: u64) -> Self {
        let mut link = config.link;
        link.extended = false;
        link.close_codes.set(crate::close_code::NORMAL, crate::close_code::CloseAction::Retry);
        let mut link = Link::new(link, Rng::with_seed(seed).u64(..));
        link.set_transports(options.transports);
        Self {
            link,
            rooms: Rooms::new(config.max_rooms),
            personal: Personal::new(personal),
            outbox: Outbox::new(config.outbox),
            #[cfg(feature = "frames")]
            custom: custom::CustomEvents::default(),
            connection: None,
            pid: None,
            offset: Offset::default(),
            token: None,
            now: ClockReading::default(),
            acks: 0,
            leaving: false,
            settings: Settings {
                acks: options.acks,
                ack_timeout: options.ack_timeout.into(),
                max_content: config.max_content,
                max_unflushed: config.max_unflushed,
                max_buffered: config.max_buffered,
                max_buffered_bytes: config.max_buffered_bytes,
            },
            outputs: VecDeque::new(),
            outcomes: Vec::new(),
            recorded: 0,
            unstored_changes: 0,
            #[cfg(feature = "stored")]
            final_sends: None,
            #[cfg(feature = "stored")]
            was_reached: false,
            diagnostics: Diagnostics::default(),
        }
    }

    /// Takes one input. Never fails, never blocks, never panics: what was wrong with an input comes out as an
    /// event. Call [`Session::poll`] until it is empty afterwards; several inputs may come before that.
    pub fn handle(&mut self, now: ClockReading, input: Input<P, N, ServerPacket<P, N>>) {
        self.link.observe(now);
        self.now = now;
        let now = now.monotonic;
        match input {
            Input::Received(conn, packet) => {
                if self.activity(now, conn) {
                    self.received(now, packet);
                }
            }
            Input::Malformed(conn, error) => {
                if self.activity(now, conn) {
                    self.diagnostics.malformed_frames += 1;
                    if let Some(count) =
                        self.connection.as_mut().and_then(|connection| connection.malformed.add(&error))
                    {
                        self.event(Event::Malformed { error, count });
                    }
                }
            }
            Input::Activity(conn) => {
                self.activity(now, conn);
            }
            Input::Pong(conn) => {
                if self.link.is_current(conn) {
                    self.link.ponged(now);
                }
            }
            Input::Flushed(conn, through) => self.flushed(conn, through),
            Input::Command(command) => self.command(now, command),
            Input::Opened(conn) => self.opened(conn),
            Input::DialFailed(conn, error) => self.link.dial_failed(now, conn, error),
            Input::Closed(conn, how) => self.closed(now, conn, how),
            Input::Token(result) => self.link.token(now, result),
            Input::Upgraded(conn) => self.link.upgraded(conn),
            Input::Hint(hint) => self.link.hint(now, hint),
            // What is missed on such a server cannot be fetched later.
            Input::Backpressure(_) => {}
            #[cfg(feature = "stored")]
            Input::Restore(saved) => self.restore(now, *saved),
            Input::Tick => self.tick(now),
        }
        self.process_actions();
    }

    /// The next thing to do, in order; `None` when there is nothing until the next input.
    pub fn poll(&mut self) -> Option<Output<P, N, ClientPacket<P, N>>> {
        self.outputs.pop_front()
    }

    /// Returns back the memory of queues that are empty. For a driver that is about to wait.
    pub fn shrink_to_fit(&mut self) {
        if self.outputs.is_empty() {
            self.outputs = VecDeque::new();
        }
        if self.outcomes.is_empty() {
            self.outcomes = Vec::new();
        }
        self.outbox.shrink_to_fit();
    }

    /// When to say [`Input::Tick`], if nothing else happens before. Ticks that come early do nothing.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let silence = self
            .connection
            .as_ref()
            .map_or(Timestamp::NEVER, |connection| connection.silent_since + UNANSWERED_TIMEOUT);
        self.link.deadline().min(self.outbox.deadline()).min(self.rooms_deadline()).min(silence).into_option()
    }

    /// The state of the connection. `Connected` means that the namespace has let us in.
    pub fn state(&self) -> State {
        self.link.state()
    }

    /// The transport that [`Output::Dial`] is to take, and that of the connection made by it until [`Input::Upgraded`].
    pub fn transport(&self) -> EngineTransport {
        self.link.transport()
    }

    /// Whether the driver may move a connection by long polling to a WebSocket, of which [`Input::Upgraded`] tells.
    pub fn upgrades(&self) -> bool {
        self.link.upgrades()
    }

    /// Whether the namespace has let us in and every wanted room is joined.
    pub fn is_ready(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.ready)
    }

    /// The wanted rooms and how it stands with them, by name.
    pub fn rooms(&self) -> impl Iterator<Item = (&N, RoomState)> {
        self.rooms.iter().filter(|room| room.is_wanted()).map(|room| {
            let joined = room.membership == Membership::Member;
            (&room.name, if joined { RoomState::Joined } else { RoomState::Joining })
        })
    }

    /// The number of the last send taken, for [`Self::has_open_sends`].
    #[cfg(feature = "native")]
    pub(crate) fn last_send(&self) -> u64 {
        self.outbox.last_send_no()
    }

    /// Whether a send up to that number has no outcome.
    #[cfg(feature = "native")]
    pub(crate) fn has_open_sends(&self, through: u64) -> bool {
        self.outbox.has_pending(through)
    }

    /// Grows whenever there is something else to store.
    pub fn changes(&self) -> u64 {
        self.outbox.changes() - self.unstored_changes
    }

    /// What has been counted so far.
    pub fn diagnostics(&self) -> Diagnostics {
        let (held, held_bytes) = self.connection.as_ref().map_or((0, 0), ActiveConnection::buffered);
        Diagnostics {
            outbox_len: self.outbox.len(),
            outbox_bytes: self.outbox.bytes(),
            buffered: held,
            buffered_bytes: held_bytes,
            rtt: self.link.rtt().map(Nanos::duration),
            content_limit: self.settings.max_content,
            ..self.diagnostics
        }
    }

    fn event(&mut self, event: Event<P, N>) {
        self.outputs.push_back(Output::Event(event));
    }

    fn room_changed(&mut self, room: N, state: RoomState) {
        self.event(Event::Room(RoomChange::new(room, state)));
    }

    /// A sign of life. Returns whether it is of the connection that counts.
    fn activity(&mut self, now: Timestamp, conn: ConnId) -> bool {
        let Some(connection) = self.connection.as_mut().filter(|connection| connection.conn == conn) else {
            return false;
        };
        connection.silent_since = Timestamp::NEVER;
        self.diagnostics.frames_in += 1;
        self.link.activity(now);
        true
    }

    fn command(&mut self, now: Timestamp, command: Command<P, N>) {
        match command {
            Command::Connect => self.link.connect(now),
            Command::Reconnect => self.link.reconnect(now),
            Command::Close => self.link.close(now),
            Command::Join(join) => self.join(now, join),
            Command::Leave(room) => self.leave(&room),
            Command::Send(send) => self.send(now, send),
            Command::Cancel(id) => self.outbox.cancel(id, &mut self.outcomes),
            Command::SetToken(token) => self.link.set_token(now, token),
            #[cfg(feature = "frames")]
            Command::SendVolatile(send) => self.send_volatile(now, send),
            #[cfg(feature = "frames")]
            Command::Keep { key, frame } => self.keep_event(key, frame),
            #[cfg(feature = "frames")]
            Command::DropKept(key) => self.drop_kept(&key),
            #[cfg(feature = "frames")]
            Command::Answer { ack, arguments } => self.answer(ack, arguments),
            // Such a server has no positions, no signals and no lists of members.
            Command::Commit { .. } | Command::Signal { .. } | Command::Presence(_) => {}
        }
    }

    fn send(&mut self, now: Timestamp, send: OutboundMessage<P, N>) {
        let refused = if self.link.has_ended() {
            SendFailure::Closed
        } else if send.payload_len() > self.settings.max_content {
            SendFailure::TooLarge
        } else {
            self.record_outcomes();
            self.outbox.push(now, send, &mut self.outcomes);
            self.recorded = self.outcomes.len();
            return;
        };
        let status = DeliveryStatus::Failed(refused);
        self.outcomes.push(Delivery::new(send.id, send.room, status));
    }

    fn tick(&mut self, now: Timestamp) {
        self.link.tick(now);
        self.outbox.tick(now, &mut self.outcomes);
        self.tick_rooms(now);
        if let Some(connection) =
            self.connection.as_mut().filter(|connection| connection.silent_since + UNANSWERED_TIMEOUT <= now)
        {
            connection.silent_since = Timestamp::NEVER;
            self.link.probe(now);
        }
    }

    fn flushed(&mut self, conn: ConnId, through: u64) {
        let Some(connection) = self.connection.as_mut().filter(|connection| connection.conn == conn) else {
            return;
        };
        connection.flushed = connection.flushed.max(through);
        self.outbox.flushed(through, &mut self.outcomes);
        self.confirm_flushed();
    }

    /// The number of the next answer, where answers are wanted, and until when it may come.
    fn next_ack(&self, now: Timestamp) -> Option<(u64, Timestamp)> {
        self.settings.acks.then(|| (self.acks, now + self.settings.ack_timeout))
    }

    fn emit(&mut self, ack: Option<(u64, Timestamp)>, event: ClientEvent<P, N>) {
        self.acks += u64::from(ack.is_some());
        self.write(ClientPacket::Emit { ack: ack.map(|(number, _)| number), event });
    }

    fn write(&mut self, message: ClientPacket<P, N>) {
        let Some(connection) = &mut self.connection else { return };
        connection.last_frame += 1;
        self.diagnostics.frames_out += 1;
        let (conn, frame) = (connection.conn, connection.last_frame);
        #[cfg(feature = "native")]
        self.link.traffic(self.now.monotonic);
        self.outputs.push_back(Output::Send { conn, frame, message });
    }

    /// Gives sends to the connection while it takes them.
    fn transmit(&mut self) {
        let now = self.now.monotonic;
        #[cfg(feature = "frames")]
        if !self.write_custom() {
            return;
        }
        let mut stored = false;
        while let Some(connection) = self.connection.as_ref().filter(|connection| connection.is_up()) {
            let gate = SendWindow {
                frame: connection.last_frame + 1,
                ack: (self.acks, now + self.settings.ack_timeout),
                acks: self.settings.acks,
                unflushed: self.settings.max_unflushed,
                content: connection.max_payload,
            };
            let Some((send, ack)) = self.outbox.transmit(&gate, &mut self.outcomes) else { return };
            if !stored && !mutation!(SioSaveLate) {
                // At most once: a later run must not find it and make it again.
                stored = true;
                self.outputs.push_back(Output::Save);
            }
            self.acks += u64::from(ack.is_some());
            #[cfg(feature = "frames")]
            self.custom.record_send(send.payload_len());
            let message = self.packet(send, ack);
            self.write(message);
            if let Some(connection) = &mut self.connection {
                connection.silent_since = connection.silent_since.min(now);
            }
        }
    }

    fn packet(&self, send: OutboundMessage<P, N>, ack: Option<u64>) -> ClientPacket<P, N> {
        #[cfg(feature = "frames")]
        if self.outbox.is_custom(&send.room) {
            return ClientPacket::Custom { ack, event: send.content };
        }
        let OutboundMessage { room, content, data, .. } = send;
        ClientPacket::Emit { ack, event: ClientEvent::Send { room, content, data } }
    }

    /// Turns what the link wants and what has become possible into outputs.
    fn process_actions(&mut self) {
        let now = self.now.monotonic;
        while let Some(action) = self.link.next_action() {
            self.perform(now, action);
        }
        self.transmit();
        #[cfg(feature = "frames")]
        self.drop_volatile();
        if self.leaving {
            self.emit_deliveries();
            self.finish_leaving();
        }
        self.emit_deliveries();
    }

    /// Outcomes are stored before they are reported.
    fn record_outcomes(&mut self) {
        #[cfg(feature = "journal")]
        for Delivery { id, status, reply, .. } in self.outcomes.iter().skip(self.recorded) {
            record!(self.outbox.change_log, Resolved { key: *id, status: status.clone() });
            if let Some(reply) = reply.as_ref().and_then(|reply| reply.kept()) {
                record!(self.outbox.change_log, Replied { key: *id, reply: Box::new(reply) });
            }
        }
        self.recorded = self.outcomes.len();
    }

    fn emit_deliveries(&mut self) {
        self.record_outcomes();
        self.recorded = 0;
        for delivery in core::mem::take(&mut self.outcomes) {
            self.event(Event::Delivery(delivery));
        }
    }

    /// The token of the dial under way, and of the connection made by it.
    #[cfg(feature = "native")]
    pub(crate) fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    fn perform(&mut self, now: Timestamp, action: Action) {
        let output = match action {
            Action::FetchToken { rejected } => Output::FetchToken { rejected },
            Action::Dial { conn, endpoint, attempt, token, .. } => {
                self.diagnostics.dials += 1;
                // It goes into the namespace's `auth` object. A driver may put it into the request too.
                self.token = token;
                Output::Dial { conn, endpoint, attempt, token: None, extended: false, url: None }
            }
            // A token cannot be handed to a connection that is open: the next one takes it. And only a server of the
            // other protocol announces that it goes away.
            Action::Authenticate(_) | Action::Moved { .. } => return,
            Action::Ping(conn) => Output::Ping { conn },
            Action::Close { conn, code } => {
                if !mutation!(SioFarewellUnsaid) {
                    self.write(ClientPacket::Disconnect);
                }
                Output::Close { conn, code }
            }
            Action::Abort { conn, code } => {
                // One that is up goes with `Action::Down`.
                self.connection.take_if(|connection| connection.conn == conn && !connection.is_up());
                Output::Abort { conn, code }
            }
            Action::Up { .. } => return self.connection_ready(now),
            Action::Down => return self.connection_closed(),
            Action::Changed(change) => {
                match change.state {
                    State::Closing | State::Closed | State::Failed => self.end(),
                    _ => {
                        #[cfg(feature = "stored")]
                        self.reopen();
                    }
                }
                Output::Event(Event::State(change))
            }
        };
        self.outputs.push_back(output);
    }

    /// The end resolves every send, and the session is not to be recovered.
    fn end(&mut self) {
        #[cfg(feature = "stored")]
        self.snapshot_sends();
        self.record_outcomes();
        let before = self.outbox.changes();
        self.outbox.close(&mut self.outcomes);
        self.recorded = self.outcomes.len();
        // For another run they are what they were before.
        self.unstored_changes += self.outbox.changes() - before;
        self.offset = Offset::default();
        if self.connection.as_ref().is_none_or(|connection| !connection.is_up()) {
            self.rooms.begin_anew();
        }
    }

    fn connection_closed(&mut self) {
        self.connection = None;
        #[cfg(feature = "frames")]
        self.custom.connection_lost();
        self.outbox.connection_lost(&mut self.outcomes);
        self.rooms.connection_lost(self.pid.is_some() && self.offset.last().is_some());
        self.leaving = true;
    }
}
