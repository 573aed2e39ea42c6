//! The inputs and outputs of a session.

use crate::cause::{DialError, Disconnect};
use crate::event::{Event, SendId};
use crate::link::{ConnId, Hint};
use crate::malformed_frames::MalformedFrame;
use crate::messages::{ClientMessage, Position, ServerMessage};
use crate::name::Name;
use crate::outbound::OutboundMessage;
#[cfg(feature = "stored")]
use crate::persisted::Saved;
use crate::token::{Token, TokenError};
use alloc::boxed::Box;
use alloc::string::String;
use core::time::Duration;

/// A command of the application.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command<P = String, N = Name> {
    /// Connect, or leave `failed` and `closed` and start anew.
    Connect,
    /// Replace the connection by a fresh one.
    Reconnect,
    /// End. Unresolved sends resolve at once; wait for their outcomes first to lose none.
    Close,
    /// Be a member of a room, now and after every reconnect.
    Join(Join<N>),
    /// Leave a room, once the earlier sends to it are final.
    Leave(N),
    /// Send a message. Its one outcome comes as [`Event::Delivery`].
    Send(OutboundMessage<P, N>),
    /// Send a custom frame, whose room is the one of [`Session::custom_frames`](super::Session::custom_frames),
    /// if the connection takes it at once; otherwise it fails with [`SendFailure::Dropped`](crate::SendFailure::Dropped).
    #[cfg(feature = "frames")]
    SendVolatile(OutboundMessage<P, N>),
    /// Begin each connection, and continue with this one, by a custom frame: at most
    /// [`MAX_KEPT_FRAMES`](crate::MAX_KEPT_FRAMES), each with a key. What is kept under the same key is replaced.
    #[cfg(feature = "frames")]
    Keep {
        /// The key.
        key: N,
        /// The frame.
        frame: P,
    },
    /// Begin no further connection by the frame with this key. Nothing is sent.
    #[cfg(feature = "frames")]
    DropKept(N),
    /// Socket.IO: answer an event of the server's.
    #[cfg(feature = "frames")]
    Answer {
        /// The number that it came with.
        ack: u64,
        /// The arguments: natively their JSON list.
        arguments: P,
    },
    /// Take a send back, if it is not on its way yet.
    Cancel(SendId),
    /// Use another token from the next dial on; leaves `failed`.
    SetToken(Token),
    /// The application has processed everything in a room up to here: what a stored state continues from.
    Commit {
        /// The room.
        room: N,
        /// Up to where.
        position: Position,
    },
    /// Send something ephemeral. Dropped where it cannot be sent at once.
    Signal {
        /// The room.
        room: N,
        /// What kind of thing.
        kind: N,
        /// Any JSON.
        data: Option<P>,
    },
    /// Request the members of a room; the answer is [`Event::Presence`]. Dropped where it cannot be sent at once.
    Presence(N),
}

/// A room to be joined.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Join<N = Name> {
    /// Its name.
    pub room: N,
    /// Extended: continue after this position, which the application has from elsewhere.
    pub since: Option<Position>,
    /// Extended: the last so many messages, at a first join or when `since` cannot be recovered.
    pub history: Option<u64>,
    /// Extended: the user's own stream `@me`, whose messages are notifications.
    pub personal: bool,
}

impl<N> Join<N> {
    /// The same room, continuing after this position.
    pub fn since(self, position: impl Into<Option<Position>>) -> Self {
        Self { since: position.into(), ..self }
    }

    /// The same room, beginning with the last so many messages where there is no position to continue from.
    pub fn history(self, count: impl Into<Option<u64>>) -> Self {
        Self { history: count.into(), ..self }
    }

    /// The user's own stream, whose room is [`PERSONAL_ROOM`](crate::PERSONAL_ROOM).
    pub fn personal(self) -> Self {
        Self { personal: true, ..self }
    }
}

impl Join<Name> {
    /// A room by its name, from now on.
    ///
    /// ```
    /// use rejoin::Join;
    ///
    /// let join = Join::room("lobby").history(20);
    /// assert_eq!((&*join.room, join.history), ("lobby", Some(20)));
    /// ```
    pub fn room(name: impl Into<Name>) -> Self {
        name.into().into()
    }
}

impl<N> From<N> for Join<N> {
    fn from(room: N) -> Self {
        Self { room, since: None, history: None, personal: false }
    }
}

