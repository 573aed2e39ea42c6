//! Parses a line of `pipe`'s input into a frame. Executes nothing.

use super::bad_line::{BadLine, QUOTED};
use super::misspelt_fields::{MisspeltField, misspelt_fields};
use crate::sanitise;
use rejoin::messages::MAX_DATA_LEVELS;
use rejoin::messages::json::{nesting_depth, well_formed};
use rejoin::{PERSONAL_ROOM, Position, check_room_name};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Longest `ref`, in characters.
const LONGEST_REF: usize = 64;

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// [`PERSONAL_ROOM`] stands for the user's notifications.
    Join {
        room: String,
        since: Option<Position>,
        history: Option<u64>,
    },
    Leave {
        room: String,
    },
    Send {
        room: String,
        content: String,
        data: Option<String>,
    },
    Signal {
        room: String,
        kind: String,
        data: Option<String>,
    },
    /// A message of the application's own.
    Own {
        message: OwnMessage,
        volatile: bool,
        ack: bool,
        /// The key by which a Socket.IO server can tell that it comes twice.
        idempotent: Option<String>,
    },
    /// One that each connection begins with.
    Keep {
        key: String,
        message: OwnMessage,
    },
    DropKept {
        key: String,
    },
    /// The answer to an event of a Socket.IO server.
    Answer {
        ack: u64,
        arguments: String,
    },
    /// What has been counted, and the last changes of state.
    Diagnostics,
    Close,
}

/// A message of the application's own.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OwnMessage {
    /// A frame: its JSON.
    Frame(String),
    /// An event for a Socket.IO server.
    Event { name: String, arguments: String },
}

/// The part of a line that is passed on as it is written.
#[derive(Deserialize)]
struct Verbatim<'a> {
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    args: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "ref")]
    reference: Option<&'a RawValue>,
}

/// A frame and the caller's name for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) frame: Frame,
    pub(super) reference: Option<String>,
    /// The namespace of a Socket.IO server that it is for.
    pub(super) namespace: Option<String>,
    /// Fields of the line that mean nothing, and are nearly called like one that does.
    pub(super) misspelt: Vec<MisspeltField>,
}

/// Reads one line. `None` for a blank one.
pub(super) fn parse(text: &str) -> Result<Option<Request>, BadLine> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let text = &*well_formed(text);
    let value = match too_deep(text) {
        Some(bad) => return Err(bad),
        None => serde_json::from_str::<Value>(text),
    };
    let value = value
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
    let data = match fields.remove("data") {
        None | Some(Value::Null) => None,
        // It is there and it is JSON: the line as a whole has just been read.
        Some(_) => serde_json::from_str(text)
            .ok()
            .and_then(|Verbatim { data, .. }| data.map(|data| data.get().to_owned())),
    };
    let args = match fields.remove("args") {
        None | Some(Value::Null) => Ok("[]".to_owned()),
        Some(Value::Array(_)) => Ok(serde_json::from_str(text)
            .ok()
            .and_then(|Verbatim { args, .. }| args.map(|args| args.get().to_owned()))
            .unwrap_or_default()),
        Some(_) => Err(BadLine::new("bad_frame", "\"args\" is not a list of arguments")),
    };
    let namespace = optional(&mut fields, "namespace", "the name of one");
    let (namespace, args) = match namespace {
        Ok(namespace) => (namespace, args),
        Err(bad) => (None, Err(bad)),
    };
    match args.and_then(|args| frame(&mut fields, data, args)) {
        Ok(Frame::Keep { .. }) if reference.is_some() => Err(BadLine {
            reference,
            ..BadLine::new("bad_ref", "a frame that is kept has no outcome, and takes no \"ref\"")
        }),
        Ok(frame) => Ok(Some(Request { frame, reference, namespace, misspelt: misspelt_fields(&fields) })),
        Err(bad) => Err(BadLine { reference, ..bad }),
    }
}

/// The answer to a line whose data is too deep: looked at first, because it may be too deep for the parser too.
fn too_deep(text: &str) -> Option<BadLine> {
    let Verbatim { data, args, reference } = serde_json::from_str(text).ok()?;
    let is_deep =
        |json: Option<&RawValue>| json.is_some_and(|json| nesting_depth(json.get()) > MAX_DATA_LEVELS);
    let field = if is_deep(data) { "data" } else { "args" };
    (is_deep(data) || is_deep(args)).then(|| {
        let message = format!("\"{field}\" has more than {MAX_DATA_LEVELS} levels of arrays and objects");
        let reference = reference.and_then(|json| serde_json::from_str(json.get()).ok());
        BadLine { reference, ..BadLine::new("bad_data", message) }
    })
}

