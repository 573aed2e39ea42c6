//! The events that an application receives.

use crate::id::Id;
use crate::link::StateChange;
use crate::messages::{Code, Gap, JoinReason, Message, Notification, Presence, ServerCode, Signal};
use crate::name::Name;
#[cfg(all(feature = "journal", feature = "socketio"))]
use crate::payload::Payload;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The caller's own number for a send; its outcome comes back under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendId(pub u64);

/// Something that happened. Everything an application learns comes this way, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<P = String, N = Name> {
    /// The connection's state changed.
    State(StateChange),
    /// What this connection can promise is known, or has changed. Comes before anything that depends on it.
    Mode(Mode),
    /// Whether the connection is read-only from here on, because something on the way lets no WebSocket through: rooms are
    /// read by server-sent events, and what is sent waits, until a WebSocket opens. Reported when it changes; it begins with `false`.
    /// See [`ClientBuilder::event_streams`](crate::ClientBuilder::event_streams).
    #[cfg(feature = "sse")]
    ReadOnly(bool),
    /// Connected, the mode is decided and every wanted room is joined (plain: its join is written).
    Ready(Mode),
    /// A room's membership changed.
    Room(RoomChange<P, N>),
    /// Extended and Socket.IO: the server confirmed a membership. Comes before a gap, if there is one, and before the replay.
    Joined(JoinedRoom<N>),
    /// Socket.IO: what the server's handler answered to a join. Comes before the outcome of it.
    JoinReply {
        /// The room.
        room: N,
        /// The answer.
        reply: Box<SendReply<P>>,
    },
    /// A message in a room.
    Message(Message<P, N>),
    /// A user joined a room.
    UserJoined {
        /// The room.
        room: N,
        /// Who joined.
        user: N,
    },
    /// Extended: a user left a room.
    UserLeft {
        /// The room.
        room: N,
        /// Who left.
        user: N,
    },
    /// Extended: who is in a room, where joins and leaves do not say it.
    Presence(Presence<N>),
    /// Extended: something ephemeral, `typing` for instance.
    Signal(Box<Signal<P, N>>),
    /// Extended and Socket.IO: something for this user alone.
    Notification(Box<Notification<P, N>>),
    /// A custom frame. Natively only where [`ClientBuilder::frames`](crate::ClientBuilder::frames) requests
    /// them.
    #[cfg(feature = "frames")]
    Frame(crate::messages::Frame<P, N>),
    /// A frame that was to be kept is not, or not any longer: no connection begins with it.
    #[cfg(feature = "frames")]
    NotKept {
        /// What it was kept under.
        key: N,
        /// Why: too many, or too large, also for the server ([`SendFailure::TooLarge`]); or it was another user's.
        why: SendFailure,
    },
    /// Socket.IO: an event of the server's does not get this answer of the application's.
    #[cfg(feature = "frames")]
    NotAnswered {
        /// The number that the event came with.
        ack: u64,
        /// Why: [`SendFailure::UnknownAck`], or too large, or too much is to be answered.
        why: SendFailure,
    },
    /// A send of an earlier run is taken up again under this number; its outcome follows.
    Restored(Box<Restored<P, N>>),
    /// Messages of a room were missed. Comes before any later message of that room.
    Gap(Gap<N>),
    /// The final outcome of a send: exactly one for each.
    Delivery(Delivery<P, N>),
    /// The server sent `error`. On a plain connection it does not say what about.
    ServerError {
        /// Its message. Hostile text.
        message: P,
        /// Extended: why.
        code: Option<Code>,
        /// The server's own code, with which its message begins: one that the protocol does not name. Hostile text.
        server_code: ServerCode,
    },
    /// The server sent something that is no frame; it was skipped, nothing else is lost. Of each connection and each type
    /// of frame the first is reported, and again the tenth, the hundredth and so on; all are counted in
    /// [`Diagnostics::malformed_frames`](crate::Diagnostics::malformed_frames).
    Malformed {
        /// What is wrong with it.
        error: Box<str>,
        /// So many of the type have come on this connection, this one included.
        count: u64,
        /// Its first 200 characters, without a token of this client in them. Hostile text.
        #[cfg(feature = "native")]
        raw: Box<str>,
    },
    /// The state could not be stored. Reported once; it is tried again, and until it works nothing is sent for the first
    /// time, while messages still come in.
    StorageFailed {
        /// What is wrong.
        error: Box<str>,
    },
    /// The application was too slow: this many events (never outcomes of sends, nor messages of extended rooms) were
    /// dropped here.
    Lagged {
        /// How many.
        skipped: u64,
    },
}

