//! The typed messages of the wire (protocol.md §1 and §2.2), shared with the server.
//!
//! They are generic over the payload `P` (what an application wrote: a `String` natively, a handle to the
//! browser's own value in wasm) and the name type `N`, so that the machine that moves them never touches text.
//! Text ↔ typed is the driver's job; [`json`] does it with `serde_json` (feature `json`).
//!
//! What the extended protocol adds is always optional: a message without it is a plain one, to the field.

mod extended;
#[cfg(feature = "frames")]
mod frame;
mod gap;
#[cfg(feature = "json")]
pub mod json;

#[cfg(not(feature = "json"))]
pub use extended::NoText;
pub use extended::{
    Ack, AuthExpiry, AuthOk, Code, EntryMeta, Epoch, ErrorDetail, GoingAway, Hello, History, HistoryRequest,
    JoinReason, JoinRequest, Joined, Left, Limits, MAX_INT, Nack, Notification, Position, Presence,
    ProducerSeq, ProducerTag, ReconnectHint, Ref, SendTag, ServerCode, Signal,
};
#[cfg(feature = "frames")]
pub use frame::Frame;
#[cfg(all(feature = "frames", feature = "json"))]
pub use frame::{Bytes, FrameError};
pub use gap::{Gap, GapReason};

use crate::name::Name;
use crate::token::Token;
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

/// Maximum levels of arrays and objects in a message's `data`: `1` has none, `[]` one, `[{"a": 1}]` two. A server refuses
/// more permanently, and a client does not send it: parsers in other languages break on it, at every replay again.
pub const MAX_DATA_LEVELS: usize = 64;

/// A frame of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientMessage<P = String, N = Name> {
    /// `join_room`
    JoinRoom {
        /// The room to become a member of.
        room: N,
        /// Extended: where to continue from.
        request: Option<JoinRequest>,
    },
    /// `leave_room`
    LeaveRoom {
        /// The room to leave.
        room: N,
        /// Extended: requests [`ServerMessage::Left`].
        reference: Option<Ref>,
    },
    /// `send_message`
    SendMessage {
        /// Where it goes.
        room: N,
        /// The content.
        content: P,
        /// Extended: any JSON beside the text; natively its text.
        data: Option<P>,
        /// Extended: requests an answer. Boxed, because a plain send has none.
        tag: Option<Box<SendTag>>,
    },
    /// Extended, `history`: requests messages of the log.
    History(HistoryRequest<N>),
    /// Extended, `presence`: requests the members of a room.
    Presence {
        /// The room.
        room: N,
    },
    /// Extended, `signal`: something ephemeral for the others in a room.
    Signal {
        /// The room.
        room: N,
        /// What kind of thing, `typing` for instance.
        kind: N,
        /// Any JSON; natively its text.
        data: Option<P>,
    },
    /// Extended, `ping`: requests a [`ServerMessage::Pong`].
    Ping {
        /// Comes back in the answer.
        t: u64,
    },
    /// A custom frame: its JSON, written as it is. It is sent at most once.
    #[cfg(feature = "frames")]
    Custom(P),
    /// One that each connection begins with.
    #[cfg(feature = "frames")]
    Kept(P),
    /// Extended, `auth`: another token for the same user, without reconnecting.
    Auth {
        /// Comes back in [`ServerMessage::AuthOk`].
        reference: Ref,
        /// The token.
        token: Token,
    },
}

impl<P, N> ClientMessage<P, N> {
    /// A plain `join_room`.
    pub fn join(room: N) -> Self {
        Self::JoinRoom { room, request: None }
    }

    /// A plain `leave_room`.
    pub fn leave(room: N) -> Self {
        Self::LeaveRoom { room, reference: None }
    }

    /// A plain `send_message`.
    pub fn send(room: N, content: P) -> Self {
        Self::SendMessage { room, content, data: None, tag: None }
    }
}

