//! A line of `pipe`'s input: text to frame, nothing else.

use crate::lines::{BadText, LONGEST_LINE};
use crate::sanitise;
use rejoin::check_room_name;
use serde_json::Value;

/// Longest `ref`, in characters.
const LONGEST_REF: usize = 64;
/// Columns of a quoted value in an error.
const QUOTED: usize = 40;

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Join { room: String },
    Leave { room: String },
    Send { room: String, content: String },
    Close,
}

/// A frame and the caller's name for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) frame: Frame,
    pub(super) reference: Option<String>,
}

/// Why a line is none. The answer is an `error` event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    /// Stable, in snake case.
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) reference: Option<String>,
}

impl BadLine {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), reference: None }
    }
}

impl From<BadText> for BadLine {
    fn from(bad: BadText) -> Self {
        match bad {
            BadText::TooLong => Self::new(
                "line_too_long",
                format!("the line is longer than {LONGEST_LINE} bytes; split the message"),
            ),
            BadText::NotUtf8 => Self::new("not_utf8", "the line is not UTF-8"),
        }
    }
}

/// Reads one line. `None` for a blank one.
pub(super) fn parse(text: &str) -> Result<Option<Request>, BadLine> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let value: Value = serde_json::from_str(text)
        .map_err(|error| BadLine::new("not_json", format!("the line is not JSON: {}", json_error(&error))))?;
    let Value::Object(mut fields) = value else {
        return Err(BadLine::new("bad_frame", "the line is not a JSON object"));
    };
    let reference = match fields.remove("ref") {
        None => None,
        Some(Value::String(text)) if text.chars().count() <= LONGEST_REF => Some(text),
        Some(_) => {
            return Err(BadLine::new(
                "bad_ref",
                format!("\"ref\" is not a string of at most {LONGEST_REF} characters"),
            ));
        }
    };
    match frame(&mut fields) {
        Ok(frame) => Ok(Some(Request { frame, reference })),
        Err(bad) => Err(BadLine { reference, ..bad }),
    }
}

/// The words of `serde_json` with its column, but without its line, which is always 1 here unlike ours.
fn json_error(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}

fn frame(fields: &mut serde_json::Map<String, Value>) -> Result<Frame, BadLine> {
    let kind = string(fields, "type")?;
    match kind.as_str() {
        "join_room" => Ok(Frame::Join { room: room(fields)? }),
        "leave_room" => Ok(Frame::Leave { room: room(fields)? }),
        "send_message" => Ok(Frame::Send { room: room(fields)?, content: string(fields, "content")? }),
        "close" => Ok(Frame::Close),
        other => Err(BadLine::new(
            "unknown_type",
            format!(
                "the type \"{}\" is not one of join_room, leave_room, send_message, close",
                sanitise::name(other, QUOTED)
            ),
        )),
    }
}

fn room(fields: &mut serde_json::Map<String, Value>) -> Result<String, BadLine> {
    let room = string(fields, "roomId")?;
    match check_room_name(&room) {
        Ok(()) => Ok(room),
        Err(error) => {
            Err(BadLine::new("bad_room", format!("\"{}\": {error}", sanitise::name(&room, QUOTED))))
        }
    }
}

fn string(fields: &mut serde_json::Map<String, Value>, name: &'static str) -> Result<String, BadLine> {
    match fields.remove(name) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(BadLine::new("bad_frame", format!("\"{name}\" is not a string"))),
        None => Err(BadLine::new("bad_frame", format!("\"{name}\" is missing"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> &'static str {
        parse(text).unwrap_err().code
    }

    #[test]
    fn each_frame_is_read_with_and_without_a_ref() {
        let send =
            parse(r#"{"type":"send_message","roomId":"r","content":"c\n","ref":"1"}"#).unwrap().unwrap();
        assert_eq!(send.frame, Frame::Send { room: "r".into(), content: "c\n".into() });
        assert_eq!(send.reference.as_deref(), Some("1"));
        let join = parse(r#"{"roomId":"r","type":"join_room"}"#).unwrap().unwrap();
        assert_eq!(join, Request { frame: Frame::Join { room: "r".into() }, reference: None });
        let leave = parse(r#"{"type":"leave_room","roomId":"r","more":1}"#).unwrap().unwrap();
        assert_eq!(leave.frame, Frame::Leave { room: "r".into() });
        assert_eq!(parse(r#"{"type":"close"}"#).unwrap().unwrap().frame, Frame::Close);
        assert_eq!(parse("  \t").unwrap(), None);
    }

    #[test]
    fn each_mistake_has_its_code() {
        for (text, expected) in [
            ("hello", "not_json"),
            ("{", "not_json"),
            ("[1]", "bad_frame"),
            ("7", "bad_frame"),
            ("{}", "bad_frame"),
            (r#"{"type":7}"#, "bad_frame"),
            (r#"{"type":"join_room"}"#, "bad_frame"),
            (r#"{"type":"join_room","roomId":7}"#, "bad_frame"),
            (r#"{"type":"send_message","roomId":"r"}"#, "bad_frame"),
            (r#"{"type":"send_message","roomId":"r","content":{}}"#, "bad_frame"),
            (r#"{"type":"shout","roomId":"r"}"#, "unknown_type"),
            (r#"{"type":"join_room","roomId":""}"#, "bad_room"),
            (r#"{"type":"join_room","roomId":"@me"}"#, "bad_room"),
            (r#"{"type":"join_room","roomId":"a\u0007"}"#, "bad_room"),
            (r#"{"type":"close","ref":7}"#, "bad_ref"),
        ] {
            assert_eq!(code(text), expected, "{text}");
        }
        assert_eq!(code(&format!(r#"{{"type":"join_room","roomId":"{}"}}"#, "x".repeat(129))), "bad_room");
        assert_eq!(code(&format!(r#"{{"type":"close","ref":"{}"}}"#, "x".repeat(65))), "bad_ref");
        assert_eq!(code(&"[".repeat(100_000)), "not_json");
    }

    #[test]
    fn a_mistake_keeps_its_ref_and_quotes_little_and_harmlessly() {
        let long = format!(r#"{{"type":"a\u001b[2J{}","ref":"me"}}"#, "x".repeat(1000));
        let bad = parse(&long).unwrap_err();
        assert_eq!(bad.reference.as_deref(), Some("me"));
        assert!(bad.message.len() < 160 && !bad.message.contains('\u{1b}'), "{}", bad.message);
    }
}