/// The words of `serde_json` with its column, but without its line, which is always 1 here unlike ours.
fn json_error(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}

pub(super) type Fields = serde_json::Map<String, Value>;

fn frame(fields: &mut Fields, data: Option<String>, args: String) -> Result<Frame, BadLine> {
    let kind = string(fields, "type")?;
    match kind.as_str() {
        "join_room" => Ok(Frame::Join {
            room: room(fields, true)?,
            since: optional(fields, "since", "a position with epoch, seq and id")?,
            history: optional(fields, "history", "a number of messages")?,
        }),
        "leave_room" => Ok(Frame::Leave { room: room(fields, true)? }),
        "send_message" if fields.contains_key("idempotent") => {
            let message = "\"idempotent\" is for events (type \"frame\" with a \"name\"); a message has a \"ref\", which with --state is \
                           sent once however often it is given";
            Err(BadLine::new("bad_frame", message))
        }
        "send_message" => {
            Ok(Frame::Send { room: room(fields, false)?, content: string(fields, "content")?, data })
        }
        "signal" => Ok(Frame::Signal { room: room(fields, false)?, kind: string(fields, "kind")?, data }),
        "frame" => own(fields, data, args),
        "answer" => optional(fields, "ack", "the number that the event came with")?
            .map(|ack| Frame::Answer { ack, arguments: args })
            .ok_or_else(|| {
                BadLine::new("bad_frame", "\"ack\" is missing: it is the number that the event came with")
            }),
        "drop_kept" => Ok(Frame::DropKept { key: key(fields)? }),
        "diagnostics" => Ok(Frame::Diagnostics),
        "close" => Ok(Frame::Close),
        other => Err(BadLine::new(
            "unknown_type",
            format!(
                "the type \"{}\" is not one of join_room, leave_room, send_message, signal, frame, drop_kept, answer, \
                 diagnostics, close",
                sanitise::name(other, QUOTED)
            ),
        )),
    }
}

/// A frame of the application's own, or with a name an event for a Socket.IO server.
fn own(fields: &mut Fields, data: Option<String>, arguments: String) -> Result<Frame, BadLine> {
    let message = match (data, fields.contains_key("name")) {
        (Some(_), true) => {
            return Err(BadLine::new(
                "bad_frame",
                "a frame has \"data\", an event \"name\" and \"args\", not both",
            ));
        }
        (Some(json), false) => OwnMessage::Frame(json),
        (None, true) => OwnMessage::Event { name: string(fields, "name")?, arguments },
        (None, false) => {
            let message =
                "\"data\" is missing: it is the frame; or \"name\", of an event for a Socket.IO server";
            return Err(BadLine::new("bad_frame", message));
        }
    };
    let volatile = optional(fields, "volatile", "true or false")?.unwrap_or(false);
    let ack = optional(fields, "ack", "true or false")?.unwrap_or(false);
    let idempotent: Option<String> = optional(fields, "idempotent", "a key, which is a string")?;
    if volatile && idempotent.is_some() {
        return Err(BadLine::new("bad_frame", "a frame is volatile or idempotent, not both"));
    }
    if !fields.contains_key("keep") {
        return Ok(Frame::Own { message, volatile, ack, idempotent });
    }
    if volatile || ack || idempotent.is_some() {
        let message = "a frame that is kept is neither volatile nor idempotent nor answered";
        return Err(BadLine::new("bad_frame", message));
    }
    Ok(Frame::Keep { key: key(fields)?, message })
}

/// The key of a kept frame.
fn key(fields: &mut Fields) -> Result<String, BadLine> {
    let key = string(fields, "keep")?;
    if key.chars().count() <= LONGEST_REF {
        return Ok(key);
    }
    Err(BadLine::new("bad_frame", format!("\"keep\" is longer than {LONGEST_REF} characters")))
}

fn optional<T: serde::de::DeserializeOwned>(
    fields: &mut Fields,
    name: &'static str,
    wanted: &'static str,
) -> Result<Option<T>, BadLine> {
    let value = fields.remove(name).unwrap_or(Value::Null);
    serde_json::from_value(value)
        .map_err(|_| BadLine::new("bad_frame", format!("\"{name}\" is not {wanted}")))
}

