//! The typed messages of the wire (protocol.md §1), shared with the server.
//!
//! They are generic over the payload `P` (what an application wrote: a `String` natively, a handle to the
//! browser's own value in wasm) and the name type `N`, so that the machine that moves them never touches text.
//! Text ↔ typed is the driver's job; [`json`] does it with `serde_json` (feature `json`).

#[cfg(feature = "json")]
pub mod json;

use crate::name::Name;
use alloc::string::String;

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientMessage<P = String, N = Name> {
    /// `join_room`
    JoinRoom {
        /// The room to become a member of.
        room: N,
    },
    /// `leave_room`
    LeaveRoom {
        /// The room to leave.
        room: N,
    },
    /// `send_message`
    SendMessage {
        /// Where it goes.
        room: N,
        /// What it says.
        content: P,
    },
}

/// What a server says.
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
        /// What the server says about it.
        message: P,
    },
    /// A `type` this version does not know; tolerated and counted.
    Unknown,
}

/// One message in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<P = String, N = Name> {
    /// The room it was said in.
    pub room: N,
    /// Who said it.
    pub user: N,
    /// What was said.
    pub content: P,
    /// When the server took it, as the server wrote it (UTC with milliseconds and `Z` by the contract).
    pub timestamp: P,
}
