//! Parses the application's own events into custom frames.

use super::DecodeError;
use super::answer::listed;
use super::text;
use crate::messages::Frame;
use crate::messages::ServerMessage;
use crate::messages::bounded;
use crate::name::Name;
use crate::socketio::RESERVED_EVENTS;
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde_json::value::RawValue;

/// An event that is not of the contract.
pub(super) fn event(
    namespace: &str,
    name: Option<&RawValue>,
    arguments: &[&RawValue],
) -> Result<ServerMessage, DecodeError> {
    let bad = |detail: &str| DecodeError::Payload { packet: "event", detail: bounded(detail) };
    let json = name.ok_or_else(|| bad("it has no name"))?;
    let is_number = json.get().starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let name = match text(json) {
        Some(name) => name,
        None if is_number => Cow::Borrowed(json.get()),
        None => return Err(bad("its name is no text")),
    };
    if RESERVED_EVENTS.contains(&&*name) {
        return Err(bad(&format!("no event can be called {name}")));
    }
    let frame = Frame::event(namespace.into(), Name::from(&*name), list(arguments));
    Ok(ServerMessage::Custom(frame))
}

/// Arguments as a JSON list.
pub(super) fn list(arguments: &[&RawValue]) -> String {
    let arguments: Vec<&str> = arguments.iter().map(|argument| argument.get()).collect();
    format!("[{}]", arguments.join(","))
}

/// The list of an ack's arguments as an answer.
pub(super) fn answer(list: &str) -> String {
    let arguments: Vec<&RawValue> = serde_json::from_str(list).unwrap_or_default();
    listed(&arguments).unwrap_or_default()
}
