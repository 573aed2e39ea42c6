//! Reads the body of one poll: packets between record separators.

use super::binary;
use super::packet::Incoming;
use tokio_tungstenite::tungstenite::{Bytes, Utf8Bytes};

/// Between two packets.
pub(super) const SEPARATOR: char = '\u{1e}';
const SEPARATOR_BYTE: u8 = 0x1e;

/// Before the base64 of bytes.
pub(super) const ATTACHMENT: char = 'b';

/// Most packets of a payload for each so many of its bytes that may come: a packet is rarely shorter.
const PACKET: usize = 16;

/// Why a body is not taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoPayload {
    Malformed,
    /// It has too many packets.
    TooMany,
}

/// The packets of a POST, taken out one by one: they stay in the one buffer in which they came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Payload {
    /// What is left.
    rest: Option<Utf8Bytes>,
}

impl Payload {
    /// The packets of a body, which has as many as one of `limit` bytes may have.
    pub(super) fn new(body: Bytes, limit: usize) -> Result<Self, NoPayload> {
        let packets = memchr::memchr_iter(SEPARATOR_BYTE, &body).count() + 1;
        if packets > (limit / PACKET).max(1) {
            return Err(NoPayload::TooMany);
        }
        let rest = Utf8Bytes::try_from(body).ok().filter(|rest| !rest.is_empty());
        rest.map(|rest| Self { rest: Some(rest) }).ok_or(NoPayload::Malformed)
    }

    pub(super) fn pop(&mut self) -> Option<Incoming> {
        let rest = Bytes::from(self.rest.take()?);
        let mut packet = rest;
        if let Some(end) = memchr::memchr(SEPARATOR_BYTE, &packet) {
            let mut after = packet.split_off(end);
            // A separator is one byte of its own in UTF-8: what is on its sides is text still.
            self.rest = Utf8Bytes::try_from(after.split_off(1)).ok();
        }
        let text = Utf8Bytes::try_from(packet).ok()?;
        Some(match text.strip_prefix(ATTACHMENT) {
            Some(base64) => binary::decode(base64).map_or(Incoming::Malformed, Incoming::Attachment),
            None => Incoming::Packet(text),
        })
    }
}

/// Adds a packet to the body of an answer.
pub(super) fn append(body: &mut String, packet: &str) {
    if !body.is_empty() {
        body.push(SEPARATOR);
    }
    body.push_str(packet);
}

/// Adds the bytes that belong to the packet before.
pub(super) fn attach(body: &mut String, bytes: &[u8]) {
    append(body, &format!("{ATTACHMENT}{}", binary::encode(bytes)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(body: impl Into<Vec<u8>>) -> Option<Vec<Incoming>> {
        let mut payload = Payload::new(Bytes::from(body.into()), 1_000).ok()?;
        Some(std::iter::from_fn(|| payload.pop()).collect())
    }

    #[test]
    fn packets_are_joined_and_taken_apart_again() {
        let mut body = String::new();
        for packet in ["4a", "2", "4é"] {
            append(&mut body, packet);
        }
        assert_eq!(body, "4a\u{1e}2\u{1e}4é");
        let mut attached = String::from("451-[]");
        attach(&mut attached, &[1, 2, 3]);
        assert_eq!(attached, "451-[]\u{1e}bAQID");
        let packets = ["4a", "2", "4é"].map(|packet| Incoming::Packet(packet.into()));
        assert_eq!(split(body), Some(packets.to_vec()));
        let empty = ["", "2", ""].map(|packet| Incoming::Packet(packet.into()));
        assert_eq!(split("\u{1e}2\u{1e}"), Some(empty.to_vec()));
    }

    #[test]
    fn a_body_that_is_no_payload_is_refused_and_bytes_are_attachments() {
        assert_eq!(split(""), None);
        assert_eq!(split(vec![b'4', 0xff]), None);
        let mixed = split("451-[]\x1ebAQID\x1ebA").unwrap();
        let attachment = Incoming::Attachment(Bytes::from_static(&[1, 2, 3]));
        assert_eq!(mixed, [Incoming::Packet("451-[]".into()), attachment, Incoming::Malformed]);
    }

    #[test]
    fn a_body_of_more_packets_than_it_may_have_is_refused_before_any_is_taken_out() {
        assert!(split(vec!["3"; 62].join("\x1e")).is_some());
        let many = Bytes::from(vec!["3"; 63].join("\x1e"));
        assert_eq!(Payload::new(many, 1_000), Err(NoPayload::TooMany));
    }
}
