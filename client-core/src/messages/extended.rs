//! The parts of the extended protocol's frames (protocol.md §2.2).

use super::Message;
use crate::id::Id;
use crate::name::Name;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A request's name for itself; its answer repeats it. Unique on its connection.
pub type Ref = Id;
/// A life of a room's log: it changes whenever messages or dedupe state may have been lost.
pub type Epoch = Id;

/// The largest integer of the wire: 2⁵³ − 1, so that every JSON reader takes it.
pub const MAX_INT: u64 = (1 << 53) - 1;

/// Reads an integer of the wire.
pub(crate) fn int<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(deserializer)?;
    if number > MAX_INT {
        return Err(serde::de::Error::custom("a number beyond 2^53"));
    }
    Ok(number)
}

/// For `deserialize_with`, with `default`: a field that may be missing may be `null`.
pub(crate) fn or_default<'de, T: Default + Deserialize<'de>, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A position in a room's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The log's life.
    pub epoch: Epoch,
    /// The message's number in it, from 1; grows by exactly 1.
    #[serde(deserialize_with = "int")]
    pub seq: u64,
    /// The message's id, by which a forked log is recognised.
    pub id: Id,
}

/// A message's position in its room's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryMeta {
    /// The message's id, unique in the server.
    pub id: Id,
    /// The life of the log.
    pub epoch: Epoch,
    /// The message's number in it.
    pub seq: u64,
    /// Read from the log instead of having just been said.
    pub replay: bool,
    /// Which send of its own user it is; told to that user only.
    pub producer: Option<Box<ProducerSeq>>,
}

impl EntryMeta {
    /// The position alone.
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch.clone(), seq: self.seq, id: self.id.clone() }
    }
}

/// A send's number in its producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerSeq {
    /// The producer.
    pub pid: Id,
    /// The number, from 1.
    pub pseq: u64,
}

/// What a join requests beside membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinRequest {
    /// Comes back in the answer.
    pub reference: Ref,
    /// The last position received.
    pub since: Option<Position>,
    /// The last so many messages, for a first join or when `since` cannot be recovered.
    pub history: Option<u64>,
}

/// What makes a send answerable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendTag {
    /// Comes back in the answer; new for each transmission.
    pub reference: Ref,
    /// What makes it repeatable.
    pub producer: Option<ProducerTag>,
}

/// What makes a send repeatable without being doubled (protocol.md §2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerTag {
    /// The producer.
    pub pid: Id,
    /// The number in the producer, from 1 without gaps. 0 is what is read from a tag that is not whole, so that a server
    /// refuses it instead of taking it for a send that cannot be repeated.
    pub pseq: u64,
    /// The room's epoch at the first transmission.
    pub epoch: Epoch,
}

/// `hello`. What it says is a server's claim: the session clamps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello<N = Name> {
    /// The version of the extended protocol, 1.
    pub v: u64,
    /// Who this connection is.
    pub user_id: N,
    /// The server's wall clock, milliseconds since the Unix epoch.
    #[serde(default, deserialize_with = "or_default")]
    pub server_time: u64,
    /// Silence after which to ping.
    pub heartbeat_ms: u64,
    /// How long the server remembers a producer.
    pub dedupe_window_ms: u64,
    /// What it takes.
    pub limits: Limits,
    /// When to come back after a loss.
    pub reconnect: ReconnectHint,
    /// How long the token is good for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthExpiry>,
}

/// The limits of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Maximum bytes of a frame.
    pub frame_bytes: u64,
    /// Maximum bytes of a message's content and data together.
    pub content_bytes: u64,
    /// Maximum rooms of one connection.
    pub rooms: u64,
    /// Maximum unanswered sends of one connection.
    pub in_flight: u64,
    /// Maximum messages of a replay or a history answer.
    pub replay: u64,
    /// Sends per second; 0: not limited.
    #[serde(default, deserialize_with = "or_default")]
    pub send_per_sec: u64,
}

/// When a herd should come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReconnectHint {
    /// Spread reconnections over this time.
    pub window_ms: u64,
}

/// How long a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthExpiry {
    /// From now.
    pub expires_in_ms: u64,
}

