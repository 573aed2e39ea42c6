//! The protocol of plain and extended servers: what is known of the server, and what its frames do to link, rooms and outbox.

mod connection;
#[cfg(feature = "frames")]
mod custom;
mod joining;
#[cfg(feature = "journal")]
mod journaling;
mod mode;
mod receiving;
#[cfg(feature = "stored")]
mod restoring;
mod sending;
mod unreferenced;

use super::connection::ActiveConnection;
use super::protocol::{Protocol, ProtocolTypes};
use super::{Join, ProtocolSession, SessionLimits};
use crate::cause::Disconnect;
#[cfg(feature = "journal")]
use crate::change::Change;
use crate::config::Config;
use crate::event::Mode;
#[cfg(feature = "journal")]
use crate::event::SendId;
#[cfg(feature = "frames")]
use crate::event::{Event, SendFailure};
#[cfg(feature = "sse")]
use crate::link::EventStreams;
use crate::link::{ConnId, Link};
use crate::messages::{ClientMessage, Position, ServerMessage};
use crate::mutation::mutation;
use crate::name::Name;
#[cfg(feature = "frames")]
use crate::outbound::OutboundMessage;
use crate::outbox::Outbox;
use crate::payload::Payload;
#[cfg(feature = "stored")]
use crate::persisted::Saved;
use crate::persisted::SavedPosition;
use crate::rooms::Room;
#[cfg(feature = "sse")]
use crate::rooms::RoomEntry as _;
use crate::time::{Nanos, Timestamp};
use crate::token::Token;
use alloc::string::String;
use alloc::vec::Vec;
use connection::ServerConnection;
use fastrand::Rng;

/// The session for plain and extended servers.
pub type Session<P = String, N = Name> = ProtocolSession<RejoinProtocol<P, N>>;

/// The protocol of plain and extended servers, and what a session keeps of it beyond a connection.
#[derive(Debug)]
pub struct RejoinProtocol<P, N> {
    server: ServerInfo<N>,
    /// Committed positions of an earlier run, in rooms that have not been joined yet.
    stored: Vec<SavedPosition<N>>,
    rng: Rng,
    /// Requests are numbered over all connections, so that a late answer is never taken for another's.
    requests: u64,
    /// The application takes nothing now.
    backpressured: bool,
    /// A connection of this run was plain.
    was_plain: bool,
    dial_timeout: Nanos,
    can_ping: bool,
    /// Both clocks when notes were taken last.
    #[cfg(feature = "journal")]
    recorded_at: (Timestamp, Timestamp),
    payload: core::marker::PhantomData<fn() -> P>,
}

/// What is known of the server from whatever connection, and kept with the state.
#[derive(Debug)]
struct ServerInfo<N> {
    /// It has said `hello`.
    extended: bool,
    user: Option<N>,
    /// Nobody has announced it in this run.
    from_store: bool,
    window: Nanos,
    dedupe: Nanos,
}

impl<N> ServerInfo<N> {
    /// How long a send is transmitted again (protocol.md §2.3).
    fn horizon(&self) -> Nanos {
        if mutation!(HorizonTooLong) { self.dedupe } else { self.dedupe.half() }
    }
}

