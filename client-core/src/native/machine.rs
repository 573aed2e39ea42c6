//! What the driver drives: one of the two sessions, and the text of its frames.

use super::socket_io;
use crate::change::Change;
use crate::event::SendId;
use crate::link::{ConnId, State};
use crate::messages::json::{ServerDecoder, encode_client_into};
use crate::messages::{ClientMessage, ServerMessage};
use crate::name::Name;
use crate::session::{Diagnostics, Input, Output, Session};
use crate::socketio;
use crate::time::{Moment, Timestamp};
use crate::token::Token;

/// A session. Its methods are those of [`Session`].
pub(crate) trait Machine: Send + Unpin + 'static {
    type Codec: Codec;

    /// What the handles ask for, which has no frame in it.
    fn adopt(asked: Input) -> Option<InputOf<Self::Codec>>;
    /// The token of the dial under way, where the protocol has a place of its own for it, so that a dial comes without.
    fn token(&self) -> Option<&Token>;
    fn handle(&mut self, now: Moment, input: InputOf<Self::Codec>);
    fn poll(&mut self) -> Option<OutputOf<Self::Codec>>;
    fn rest(&mut self);
    fn next_deadline(&self) -> Option<Timestamp>;
    fn state(&self) -> State;
    fn diagnostics(&self) -> Diagnostics;
    fn note_changes(&mut self);
    fn take_changes(&mut self) -> Vec<Change<String, Name, SendId>>;
}

/// Text to typed frames and back, for one connection.
pub(crate) trait Codec: Send + Unpin + Sized + 'static {
    type Received;
    type Sent: Unpin;

    /// For another connection.
    fn fresh(&self) -> Self;
    fn text(&mut self, conn: ConnId, text: &str) -> InputOf<Self>;
    fn binary(&mut self, conn: ConnId, bytes: &[u8]) -> InputOf<Self>;
    /// Writes a frame as UTF-8 in the place of what `text` held.
    fn encode(&self, frame: &Self::Sent, text: &mut Vec<u8>);
    /// Whether a frame carries a send, which is to be stored first.
    fn is_send(frame: &Self::Sent) -> bool;
    /// Whether a frame only keeps the connection alive, so that it may overtake others.
    fn is_sign_of_life(frame: &Self::Sent) -> bool;
}

pub(crate) type InputOf<C> = Input<String, Name, <C as Codec>::Received>;
pub(crate) type OutputOf<C> = Output<String, Name, <C as Codec>::Sent>;

/// The frames of our own protocol.
#[derive(Default)]
pub(crate) struct Frames {
    decoder: ServerDecoder,
}

impl Codec for Frames {
    type Received = ServerMessage;
    type Sent = ClientMessage;

    fn fresh(&self) -> Self {
        Self::default()
    }

    fn text(&mut self, conn: ConnId, text: &str) -> Input {
        match self.decoder.decode(text) {
            Ok(message) => Input::Received(conn, message),
            Err(error) => Input::Garbled(conn, error.to_string().into()),
        }
    }

    /// Servers in some languages send their JSON as bytes.
    fn binary(&mut self, conn: ConnId, bytes: &[u8]) -> Input {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.text(conn, text),
            Err(_) => Input::Garbled(conn, "a binary frame that is no text".into()),
        }
    }

    fn encode(&self, frame: &ClientMessage, text: &mut Vec<u8>) {
        encode_client_into(frame, text);
    }

    fn is_send(frame: &ClientMessage) -> bool {
        matches!(frame, ClientMessage::SendMessage { .. })
    }

    fn is_sign_of_life(frame: &ClientMessage) -> bool {
        matches!(frame, ClientMessage::Ping { .. })
    }
}

/// The methods that both sessions have by the same name.
macro_rules! by_the_same_name {
    () => {
        fn handle(&mut self, now: Moment, input: InputOf<Self::Codec>) {
            Self::handle(self, now, input);
        }
        fn poll(&mut self) -> Option<OutputOf<Self::Codec>> {
            Self::poll(self)
        }
        fn rest(&mut self) {
            Self::rest(self);
        }
        fn next_deadline(&self) -> Option<Timestamp> {
            Self::next_deadline(self)
        }
        fn state(&self) -> State {
            Self::state(self)
        }
        fn diagnostics(&self) -> Diagnostics {
            Self::diagnostics(self)
        }
        fn note_changes(&mut self) {
            Self::note_changes(self);
        }
        fn take_changes(&mut self) -> Vec<Change<String, Name, SendId>> {
            Self::take_changes(self)
        }
    };
}

impl Machine for Session {
    type Codec = Frames;

    fn adopt(asked: Input) -> Option<Input> {
        Some(asked)
    }

    fn token(&self) -> Option<&Token> {
        None
    }

    by_the_same_name!();
}

impl Machine for socketio::Session {
    type Codec = socket_io::Packets;

    fn adopt(asked: Input) -> Option<InputOf<Self::Codec>> {
        asked.without_frame()
    }

    fn token(&self) -> Option<&Token> {
        Self::token(self)
    }

    by_the_same_name!();
}
