//! The protocol of Socket.IO servers: what is known of the namespace, and what its packets do to link, rooms and outbox.

mod carrier;
mod connecting;
mod connection;
#[cfg(feature = "frames")]
mod custom;
mod receiving;
#[cfg(feature = "stored")]
mod restoring;
mod rooms;
mod sending;

use super::messages::{ClientPacket, ServerPacket};
use super::offset::Offset;
use super::outbox::Outbox;
use super::personal::Personal;
use super::rooms::Room;
use crate::cause::Disconnect;
use crate::config::Config;
#[cfg(feature = "native")]
use crate::event::Mode;
use crate::link::{ConnId, EngineTransport, Link, Transports};
use crate::mutation::mutation;
use crate::name::Name;
use crate::payload::Payload;
#[cfg(feature = "stored")]
use crate::persisted::Saved;
#[cfg(feature = "frames")]
use crate::session::SendOf;
use crate::session::{ActiveConnection, Join, Protocol, ProtocolSession, ProtocolTypes, SessionLimits};
use crate::time::{Nanos, Timestamp};
use crate::token::Token;
use alloc::boxed::Box;
use alloc::string::String;
use connection::NamespaceConnection;
use core::time::Duration;
use fastrand::Rng;

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

/// The session for Socket.IO servers, in one namespace.
pub type Session<P = String, N = Name> = ProtocolSession<SocketIoProtocol<P, N>>;

/// The protocol of Socket.IO servers, and what a session keeps of it beyond a connection.
#[derive(Debug)]
pub struct SocketIoProtocol<P, N> {
    personal: Personal<N>,
    #[cfg(feature = "frames")]
    custom: custom::CustomEvents<P>,
    /// The session that a server may recover, and how far it has been received: without a place there is nothing to
    /// request.
    pid: Option<Box<str>>,
    offset: Offset,
    /// Of the dial under way or the connection in use.
    token: Option<Token>,
    /// Numbers of acks are counted over all connections, so that a late answer is never taken for another's.
    acks: u64,
    wants_acks: bool,
    ack_timeout: Nanos,
    payload: core::marker::PhantomData<fn() -> P>,
}

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    /// A session that is idle. Two sessions with equal configuration, seed and inputs give equal outputs. `personal` is
    /// what the stream of notifications is called in events about it.
    ///
    /// Of the configuration, `extended` means nothing here, and a transport closed with 1000 is an ordinary loss: a
    /// Socket.IO server announces its end in a packet.
    pub fn new(config: Config, options: Options, personal: N, seed: u64) -> Self {
        let limits = SessionLimits::of(&config);
        let mut link = config.link;
        link.extended = false;
        link.close_codes.set(crate::close_code::NORMAL, crate::close_code::CloseAction::Retry);
        let mut link = Link::new(link, Rng::with_seed(seed).u64(..));
        link.set_transports(options.transports);
        let protocol = SocketIoProtocol {
            personal: Personal::new(personal),
            #[cfg(feature = "frames")]
            custom: custom::CustomEvents::default(),
            pid: None,
            offset: Offset::default(),
            token: None,
            acks: 0,
            wants_acks: options.acks,
            ack_timeout: options.ack_timeout.into(),
            payload: core::marker::PhantomData,
        };
        Self::idle(link, config.max_rooms, limits, Outbox::new(config.outbox), protocol)
    }

    /// The transport that [`Output::Dial`](crate::machine::Output::Dial) is to take, and that of the connection made by it until [`Input::Upgraded`](crate::machine::Input::Upgraded).
    pub fn transport(&self) -> EngineTransport {
        self.link.transport()
    }

    /// Whether the driver may move a connection by long polling to a WebSocket, of which [`Input::Upgraded`](crate::machine::Input::Upgraded) tells.
    pub fn upgrades(&self) -> bool {
        self.link.upgrades()
    }

    /// The token of the dial under way, and of the connection made by it.
    #[cfg(feature = "native")]
    pub(crate) fn token(&self) -> Option<&Token> {
        self.protocol.token.as_ref()
    }

    fn is_up(&self) -> bool {
        self.connection.as_ref().is_some_and(ActiveConnection::is_up)
    }
}

impl<P: Payload, N: Clone + Ord> ProtocolTypes for SocketIoProtocol<P, N> {
    type Payload = P;
    type Name = N;
    type ClientFrame = ClientPacket<P, N>;
    type ServerFrame = ServerPacket<P, N>;
}

