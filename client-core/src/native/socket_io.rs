//! The options of a Socket.IO client, and the codec of its packets.

use super::driven_session::{Codec, InputOf};
use super::frame_builder::CUSTOM_ROOM;
use crate::cause::{DialError, DialErrorKind, Disconnect, Remedy};
use crate::config::Config;
use crate::link::ConnId;
use crate::name::{Name, PERSONAL_ROOM};
use crate::session::Input;
use crate::socketio::json::{self, DecodeError};
use crate::socketio::{
    AckText, ClientEvent, ClientPacket, EventMap, Manager, Namespace, Options, ServerPacket,
};
use std::sync::Arc;

/// The options for a Socket.IO server: [`ClientBuilder::socket_io`](super::ClientBuilder::socket_io). The default is the
/// main namespace, the contract's own names for the events, and acks.
///
/// ```
/// use rejoin::SocketIo;
/// use rejoin::socketio::{AckText, Namespace};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut server = SocketIo::new(Namespace::new("/chat")?);
/// server.events.set("message", "chat:message")?;
/// server.options.acks = false; // its handlers do not call them
/// // Or, where they call them with a text when something is wrong:
/// server.ack_text = AckText::Error;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SocketIo {
    /// The namespace. Others on the same connection are opened with [`Client::namespace`](super::Client::namespace).
    pub namespace: Namespace,
    /// What the server calls the events.
    pub events: EventMap,
    /// Acks.
    pub options: Options,
    /// What an ack means that is nothing but a text: a success, unless told otherwise.
    pub ack_text: AckText,
    /// A custom event that wants an answer waits for [`Client::answer`](super::Client::answer), 256 of them at most.
    /// By default, and beyond that, it gets an empty answer at once.
    pub manual_acks: bool,
}

impl SocketIo {
    /// One with this namespace, and the defaults otherwise.
    pub fn new(namespace: Namespace) -> Self {
        Self { namespace, ..Self::default() }
    }

    /// The same; `false` for a server whose handlers do not call their acks: [`Options::acks`].
    pub fn acks(mut self, calls: bool) -> Self {
        self.options.acks = calls;
        self
    }

    /// The same; `true` to answer the server's events with [`Client::answer`](super::Client::answer).
    pub fn manual_acks(mut self, manual: bool) -> Self {
        self.manual_acks = manual;
        self
    }

    /// The machine for such a server.
    pub(super) fn manager(&self, config: Config, seed: u64) -> Manager {
        let namespace = self.namespace.clone();
        let mut manager = Manager::new(namespace, config, self.options, PERSONAL_ROOM.into(), seed);
        manager.custom_events(Name::from(CUSTOM_ROOM));
        if self.manual_acks {
            manager.manual_acks();
        }
        manager
    }
}

/// A dial of the engine at `path` that failed, with what such a failure means there.
pub(super) fn explain(mut error: DialError, path: &str) -> DialError {
    let says = |words: &str| error.text.contains(words);
    let status = match error.kind {
        DialErrorKind::Http(status) => Some(status),
        _ => None,
    };
    let hint = if status == Some(400) && says("Transport unknown") {
        "this Socket.IO server allows long polling only; this client needs its transport \"websocket\""
            .to_owned()
    } else if status == Some(400) && says("Unsupported protocol version") {
        "the server speaks Socket.IO 2 or older: this client needs version 3 or later".to_owned()
    } else if path != "/socket.io/"
        && (matches!(status, Some(400 | 404 | 426 | 501))
            || matches!(error.kind, DialErrorKind::NotWebSocket | DialErrorKind::Unreachable))
    {
        let namespace = path.trim_end_matches('/');
        format!(
            "the URL's path is that of the engine: if {namespace} is a namespace, leave it out of the URL and give it \
             as one (--namespace {namespace})"
        )
    } else {
        return error;
    };
    error.text = format!("{}; {hint}", error.text).into();
    error.remedy = Some(Remedy::InMessage);
    error
}

/// The packets of one connection.
pub(crate) struct PacketCodec {
    namespace: Namespace,
    events: Arc<EventMap>,
    ack_text: AckText,
    /// Events that are not of the contract are handed out.
    own: bool,
    codec: json::Codec,
}

impl PacketCodec {
    fn new(namespace: Namespace, events: Arc<EventMap>, ack_text: AckText, own: bool) -> Self {
        let codec =
            json::Codec::new(namespace.clone(), Arc::clone(&events)).ack_text(ack_text).custom_events(own);
        Self { namespace, events, ack_text, own, codec }
    }

    /// For such a server; `own`: events that are not of the contract are handed out.
    pub(crate) fn of(server: SocketIo, own: bool) -> Self {
        Self::new(server.namespace, Arc::new(server.events), server.ack_text, own)
    }
}

impl Codec for PacketCodec {
    type Received = ServerPacket;
    type Sent = ClientPacket;

    fn for_connection(&self) -> Self {
        Self::new(self.namespace.clone(), Arc::clone(&self.events), self.ack_text, self.own)
    }

    fn text(&mut self, conn: ConnId, text: &str) -> InputOf<Self> {
        input(conn, self.codec.decode(text))
    }

    fn binary(&mut self, conn: ConnId, bytes: &[u8]) -> InputOf<Self> {
        input(conn, self.codec.decode_binary(bytes))
    }

    fn encode(&mut self, frame: &ClientPacket, text: &mut Vec<u8>) -> Vec<Vec<u8>> {
        // What is empty is UTF-8, so that its allocation is used again.
        text.clear();
        let mut written = String::from_utf8(std::mem::take(text)).unwrap_or_default();
        let attachments = self.codec.encode_into(frame, &mut written);
        *text = written.into_bytes();
        attachments
    }

    fn is_send(frame: &ClientPacket) -> bool {
        matches!(
            frame,
            ClientPacket::Emit { event: ClientEvent::Send { .. }, .. } | ClientPacket::Custom { .. }
        )
    }

    fn is_keep_alive(frame: &ClientPacket) -> bool {
        matches!(frame, ClientPacket::Pong)
    }
}

fn input(conn: ConnId, decoded: Result<Option<ServerPacket>, DecodeError>) -> InputOf<PacketCodec> {
    match decoded {
        Ok(Some(packet)) => Input::Received(conn, packet),
        Ok(None) => Input::Activity(conn),
        Err(error) if error.is_fatal() => Input::Closed(conn, Disconnect::Protocol),
        Err(error) => Input::Malformed(conn, error.to_string().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_dial_of_the_engine_says_what_it_means_there() {
        let of = |kind, text: &str, path| explain(DialError::new(kind, text), path).text;
        let polling = of(DialErrorKind::Http(400), "HTTP 400 (\"Transport unknown\")", "/socket.io/");
        assert!(polling.contains("polling only"), "{polling}");
        let old = of(DialErrorKind::Http(400), "HTTP 400 (\"Unsupported protocol version\")", "/socket.io/");
        assert!(old.contains("Socket.IO 2"), "{old}");
        for kind in [DialErrorKind::Http(404), DialErrorKind::NotWebSocket, DialErrorKind::Unreachable] {
            let text = of(kind, "no", "/chat/room/");
            assert!(text.contains("--namespace /chat/room)"), "{text}");
            assert_eq!(&*of(kind, "no", "/socket.io/"), "no");
        }
        for kind in
            [DialErrorKind::Refused, DialErrorKind::Dns, DialErrorKind::Http(503), DialErrorKind::Timeout]
        {
            assert_eq!(&*of(kind, "no", "/chat/"), "no");
        }
    }
}
