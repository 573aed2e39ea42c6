//! Converts bytes in events: attachments for a Socket.IO client; for everybody else, and in the log, an object with their
//! base64: `{"_binary":true,"base64":"AQID"}`. Waits for attachments that are still to come. Knows no event.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;
use rejoin::socketio::MAX_ATTACHMENTS;
use rejoin::socketio::json::{prefix, replace_objects};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Bytes, Utf8Bytes};

/// Where the attachment `num` stands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Placeholder {
    #[serde(rename = "_placeholder")]
    is_one: bool,
    num: u8,
}

/// What stands there for those who get no attachments.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoded {
    #[serde(rename = "_binary")]
    is_one: bool,
    base64: String,
}

/// A packet whose attachments are still to come.
#[derive(Debug)]
pub(super) struct Gathering {
    /// With the engine's type.
    pub(super) packet: Utf8Bytes,
    pub(super) attachments: Vec<Bytes>,
    left: u8,
    /// How many bytes they may still have.
    room: usize,
    /// `false`: nobody wants them.
    wanted: bool,
    /// When the last of them must have come.
    pub(super) until: Instant,
}

/// What came of an attachment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Gathered {
    More,
    All,
    TooMuch,
}

impl Gathering {
    /// `count` of them, at least one, and at most `room` bytes in all.
    pub(super) fn new(packet: &Utf8Bytes, count: u8, room: usize, wanted: bool, until: Instant) -> Self {
        Self { packet: packet.clone(), attachments: Vec::new(), left: count, room, wanted, until }
    }

    pub(super) fn add(&mut self, bytes: Bytes) -> Gathered {
        let Some(room) = self.room.checked_sub(bytes.len()) else { return Gathered::TooMuch };
        self.room = room;
        self.left = self.left.saturating_sub(1);
        if self.wanted {
            self.attachments.push(bytes);
        }
        if self.left == 0 { Gathered::All } else { Gathered::More }
    }
}