/// The inputs of a session whose server sends frames `F`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<P = String, N = Name, F = ServerMessage<P, N>> {
    /// A command of the application.
    Command(Command<P, N>),
    /// The dial succeeded.
    Opened(ConnId),
    /// The dial failed.
    DialFailed(ConnId, DialError),
    /// A frame came in.
    Received(ConnId, F),
    /// A text came in that is no frame, for the reason given.
    Malformed(ConnId, MalformedFrame),
    /// A pong came in.
    Pong(ConnId),
    /// Another activity: a ping, part of a frame.
    Activity(ConnId),
    /// The operating system has taken every byte of the frames up to this number ([`Output::Send`]).
    Flushed(ConnId, u64),
    /// The open connection ended.
    Closed(ConnId, Disconnect),
    /// What the token source answered to [`Output::FetchToken`].
    Token(Result<Token, TokenError>),
    /// Socket.IO: the connection has moved from long polling to a WebSocket.
    #[cfg(feature = "socketio")]
    Upgraded(ConnId),
    /// A hint of the platform.
    Hint(Hint),
    /// The application's queue is full, or has room again. While it is full, messages of extended rooms are left
    /// on the server and fetched later, so that none is lost.
    Backpressure(bool),
    /// Take up what an earlier run left. Before the first connect; later it is ignored.
    #[cfg(feature = "stored")]
    Restore(Box<Saved<P, N>>),
    /// [`Session::next_deadline`](super::Session::next_deadline) has come.
    Tick,
}

#[cfg(all(feature = "native", feature = "socketio"))]
impl<P, N, F> Input<P, N, F> {
    /// The same for a session with other frames; `None` for a frame.
    pub(crate) fn without_frame<G>(self) -> Option<Input<P, N, G>> {
        Some(match self {
            Self::Received(..) => return None,
            Self::Command(command) => Input::Command(command),
            Self::Opened(conn) => Input::Opened(conn),
            Self::DialFailed(conn, error) => Input::DialFailed(conn, error),
            Self::Malformed(conn, error) => Input::Malformed(conn, error),
            Self::Pong(conn) => Input::Pong(conn),
            Self::Activity(conn) => Input::Activity(conn),
            Self::Flushed(conn, through) => Input::Flushed(conn, through),
            Self::Closed(conn, how) => Input::Closed(conn, how),
            Self::Token(result) => Input::Token(result),
            #[cfg(feature = "socketio")]
            Self::Upgraded(conn) => Input::Upgraded(conn),
            Self::Hint(hint) => Input::Hint(hint),
            Self::Backpressure(busy) => Input::Backpressure(busy),
            Self::Restore(saved) => Input::Restore(saved),
            Self::Tick => Input::Tick,
        })
    }
}

/// The outputs of a session that sends frames `F`.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output<P = String, N = Name, F = ClientMessage<P, N>> {
    /// Call the token source; report [`Input::Token`]. Replaces a call under way.
    FetchToken {
        /// The server refused the last token.
        rejected: bool,
    },
    /// Dial; answer with [`Input::Opened`] or [`Input::DialFailed`]. The deadline is the session's.
    Dial {
        /// The number of the dial and of its connection.
        conn: ConnId,
        /// Which of the URLs, from 0.
        endpoint: usize,
        /// Attempts since the count was reset.
        attempt: u32,
        /// What to authorise with.
        token: Option<Token>,
        /// Offer the extended protocol: `ext=1` in the query.
        extended: bool,
        /// Where the server sent us, instead of the endpoint's own URL. To be followed only to the same host or an
        /// allowed one, and never from TLS to plain text.
        url: Option<Box<str>>,
    },
    /// Store the state before the outputs that follow are performed. Without a store there is nothing to do.
    Save,
    /// Write a frame. Write all that are there, flush once, then say [`Input::Flushed`].
    Send {
        /// On which connection.
        conn: ConnId,
        /// The frame's number on it, from 1.
        frame: u64,
        /// The content.
        message: F,
    },
    /// Send a WebSocket ping.
    Ping {
        /// On which connection.
        conn: ConnId,
    },
    /// Write what is queued, send a close frame and say [`Input::Closed`] when the server answers.
    Close {
        /// Which connection.
        conn: ConnId,
        /// With which code.
        code: u16,
    },
    /// Drop the connection or the dial; send a close frame if it costs no waiting. Nothing of it counts any more.
    Abort {
        /// Which connection.
        conn: ConnId,
        /// With which code.
        code: u16,
    },
    /// Give an event to the application.
    Event(Event<P, N>),
}

/// Diagnostic counters since start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Diagnostics {
    /// Dials made.
    pub dials: u64,
    /// Dials that became connections.
    pub connections: u64,
    /// Frames received.
    pub frames_in: u64,
    /// Frames sent.
    pub frames_out: u64,
    /// Frames of a type this version does not know.
    pub unknown_frames: u64,
    /// Texts and binary frames that were no frame of the protocol.
    pub malformed_frames: u64,
    /// Rooms joined again on the same connection, because something about them was not as it should be.
    pub rejoins: u64,
    /// Signs that a room's log is not the one it was.
    pub forks: u64,
    /// Requests for messages of a log.
    pub fetches: u64,
    /// Messages buffered behind a gap.
    pub buffered: usize,
    /// Bytes of them.
    pub buffered_bytes: usize,
    /// Unresolved sends.
    pub outbox_len: usize,
    /// Bytes of unresolved sends.
    pub outbox_bytes: usize,
    /// The last measured round trip.
    pub rtt: Option<Duration>,
    /// Maximum bytes of a message's content and data: those of the client's own limit, or of the server's if that is less.
    pub content_limit: usize,
}
