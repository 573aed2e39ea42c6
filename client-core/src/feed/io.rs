//! The inputs and outputs of a feed.

use crate::cause::{DialError, Disconnect};
use crate::link::{ConnId, Hint, LinkConfig, StateChange};
use crate::liveness::LivenessConfig;
use crate::messages::Gap;
use crate::messages::Message;
use crate::name::Name;
use crate::token::{Token, TokenError};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::time::Duration;

/// The choices of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FeedConfig {
    /// The connection. Its `liveness` is that of a stream: it cannot be asked, and is dead after a silence of 40 s.
    pub link: LinkConfig,
    /// Go on behind the event with this id: what [`FeedOutput::Event`] said beside the last event that was processed,
    /// maybe in another process. `None`: with what is said from now on, or with `history`.
    pub since: Option<Box<str>>,
    /// Begin with the last so many messages, where there is nothing to continue from.
    pub history: Option<u64>,
}

/// The server sends something every 15 s, if only a comment: two of them are missing, and as long as a pong may take.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2 * 15 + 10);

impl Default for FeedConfig {
    fn default() -> Self {
        let liveness =
            LivenessConfig { can_ping: false, idle_timeout: Some(IDLE_TIMEOUT), ..LivenessConfig::default() };
        Self { link: LinkConfig { liveness, ..LinkConfig::default() }, since: None, history: None }
    }
}

/// Everything that can happen to a feed.
#[derive(Debug)]
#[non_exhaustive]
pub enum FeedInput<P = String, N = Name> {
    /// Connect, or leave `failed` and `closed` and start anew.
    Connect,
    /// Replace the connection by a fresh one.
    Reconnect,
    /// End.
    Close,
    /// Use another token from the next dial on; leaves `failed`.
    SetToken(Token),
    /// What the token source answered to [`FeedOutput::FetchToken`].
    Token(Result<Token, TokenError>),
    /// The answer has begun: HTTP 200 and `text/event-stream`.
    Opened(ConnId),
    /// The dial failed, or the answer was another one. HTTP 204 ends the feed for ever.
    DialFailed(ConnId, DialError),
    /// Bytes came in, whatever they are.
    Activity(ConnId),
    /// Something complete was in them.
    Received(ConnId, FeedItem<P, N>),
    /// The stream ended.
    Closed(ConnId, Disconnect),
    /// The application takes nothing now and the stream is not read, or it is read again. A silence that this side
    /// makes is not the server's.
    Backpressure(bool),
    /// A hint of the platform.
    Hint(Hint),
    /// [`Feed::next_deadline`](super::Feed::next_deadline) has come.
    Tick,
}

/// What a stream holds, read by the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedItem<P = String, N = Name> {
    /// A message.
    Message {
        /// Its event's own id.
        id: Option<Box<str>>,
        /// What it says. Room and position are the feed's to say.
        message: Message<P, N>,
    },
    /// An event `gap`: something is missing before the next message.
    Gap {
        /// Its event's own id.
        id: Option<Box<str>>,
        /// What is missing.
        gap: Gap<N>,
    },
    /// An event that is neither a message of the contract nor a gap.
    Event {
        /// Its own id.
        id: Option<Box<str>>,
        /// Its name; `message` where the server names none.
        name: N,
        /// Its data.
        data: P,
        /// Why it is no message or no gap, where its name says that it is one.
        error: Option<Box<str>>,
    },
    /// An id without an event.
    Id(Box<str>),
    /// `retry:`, how long to wait before coming back.
    Retry(Duration),
    /// An event larger than the bound, which the driver has dropped.
    Oversized {
        /// What is wrong with it.
        error: Box<str>,
    },
}

/// What the driver is to do.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedOutput<P = String, N = Name> {
    /// Call the token source; report [`FeedInput::Token`]. Replaces a call under way.
    FetchToken {
        /// The server refused the last token.
        rejected: bool,
    },
    /// Request the stream; answer with [`FeedInput::Opened`] or [`FeedInput::DialFailed`]. The deadline is the feed's.
    Dial {
        /// The number of the dial and of its stream.
        conn: ConnId,
        /// Attempts since the count was reset.
        attempt: u32,
        /// What to authorise with.
        token: Option<Token>,
        /// For `Last-Event-ID`.
        last_event_id: Option<Arc<str>>,
        /// For `?history=`.
        history: Option<u64>,
    },
    /// Drop the stream or the dial. Nothing of it counts any more.
    Abort {
        /// Which.
        conn: ConnId,
    },
    /// Give an event to the application.
    Event {
        /// What.
        event: FeedEvent<P, N>,
        /// What to continue from when this has been processed.
        last_event_id: Option<Arc<str>>,
    },
}

/// The events of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedEvent<P = String, N = Name> {
    /// The connection's state changed.
    State(StateChange),
    /// The server has announced where it begins: there is a position to continue from, before any message has come.
    Started,
    /// A message in the room.
    Message(Message<P, N>),
    /// An event that is no message of the contract: of another name, or with data of another shape. Nothing is missing.
    Event {
        /// Its name; `message` where the server names none. Hostile text.
        name: N,
        /// Its data as the server wrote it: lines with a line feed between them, maybe empty. Hostile text.
        data: P,
        /// Its own id, if it has one. Hostile text.
        id: Option<Box<str>>,
    },
    /// Messages of the room were missed. Comes before any later message.
    Gap(Gap<N>),
    /// An event was left out: it is larger than the limit, or damaged, on a server whose ids show that it speaks the
    /// contract.
    Malformed {
        /// What is wrong with it.
        error: Box<str>,
    },
}
