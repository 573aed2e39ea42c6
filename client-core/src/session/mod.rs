//! The session: link, rooms and outbox behind one `handle`, one `poll` and one deadline, whatever the protocol. Does no I/O.
//!
//! What the protocols have in common is here; what differs is a [`Protocol`]'s. [`rejoin`] is that of plain and extended
//! servers, and Socket.IO's is in [`crate::socketio`].
#![expect(private_bounds, reason = "the protocols are those of this crate")]

mod actions;
mod connection;
mod io;
#[cfg(feature = "frames")]
mod kept;
mod outcomes;
mod protocol;
mod rejoin;
#[cfg(feature = "stored")]
mod storing;

pub(crate) use connection::ActiveConnection;
pub use io::{Command, Diagnostics, Input, Join, Output};
pub(crate) use protocol::Protocol;
pub use protocol::ProtocolTypes;
#[cfg(all(feature = "frames", feature = "socketio"))]
pub(crate) use protocol::SendOf;
pub use rejoin::{RejoinProtocol, Session};

use crate::config::Config;
#[cfg(feature = "frames")]
use crate::event::SendId;
use crate::event::{Delivery, Event, RoomChange, RoomState};
#[cfg(feature = "frames")]
use crate::kept_frames::KeptFrames;
use crate::link::{ConnId, Link, State};
use crate::malformed_frames::MalformedFrame;
use crate::mutation::mutation;
use crate::outbox::SendQueue;
use crate::rooms::{RoomEntry, RoomList};
use crate::time::{ClockReading, Nanos, Timestamp};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use protocol::{EventOf, InputOf, OutputOf};
#[cfg(feature = "stored")]
use storing::SavedSends;

/// The whole client without its socket, for one protocol: [`machine::Session`](crate::machine::Session) for plain and extended servers,
/// [`socketio::Session`](crate::socketio::Session) for those of Socket.IO. See the crate's first page for the loop that
/// drives it.
#[derive(Debug)]
pub struct ProtocolSession<R: Protocol> {
    pub(crate) link: Link,
    pub(crate) rooms: RoomList<R::Room>,
    pub(crate) outbox: R::Outbox,
    #[cfg(feature = "frames")]
    pub(crate) kept_frames: KeptFrames<R::Payload, R::Name>,
    /// Sends that are dropped unless they go now.
    #[cfg(feature = "frames")]
    volatile: Vec<SendId>,
    pub(crate) connection: Option<ActiveConnection<R::Connection>>,
    /// What the protocol keeps beyond a connection.
    pub(crate) protocol: R,
    pub(crate) now: ClockReading,
    /// Grows with the larger of both clocks, so that it counts sleep. Begins far from zero: sends of an earlier run
    /// are older than this one.
    pub(crate) uptime: Timestamp,
    /// Some room waits to be left: looked for after each input only then.
    pub(crate) leaving: bool,
    pub(crate) limits: SessionLimits,
    pub(crate) outputs: VecDeque<Output<R::Payload, R::Name, R::ClientFrame>>,
    pub(crate) outcomes: Vec<Delivery<R::Payload, R::Name>>,
    /// So many of them have been noted, or are not to be.
    recorded: usize,
    /// Changes outside the outbox.
    pub(crate) changes: u64,
    /// Changes of the outbox that a stored state does not show.
    unstored_changes: u64,
    /// What the end has resolved: told to the application, and still worth storing for another run.
    #[cfg(feature = "stored")]
    final_sends: Option<SavedSends<R::Payload, R::Name>>,
    /// There has been a connection, in this run or an earlier one.
    #[cfg(feature = "stored")]
    pub(crate) was_reached: bool,
    pub(crate) diagnostics: Diagnostics,
}

/// The bounds of [`Config`] that every session itself keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionLimits {
    pub(crate) content: usize,
    pub(crate) unflushed: usize,
    pub(crate) buffered: usize,
    pub(crate) buffered_bytes: usize,
}