/// Until a server has announced otherwise (protocol.md §2.3).
const DEFAULT_DEDUPE: Nanos = Nanos::from_secs(600);

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    /// A session that is idle. Two sessions with equal configuration, seed and inputs give equal outputs.
    pub fn new(config: Config, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let limits = SessionLimits::of(&config);
        let mut link = config.link;
        link.extended = config.extended;
        let (dial_timeout, can_ping) = (link.dial_timeout.into(), link.liveness.can_ping);
        let link = Link::new(link, rng.u64(..));
        let server = ServerInfo {
            extended: false,
            user: None,
            from_store: false,
            window: Nanos::ZERO,
            dedupe: DEFAULT_DEDUPE,
        };
        let protocol = RejoinProtocol {
            server,
            stored: Vec::new(),
            rng,
            requests: 0,
            backpressured: false,
            was_plain: false,
            dial_timeout,
            can_ping,
            #[cfg(feature = "journal")]
            recorded_at: (Timestamp::ZERO, Timestamp::ZERO),
            payload: core::marker::PhantomData,
        };
        Self::idle(link, config.max_rooms, limits, Outbox::new(config.outbox), protocol)
    }

    /// Whether rooms may be read by server-sent events where no WebSocket opens; never without this. Before the first input.
    /// The driver has to ask [`Session::dials_streams`] then with each dial.
    #[cfg(feature = "sse")]
    pub fn event_streams(&mut self, allowed: EventStreams) {
        self.link.set_event_streams(allowed);
    }

    /// Whether the dial under way is to open streams of events instead of a WebSocket. To the session they are a connection
    /// that takes nothing.
    #[cfg(feature = "sse")]
    pub fn dials_streams(&self) -> bool {
        self.link.dials_streams()
    }

    /// Whether a connection by streams is to be left for a WebSocket when one opens.
    #[cfg(feature = "sse")]
    pub fn leaves_streams(&self) -> bool {
        self.link.leaves_streams()
    }

    /// The wanted rooms that streams of events can be of; the user's own is none.
    #[cfg(feature = "sse")]
    pub fn readable_rooms(&self) -> impl Iterator<Item = &N> {
        let is_readable = |room: &&Room<P, N>| room.is_to_join() && !room.personal;
        self.rooms.iter().filter(is_readable).map(|room| &room.name)
    }

    /// What the current connection can promise, once that is known.
    pub fn mode(&self) -> Option<Mode> {
        self.connection.as_ref().and_then(|connection| connection.protocol.mode)
    }

    /// The user that the server takes the token for, as the last extended server sent.
    pub fn user(&self) -> Option<&N> {
        self.protocol.server.user.as_ref()
    }

    /// Who is in a room, by name, as far as an extended server reports: `None` when it does not.
    pub fn members(&self, room: &N) -> Option<&[N]> {
        self.rooms.get(room)?.members.as_deref()
    }

    /// The number of a new request.
    fn next_request(&mut self) -> u64 {
        self.protocol.requests += 1;
        self.protocol.requests
    }

    fn is_extended(&self) -> bool {
        self.connection.as_ref().is_some_and(ActiveConnection::is_extended)
    }
}

impl<P: Payload, N: Clone + Ord> ProtocolTypes for RejoinProtocol<P, N> {
    type Payload = P;
    type Name = N;
    type ClientFrame = ClientMessage<P, N>;
    type ServerFrame = ServerMessage<P, N>;
}

impl<P: Payload, N: Clone + Ord> Protocol for RejoinProtocol<P, N> {
    type Room = Room<P, N>;
    type Outbox = Outbox<P, N>;
    type Connection = ServerConnection;

    #[cfg(all(feature = "journal", feature = "socketio"))]
    const STORES_REPLIES: bool = false;

    fn received(session: &mut Session<P, N>, now: Timestamp, conn: ConnId, frame: ServerMessage<P, N>) {
        session.received(now, conn, frame);
    }

    fn received_malformed(session: &mut Session<P, N>, now: Timestamp) {
        // Whatever it is, it is no `hello`.
        session.first_frame(now);
    }

    fn ponged(session: &mut Session<P, N>, now: Timestamp) {
        session.ponged(now);
    }

    fn flushed(session: &mut Session<P, N>, through: u64) {
        session.flushed(through);
    }

    fn closed(session: &mut Session<P, N>, now: Timestamp, conn: ConnId, how: Disconnect) {
        session.closed(now, conn, how);
    }

    fn set_backpressure(session: &mut Session<P, N>, now: Timestamp, busy: bool) {
        session.set_backpressure(now, busy);
    }

    fn tick(session: &mut Session<P, N>, now: Timestamp) {
        session.apply_mode_deadline(now);
        session.tick_rooms(now);
        session.tick_sends(now);
    }

    fn deadline(session: &Session<P, N>) -> Timestamp {
        let now = session.now.monotonic;
        let outbox = session.outbox.deadline(now, session.uptime, session.protocol.server.horizon());
        session.connection.as_ref().map_or(outbox, |connection| {
            let mode = session.mode_deadline(now, connection);
            outbox.min(mode).min(session.rooms_deadline(connection)).min(session.stall_deadline(connection))
        })
    }

    fn join(session: &mut Session<P, N>, now: Timestamp, join: Join<N>) {
        session.join(now, join);
    }

    fn leave(session: &mut Session<P, N>, room: &N) {
        session.leave(room);
    }

    fn commit(session: &mut Session<P, N>, room: &N, position: Position) {
        session.commit(room, position);
    }

