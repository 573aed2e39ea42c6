//! Engine.IO v4 packets: one digit and its content. Each WebSocket frame has one packet; a binary frame is an
//! attachment and has no digit.

use super::PacketError;
use alloc::string::String;

/// A packet of the connection below Socket.IO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnginePacket<'a> {
    /// `0`: the server's first packet, a JSON object with the connection's times and limits.
    Open(&'a str),
    /// `1`: the other side is about to close.
    Close,
    /// `2`: ping. Only servers send it. `2probe` belongs to an upgrade.
    Ping(&'a str),
    /// `3`: yes.
    Pong(&'a str),
    /// `4`: a Socket.IO packet.
    Message(&'a str),
    /// `5`: the transport changes. Never said here, where there is only one.
    Upgrade,
    /// `6`: nothing.
    Noop,
}

impl<'a> EnginePacket<'a> {
    /// Reads one text frame.
    ///
    /// # Errors
    /// When it does not begin with one of the seven digits.
    pub fn decode(text: &'a str) -> Result<Self, PacketError> {
        let mut rest = text.chars();
        let kind = rest.next().ok_or(PacketError::Empty)?;
        let rest = rest.as_str();
        Ok(match kind {
            '0' => Self::Open(rest),
            '1' => Self::Close,
            '2' => Self::Ping(rest),
            '3' => Self::Pong(rest),
            '4' => Self::Message(rest),
            '5' => Self::Upgrade,
            '6' => Self::Noop,
            _ => return Err(PacketError::UnknownType),
        })
    }

    /// Writes it as one text frame, behind what `text` holds.
    pub fn encode_into(self, text: &mut String) {
        let (digit, rest) = match self {
            Self::Open(rest) => ('0', rest),
            Self::Close => ('1', ""),
            Self::Ping(rest) => ('2', rest),
            Self::Pong(rest) => ('3', rest),
            Self::Message(rest) => ('4', rest),
            Self::Upgrade => ('5', ""),
            Self::Noop => ('6', ""),
        };
        text.push(digit);
        text.push_str(rest);
    }
}
