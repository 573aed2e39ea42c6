//! What an application is told.

use crate::link::StateChange;
use crate::messages::Message;
use crate::name::Name;
use alloc::boxed::Box;
use alloc::string::String;

/// The caller's own number for a send; its outcome comes back under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendId(pub u64);

/// Something that happened. Everything an application learns comes this way, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<P = String, N = Name> {
    /// The connection's state changed.
    State(StateChange),
    /// Connected, the mode is decided and every wanted room is joined (plain: its join is written).
    Ready(Mode),
    /// A room's membership changed.
    Room(RoomChange<N>),
    /// A message in a room.
    Message(Message<P, N>),
    /// Somebody joined a room.
    UserJoined {
        /// The room.
        room: N,
        /// Who joined.
        user: N,
    },
    /// Messages of a room were missed. Comes before any later message of that room.
    Gap(Gap<N>),
    /// The final outcome of a send: exactly one for each.
    Delivery(Delivery<N>),
    /// The server said `error`. On a plain connection it does not say what about.
    ServerError {
        /// Its words. Hostile text.
        message: P,
    },
    /// The server sent a text that is no frame; it was skipped, nothing else is lost.
    Garbled {
        /// What is wrong with it.
        error: Box<str>,
    },
    /// The application was too slow: this many events (never outcomes of sends) were dropped here.
    Lagged {
        /// How many.
        skipped: u64,
    },
}

/// What the connection can promise. Belongs to the connection, not to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// The base contract: sends at most once, messages missed while away are gone and said to be.
    Plain,
}

impl Mode {
    /// `plain`
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
        }
    }
}

/// A change of membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomChange<N = Name> {
    /// The room.
    pub room: N,
    /// How it stands with it now.
    pub state: RoomState,
}

/// How it stands with a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoomState {
    /// Wanted, not a member yet, or not any more since the connection was lost. Rejoined automatically.
    Joining,
    /// Member (plain: the join is written).
    Joined,
    /// Left on request.
    Left,
    /// Never asked for: the name is no room name, or there are too many rooms.
    Refused,
}

impl RoomState {
    /// The state's name, in snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Joined => "joined",
            Self::Left => "left",
            Self::Refused => "refused",
        }
    }
}

/// Messages that were missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap<N = Name> {
    /// The room they were in.
    pub room: N,
    /// Why they are missing.
    pub reason: GapReason,
}

/// Why messages are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GapReason {
    /// The connection was lost, and a plain server keeps nothing: how many is unknown, maybe none.
    Reconnected,
}

impl GapReason {
    /// The reason's name, in snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reconnected => "reconnected",
        }
    }
}

/// The final outcome of a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery<N = Name> {
    /// The send.
    pub id: SendId,
    /// Where it was to go.
    pub room: N,
    /// What became of it.
    pub status: DeliveryStatus,
}

/// What became of a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryStatus {
    /// The operating system took every byte. All that a plain connection can say.
    Written,
    /// Part of it may have left before the connection was lost: it arrived, or it did not.
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
    /// Larger than the configured limit.
    #[error("the message is larger than the limit")]
    TooLarge,
    /// Waited longer than the send time-to-live for a connection.
    #[error("no connection within the time a send may wait")]
    Expired,
    /// Waited longer than the timeout given with it.
    #[error("no connection within the send's timeout")]
    Timeout,
    /// The client is closed or failed.
    #[error("the client is closed")]
    Closed,
    /// The application took it back in time.
    #[error("cancelled before it was sent")]
    Cancelled,
}

impl SendFailure {
    /// The code that `pipe` prints, in snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::BadRoom => "bad_room",
            Self::TooLarge => "too_large",
            Self::Expired => "expired",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the same send may succeed later.
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::QueueFull | Self::Expired | Self::Timeout)
    }
}