fn room(fields: &mut Fields, or_personal: bool) -> Result<String, BadLine> {
    let room = string(fields, "roomId")?;
    if or_personal && room == PERSONAL_ROOM {
        return Ok(room);
    }
    match check_room_name(&room) {
        Ok(()) => Ok(room),
        Err(error) => {
            Err(BadLine::new("bad_room", format!("\"{}\": {error}", sanitise::name(&room, QUOTED))))
        }
    }
}

fn string(fields: &mut Fields, name: &'static str) -> Result<String, BadLine> {
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
        assert_eq!(send.frame, Frame::Send { room: "r".into(), content: "c\n".into(), data: None });
        assert_eq!(send.reference.as_deref(), Some("1"));
        let join = parse(r#"{"roomId":"r","type":"join_room"}"#).unwrap().unwrap();
        let frame = Frame::Join { room: "r".into(), since: None, history: None };
        assert_eq!(join, Request { frame, reference: None, namespace: None, misspelt: Vec::new() });
        let leave = parse(r#"{"type":"leave_room","roomId":"r","more":1}"#).unwrap().unwrap();
        assert_eq!(leave.frame, Frame::Leave { room: "r".into() });
        assert_eq!(parse(r#"{"type":"close"}"#).unwrap().unwrap().frame, Frame::Close);
        assert_eq!(parse("  \t").unwrap(), None);
    }

    #[test]
    fn what_only_an_extended_server_understands_is_read_too() {
        let frame = |text: &str| parse(text).unwrap().unwrap().frame;
        let data = Some(r#"{"b":1.50, "a":[]}"#.to_owned());
        assert_eq!(
            frame(r#"{"type":"send_message","roomId":"r","content":"","data":{"b":1.50, "a":[]}}"#),
            Frame::Send { room: "r".into(), content: String::new(), data: data.clone() }
        );
        assert_eq!(
            frame(r#"{"type":"signal","roomId":"r","kind":"typing","data":null}"#),
            Frame::Signal { room: "r".into(), kind: "typing".into(), data: None }
        );
        let join =
            r#"{"type":"join_room","roomId":"@me","since":{"epoch":"e","seq":3,"id":"m"},"history":5}"#;
        let Frame::Join { room, since, history } = frame(join) else { panic!("no join") };
        assert_eq!((room.as_str(), since.unwrap().seq, history), ("@me", 3, Some(5)));
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
            (r#"{"type":"join_room","roomId":"@you"}"#, "bad_room"),
            (r#"{"type":"send_message","roomId":"@me","content":""}"#, "bad_room"),
            (r#"{"type":"join_room","roomId":"r","history":-1}"#, "bad_frame"),
            (r#"{"type":"join_room","roomId":"r","since":{"seq":1}}"#, "bad_frame"),
            (r#"{"type":"signal","roomId":"r"}"#, "bad_frame"),
            (r#"{"type":"frame"}"#, "bad_frame"),
            (r#"{"type":"frame","data":null}"#, "bad_frame"),
            (r#"{"type":"frame","data":{},"keep":7}"#, "bad_frame"),
            (r#"{"type":"frame","data":{},"volatile":1}"#, "bad_frame"),
            (r#"{"type":"frame","data":{},"keep":"k","volatile":true}"#, "bad_frame"),
            (r#"{"type":"frame","data":{},"keep":"k","ref":"r"}"#, "bad_ref"),
            (r#"{"type":"frame","data":{},"keep":"k","ack":true}"#, "bad_frame"),
            (r#"{"type":"frame","name":"n","idempotent":1}"#, "bad_frame"),
            (r#"{"type":"send_message","roomId":"r","content":"c","idempotent":"k"}"#, "bad_frame"),
            (r#"{"type":"frame","name":"n","idempotent":"k","volatile":true}"#, "bad_frame"),
            (r#"{"type":"frame","name":"n","idempotent":"k","keep":"k"}"#, "bad_frame"),
            (r#"{"type":"frame","data":{},"name":"n"}"#, "bad_frame"),
            (r#"{"type":"frame","name":7}"#, "bad_frame"),
            (r#"{"type":"frame","name":"n","args":{}}"#, "bad_frame"),
            (r#"{"type":"frame","name":"n","ack":1}"#, "bad_frame"),
            (r#"{"type":"frame","name":"n","namespace":1}"#, "bad_frame"),
            (r#"{"type":"answer"}"#, "bad_frame"),
            (r#"{"type":"answer","ack":-1}"#, "bad_frame"),
            (r#"{"type":"answer","ack":1,"args":7}"#, "bad_frame"),
            (r#"{"type":"drop_kept"}"#, "bad_frame"),
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
    fn a_frame_of_the_applications_own_is_taken_as_it_is_written() {
        let frame = |text: &str| parse(text).unwrap().unwrap().frame;
        let json = r#"{"type":"price", "of":["X"]}"#;
        let message = || OwnMessage::Frame(json.into());
        let own = |volatile| Frame::Own { message: message(), volatile, ack: false, idempotent: None };
        assert_eq!(frame(&format!(r#"{{"type":"frame","data":{json},"ref":"1"}}"#)), own(false));
        assert_eq!(frame(&format!(r#"{{"type":"frame","data":{json},"volatile":true}}"#)), own(true));
        let kept = Frame::Keep { key: "k".into(), message: message() };
        assert_eq!(frame(&format!(r#"{{"type":"frame","data":{json},"keep":"k"}}"#)), kept);
        assert_eq!(frame(r#"{"type":"drop_kept","keep":"k"}"#), Frame::DropKept { key: "k".into() });
    }

    #[test]
    fn an_event_has_a_name_and_its_arguments_as_they_are_written() {
        let frame = |text: &str| parse(text).unwrap().unwrap().frame;
        let event = |name: &str, arguments: &str| OwnMessage::Event {
            name: name.into(),
            arguments: arguments.into(),
        };
        let own = |message, volatile, ack, key: Option<&str>| Frame::Own {
            message,
            volatile,
            ack,
            idempotent: key.map(str::to_owned),
        };
        let asked = own(event("quote", r#"["X", 1.50]"#), false, true, None);
        assert_eq!(frame(r#"{"type":"frame","name":"quote","args":["X", 1.50],"ack":true}"#), asked);
        let bare = own(event("ping", "[]"), true, false, None);
        assert_eq!(frame(r#"{"type":"frame","name":"ping","volatile":true}"#), bare);
        let again = own(event("order", "[]"), false, true, Some("o1"));
        assert_eq!(frame(r#"{"type":"frame","name":"order","ack":true,"idempotent":"o1"}"#), again);
        let kept = Frame::Keep { key: "k".into(), message: event("watch", "[1]") };
        assert_eq!(frame(r#"{"type":"frame","name":"watch","args":[1],"keep":"k"}"#), kept);
        let answer = Frame::Answer { ack: 3, arguments: "[{}]".into() };
        assert_eq!(frame(r#"{"type":"answer","ack":3,"args":[{}]}"#), answer);
    }

    #[test]
    fn half_of_a_surrogate_pair_costs_no_line() {
        let line = r#"{"type":"send_message","roomId":"r","content":"look \ud83d","data":{"\ude00":"\ud83d\ude00"}}"#;
        let expected = Frame::Send {
            room: "r".into(),
            content: "look \u{fffd}".into(),
            data: Some(r#"{"\ufffd":"\ud83d\ude00"}"#.into()),
        };
        assert_eq!(parse(line).unwrap().unwrap().frame, expected);
    }

    #[test]
    fn data_of_more_than_64_levels_is_refused_with_its_ref_however_deep_it_is() {
        let line = |levels: usize| {
            let data = "[".repeat(levels) + &"]".repeat(levels);
            format!(r#"{{"type":"send_message","roomId":"r","content":"c","data":{data},"ref":"me"}}"#)
        };
        assert!(parse(&line(64)).is_ok());
        for levels in [65, 127, 128, 10_000] {
            let bad = parse(&line(levels)).unwrap_err();
            assert_eq!((bad.code, bad.reference.as_deref()), ("bad_data", Some("me")), "{levels}");
        }
    }

    #[test]
    fn a_mistake_keeps_its_ref_and_quotes_little_and_harmlessly() {
        let long = format!(r#"{{"type":"a\u001b[2J{}","ref":"me"}}"#, "x".repeat(1000));
        let bad = parse(&long).unwrap_err();
        assert_eq!(bad.reference.as_deref(), Some("me"));
        assert!(bad.message.len() < 160 && !bad.message.contains('\u{1b}'), "{}", bad.message);
    }
}