/// What the connection can promise. Belongs to the connection, not to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// The base contract: sends at most once, messages missed while away are gone, and reported as a gap.
    Plain,
    /// The extended protocol: every send is answered and made once, missed messages are replayed.
    Extended,
    /// Socket.IO: sends at most once and answered by the server's handlers, missed messages recovered where the server
    /// does that, and otherwise gone, and reported as a gap.
    SocketIo,
}

impl Mode {
    /// `plain`, `extended` or `socketio`
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Extended => "extended",
            Self::SocketIo => "socketio",
        }
    }
}

/// A confirmed membership.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JoinedRoom<N = Name> {
    /// The room.
    pub room: N,
    /// Whether everything since the last position follows.
    pub recovered: bool,
    /// How many of the replayed messages are new to the application.
    pub replayed: u64,
    /// Why it does not.
    pub reason: Option<JoinReason>,
    /// Who is in the room.
    pub members: Option<Vec<N>>,
    /// How many are, when they are too many to name.
    pub member_count: Option<u64>,
    /// The number of the last message in its log when it was joined, 0 for an empty one; on an extended server.
    #[cfg(feature = "native")]
    pub head: Option<u64>,
}

impl<N> JoinedRoom<N> {
    /// A membership of which the server has announced no more than that, and whether everything since the last position follows.
    pub fn new(room: N, recovered: bool) -> Self {
        Self {
            room,
            recovered,
            replayed: 0,
            reason: None,
            members: None,
            member_count: None,
            #[cfg(feature = "native")]
            head: None,
        }
    }
}

/// A send of an earlier run, from a stored state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored<P = String, N = Name> {
    /// Its number in this run.
    pub id: SendId,
    /// Where it goes; natively empty for a custom frame.
    pub room: N,
    /// The content.
    pub content: P,
    /// The structured data beside the text.
    #[cfg(feature = "journal")]
    pub data: Option<P>,
    /// The caller's own name for it.
    pub reference: Option<Box<str>>,
}

/// A change of membership.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoomChange<P = String, N = Name> {
    /// The room.
    pub room: N,
    /// The state of it now.
    pub state: RoomState,
    /// The server has refused to let us in for now, for this reason, and is asked again by itself. Reported once for each
    /// reason; the state is [`RoomState::Joining`].
    pub refused: Option<Code>,
    /// The server's message, where it has refused to let us in and has given some. They begin with its own code. Hostile text.
    pub message: Option<P>,
    /// The server's own code, where it has refused to let us in, or has removed us, for a reason that the protocol does not
    /// name. Hostile text.
    pub server_code: ServerCode,
}

impl<P, N> RoomChange<P, N> {
    /// A change to this state.
    pub fn new(room: N, state: RoomState) -> Self {
        Self { room, state, refused: None, message: None, server_code: None }
    }

    /// The same, for now refused for this reason.
    pub fn refused_for(self, code: Code) -> Self {
        Self { refused: Some(code), ..self }
    }
}

/// The state of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoomState {
    /// Wanted, not a member yet, or not any more since the connection was lost. Rejoined automatically.
    Joining,
    /// Member (plain: the join is written).
    Joined,
    /// Left on request.
    Left,
    /// Never requested: the name is no room name, or there are too many rooms.
    Refused,
    /// The server refused the join permanently. Not requested again.
    Failed(Code),
    /// The server removed the user. Not rejoined.
    Removed(Code),
}

impl RoomState {
    /// The state's name, in snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Joined => "joined",
            Self::Left => "left",
            Self::Refused => "refused",
            Self::Failed(_) => "failed",
            Self::Removed(_) => "removed",
        }
    }
}

