//! The traits by which a driver uses a session. Decides nothing.

use super::codec::FrameCodec;
#[cfg(feature = "socketio")]
use super::codec::PacketCodec;
use super::codec::{Codec, InputOf, OutputOf};
use crate::change::Change;
use crate::event::{Mode, RoomState, SendId};
use crate::link::State;
use crate::name::Name;
use crate::session::{Diagnostics, Input, Session};
#[cfg(feature = "socketio")]
use crate::socketio;
use crate::time::{ClockReading, Timestamp};
use crate::token::Token;

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

    /// The machine of several namespaces, where it is one.
    #[cfg(feature = "socketio")]
    fn manager(&mut self) -> Option<&mut socketio::Manager> {
        None
    }
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
    type Codec = PacketCodec;

    fn convert(asked: Input) -> Option<InputOf<Self::Codec>> {
        asked.without_frame()
    }

    fn token(&self) -> Option<&Token> {
        self.session().token()
    }

    fn transport(&self) -> socketio::EngineTransport {
        self.session().transport()
    }

    fn upgrades(&self) -> bool {
        self.session().upgrades()
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
