//! The machine as a browser will drive it: names are handles and contents pass through unread, so that no text
//! crosses into wasm (performance.md, "a page's bytes").
//!
//! There is no driver here yet. What is fixed, and tested, is that the machine runs with these types and without
//! `std`, a JSON reader or a clock.
#![no_std]

use rejoin::{Payload, Session};

/// A room or a user: its number in the page's own table of names.
pub type Handle = u32;

/// A value that stays on the page's side: its number there, and how many bytes it is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value {
    /// Its number in the page's table of values.
    pub handle: u32,
    /// Its size in UTF-8, in bytes.
    pub bytes: u32,
}

impl Payload for Value {
    fn weight(&self) -> usize {
        usize::try_from(self.bytes).unwrap_or(usize::MAX)
    }
}

/// The machine in the browser's types.
pub type PageSession = Session<Value, Handle>;

#[cfg(test)]
mod tests {
    extern crate alloc;

    use super::*;
    use alloc::vec::Vec;
    use rejoin::{
        ClientMessage, Command, Config, ConnId, Event, Input, Message, Moment, Output, ServerMessage,
    };

    #[test]
    fn the_machine_runs_on_handles_and_never_sees_a_text() {
        let mut session = PageSession::new(Config::default(), 1);
        let now = Moment::default();
        session.handle(now, Input::Command(Command::Join(7.into())));
        session.handle(now, Input::Command(Command::Connect));
        session.handle(now, Input::Opened(ConnId(1)));
        let value = |handle| Value { handle, bytes: 5 };
        let message = Message::plain(7, 8, value(3), value(4));
        session.handle(now, Input::Received(ConnId(1), ServerMessage::Message(message.clone())));
        let outputs: Vec<_> = core::iter::from_fn(|| session.poll()).collect();
        let joined = |output: &_| {
            matches!(output, Output::Send { message: ClientMessage::JoinRoom { room: 7, .. }, .. })
        };
        assert!(outputs.iter().any(joined));
        assert_eq!(outputs.last(), Some(&Output::Event(Event::Message(message))));
    }
}