/// A frame of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerMessage<P = String, N = Name> {
    /// `message`
    Message(Message<P, N>),
    /// `user_joined`
    UserJoined {
        /// The room joined.
        room: N,
        /// Who joined it.
        user: N,
    },
    /// `error`
    Error {
        /// What the server reports about it.
        message: P,
        /// Extended: which request it refuses.
        detail: Option<Box<ErrorDetail<N>>>,
    },
    /// Extended: the first frame.
    Hello(Box<Hello<N>>),
    /// Extended: the answer to a join.
    Joined(Box<Joined<N>>),
    /// Extended: the answer to a leave, or a removal.
    Left(Left<N>),
    /// Extended: a send is in the room's log.
    Ack(Ack<N>),
    /// Extended: a send is not.
    Nack(Box<Nack<P>>),
    /// Extended: the answer to a history request.
    History(Box<History<P, N>>),
    /// Extended: a user's last connection left a room.
    UserLeft {
        /// The room left.
        room: N,
        /// Who left it.
        user: N,
    },
    /// Extended: who is in a room.
    Presence(Presence<N>),
    /// Extended: something ephemeral.
    Signal(Box<Signal<P, N>>),
    /// Extended: the answer to a ping.
    Pong {
        /// The number of the ping.
        t: u64,
    },
    /// Extended: the token is about to expire.
    AuthExpiring {
        /// In how many milliseconds.
        in_ms: u64,
    },
    /// Extended: the new token is in force.
    AuthOk(AuthOk),
    /// Extended: this server is about to go.
    GoingAway(Box<GoingAway>),
    /// Extended: something for this user alone.
    Notification(Box<Notification<P, N>>),
    /// A custom frame, where the driver was requested them.
    #[cfg(feature = "frames")]
    Custom(Frame<P, N>),
    /// A `type` this version does not know; tolerated and counted.
    Unknown,
}

/// One message in a room.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message<P = String, N = Name> {
    /// The room.
    pub room: N,
    /// The sender.
    pub user: N,
    /// The text.
    pub content: P,
    /// When the server took it, as the server wrote it (UTC with milliseconds and `Z` by the contract). Empty where a Socket.IO
    /// server gave no time.
    pub timestamp: P,
    /// Extended: any JSON beside the text; natively its text.
    pub data: Option<P>,
    /// Extended: its place in the room's log. Boxed, because a message is moved more often than it is read.
    pub entry: Option<Box<EntryMeta>>,
    /// Whether the client's own user said it, as far as its server reports who that is. The driver's remark, not the server's.
    #[cfg(feature = "native")]
    pub(crate) own: Option<bool>,
}

#[cfg_attr(feature = "native", expect(clippy::missing_fields_in_debug, reason = "what the server said"))]
impl<P: fmt::Debug, N: fmt::Debug> fmt::Debug for Message<P, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("room", &self.room)
            .field("user", &self.user)
            .field("content", &self.content)
            .field("timestamp", &self.timestamp)
            .field("data", &self.data)
            .field("entry", &self.entry)
            .finish()
    }
}

impl<P, N> Message<P, N> {
    /// A message as a plain server sends it.
    pub fn plain(room: N, user: N, content: P, timestamp: P) -> Self {
        Self {
            room,
            user,
            content,
            timestamp,
            data: None,
            entry: None,
            #[cfg(feature = "native")]
            own: None,
        }
    }

    /// The same with something structured beside the text; natively the text of its JSON.
    pub fn with_data(self, data: Option<P>) -> Self {
        Self { data, ..self }
    }

    /// The same with a place in the room's log, or without one.
    pub fn with_entry(self, meta: Option<Box<EntryMeta>>) -> Self {
        Self { entry: meta, ..self }
    }

    /// Whether this client's own user said it, on whatever device: `None` where the server has not said who that is. An
    /// extended server announces it first of all ([`Client::user`](crate::Client::user)); plain servers and Socket.IO servers never
    /// do, and a feed has no user. There a bot has to know its own name and compare it with `user`: what it says comes back to
    /// it, so that one that answers everything but `Some(true)` answers itself for ever.
    ///
    /// ```no_run
    /// # fn answer(_: &rejoin::Message) {}
    /// # fn f(message: &rejoin::Message) {
    /// if message.is_own() == Some(false) {
    ///     answer(message);
    /// }
    /// # }
    /// ```
    #[cfg(feature = "native")]
    pub fn is_own(&self) -> Option<bool> {
        self.own
    }

    /// Its position in the room's log: what a later `join` can continue from, and what is committed.
    pub fn position(&self) -> Option<Position> {
        self.entry.as_deref().map(EntryMeta::position)
    }
}

/// An error's text quotes the offending value, which the sender chose: keep the beginning.
#[cfg(feature = "json")]
pub(crate) fn bounded(text: &str) -> Box<str> {
    text.chars().take(160).collect::<String>().into()
}
