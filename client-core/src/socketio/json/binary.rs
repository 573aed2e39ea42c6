//! Attachments put where the JSON has holes for them: as base64 text, for JSON has no bytes.

use super::DecodeError;
use crate::socketio::PacketError;
use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Replaces every `{"_placeholder":true,"num":n}` by the attachment `n`.
pub(super) fn fill(json: &str, attachments: &[Box<[u8]>]) -> Result<String, DecodeError> {
    let mut value = serde_json::from_str(json).map_err(|error| DecodeError::payload("binary", &error))?;
    put(&mut value, attachments)?;
    Ok(value.to_string())
}

/// The parser's limit of depth is this function's too.
fn put(value: &mut Value, attachments: &[Box<[u8]>]) -> Result<(), PacketError> {
    match value {
        Value::Object(object) if object.get("_placeholder") == Some(&Value::Bool(true)) => {
            let number = object.get("num").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
            let bytes = number.and_then(|number| attachments.get(number));
            *value = Value::String(STANDARD.encode(bytes.ok_or(PacketError::AttachmentMissing)?));
            Ok(())
        }
        Value::Object(object) => object.values_mut().try_for_each(|inner| put(inner, attachments)),
        Value::Array(items) => items.iter_mut().try_for_each(|inner| put(inner, attachments)),
        _ => Ok(()),
    }
}
