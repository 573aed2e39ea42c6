//! Chooses whether a dial takes a WebSocket or what stands for one where that is blocked: Engine.IO's long polling, or a
//! room server's streams of events. The driver opens the connection. One by long polling it moves to a WebSocket by itself;
//! one by streams is replaced, as the link replaces any connection.

#[cfg(feature = "socketio")]
use super::ConnId;
use super::Link;
#[cfg(feature = "socketio")]
use crate::cause::Disconnect;
use crate::cause::{DialError, DialErrorKind};
#[cfg(feature = "sse")]
use alloc::format;

/// Dials by WebSocket in a row that a blocked upgrade may have failed, after which the other transport is tried.
const BLOCKED_DIALS: u8 = 3;

/// Which transports a Socket.IO client may use, as `transports` of socket.io's own client.
#[cfg(feature = "socketio")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Transports {
    /// WebSocket. After three dials in a row that something on the way may have blocked, or at once where the server says
    /// that it takes no WebSocket, long polling, from where the connection moves to a WebSocket as soon as that opens. The
    /// default.
    #[default]
    Auto,
    /// WebSocket alone.
    WebSocket,
    /// Long polling alone, without a move to a WebSocket.
    Polling,
}

/// Whether rooms of a plain or extended server may be read by its server-sent events where no WebSocket opens.
#[cfg(feature = "sse")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum EventStreams {
    /// After three dials by WebSocket in a row that something on the way may have blocked. A WebSocket is tried again
    /// meanwhile, and replaces the streams when it opens. The default.
    #[default]
    Auto,
    /// Never.
    Never,
    /// Always: no WebSocket is dialled.
    Only,
}

/// How the packets of a connection travel.
#[cfg(feature = "socketio")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineTransport {
    /// As frames of a WebSocket.
    WebSocket,
    /// In the answers to GET requests and the bodies of POST requests.
    Polling,
}

/// What a dial takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    WebSocket,
    /// Long polling, or streams of events.
    Fallback,
}

impl Transport {
    fn other(self) -> Self {
        match self {
            Self::WebSocket => Self::Fallback,
            Self::Fallback => Self::WebSocket,
        }
    }
}

/// The transports that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    Both,
    Only(Transport),
}

/// What there is of streams of events.
#[cfg(feature = "sse")]
#[derive(Debug, Default)]
struct Streams {
    /// There is a room to be read.
    has_room: bool,
    /// The connection in use is by streams.
    is_read_only: bool,
    /// That has changed, and the application does not know.
    is_untold: bool,
    /// Why the last dial by WebSocket failed.
    websocket_error: Option<DialError>,
}

/// What has become of the dials so far, as far as the next one depends on it.
#[derive(Debug)]
pub(super) struct TransportChoice {
    allowed: Allowed,
    next: Transport,
    dialled: Transport,
    /// What there is of streams of events, where the fallback is that: read-only, proved by a dial that succeeds, and left by a
    /// replacement.
    #[cfg(feature = "sse")]
    streams: Option<Streams>,
    /// The server has answered on the connection that was dialled last.
    has_answered: bool,
    /// Dials by WebSocket in a row that may have been blocked.
    blocked: u8,
    /// The one that the server itself has said last that it does not take, until a connection proves otherwise.
    refused: Option<Transport>,
}

impl Default for TransportChoice {
    fn default() -> Self {
        Self::new(Allowed::Only(Transport::WebSocket))
    }
}

#[cfg(feature = "socketio")]
impl From<Transports> for Allowed {
    fn from(transports: Transports) -> Self {
        match transports {
            Transports::Auto => Self::Both,
            Transports::WebSocket => Self::Only(Transport::WebSocket),
            Transports::Polling => Self::Only(Transport::Fallback),
        }
    }
}

impl TransportChoice {
    fn new(allowed: Allowed) -> Self {
        let first = match allowed {
            Allowed::Both => Transport::WebSocket,
            Allowed::Only(transport) => transport,
        };
        Self {
            allowed,
            next: first,
            dialled: first,
            #[cfg(feature = "sse")]
            streams: None,
            has_answered: false,
            blocked: 0,
            refused: None,
        }
    }

