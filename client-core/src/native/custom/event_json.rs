//! Builds and validates the JSON of an application's own Socket.IO event.

use crate::event::SendFailure;
use crate::messages::MAX_DATA_LEVELS;
use crate::messages::json::nesting_depth;
use crate::socketio::EventMap;
use crate::socketio::json::binary::{BinaryError, take_out};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// In characters.
const MAX_IDEMPOTENCY_KEY_CHARS: usize = 128;

/// Arguments as the application gives them, as a list: a list is the list of them, `null` none, and anything else the only
/// one.
pub(crate) fn arguments(json: &str) -> String {
    match json.trim_start().chars().next() {
        Some('[') => json.to_owned(),
        _ if json.trim() == "null" => "[]".to_owned(),
        _ => format!("[{json}]"),
    }
}

/// The list of an event's name and its arguments, which are a list.
fn named(name: &str, arguments: &str) -> String {
    let name = Value::String(name.to_owned());
    let rest = arguments.trim_start().strip_prefix('[').map_or("]", str::trim_start);
    let comma = if rest.starts_with(']') { "" } else { "," };
    format!("[{name}{comma}{rest}")
}

/// A frame with a `type` as the event of that name, whose one argument is the rest of the frame, if there is more.
pub(crate) fn from_frame(json: &str) -> Option<(String, String)> {
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_str(json).ok()?;
    let name = serde_json::from_str::<String>(fields.remove("type")?.get()).ok()?;
    if fields.is_empty() {
        return Some((name, "[]".to_owned()));
    }
    let rest = fields.iter().map(|(field, json)| format!("{}:{json}", Value::String(field.clone())));
    Some((name, format!("[{{{}}}]", rest.collect::<Vec<_>>().join(","))))
}

/// The event as it is queued, if it may be sent.
pub(crate) fn checked(name: &str, arguments: &str, events: &EventMap) -> Result<String, SendFailure> {
    if events.is_taken(name) {
        return Err(SendFailure::Reserved);
    }
    check_arguments(arguments)?;
    Ok(named(name, arguments))
}

/// An event as it is queued, with a key as its last argument by which the server can tell that it comes twice.
pub(crate) fn with_idempotency_key(event: &str, key: &str) -> Result<String, SendFailure> {
    let length = key.chars().count();
    if length == 0 || length > MAX_IDEMPOTENCY_KEY_CHARS {
        return Err(SendFailure::BadKey);
    }
    let list = event.trim_end().strip_suffix(']').ok_or(SendFailure::BadData)?;
    Ok(format!("{list},{}]", Value::String(key.to_owned())))
}

/// Whether a list of arguments may be sent.
pub(crate) fn check_arguments(arguments: &str) -> Result<(), SendFailure> {
    // The list itself is a level.
    if nesting_depth(arguments) > MAX_DATA_LEVELS + 1 {
        return Err(SendFailure::BadData);
    }
    serde_json::from_str::<Vec<&RawValue>>(arguments).map_err(|_| SendFailure::BadData)?;
    match take_out(arguments) {
        Ok(_) => Ok(()),
        Err(BinaryError::Malformed) => Err(SendFailure::BadData),
        Err(BinaryError::TooMany) => Err(SendFailure::TooLarge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_a_list_however_they_are_given() {
        for (given, expected) in [
            ("[1, 2]", "[1, 2]"),
            (" [ ]", " [ ]"),
            ("null", "[]"),
            ("7", "[7]"),
            (r#"{"a":[]}"#, r#"[{"a":[]}]"#),
        ] {
            assert_eq!(arguments(given), expected);
        }
        assert_eq!(named("a\"b", "[ ]"), r#"["a\"b"]"#);
        assert_eq!(named("e", " [1,2]"), r#"["e",1,2]"#);
    }

    #[test]
    fn a_frame_with_a_type_is_the_event_of_that_name() {
        let event = |json: &str| from_frame(json);
        assert_eq!(event(r#"{"type":"ping"}"#), Some(("ping".into(), "[]".into())));
        assert_eq!(
            event(r#"{"b":1.50,"type":"a","a":"\u0041"}"#),
            Some(("a".into(), r#"[{"a":"\u0041","b":1.50}]"#.into()))
        );
        for json in ["[1]", "7", "{}", r#"{"type":7}"#] {
            assert_eq!(event(json), None, "{json}");
        }
    }

    #[test]
    fn a_key_is_the_last_argument_and_a_short_text() {
        assert_eq!(with_idempotency_key(r#"["e"]"#, "k\"1").as_deref(), Ok(r#"["e","k\"1"]"#));
        assert_eq!(with_idempotency_key(r#"["e",[1] ] "#, "k").as_deref(), Ok(r#"["e",[1] ,"k"]"#));
        assert!(with_idempotency_key(r#"["e"]"#, &"k".repeat(128)).is_ok());
        for key in ["", &"k".repeat(129)] {
            assert_eq!(with_idempotency_key(r#"["e"]"#, key), Err(SendFailure::BadKey));
        }
    }

    #[test]
    fn names_of_the_contract_deep_arguments_and_bad_bytes_are_refused() {
        let events = EventMap::default();
        let check = |name: &str, arguments: &str| checked(name, arguments, &events);
        assert_eq!(check("price", "[1]").as_deref(), Ok(r#"["price",1]"#));
        for name in ["", "connect", "disconnect", "join_room", "message"] {
            assert_eq!(check(name, "[]"), Err(SendFailure::Reserved), "{name}");
        }
        let deep = |levels: usize| format!("[{}{}]", "[".repeat(levels), "]".repeat(levels));
        assert!(check("price", &deep(64)).is_ok());
        assert_eq!(check("price", &deep(65)), Err(SendFailure::BadData));
        assert_eq!(check("price", "[1"), Err(SendFailure::BadData));
        assert_eq!(check("price", r#"[{"base64":"?"}]"#), Err(SendFailure::BadData));
        let many = format!("[{}]", [r#"{"base64":"AQID"}"#; 11].join(","));
        assert_eq!(check("price", &many), Err(SendFailure::TooLarge));
    }
}
