//! The traits by which a driver uses a session, and the codec of its frames. Decides nothing.

use super::requests::Requests;
#[cfg(feature = "socketio")]
use super::socket_io;
use crate::change::Change;
use crate::event::{Mode, RoomState, SendId};
use crate::link::{ConnId, State};
use crate::messages::Frame;
use crate::messages::json::{DecodeError, ServerDecoder, encode_client_into, own_frame};
use crate::messages::{ClientMessage, ServerMessage};
use crate::name::Name;
use crate::session::{Diagnostics, Input, Output, Session};
#[cfg(feature = "socketio")]
use crate::socketio;
use crate::time::{ClockReading, Timestamp};
use crate::token::Token;
use std::sync::Arc;

/// What handles look at in a session. The methods are those of [`Session`].
pub(crate) trait ObservedSession {
    fn state(&self) -> State;
    fn mode(&self) -> Option<Mode>;
    fn is_ready(&self) -> bool;
    fn user(&self) -> Option<&Name>;
    /// Of a wanted room: `Joining` or `Joined`.
    fn room_state(&self, room: &Name) -> Option<RoomState>;
    /// Whether it is so with every wanted room.
    fn all_rooms(&self, is_so: impl Fn(&Name, RoomState) -> bool) -> bool;
    fn members(&self, room: &Name) -> Option<Vec<Name>>;
    /// The number of the last send taken.
    fn last_send(&self) -> u64;
    /// Whether a send up to that number has no outcome.
    fn has_open_sends(&self, through: u64) -> bool;
    fn diagnostics(&self) -> Diagnostics;
}

/// A machine. The methods are those of [`Session`].
pub(crate) trait DrivenSession: ObservedSession + Send + Unpin + 'static {
    type Codec: Codec;

    /// What the handles request, which has no frame in it.
    fn convert(asked: Input) -> Option<InputOf<Self::Codec>>;
    /// The token of the dial under way, where the protocol has a place of its own for it, so that a dial comes without.
    fn token(&self) -> Option<&Token>;
    fn handle(&mut self, now: ClockReading, input: InputOf<Self::Codec>);
    fn poll(&mut self) -> Option<OutputOf<Self::Codec>>;
    fn shrink_to_fit(&mut self);
    fn next_deadline(&self) -> Option<Timestamp>;
    fn track_changes(&mut self);
    fn take_changes(&mut self) -> Vec<Change<String, Name, SendId>>;

    /// The machine of several namespaces, where it is one.
    #[cfg(feature = "socketio")]
    fn manager(&mut self) -> Option<&mut socketio::Manager> {
        None
    }
}

/// Text to typed frames and back, for one connection.
pub(crate) trait Codec: Send + Unpin + Sized + 'static {
    type Received;
    type Sent: Unpin;

    /// For another connection.
    fn for_connection(&self) -> Self;
    fn text(&mut self, conn: ConnId, text: &str) -> InputOf<Self>;
    fn binary(&mut self, conn: ConnId, bytes: &[u8]) -> InputOf<Self>;
    /// Writes a frame as UTF-8 instead of what `text` held. Returns the binary frames that follow it.
    fn encode(&mut self, frame: &Self::Sent, text: &mut Vec<u8>) -> Vec<Vec<u8>>;
    /// Whether a frame carries a send, which is to be stored first.
    fn is_send(frame: &Self::Sent) -> bool;
    /// Whether a frame only keeps the connection alive, so that it may overtake others.
    fn is_keep_alive(frame: &Self::Sent) -> bool;
}

pub(crate) type InputOf<C> = Input<String, Name, <C as Codec>::Received>;
pub(crate) type OutputOf<C> = Output<String, Name, <C as Codec>::Sent>;

/// The first bytes that the engine of a Socket.IO server says.
const ENGINE_OPENING: &str = "0{\"sid\":";
/// The `error` of [`Event::Malformed`](crate::Event::Malformed) for the opening of a Socket.IO server's engine: the address is
/// one of Socket.IO.
pub const SOCKET_IO_DETECTED: &str = "the opening of Socket.IO: that is what this address speaks";

/// The frames of our own protocol.
pub(crate) struct FrameCodec {
    decoder: ServerDecoder,
    /// What is not of the protocol is the application's own.
    own: bool,
    requests: Option<Arc<Requests>>,
}

impl FrameCodec {
    pub(crate) fn new(own: bool, requests: Option<Arc<Requests>>) -> Self {
        Self { decoder: ServerDecoder::default(), own, requests }
    }

    /// A text that is not of the protocol.
    fn other(&self, conn: ConnId, text: &str) -> Option<Input> {
        if !self.own && self.requests.is_none() {
            return None;
        }
        let mut frame = own_frame(text)?;
        if let Some(requests) = &self.requests {
            let Some(back) = requests.take(frame) else { return Some(Input::Activity(conn)) };
            frame = back;
        }
        self.own.then_some(Input::Received(conn, ServerMessage::Custom(frame)))
    }
}

impl Codec for FrameCodec {
    type Received = ServerMessage;
    type Sent = ClientMessage;

    fn for_connection(&self) -> Self {
        Self::new(self.own, self.requests.clone())
    }

    fn text(&mut self, conn: ConnId, text: &str) -> Input {
        let decoded = self.decoder.decode(text);
        if matches!(decoded, Ok(ServerMessage::Unknown) | Err(DecodeError::NoType))
            && let Some(input) = self.other(conn, text)
        {
            return input;
        }
        match decoded {
            Ok(message) => Input::Received(conn, message),
            Err(_) if text.starts_with(ENGINE_OPENING) => Input::Malformed(conn, SOCKET_IO_DETECTED.into()),
            Err(error) => Input::Malformed(conn, error.to_string().into()),
        }
    }

