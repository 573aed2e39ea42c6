//! Servers that say what is not true, or what nobody can mean: it costs them their credit and nothing else.

use crate::{Client, quick, until, until_message, within};
use harness::scripted_server::ScriptedServer;
use rejoin::{Event, GapReason, Mode, Receipt};
use serde_json::{Value, json};

fn hello(changes: &[(&str, Value)]) -> String {
    let mut hello = json!({
        "type": "hello", "v": 1, "userId": "ada", "serverTime": 0, "heartbeatMs": 30_000,
        "dedupeWindowMs": 600_000, "reconnect": {"windowMs": 1000},
        "limits": {"frameBytes": 65536, "contentBytes": 8192, "rooms": 256, "inFlight": 64, "replay": 200},
    });
    for (pointer, value) in changes {
        *hello.pointer_mut(pointer).unwrap() = value.clone();
    }
    hello.to_string()
}

/// The answer to the first join of a client.
fn joined() -> String {
    json!({
        "type": "joined", "ref": "j1", "roomId": "lobby", "epoch": "e1", "seq": 0, "replay": 0,
        "recovered": false, "reason": "fresh", "memberCount": 1,
    })
    .to_string()
}

fn message(seq: u64, content: &str) -> String {
    json!({
        "type": "message", "roomId": "lobby", "userId": "eve", "content": content,
        "timestamp": "2026-11-24T10:00:00.000Z", "id": format!("m{seq}"), "epoch": "e1", "seq": seq,
    })
    .to_string()
}

fn hears(scripted: &ScriptedServer) -> (Client, rejoin::Events) {
    quick(&scripted.url, "ada").room("lobby").connect().unwrap()
}

#[tokio::test]
async fn a_hello_that_asks_for_absurd_things_is_taken_within_reason() {
    let most = json!((1_u64 << 53) - 1);
    for changes in [
        vec![("/heartbeatMs", most.clone()), ("/reconnect/windowMs", most.clone())],
        vec![("/heartbeatMs", json!(0)), ("/dedupeWindowMs", json!(0))],
        vec![("/limits/inFlight", json!(0)), ("/limits/frameBytes", json!(0)), ("/limits/rooms", json!(0))],
        vec![("/limits/inFlight", most.clone()), ("/limits/frameBytes", most.clone())],
        vec![("/serverTime", most)],
    ] {
        let scripted = ScriptedServer::start(vec![hello(&changes), joined(), message(1, "welcome")]);
        let (client, mut events) = hears(&scripted);
        until_message(&mut events, "welcome").await;
        assert_eq!(within("ready", client.ready()).await.unwrap(), Mode::Extended, "{changes:?}");
        within("the end", client.close()).await;
    }
}

#[tokio::test]
async fn a_hello_that_is_none_makes_a_plain_server_and_is_told() {
    for changes in [
        vec![("/heartbeatMs", json!(-1))],
        vec![("/heartbeatMs", json!("soon"))],
        vec![("/limits", json!([]))],
        vec![("/userId", json!(null))],
    ] {
        let scripted = ScriptedServer::start(vec![hello(&changes), message(1, "welcome")]);
        let (client, mut events) = hears(&scripted);
        until(&mut events, "the complaint", |event| match event {
            Event::Malformed { error, .. } => Some(assert!(error.contains("hello"), "{error}")),
            _ => None,
        })
        .await;
        until_message(&mut events, "welcome").await;
        assert_eq!(within("ready", client.ready()).await.unwrap(), Mode::Plain, "{changes:?}");
        assert_eq!(within("a receipt", client.send("lobby", "hi")).await, Ok(Receipt::Written));
    }
}

#[tokio::test]
async fn answers_to_nothing_change_nothing() {
    let mut texts = vec![hello(&[]), joined()];
    let nonsense = [
        json!({"type": "ack", "ref": "s999", "roomId": "lobby", "id": "x", "epoch": "e1", "seq": 7,
            "timestamp": "2026-11-24T10:00:00.000Z"}),
        json!({"type": "nack", "ref": "s999", "code": "forbidden", "retry": false, "message": "no"}),
        json!({"type": "nack", "ref": "s1", "code": "sequence_gap", "retry": true, "expected": 99, "message": ""}),
        json!({"type": "joined", "ref": "j77", "roomId": "elsewhere", "epoch": "e9", "seq": 5, "replay": 5,
            "recovered": true}),
        json!({"type": "history", "ref": "h9", "roomId": "lobby", "epoch": "e1", "messages": [], "complete": true}),
        json!({"type": "left", "roomId": "elsewhere", "code": "forbidden"}),
        json!({"type": "auth_ok", "ref": "a1"}),
        json!({"type": "auth_expiring", "inMs": 0}),
        json!({"type": "pong", "t": 3}),
        json!({"type": "presence", "roomId": "elsewhere", "members": ["a", "a", "b"]}),
        json!({"type": "hello", "v": 2}),
        json!({"type": "going_away", "windowMs": 1, "url": "https://evil.example/"}),
    ];
    texts.extend(nonsense.iter().map(Value::to_string));
    texts.push(message(1, "still here"));
    let scripted = ScriptedServer::start(texts);
    let (client, mut events) = hears(&scripted);
    until_message(&mut events, "still here").await;
    assert_eq!(within("ready", client.ready()).await.unwrap(), Mode::Extended);
}