    pub(super) fn dial(&mut self) {
        self.dialled = self.next;
        #[cfg(feature = "sse")]
        if self.has_nothing_to_read() {
            self.dialled = Transport::WebSocket;
        }
        self.has_answered = false;
    }

    /// A server without streams says nothing of its address by refusing them: what failed the WebSocket decides.
    #[cfg(feature = "sse")]
    pub(super) fn judged_as_websocket(&mut self, error: DialError) -> DialError {
        let Some(streams) = self.streams.as_mut().filter(|_| self.allowed == Allowed::Both) else {
            return error;
        };
        // A refused token, and a server that says when to come back.
        if matches!(error.kind, DialErrorKind::Http(401 | 429 | 503)) {
            return error;
        }
        match (self.dialled, &streams.websocket_error) {
            (Transport::WebSocket, _) => {
                streams.websocket_error = Some(DialError { retry_after: None, ..error.clone() });
                error
            }
            (Transport::Fallback, Some(websocket)) => {
                let text = format!("{}; server-sent events: {}", websocket.text, error.text);
                DialError { text: text.into(), ..websocket.clone() }
            }
            (Transport::Fallback, None) => error,
        }
    }

    /// The connection in use is to be replaced: streams by a WebSocket.
    pub(super) fn dial_replacement(&mut self) {
        #[cfg(feature = "sse")]
        if self.streams.is_some() && self.allowed == Allowed::Both {
            self.dialled = Transport::WebSocket;
        }
    }

    /// The next dial is by WebSocket again, where it would be by streams.
    #[cfg(feature = "sse")]
    pub(super) fn prefer_websocket(&mut self) {
        if self.streams.is_some() && self.allowed == Allowed::Both {
            self.next = Transport::WebSocket;
        }
    }

    /// The connection that was dialled last is the one in use.
    pub(super) fn opened(&mut self) {
        #[cfg(feature = "sse")]
        if let Some(streams) = &mut self.streams {
            let is_read_only = self.dialled == Transport::Fallback;
            streams.is_untold |= is_read_only != streams.is_read_only;
            streams.is_read_only = is_read_only;
            streams.websocket_error = None;
            self.next = self.dialled;
            self.answered();
        }
    }

    /// Whether streams would be none, for want of a room.
    #[cfg(feature = "sse")]
    fn has_nothing_to_read(&self) -> bool {
        self.allowed == Allowed::Both && self.streams.as_ref().is_some_and(|streams| !streams.has_room)
    }

    fn answered(&mut self) {
        self.has_answered = true;
        if self.refused == Some(self.dialled) {
            self.refused = None;
        }
        if self.dialled == Transport::WebSocket {
            self.blocked = 0;
        }
    }

    #[cfg(feature = "socketio")]
    fn upgraded(&mut self) {
        if self.allowed == Allowed::Both {
            self.blocked = 0;
            self.refused = None;
            self.next = Transport::WebSocket;
        }
    }

    /// The dial under way has failed, or its connection was closed before the client was let in.
    fn failed(&mut self, may_be_blocked: bool) {
        if self.allowed != Allowed::Both || self.has_answered {
            return;
        }
        if let Some(refused) = self.refused {
            // What else fails meanwhile, such as a server that is not back yet, says nothing about its transports.
            self.blocked = 0;
            self.next = refused.other();
            return;
        }
        match self.dialled {
            // What is not reached at all may be reached by WebSocket too, when it is back.
            Transport::Fallback => self.next = Transport::WebSocket,
            Transport::WebSocket if may_be_blocked => {
                self.blocked = self.blocked.saturating_add(1);
                if self.blocked >= BLOCKED_DIALS {
                    self.next = Transport::Fallback;
                }
            }
            Transport::WebSocket => self.blocked = 0,
        }
    }

    pub(super) fn dial_failed(&mut self, error: &DialError) {
        #[cfg(feature = "socketio")]
        if error.refuses_transport {
            self.refused = Some(self.dialled);
        }
        self.failed(error.kind.may_be_blocked());
    }