    /// Servers in some languages send their JSON as bytes.
    fn binary(&mut self, conn: ConnId, bytes: &[u8]) -> Input {
        let input = match std::str::from_utf8(bytes) {
            Ok(text) => self.text(conn, text),
            Err(_) if self.own => return own_bytes(conn, bytes),
            Err(_) => Input::Malformed(conn, "a binary frame that is no text".into()),
        };
        match input {
            // Text that is no frame of any kind, or JSON without a type, which a number in bytes may look like.
            Input::Malformed(..) if self.own && !is_json(bytes) => own_bytes(conn, bytes),
            Input::Received(_, ServerMessage::Custom(frame)) if frame.kind().is_none() => {
                own_bytes(conn, bytes)
            }
            input => input,
        }
    }

    fn encode(&mut self, frame: &ClientMessage, text: &mut Vec<u8>) -> Vec<Vec<u8>> {
        encode_client_into(frame, text);
        Vec::new()
    }

    fn is_send(frame: &ClientMessage) -> bool {
        matches!(frame, ClientMessage::SendMessage { .. } | ClientMessage::Custom(_))
    }

    fn is_keep_alive(frame: &ClientMessage) -> bool {
        matches!(frame, ClientMessage::Ping { .. })
    }
}

fn own_bytes(conn: ConnId, bytes: &[u8]) -> Input {
    Input::Received(conn, ServerMessage::Custom(Frame::binary(bytes.to_vec())))
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

/// The methods that a session has by the same name.
macro_rules! observed {
    ($at:ident => $session:expr) => {
        fn state(&self) -> State {
            let $at = self;
            $session.state()
        }
        fn is_ready(&self) -> bool {
            let $at = self;
            $session.is_ready()
        }
        fn room_state(&self, room: &Name) -> Option<RoomState> {
            let $at = self;
            $session.rooms().find_map(|(name, state)| (name == room).then_some(state))
        }
        fn all_rooms(&self, is_so: impl Fn(&Name, RoomState) -> bool) -> bool {
            let $at = self;
            $session.rooms().all(|(name, state)| is_so(name, state))
        }
        fn last_send(&self) -> u64 {
            let $at = self;
            $session.last_send()
        }
        fn has_open_sends(&self, through: u64) -> bool {
            let $at = self;
            $session.has_open_sends(through)
        }
        fn diagnostics(&self) -> Diagnostics {
            let $at = self;
            $session.diagnostics()
        }
    };
}

/// The methods that both machines have by the same name.
macro_rules! delegate {
    () => {
        fn handle(&mut self, now: ClockReading, input: InputOf<Self::Codec>) {
            Self::handle(self, now, input);
        }
        fn poll(&mut self) -> Option<OutputOf<Self::Codec>> {
            Self::poll(self)
        }
        fn shrink_to_fit(&mut self) {
            Self::shrink_to_fit(self);
        }
        fn next_deadline(&self) -> Option<Timestamp> {
            Self::next_deadline(self)
        }
    };
}

impl ObservedSession for Session {
    fn mode(&self) -> Option<Mode> {
        Self::mode(self)
    }

    fn user(&self) -> Option<&Name> {
        Self::user(self)
    }

    fn members(&self, room: &Name) -> Option<Vec<Name>> {
        Self::members(self, room).map(<[Name]>::to_vec)
    }

    observed!(session => session);
}

impl DrivenSession for Session {
    type Codec = FrameCodec;

    fn convert(asked: Input) -> Option<Input> {
        Some(asked)
    }

    fn token(&self) -> Option<&Token> {
        None
    }

    fn track_changes(&mut self) {
        Self::track_changes(self);
    }

    fn take_changes(&mut self) -> Vec<Change<String, Name, SendId>> {
        Self::take_changes(self)
    }

    delegate!();
}

/// What the handles of Socket.IO look at.
#[cfg(feature = "socketio")]
macro_rules! observed_socket_io {
    ($machine:ty, $at:ident => $session:expr) => {
        impl ObservedSession for $machine {
            fn mode(&self) -> Option<Mode> {
                let $at = self;
                $session.is_ready().then_some(Mode::SocketIo)
            }

            fn user(&self) -> Option<&Name> {
                None
            }

            fn members(&self, _: &Name) -> Option<Vec<Name>> {
                None
            }

            observed!($at => $session);
        }
    };
}

#[cfg(feature = "socketio")]
observed_socket_io!(socketio::Session, session => session);
#[cfg(feature = "socketio")]
observed_socket_io!(socketio::Manager, manager => manager.session());

#[cfg(feature = "socketio")]
impl DrivenSession for socketio::Manager {
    type Codec = socket_io::PacketCodec;

    fn convert(asked: Input) -> Option<InputOf<Self::Codec>> {
        asked.without_frame()
    }

    fn token(&self) -> Option<&Token> {
        self.session().token()
    }

    fn track_changes(&mut self) {
        self.session_mut().track_changes();
    }

    fn take_changes(&mut self) -> Vec<Change<String, Name, SendId>> {
        self.session_mut().take_changes()
    }

    fn manager(&mut self) -> Option<&mut socketio::Manager> {
        Some(self)
    }

    delegate!();
}