    fn signal(session: &mut Session<P, N>, room: &N, kind: N, data: Option<P>) {
        session.send_to_room(room, |room| ClientMessage::Signal { room, kind, data });
    }

    fn request_presence(session: &mut Session<P, N>, room: &N) {
        session.send_to_room(room, |room| ClientMessage::Presence { room });
    }

    #[cfg(feature = "frames")]
    fn answer(session: &mut Session<P, N>, ack: u64, _: P) {
        session.event(Event::NotAnswered { ack, why: SendFailure::Unsupported });
    }

    fn authenticate(session: &mut Session<P, N>, token: Token) {
        if session.is_extended() || session.connection.is_some() && mutation!(TokenToPlain) {
            let reference = crate::id::Id::numbered('a', session.next_request(), None);
            session.write(ClientMessage::Auth { reference, token });
            session.add_untracked_request();
        }
    }

    fn ping(session: &mut Session<P, N>, conn: ConnId) -> bool {
        let is_here = session.connection.as_ref().is_some_and(|connection| connection.conn == conn);
        let is_frame = is_here && session.is_extended();
        if is_frame {
            session.write(ClientMessage::Ping { t: 0 });
            if let Some(connection) = &mut session.connection {
                connection.protocol.last_ping_frame = connection.last_frame;
                connection.protocol.unanswered_pings += 1;
            }
        }
        is_frame
    }

    fn opened(session: &mut Session<P, N>, now: Timestamp, conn: ConnId, offered: bool) {
        session.connection_opened(now, conn, offered);
    }

    #[cfg(feature = "sse")]
    fn has_readable_room(session: &Session<P, N>) -> bool {
        session.readable_rooms().next().is_some()
    }

    fn migrating(session: &mut Session<P, N>) {
        session.connection_migrating();
    }

    fn lost(session: &mut Session<P, N>) {
        session.connection_closed();
    }

    fn suspended(session: &mut Session<P, N>) {
        session.outbox.give_up(&mut session.outcomes);
    }

    fn before_sends(session: &mut Session<P, N>, now: Timestamp) {
        // After a sleep the first input need not be a tick, and what is too old must not go out with it.
        let horizon = session.protocol.server.horizon();
        session.outbox.tick(now, session.uptime, horizon, &mut session.outcomes);
        if session.is_extended() && !mutation!(DoomedWait) {
            session.resolve_unrecoverable();
        }
        // What is resolved is reported before a state without it can be stored.
        session.emit_deliveries();
    }

    fn transmit(session: &mut Session<P, N>, now: Timestamp) {
        session.transmit(now);
    }

    fn finish_leaving(session: &mut Session<P, N>) -> bool {
        session.finish_leaving()
    }

    #[cfg(feature = "frames")]
    fn takes_now(session: &Session<P, N>, send: &OutboundMessage<P, N>) -> bool {
        session.takes_now(send)
    }

    #[cfg(feature = "frames")]
    fn write_kept_frames(session: &mut Session<P, N>) -> bool {
        session.write_kept_frames()
    }

    #[cfg(feature = "native")]
    fn mode(session: &Session<P, N>) -> Option<Mode> {
        session.mode()
    }

    #[cfg(feature = "native")]
    fn user(session: &Session<P, N>) -> Option<&N> {
        session.user()
    }

    #[cfg(feature = "native")]
    fn members<'a>(session: &'a Session<P, N>, room: &N) -> Option<&'a [N]> {
        session.members(room)
    }

    fn buffered(session: &Session<P, N>) -> (usize, usize) {
        session.rooms.buffered()
    }

    fn content_limit(connection: Option<&ActiveConnection<ServerConnection>>) -> usize {
        connection.map_or(usize::MAX, |connection| connection.protocol.limits.content)
    }

    #[cfg(feature = "stored")]
    fn saved(session: &Session<P, N>) -> Saved<P, N> {
        session.saved_server()
    }

    #[cfg(feature = "stored")]
    fn restore(session: &mut Session<P, N>, now: Timestamp, saved: Saved<P, N>) {
        session.restore_server(now, saved);
    }

    #[cfg(feature = "journal")]
    fn record_server(session: &mut Session<P, N>) {
        session.record_server();
    }

    #[cfg(feature = "journal")]
    fn date_changes(session: &mut Session<P, N>, changes: &mut Vec<Change<P, N, SendId>>) {
        session.date_changes(changes);
    }
}