impl SessionLimits {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            content: config.max_content,
            unflushed: config.max_unflushed,
            buffered: config.max_buffered,
            buffered_bytes: config.max_buffered_bytes,
        }
    }
}

/// Older than the longest dedupe window.
const EPOCH_OFFSET: Timestamp = Timestamp::from_millis(2 * 3_600_000);

impl<R: Protocol> ProtocolSession<R> {
    /// A session that is idle.
    pub(crate) fn idle(
        link: Link,
        max_rooms: usize,
        limits: SessionLimits,
        outbox: R::Outbox,
        protocol: R,
    ) -> Self {
        Self {
            link,
            rooms: RoomList::new(max_rooms),
            outbox,
            #[cfg(feature = "frames")]
            kept_frames: KeptFrames::default(),
            #[cfg(feature = "frames")]
            volatile: Vec::new(),
            connection: None,
            protocol,
            now: ClockReading::default(),
            uptime: EPOCH_OFFSET,
            leaving: false,
            limits,
            outputs: VecDeque::new(),
            outcomes: Vec::new(),
            recorded: 0,
            changes: 0,
            unstored_changes: 0,
            #[cfg(feature = "stored")]
            final_sends: None,
            #[cfg(feature = "stored")]
            was_reached: false,
            diagnostics: Diagnostics::default(),
        }
    }

    /// Takes one input. Never fails, never blocks, never panics: what was wrong with an input comes out as an
    /// event. Call [`ProtocolSession::poll`] until it is empty afterwards; several inputs may come before that.
    pub fn handle(&mut self, now: ClockReading, input: InputOf<R>) {
        self.begin(now);
        let now = now.monotonic;
        #[cfg(feature = "sse")]
        if self.connection.is_none() {
            self.link.set_has_room(R::has_readable_room(self));
        }
        match input {
            Input::Received(conn, frame) => R::received(self, now, conn, frame),
            Input::Malformed(conn, error) => self.malformed(now, conn, error),
            Input::Activity(conn) => {
                self.activity(now, conn);
            }
            Input::Pong(conn) => {
                if self.link.is_current(conn) {
                    self.link.ponged(now);
                    R::ponged(self, now);
                }
            }
            Input::Flushed(conn, through) => {
                if let Some(connection) =
                    self.connection.as_mut().filter(|connection| connection.conn == conn)
                {
                    connection.flushed = connection.flushed.max(through);
                    R::flushed(self, through);
                }
            }
            Input::Command(command) => self.command(now, command),
            Input::Opened(conn) => R::socket_opened(self, now, conn),
            Input::DialFailed(conn, error) => self.link.dial_failed(now, conn, error),
            Input::Closed(conn, how) => R::closed(self, now, conn, how),
            Input::Token(result) => self.link.token(now, result),
            #[cfg(feature = "socketio")]
            Input::Upgraded(conn) => self.link.upgraded(conn),
            Input::Hint(hint) => self.link.hint(now, hint),
            Input::Backpressure(busy) => R::set_backpressure(self, now, busy),
            #[cfg(feature = "stored")]
            Input::Restore(saved) => self.restore(now, *saved),
            Input::Tick => {
                self.link.tick(now);
                R::tick(self, now);
            }
        }
        self.process_actions();
    }

    /// The next thing to do, in order; `None` when there is nothing until the next input.
    pub fn poll(&mut self) -> Option<OutputOf<R>> {
        self.outputs.pop_front()
    }

