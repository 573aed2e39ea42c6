//! What survives the end of a process: the sends on their way and the committed positions (protocol.md §2.3, §2.4).

use crate::id::Id;
use crate::messages::{Epoch, Position};
use crate::name::Name;
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
    /// Whose it is, once a server has said so.
    pub user: Option<N>,
    /// The server has spoken the extended protocol.
    pub extended: bool,
    /// The server's reconnect window.
    pub window_ms: u64,
    /// How long the server remembers a line.
    pub dedupe_window_ms: u64,
    /// The committed positions.
    pub positions: Vec<SavedPosition<N>>,
    /// The lines that have unanswered sends.
    pub lines: Vec<SavedLine<N>>,
    /// The sends without an outcome, in their order.
    pub sends: Vec<SavedSend<P, N>>,
}

/// A state with nothing in it.
impl<P, N> Default for Saved<P, N> {
    fn default() -> Self {
        Self {
            user: None,
            extended: false,
            window_ms: 0,
            dedupe_window_ms: 0,
            positions: Vec::new(),
            lines: Vec::new(),
            sends: Vec::new(),
        }
    }
}

/// A committed position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedPosition<N = Name> {
    /// The room.
    pub room: N,
    /// Where the application is in it.
    pub position: Position,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedLine<N = Name> {
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
    /// Where it goes.
    pub room: N,
    /// What it says.
    pub content: P,
    /// What it says beside the text.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub data: Option<P>,
    /// The caller's own name for it.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Box<str>>,
    /// Its number, if it has been transmitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transmitted: Option<Transmitted>,
}

fn none<T>() -> Option<T> {
    None
}

/// How a send was transmitted for the first time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transmitted {
    /// The producer.
    pub pid: Id,
    /// The number in the line.
    pub pseq: u64,
    /// The room's epoch then.
    pub epoch: Epoch,
    /// When.
    pub at_ms: u64,
}
