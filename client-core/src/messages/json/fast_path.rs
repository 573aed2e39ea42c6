//! A one-pass parser for messages and acks, the most frequent frames.
//!
//! The library costs two to three times as much here. Only what a server normally
//! writes is read this way: the fields of the protocol in their usual order, no white space, nothing of an unexpected
//! kind. For anything else the answer is `None`, and the library reads the frame, or says what is wrong with it.

use super::interner::Interner;
use crate::id::Id;
use crate::messages::{Ack, EntryMeta, MAX_INT, Message, ProducerSeq, ServerMessage};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use memchr::memchr2;

pub(super) fn read(text: &str, names: &mut Interner) -> Option<ServerMessage> {
    if let Some(rest) = text.strip_prefix(r#"{"type":"message""#) {
        return message(Cursor { rest }, names).map(ServerMessage::Message);
    }
    let rest = text.strip_prefix(r#"{"type":"ack""#)?;
    ack(Cursor { rest }, names).map(ServerMessage::Ack)
}

fn message(mut frame: Cursor<'_>, names: &mut Interner) -> Option<Message> {
    let room = names.get(clean(frame.text(r#","roomId":""#)?)?);
    let user = names.get(clean(frame.text(r#","userId":""#)?)?);
    let content = frame.content()?;
    let timestamp = clean(frame.text(r#","timestamp":""#)?)?.to_owned();
    let meta = match frame.text(r#","id":""#) {
        Some(id) => {
            let id = Id::new(id).ok()?;
            let epoch = Id::new(frame.text(r#","epoch":""#)?).ok()?;
            let seq = frame.number(r#","seq":"#)?;
            let replay = frame.flag(r#","replay":true"#);
            let origin = match frame.text(r#","pid":""#) {
                Some(pid) => {
                    let pid = Id::new(pid).ok()?;
                    Some(Box::new(ProducerSeq { pid, pseq: frame.number(r#","pseq":"#)? }))
                }
                None => None,
            };
            Some(Box::new(EntryMeta { id, epoch, seq, replay, producer: origin }))
        }
        None => None,
    };
    frame.is_at_its_end().then_some(Message::plain(room, user, content, timestamp).with_entry(meta))
}

fn ack(mut frame: Cursor<'_>, names: &mut Interner) -> Option<Ack> {
    let reference = Id::new(frame.text(r#","ref":""#)?).ok()?;
    let room = names.get(clean(frame.text(r#","roomId":""#)?)?);
    // Our server says it here, the protocol's page lists it last.
    let early = frame.text(r#","timestamp":""#);
    let id = Id::new(frame.text(r#","id":""#)?).ok()?;
    let epoch = Id::new(frame.text(r#","epoch":""#)?).ok()?;
    let seq = frame.number(r#","seq":"#)?;
    let timestamp = match early.or_else(|| frame.text(r#","timestamp":""#)) {
        Some(timestamp) => Some(clean(timestamp)?.into()),
        None => None,
    };
    let dup = frame.flag(r#","dup":true"#);
    frame.is_at_its_end().then_some(Ack { reference, room, id, epoch, seq, timestamp, dup })
}

/// What is not read yet. What a method does not find is not taken away.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    /// The text behind this key, whose opening quote belongs to the key; nothing in it is escaped.
    fn text(&mut self, key: &str) -> Option<&'a str> {
        let inside = self.rest.strip_prefix(key)?;
        let end = memchr2(b'"', b'\\', inside.as_bytes())?;
        let (text, rest) = inside.split_at_checked(end)?;
        self.rest = rest.strip_prefix('"')?;
        Some(text)
    }

    /// What people have written: any text.
    fn content(&mut self) -> Option<String> {
        let quoted = self.rest.strip_prefix(r#","content":"#)?;
        let bytes = quoted.strip_prefix('"')?.as_bytes();
        let mut escaped = false;
        let mut end = 0;
        loop {
            end += memchr2(b'"', b'\\', bytes.get(end..)?)?;
            if bytes.get(end) == Some(&b'"') {
                break;
            }
            escaped = true;
            end += 2;
        }
        let (quoted, rest) = quoted.split_at_checked(end + 2)?;
        self.rest = rest;
        if escaped {
            return serde_json::from_str(quoted).ok();
        }
        clean(quoted.get(1..end + 1)?).map(ToOwned::to_owned)
    }

    /// An integer of the wire: no sign, no fraction, no exponent, no leading zero.
    fn number(&mut self, key: &str) -> Option<u64> {
        let rest = self.rest.strip_prefix(key)?;
        let mut number = 0_u64;
        let mut digits = 0;
        for byte in rest.bytes().take_while(u8::is_ascii_digit) {
            if digits > 0 && number == 0 {
                return None;
            }
            number = number.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
            digits += 1;
        }
        let rest = rest.get(digits..)?;
        if digits == 0 || number > MAX_INT || !rest.starts_with([',', '}']) {
            return None;
        }
        self.rest = rest;
        Some(number)
    }

    /// Whether this comes next.
    fn flag(&mut self, flag: &str) -> bool {
        let rest = self.rest.strip_prefix(flag);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn is_at_its_end(&self) -> bool {
        self.rest == "}"
    }
}

/// What has no control characters, which have no place in a JSON string. Every byte is looked at, for then several
/// are looked at in one instruction.
fn clean(text: &str) -> Option<&str> {
    let dirty = text.bytes().fold(0, |found, byte| found | u8::from(byte < b' '));
    (dirty == 0).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::json::server::read_by_library;

    /// What the library reads, for a frame that it reads.
    fn library(text: &str) -> Option<ServerMessage> {
        read_by_library(text, &mut Interner::default()).ok()
    }

    fn directly(text: &str) -> Option<ServerMessage> {
        read(text, &mut Interner::default())
    }

    const MESSAGE: &str = r#"{"type":"message","roomId":"lobby","userId":"bob","content":"hi","timestamp":"T","id":"m1","epoch":"e1","seq":7,"replay":true,"pid":"p1","pseq":3}"#;
    const ACK: &str = r#"{"type":"ack","ref":"s1-1","roomId":"lobby","id":"m1","epoch":"e1","seq":7,"timestamp":"T","dup":true}"#;

    #[test]
    fn what_a_server_normally_writes_is_read_without_the_library_and_to_the_same() {
        for frame in [
            MESSAGE,
            ACK,
            r#"{"type":"message","roomId":"lobby","userId":"bob","content":"","timestamp":"T"}"#,
            r#"{"type":"message","roomId":"lobby","userId":"bob","content":"é 😀 \u00e9 \ud83d\ude00 \"quoted\" \\","timestamp":"T"}"#,
            r#"{"type":"ack","ref":"s1","roomId":"lobby","id":"m1","epoch":"e1","seq":9007199254740991}"#,
            r#"{"type":"ack","ref":"s1","roomId":"lobby","timestamp":"T","id":"m1","epoch":"e1","seq":0,"dup":true}"#,
        ] {
            let read = directly(frame);
            assert!(read.is_some(), "{frame}");
            assert_eq!(read, library(frame), "{frame}");
        }
    }

    #[test]
    fn whatever_is_unusual_is_left_to_the_library() {
        for frame in [
            r#"{"type": "message","roomId":"lobby","userId":"bob","content":"hi","timestamp":"T"}"#,
            r#"{"type":"message","userId":"bob","roomId":"lobby","content":"hi","timestamp":"T"}"#,
            r#"{"type":"message","roomId":"lobby","userId":"bob","content":"hi","timestamp":"T","seq":1}"#,
            r#"{"roomId":"lobby","type":"message","userId":"bob","content":"hi","timestamp":"T"}"#,
            r#"{"type":"message","roomId":"lobby","userId":"bob","content":"hi","timestamp":"T","data":1}"#,
            r#"{"type":"message","roomId":"lobby","userId":"bob","content":"hi","timestamp":"T","seq":1e3}"#,
            r#"{"type":"message","roomId":"lobby","userId":"bob","content":"hi","timestamp":"T","id":7}"#,
            r#"{"type":"message","roomId":"lobby","userId":"bob","content":"hi","content":"ho","timestamp":"T"}"#,
            r#"{"type":"message","roomId":"lobby","userId":"bob","content":"hi"}"#,
            r#"{"type":"message","roomId":"lobby","userId":"bob","content":"hi","timestamp":1795852800123}"#,
            r#"{"type":"message","roomId":"lobby","userId":"bob","content":"hi","timestamp":"T"}}"#,
            r#"{"type":"message","roomId":"lo\u0062by","userId":"bob","content":"hi","timestamp":"T"}"#,
            "{\"type\":\"message\",\"roomId\":\"lobby\",\"userId\":\"bob\",\"content\":\"a\nb\",\"timestamp\":\"T\"}",
            r#"{"type":"message","roomId":"lobby","userId":"bob","content":"\q","timestamp":"T"}"#,
            r#"{"type":"ack","ref":"s1","roomId":"lobby","id":"m 1","epoch":"e1","seq":7}"#,
            r#"{"type":"ack","ref":"s1","roomId":"lobby","id":"m1","epoch":"e1","seq":07}"#,
            r#"{"type":"ack","ref":"s1","roomId":"lobby","id":"m1","epoch":"e1","seq":9007199254740992}"#,
            r#"{"type":"nack","ref":"s1"}"#,
        ] {
            assert_eq!(directly(frame), None, "{frame}");
        }
    }

    #[test]
    fn a_frame_broken_anywhere_is_never_read_otherwise_than_by_the_library() {
        let mut rng = fastrand::Rng::with_seed(7);
        let pieces = [
            "\"", "\\", "{", "}", ",", ":", "0", "-", ".", "e", " ", "\u{1}", "é", "null", "\\u0041", "\"\"",
            "x",
        ];
        for frame in [MESSAGE, ACK] {
            for _ in 0..20_000 {
                let mut broken = frame.to_owned();
                for _ in 0..rng.usize(1..3) {
                    let (from, until) = (rng.usize(..broken.len()), rng.usize(..4));
                    let until = (from + until).min(broken.len());
                    if broken.is_char_boundary(from) && broken.is_char_boundary(until) {
                        broken.replace_range(from..until, pieces[rng.usize(..pieces.len())]);
                    }
                }
                if let Some(read) = directly(&broken) {
                    assert_eq!(Some(read), library(&broken), "{broken}");
                }
            }
        }
    }
}
