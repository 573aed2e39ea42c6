//! Engine.IO's payloads: the packets in the body of a long-polling request or answer, between record separators, binary
//! attachments as base64. Bounds each packet; does not interpret it.

use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Between two packets: the ASCII record separator.
const SEPARATOR: u8 = 0x1e;
/// Before the base64 of an attachment.
const ATTACHMENT: u8 = b'b';

/// One packet of a payload, as a WebSocket would carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayloadPacket {
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary(Vec<u8>),
}

/// Why bytes are no payload. Nothing behind them can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// A packet is longer than allowed.
    #[error("a packet of a long-polling answer is too large")]
    TooLarge,
    /// A packet is no UTF-8.
    #[error("a packet of a long-polling answer is no UTF-8")]
    NotText,
    /// An attachment is no base64.
    #[error("an attachment of a long-polling answer is no base64")]
    NotBase64,
    /// A packet has nothing in it.
    #[error("a packet of a long-polling answer is empty")]
    Empty,
}

/// Takes packets out of a body that comes piece by piece. Holds no more than one packet.
#[derive(Debug)]
pub struct PayloadDecoder {
    max_packet: usize,
    /// The beginning of the packet that is not complete.
    partial: Vec<u8>,
}

impl PayloadDecoder {
    /// For packets of at most so many bytes.
    pub fn new(max_packet: usize) -> Self {
        Self { max_packet, partial: Vec::new() }
    }

    /// Reads from the beginning of `bytes` to the end of a packet, which `bytes` moves behind, or to their end.
    ///
    /// # Errors
    /// When that is no packet.
    pub fn read(&mut self, bytes: &mut &[u8]) -> Result<Option<PayloadPacket>, PayloadError> {
        let Some(end) = memchr::memchr(SEPARATOR, bytes) else {
            let rest = core::mem::take(bytes);
            self.push(rest)?;
            return Ok(None);
        };
        let (packet, rest) = bytes.split_at(end);
        *bytes = rest.get(1..).unwrap_or_default();
        self.push(packet)?;
        self.packet().map(Some)
    }

    /// The last packet of a body, which no separator follows. The next body begins anew.
    ///
    /// # Errors
    /// When there is none, or it is no packet.
    pub fn finish(&mut self) -> Result<PayloadPacket, PayloadError> {
        self.packet()
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), PayloadError> {
        let is_attachment = self.partial.first().or(bytes.first()) == Some(&ATTACHMENT);
        let most = if is_attachment { encoded_len(self.max_packet) } else { self.max_packet };
        if self.partial.len().saturating_add(bytes.len()) > most {
            return Err(PayloadError::TooLarge);
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    fn packet(&mut self) -> Result<PayloadPacket, PayloadError> {
        let bytes = core::mem::take(&mut self.partial);
        match bytes.split_first() {
            None => Err(PayloadError::Empty),
            Some((&ATTACHMENT, base64)) => {
                let decoded = STANDARD.decode(base64).map_err(|_| PayloadError::NotBase64)?;
                Ok(PayloadPacket::Binary(decoded))
            }
            Some(_) => String::from_utf8(bytes).map(PayloadPacket::Text).map_err(|_| PayloadError::NotText),
        }
    }
}

/// Bytes of an attachment in a payload.
fn encoded_len(bytes: usize) -> usize {
    bytes.div_ceil(3).saturating_mul(4).saturating_add(1)
}

/// Adds a text packet to a body.
pub fn append_text(body: &mut String, packet: &str) {
    separate(body);
    body.push_str(packet);
}

/// Adds an attachment to a body.
pub fn append_binary(body: &mut String, bytes: &[u8]) {
    separate(body);
    body.push(char::from(ATTACHMENT));
    STANDARD.encode_string(bytes, body);
}

fn separate(body: &mut String) {
    if !body.is_empty() {
        body.push(char::from(SEPARATOR));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The packets of a body that comes in pieces of this length, and how it ends.
    fn decode(body: &[u8], piece: usize, max: usize) -> Result<Vec<PayloadPacket>, PayloadError> {
        let mut decoder = PayloadDecoder::new(max);
        let mut packets = Vec::new();
        for mut piece in body.chunks(piece) {
            while !piece.is_empty() {
                packets.extend(decoder.read(&mut piece)?);
            }
        }
        packets.push(decoder.finish()?);
        Ok(packets)
    }

    fn text(packet: &str) -> PayloadPacket {
        PayloadPacket::Text(packet.into())
    }

    #[test]
    fn what_is_written_is_read_again_however_it_is_cut() {
        let mut body = String::new();
        append_text(&mut body, "451-[\"é\"]");
        append_binary(&mut body, &[1, 2, 3, 255]);
        append_binary(&mut body, &[]);
        append_text(&mut body, "2");
        assert_eq!(body, "451-[\"é\"]\u{1e}bAQID/w==\u{1e}b\u{1e}2");
        let expected = [
            text("451-[\"é\"]"),
            PayloadPacket::Binary([1, 2, 3, 255].into()),
            PayloadPacket::Binary(Vec::new()),
            text("2"),
        ];
        for piece in 1..body.len() {
            assert_eq!(decode(body.as_bytes(), piece, 100).unwrap(), expected);
        }
    }

    #[test]
    fn a_packet_is_bounded_and_a_body_of_many_is_not() {
        assert_eq!(decode("4aaa\x1e4bbb\x1e4ccc".as_bytes(), 5, 4).unwrap().len(), 3);
        for piece in [1, 100] {
            assert_eq!(decode(b"4aaaa", piece, 4), Err(PayloadError::TooLarge));
            assert_eq!(decode(b"4\x1e4aaaa\x1e4", piece, 4), Err(PayloadError::TooLarge));
            // The bound is one of bytes, and not of their base64.
            assert_eq!(decode(b"bAQIDBA==", piece, 4).unwrap(), [PayloadPacket::Binary([1, 2, 3, 4].into())]);
            assert_eq!(decode(b"bAQIDBAUGBwg=", piece, 4), Err(PayloadError::TooLarge));
        }
    }

    #[test]
    fn what_is_no_payload_is_refused() {
        for (body, error) in [
            (&b""[..], PayloadError::Empty),
            (b"2\x1e", PayloadError::Empty),
            (b"\x1e2", PayloadError::Empty),
            (b"4\xff", PayloadError::NotText),
            (b"b!", PayloadError::NotBase64),
            (b"2\x1ebAQ", PayloadError::NotBase64),
        ] {
            assert_eq!(decode(body, 1, 100), Err(error), "{body:?}");
        }
    }
}
