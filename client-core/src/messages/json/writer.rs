//! Writes `send_message`, the most frequent frame of a client, piece by piece: a third of what the library costs for a
//! frame with many optional fields.

use super::frames::as_raw;
use crate::id::Id;
use crate::messages::SendTag;
use alloc::string::String;
use alloc::vec::Vec;

pub(super) fn send_message(
    room: &str,
    content: &str,
    data: Option<&String>,
    tag: Option<&SendTag>,
    text: &mut Vec<u8>,
) {
    text.extend_from_slice(br#"{"type":"send_message""#);
    if let Some(tag) = tag {
        id(text, br#","ref":""#, &tag.reference);
    }
    quoted(text, br#","roomId":"#, room);
    quoted(text, br#","content":"#, content);
    if let Some(data) = as_raw(data) {
        text.extend_from_slice(br#","data":"#);
        text.extend_from_slice(data.get().as_bytes());
    }
    if let Some(line) = tag.and_then(|tag| tag.producer.as_ref()) {
        id(text, br#","epoch":""#, &line.epoch);
        id(text, br#","pid":""#, &line.pid);
        text.extend_from_slice(br#","pseq":"#);
        // A number into a vector: there is nothing to fail on.
        let _ = serde_json::to_writer(&mut *text, &line.pseq);
    }
    text.push(b'}');
}

/// A key with its opening quote, and an id, which has nothing to escape.
fn id(text: &mut Vec<u8>, key: &[u8], id: &Id) {
    text.extend_from_slice(key);
    text.extend_from_slice(id.as_bytes());
    text.push(b'"');
}

/// A key, and any text as a JSON string.
fn quoted(text: &mut Vec<u8>, key: &[u8], value: &str) {
    text.extend_from_slice(key);
    // Every byte is looked at, for then several are looked at in one instruction.
    let escape = |byte| u8::from(byte < b' ' || byte == b'"' || byte == b'\\');
    if value.bytes().fold(0, |found, byte| found | escape(byte)) != 0 {
        // A string into a vector: there is nothing to fail on.
        let _ = serde_json::to_writer(text, value);
    } else {
        text.push(b'"');
        text.extend_from_slice(value.as_bytes());
        text.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn any_text_is_written_as_the_library_writes_it() {
        let every: String = (0..=0x2100_u32).filter_map(char::from_u32).collect();
        for text in ["", "plain", "a \"quoted\" \\ one", "line\nfeed", "\u{0}", "é 😀 \u{2028}", &every] {
            let mut written = Vec::new();
            send_message(text, text, None, None, &mut written);
            let text = serde_json::to_string(text).unwrap();
            let frame = format!(r#"{{"type":"send_message","roomId":{text},"content":{text}}}"#);
            assert_eq!(String::from_utf8(written).unwrap(), frame);
        }
    }
}
