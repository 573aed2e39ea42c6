//! The trait by which a session asks its protocol where the protocols differ. Statically dispatched, and only for
//! the protocols of this crate. Keeps nothing.

use super::ProtocolSession;
use super::connection::ActiveConnection;
use super::io::Join;
use crate::cause::Disconnect;
#[cfg(feature = "journal")]
use crate::change::Change;
#[cfg(feature = "native")]
use crate::event::Mode;
#[cfg(feature = "journal")]
use crate::event::SendId;
use crate::link::ConnId;
use crate::messages::Position;
use crate::outbound::OutboundMessage;
use crate::outbox::SendQueue;
use crate::payload::Payload;
#[cfg(feature = "stored")]
use crate::persisted::Saved;
use crate::rooms::RoomEntry;
use crate::time::Timestamp;
use crate::token::Token;
#[cfg(feature = "journal")]
use alloc::vec::Vec;

/// The types of a protocol that a [`ProtocolSession`] speaks.
pub trait ProtocolTypes {
    /// What the application gives and gets.
    type Payload: Payload;
    /// Names of rooms and users.
    type Name: Clone + Ord;
    /// A frame to the server.
    type ClientFrame;
    /// A frame of the server's.
    type ServerFrame;
}

/// What a protocol does where the protocols differ. `session` is the one that speaks it.
pub(crate) trait Protocol: ProtocolTypes + Sized {
    type Room: RoomEntry<Name = Self::Name>;
    type Outbox: SendQueue<Self::Payload, Self::Name>;
    /// What is known of the connection in use, beside its frames.
    type Connection;

    /// Whether an outcome is stored together with what the server said about it.
    #[cfg(all(feature = "journal", feature = "socketio"))]
    const STORES_REPLIES: bool;

    // ---- inputs ----

    /// The socket of a dial is open.
    fn socket_opened(session: &mut ProtocolSession<Self>, now: Timestamp, conn: ConnId) {
        session.link.opened(now, conn);
    }

    /// A frame has come on a connection, which need not be the one in use.
    fn received(session: &mut ProtocolSession<Self>, now: Timestamp, conn: ConnId, frame: Self::ServerFrame);

    /// Something has come on the connection in use that is no frame.
    fn received_malformed(_session: &mut ProtocolSession<Self>, _now: Timestamp) {}

    /// The connection in use has answered a ping.
    fn ponged(_session: &mut ProtocolSession<Self>, _now: Timestamp) {}

    /// The connection in use has been flushed up to this frame.
    fn flushed(session: &mut ProtocolSession<Self>, through: u64);

    /// A connection ended.
    fn closed(session: &mut ProtocolSession<Self>, now: Timestamp, conn: ConnId, how: Disconnect);

    /// The application's queue is full, or has room again. What is missed on a server without a log cannot be fetched later.
    fn set_backpressure(_session: &mut ProtocolSession<Self>, _now: Timestamp, _busy: bool) {}

    /// Does what time alone does, behind the link.
    fn tick(session: &mut ProtocolSession<Self>, now: Timestamp);

    /// When there is something to do for [`Protocol::tick`].
    fn deadline(session: &ProtocolSession<Self>) -> Timestamp;

    // ---- commands ----

    fn join(session: &mut ProtocolSession<Self>, now: Timestamp, join: Join<Self::Name>);

    fn leave(session: &mut ProtocolSession<Self>, room: &Self::Name);

    fn commit(_session: &mut ProtocolSession<Self>, _room: &Self::Name, _position: Position) {}

    fn signal(
        _session: &mut ProtocolSession<Self>,
        _room: &Self::Name,
        _kind: Self::Name,
        _data: Option<Self::Payload>,
    ) {
    }

    fn request_presence(_session: &mut ProtocolSession<Self>, _room: &Self::Name) {}

    /// Answers an event of the server's.
    #[cfg(feature = "frames")]
    fn answer(session: &mut ProtocolSession<Self>, ack: u64, arguments: Self::Payload);

    // ---- what the link wants ----

    /// The token that a dial is to show in its request.
    fn dial_token(_session: &mut ProtocolSession<Self>, token: Option<Token>) -> Option<Token> {
        token
    }

    /// Hands a fresh token to the connection in use, where that can be done.
    fn authenticate(_session: &mut ProtocolSession<Self>, _token: Token) {}

    /// Asks for activity by a frame; `false` for a ping of the WebSocket.
    fn ping(_session: &mut ProtocolSession<Self>, _conn: ConnId) -> bool {
        false
    }

    /// A connection is about to be closed.
    fn closing(_session: &mut ProtocolSession<Self>) {}

