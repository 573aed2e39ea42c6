//! The machines, for those who bring a driver of their own: what goes in, what comes out, and the state that is stored. An
//! application needs none of it; the store of its own that [`ClientBuilder::state_store`](crate::ClientBuilder::state_store)
//! takes needs the types of a stored state.
//!
//! [`Session`] is the one for plain and extended servers, [`socketio::Session`](crate::socketio::Session) the one for
//! Socket.IO, and [`Feed`] reads a room from server-sent events. Frames are in [`messages`](crate::messages), and what the
//! application is told is [`Event`](crate::Event).

#[cfg(feature = "bugs")]
pub use crate::bug::Bug;
pub use crate::cause::Disconnect;
#[cfg(feature = "journal")]
pub use crate::change::Change;
pub use crate::feed::{Feed, FeedInput, FeedOutput};
#[cfg(feature = "journal")]
pub use crate::journal::JournalState;
pub use crate::link::ConnId;
pub use crate::messages::{ClientMessage, ServerMessage};
pub use crate::outbox::{OutboundMessage, Payload};
#[cfg(feature = "frames")]
pub use crate::persisted::SavedFrame;
#[cfg(feature = "journal")]
pub use crate::persisted::digest;
pub use crate::persisted::{
    Saved, SavedOutcome, SavedPosition, SavedProducer, SavedSend, SavedStatus, Transmitted,
};
pub use crate::session::{Command, Input, Output, Session};
pub use crate::time::ClockReading;
pub use crate::token::Credentials;
