//! From text to typed packets.

use super::{Codec, DecodeError, answer, binary};
use crate::messages::{Notification, ServerMessage};
use crate::socketio::messages::MOST_PID;
use crate::socketio::{
    Connected, EnginePacket, EventKind, Handshake, Packet, PacketType, ServerEvent, ServerPacket, Trailing,
};
use alloc::borrow::{Cow, ToOwned as _};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The longest trailing text that may be a place to recover from.
const LONGEST_TRAILING: usize = 64;
/// Most characters of a refusal that are kept.
const LONGEST_WORDS: usize = 256;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OpenFields {
    ping_interval: u64,
    ping_timeout: u64,
    #[serde(default)]
    max_payload: Option<u64>,
}

#[derive(Default, Deserialize)]
struct ConnectFields<'a> {
    #[serde(borrow, default)]
    sid: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pid: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct RefusalFields<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
}

#[derive(Deserialize)]
struct KindFields<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

impl Codec {
    /// Reads one text frame; `None` for one whose attachments are still to come.
    ///
    /// # Errors
    /// When it is no packet, or one that says nothing that can be understood. What follows can be, unless the error
    /// [says otherwise](DecodeError::is_out_of_step).
    pub fn decode(&mut self, text: &str) -> Result<Option<ServerPacket>, DecodeError> {
        let message = match EnginePacket::decode(text)? {
            EnginePacket::Message(message) => message,
            EnginePacket::Open(json) => {
                let fields: OpenFields =
                    serde_json::from_str(json).map_err(|error| DecodeError::payload("open", &error))?;
                return Ok(Some(ServerPacket::Open(Handshake {
                    ping_interval_ms: fields.ping_interval,
                    ping_timeout_ms: fields.ping_timeout,
                    max_payload: fields.max_payload,
                })));
            }
            EnginePacket::Ping(_) => return Ok(Some(ServerPacket::Ping)),
            EnginePacket::Close => return Ok(Some(ServerPacket::Close)),
            EnginePacket::Pong(_) | EnginePacket::Upgrade | EnginePacket::Noop => {
                return Ok(Some(ServerPacket::Other));
            }
        };
        self.attachments.check_complete()?;
        let packet = Packet::decode(message)?;
        if packet.attachments > 0 {
            self.attachments.expect(message, packet.attachments)?;
            return Ok(None);
        }
        self.typed(&packet).map(Some)
    }

    /// Reads one binary frame; `None` for one that does not complete its packet.
    ///
    /// # Errors
    /// As [`Codec::decode`].
    pub fn decode_binary(&mut self, bytes: &[u8]) -> Result<Option<ServerPacket>, DecodeError> {
        let Some(whole) = self.attachments.add(bytes)? else { return Ok(None) };
        let packet = Packet::decode(&whole.text)?;
        let payload = binary::fill(packet.payload, &whole.attachments)?;
        self.typed(&Packet { payload: &payload, ..packet }).map(Some)
    }

    fn typed(&mut self, packet: &Packet<'_>) -> Result<ServerPacket, DecodeError> {
        if packet.namespace != self.namespace.as_str() {
            return Ok(ServerPacket::Other);
        }
        let bad = |kind| move |error| DecodeError::payload(kind, &error);
        Ok(match packet.kind {
            PacketType::Connect => ServerPacket::Connected(connected(packet.payload)),
            PacketType::Disconnect => ServerPacket::Disconnected,
            PacketType::ConnectError => ServerPacket::Refused(refusal(packet.payload)),
            PacketType::Event | PacketType::BinaryEvent => {
                let arguments: Vec<&RawValue> = serde_json::from_str(packet.payload).map_err(bad("event"))?;
                ServerPacket::Event(self.event(packet.ack, &arguments)?)
            }
            PacketType::Ack | PacketType::BinaryAck => {
                let Some(id) = packet.ack else { return Ok(ServerPacket::Other) };
                let arguments: Vec<&RawValue> = serde_json::from_str(packet.payload).map_err(bad("ack"))?;
                ServerPacket::Ack { id, answer: Box::new(answer::read(&arguments)) }
            }
        })
    }

    fn event(&mut self, ack: Option<u64>, arguments: &[&RawValue]) -> Result<ServerEvent, DecodeError> {
        let (name, arguments) = match arguments.split_first() {
            // A number is a name too, and none of the contract's.
            Some((name, arguments)) => (text(name).unwrap_or_default(), arguments),
            None => (Cow::default(), arguments),
        };
        let trailing = trailing(arguments);
        let payload = arguments.first().map(|payload| payload.get());
        let message = match self.events.kind(&name) {
            Some(EventKind::Notification) => self.notification(&name, payload),
            Some(EventKind::Error) => self.error(payload)?,
            Some(kind) => self.rooms.decode_fields(kind.as_str(), payload.unwrap_or("null"))?,
            None => ServerMessage::Unknown,
        };
        Ok(ServerEvent { ack, trailing, message: unstamped(message) })
    }

    /// An object with a `kind` is a notification as the contract has it; anything else is one of the event's kind.
    fn notification(&mut self, name: &str, payload: Option<&str>) -> ServerMessage {
        let fields = payload
            .filter(|_| name == EventKind::Notification.as_str())
            .and_then(|json| serde_json::from_str::<KindFields<'_>>(json).ok());
        let (kind, data) = match &fields {
            Some(fields) => (&*fields.kind, fields.data.map(RawValue::get)),
            None => (name, payload),
        };
        let kind = self.rooms.name(kind);
        ServerMessage::Notification(Box::new(Notification {
            stamp: None,
            kind,
            data: data.map(str::to_owned),
        }))
    }

    /// Many servers send the bare text.
    fn error(&mut self, payload: Option<&str>) -> Result<ServerMessage, DecodeError> {
        let payload = payload.unwrap_or("null");
        match serde_json::from_str::<String>(payload) {
            Ok(message) => Ok(ServerMessage::Error { message, refusal: None }),
            Err(_) => Ok(self.rooms.decode_fields(EventKind::Error.as_str(), payload)?),
        }
    }
}

fn text(json: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Text<'_>>(json.get()).ok().map(|Text(text)| text)
}

fn trailing(arguments: &[&RawValue]) -> Option<Trailing> {
    let (last, before) = arguments.split_last()?;
    if last.get().len() > LONGEST_TRAILING {
        return None;
    }
    Some(Trailing {
        text: text(last)?.into(),
        follows_object: before.last().is_some_and(|before| before.get().starts_with('{')),
        is_alone: before.is_empty(),
    })
}

/// A place in a log is not of this protocol: whoever took it for one would wait for what is before it.
fn unstamped(mut message: ServerMessage) -> ServerMessage {
    if let ServerMessage::Message(message) = &mut message {
        message.stamp = None;
    }
    message
}

fn connected(payload: &str) -> Connected {
    let fields: ConnectFields<'_> = serde_json::from_str(payload).unwrap_or_default();
    let pid = fields.pid.filter(|pid| pid.len() <= MOST_PID).map(Box::from);
    Connected { has_sid: fields.sid.is_some(), pid }
}

/// The words of a refusal: an object's `message`, a bare text, or the JSON itself.
fn refusal(payload: &str) -> Box<str> {
    let object = serde_json::from_str::<RefusalFields<'_>>(payload).ok().map(|fields| fields.message);
    let words = object.or_else(|| serde_json::from_str::<String>(payload).ok().map(Cow::Owned));
    words.as_deref().unwrap_or(payload).chars().take(LONGEST_WORDS).collect::<String>().into()
}