    /// Returns back the memory of queues that are empty: most connections are quiet most of the time. For a driver that
    /// is about to wait.
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
        self.link.deadline().min(R::deadline(self)).into_option()
    }

    /// The state of the connection. On Socket.IO, `Connected` means that the namespace has let us in.
    pub fn state(&self) -> State {
        self.link.state()
    }

    /// Whether it is decided what the connection can promise, and every wanted room is joined (plain: the joins are written).
    pub fn is_ready(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.ready)
    }

    /// The wanted rooms and how it stands with them, by name.
    pub fn rooms(&self) -> impl Iterator<Item = (&R::Name, RoomState)> {
        self.rooms
            .iter()
            .filter(|room| room.is_wanted())
            .map(|room| (room.name(), if room.is_member() { RoomState::Joined } else { RoomState::Joining }))
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
        self.changes + self.outbox.changes() - self.unstored_changes
    }

    /// What has been counted so far.
    pub fn diagnostics(&self) -> Diagnostics {
        let (held, held_bytes) = R::buffered(self);
        Diagnostics {
            outbox_len: self.outbox.len(),
            outbox_bytes: self.outbox.bytes(),
            buffered: held,
            buffered_bytes: held_bytes,
            rtt: self.link.rtt().map(Nanos::duration),
            content_limit: {
                let peer = R::content_limit(self.connection.as_ref());
                // What the last connection was told holds until the next one is reported something.
                #[cfg(feature = "native")]
                let peer = match self.diagnostics.content_limit {
                    told if peer == usize::MAX && told > 0 => told,
                    _ => peer,
                };
                self.limits.content.min(peer)
            },
            ..self.diagnostics
        }
    }

    /// The time of an input.
    pub(crate) fn begin(&mut self, now: ClockReading) {
        self.link.observe(now);
        if self.now != ClockReading::default() {
            let wall = now.wall.after(self.now.wall);
            let awake = now.monotonic.after(self.now.monotonic);
            self.uptime = self.uptime + if mutation!(SleepAgesNothing) { awake } else { wall.max(awake) };
        }
        self.now = now;
    }

    pub(crate) fn event(&mut self, event: EventOf<R>) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(crate) fn room_changed(&mut self, room: R::Name, state: RoomState) {
        self.event(Event::Room(RoomChange::new(room, state)));
    }

    /// A sign of life. Returns whether it is of the connection in use.
    pub(crate) fn activity(&mut self, now: Timestamp, conn: ConnId) -> bool {
        let Some(connection) = self.connection.as_mut().filter(|connection| connection.conn == conn) else {
            return false;
        };
        connection.silent_since = Timestamp::NEVER;
        self.diagnostics.frames_in += 1;
        self.link.activity(now);
        true
    }

    fn malformed(&mut self, now: Timestamp, conn: ConnId, frame: MalformedFrame) {
        if !self.activity(now, conn) {
            return;
        }
        let error = frame.error;
        self.diagnostics.malformed_frames += 1;
        R::received_malformed(self, now);
        let count = self.connection.as_mut().and_then(|connection| connection.malformed.add(&error));
        if let Some(count) = count.or(mutation!(DamageToldEachTime).then_some(1)) {
            self.event(Event::Malformed {
                error,
                count,
                #[cfg(feature = "native")]
                raw: frame.raw,
            });
        }
    }

    fn command(&mut self, now: Timestamp, command: Command<R::Payload, R::Name>) {
        match command {
            Command::Connect => self.link.connect(now),
            Command::Reconnect => self.link.reconnect(now),
            Command::Close => self.link.close(now),
            Command::Join(join) => R::join(self, now, join),
            Command::Leave(room) => R::leave(self, &room),
            Command::Send(send) => self.send(now, send),
            #[cfg(feature = "frames")]
            Command::SendVolatile(send) => self.send_volatile(now, send),
            #[cfg(feature = "frames")]
            Command::Keep { key, frame } => self.keep_frame(key, frame),
            #[cfg(feature = "frames")]
            Command::DropKept(key) => self.drop_kept(&key),
            Command::Cancel(id) => self.outbox.cancel(id, &mut self.outcomes),
            Command::SetToken(token) => self.link.set_token(now, token),
            Command::Commit { room, position } => R::commit(self, &room, position),
            Command::Signal { room, kind, data } => R::signal(self, &room, kind, data),
            Command::Presence(room) => R::request_presence(self, &room),
            #[cfg(feature = "frames")]
            Command::Answer { ack, arguments } => R::answer(self, ack, arguments),
        }
    }
}

#[cfg(test)]
mod tests;