/// `joined`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "N: Deserialize<'de>"))]
pub struct Joined<N = Name> {
    /// The join's.
    #[serde(rename = "ref")]
    pub reference: Ref,
    /// The room.
    #[serde(rename = "roomId")]
    pub room: N,
    /// The log's life.
    pub epoch: Epoch,
    /// The log's head at the join; live messages continue from there.
    #[serde(deserialize_with = "int")]
    pub seq: u64,
    /// How many messages are replayed.
    #[serde(deserialize_with = "int")]
    pub replay: u64,
    /// Whether the replay begins right after `since`.
    pub recovered: bool,
    /// Why it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<JoinReason>,
    /// Who is in the room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<N>>,
    /// How many are, when they are too many to name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_count: Option<u64>,
}

/// Why a join did not continue from `since`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinReason {
    /// There was no `since`.
    Fresh,
    /// The log began anew.
    EpochChanged,
    /// The log has another message at that position.
    Forked,
    /// The log does not go back that far.
    Trimmed,
    /// A reason this version does not know.
    #[serde(other)]
    Other,
}

impl JoinReason {
    /// The reason as the wire writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::EpochChanged => "epoch_changed",
            Self::Forked => "forked",
            Self::Trimmed => "trimmed",
            Self::Other => "other",
        }
    }
}

/// `left`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Left<N = Name> {
    /// The leave's; absent when the server removed the user.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
    /// The room.
    #[serde(rename = "roomId")]
    pub room: N,
    /// Why, when the server removed the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// What that is written as, where it is one of the server's own.
    #[serde(skip)]
    pub server_code: ServerCode,
}

/// A code of the server's own, as it writes it: at most 64 characters. The protocol has none such, and [`Code::Other`] stands
/// for it. Hostile text. Without the feature `json` nothing reads one: the driver of a page keeps it with the frame.
#[cfg(feature = "json")]
pub type ServerCode = Option<Box<str>>;
/// A code of the server's own, which the driver keeps.
#[cfg(not(feature = "json"))]
pub type ServerCode = Option<NoText>;

/// Nothing is of this type: what it stands for is text, and the machine has none.
#[cfg(not(feature = "json"))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoText {}

/// `ack`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack<N = Name> {
    /// The transmission's.
    pub reference: Ref,
    /// The room.
    pub room: N,
    /// The message's id.
    pub id: Id,
    /// The log's life.
    pub epoch: Epoch,
    /// The message's number in it.
    pub seq: u64,
    /// When the server took it, as in the message itself; absent once the log does not hold it any more.
    pub timestamp: Option<Box<str>>,
    /// It had been appended before: this answer is a repetition.
    pub dup: bool,
}

/// `nack`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Nack<P = String> {
    /// The transmission's. Without one it is about the oldest send that is not answered.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
    /// Why.
    pub code: Code,
    /// Whether the number was not consumed: the same send may be made again.
    #[serde(default)]
    pub retry: bool,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// `sequence_gap`: the number the server expects next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<u64>,
    /// It had been refused before: this answer is a repetition.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub dup: bool,
    /// The server's message.
    #[serde(default)]
    pub message: P,
    /// What the code is written as, where it is one of the server's own.
    #[serde(skip)]
    pub server_code: ServerCode,
}

/// The extended part of `error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorDetail<N = Name> {
    /// The request's.
    pub reference: Option<Ref>,
    /// The room it was about.
    pub room: Option<N>,
    /// Why.
    pub code: Code,
    /// Whether it may succeed later.
    pub retry: bool,
    /// When.
    pub retry_after_ms: Option<u64>,
    /// What the code is written as, where it is one of the server's own.
    pub server_code: ServerCode,
}

/// `history`, from the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryRequest<N = Name> {
    /// Comes back in the answer.
    #[serde(rename = "ref")]
    pub reference: Ref,
    /// The room.
    #[serde(rename = "roomId")]
    pub room: N,
    /// The log's life.
    pub epoch: Epoch,
    /// Messages after this one.
    #[serde(deserialize_with = "int")]
    pub after: u64,
    /// At most so many.
    #[serde(deserialize_with = "int")]
    pub limit: u64,
}

