//! Replaces objects in a JSON text without touching the rest: numbers and the order of fields stay as written.

use alloc::string::String;
use memchr::memchr2;
use serde::de::DeserializeOwned;

/// What `text` begins with, and its length, if it is a `T`.
pub fn prefix<T: DeserializeOwned>(text: &str) -> Option<(T, usize)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<T>();
    let value = values.next()?.ok()?;
    Some((value, values.byte_offset()))
}

/// Gives `replace` the rest of the text from each object on, outer ones first. It answers with the length of what it
/// replaces, and by what. That is not looked into.
pub fn replace_objects(json: &str, mut replace: impl FnMut(&str) -> Option<(usize, String)>) -> String {
    let mut replaced = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = memchr2(b'"', b'{', rest.as_bytes()) {
        let Some((before, after)) = rest.split_at_checked(at) else { break };
        replaced.push_str(before);
        let length = if after.starts_with('"') {
            string(after)
        } else if let Some((length, text)) = replace(after) {
            replaced.push_str(&text);
            rest = after.get(length..).unwrap_or_default();
            continue;
        } else {
            1
        };
        let Some((kept, after)) = after.split_at_checked(length) else { break };
        replaced.push_str(kept);
        rest = after;
    }
    replaced.push_str(rest);
    replaced
}

/// The length of the JSON string that `text` begins with.
fn string(text: &str) -> usize {
    let mut at = 1;
    while let Some(found) = text.as_bytes().get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found + 1;
        if text.as_bytes().get(at - 1) == Some(&b'"') {
            return at;
        }
        at += 1;
    }
    text.len()
}