    #[cfg(feature = "socketio")]
    pub(super) fn closed_in_handshake(&mut self, how: &Disconnect) {
        self.failed(matches!(how, Disconnect::Lost | Disconnect::Protocol));
    }

    /// Whether the next dial takes another transport than the one that has failed, so that the failure does not show yet
    /// that the address is wrong.
    pub(super) fn has_untried(&self) -> bool {
        #[cfg(feature = "sse")]
        if self.has_nothing_to_read() {
            return false;
        }
        self.dialled == Transport::WebSocket && self.next == Transport::Fallback
    }
}

impl DialErrorKind {
    /// Whether a dial may have failed because something on the way lets no WebSocket through, so that another transport may work. Not
    /// when the server was not reached, or has said what is wrong.
    pub fn may_be_blocked(self) -> bool {
        match self {
            Self::Unreachable | Self::Timeout | Self::NotWebSocket => true,
            Self::Http(status) => matches!(status, 400 | 405 | 426) || (status >= 500 && status != 503),
            _ => false,
        }
    }
}

impl Link {
    /// Before the first dial.
    #[cfg(feature = "socketio")]
    pub(crate) fn set_transports(&mut self, allowed: Transports) {
        self.transports = TransportChoice::new(allowed.into());
    }

    /// Before the first dial.
    #[cfg(feature = "sse")]
    pub(crate) fn set_event_streams(&mut self, allowed: EventStreams) {
        let allowed = match allowed {
            EventStreams::Auto => Allowed::Both,
            EventStreams::Never => Allowed::Only(Transport::WebSocket),
            EventStreams::Only => Allowed::Only(Transport::Fallback),
        };
        self.transports =
            TransportChoice { streams: Some(Streams::default()), ..TransportChoice::new(allowed) };
    }

    /// Whether there is a room to be read: without one, streams would be none.
    #[cfg(feature = "sse")]
    pub(crate) fn set_has_room(&mut self, has_room: bool) {
        if let Some(streams) = &mut self.transports.streams {
            streams.has_room = has_room;
        }
    }

    /// Whether the dial under way is to open streams of events.
    #[cfg(feature = "sse")]
    pub(crate) fn dials_streams(&self) -> bool {
        self.transports.streams.is_some() && self.transports.dialled == Transport::Fallback
    }

    /// Whether the connection that has just opened is read-only, where the one before it was not, and the other way round.
    #[cfg(feature = "sse")]
    pub(crate) fn read_only_change(&mut self) -> Option<bool> {
        let streams = self.transports.streams.as_mut()?;
        core::mem::take(&mut streams.is_untold).then_some(streams.is_read_only)
    }

    /// Whether streams of events are to be left for a WebSocket when one opens.
    #[cfg(feature = "sse")]
    pub(crate) fn leaves_streams(&self) -> bool {
        self.transports.allowed == Allowed::Both
    }

    /// Whether the connection in use takes nothing.
    #[cfg(feature = "sse")]
    pub(crate) fn is_read_only(&self) -> bool {
        self.transports.streams.as_ref().is_some_and(|streams| streams.is_read_only)
    }

    /// The transport of the dial under way, and of the connection made by it until that has moved.
    #[cfg(feature = "socketio")]
    pub(crate) fn transport(&self) -> EngineTransport {
        match self.transports.dialled {
            Transport::WebSocket => EngineTransport::WebSocket,
            Transport::Fallback => EngineTransport::Polling,
        }
    }

    /// Whether a connection by long polling may move to a WebSocket.
    #[cfg(feature = "socketio")]
    pub(crate) fn upgrades(&self) -> bool {
        self.transports.allowed == Allowed::Both
    }

    /// The server's engine has answered on the connection of the dial under way: nothing blocks its transport.
    #[cfg(feature = "socketio")]
    pub(crate) fn transport_answered(&mut self) {
        self.transports.answered();
    }

    /// The connection in use, or being let in on, has moved to a WebSocket.
    #[cfg(feature = "socketio")]
    pub(crate) fn upgraded(&mut self, conn: ConnId) {
        if self.is_current(conn) || self.is_dialling(conn) {
            self.transports.upgraded();
        }
    }
}

#[cfg(test)]
mod tests;
