//! Writes an application frame as an output line of `pipe`. Parses no frame.

use crate::json_safe::write_line;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rejoin::Frame;
use serde::Serialize;
use serde_json::value::RawValue;

#[derive(Debug, Serialize)]
struct Line<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    data: Data<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Json(&'a RawValue),
    Bytes { base64: String },
}

/// An event of a Socket.IO server.
#[derive(Debug, Serialize)]
struct EventLine<'a> {
    r#type: &'static str,
    namespace: &'a str,
    name: Option<&'a str>,
    args: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack: Option<u64>,
}

/// Prints a frame: its JSON as it came, or its bytes; an event with all its arguments.
pub(super) fn frame(out: &mut Vec<u8>, frame: &Frame) {
    if let Some(namespace) = frame.namespace() {
        let args = frame.text().and_then(|text| serde_json::from_str(text).ok());
        return write_line(
            out,
            &EventLine { r#type: "frame", namespace, name: frame.kind(), args, ack: frame.ack() },
        );
    }
    let json = frame.text().and_then(|text| serde_json::from_str(text).ok());
    let data = match json {
        Some(json) => Data::Json(json),
        None => Data::Bytes { base64: STANDARD.encode(frame.bytes().unwrap_or_default()) },
    };
    write_line(out, &Line { r#type: "frame", name: frame.kind(), data });
}
