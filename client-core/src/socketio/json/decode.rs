//! Parses text into typed packets.

use super::binary::Written;
#[cfg(feature = "frames")]
use super::custom;
use super::frames::{MessageFields, UserJoinedFields};
use super::text;
use super::{Codec, DecodeError, answer, binary};
use crate::messages::json::well_formed;
use crate::messages::{Notification, ServerMessage};
use crate::socketio::attachments::MAX_SKIPPED;
use crate::socketio::messages::MAX_PID_CHARS;
use crate::socketio::packet::announced;
use crate::socketio::{
    ConnectError, Connected, EnginePacket, EventKind, Handshake, Namespace, Packet, PacketError, PacketType,
    ServerEvent, ServerPacket, TrailingArg,
};
use alloc::borrow::{Cow, ToOwned as _};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;
use serde::de::Error as _;
use serde_json::value::RawValue;

/// In the error of a message whose event carries a text alone.
pub const BARE_TEXT: &str = "a bare text, and no object with roomId, userId and content";
/// The longest trailing text that may be a place to recover from.
const MAX_TRAILING_CHARS: usize = 64;
/// Maximum characters of a refusal that are kept.
const MAX_MESSAGE_CHARS: usize = 256;

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

#[derive(Default, Deserialize)]
struct RefusalFields<'a> {
    #[serde(borrow, default)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

/// The fields that a notification of the contract may have; those of a place in a log only together.
const RESERVED_FIELDS: [&str; 7] = ["kind", "data", "type", "id", "epoch", "seq", "replay"];

