//! The codec of a Socket.IO server's packets, for one connection. Decides nothing.

use super::{Codec, InputOf};
use crate::cause::Disconnect;
use crate::link::ConnId;
use crate::malformed_frames::MalformedFrame;
use crate::native::socket_io::SocketIo;
use crate::session::Input;
use crate::socketio::json::{self, DecodeError};
use crate::socketio::{AckText, ClientEvent, ClientPacket, EventMap, Namespace, ServerPacket};
use crate::token::Token;
use std::sync::Arc;

/// The packets of one connection.
pub(crate) struct PacketCodec {
    namespace: Namespace,
    events: Arc<EventMap>,
    ack_text: AckText,
    /// Events that are not of the contract are handed out.
    own: bool,
    auth: Option<Token>,
    codec: json::Codec,
}

impl PacketCodec {
    fn new(
        namespace: Namespace,
        events: Arc<EventMap>,
        ack_text: AckText,
        own: bool,
        auth: Option<Token>,
    ) -> Self {
        let codec = json::Codec::new(namespace.clone(), Arc::clone(&events));
        let codec = codec.ack_text(ack_text).custom_events(own).auth(auth.clone());
        Self { namespace, events, ack_text, own, auth, codec }
    }

    /// For such a server; `own`: events that are not of the contract are handed out.
    pub(crate) fn of(server: SocketIo, own: bool) -> Self {
        let auth = server.auth_fields();
        Self::new(server.namespace, Arc::new(server.events), server.ack_text, own, auth)
    }
}

impl Codec for PacketCodec {
    type Received = ServerPacket;
    type Sent = ClientPacket;

    fn for_connection(&self) -> Self {
        let (namespace, events) = (self.namespace.clone(), Arc::clone(&self.events));
        Self::new(namespace, events, self.ack_text, self.own, self.auth.clone())
    }

    fn text(&mut self, conn: ConnId, text: &str) -> InputOf<Self> {
        input(conn, self.codec.decode(text), |frame| frame.with_raw(text))
    }

    fn binary(&mut self, conn: ConnId, bytes: &[u8]) -> InputOf<Self> {
        input(conn, self.codec.decode_binary(bytes), |frame| frame.with_raw_bytes(bytes))
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

/// `with_raw` adds what came to what is wrong with it.
fn input(
    conn: ConnId,
    decoded: Result<Option<ServerPacket>, DecodeError>,
    with_raw: impl FnOnce(MalformedFrame) -> MalformedFrame,
) -> InputOf<PacketCodec> {
    match decoded {
        Ok(Some(packet)) => Input::Received(conn, packet),
        Ok(None) => Input::Activity(conn),
        Err(error) if error.is_fatal() => Input::Closed(conn, Disconnect::Protocol),
        Err(error) => Input::Malformed(conn, with_raw(error.to_string().into())),
    }
}
