//! The state of a connection as handles see it, and the error of a client that has ended. The driver writes it, nobody else.

use crate::cause::{Cause, CauseCode};
use crate::event::Mode;
use crate::link::State;
use crate::name::Name;
use std::fmt;

/// The connection as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionStatus {
    /// Its state.
    pub state: State,
    /// Why it is not connected, if it is not.
    pub cause: Option<Cause>,
    /// The mode, while connected and ready.
    pub ready: Option<Mode>,
    /// The user that the server takes the token for, as an extended server says.
    pub user: Option<Name>,
}

/// The client has ended: closed, or failed for the reason given, which is its source too.
///
/// Its `Debug` is its `Display`, so that a `main` that returns it ends with words.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct ClosedError {
    /// Why, if it is known.
    #[source]
    pub cause: Option<Cause>,
}

impl fmt::Display for ClosedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Some(cause) if cause.code != CauseCode::Requested => write!(f, "the client has failed: {cause}"),
            _ => f.write_str("the client has been closed"),
        }
    }
}

impl fmt::Debug for ClosedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
