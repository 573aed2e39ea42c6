//! The facts about the connection in use: its handshake, and the limits of its server.

use crate::messages::ServerMessage;
use crate::mutation::mutation;
use crate::payload::Payload;
use crate::session::ActiveConnection;
use crate::socketio::offset::Offset;
use crate::socketio::{Handshake, ServerEvent};
use crate::time::Nanos;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Named after what is awaited.
#[derive(Debug)]
pub(crate) enum HandshakeState<P, N> {
    /// The engine's first packet.
    AwaitingOpen,
    /// The namespace's consent. What a recovered session has missed comes before it.
    AwaitingConnect {
        /// The session requested.
        pid: Option<Box<str>>,
        /// How far it will have been received by the consent.
        offset: Offset,
        early: EarlyEvents<P, N>,
    },
    /// Nothing: the namespace has let us in.
    Up,
}

/// Events that came before the consent.
#[derive(Debug)]
pub(crate) struct EarlyEvents<P, N> {
    pub(super) events: Vec<ServerEvent<P, N>>,
    bytes: usize,
    /// There were more than are held.
    pub(super) overflown: bool,
}

/// What an event costs beside its texts.
const OVERHEAD: usize = 64;

impl<P: Payload, N> EarlyEvents<P, N> {
    pub(super) fn new() -> Self {
        Self { events: Vec::new(), bytes: 0, overflown: false }
    }

    /// Holds one more, or lets go of all: a replay with a gap in it is none.
    pub(super) fn buffer(&mut self, event: ServerEvent<P, N>, most: usize, most_bytes: usize) {
        self.bytes += size(&event.message);
        if self.overflown || self.events.len() >= most || self.bytes > most_bytes {
            self.overflown = true;
            self.events = Vec::new();
            self.bytes = 0;
        } else {
            self.events.push(event);
        }
    }
}

fn size<P: Payload, N>(message: &ServerMessage<P, N>) -> usize {
    let optional = |payload: &Option<P>| payload.as_ref().map_or(0, Payload::byte_len);
    OVERHEAD
        + match message {
            ServerMessage::Message(message) => {
                message.content.byte_len() + message.timestamp.byte_len() + optional(&message.data)
            }
            ServerMessage::Error { message, .. } => message.byte_len(),
            ServerMessage::Notification(notification) => optional(&notification.data),
            #[cfg(feature = "frames")]
            ServerMessage::Custom(frame) => frame.payload().map_or(0, Payload::byte_len),
            _ => 0,
        }
}

/// What is known of the connection in use beside its frames.
#[derive(Debug)]
pub(crate) struct NamespaceConnection<P, N> {
    pub(super) handshake: HandshakeState<P, N>,
    /// It continues with a session that was lost.
    pub(super) recovered: bool,
    /// A longer silence means a dead connection.
    pub(super) idle_timeout: Nanos,
    /// Maximum bytes that the server takes in one message.
    pub(super) max_payload: usize,
}

impl<P, N> NamespaceConnection<P, N> {
    pub(super) fn new() -> Self {
        Self {
            handshake: HandshakeState::AwaitingOpen,
            recovered: false,
            idle_timeout: Nanos::MAX,
            max_payload: usize::MAX,
        }
    }

    pub(super) fn buffered(&self) -> (usize, usize) {
        match &self.handshake {
            HandshakeState::AwaitingConnect { early: held, .. } => (held.events.len(), held.bytes),
            _ => (0, 0),
        }
    }

    /// What the server reports of the connection, within what a client accepts.
    pub(super) fn apply_handshake(&mut self, handshake: Handshake) {
        let within = |ms: u64| Nanos::from_millis(ms.clamp(1_000, 120_000));
        if mutation!(SioSilenceUnlearnt) {
            return;
        }
        self.idle_timeout = within(handshake.ping_interval_ms).plus(within(handshake.ping_timeout_ms));
        if let Some(most) = handshake.max_payload {
            self.max_payload = usize::try_from(most.max(1 << 10)).unwrap_or(usize::MAX);
        }
    }
}

impl<P, N> ActiveConnection<NamespaceConnection<P, N>> {
    /// Whether the namespace has let us in.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.protocol.handshake, HandshakeState::Up)
    }
}
