//! Socket.IO v5 packets: `<type>[<attachments>-][<namespace>,][<ack id>][<JSON>]`. Does not parse the JSON: each driver
//! has its own parser.

use super::PacketError;
use crate::messages::MAX_INT;
use alloc::string::String;
use core::fmt::Write as _;

/// The namespace that is not written.
pub const MAIN_NAMESPACE: &str = "/";
/// Maximum attachments of one packet, as in the reference parser.
pub const MAX_ATTACHMENTS: u8 = 10;

/// What a packet does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketType {
    /// `0`: requests a namespace, or is the consent.
    Connect,
    /// `1`: leaves a namespace.
    Disconnect,
    /// `2`: an event.
    Event,
    /// `3`: the answer to an event.
    Ack,
    /// `4`: the namespace refuses.
    ConnectError,
    /// `5`: an event whose attachments follow.
    BinaryEvent,
    /// `6`: an answer whose attachments follow.
    BinaryAck,
}

/// One packet, as far as it is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What it does.
    pub kind: PacketType,
    /// How many binary frames follow; 0 but for the binary types.
    pub attachments: u8,
    /// Where.
    pub namespace: &'a str,
    /// The event's number, where an answer is wanted or given.
    pub ack: Option<u64>,
    /// JSON or nothing.
    pub payload: &'a str,
}

impl<'a> Packet<'a> {
    /// Reads what an Engine.IO message holds. The payload is not looked at.
    ///
    /// # Errors
    /// When it is no packet, or one with more attachments than are taken.
    pub fn decode(text: &'a str) -> Result<Self, PacketError> {
        let mut rest = text.chars();
        let kind = match rest.next().ok_or(PacketError::Empty)? {
            '0' => PacketType::Connect,
            '1' => PacketType::Disconnect,
            '2' => PacketType::Event,
            '3' => PacketType::Ack,
            '4' => PacketType::ConnectError,
            '5' => PacketType::BinaryEvent,
            '6' => PacketType::BinaryAck,
            _ => return Err(PacketError::UnknownType),
        };
        let mut rest = rest.as_str();
        let mut attachments = 0;
        if matches!(kind, PacketType::BinaryEvent | PacketType::BinaryAck) {
            let (number, after) = digits(rest);
            attachments = match number.parse() {
                Ok(count) if count <= MAX_ATTACHMENTS => count,
                _ if number.is_empty() => return Err(PacketError::NoAttachments),
                _ => return Err(PacketError::TooManyAttachments),
            };
            rest = after.strip_prefix('-').ok_or(PacketError::NoAttachments)?;
        }
        let mut namespace = MAIN_NAMESPACE;
        if rest.starts_with('/') {
            // Without a comma it is the whole rest: `41/admin`.
            (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
        }
        let (number, payload) = digits(rest);
        let ack = match number.parse() {
            Ok(ack) if ack <= MAX_INT => Some(ack),
            _ if number.is_empty() => None,
            _ => return Err(PacketError::AckId),
        };
        Ok(Self { kind, attachments, namespace, ack, payload })
    }

    /// Writes it as it stands in an Engine.IO message, behind what `text` holds.
    pub fn encode_into(&self, text: &mut String) {
        let (digit, is_binary) = match self.kind {
            PacketType::Connect => ('0', false),
            PacketType::Disconnect => ('1', false),
            PacketType::Event => ('2', false),
            PacketType::Ack => ('3', false),
            PacketType::ConnectError => ('4', false),
            PacketType::BinaryEvent => ('5', true),
            PacketType::BinaryAck => ('6', true),
        };
        text.push(digit);
        // Into a string there is nothing to fail on.
        if is_binary {
            let _ = write!(text, "{}-", self.attachments);
        }
        // What begins with a slash would be taken for the name of one.
        if self.namespace != MAIN_NAMESPACE || self.payload.starts_with('/') {
            text.push_str(self.namespace);
            text.push(',');
        }
        if let Some(ack) = self.ack {
            let _ = write!(text, "{ack}");
        }
        text.push_str(self.payload);
    }
}

/// How many attachments follow a binary packet, however many those are.
#[cfg(feature = "json")]
pub(super) fn announced(text: &str) -> Option<usize> {
    let (number, after) = digits(text.strip_prefix(['5', '6'])?);
    number.parse().ok().filter(|_| after.starts_with('-'))
}

/// The digits that `text` begins with, and the rest.
fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at_checked(end).unwrap_or((text, ""))
}