impl Codec {
    /// Reads one text frame; `None` for one whose attachments are still to come.
    ///
    /// # Errors
    /// When it is no packet, or one that says nothing that can be understood. What follows can be, unless the error
    /// [says otherwise](DecodeError::is_fatal).
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
        let packet = match Packet::decode(message) {
            Err(PacketError::TooManyAttachments) => return Err(self.skip(message).into()),
            decoded => decoded?,
        };
        if packet.attachments > 0 {
            self.attachments.expect(message, packet.attachments)?;
            return Ok(None);
        }
        self.typed(&packet).map(Some)
    }

    /// Leaves out a packet with more attachments than are taken, and with it those, unless they are too many for that, too.
    fn skip(&mut self, message: &str) -> PacketError {
        match announced(message).filter(|count| *count <= MAX_SKIPPED) {
            Some(count) => {
                self.attachments.skip(count);
                PacketError::AttachmentsSkipped
            }
            None => PacketError::TooManyAttachments,
        }
    }

    /// Reads one binary frame; `None` for one that does not complete its packet.
    ///
    /// # Errors
    /// As [`Codec::decode`].
    pub fn decode_binary(&mut self, bytes: &[u8]) -> Result<Option<ServerPacket>, DecodeError> {
        let Some(whole) = self.attachments.add(bytes)? else { return Ok(None) };
        let packet = Packet::decode(&whole.text)?;
        if !self.is_asked_for(packet.namespace) {
            return Ok(Some(ServerPacket::Other));
        }
        #[cfg(feature = "frames")]
        let written = if self.is_own(&packet) { Written::Object } else { Written::Text };
        #[cfg(not(feature = "frames"))]
        let written = Written::Text;
        let payload = binary::fill(packet.payload, &whole.attachments, written)?;
        let typed = self.here(&Packet { payload: &payload, ..packet })?;
        #[cfg(feature = "frames")]
        if let ServerPacket::Ack { id, answer } | ServerPacket::LongAck { id, answer, .. } = typed {
            let filled = binary::fill(packet.payload, &whole.attachments, Written::Object)?;
            let typed = ServerPacket::LongAck { id, answer, whole: custom::answer(&filled) };
            return Ok(Some(self.within(packet.namespace, typed)));
        }
        Ok(Some(self.within(packet.namespace, typed)))
    }

    fn is_asked_for(&self, namespace: &str) -> bool {
        let is_it = |known: &Namespace| known.as_str() == namespace;
        is_it(&self.namespace) || self.asked.iter().any(is_it)
    }

    /// A packet with the namespace it came in, if that is another one.
    fn within(&self, namespace: &str, packet: ServerPacket) -> ServerPacket {
        match self.asked.iter().find(|known| known.as_str() == namespace) {
            Some(namespace) => ServerPacket::In { namespace: namespace.clone(), packet: Box::new(packet) },
            None => packet,
        }
    }

    fn typed(&mut self, packet: &Packet<'_>) -> Result<ServerPacket, DecodeError> {
        if !self.is_asked_for(packet.namespace) {
            return Ok(ServerPacket::Other);
        }
        let typed = self.here(packet)?;
        Ok(self.within(packet.namespace, typed))
    }

    /// A packet as it is in its own namespace.
    fn here(&mut self, packet: &Packet<'_>) -> Result<ServerPacket, DecodeError> {
        let payload = well_formed(packet.payload);
        let payload = &*payload;
        let bad = |kind| move |error| DecodeError::payload(kind, &error);
        Ok(match packet.kind {
            PacketType::Connect => ServerPacket::Connected(connected(payload)),
            PacketType::Disconnect => ServerPacket::Disconnected,
            PacketType::ConnectError => ServerPacket::ConnectError(connect_refusal(payload)),
            PacketType::Event | PacketType::BinaryEvent => {
                let arguments: Vec<&RawValue> = serde_json::from_str(payload).map_err(bad("event"))?;
                ServerPacket::Event(self.event(packet, &arguments)?)
            }
            PacketType::Ack | PacketType::BinaryAck => {
                let Some(id) = packet.ack else { return Ok(ServerPacket::Other) };
                let arguments: Vec<&RawValue> = serde_json::from_str(payload).map_err(bad("ack"))?;
                let answer = Box::new(answer::read(&arguments, self.ack_text));
                #[cfg(feature = "frames")]
                if payload.len() > answer::MAX_SHOWN_BYTES {
                    let whole = answer::listed(&arguments).unwrap_or_default();
                    return Ok(ServerPacket::LongAck { id, answer, whole });
                }
                ServerPacket::Ack { id, answer }
            }
        })
    }

    /// Whether it is a custom event.
    #[cfg(feature = "frames")]
    fn is_own(&self, packet: &Packet<'_>) -> bool {
        let is_event = matches!(packet.kind, PacketType::BinaryEvent);
        let arguments: Option<Vec<&RawValue>> = Some(packet.payload)
            .filter(|_| self.own && is_event)
            .and_then(|json| serde_json::from_str(json).ok());
        let name = arguments.as_ref().and_then(|arguments| text(arguments.first()?));
        arguments.is_some() && name.is_none_or(|name| self.events.kind(&name).is_none())
    }

    fn event(&mut self, packet: &Packet<'_>, all: &[&RawValue]) -> Result<ServerEvent, DecodeError> {
        let (name, arguments) = match all.split_first() {
            // A number is a name too, and none of the contract's.
            Some((name, arguments)) => (text(name).unwrap_or_default(), arguments),
            None => (Cow::default(), all),
        };
        let trailing = trailing(arguments);
        let payload = arguments.first().map(|payload| payload.get());
        let of = |kind: EventKind| move |error| DecodeError::payload(kind.as_str(), &error);
        let mut data_before_trailing = None;
        let message = match self.events.kind(&name) {
            Some(EventKind::Notification) => {
                // A list of one is the one, and the last may be no part of it.
                if trailing.is_some()
                    && let Some((_, before @ [_, ..])) = arguments.split_last()
                {
                    data_before_trailing = self.notification(&name, before).data;
                }
                ServerMessage::Notification(Box::new(self.notification(&name, arguments)))
            }
            Some(EventKind::Error) => self.error(payload)?,
            Some(kind @ EventKind::Message) if payload.is_some_and(|json| json.starts_with('"')) => {
                // As of `io.emit("chat message", "hi")`: it names neither room nor author.
                return Err(of(kind)(serde_json::Error::custom(BARE_TEXT)));
            }
            Some(kind @ EventKind::Message) => {
                let fields: MessageFields<'_> =
                    serde_json::from_str(payload.unwrap_or("null")).map_err(of(kind))?;
                ServerMessage::Message(fields.message(&mut self.rooms).map_err(of(kind))?)
            }
            Some(kind) => {
                let UserJoinedFields { room_id, user_id } =
                    serde_json::from_str(payload.unwrap_or("null")).map_err(of(kind))?;
                ServerMessage::UserJoined {
                    room: self.rooms.name(&room_id.0),
                    user: self.rooms.name(&user_id.0),
                }
            }
            #[cfg(feature = "frames")]
            None if self.own => {
                if trailing.is_some() {
                    let before = arguments.split_last().map_or(&[][..], |(_, before)| before);
                    data_before_trailing = Some(custom::list(before));
                }
                custom::event(packet.namespace, all.first().copied(), arguments)?
            }
            None => ServerMessage::Unknown,
        };
        Ok(ServerEvent { ack: packet.ack, trailing, message, data_before_trailing })
    }

    /// The kind is what the contract's own event says, or the event's name. The data is the contract's, where there is
    /// nothing beside it; else everything that was sent.
    fn notification(&mut self, name: &str, arguments: &[&RawValue]) -> Notification {
        let own = arguments.first().filter(|_| name == EventKind::Notification.as_str());
        let fields: Option<BTreeMap<String, &RawValue>> =
            own.and_then(|json| serde_json::from_str(json.get()).ok());
        let kind = fields.as_ref().and_then(|fields| text(fields.get("kind")?));
        let is_own = |fields: &BTreeMap<String, &RawValue>| {
            let has = |name: &str| fields.contains_key(name);
            fields.keys().all(|name| RESERVED_FIELDS.contains(&&**name)) && has("id") == has("epoch")
        };
        let data = match &fields {
            Some(fields) if kind.is_some() && arguments.len() == 1 && is_own(fields) => {
                fields.get("data").map(|data| data.get().to_owned())
            }
            _ => answer::listed(arguments),
        };
        let kind = kind.unwrap_or(Cow::Borrowed(name));
        Notification { entry: None, kind: self.rooms.name(&kind), data }
    }

    /// Many servers send the bare text.
    fn error(&mut self, payload: Option<&str>) -> Result<ServerMessage, DecodeError> {
        let payload = payload.unwrap_or("null");
        match serde_json::from_str::<String>(payload) {
            Ok(message) => Ok(ServerMessage::Error { message, detail: None }),
            Err(_) => Ok(self.rooms.decode_fields(EventKind::Error.as_str(), payload)?),
        }
    }
}