/// The final outcome of a send.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery<P = String, N = Name> {
    /// The send.
    pub id: SendId,
    /// Where it was to go.
    pub room: N,
    /// The outcome of it.
    pub status: DeliveryStatus,
    /// Socket.IO: what the server's handler answered, if it answered anything. Extended: the message of a refusal.
    pub reply: Option<Box<SendReply<P>>>,
}

impl<P, N> Delivery<P, N> {
    /// An outcome without an answer.
    pub fn new(id: SendId, room: N, status: DeliveryStatus) -> Self {
        Self { id, room, status, reply: None }
    }
}

/// What a Socket.IO server's handler gave to the ack of a send or a join, or an extended server's message of a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SendReply<P = String> {
    /// Socket.IO: all of it, as JSON: one argument as it is, several as a list. Of more than 16 KiB the first 1,000 characters, as
    /// a text that ends in `…`. Hostile text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<P>,
    /// Of a refusal the message for people. It begins with the server's own code, unless it is a Socket.IO
    /// server's. Hostile text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<P>,
    /// Extended: the server's own code of a refusal, which the protocol does not name. A Socket.IO server's is in the answer.
    /// Hostile text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_code: ServerCode,
}

impl<P> SendReply<P> {
    /// An answer, and the message for people in it.
    pub fn new(answer: Option<P>, message: Option<P>) -> Self {
        Self { answer, message, server_code: None }
    }
}

/// Bytes of an answer, and of a refusal's message, that are kept with the outcome in a stored state.
#[cfg(all(feature = "journal", feature = "socketio"))]
const KEPT: usize = 4 << 10;

#[cfg(all(feature = "journal", feature = "socketio"))]
impl<P: Payload> SendReply<P> {
    /// What is stored of it; `None` for nothing.
    pub(crate) fn kept(&self) -> Option<Self> {
        let small = |text: &Option<P>| text.clone().filter(|text| text.byte_len() <= KEPT);
        let server_code = self.server_code.clone();
        let kept = Self { answer: small(&self.answer), message: small(&self.message), server_code };
        (kept.answer.is_some() || kept.message.is_some()).then_some(kept)
    }
}

/// The outcome of a send.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryStatus {
    /// The operating system took every byte. All that a plain connection can say.
    Written,
    /// Extended: it is in the room's log, once.
    Acked {
        /// The message's id.
        id: Id,
        /// Its number in the log.
        seq: u64,
    },
    /// Socket.IO: the server's handler has answered. What that means is the server's business.
    Answered {
        /// The id that the answer gives the message, if it gives one of 1–64 characters of `A-Z a-z 0-9 _ -`.
        id: Option<Id>,
        /// The number that the answer gives it.
        seq: Option<u64>,
    },
    /// Part of it may have left before the connection was lost, or nobody answered for it: it arrived, or it did not.
    Unknown,
    /// Certainly not sent.
    Failed(SendFailure),
}

