//! The traits by which a driver uses a session. Decides nothing.

use super::codec::FrameCodec;
#[cfg(feature = "socketio")]
use super::codec::PacketCodec;
use super::codec::{Codec, InputOf, OutputOf};
use crate::change::Change;
use crate::event::{Mode, RoomState, SendId};
use crate::link::State;
use crate::name::Name;
use crate::recording::Recorder;
use crate::session::{Diagnostics, Input, Output, Protocol, ProtocolSession, RejoinProtocol, Session};
#[cfg(feature = "socketio")]
use crate::socketio;
use crate::time::{ClockReading, Timestamp};
use crate::token::Token;

/// What handles look at in a session. The methods are those of [`ProtocolSession`].
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

impl<R: Protocol<Name = Name>> ObservedSession for ProtocolSession<R> {
    fn state(&self) -> State {
        Self::state(self)
    }

    fn mode(&self) -> Option<Mode> {
        R::mode(self)
    }

    fn is_ready(&self) -> bool {
        Self::is_ready(self)
    }

    fn user(&self) -> Option<&Name> {
        R::user(self)
    }

    fn room_state(&self, room: &Name) -> Option<RoomState> {
        self.rooms().find_map(|(name, state)| (name == room).then_some(state))
    }

    fn all_rooms(&self, is_so: impl Fn(&Name, RoomState) -> bool) -> bool {
        self.rooms().all(|(name, state)| is_so(name, state))
    }

    fn members(&self, room: &Name) -> Option<Vec<Name>> {
        R::members(self, room).map(<[Name]>::to_vec)
    }

    fn last_send(&self) -> u64 {
        Self::last_send(self)
    }

    fn has_open_sends(&self, through: u64) -> bool {
        Self::has_open_sends(self, through)
    }

    fn diagnostics(&self) -> Diagnostics {
        Self::diagnostics(self)
    }
}

/// A machine. The methods are those of [`ProtocolSession`].
pub(crate) trait DrivenSession: Send + Unpin + 'static {
    type Codec: Codec;
    type Protocol: Protocol<Payload = String, Name = Name>;

    /// The session that handles look at, of several the one that makes the connection.
    fn session(&self) -> &ProtocolSession<Self::Protocol>;
    fn session_mut(&mut self) -> &mut ProtocolSession<Self::Protocol>;
    /// What the handles request, which has no frame in it.
    fn convert(asked: Input) -> Option<InputOf<Self::Codec>>;
    fn handle(&mut self, now: ClockReading, input: InputOf<Self::Codec>);
    fn poll(&mut self) -> Option<OutputOf<Self::Codec>>;
    fn shrink_to_fit(&mut self);
    fn next_deadline(&self) -> Option<Timestamp>;

    /// The token of the dial under way, where the protocol has a place of its own for it, so that a dial comes without.
    fn token(&self) -> Option<&Token> {
        None
    }

    fn state(&self) -> State {
        self.session().state()
    }

    fn user(&self) -> Option<&Name> {
        ObservedSession::user(self.session())
    }

    fn track_changes(&mut self) {
        self.session_mut().track_changes();
    }

    fn take_changes(&mut self) -> Vec<Change<String, Name, SendId>> {
        self.session_mut().take_changes()
    }

    /// The transport that a dial is to take.
    #[cfg(feature = "socketio")]
    fn transport(&self) -> socketio::EngineTransport {
        socketio::EngineTransport::WebSocket
    }

    /// Whether a connection by long polling may move to a WebSocket.
    #[cfg(feature = "socketio")]
    fn upgrades(&self) -> bool {
        false
    }

    /// Records an input, where the session is one that can be recorded.
    fn record_input(_: &mut Recorder, _: ClockReading, _: &InputOf<Self::Codec>) {}

    /// Records an output.
    fn record_output(_: &mut Recorder, _: &OutputOf<Self::Codec>) {}

    /// The rooms that streams of events can be of, where a dial is to open such, and whether they are to be left for a
    /// WebSocket.
    #[cfg(feature = "sse")]
    fn streams(&self) -> Option<(Vec<Name>, bool)> {
        None
    }

    /// The machine of several namespaces, where it is one.
    #[cfg(feature = "socketio")]
    fn manager(&mut self) -> Option<&mut socketio::Manager> {
        None
    }
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

impl DrivenSession for Session {
    type Codec = FrameCodec;
    type Protocol = RejoinProtocol<String, Name>;

    fn session(&self) -> &Self {
        self
    }

    fn session_mut(&mut self) -> &mut Self {
        self
    }

    fn convert(asked: Input) -> Option<Input> {
        Some(asked)
    }

    fn record_input(recorder: &mut Recorder, now: ClockReading, input: &Input) {
        recorder.input(now, input);
    }

    fn record_output(recorder: &mut Recorder, output: &Output) {
        recorder.output(output);
    }

    #[cfg(feature = "sse")]
    fn streams(&self) -> Option<(Vec<Name>, bool)> {
        let rooms = || self.readable_rooms().cloned().collect();
        self.dials_streams().then(|| (rooms(), self.leaves_streams()))
    }

    delegate!();
}

#[cfg(feature = "socketio")]
impl DrivenSession for socketio::Manager {
    type Codec = PacketCodec;
    type Protocol = socketio::SocketIoProtocol<String, Name>;

    fn session(&self) -> &socketio::Session {
        Self::session(self)
    }

    fn session_mut(&mut self) -> &mut socketio::Session {
        Self::session_mut(self)
    }

    fn convert(asked: Input) -> Option<InputOf<Self::Codec>> {
        asked.without_frame()
    }

    fn token(&self) -> Option<&Token> {
        Self::session(self).token()
    }

    fn transport(&self) -> socketio::EngineTransport {
        Self::session(self).transport()
    }

    fn upgrades(&self) -> bool {
        Self::session(self).upgrades()
    }

    fn manager(&mut self) -> Option<&mut socketio::Manager> {
        Some(self)
    }

    delegate!();
}
