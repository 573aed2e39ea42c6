//! The stored form of a session's state: unresolved sends and committed positions (protocol.md §2.3, §2.4).

use crate::event::{DeliveryStatus, SendFailure, SendReply};
use crate::id::Id;
use crate::messages::{Epoch, Position};
use crate::name::Name;
#[cfg(feature = "journal")]
use crate::outbound::OutboundMessage;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The state of a session that is worth keeping. It belongs to one URL and one user.
///
/// Times are of the wall clock, in milliseconds since the Unix epoch: the monotonic clock of another run means
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "P: Deserialize<'de>, N: Deserialize<'de>"))]
pub struct Saved<P = String, N = Name> {
    /// Whose it is, once a server has announced it.
    pub user: Option<N>,
    /// The server has used the extended protocol.
    pub extended: bool,
    /// There has been a connection: the address is right.
    #[serde(default, skip_serializing_if = "is_false")]
    pub worked: bool,
    /// The server's reconnect window.
    pub window_ms: u64,
    /// How long the server remembers a producer.
    pub dedupe_window_ms: u64,
    /// The committed positions.
    pub positions: Vec<SavedPosition<N>>,
    /// The producer that have unanswered sends.
    #[serde(rename = "lines")]
    pub producers: Vec<SavedProducer<N>>,
    /// The sends without an outcome, in their order.
    pub sends: Vec<SavedSend<P, N>>,
    /// Outcomes, the oldest first: those that the application has not processed, and those that it may request again by
    /// their reference. A session leaves them to its driver.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<SavedOutcome<P, N>>,
    /// The frames that each connection begins with, in their order.
    #[cfg(feature = "frames")]
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<SavedFrame<P, N>>,
}

/// A state with nothing in it.
impl<P, N> Default for Saved<P, N> {
    fn default() -> Self {
        Self {
            user: None,
            extended: false,
            worked: false,
            window_ms: 0,
            dedupe_window_ms: 0,
            positions: Vec::new(),
            producers: Vec::new(),
            sends: Vec::new(),
            outcomes: Vec::new(),
            #[cfg(feature = "frames")]
            kept: Vec::new(),
        }
    }
}

/// A custom frame that each connection begins with.
#[cfg(feature = "frames")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedFrame<P = String, N = Name> {
    /// What it is kept under.
    pub key: N,
    /// Its JSON.
    pub frame: P,
}

/// A committed position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedPosition<N = Name> {
    /// The room.
    pub room: N,
    /// Where the application is in it.
    pub position: Position,
}

/// A producer: the numbered sequence of sends to one room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedProducer<N = Name> {
    /// The room it leads to.
    pub room: N,
    /// The producer.
    pub pid: Id,
    /// The number of the next send.
    pub next_pseq: u64,
}

/// A send without an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedSend<P = String, N = Name> {
    /// Its number in the store; 0: it has none yet.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub number: u64,
    /// Where it goes.
    pub room: N,
    /// The content.
    pub content: P,
    /// The structured data beside the text.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub data: Option<P>,
    /// The caller's own name for it.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Box<str>>,
    /// Its number, if it has been transmitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transmitted: Option<Transmitted>,
}

#[cfg(feature = "journal")]
impl<P: Clone, N: Clone> SavedSend<P, N> {
    /// A send that has not been transmitted.
    pub(crate) fn waiting(send: &OutboundMessage<P, N>) -> Self {
        let OutboundMessage { room, content, data, reference, .. } = send.clone();
        Self { number: 0, room, content, data, reference, transmitted: None }
    }
}

fn none<T>() -> Option<T> {
    None
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What a send says, as a number: enough to tell two apart that have the same reference by mistake.
#[cfg(feature = "journal")]
pub fn digest<P: crate::machine::Payload>(content: &P, data: Option<&P>) -> u64 {
    // A text without data is none with empty data.
    content.digest().rotate_left(1) ^ data.map_or(0, |data| data.digest().rotate_left(17) | 1)
}

/// The outcome of a send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "P: Deserialize<'de>, N: Deserialize<'de>"))]
pub struct SavedOutcome<P = String, N = Name> {
    /// The number that the send had in the store.
    pub number: u64,
    /// Whose it is, if it is not the state's [`user`](Saved::user)'s.
    #[cfg(feature = "journal")]
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub user: Option<N>,
    /// Where it was to go.
    pub room: N,
    /// The caller's own name for it.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Box<str>>,
    /// What it said, as a number ([`digest`]); of those with a reference.
    #[cfg(feature = "journal")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<u64>,
    /// The outcome of it.
    pub status: SavedStatus,
    /// Socket.IO: what the server's handler answered, as far as that is kept: the last 256 answers, and of them those of up
    /// to 4 KiB.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub reply: Option<Box<SendReply<P>>>,
    /// The application has processed it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub confirmed: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// A [`DeliveryStatus`] as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SavedStatus {
    /// The operating system took every byte.
    Written,
    /// It is in the room's log: its id and its number there.
    Acked(Id, u64),
    /// Socket.IO: the server's handler has answered, with an id and a number if it has them.
    Answered(Option<Id>, Option<u64>),
    /// It arrived, or it did not.
    Unknown,
    /// Certainly not sent, for the reason with this code.
    Failed(Box<str>),
}

impl From<DeliveryStatus> for SavedStatus {
    fn from(status: DeliveryStatus) -> Self {
        match status {
            DeliveryStatus::Written => Self::Written,
            DeliveryStatus::Acked { id, seq } => Self::Acked(id, seq),
            DeliveryStatus::Answered { id, seq } => Self::Answered(id, seq),
            DeliveryStatus::Unknown => Self::Unknown,
            DeliveryStatus::Failed(why) => Self::Failed(why.as_str().into()),
        }
    }
}

impl From<SavedStatus> for DeliveryStatus {
    fn from(status: SavedStatus) -> Self {
        match status {
            SavedStatus::Written => Self::Written,
            SavedStatus::Acked(id, seq) => Self::Acked { id, seq },
            SavedStatus::Answered(id, seq) => Self::Answered { id, seq },
            SavedStatus::Unknown => Self::Unknown,
            SavedStatus::Failed(code) => Self::Failed(SendFailure::from_code(&code)),
        }
    }
}

/// How a send was transmitted for the first time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transmitted {
    /// The producer.
    pub pid: Id,
    /// The number in the producer.
    pub pseq: u64,
    /// The room's epoch then.
    pub epoch: Epoch,
    /// When.
    pub at_ms: u64,
}