/// `history`, from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History<P = String, N = Name> {
    /// The request's.
    pub reference: Ref,
    /// The room.
    pub room: N,
    /// The log's life.
    pub epoch: Epoch,
    /// Ascending, all with a seq greater than requested.
    pub messages: Vec<Message<P, N>>,
    /// Whether none is missing before the first of them.
    pub complete: bool,
}

/// `presence`, from the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "N: Deserialize<'de>"))]
pub struct Presence<N = Name> {
    /// The room.
    #[serde(rename = "roomId")]
    pub room: N,
    /// Who is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<N>>,
    /// How many are, when they are too many to name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_count: Option<u64>,
}

/// `signal`, from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal<P = String, N = Name> {
    /// The room.
    pub room: N,
    /// Who sent it.
    pub user: N,
    /// What kind of thing.
    pub kind: N,
    /// Any JSON; natively its text.
    pub data: Option<P>,
}

/// `auth_ok`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthOk {
    /// The `auth`'s.
    #[serde(rename = "ref")]
    pub reference: Ref,
    /// How long the new token is good for; absent: without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_ms: Option<u64>,
}

/// `going_away`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GoingAway {
    /// Move at a random moment within this time.
    pub window_ms: u64,
    /// Where to, if elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Box<str>>,
}

/// `notification`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification<P = String, N = Name> {
    /// Its position in the user's own stream; none on a server that keeps none.
    pub entry: Option<EntryMeta>,
    /// What kind of thing.
    pub kind: N,
    /// Any JSON; natively its text.
    pub data: Option<P>,
}

/// Why the server refused something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Code {
    /// Too fast. Temporary.
    RateLimited,
    /// The server has too much to do. Temporary.
    Overloaded,
    /// A fault of the server. Temporary.
    Internal,
    /// The connection is no member of the room. Temporary.
    NotJoined,
    /// A number of the producer is missing before this one. Temporary.
    SequenceGap,
    /// Not allowed. Final.
    Forbidden,
    /// Larger than the server takes. Final.
    TooLarge,
    /// Malformed. Final.
    BadRequest,
    /// The server knows nothing (any more) of the producer.
    UnknownProducer,
    /// This connection is in as many rooms as it may be. Final.
    TooManyRooms,
    /// The room has as many members as it may have. Temporary.
    RoomFull,
    /// A code this version does not know.
    Other,
}

impl Code {
    const ALL: [(Self, &'static str); 12] = [
        (Self::RateLimited, "rate_limited"),
        (Self::Overloaded, "overloaded"),
        (Self::Internal, "internal"),
        (Self::NotJoined, "not_joined"),
        (Self::SequenceGap, "sequence_gap"),
        (Self::Forbidden, "forbidden"),
        (Self::TooLarge, "too_large"),
        (Self::BadRequest, "bad_request"),
        (Self::UnknownProducer, "unknown_producer"),
        (Self::TooManyRooms, "too_many_rooms"),
        (Self::RoomFull, "room_full"),
        (Self::Other, "other"),
    ];

    /// The code as the wire writes it.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(code, _)| *code == self).map_or("other", |(_, text)| text)
    }

    /// Whether what a server refuses with it may succeed later as it is. A refusal's `retry` says the same on the wire, and
    /// is what counts there.
    pub fn is_temporary(self) -> bool {
        matches!(
            self,
            Self::RateLimited
                | Self::Overloaded
                | Self::Internal
                | Self::NotJoined
                | Self::SequenceGap
                | Self::RoomFull
        )
    }

    /// The code that the wire writes so; [`Code::Other`] for any other text.
    pub fn from_wire(text: &str) -> Self {
        Self::ALL.iter().find(|(_, known)| *known == text).map_or(Self::Other, |(code, _)| *code)
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CodeVisitor;

        impl serde::de::Visitor<'_> for CodeVisitor {
            type Value = Code;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("a code")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Code, E> {
                Ok(Code::from_wire(text))
            }
        }

        deserializer.deserialize_str(CodeVisitor)
    }
}
