//! Client frames as JSON.

use super::frames::{
    AuthFields, ClientSignalFields, JoinFields, LeaveFields, Out, PingFields, RoomFields, SendFields, as_raw,
};
use super::tagged::{TaggedEnum, decode, repairing};
use super::writer::send_message;
use super::{DecodeError, Tagged, write_into};
use crate::messages::{ClientMessage, HistoryRequest};
use crate::name::Name;
use crate::token::Token;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Deserializer};

enum ClientFrame<'a> {
    Join(JoinFields<'a>),
    Leave(LeaveFields<'a>),
    Send(SendFields<'a>),
    History(HistoryRequest),
    Presence(RoomFields<'a>),
    Signal(ClientSignalFields<'a>),
    Ping(PingFields),
    Auth(AuthFields<'a>),
    Unknown,
}

impl<'de> TaggedEnum<'de> for ClientFrame<'de> {
    const KINDS: &'static [&'static str] =
        &["send_message", "join_room", "leave_room", "history", "presence", "signal", "ping", "auth"];

    fn fields<D: Deserializer<'de>>(kind: &'static str, rest: D) -> Result<Self, D::Error> {
        match kind {
            "join_room" => JoinFields::deserialize(rest).map(Self::Join),
            "leave_room" => LeaveFields::deserialize(rest).map(Self::Leave),
            "history" => HistoryRequest::deserialize(rest).map(Self::History),
            "presence" => RoomFields::deserialize(rest).map(Self::Presence),
            "signal" => ClientSignalFields::deserialize(rest).map(Self::Signal),
            "ping" => PingFields::deserialize(rest).map(Self::Ping),
            "auth" => AuthFields::deserialize(rest).map(Self::Auth),
            _ => SendFields::deserialize(rest).map(Self::Send),
        }
    }

    fn unknown() -> Self {
        Self::Unknown
    }
}

/// Reads one client frame; `None` for a `type` this version does not know, which a server ignores.
///
/// # Errors
/// As [`ServerDecoder::decode`](super::ServerDecoder::decode).
pub fn decode_client(text: &str) -> Result<Option<ClientMessage>, DecodeError> {
    repairing(text, read)
}

#[cfg(feature = "native")]
pub(super) fn is_client_kind(kind: &str) -> bool {
    ClientFrame::known(kind).is_some()
}

fn read(text: &str) -> Result<Option<ClientMessage>, DecodeError> {
    Ok(match decode::<ClientFrame<'_>>(text)? {
        ClientFrame::Join(fields) => {
            Some(ClientMessage::JoinRoom { room: Name::from(&*fields.room_id), request: fields.request() })
        }
        ClientFrame::Leave(fields) => {
            Some(ClientMessage::LeaveRoom { room: Name::from(&*fields.room_id), reference: fields.reference })
        }
        ClientFrame::Send(mut fields) => Some(ClientMessage::SendMessage {
            room: Name::from(&*fields.room_id),
            data: fields.data(),
            tag: fields.tag(),
            content: fields.content,
        }),
        ClientFrame::History(request) => Some(ClientMessage::History(request)),
        ClientFrame::Presence(fields) => Some(ClientMessage::Presence { room: Name::from(&*fields.room_id) }),
        ClientFrame::Signal(fields) => Some(ClientMessage::Signal {
            room: Name::from(&*fields.room_id),
            kind: Name::from(&*fields.kind),
            data: fields.data(),
        }),
        ClientFrame::Ping(fields) => Some(ClientMessage::Ping { t: fields.t }),
        ClientFrame::Auth(fields) => {
            Some(ClientMessage::Auth { reference: fields.reference, token: Token::new(&*fields.token) })
        }
        ClientFrame::Unknown => None,
    })
}

/// Writes one client frame.
pub fn encode_client(message: &ClientMessage) -> String {
    let mut text = Vec::new();
    encode_client_into(message, &mut text);
    // What is written is UTF-8.
    String::from_utf8(text).unwrap_or_default()
}

/// Writes one client frame, as UTF-8, instead of what `text` held; its allocation is used again.
pub fn encode_client_into(message: &ClientMessage, text: &mut Vec<u8>) {
    text.clear();
    let frame = match message {
        ClientMessage::JoinRoom { room, request: None } => Out::room("join_room", room),
        ClientMessage::JoinRoom { room, request: Some(request) } => Out {
            reference: Some(&request.reference),
            since: request.since.as_ref(),
            history: request.history,
            ..Out::room("join_room", room)
        },
        ClientMessage::LeaveRoom { room, reference } => {
            Out { reference: reference.as_ref(), ..Out::room("leave_room", room) }
        }
        ClientMessage::SendMessage { room, content, data, tag } => {
            return send_message(room, content, data.as_ref(), tag.as_deref(), text);
        }
        ClientMessage::History(request) => {
            return write_into(&Tagged { r#type: "history", fields: request }, text);
        }
        ClientMessage::Presence { room } => Out::room("presence", room),
        ClientMessage::Signal { room, kind, data } => {
            Out { kind: Some(kind), data: as_raw(data.as_ref()), ..Out::room("signal", room) }
        }
        ClientMessage::Ping { t } => Out { t: Some(*t), ..Out::new("ping") },
        #[cfg(feature = "frames")]
        ClientMessage::Custom(json) | ClientMessage::Kept(json) => {
            return text.extend_from_slice(json.as_bytes());
        }
        ClientMessage::Auth { reference, token } => {
            Out { reference: Some(reference), token: Some(token.expose()), ..Out::new("auth") }
        }
    };
    write_into(&frame, text);
}
