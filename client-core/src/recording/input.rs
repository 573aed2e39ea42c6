//! An input of a session in a recording.

use super::command::RecordedCommand;
#[cfg(feature = "native")]
use super::redactor::Redactor;
use crate::cause::{DialError, Disconnect};
use crate::link::{ConnId, Hint};
use crate::persisted::Saved;
#[cfg(feature = "native")]
use crate::persisted::SavedSend;
use crate::session::Input;
use crate::token::{Token, TokenError};
use alloc::boxed::Box;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// `F` is the frame of a server, as it is recorded.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RecordedInput<F> {
    Command(RecordedCommand),
    Opened(u64),
    DialFailed(u64, DialError),
    Received(u64, F),
    Malformed(u64, Box<str>),
    Pong(u64),
    Activity(u64),
    Flushed(u64, u64),
    Closed(u64, Disconnect),
    /// What stands in for the token.
    Token(String),
    NoToken(TokenError),
    Upgraded(u64),
    Hint(Hint),
    Backpressure(bool),
    Restore(Box<Saved>),
    Tick,
}

impl<F> RecordedInput<F> {
    /// `record` gives what a frame is recorded as.
    #[cfg(feature = "native")]
    pub(super) fn new<G>(
        input: &Input<String, crate::name::Name, G>,
        redactor: &Redactor,
        record: impl FnOnce(&G, &Redactor) -> F,
    ) -> Self {
        match input {
            Input::Command(command) => Self::Command(RecordedCommand::new(command, redactor)),
            Input::Opened(conn) => Self::Opened(conn.0),
            Input::DialFailed(conn, error) => Self::DialFailed(conn.0, error.clone()),
            Input::Received(conn, frame) => Self::Received(conn.0, record(frame, redactor)),
            Input::Malformed(conn, error) => Self::Malformed(conn.0, error.error.clone()),
            Input::Pong(conn) => Self::Pong(conn.0),
            Input::Activity(conn) => Self::Activity(conn.0),
            Input::Flushed(conn, through) => Self::Flushed(conn.0, *through),
            Input::Closed(conn, how) => Self::Closed(conn.0, how.clone()),
            Input::Token(Ok(token)) => Self::Token(redactor.token(token)),
            Input::Token(Err(error)) => Self::NoToken(error.clone()),
            #[cfg(feature = "socketio")]
            Input::Upgraded(conn) => Self::Upgraded(conn.0),
            Input::Hint(hint) => Self::Hint(*hint),
            Input::Backpressure(busy) => Self::Backpressure(*busy),
            Input::Restore(saved) => Self::Restore(Box::new(redacted(saved, redactor))),
            Input::Tick => Self::Tick,
        }
    }

    /// `None` where this build has no such input. `read` reads a frame.
    pub(super) fn input<G, E>(
        self,
        read: impl FnOnce(F) -> Result<G, E>,
    ) -> Result<Option<Input<String, crate::name::Name, G>>, E> {
        Ok(Some(match self {
            Self::Command(command) => Input::Command(command.command()),
            Self::Opened(conn) => Input::Opened(ConnId(conn)),
            Self::DialFailed(conn, error) => Input::DialFailed(ConnId(conn), error),
            Self::Received(conn, frame) => Input::Received(ConnId(conn), read(frame)?),
            Self::Malformed(conn, error) => Input::Malformed(ConnId(conn), error.into()),
            Self::Pong(conn) => Input::Pong(ConnId(conn)),
            Self::Activity(conn) => Input::Activity(ConnId(conn)),
            Self::Flushed(conn, through) => Input::Flushed(ConnId(conn), through),
            Self::Closed(conn, how) => Input::Closed(ConnId(conn), how),
            Self::Token(token) => Input::Token(Ok(Token::new(token))),
            Self::NoToken(error) => Input::Token(Err(error)),
            #[cfg(feature = "socketio")]
            Self::Upgraded(conn) => Input::Upgraded(ConnId(conn)),
            #[cfg(not(feature = "socketio"))]
            Self::Upgraded(_) => return Ok(None),
            Self::Hint(hint) => Input::Hint(hint),
            Self::Backpressure(busy) => Input::Backpressure(busy),
            Self::Restore(saved) => Input::Restore(saved),
            Self::Tick => Input::Tick,
        }))
    }
}

/// A stored state without its content. Outcomes are the driver's, and the session does not look at them.
#[cfg(feature = "native")]
fn redacted(saved: &Saved, redactor: &Redactor) -> Saved {
    let mut saved = saved.clone();
    saved.outcomes.clear();
    for SavedSend { content, data, .. } in &mut saved.sends {
        *content = redactor.text(content);
        *data = data.take().map(|data| redactor.json(&data));
    }
    for kept in &mut saved.kept {
        kept.frame = redactor.json(&kept.frame);
    }
    saved
}
