//! The errors of the builders: bad arguments, and an environment in which nothing can run.

use crate::name::RoomNameError;
use crate::native::connect::{EndpointError, HeaderError, TlsError};
use crate::native::store::StateError;
use std::time::Duration;

/// Why a client could not be made. Nothing has been dialled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A URL is no address of a room server.
    #[error(transparent)]
    Url(#[from] EndpointError),
    /// A room name is none.
    #[error("\"{room}\" is no room name: {source}")]
    Room {
        /// The name, made printable.
        room: String,
        /// What is wrong with it.
        source: RoomNameError,
    },
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A header cannot be sent.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A token would go into the `Authorization` header, which a header of the application's or a user name in the URL
    /// already takes.
    #[error("the Authorization header cannot carry the token too: put the token into the URL's query")]
    Authorization,
    /// A subprotocol's name has characters that it cannot have, or is there twice.
    #[error("a subprotocol's name is letters, digits and signs like - and ., each given once")]
    Subprotocol,
    /// The limit of a dial is out of range.
    #[error("the limit for connecting is {0:?}: it must be from 100 ms to 1 h")]
    ConnectTimeout(Duration),
    /// The operating system gave no randomness for the seed.
    #[error("the operating system gave no randomness: {0}")]
    Randomness(String),
    /// The stored state cannot be resumed from.
    #[error(transparent)]
    State(#[from] StateError),
    /// Something that no recording can have.
    #[error("{0} cannot be recorded")]
    Recording(&'static str),
    /// Called outside a tokio runtime.
    #[error("there is no tokio runtime here: call connect() from inside one")]
    NoRuntime,
    /// The tokio runtime has no timers or no I/O.
    #[error("this tokio runtime has no {0}: build it with enable_all()")]
    RuntimeWithout(&'static str),
}

impl BuildError {
    /// The error of a room's name, which is made printable.
    pub(crate) fn bad_room(room: &str, source: RoomNameError) -> Self {
        Self::Room { room: room.chars().take(64).flat_map(char::escape_debug).collect(), source }
    }
}
