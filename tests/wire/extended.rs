//! The golden frames of the extended protocol, read by the Rust codec.

use super::{Golden, kind};
use rejoin::machine::{ClientMessage, ServerMessage};
use rejoin::messages::json::{ServerDecoder, decode_client, encode_client, encode_server};
use rejoin::messages::{
    Ack, AuthExpiry, AuthOk, Code, EntryMeta, ErrorDetail, GoingAway, Hello, History, HistoryRequest,
    JoinReason, JoinRequest, Joined, Left, Limits, MAX_INT, Nack, Notification, Position, Presence,
    ProducerSeq, ProducerTag, ReconnectHint, SendTag, Signal,
};
use rejoin::{Id, Message, Name, Token};
use serde_json::Value;
use std::collections::BTreeMap;

fn golden() -> Golden {
    serde_json::from_str(include_str!("extended.json")).unwrap()
}

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn lobby() -> Name {
    Name::from("lobby")
}

/// What some of the golden client frames are, as the Rust types say it.
fn client_types() -> BTreeMap<&'static str, ClientMessage> {
    let since = Position { epoch: id("e1"), seq: 7, id: id("m7") };
    let join = |room: &str, since: Option<Position>, history| ClientMessage::JoinRoom {
        room: Name::from(room),
        request: Some(JoinRequest { reference: id("j1"), since, history }),
    };
    let line = |pseq| ProducerTag { pid: id("p1"), pseq, epoch: id("e1") };
    let send = |data: Option<&str>, line| ClientMessage::SendMessage {
        room: lobby(),
        content: String::from("hi"),
        data: data.map(String::from),
        tag: Some(Box::new(SendTag { reference: id("s1"), producer: line })),
    };
    let history =
        HistoryRequest { reference: id("h1"), room: lobby(), epoch: id("e1"), after: 7, limit: 100 };
    let signal = ClientMessage::Signal { room: lobby(), kind: "typing".into(), data: Some("true".into()) };
    BTreeMap::from([
        ("join, first", join("lobby", None, None)),
        ("join with history", join("lobby", None, Some(50))),
        ("join from a position", join("lobby", Some(since.clone()), None)),
        ("join from a position, with history", join("@me", Some(since), Some(0))),
        ("leave", ClientMessage::LeaveRoom { room: lobby(), reference: Some(id("l1")) }),
        ("send, numbered", send(None, Some(line(1)))),
        ("send, numbered, with data", send(Some(r#"{"a":[1,null,"é"]}"#), Some(line(MAX_INT)))),
        ("send before the first hello", send(None, None)),
        ("history", ClientMessage::History(history)),
        ("presence", ClientMessage::Presence { room: lobby() }),
        ("signal with data", signal),
        ("ping", ClientMessage::Ping { t: 12_345 }),
        ("auth", ClientMessage::Auth { reference: id("a1"), token: Token::new("s3cret") }),
    ])
}

fn message(stamp: EntryMeta, data: Option<&str>) -> Message {
    let plain = Message::plain(
        lobby(),
        Name::from("ada"),
        String::from("hi"),
        String::from("2026-11-22T10:00:00.000Z"),
    );
    plain.with_data(data.map(String::from)).with_entry(Some(Box::new(stamp)))
}

fn stamp(replay: bool) -> EntryMeta {
    EntryMeta { id: id("m9"), epoch: id("e1"), seq: 9, replay, producer: None }
}

fn ack_again() -> Ack {
    let (reference, id, epoch) = (id("s1"), id("m9"), id("e1"));
    Ack { reference, room: lobby(), id, epoch, seq: 9, timestamp: None, dup: true }
}

/// The same for the server's.
fn server_types() -> BTreeMap<&'static str, ServerMessage> {
    use ServerMessage as M;
    let hello = Hello {
        v: 1,
        user_id: Name::from("ada"),
        server_time: 1_763_846_359_123,
        heartbeat_ms: 30_000,
        dedupe_window_ms: 600_000,
        limits: Limits {
            frame_bytes: 65_536,
            content_bytes: 8_192,
            rooms: 256,
            in_flight: 64,
            replay: 200,
            send_per_sec: 10,
        },
        reconnect: ReconnectHint { window_ms: 1_000 },
        auth: Some(AuthExpiry { expires_in_ms: 3_600_000 }),
    };
    let joined = Joined {
        reference: id("j1"),
        room: lobby(),
        epoch: id("e1"),
        seq: 9,
        replay: 2,
        recovered: true,
        reason: None,
        members: None,
        member_count: None,
    };
    let named = Joined { members: Some(vec!["ada".into(), "bob".into()]), ..joined.clone() };
    let large = Joined { member_count: Some(1_234), ..joined.clone() };
    let forked = Joined {
        replay: 0,
        recovered: false,
        reason: Some(JoinReason::Forked),
        members: Some(Vec::new()),
        ..joined
    };
    let own = EntryMeta { producer: Some(Box::new(ProducerSeq { pid: id("p1"), pseq: 3 })), ..stamp(false) };
    let refusal = ErrorDetail {
        reference: Some(id("j1")),
        room: Some(lobby()),
        code: Code::RoomFull,
        retry: true,
        retry_after_ms: Some(5_000),
        server_code: None,
    };
    let left = Left { reference: None, room: lobby(), code: Some(Code::Forbidden), server_code: None };
    let nack = Nack {
        reference: Some(id("s3")),
        code: Code::SequenceGap,
        retry: true,
        retry_after_ms: None,
        expected: Some(2),
        dup: false,
        message: "an earlier send is missing".into(),
        server_code: None,
    };
    let history = History {
        reference: id("h1"),
        room: lobby(),
        epoch: id("e1"),
        messages: vec![message(stamp(true), None)],
        complete: true,
    };
    let data = Some(String::from(r#"{"on":true}"#));
    let signal = Signal { room: lobby(), user: "ada".into(), kind: "typing".into(), data };
    let presence = Presence { room: lobby(), members: Some(vec!["ada".into()]), member_count: None };
    let data = Some(String::from(r#"{"room":"x"}"#));
    let notification = Notification { entry: Some(stamp(false)), kind: "invite".into(), data };
    BTreeMap::from([
        ("hello with the token's end", M::Hello(Box::new(hello))),
        ("joined, recovered", M::Joined(Box::new(named))),
        ("joined a large room", M::Joined(Box::new(large))),
        ("joined, forked", M::Joined(Box::new(forked))),
        ("message", M::Message(message(stamp(false), None))),
        ("message with data, replayed", M::Message(message(stamp(true), Some(r#"[1,{"a":null}]"#)))),
        ("message, the own one", M::Message(message(own, None))),
        (
            "error that ends a join",
            M::Error { message: "the room is full".into(), detail: Some(Box::new(refusal)) },
        ),
        ("left, removed", M::Left(left)),
        ("ack again", M::Ack(ack_again())),
        ("nack, a gap", M::Nack(Box::new(nack))),
        ("history", M::History(Box::new(history))),
        ("user_left", M::UserLeft { room: lobby(), user: "ada".into() }),
        ("presence", M::Presence(presence)),
        ("signal", M::Signal(Box::new(signal))),
        ("pong", M::Pong { t: 12_345 }),
        ("auth_expiring", M::AuthExpiring { in_ms: 60_000 }),
        ("auth_ok", M::AuthOk(AuthOk { reference: id("a1"), expires_in_ms: Some(3_600_000) })),
        (
            "going_away elsewhere",
            M::GoingAway(Box::new(GoingAway { window_ms: 8_000, url: Some("wss://b.example/ws".into()) })),
        ),
        ("notification", M::Notification(Box::new(notification))),
    ])
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn client_frames_decode_and_encode_as_the_golden_ones() {
    let mut types = client_types();
    for case in golden().client {
        match decode_client(&case.text) {
            Ok(message) => {
                assert_eq!(case.error, None, "{}: accepted", case.name);
                let message = message.unwrap();
                if let Some(expected) = types.remove(&*case.name) {
                    assert_eq!(message, expected, "{}", case.name);
                }
                let text = encode_client(&message);
                assert_eq!(json(&text), case.is, "{}", case.name);
                if case.canonical {
                    assert_eq!(text, case.text, "{}", case.name);
                }
            }
            Err(error) => assert_eq!(case.error.as_deref(), Some(kind(&error)), "{}: {error}", case.name),
        }
    }
    assert!(types.is_empty(), "{types:?}");
}

#[test]
fn server_frames_decode_and_encode_as_the_golden_ones() {
    let (mut types, mut decoder) = (server_types(), ServerDecoder::default());
    for case in golden().server {
        match decoder.decode(&case.text) {
            Ok(message) => {
                assert_eq!(case.error, None, "{}: accepted", case.name);
                if let Some(expected) = types.remove(&*case.name) {
                    assert_eq!(message, expected, "{}", case.name);
                }
                let text = encode_server(&message).unwrap();
                assert_eq!(json(&text), case.is, "{}", case.name);
                if case.canonical {
                    assert_eq!(text, case.text, "{}", case.name);
                }
            }
            Err(error) => assert_eq!(case.error.as_deref(), Some(kind(&error)), "{}: {error}", case.name),
        }
    }
    assert!(types.is_empty(), "{types:?}");
}

#[test]
fn a_frame_cut_at_any_byte_is_refused_and_never_half_read() {
    let mut decoder = ServerDecoder::default();
    let golden = golden();
    let ends = |text: &str| (0..text.len()).filter(|end| text.is_char_boundary(*end)).collect::<Vec<_>>();
    for case in golden.server.iter().filter(|case| case.canonical) {
        for end in ends(&case.text) {
            assert!(decoder.decode(&case.text[..end]).is_err(), "{}", &case.text[..end]);
        }
    }
    for case in golden.client.iter().filter(|case| case.canonical) {
        for end in ends(&case.text) {
            assert!(decode_client(&case.text[..end]).is_err(), "{}", &case.text[..end]);
        }
    }
}

#[test]
fn the_order_of_the_fields_says_nothing() {
    let mut decoder = ServerDecoder::default();
    // A map of serde_json writes its keys in alphabetical order: the type comes late or last.
    for case in golden().server.into_iter().filter(|case| case.canonical) {
        let sorted = case.is.to_string();
        assert_eq!(decoder.decode(&sorted), decoder.decode(&case.text), "{}", case.name);
    }
    for case in golden().client.into_iter().filter(|case| case.canonical) {
        assert_eq!(decode_client(&case.is.to_string()), decode_client(&case.text), "{}", case.name);
    }
}

#[test]
fn a_token_is_in_no_debug_output() {
    let auth = decode_client(r#"{"type":"auth","ref":"a","token":"canary"}"#);
    assert!(!format!("{auth:?}").contains("canary"));
}