#[tokio::test]
async fn a_hole_that_the_server_does_not_fill_is_announced_before_what_is_behind_it() {
    // It never answers the question for what is missing.
    let behind = [message(5, "fifth"), message(6, "sixth")];
    let scripted =
        ScriptedServer::start([vec![hello(&[]), joined(), message(1, "first")], behind.to_vec()].concat());
    let (_client, mut events) = hears(&scripted);
    until_message(&mut events, "first").await;
    let gap = until(&mut events, "the gap", |event| match event {
        Event::Gap(gap) => Some(gap),
        Event::Message(message) => panic!("{message:?} without a gap"),
        _ => None,
    })
    .await;
    // The first one behind the hole came too early to be kept, and is in the gap.
    assert_eq!((gap.after, gap.before, gap.reason), (Some(1), Some(6), GapReason::Unavailable));
    until_message(&mut events, "sixth").await;
}

#[tokio::test]
async fn json_in_binary_frames_is_read_as_json() {
    let plain = |content: &str| {
        let at = "2026-11-24T10:00:00.000Z";
        json!({"type": "message", "roomId": "lobby", "userId": "eve", "content": content, "timestamp": at})
            .to_string()
    };
    for (texts, mode) in [
        (vec![hello(&[]), joined(), message(1, "welcome")], Mode::Extended),
        (vec![plain("welcome")], Mode::Plain),
    ] {
        let scripted = ScriptedServer::start_in_bytes(texts);
        let (client, mut events) = hears(&scripted);
        until_message(&mut events, "welcome").await;
        assert_eq!(within("ready", client.ready()).await.unwrap(), mode);
        assert_eq!(client.diagnostics().malformed_frames, 0);
    }
}

#[tokio::test]
async fn a_byte_order_mark_in_front_of_a_frame_is_skipped_and_a_user_may_have_a_number() {
    let text = "\u{feff}{\"type\":\"message\",\"roomId\":\"lobby\",\"userId\":42,\"content\":\"welcome\"}";
    for start in [ScriptedServer::start, ScriptedServer::start_in_bytes] {
        let scripted = start(vec![text.to_owned()]);
        let (client, mut events) = hears(&scripted);
        let user = until(&mut events, "the message", |event| match event {
            Event::Message(message) => Some(message.user),
            Event::Malformed { error, .. } => panic!("{error}"),
            _ => None,
        })
        .await;
        assert_eq!((&*user, client.diagnostics().malformed_frames), ("42", 0));
    }
}

#[tokio::test]
async fn what_is_no_json_is_told_once_for_each_connection_and_then_counted() {
    let mut texts = vec![hello(&[]), joined()];
    texts.extend(["ping"; 5].map(String::from));
    texts.push(message(1, "after them"));
    let scripted = ScriptedServer::start(texts);
    let (client, mut events) = hears(&scripted);
    let mut complaints = 0;
    until(&mut events, "the message", |event| match event {
        Event::Malformed { .. } => {
            complaints += 1;
            None
        }
        Event::Message(message) => Some(assert_eq!(message.content, "after them")),
        _ => None,
    })
    .await;
    assert_eq!(complaints, 1);
    assert_eq!(client.diagnostics().malformed_frames, 5);
}

#[tokio::test]
async fn half_of_a_surrogate_pair_from_a_server_is_read_as_u_fffd_wherever_it_stands() {
    let mut half: Value = serde_json::from_str(&message(1, "CONTENT")).unwrap();
    half["data"] = json!({"KEY": "VALUE"});
    let half = half.to_string().replace("CONTENT", r"look \ud83d").replace("VALUE", r"\ude00");
    let scripted = ScriptedServer::start(vec![hello(&[]), joined(), half]);
    let (_client, mut events) = hears(&scripted);
    let message = until(&mut events, "the message", |event| match event {
        Event::Message(message) => Some(message),
        _ => None,
    })
    .await;
    assert_eq!(message.content, "look \u{fffd}");
    assert_eq!(message.data.as_deref(), Some(r#"{"KEY":"\ufffd"}"#));
}
