//! The typed packets of Socket.IO. Their content about rooms is that of [`ServerMessage`]; the driver converts text.

use super::namespace::Namespace;
use crate::id::Id;
use crate::messages::{Code, ServerMessage};
use crate::name::Name;
use crate::token::Token;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// Maximum characters of a session's id that are remembered; a longer one is taken for none.
pub const MAX_PID_CHARS: usize = 128;

/// What the reference server says to a namespace it does not have.
pub const INVALID_NAMESPACE: &str = "Invalid namespace";

/// A frame of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerPacket<P = String, N = Name> {
    /// Engine: the connection's first packet.
    Open(Handshake),
    /// Engine: ping.
    Ping,
    /// Engine: it is about to close.
    Close,
    /// The namespace is connected.
    Connected(Connected),
    /// The namespace does not. The connection stays open and silent.
    ConnectError(ConnectError),
    /// The server disconnects the client from the namespace.
    Disconnected,
    /// An event.
    Event(ServerEvent<P, N>),
    /// The answer to one of ours.
    Ack {
        /// Which.
        id: u64,
        /// The content.
        answer: Box<Answer<P, N>>,
    },
    /// The same, of an answer of which that shows the beginning only, or that has bytes.
    #[cfg(feature = "frames")]
    LongAck {
        /// Which.
        id: u64,
        /// What it says to a message or a join.
        answer: Box<Answer<P, N>>,
        /// All of it: one argument as it is, several as a list; natively bytes as [`Bytes`](crate::Bytes) writes them.
        whole: P,
    },
    /// A packet of another namespace that has been requested on this connection.
    In {
        /// The namespace.
        namespace: Namespace,
        /// What it says there.
        packet: Box<Self>,
    },
    /// Something that is of no use here: of a namespace that nobody has requested, an engine's `noop`.
    Other,
}

/// What the engine says of the connection. A server's claim: the session clamps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// The interval of the server's pings.
    pub ping_interval_ms: u64,
    /// How long the answer may take.
    pub ping_timeout_ms: u64,
    /// Maximum bytes of one message, if it says.
    pub max_payload: Option<u64>,
}

/// The namespace's consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    /// Whether it gave us an id: a server that supports this version does.
    pub has_sid: bool,
    /// The name of a session that can be recovered; none where the server recovers nothing.
    pub pid: Option<Box<str>>,
}

/// Why a namespace does not let a client in: what a middleware gave to `next`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectError {
    /// The message. Hostile text.
    pub message: Box<str>,
    /// The error's `data`, as JSON. Of more than 16 KiB the beginning, as a text.
    pub data: Option<Box<str>>,
}

impl From<&str> for ConnectError {
    fn from(words: &str) -> Self {
        Self { message: words.into(), data: None }
    }
}

/// An event of the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerEvent<P = String, N = Name> {
    /// Where the server wants an answer.
    pub ack: Option<u64>,
    /// The last argument, if it is a text: maybe the place to recover from.
    pub trailing: Option<TrailingArg>,
    /// What happened. Without stamps: a place in a log is not of this protocol.
    pub message: ServerMessage<P, N>,
    /// Of a notification with several arguments its data, and of a custom event its arguments, if the last
    /// of them is the place to recover from.
    pub data_before_trailing: Option<P>,
}

/// An event's last argument, a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailingArg {
    /// The text.
    pub text: Box<str>,
    /// It stands behind an object, where the events of this contract have theirs.
    pub follows_object: bool,
}

/// The result of an ack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<P = String, N = Name> {
    /// It is done.
    Done {
        /// The id the server has given, if it is one.
        id: Option<Id>,
        /// The number the server has given.
        seq: Option<u64>,
        /// Who is in the room that was joined.
        members: Option<Vec<N>>,
        /// The whole answer, as [`SendReply::answer`](crate::SendReply::answer) has it.
        answer: Option<P>,
    },
    /// It is not.
    Refused {
        /// Why, as far as it is a known reason.
        code: Code,
        /// The server reports that the same may be requested again.
        retry: bool,
        /// After how long, if it says.
        retry_after_ms: Option<u64>,
        /// The server's message.
        message: Option<P>,
        /// The whole answer, as [`SendReply::answer`](crate::SendReply::answer) has it.
        answer: Option<P>,
    },
}

/// How an ack is read that is nothing but a text: `callback("world")` is a success in Socket.IO's own documentation, and
/// `callback("Username is taken")` a refusal in many tutorials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AckText {
    /// As a success. The text is in the answer that the application is given.
    #[default]
    Ok,
    /// As a refusal in these words; but for the empty text and words of success such as `ok`.
    Error,
}

/// A frame of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientPacket<P = String, N = Name> {
    /// Engine: pong.
    Pong,
    /// Requests the namespace.
    Connect {
        /// Goes into the `auth` object.
        token: Option<Token>,
        /// What to recover.
        resume: Option<Box<Resume>>,
    },
    /// Leaves the namespace permanently.
    Disconnect,
    /// An event.
    Emit {
        /// Where an answer is wanted.
        ack: Option<u64>,
        /// What.
        event: ClientEvent<P, N>,
    },
    /// The empty answer to an event of the server's.
    Ack {
        /// Which.
        id: u64,
    },
    /// A custom event: natively the JSON list of its name and its arguments.
    #[cfg(feature = "frames")]
    Custom {
        /// Where an answer is wanted.
        ack: Option<u64>,
        /// What.
        event: P,
    },
    /// One that each connection begins with.
    #[cfg(feature = "frames")]
    Kept(P),
    /// The application's answer to an event of the server's.
    #[cfg(feature = "frames")]
    Answer {
        /// Which.
        id: u64,
        /// Its arguments: natively their JSON list.
        arguments: P,
    },
    /// A packet for another namespace. The token of its [`Connect`](ClientPacket::Connect) is natively the JSON of the whole
    /// `auth` object.
    In {
        /// The namespace.
        namespace: Namespace,
        /// What is said there.
        packet: Box<Self>,
    },
}

/// An event of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent<P = String, N = Name> {
    /// `join_room`
    Join {
        /// The room to become a member of.
        room: N,
    },
    /// `leave_room`
    Leave {
        /// The room to leave.
        room: N,
    },
    /// `send_message`
    Send {
        /// Where it goes.
        room: N,
        /// The content.
        content: P,
        /// Any JSON beside the text; natively its text. A field that the contract does not know.
        data: Option<P>,
    },
}

/// Where a lost connection is to be resumed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// The session.
    pub pid: Box<str>,
    /// The last event received in it.
    pub offset: Box<str>,
}
