//! Socket.IO (protocol.md §3): the same rooms on servers that speak Socket.IO protocol 5 over Engine.IO 4, which are
//! most Socket.IO servers since 2020.
//!
//! ```text
//! Engine.IO:  0{…} open · 1 close · 2 ping · 3 pong · 4… message         engine.rs
//! Socket.IO:  40{auth} connect · 41 disconnect · 42["event",…] · 43id[…]  packet.rs, attachments.rs
//! the rooms:  join_room, leave_room, send_message · message, user_joined, error, notification
//! ```
//!
//! [`Session`] is a second machine over the same link as [`crate::machine::Session`], and is driven the same way: one
//! [`Input`](crate::machine::Input) in, [`Output`](crate::machine::Output)s out, one deadline, no I/O. Its frames are typed packets
//! ([`ServerPacket`], [`ClientPacket`]). The envelopes around the JSON are read and written here, without any
//! dependency; the JSON itself is the driver's (natively [`json`], feature `json`).
//!
//! Several namespaces over one connection are a [`Manager`]: one session that makes the connection, and others that it
//! carries.
//!
//! # What it promises
//!
//! - A send ends as [`Answered`](crate::DeliveryStatus::Answered) (the server's handler has called its ack; what that
//!   means is the server's business), `failed` (refused by the ack, or never sent) or `unknown`: no answer for ten
//!   seconds, or the connection broke first. Without acks ([`Options::acks`]) it ends as `written`. Nothing is sent
//!   twice. What the server answered comes with the outcome ([`SendReply`](crate::SendReply)).
//! - After a loss the server is asked to recover the session. If it does, rooms are not joined again and what was
//!   missed is delivered; if it does not, they are joined again and each is reported a [`Gap`](crate::Gap) of unknown size.
//!   The notifications of the user are a stream like a room, [`PERSONAL_ROOM`](crate::PERSONAL_ROOM), once one has come
//!   or they have been requested.
//! - An event of the server's that wants an answer gets an empty one, unless it is a custom one and the
//!   application answers ([`Session::manual_acks`]).

mod attachments;
mod engine;
mod events;
#[cfg(feature = "json")]
pub mod json;
mod manager;
mod messages;
mod namespace;
mod offset;
mod outbox;
mod packet;
#[cfg(feature = "json")]
pub mod payload;
mod personal;
mod rooms;
mod session;

pub use crate::link::{EngineTransport, Transports};
pub use attachments::{Assembled, Attachments};
pub use engine::EnginePacket;
pub use events::{EventKind, EventMap, EventMapError, RESERVED_EVENTS};
pub use manager::{MAX_NAMESPACES, Manager, NamespaceOutput, OpenError};
pub use messages::{
    AckText, Answer, ClientEvent, ClientPacket, ConnectError, Connected, Handshake, INVALID_NAMESPACE,
    MAX_PID_CHARS, Resume, ServerEvent, ServerPacket, TrailingArg,
};
pub use namespace::{Namespace, NamespaceError};
pub use packet::{MAIN_NAMESPACE, MAX_ATTACHMENTS, Packet, PacketType};
pub use session::{Options, Session, SocketIoProtocol};

/// Why a frame is no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// Nothing in it.
    #[error("an empty packet")]
    Empty,
    /// The first character is no packet's.
    #[error("a packet of a type that does not exist")]
    UnknownType,
    /// A binary packet that does not say how many attachments follow.
    #[error("a binary packet without a number of attachments")]
    NoAttachments,
    /// More than [`MAX_ATTACHMENTS`].
    #[error("a packet with too many attachments")]
    TooManyAttachments,
    /// More than [`MAX_ATTACHMENTS`], and not so many that they could not be skipped: only this packet is lost.
    #[error("a packet with more than 10 attachments, which was left out")]
    AttachmentsSkipped,
    /// More than 16 MiB of them: only this packet is lost.
    #[error("a packet with attachments of more than 16 MiB, which was left out")]
    AttachmentsTooLarge,
    /// A text came where an attachment had to.
    #[error("a text where an attachment had to come")]
    AttachmentMissing,
    /// The JSON has a place for an attachment that there is not.
    #[error("a place for an attachment that did not come")]
    UnfilledPlaceholder,
    /// An attachment came that belongs to no packet.
    #[error("a binary frame that belongs to no packet")]
    UnexpectedAttachment,
    /// The number of an ack is none.
    #[error("the number of an ack is beyond 2^53")]
    AckId,
}

impl PacketError {
    /// Whether nothing that follows on the connection can be understood.
    pub fn is_fatal(self) -> bool {
        matches!(self, Self::TooManyAttachments | Self::AttachmentMissing | Self::UnexpectedAttachment)
    }
}

#[cfg(test)]
mod tests;
