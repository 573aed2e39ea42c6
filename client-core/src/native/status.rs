//! The state of a connection as handles see it, and the error of a client that has ended. The driver writes it, nobody else.

use crate::cause::{Cause, CauseCode};
use crate::event::Mode;
use crate::link::{State, StateChange};
use crate::name::Name;
use crate::time::Timestamp;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

impl ConnectionStatus {
    pub(crate) fn connecting() -> Self {
        Self { state: State::Connecting, cause: None, ready: None, user: None }
    }
}

/// A change of state that has happened: see [`Client::transitions`](crate::Client::transitions).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transition {
    /// When, on the client's clock ([`Client::now`](crate::Client::now)).
    pub at: Timestamp,
    /// The state since then, and what led to it. While the next attempt is waited for, the state says when it begins.
    pub change: StateChange,
}

/// Changes of state that are kept.
const MOST_TRANSITIONS: usize = 16;

/// The last changes of state. A clone is the same list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Transitions(Arc<Mutex<VecDeque<Transition>>>);

impl Transitions {
    pub(crate) fn push(&self, at: Timestamp, change: StateChange) {
        let mut list = self.lock();
        if list.len() >= MOST_TRANSITIONS {
            list.pop_front();
        }
        list.push_back(Transition { at, change });
    }

    pub(crate) fn list(&self) -> Vec<Transition> {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Transition>> {
        // Nothing in here is left half-done by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
