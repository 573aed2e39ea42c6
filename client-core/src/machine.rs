//! The state machines for other drivers: their inputs, outputs and stored state. An application does not need them; an
//! own store for [`ClientBuilder::state_store`](crate::ClientBuilder::state_store) needs the types of a stored state.
//!
//! [`Session`] is the one for plain and extended servers, [`socketio::Session`](crate::socketio::Session) the one for
//! Socket.IO (both are a [`ProtocolSession`], whose methods they share), and [`Feed`] reads a room from server-sent events. Frames are in [`messages`](crate::messages), and what the
//! application is reported is [`Event`](crate::Event).

pub use crate::cause::Disconnect;
#[cfg(feature = "journal")]
pub use crate::change::Change;
pub use crate::feed::{Feed, FeedInput, FeedOutput};
#[cfg(feature = "journal")]
pub use crate::journal::JournalState;
pub use crate::link::ConnId;
pub use crate::malformed_frames::MalformedFrame;
pub use crate::messages::{ClientMessage, ServerMessage};
#[cfg(feature = "bugs")]
pub use crate::mutation::Mutation;
pub use crate::outbound::OutboundMessage;
pub use crate::payload::Payload;
#[cfg(feature = "frames")]
pub use crate::persisted::SavedFrame;
#[cfg(feature = "journal")]
pub use crate::persisted::digest;
pub use crate::persisted::{
    Saved, SavedOutcome, SavedPosition, SavedProducer, SavedSend, SavedStatus, Transmitted,
};
pub use crate::session::{Command, Input, Output, ProtocolSession, ProtocolTypes, RejoinProtocol, Session};
pub use crate::time::ClockReading;
pub use crate::token::Credentials;
