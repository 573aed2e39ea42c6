//! Packets as JSON text, for drivers that have `serde_json`.

mod answer;
pub(crate) mod binary;
#[cfg(feature = "frames")]
mod custom;
mod decode;
mod encode;
mod frames;
mod objects;

pub use objects::{prefix, replace_objects};

use super::{AckText, Attachments, EventMap, Namespace, PacketError};
use crate::messages::json::{self as rooms, ServerDecoder};
use crate::token::Token;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::ToString as _;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::Deserialize;
use serde_json::value::RawValue;

pub use decode::BARE_TEXT;

/// Why a frame cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It is no packet.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// Its JSON is none, or not what a packet of its kind holds.
    #[error("the {packet} packet is malformed: {detail}")]
    Payload {
        /// The packet's kind.
        packet: &'static str,
        /// What is wrong with it.
        detail: Box<str>,
    },
    /// An event of the contract with a field missing or of the wrong type.
    #[error(transparent)]
    Event(#[from] rooms::DecodeError),
}

impl DecodeError {
    fn payload(packet: &'static str, error: &serde_json::Error) -> Self {
        Self::Payload { packet, detail: crate::messages::bounded(&error.to_string()) }
    }

    /// Whether nothing that follows on the connection can be understood: it is to be closed.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Packet(error) if error.is_fatal())
    }
}

/// Reads and writes the packets of one connection: those of its namespace, and within [`ServerPacket::In`] and
/// [`ClientPacket::In`] those of others, once one of these has requested them.
///
/// [`ServerPacket::In`]: super::ServerPacket::In
/// [`ClientPacket::In`]: super::ClientPacket::In
#[derive(Debug)]
pub struct Codec {
    namespace: Namespace,
    events: Arc<EventMap>,
    ack_text: AckText,
    /// The fields of the `auth` object beside the token, as a JSON object.
    auth: Option<Token>,
    /// Events that are not of the contract are the application's own.
    #[cfg(feature = "frames")]
    own: bool,
    attachments: Attachments,
    rooms: ServerDecoder,
    /// Other namespaces that have been requested on this connection.
    asked: Vec<Namespace>,
}

impl Codec {
    /// For a new connection.
    pub fn new(namespace: Namespace, events: Arc<EventMap>) -> Self {
        let (attachments, rooms) = (Attachments::default(), ServerDecoder::default());
        Self {
            namespace,
            events,
            ack_text: AckText::default(),
            auth: None,
            #[cfg(feature = "frames")]
            own: false,
            attachments,
            rooms,
            asked: Vec::new(),
        }
    }

    /// Reads acks that are nothing but a text so.
    pub fn ack_text(mut self, text: AckText) -> Self {
        self.ack_text = text;
        self
    }

    /// Writes these fields, a JSON object, into the `auth` object of the namespace, beside the token.
    pub fn auth(mut self, fields: Option<Token>) -> Self {
        self.auth = fields;
        self
    }

    /// Reads events that are not of the contract as the application's own.
    #[cfg(feature = "frames")]
    pub fn custom_events(mut self, reads: bool) -> Self {
        self.own = reads;
        self
    }
}

#[cfg(test)]
mod tests;

/// A JSON text; `None` for other JSON.
fn text(json: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Text<'_>>(json.get()).ok().map(|Text(text)| text)
}
