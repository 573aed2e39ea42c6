//! The golden frames of `wire/*.json`, read by the Rust codec, and the specification's own. Other implementations read the
//! same files.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod extended;
mod fields;
mod references;
mod snippets;
mod specification;

use rejoin::Message;
use rejoin::machine::{ClientMessage, ServerMessage};
use rejoin::messages::json::{DecodeError, ServerDecoder, decode_client, encode_client, encode_server};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Golden {
    client: Vec<Case>,
    server: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    text: String,
    canonical: bool,
    #[serde(default)]
    is: Value,
    error: Option<String>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("plain.json")).unwrap()
}

fn kind(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::NotJson(_) => "not_json",
        DecodeError::NoType => "no_type",
        DecodeError::Field { .. } => "field",
        other => panic!("an error the golden frames do not know: {other}"),
    }
}

fn client_value(message: &ClientMessage) -> Value {
    match message {
        ClientMessage::JoinRoom { room, request: None } => {
            json!({"type": "join_room", "roomId": room.as_str()})
        }
        ClientMessage::LeaveRoom { room, reference: None } => {
            json!({"type": "leave_room", "roomId": room.as_str()})
        }
        ClientMessage::SendMessage { room, content, tag: None, .. } => {
            json!({"type": "send_message", "roomId": room.as_str(), "content": content})
        }
        other => panic!("a message the golden frames do not know: {other:?}"),
    }
}

fn server_value(message: &ServerMessage) -> Value {
    match message {
        ServerMessage::Message(Message { room, user, content, timestamp, entry: None, .. }) => {
            json!({
                "type": "message", "roomId": room.as_str(), "userId": user.as_str(),
                "content": content, "timestamp": timestamp,
            })
        }
        ServerMessage::UserJoined { room, user } => {
            json!({"type": "user_joined", "roomId": room.as_str(), "userId": user.as_str()})
        }
        ServerMessage::Error { message, detail: None } => json!({"type": "error", "message": message}),
        ServerMessage::Unknown => Value::Null,
        other => panic!("a message the golden frames do not know: {other:?}"),
    }
}

#[test]
fn client_frames_decode_and_encode_as_the_golden_ones() {
    for case in golden().client {
        match decode_client(&case.text) {
            Ok(message) => {
                assert_eq!(case.error, None, "{}: accepted", case.name);
                let value = message.as_ref().map_or(Value::Null, client_value);
                assert_eq!(value, case.is, "{}", case.name);
                if case.canonical {
                    assert_eq!(encode_client(&message.unwrap()), case.text, "{}", case.name);
                }
            }
            Err(error) => assert_eq!(case.error.as_deref(), Some(kind(&error)), "{}: {error}", case.name),
        }
    }
}

#[test]
fn server_frames_decode_and_encode_as_the_golden_ones() {
    let mut decoder = ServerDecoder::default();
    for case in golden().server {
        match decoder.decode(&case.text) {
            Ok(message) => {
                assert_eq!(case.error, None, "{}: accepted", case.name);
                assert_eq!(server_value(&message), case.is, "{}", case.name);
                if case.canonical {
                    assert_eq!(encode_server(&message).unwrap(), case.text, "{}", case.name);
                }
            }
            Err(error) => assert_eq!(case.error.as_deref(), Some(kind(&error)), "{}: {error}", case.name),
        }
    }
}

#[test]
fn a_frame_cut_at_any_byte_is_refused_and_never_half_read() {
    let mut decoder = ServerDecoder::default();
    for case in golden().server.into_iter().filter(|case| case.canonical) {
        for end in (0..case.text.len()).filter(|end| case.text.is_char_boundary(*end)) {
            let cut = &case.text[..end];
            assert!(decoder.decode(cut).is_err(), "{cut}");
        }
    }
}

#[test]
fn an_error_quotes_little_of_what_the_sender_wrote() {
    let text = format!("{{\"type\":\"join_room\",\"roomId\":[\"{}\"]}}", "x".repeat(10_000));
    assert!(decode_client(&text).unwrap_err().to_string().len() < 300);
}