fn trailing(arguments: &[&RawValue]) -> Option<TrailingArg> {
    let (last, before) = arguments.split_last()?;
    if last.get().len() > MAX_TRAILING_CHARS {
        return None;
    }
    Some(TrailingArg {
        text: text(last)?.into(),
        follows_object: before.last().is_some_and(|before| before.get().starts_with('{')),
    })
}

fn connected(payload: &str) -> Connected {
    let fields: ConnectFields<'_> = serde_json::from_str(payload).unwrap_or_default();
    let pid = fields.pid.filter(|pid| pid.len() <= MAX_PID_CHARS).map(Box::from);
    Connected { has_sid: fields.sid.is_some(), pid }
}

/// The message of a refusal, an object's `message`, a bare text or the JSON itself; and the object's `data`.
fn connect_refusal(payload: &str) -> ConnectError {
    let fields = serde_json::from_str::<RefusalFields<'_>>(payload).unwrap_or_default();
    let words = fields.message.or_else(|| serde_json::from_str::<String>(payload).ok().map(Cow::Owned));
    let words = words.as_deref().unwrap_or(payload).chars().take(MAX_MESSAGE_CHARS).collect::<String>();
    let data = fields.data.map(|data| answer::bounded(data.get().to_owned()));
    ConnectError { message: words.into(), data: data.map(String::into_boxed_str) }
}
