//! Writes typed packets as text.

use super::Codec;
use crate::socketio::{
    ClientEvent, ClientPacket, EnginePacket, EventKind, Namespace, Packet, PacketType, Resume,
};
use crate::token::Token;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;
use serde_json::value::RawValue;

/// What a `CONNECT` says, in the `auth` object.
#[derive(Serialize)]
struct Auth<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    room_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

impl Codec {
    /// Writes one packet as a text frame, instead of what `text` held; its allocation is used again. Returns the binary
    /// frames that follow it. From a [`ClientPacket::Connect`] to another namespace on, up to its
    /// [`ClientPacket::Disconnect`], what comes in that namespace is read, too.
    pub fn encode_into(&mut self, packet: &ClientPacket, text: &mut String) -> Vec<Vec<u8>> {
        text.clear();
        let ClientPacket::In { namespace, packet } = packet else {
            return self.write_in(&self.namespace, packet, text);
        };
        match &**packet {
            ClientPacket::Connect { token, resume } => {
                if !self.asked.contains(namespace) {
                    self.asked.push(namespace.clone());
                }
                let auth = auth_object(token.as_ref(), resume.as_deref());
                Self::write(namespace, PacketType::Connect, None, &auth, text);
                Vec::new()
            }
            ClientPacket::Disconnect => {
                self.asked.retain(|asked| asked != namespace);
                self.write_in(namespace, packet, text)
            }
            packet => self.write_in(namespace, packet, text),
        }
    }

    fn write_in(&self, namespace: &Namespace, packet: &ClientPacket, text: &mut String) -> Vec<Vec<u8>> {
        match packet {
            ClientPacket::Pong => EnginePacket::Pong("").encode_into(text),
            ClientPacket::Connect { token, resume } if self.auth.is_some() => {
                let own = self.auth.as_ref().map(|fields| with_token(fields.expose(), token.as_ref()));
                let auth = auth_object(own.as_ref(), resume.as_deref());
                Self::write(namespace, PacketType::Connect, None, &auth, text);
            }
            ClientPacket::Connect { token, resume } => {
                let auth = Auth {
                    pid: resume.as_ref().map(|resume| &*resume.pid),
                    offset: resume.as_ref().map(|resume| &*resume.offset),
                    token: token.as_ref().map(Token::expose),
                };
                let nothing = auth.token.is_none() && auth.pid.is_none();
                let payload = if nothing { String::new() } else { json(&auth) };
                Self::write(namespace, PacketType::Connect, None, &payload, text);
            }
            ClientPacket::Disconnect => Self::write(namespace, PacketType::Disconnect, None, "", text),
            ClientPacket::Ack { id } => Self::write(namespace, PacketType::Ack, Some(*id), "[]", text),
            ClientPacket::Emit { ack, event } => {
                Self::write(namespace, PacketType::Event, *ack, &self.arguments(event), text);
            }
            #[cfg(feature = "frames")]
            ClientPacket::Custom { ack, event } => {
                return Self::write_own(namespace, PacketType::Event, *ack, event, text);
            }
            #[cfg(feature = "frames")]
            ClientPacket::Kept(event) => {
                return Self::write_own(namespace, PacketType::Event, None, event, text);
            }
            #[cfg(feature = "frames")]
            ClientPacket::Answer { id, arguments } => {
                return Self::write_own(namespace, PacketType::Ack, Some(*id), arguments, text);
            }
            // A packet is in one namespace.
            ClientPacket::In { .. } => {}
        }
        Vec::new()
    }

    fn write(namespace: &Namespace, kind: PacketType, ack: Option<u64>, payload: &str, text: &mut String) {
        let namespace = namespace.as_str();
        write_packet(&Packet { kind, attachments: 0, namespace, ack, payload }, text);
    }

    /// What the application has written, with its bytes behind it.
    #[cfg(feature = "frames")]
    fn write_own(
        namespace: &Namespace,
        kind: PacketType,
        ack: Option<u64>,
        json: &str,
        text: &mut String,
    ) -> Vec<Vec<u8>> {
        // It has been looked at before it was queued.
        let Ok(Some((payload, attachments))) = super::binary::take_out(json) else {
            Self::write(namespace, kind, ack, json, text);
            return Vec::new();
        };
        let kind = if kind == PacketType::Ack { PacketType::BinaryAck } else { PacketType::BinaryEvent };
        let count = u8::try_from(attachments.len()).unwrap_or(u8::MAX);
        let namespace = namespace.as_str();
        write_packet(&Packet { kind, attachments: count, namespace, ack, payload: &payload }, text);
        attachments
    }

    /// The event's name and what it carries.
    fn arguments(&self, event: &ClientEvent) -> String {
        let (kind, fields) = match event {
            ClientEvent::Join { room } => (EventKind::JoinRoom, fields(room)),
            ClientEvent::Leave { room } => (EventKind::LeaveRoom, fields(room)),
            ClientEvent::Send { room, content, data } => {
                // What is no JSON is left out; a caller that checks has none.
                let data = data.as_deref().and_then(|data| serde_json::from_str(data).ok());
                (EventKind::SendMessage, Fields { content: Some(content), data, ..fields(room) })
            }
        };
        json(&(self.events.name(kind), fields))
    }
}

/// The application's own object, with what to recover in front of its fields, as the reference client has it.
fn auth_object(own: Option<&Token>, resume: Option<&Resume>) -> String {
    let resumed = resume.map(|Resume { pid, offset }| {
        let auth = Auth { pid: Some(pid), offset: Some(offset), token: None };
        json(&auth)
    });
    let own = own.map(Token::expose).map(str::trim);
    // What is no object cannot be said.
    let fields = own.and_then(|own| own.strip_prefix('{')?.strip_suffix('}')).map(str::trim);
    match (resumed, fields) {
        (None, None) => String::new(),
        (Some(resumed), None | Some("")) => resumed,
        (None, Some(fields)) => format!("{{{fields}}}"),
        (Some(resumed), Some(fields)) => {
            let resumed = resumed.strip_suffix('}').unwrap_or_default();
            format!("{resumed},{fields}}}")
        }
    }
}

/// The application's object with the token as its last field: of two of the same name a server takes that.
fn with_token(fields: &str, token: Option<&Token>) -> Token {
    let token = token.map(|token| json(&Auth { pid: None, offset: None, token: Some(token.expose()) }));
    let inside = fields.trim().strip_suffix('}').map(str::trim_end);
    match (inside, token) {
        (Some("{"), Some(token)) => Token::new(token),
        (Some(inside), Some(token)) => {
            Token::new(format!("{inside},{}", token.strip_prefix('{').unwrap_or_default()))
        }
        _ => Token::new(fields),
    }
}

fn write_packet(packet: &Packet<'_>, text: &mut String) {
    EnginePacket::Message("").encode_into(text);
    packet.encode_into(text);
}

fn fields(room: &str) -> Fields<'_> {
    Fields { room_id: room, content: None, data: None }
}

fn json(value: &impl Serialize) -> String {
    // Texts and JSON that has been read: there is nothing to fail on.
    serde_json::to_string(value).unwrap_or_default()
}