/// Puts attachments as base64 where the JSON has their places; `None` if it has a place for one that there is not, or
/// two for the same.
pub(super) fn fill(json: &str, attachments: &[Bytes]) -> Option<String> {
    let mut left: Vec<Option<&Bytes>> = attachments.iter().map(Some).collect();
    let mut missing = false;
    let filled = replace_objects(json, |rest| {
        let (Placeholder { is_one: true, num }, length) = prefix(rest)? else { return None };
        let Some(bytes) = left.get_mut(usize::from(num)).and_then(Option::take) else {
            missing = true;
            return None;
        };
        Some((length, format!(r#"{{"_binary":true,"base64":"{}"}}"#, STANDARD.encode(bytes))))
    });
    (!missing).then_some(filled)
}

/// The opposite, of the arguments of an event: them with places, and the attachments. `None` if there are none, or more
/// than clients take.
pub(super) fn take_out(arguments: &str) -> Option<(String, Vec<Bytes>)> {
    memmem::find(arguments.as_bytes(), br#""_binary""#)?;
    let (mut attachments, mut too_many) = (Vec::new(), false);
    let taken = replace_objects(arguments, |rest| {
        let (Encoded { is_one: true, base64 }, length) = prefix(rest)? else { return None };
        let bytes = STANDARD.decode(base64).ok()?;
        if attachments.len() >= usize::from(MAX_ATTACHMENTS) {
            too_many = true;
            return None;
        }
        attachments.push(Bytes::from(bytes));
        Some((length, format!(r#"{{"_placeholder":true,"num":{}}}"#, attachments.len() - 1)))
    });
    // Somebody's own object with that name would be taken for a place, and end the connections of those who read it.
    let is_clear = || serde_json::from_str(&format!("[{arguments}]")).is_ok_and(|json| !has_place(&json));
    (!attachments.is_empty() && !too_many && is_clear()).then_some((taken, attachments))
}

/// Levels are the parser's to limit.
fn has_place(json: &Value) -> bool {
    match json {
        Value::Object(fields) => fields.contains_key("_placeholder") || fields.values().any(has_place),
        Value::Array(items) => items.iter().any(has_place),
        _ => false,
    }
}

/// Base64 as long-polling has it.
pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// `None` for what is no base64.
pub(super) fn decode(text: &str) -> Option<Bytes> {
    STANDARD.decode(text).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(all: &[&'static [u8]]) -> Vec<Bytes> {
        all.iter().map(|bytes| Bytes::from_static(bytes)).collect()
    }

    #[test]
    fn attachments_go_where_they_stand_and_come_back() {
        let attachments = bytes(&[b"\x01\x02\x03", b"", b"\xff"]);
        let event = r#"{"a":{"_placeholder":true,"num":0},"b":[{"num": 2, "_placeholder" : true },"{\"_placeholder\":true}\\",{"c":{"_placeholder":true,"num":1}}]}"#;
        let filled = fill(event, &attachments).unwrap();
        assert_eq!(
            filled,
            r#"{"a":{"_binary":true,"base64":"AQID"},"b":[{"_binary":true,"base64":"/w=="},"{\"_placeholder\":true}\\",{"c":{"_binary":true,"base64":""}}]}"#
        );
        let (taken, back) = take_out(&format!(r#"{filled},"7-1""#)).unwrap();
        assert_eq!(back, bytes(&[b"\x01\x02\x03", b"\xff", b""]));
        assert_eq!(
            taken,
            r#"{"a":{"_placeholder":true,"num":0},"b":[{"_placeholder":true,"num":1},"{\"_placeholder\":true}\\",{"c":{"_placeholder":true,"num":2}}]},"7-1""#
        );
    }

    #[test]
    fn a_place_without_an_attachment_and_one_used_twice_are_refused() {
        for event in [
            r#"{"_placeholder":true,"num":1}"#,
            r#"[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]"#,
        ] {
            assert_eq!(fill(event, &bytes(&[b"a"])), None, "{event}");
        }
        for other in [
            r#"{"_placeholder":false,"num":0}"#,
            r#"{"_placeholder":true,"num":-1}"#,
            r#"{"_placeholder":true,"num":0,"more":1}"#,
            r#"{"_placeholder":true"#,
            "\"{",
            "\"\\",
            "{",
            "",
        ] {
            assert_eq!(fill(other, &bytes(&[b"a"])).as_deref(), Some(other));
        }
    }

    #[test]
    fn what_is_not_quite_bytes_stays_as_it_is() {
        for arguments in [
            r#"{"a":1}"#,
            r#"{"_binary":false,"base64":"AQID"}"#,
            r#"{"_binary":true,"base64":"AQI"}"#,
            r#"{"_binary":true,"base64":7}"#,
            r#"{"_binary":true,"base64":"AQID","more":1}"#,
            r#"{"content":"{\"_binary\":true,\"base64\":\"AQID\"}"}"#,
        ] {
            assert_eq!(take_out(arguments), None, "{arguments}");
        }
    }

    #[test]
    fn nobody_can_write_a_place_for_an_attachment_that_there_is_not() {
        for place in [r#""_placeholder""#, r#""\u005fplaceholder""#] {
            let arguments =
                format!(r#"{{"a":{{"_binary":true,"base64":"AQID"}},"b":{{{place}:true,"num":9}}}}"#);
            assert_eq!(take_out(&arguments), None);
        }
    }

    #[test]
    fn more_than_clients_take_stay_base64() {
        let one = r#"{"_binary":true,"base64":"AQID"}"#;
        let many = |count: usize| format!("[{}]", vec![one; count].join(","));
        assert_eq!(take_out(&many(10)).unwrap().1.len(), 10);
        assert_eq!(take_out(&many(11)), None);
    }

    #[test]
    fn attachments_are_counted_and_weighed_as_they_come() {
        let packet = Utf8Bytes::from_static("451-[]");
        let gathering = |wanted| Gathering::new(&packet, 2, 5, wanted, Instant::now());
        let mut one = gathering(true);
        assert_eq!(one.add(Bytes::from_static(b"abc")), Gathered::More);
        assert_eq!(one.add(Bytes::from_static(b"de")), Gathered::All);
        assert_eq!(one.attachments, bytes(&[b"abc", b"de"]));
        let mut other = gathering(false);
        assert_eq!(other.add(Bytes::from_static(b"abc")), Gathered::More);
        assert_eq!(other.add(Bytes::from_static(b"def")), Gathered::TooMuch);
        assert!(other.attachments.is_empty());
    }
}
