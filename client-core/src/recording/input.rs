//! An input of a session in a recording.

use super::command::RecordedCommand;
use super::frame::RecordedFrame;
#[cfg(feature = "native")]
use super::redactor::Redactor;
use crate::cause::{DialError, Disconnect};
use crate::link::{ConnId, Hint};
use crate::messages::json::{DecodeError, ServerDecoder};
use crate::persisted::Saved;
#[cfg(feature = "native")]
use crate::persisted::SavedSend;
use crate::session::Input;
use crate::token::{Token, TokenError};
use alloc::boxed::Box;
use alloc::string::String;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RecordedInput {
    Command(RecordedCommand),
    Opened(u64),
    DialFailed(u64, DialError),
    Received(u64, RecordedFrame),
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

impl RecordedInput {
    #[cfg(feature = "native")]
    pub(super) fn new(input: &Input, redactor: &Redactor) -> Self {
        match input {
            Input::Command(command) => Self::Command(RecordedCommand::new(command, redactor)),
            Input::Opened(conn) => Self::Opened(conn.0),
            Input::DialFailed(conn, error) => Self::DialFailed(conn.0, error.clone()),
            Input::Received(conn, frame) => Self::Received(conn.0, RecordedFrame::new(frame, redactor)),
            Input::Malformed(conn, frame) => Self::Malformed(conn.0, redactor.error(&frame.error).into()),
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

    /// `None` where this build has no such input.
    ///
    /// # Errors
    /// When a frame cannot be read.
    pub(super) fn input(self, decoder: &mut ServerDecoder) -> Result<Option<Input>, DecodeError> {
        Ok(Some(match self {
            Self::Command(command) => Input::Command(command.command()),
            Self::Opened(conn) => Input::Opened(ConnId(conn)),
            Self::DialFailed(conn, error) => Input::DialFailed(ConnId(conn), error),
            Self::Received(conn, frame) => Input::Received(ConnId(conn), frame.message(decoder)?),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::recording::output::describe;
    use crate::session::Output;

    #[test]
    fn the_error_of_a_frame_that_cannot_be_read_is_recorded_without_what_it_quotes() {
        let error =
            r#"the message frame is malformed: invalid type: string "private words", expected a number"#;
        let input = Input::Malformed(ConnId(1), error.into());
        let recorded = RecordedInput::new(&input, &Redactor::new(false));
        let told = Event::Malformed { error: error.into(), count: 1, raw: "private words".into() };
        for text in [serde_json::to_string(&recorded).unwrap(), describe(&Output::Event(told))] {
            assert!(text.contains("the message frame is malformed") && !text.contains("private"), "{text}");
        }
        let Ok(Some(Input::Malformed(_, again))) = recorded.input(&mut ServerDecoder::default()) else {
            panic!()
        };
        assert_eq!(again.error.len(), error.len());
    }
}