/// Why a send was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendFailure {
    /// The outbox is full: wait for outcomes, or raise its limits.
    #[error("the outbox is full")]
    QueueFull,
    /// The room's name is no room name.
    #[error("that is no room name")]
    BadRoom,
    /// What it was to carry beside the text cannot be written as JSON, or has more than 64 levels of arrays and objects.
    #[error("its data cannot be written as JSON, or has more than 64 levels")]
    BadData,
    /// It has no text and nothing beside it.
    #[cfg(feature = "native")]
    #[error("there is nothing to send: it has no text and no data")]
    Empty,
    /// The key of an [idempotent](crate::FrameBuilder::idempotent) event is empty, or longer than 128 characters.
    #[cfg(feature = "native")]
    #[error("the key of an idempotent event has 1 to 128 characters")]
    BadKey,
    /// An [idempotent](crate::FrameBuilder::idempotent) event without an ack: that it has arrived would never be known.
    #[cfg(feature = "native")]
    #[error("an idempotent event needs an ack, by which it is known that it has arrived")]
    NeedsAck,
    /// Larger than the client's own limit or the server's; `Diagnostics::content_limit` has it.
    #[error("the message is larger than the limit")]
    TooLarge,
    /// Waited longer than the send time-to-live for a connection.
    #[error("no connection within the time a send may wait")]
    Expired,
    /// Not sent within the timeout given with it: no connection, or its room is not joined.
    #[error("it could not be sent within its timeout")]
    Timeout,
    /// The client is closed or failed.
    #[error("the client is closed")]
    Closed,
    /// The server refused it: permanently, or for now until there was no more time for it.
    #[error("the server refused it: {}", .0.as_str())]
    Refused(Code),
    /// The stored state belongs to another user than the token.
    #[error("the stored message belongs to another user")]
    UserChanged,
    /// The application took it back in time.
    #[error("cancelled before it was sent")]
    Cancelled,
    /// A frame whose `type` is that of a frame of the protocol.
    #[cfg(feature = "frames")]
    #[error(
        "its type is the name of a frame of the protocol: give it another one, or choose the plain protocol"
    )]
    Reserved,
    /// The server uses another protocol: events are for Socket.IO servers.
    #[cfg(feature = "frames")]
    #[error(
        "this server takes no such frames: events with a name, acks and idempotent ones are for Socket.IO servers"
    )]
    Unsupported,
    /// Socket.IO: no event of the server's waits for this answer.
    #[cfg(feature = "frames")]
    #[error("no event waits for this answer: it has been answered, or its connection is gone")]
    UnknownAck,
    /// A volatile frame that the connection could not take at once.
    #[cfg(feature = "frames")]
    #[error("the connection could not take it at once")]
    Dropped,
    /// The state could not be stored before the end, and nothing is sent before it is.
    #[error("it could not be stored, and so it was not sent")]
    NotStored,
}

impl SendFailure {
    /// The code that `pipe` prints, in snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::BadRoom => "bad_room",
            Self::BadData => "bad_data",
            #[cfg(feature = "native")]
            Self::Empty => "empty",
            #[cfg(feature = "native")]
            Self::BadKey => "bad_key",
            #[cfg(feature = "native")]
            Self::NeedsAck => "needs_ack",
            Self::TooLarge => "too_large",
            Self::Expired => "expired",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Refused(code) => code.as_str(),
            Self::UserChanged => "user_changed",
            Self::Cancelled => "cancelled",
            Self::NotStored => "not_stored",
            #[cfg(feature = "frames")]
            Self::Reserved => "reserved_type",
            #[cfg(feature = "frames")]
            Self::Unsupported => "unsupported",
            #[cfg(feature = "frames")]
            Self::UnknownAck => "unknown_ack",
            #[cfg(feature = "frames")]
            Self::Dropped => "dropped",
        }
    }

    /// The reason with this code; one that is not known is a refusal for another reason.
    pub(crate) fn from_code(code: &str) -> Self {
        let own = [
            Self::QueueFull,
            Self::BadRoom,
            Self::BadData,
            #[cfg(feature = "native")]
            Self::Empty,
            #[cfg(feature = "native")]
            Self::BadKey,
            #[cfg(feature = "native")]
            Self::NeedsAck,
            Self::TooLarge,
            Self::Expired,
            Self::Timeout,
            Self::Closed,
            Self::UserChanged,
            Self::Cancelled,
            Self::NotStored,
            #[cfg(feature = "frames")]
            Self::Reserved,
            #[cfg(feature = "frames")]
            Self::Unsupported,
            #[cfg(feature = "frames")]
            Self::UnknownAck,
            #[cfg(feature = "frames")]
            Self::Dropped,
        ];
        own.into_iter()
            .find(|why| why.as_str() == code)
            .unwrap_or_else(|| Self::Refused(Code::from_wire(code)))
    }

    /// Whether the same send may succeed later: there was no time or no room for it, the room has to be joined first, or the
    /// server refused it with a code that [is temporary](Code::is_temporary).
    pub fn is_temporary(self) -> bool {
        #[cfg(feature = "frames")]
        if self == Self::Dropped {
            return true;
        }
        match self {
            Self::QueueFull | Self::Expired | Self::Timeout | Self::NotStored => true,
            Self::Refused(code) => code.is_temporary(),
            _ => false,
        }
    }

    /// Whether it was larger than may be, as this client or as the server reports: split it.
    /// `Diagnostics::content_limit` has the limit.
    pub fn is_too_large(self) -> bool {
        matches!(self, Self::TooLarge | Self::Refused(Code::TooLarge))
    }
}
