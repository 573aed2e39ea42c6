//! The codec of the frames of our own protocol, for one connection. Decides nothing.

use super::Codec;
use crate::link::ConnId;
use crate::malformed_frames::MalformedFrame;
use crate::messages::json::{DecodeError, ServerDecoder, encode_client_into, envelope, own_frame};
use crate::messages::{ClientMessage, Frame, ServerMessage};
use crate::native::commands::Requests;
use crate::session::Input;
use std::sync::Arc;

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
        // Encoders on some platforms write a byte-order mark by themselves; JSON itself has none.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let decoded = self.decoder.decode(text);
        // A server that means something else by a name of the protocol is read by the application.
        let is_other = matches!(
            decoded,
            Ok(ServerMessage::Unknown) | Err(DecodeError::NoType | DecodeError::Field { .. })
        );
        if is_other && let Some(input) = self.other(conn, text) {
            return input;
        }
        match decoded {
            Ok(message) => Input::Received(conn, message),
            // The answer of a plain server to a token in the first message: that frame had no `ref`.
            Err(DecodeError::Field { frame: "auth_ok", .. }) if envelope(text).0.is_none() => {
                Input::Received(conn, ServerMessage::Unknown)
            }
            Err(_) if text.starts_with(ENGINE_OPENING) => Input::Malformed(conn, SOCKET_IO_DETECTED.into()),
            Err(error) => Input::Malformed(conn, MalformedFrame::from(error.to_string()).with_raw(text)),
        }
    }

    /// Servers in some languages send their JSON as bytes.
    fn binary(&mut self, conn: ConnId, bytes: &[u8]) -> Input {
        let input = match std::str::from_utf8(bytes) {
            Ok(text) => self.text(conn, text),
            Err(_) if self.own => return own_bytes(conn, bytes),
            Err(_) => {
                let frame = MalformedFrame::from("a binary frame that is no text");
                Input::Malformed(conn, frame.with_raw_bytes(bytes))
            }
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
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}