    /// A connection, or a dial, is dropped.
    fn dropped(_session: &mut ProtocolSession<Self>, _conn: ConnId) {}

    /// A connection is open for rooms and sends. `offered`: the dial has offered the extended protocol.
    fn opened(session: &mut ProtocolSession<Self>, now: Timestamp, conn: ConnId, offered: bool);

    /// Whether a room is wanted that can be read by a stream of events.
    #[cfg(feature = "sse")]
    fn has_readable_room(_session: &ProtocolSession<Self>) -> bool {
        false
    }

    /// The connection in use is about to be another one, which is opened next.
    fn migrating(_session: &mut ProtocolSession<Self>) {}

    /// The connection in use is gone: nothing about rooms is confirmed any more.
    fn lost(session: &mut ProtocolSession<Self>);

    /// The loss has outlasted what a server remembers.
    fn suspended(_session: &mut ProtocolSession<Self>) {}

    /// The session has ended, and every send has its outcome.
    fn ended(_session: &mut ProtocolSession<Self>) {}

    // ---- what has become possible ----

    /// Settles what must not go out any more, before anything does.
    fn before_sends(_session: &mut ProtocolSession<Self>, _now: Timestamp) {}

    /// Gives sends to the connection while it takes them.
    fn transmit(session: &mut ProtocolSession<Self>, now: Timestamp);

    /// Leaves the rooms whose earlier sends have become final. Says whether sends made since may fail by it.
    fn finish_leaving(session: &mut ProtocolSession<Self>) -> bool;

    /// Whether a send would go at once.
    #[cfg(feature = "frames")]
    fn takes_now(session: &ProtocolSession<Self>, send: &OutboundMessage<Self::Payload, Self::Name>) -> bool;

    /// Writes what the connection has not of what it begins with. Returns whether all of it is written: what waits goes
    /// after it.
    #[cfg(feature = "frames")]
    fn write_kept_frames(session: &mut ProtocolSession<Self>) -> bool;

    // ---- what is told, and stored ----

    /// What the current connection can promise, once that is known.
    #[cfg(feature = "native")]
    fn mode(session: &ProtocolSession<Self>) -> Option<Mode>;

    /// The user that the server takes the token for, as far as it says.
    #[cfg(feature = "native")]
    fn user(_session: &ProtocolSession<Self>) -> Option<&Self::Name> {
        None
    }

    /// Who is in a room, as far as the server says.
    #[cfg(feature = "native")]
    fn members<'a>(_session: &'a ProtocolSession<Self>, _room: &Self::Name) -> Option<&'a [Self::Name]> {
        None
    }

    /// Messages that wait for others before them, and their bytes.
    fn buffered(session: &ProtocolSession<Self>) -> (usize, usize);

    /// Maximum bytes of a message, as far as the connection says.
    fn content_limit(_connection: Option<&ActiveConnection<Self::Connection>>) -> usize {
        usize::MAX
    }

    /// What is stored beside sends, kept frames and that there was a connection.
    #[cfg(feature = "stored")]
    fn saved(_session: &ProtocolSession<Self>) -> Saved<Self::Payload, Self::Name> {
        Saved::default()
    }

    /// Takes up what an earlier run left: the kept frames have been taken out of it.
    #[cfg(feature = "stored")]
    fn restore(session: &mut ProtocolSession<Self>, now: Timestamp, saved: Saved<Self::Payload, Self::Name>);

    /// Notes what is known of the server.
    #[cfg(feature = "journal")]
    fn record_server(session: &mut ProtocolSession<Self>);

    /// Brings changes into the time of the wall clock.
    #[cfg(feature = "journal")]
    fn date_changes(
        _session: &mut ProtocolSession<Self>,
        _changes: &mut Vec<Change<Self::Payload, Self::Name, SendId>>,
    ) {
    }
}

/// The event of a session.
pub(crate) type EventOf<R> = crate::event::Event<<R as ProtocolTypes>::Payload, <R as ProtocolTypes>::Name>;
/// The output of a session.
pub(crate) type OutputOf<R> = super::Output<
    <R as ProtocolTypes>::Payload,
    <R as ProtocolTypes>::Name,
    <R as ProtocolTypes>::ClientFrame,
>;
/// The input of a session.
pub(crate) type InputOf<R> = super::Input<
    <R as ProtocolTypes>::Payload,
    <R as ProtocolTypes>::Name,
    <R as ProtocolTypes>::ServerFrame,
>;
/// A send of a session.
pub(crate) type SendOf<R> = OutboundMessage<<R as ProtocolTypes>::Payload, <R as ProtocolTypes>::Name>;
