//! Frames as JSON text, for drivers and servers that have `serde_json`.
//!
//! No internally tagged serde enum: that form buffers every field before it knows the type, and costs half of
//! what a frame costs altogether (performance.md). Here the type, nearly always the first key, chooses the
//! structure that the rest of the object is read into, in the same pass.

use super::{ClientMessage, Message, ServerMessage};
use crate::name::Name;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

/// Why a text is no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not JSON.
    #[error("the frame is not JSON: {0}")]
    NotJson(Box<str>),
    /// JSON, but no object with a string `type`.
    #[error("the frame is not a JSON object with a string \"type\"")]
    NoType,
    /// A known type with a field missing or of the wrong type.
    #[error("the {frame} frame is malformed: {detail}")]
    Field {
        /// The frame's type.
        frame: &'static str,
        /// Which field, and what is wrong with it.
        detail: Box<str>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageFields<'a> {
    #[serde(borrow)]
    room_id: Cow<'a, str>,
    #[serde(borrow)]
    user_id: Cow<'a, str>,
    content: String,
    timestamp: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserJoinedFields<'a> {
    #[serde(borrow)]
    room_id: Cow<'a, str>,
    #[serde(borrow)]
    user_id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct ErrorFields {
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoomFields<'a> {
    #[serde(borrow)]
    room_id: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendFields<'a> {
    #[serde(borrow)]
    room_id: Cow<'a, str>,
    content: String,
}

/// A family of frames told apart by `type`: reads the fields of one kind from what is left of the object.
trait Family<'de>: Sized {
    /// The type's name for errors, if it is one of the family's.
    fn known(kind: &str) -> Option<&'static str>;
    fn fields<D: Deserializer<'de>>(kind: &'static str, rest: D) -> Result<Self, D::Error>;
    fn unknown() -> Self;
}

enum ServerFrame<'a> {
    Message(MessageFields<'a>),
    UserJoined(UserJoinedFields<'a>),
    Error(ErrorFields),
    Unknown,
}

impl<'de> Family<'de> for ServerFrame<'de> {
    fn known(kind: &str) -> Option<&'static str> {
        ["message", "user_joined", "error"].into_iter().find(|known| *known == kind)
    }

    fn fields<D: Deserializer<'de>>(kind: &'static str, rest: D) -> Result<Self, D::Error> {
        match kind {
            "message" => MessageFields::deserialize(rest).map(Self::Message),
            "user_joined" => UserJoinedFields::deserialize(rest).map(Self::UserJoined),
            _ => ErrorFields::deserialize(rest).map(Self::Error),
        }
    }

    fn unknown() -> Self {
        Self::Unknown
    }
}

enum ClientFrame<'a> {
    Join(RoomFields<'a>),
    Leave(RoomFields<'a>),
    Send(SendFields<'a>),
    Unknown,
}

impl<'de> Family<'de> for ClientFrame<'de> {
    fn known(kind: &str) -> Option<&'static str> {
        ["join_room", "leave_room", "send_message"].into_iter().find(|known| *known == kind)
    }

    fn fields<D: Deserializer<'de>>(kind: &'static str, rest: D) -> Result<Self, D::Error> {
        match kind {
            "join_room" => RoomFields::deserialize(rest).map(Self::Join),
            "leave_room" => RoomFields::deserialize(rest).map(Self::Leave),
            _ => SendFields::deserialize(rest).map(Self::Send),
        }
    }

    fn unknown() -> Self {
        Self::Unknown
    }
}

/// A frame whose `type` came first.
struct TypeFirst<F>(F);

impl<'de, F: Family<'de>> Deserialize<'de> for TypeFirst<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TypeFirstVisitor<F>(core::marker::PhantomData<F>);

        impl<'de, F: Family<'de>> Visitor<'de> for TypeFirstVisitor<F> {
            type Value = TypeFirst<F>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                if map.next_key::<Cow<'de, str>>()?.as_deref() != Some("type") {
                    // Not ours to judge in this pass: the second one reads the type first.
                    return Err(A::Error::custom("the type does not come first"));
                }
                let kind: Cow<'de, str> = map.next_value()?;
                if let Some(kind) = F::known(&kind) {
                    F::fields(kind, MapAccessDeserializer::new(map)).map(TypeFirst)
                } else {
                    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                    Ok(TypeFirst(F::unknown()))
                }
            }
        }

        deserializer.deserialize_map(TypeFirstVisitor(core::marker::PhantomData))
    }
}

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

fn decode<'de, F: Family<'de>>(text: &'de str) -> Result<F, DecodeError> {
    if let Ok(TypeFirst(frame)) = serde_json::from_str::<TypeFirst<F>>(text) {
        return Ok(frame);
    }
    // Either the type is not the first key, or something is wrong and deserves a precise answer.
    let tag: Tag<'de> = serde_json::from_str(text).map_err(|error| {
        if error.is_data() { DecodeError::NoType } else { DecodeError::NotJson(error.to_string().into()) }
    })?;
    let Some(kind) = F::known(&tag.kind) else { return Ok(F::unknown()) };
    let mut rest = serde_json::Deserializer::from_str(text);
    F::fields(kind, &mut rest)
        .map_err(|error| DecodeError::Field { frame: kind, detail: bounded(&error.to_string()) })
}

