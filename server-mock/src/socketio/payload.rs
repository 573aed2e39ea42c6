//! What one request of HTTP long-polling carries: packets between record separators.

use super::incoming::Incoming;

/// Between two packets.
pub(super) const SEPARATOR: char = '\u{1e}';

/// The packets of a POST; `None` for a body that is no payload.
pub(super) fn split(body: Vec<u8>) -> Option<Vec<Incoming>> {
    let body = String::from_utf8(body).ok()?;
    if body.is_empty() {
        return None;
    }
    let incoming = |packet: &str| {
        // Bytes come as base64, which nobody needs to undo: this server takes none.
        if packet.starts_with('b') { Incoming::Attachment } else { Incoming::Packet(packet.into()) }
    };
    Some(body.split(SEPARATOR).map(incoming).collect())
}

/// Adds a packet to the body of an answer.
pub(super) fn append(body: &mut String, packet: &str) {
    if !body.is_empty() {
        body.push(SEPARATOR);
    }
    body.push_str(packet);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_joined_and_taken_apart_again() {
        let mut body = String::new();
        for packet in ["4a", "2", "4é"] {
            append(&mut body, packet);
        }
        assert_eq!(body, "4a\u{1e}2\u{1e}4é");
        let packets = ["4a", "2", "4é"].map(|packet| Incoming::Packet(packet.into()));
        assert_eq!(split(body.into_bytes()), Some(packets.to_vec()));
    }

    #[test]
    fn a_body_that_is_no_payload_is_refused_and_bytes_are_attachments() {
        assert_eq!(split(Vec::new()), None);
        assert_eq!(split(vec![b'4', 0xff]), None);
        let mixed = split(Vec::from(b"451-[]\x1ebAQID")).unwrap();
        assert_eq!(mixed, [Incoming::Packet("451-[]".into()), Incoming::Attachment]);
    }
}
