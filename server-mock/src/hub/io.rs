//! The inputs and outputs of the hub.

use super::shared::{RequestId, StoreNotice, StoreRequest, StoreResponse};
use super::{FeedRequest, Rights};
use rejoin::messages::{Code, Epoch, Ref};
use rejoin::{Id, Name, Timestamp, Token};
use std::fmt;
use std::ops::Deref;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// A connection, numbered by whoever feeds the hub. A number may be used again once the hub has forgotten it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// One encoded frame, shared by everybody it goes to: a clone costs a counter.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(Utf8Bytes);

impl Text {
    /// The frame's text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn into_bytes(self) -> Utf8Bytes {
        self.0
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Text {
    /// Only the length: a frame holds what people wrote, and that stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

/// Where a connection has got to in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomPosition {
    /// Which one, by its name in the hub: a personal stream is `@` and its user's name.
    pub room: Name,
    /// The life of its log.
    pub epoch: Epoch,
    /// The number of the last message received.
    pub after: u64,
}

/// Why a server drains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DrainReason {
    /// It comes back, or another one takes its place (1012).
    #[default]
    Restart,
    /// It goes for good, for this reason (1001).
    GoingAway(&'static str),
}

impl DrainReason {
    /// Code and reason of the close frames.
    pub(crate) fn close(self) -> (u16, &'static str) {
        match self {
            Self::Restart => (1012, "Service restart"),
            Self::GoingAway(reason) => (1001, reason),
        }
    }
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// An authenticated connection opened.
    Connected {
        /// Its number, not in use.
        conn: ConnId,
        /// Whose it is.
        user: Name,
        /// Whether it offered the extended protocol (`ext=1`).
        extended: bool,
        /// When its token ends, by the monotonic clock.
        expires: Option<Timestamp>,
    },
    /// An authenticated connection opened that wants a room's feed and will say nothing: it is no member, and nobody
    /// is told of it. Answered by [`Output::Send`] with the feed's beginning, or by [`Output::Close`] with the code that
    /// says why there is none: 1008, 1012, 1013, 4003, 4008 or 4011.
    OpenFeed {
        /// Its number, not in use.
        conn: ConnId,
        /// Whose it is.
        user: Name,
        /// When its token ends, by the monotonic clock.
        expires: Option<Timestamp>,
        /// Which feed.
        request: FeedRequest,
    },
    /// A text frame came in.
    Frame {
        /// From where.
        conn: ConnId,
        /// Its text.
        text: &'a str,
    },
    /// A pong, or any other inbound frame that is not text: a sign of life.
    Activity {
        /// From where.
        conn: ConnId,
    },
    /// WebSocket frames that continue a message. They count against the rate, whether the message is ever complete or not.
    Continuations {
        /// From where.
        conn: ConnId,
        /// How many.
        count: u32,
    },
    /// What was sent to the connection has left its queue, or nearly: there is room for the next part of a
    /// replay. Follows an [`Output::NotifyQueueDrained`], and does no harm at any other time.
    QueueDrained {
        /// Which one.
        conn: ConnId,
    },
    /// The connection is gone, for whatever reason.
    Disconnected {
        /// Which one.
        conn: ConnId,
        /// The peer said goodbye (close code 1000): the others are told at once that it left, without the grace of
        /// a loss.
        clean: bool,
    },
    /// The answer to an [`Output::Authenticate`].
    Authenticated {
        /// Which connection asked.
        conn: ConnId,
        /// Its request's name.
        reference: Ref,
        /// Whose token it is; `None` for nobody's.
        user: Option<Name>,
        /// When that token ends, by the monotonic clock.
        expires: Option<Timestamp>,
    },
    /// Another answer to an [`Output::Authenticate`]: no token of this connection is looked at now. It is told to ask
    /// again later.
    AuthenticationFailed {
        /// Which connection asked.
        conn: ConnId,
        /// Its request's name.
        reference: Ref,
        /// Why: [`Code::RateLimited`], too many wrong tokens came from its address, or [`Code::Overloaded`], whoever knows
        /// whose a token is does not answer.
        code: Code,
    },
    /// The token by which the connection came is nobody's any more: it is closed with 4001.
    Revoked {
        /// Which one.
        conn: ConnId,
    },
    /// From now on a connection may do this, and nothing else: it leaves the rooms that it may not be in. Without this
    /// input it may do everything. A reader is asked for its rights by whoever feeds the hub.
    SetRights {
        /// Which one.
        conn: ConnId,
        /// What it may do.
        rights: Rights,
    },
    /// Appends something to a user's personal stream. Answered by [`Output::Published`] or [`Output::PublishFailed`]: at once, or
    /// by one node of several when the store has answered.
    Notify {
        /// Comes back in the answer.
        call: u64,
        /// Whose stream.
        user: Name,
        /// What kind of thing.
        kind: Name,
        /// JSON text.
        data: Option<String>,
    },
    /// Says something in a room without a connection. Answered by [`Output::Published`] or [`Output::PublishFailed`].
    Post {
        /// Comes back in the answer.
        call: u64,
        /// Where.
        room: Name,
        /// In whose name.
        user: Name,
        /// What.
        content: String,
        /// JSON text.
        data: Option<String>,
        /// A second post with the same key to the same room within the dedupe window is the same post.
        key: Option<Id>,
    },
    /// Takes a user out of a room: extended connections are told by `left` with the code `forbidden`, readers are closed
    /// with 4003.
    Remove {
        /// Which room.
        room: Name,
        /// Whom.
        user: Name,
    },
    /// Forgets everything that was said in a room, under a new epoch: extended members learn it with the next message, readers
    /// now. One node of several does nothing: the store is emptied, and tells all of them.
    EmptyRoom {
        /// Which room.
        room: Name,
    },
    /// Closes every connection of a user with 4003. Answered by [`Output::Kicked`].
    Kick {
        /// Whose.
        user: Name,
        /// For so long the user's new connections are closed with 4003 too; zero ends an earlier ban.
        ban: Option<Duration>,
    },
    /// Ends every connection within `window`, and whoever connects from now on at once, with the close frame of `reason`. Plain connections
    /// and readers are closed evenly over the window, the first one now. Extended ones are told `going_away` and closed
    /// at its end, if they are still there.
    Drain {
        /// How long it may take.
        window: Duration,
        /// What is said in the close frames.
        reason: DrainReason,
    },
    /// A connection that was just let in takes the place of one that was lost. Answered by [`Output::Restored`]: it is in
    /// all of these rooms, which are replayed to their newest messages, or in none. Where the store does not say which, the connection is
    /// closed (1013).
    Restore {
        /// Which connection. It speaks the extended protocol, and is in no room yet.
        conn: ConnId,
        /// Where it was, and as far as its client has come.
        rooms: &'a [RoomPosition],
    },
    /// The answer to an [`Output::Store`].
    StoreResponse {
        /// Which request.
        request_id: RequestId,
        /// What became of it.
        response: StoreResponse,
    },
    /// Something happened in the shared store.
    StoreNotice(StoreNotice),
    /// Time passed: do what is due.
    Tick,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Send a text frame; to a reader, a part of its feed.
    Send {
        /// Where.
        conn: ConnId,
        /// The frame.
        text: Text,
    },
    /// Send a text frame if there is room for it in the queue, and drop it otherwise: it is worth nothing later.
    SendVolatile {
        /// Where.
        conn: ConnId,
        /// The frame.
        text: Text,
    },
    /// Say [`Input::QueueDrained`] when what was sent before has left the connection's queue.
    NotifyQueueDrained {
        /// Which one.
        conn: ConnId,
    },
    /// Find out whose token it is and say [`Input::Authenticated`], or [`Input::AuthenticationFailed`].
    Authenticate {
        /// Which connection asks.
        conn: ConnId,
        /// Its request's name.
        reference: Ref,
        /// The token.
        token: Token,
    },
    /// An [`Input::Notify`] or [`Input::Post`] is in the log.
    Published {
        /// Which call.
        call: u64,
        /// The entry's id.
        id: Id,
        /// Its number.
        seq: u64,
        /// It had been before: this is a repetition.
        dup: bool,
    },
    /// An [`Input::Notify`] or [`Input::Post`] is not in the log.
    PublishFailed {
        /// Which call.
        call: u64,
        /// Why.
        code: Code,
    },
    /// The [`Input::Kick`] of this call is carried out.
    Kicked {
        /// So many connections are closed.
        connections: usize,
        /// The ban is in force, or none was asked for; `false` if too many users are banned.
        banned: bool,
    },
    /// An [`Input::Restore`] is carried out, or nothing of it is: at once, or by one node of several when the store has
    /// answered.
    Restored {
        /// Which connection.
        conn: ConnId,
        /// It is.
        restored: bool,
    },
    /// Send a WebSocket ping; to a reader, a comment line.
    Ping {
        /// Where.
        conn: ConnId,
    },
    /// Write what was sent before, then a close frame, then end the connection. The hub has forgotten it. A peer that
    /// did not offer the extended protocol gets the frame only if it is not to [come back](super::is_retryable_close).
    Close {
        /// Which one.
        conn: ConnId,
        /// The close code (protocol.md §2.5).
        code: u16,
        /// The close reason.
        reason: &'static str,
    },
    /// Ask the shared store. Only a hub that is one node of several does.
    Store(StoreRequest),
    /// Cut the connection without a close frame: nothing was heard from it. The hub has forgotten it.
    Terminate {
        /// Which one.
        conn: ConnId,
    },
}