impl<P: Payload, N: Clone + Ord> Protocol for SocketIoProtocol<P, N> {
    type Room = Room<N>;
    type Outbox = Outbox<P, N>;
    type Connection = NamespaceConnection<P, N>;

    #[cfg(feature = "journal")]
    const STORES_REPLIES: bool = true;

    fn socket_opened(session: &mut Session<P, N>, _: Timestamp, conn: ConnId) {
        session.opened(conn);
    }

    fn received(session: &mut Session<P, N>, now: Timestamp, conn: ConnId, packet: ServerPacket<P, N>) {
        if session.activity(now, conn) {
            session.received(now, packet);
        }
    }

    fn flushed(session: &mut Session<P, N>, through: u64) {
        session.outbox.flushed(through, &mut session.outcomes);
        session.confirm_flushed();
    }

    fn closed(session: &mut Session<P, N>, now: Timestamp, conn: ConnId, how: Disconnect) {
        session.closed(now, conn, how);
    }

    fn tick(session: &mut Session<P, N>, now: Timestamp) {
        session.outbox.tick(now, &mut session.outcomes);
        session.tick_rooms(now);
        session.tick_silence(now);
    }

    fn deadline(session: &Session<P, N>) -> Timestamp {
        session.outbox.deadline().min(session.rooms_deadline()).min(session.silence_deadline())
    }

    fn join(session: &mut Session<P, N>, now: Timestamp, join: Join<N>) {
        session.join(now, join);
    }

    fn leave(session: &mut Session<P, N>, room: &N) {
        session.leave(room);
    }

    // Such a server has no positions, no signals and no lists of members.

    #[cfg(feature = "frames")]
    fn answer(session: &mut Session<P, N>, ack: u64, arguments: P) {
        session.answer(ack, arguments);
    }

    fn dial_token(session: &mut Session<P, N>, token: Option<Token>) -> Option<Token> {
        // It goes into the namespace's `auth` object. A driver may put it into the request too.
        session.protocol.token = token;
        None
    }

    fn closing(session: &mut Session<P, N>) {
        if !mutation!(SioFarewellUnsaid) {
            session.write(ClientPacket::Disconnect);
        }
    }

    fn dropped(session: &mut Session<P, N>, conn: ConnId) {
        // One that is up goes with `Action::Down`.
        session.connection.take_if(|connection| connection.conn == conn && !connection.is_up());
    }

    fn opened(session: &mut Session<P, N>, now: Timestamp, _: ConnId, _: bool) {
        session.connection_ready(now);
    }

    fn lost(session: &mut Session<P, N>) {
        #[cfg(feature = "frames")]
        session.protocol.custom.connection_lost();
        session.rooms.connection_lost(session.may_recover());
    }

    fn ended(session: &mut Session<P, N>) {
        // The session is not to be recovered.
        session.protocol.offset = Offset::default();
        if !session.is_up() {
            session.rooms.begin_anew();
        }
    }

    fn transmit(session: &mut Session<P, N>, now: Timestamp) {
        session.transmit(now);
    }

    fn finish_leaving(session: &mut Session<P, N>) -> bool {
        session.finish_leaving();
        false
    }

    #[cfg(feature = "frames")]
    fn takes_now(session: &Session<P, N>, send: &SendOf<Self>) -> bool {
        session.is_up()
            && session.kept_frames.next().is_none()
            && session.outbox.may_go(send, session.limits.unflushed)
    }

    #[cfg(feature = "frames")]
    fn write_kept_frames(session: &mut Session<P, N>) -> bool {
        session.write_kept_frames()
    }

    #[cfg(feature = "native")]
    fn mode(session: &Session<P, N>) -> Option<Mode> {
        session.is_ready().then_some(Mode::SocketIo)
    }

    fn buffered(session: &Session<P, N>) -> (usize, usize) {
        session.connection.as_ref().map_or((0, 0), |connection| connection.protocol.buffered())
    }

    #[cfg(feature = "stored")]
    fn restore(session: &mut Session<P, N>, now: Timestamp, saved: Saved<P, N>) {
        session.restore_sends(now, saved);
    }

    #[cfg(feature = "journal")]
    fn record_server(session: &mut Session<P, N>) {
        crate::change_log::record!(
            session.outbox.change_log,
            Server { user: None, extended: false, worked: true, window_ms: 0, dedupe_window_ms: 0 }
        );
    }
}
