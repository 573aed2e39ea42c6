//! Replaces placeholders in JSON by attachments, and bytes by placeholders.

use super::DecodeError;
use super::objects::{prefix, replace_objects};
#[cfg(feature = "frames")]
use crate::socketio::MAX_ATTACHMENTS;
use crate::socketio::PacketError;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
#[cfg(feature = "frames")]
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
#[cfg(feature = "frames")]
use memchr::memmem;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// How bytes stand in the JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// As base64 text.
    Text,
    /// As [`Bytes`](crate::Bytes) writes them.
    #[cfg(feature = "frames")]
    Object,
}

/// Where an attachment stands.
#[derive(Deserialize)]
struct Placeholder {
    #[serde(default, rename = "_placeholder")]
    is_one: Value,
    #[serde(default)]
    num: Value,
}

/// Replaces every `{"_placeholder":true,"num":n}` by the attachment `n`.
pub(super) fn fill(json: &str, attachments: &[Box<[u8]>], written: Written) -> Result<String, DecodeError> {
    serde_json::from_str::<IgnoredAny>(json).map_err(|error| DecodeError::payload("binary", &error))?;
    let mut is_missing = false;
    let filled = replace_objects(json, |rest| {
        if !begins_with_one_of(rest, &["_placeholder", "num"]) {
            return None;
        }
        let (Placeholder { is_one: Value::Bool(true), num }, length) = prefix(rest)? else { return None };
        let number = num.as_u64().and_then(|number| usize::try_from(number).ok());
        let Some(bytes) = number.and_then(|number| attachments.get(number)) else {
            is_missing = true;
            return None;
        };
        let base64 = STANDARD.encode(bytes);
        Some((
            length,
            match written {
                Written::Text => format!("\"{base64}\""),
                #[cfg(feature = "frames")]
                Written::Object => format!("{{\"base64\":\"{base64}\"}}"),
            },
        ))
    });
    if is_missing { Err(PacketError::UnfilledPlaceholder.into()) } else { Ok(filled) }
}

/// Bytes as [`Bytes`](crate::Bytes) writes them.
#[cfg(feature = "frames")]
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoded {
    base64: String,
}

/// A text with gaps, and what belongs into them.
#[cfg(feature = "frames")]
pub(crate) type Extracted = (String, Vec<Vec<u8>>);

/// Why bytes cannot be sent.
#[cfg(feature = "frames")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BinaryError {
    /// What stands for them is no base64, or somebody's own object would be taken for a gap.
    Malformed,
    /// More than servers take in one event.
    TooMany,
}