/// An error's text quotes the offending value, which the sender chose: keep the beginning.
fn bounded(text: &str) -> Box<str> {
    text.chars().take(160).collect::<String>().into()
}

/// Reads server frames; keeps the names it has seen, because the same few come again and again.
#[derive(Debug, Default)]
pub struct ServerDecoder {
    names: Names,
}

impl ServerDecoder {
    /// Reads one frame.
    ///
    /// # Errors
    /// When the text is not JSON, has no string `type`, or has a known type with a missing or mistyped field.
    /// Unknown types and unknown fields are no error.
    pub fn decode(&mut self, text: &str) -> Result<ServerMessage, DecodeError> {
        Ok(match decode::<ServerFrame<'_>>(text)? {
            ServerFrame::Message(fields) => ServerMessage::Message(Message {
                room: self.names.get(&fields.room_id),
                user: self.names.get(&fields.user_id),
                content: fields.content,
                timestamp: fields.timestamp,
            }),
            ServerFrame::UserJoined(fields) => ServerMessage::UserJoined {
                room: self.names.get(&fields.room_id),
                user: self.names.get(&fields.user_id),
            },
            ServerFrame::Error(fields) => ServerMessage::Error { message: fields.message },
            ServerFrame::Unknown => ServerMessage::Unknown,
        })
    }
}

/// Reads one client frame; `None` for a `type` this version does not know, which a server ignores.
///
/// # Errors
/// As [`ServerDecoder::decode`].
pub fn decode_client(text: &str) -> Result<Option<ClientMessage>, DecodeError> {
    Ok(match decode::<ClientFrame<'_>>(text)? {
        ClientFrame::Join(fields) => Some(ClientMessage::JoinRoom { room: Name::from(&*fields.room_id) }),
        ClientFrame::Leave(fields) => Some(ClientMessage::LeaveRoom { room: Name::from(&*fields.room_id) }),
        ClientFrame::Send(fields) => {
            Some(ClientMessage::SendMessage { room: Name::from(&*fields.room_id), content: fields.content })
        }
        ClientFrame::Unknown => None,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutFields<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    room_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

impl<'a> OutFields<'a> {
    fn new(r#type: &'static str) -> Self {
        Self { r#type, room_id: None, user_id: None, content: None, timestamp: None, message: None }
    }

    fn room(r#type: &'static str, room: &'a Name) -> Self {
        Self { room_id: Some(room), ..Self::new(r#type) }
    }

    fn encode_into(&self, buffer: Vec<u8>) -> String {
        let mut buffer = buffer;
        buffer.clear();
        // Strings into a Vec: serde_json has nothing to fail on, and what it writes is UTF-8.
        let written = serde_json::to_writer(&mut buffer, self);
        debug_assert!(written.is_ok());
        String::from_utf8(buffer).unwrap_or_default()
    }
}

/// Writes one client frame.
pub fn encode_client(message: &ClientMessage) -> String {
    let mut text = String::new();
    encode_client_into(message, &mut text);
    text
}

/// Writes one client frame in the place of what `text` held; its allocation is used again.
pub fn encode_client_into(message: &ClientMessage, text: &mut String) {
    let fields = match message {
        ClientMessage::JoinRoom { room } => OutFields::room("join_room", room),
        ClientMessage::LeaveRoom { room } => OutFields::room("leave_room", room),
        ClientMessage::SendMessage { room, content } => {
            OutFields { content: Some(content), ..OutFields::room("send_message", room) }
        }
    };
    *text = fields.encode_into(core::mem::take(text).into_bytes());
}

/// Writes one server frame; [`ServerMessage::Unknown`] has no text and gives `None`.
pub fn encode_server(message: &ServerMessage) -> Option<String> {
    let (fields, capacity) = match message {
        ServerMessage::Message(Message { room, user, content, timestamp }) => {
            let fields = OutFields {
                user_id: Some(user),
                content: Some(content),
                timestamp: Some(timestamp),
                ..OutFields::room("message", room)
            };
            (fields, 128 + room.len() + user.len() + content.len())
        }
        ServerMessage::UserJoined { room, user } => {
            (OutFields { user_id: Some(user), ..OutFields::room("user_joined", room) }, 96)
        }
        ServerMessage::Error { message } => {
            (OutFields { message: Some(message), ..OutFields::new("error") }, 64 + message.len())
        }
        ServerMessage::Unknown => return None,
    };
    Some(fields.encode_into(Vec::with_capacity(capacity)))
}

/// A small direct-mapped cache of names: a hit saves an allocation, a miss costs nothing but the slot.
#[derive(Default)]
struct Names {
    slots: Vec<Option<Name>>,
}

impl Names {
    const SLOTS: usize = 32;
    /// Longer texts are not worth keeping.
    const LONGEST: usize = 128;

    fn get(&mut self, text: &str) -> Name {
        if text.len() > Self::LONGEST {
            return Name::from(text);
        }
        if self.slots.is_empty() {
            self.slots.resize(Self::SLOTS, None);
        }
        let hash = text
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let Some(slot) = self.slots.get_mut(hash as usize % Self::SLOTS) else { return Name::from(text) };
        match slot {
            Some(name) if &**name == text => name.clone(),
            _ => slot.insert(Name::from(text)).clone(),
        }
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("slots", &self.slots.len()).finish()
    }
}
