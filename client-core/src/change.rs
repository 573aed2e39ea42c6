//! The single changes of a stored state.

use crate::event::{DeliveryStatus, SendReply};
use crate::name::Name;
use crate::persisted::{Saved, SavedPosition, SavedSend, Transmitted};
use alloc::boxed::Box;
use alloc::string::String;

/// One change of the state that a store keeps. `K` names the send it is about: a session knows its [`SendId`](crate::SendId), a store
/// the number that a [`JournalState`](crate::machine::JournalState) gave it, which holds over restarts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change<P = String, N = Name, K = u64> {
    /// There is one more send, or one that was handed over waits again because it was refused for certain.
    Added {
        /// Which one.
        key: K,
        /// What it is.
        send: SavedSend<P, N>,
    },
    /// A send has been numbered for the first time, or anew.
    Transmitted {
        /// Which one.
        key: K,
        /// Under which number.
        transmitted: Transmitted,
    },
    /// A send that was numbered has certainly not been taken, and waits again.
    Requeued {
        /// Which one.
        key: K,
    },
    /// A send has been given to a connection that cannot tell a repetition: it is never sent again.
    SentOnce {
        /// Which one.
        key: K,
    },
    /// A send has its outcome.
    Resolved {
        /// Which one.
        key: K,
        /// The outcome of it.
        status: DeliveryStatus,
    },
    /// Socket.IO: the outcome of a send came with this answer.
    Replied {
        /// Which one.
        key: K,
        /// What the server's handler answered.
        reply: Box<SendReply<P>>,
    },
    /// The application has processed the outcome of a send.
    Confirmed {
        /// Which one.
        key: K,
    },
    /// Nothing that was numbered in this room is transmitted again.
    ProducerEnded {
        /// The room.
        room: N,
    },
    /// The application has processed everything in a room up to here.
    Committed(SavedPosition<N>),
    /// The position in a room means nothing any more.
    PositionCleared {
        /// The room.
        room: N,
    },
    /// All positions mean nothing any more, and the outcomes so far are the earlier user's: another one is here, whom the next
    /// [`Server`](Change::Server) names.
    UserChanged,
    /// What is known of the server.
    Server {
        /// The user it has let in.
        user: Option<N>,
        /// It supports the extended protocol.
        extended: bool,
        /// There has been a connection.
        worked: bool,
        /// Its reconnect window.
        window_ms: u64,
        /// How long it remembers a producer.
        dedupe_window_ms: u64,
    },
    /// The wall clock was set back by so much: what was transmitted before is older than it says.
    ClockSetBack {
        /// By how much.
        ms: u64,
    },
    /// Each connection begins with this frame, instead of the one that was kept under its key.
    #[cfg(feature = "frames")]
    Kept {
        /// What it is kept under.
        key: N,
        /// Its JSON.
        frame: P,
    },
    /// No connection begins with the frame with this key any more.
    #[cfg(feature = "frames")]
    KeptDropped {
        /// What it was kept under.
        key: N,
    },
    /// Everything but the outcomes is as it is here.
    Replaced(Box<Saved<P, N>>),
}

impl<P, N, K> Change<P, N, K> {
    /// The same with the send named otherwise; `None` if it has no other name.
    pub(crate) fn with_key<L>(self, name: impl FnOnce(K) -> Option<L>) -> Option<Change<P, N, L>> {
        Some(match self {
            Self::Added { key, send } => Change::Added { key: name(key)?, send },
            Self::Transmitted { key, transmitted } => Change::Transmitted { key: name(key)?, transmitted },
            Self::Requeued { key } => Change::Requeued { key: name(key)? },
            Self::SentOnce { key } => Change::SentOnce { key: name(key)? },
            Self::Resolved { key, status } => Change::Resolved { key: name(key)?, status },
            Self::Replied { key, reply } => Change::Replied { key: name(key)?, reply },
            Self::Confirmed { key } => Change::Confirmed { key: name(key)? },
            Self::ProducerEnded { room } => Change::ProducerEnded { room },
            Self::Committed(position) => Change::Committed(position),
            Self::PositionCleared { room } => Change::PositionCleared { room },
            Self::UserChanged => Change::UserChanged,
            Self::Server { user, extended, worked, window_ms, dedupe_window_ms } => {
                Change::Server { user, extended, worked, window_ms, dedupe_window_ms }
            }
            Self::ClockSetBack { ms } => Change::ClockSetBack { ms },
            #[cfg(feature = "frames")]
            Self::Kept { key, frame } => Change::Kept { key, frame },
            #[cfg(feature = "frames")]
            Self::KeptDropped { key } => Change::KeptDropped { key },
            Self::Replaced(saved) => Change::Replaced(saved),
        })
    }
}