/// The opposite, of the list of an event's name and arguments: the same with gaps, and the attachments. Without bytes the
/// text is not needed again.
#[cfg(feature = "frames")]
pub(crate) fn take_out(json: &str) -> Result<Option<Extracted>, BinaryError> {
    if memmem::find(json.as_bytes(), br#""base64""#).is_none() {
        return Ok(None);
    }
    let (mut attachments, mut failed) = (Vec::new(), None);
    let taken = replace_objects(json, |rest| {
        if !begins_with_one_of(rest, &["base64"]) {
            return None;
        }
        let (Encoded { base64 }, length) = prefix(rest)?;
        let Ok(bytes) = STANDARD.decode(base64) else {
            failed = Some(BinaryError::Malformed);
            return None;
        };
        if attachments.len() >= usize::from(MAX_ATTACHMENTS) {
            failed = Some(BinaryError::TooMany);
            return None;
        }
        attachments.push(bytes);
        Some((length, format!(r#"{{"_placeholder":true,"num":{}}}"#, attachments.len() - 1)))
    });
    if let Some(failed) = failed {
        return Err(failed);
    }
    if attachments.is_empty() {
        return Ok(None);
    }
    // A user's own object with that name would be taken for a gap.
    let is_clear = serde_json::from_str(json).is_ok_and(|json| !has_placeholder(&json));
    if is_clear { Ok(Some((taken, attachments))) } else { Err(BinaryError::Malformed) }
}

/// Levels are the parser's to limit.
#[cfg(feature = "frames")]
fn has_placeholder(json: &Value) -> bool {
    match json {
        Value::Object(fields) => fields.contains_key("_placeholder") || fields.values().any(has_placeholder),
        Value::Array(items) => items.iter().any(has_placeholder),
        _ => false,
    }
}

/// Whether the first field of the object that `text` begins with has one of these names. A look at the object itself costs
/// its whole length, at every level.
fn begins_with_one_of(text: &str, names: &[&str]) -> bool {
    let first = text.strip_prefix('{').and_then(|rest| rest.trim_start().strip_prefix('"'));
    first.is_some_and(|first| {
        names.iter().any(|name| first.strip_prefix(name).is_some_and(|rest| rest.starts_with('"')))
    })
}

#[cfg(all(test, feature = "frames"))]
mod tests {
    use super::*;
    use alloc::vec;

    fn bytes(all: &[&[u8]]) -> Vec<Box<[u8]>> {
        all.iter().map(|bytes| Box::from(*bytes)).collect()
    }

    #[test]
    fn bytes_go_where_they_stand_and_everything_else_stays_as_it_was_written() {
        let json = r#"["e",{"b":1.50,"a":{"_placeholder":true,"num":1}},{ "num" : 0 , "_placeholder" : true},"{\"_placeholder\":true,\"num\":0}"]"#;
        let all = bytes(&[&[1, 2, 3], &[255]]);
        let filled = fill(json, &all, Written::Object).unwrap();
        let expected =
            r#"["e",{"b":1.50,"a":{"base64":"/w=="}},{"base64":"AQID"},"{\"_placeholder\":true,\"num\":0}"]"#;
        assert_eq!(filled, expected);
        let text = fill(json, &all, Written::Text).unwrap();
        assert!(text.starts_with(r#"["e",{"b":1.50,"a":"/w=="},"AQID","#), "{text}");
        let (taken, attachments) = take_out(expected).unwrap().unwrap();
        assert_eq!(attachments, [vec![255], vec![1, 2, 3]]);
        assert!(taken.starts_with(
            r#"["e",{"b":1.50,"a":{"_placeholder":true,"num":0}},{"_placeholder":true,"num":1},"#
        ));
    }

    #[test]
    fn a_gap_without_its_attachment_is_an_error() {
        for num in ["1", "-1", "\"0\"", "0.5", "18446744073709551615", "null"] {
            let json = format!(r#"["e",{{"_placeholder":true,"num":{num}}}]"#);
            let hole = Err(DecodeError::Packet(PacketError::UnfilledPlaceholder));
            assert_eq!(fill(&json, &bytes(&[b"x"]), Written::Object), hole, "{num}");
        }
        assert_eq!(
            fill(r#"[{"_placeholder":false,"num":7}]"#, &[], Written::Text).unwrap(),
            r#"[{"_placeholder":false,"num":7}]"#
        );
    }

    #[test]
    fn what_only_looks_like_bytes_is_sent_as_it_is_and_what_would_be_taken_for_a_gap_is_not_sent() {
        for json in [
            r#"["e",{"base64":7}]"#,
            r#"["e",{"base64":"AQID","more":1}]"#,
            r#"["e","base64"]"#,
            r#"["base64"]"#,
        ] {
            assert_eq!(take_out(json), Ok(None), "{json}");
        }
        for json in
            [r#"["e",{"base64":"AQI"}]"#, r#"["e",{"base64":"AQID"},{"a":[{"_placeholder":true,"num":0}]}]"#]
        {
            assert_eq!(take_out(json), Err(BinaryError::Malformed), "{json}");
        }
        let many = format!("[\"e\"{}]", r#",{"base64":"AQID"}"#.repeat(11));
        assert_eq!(take_out(&many), Err(BinaryError::TooMany));
    }
}
