//! Events of the application's own through the builder: on our server, and on servers that say what they were told to. The
//! library that everybody uses is in `tests/interop`.

use crate::{in_lobby, quick, server, until, until_arrival, within};
use harness::scripted_server::ScriptedServer;
use rejoin::{
    Bytes, Client, Event, Events, Frame, Receipt, RequestError, SendError, SendFailure, SocketIo, Typed,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

const OPEN: &str =
    r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
const CONSENT: &str = r#"40{"sid":"s"}"#;

/// A client of a server that says this to everybody.
fn hears(texts: &[&str], server: SocketIo) -> (ScriptedServer, Client, Events) {
    let texts = [&[OPEN, CONSENT], texts].concat();
    let scripted = ScriptedServer::start_unasked(texts.into_iter().map(str::to_owned).collect());
    let (client, events) = quick(&scripted.url, "ada").socket_io(server).frames(true).connect().unwrap();
    (scripted, client, events)
}

async fn next_frame(events: &mut Events) -> Frame {
    until(events, "a frame", |event| match event {
        Event::Frame(frame) => Some(frame),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn every_event_that_is_not_of_the_contract_comes_out_with_its_arguments_in_order() {
    let texts = [
        r#"42["price","X",1.5]"#,
        r#"42["connect"]"#,
        r#"42["message",{"roomId":"lobby","userId":"eve","content":"hi","timestamp":"t"}]"#,
        r#"42["tick"]"#,
    ];
    let (_liar, client, mut events) = hears(&texts, SocketIo::default());
    let price = next_frame(&mut events).await;
    assert_eq!(
        (price.kind(), price.namespace(), price.text()),
        (Some("price"), Some("/"), Some(r#"["X",1.5]"#))
    );
    assert_eq!(price.json::<(String, f64)>().unwrap(), ("X".into(), 1.5));
    assert_eq!(price.argument::<Value>(1).unwrap(), json!(1.5));
    assert!(price.argument::<f64>(2).is_err() && price.argument::<f64>(0).is_err());
    let mut between = Vec::new();
    let tick = until(&mut events, "the tick", |event| match event {
        Event::Frame(frame) => Some(frame),
        Event::Malformed { error, .. } => {
            between.push(error.into_string());
            None
        }
        Event::Message(message) => {
            between.push(message.content);
            None
        }
        _ => None,
    })
    .await;
    assert_eq!((tick.kind(), tick.text(), tick.ack()), (Some("tick"), Some("[]"), None));
    assert!(between.len() == 2 && between[0].contains("connect") && between[1] == "hi", "{between:?}");
    within("the end", client.close()).await;
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Down {
    Price(String, f64),
    Quote { symbol: String },
}

#[tokio::test]
async fn events_are_read_as_a_type_of_the_applications_and_one_that_is_none_is_an_item_of_its_own() {
    let texts = [r#"42["price","X",1.5]"#, r#"42["quote",7]"#, r#"42["quote",{"symbol":"Y"}]"#];
    let (_liar, _client, events) = hears(&texts, SocketIo::default());
    let mut events = events.typed::<Down>();
    let (mut read, mut unread) = (Vec::new(), Vec::new());
    while read.len() < 2 {
        match within("an item", events.next()).await.unwrap() {
            Ok(Typed::Frame(down)) => read.push(down),
            Ok(_) => {}
            Err(error) => unread.push(error.frame.text().unwrap_or_default().to_owned()),
        }
    }
    assert_eq!(read, [Down::Price("X".into(), 1.5), Down::Quote { symbol: "Y".into() }]);
    assert_eq!(unread, ["[7]"]);
}

#[tokio::test]
async fn what_the_server_asks_is_answered_once_and_an_answer_to_nothing_says_so() {
    let server = SocketIo::default().manual_acks(true);
    let (_liar, client, mut events) = hears(&[r#"427["are you there?",1]"#], server);
    let ack = next_frame(&mut events).await.ack().unwrap();
    client.answer(ack, &true).unwrap();
    client.answer(ack, &true).unwrap();
    client.answer(99, &()).unwrap();
    for expected in [ack, 99] {
        let not_answered = until(&mut events, "the refusal", |event| match event {
            Event::NotAnswered { ack, why } => Some((ack, why)),
            _ => None,
        })
        .await;
        assert_eq!(not_answered, (expected, SendFailure::UnknownAck));
    }
}

#[tokio::test]
async fn names_of_the_contract_and_of_the_library_are_refused_before_anything_is_sent() {
    let (_liar, client, _events) = hears(&[], SocketIo::default());
    let refused = Err(SendError::Failed(SendFailure::Reserved));
    for name in ["", "connect", "disconnect", "connect_error", "join_room", "send_message", "message"] {
        assert_eq!(within("the refusal", client.emit(name, &1)).await, refused, "{name}");
        assert_eq!(client.keep_event("k", name, &1), Err(SendFailure::Reserved));
        assert_eq!(within("the refusal", client.send_json(&json!({"type": name}))).await, refused);
    }
    let failed = |why| Err(SendError::Failed(why));
    let many = vec![Bytes(vec![1]); 11];
    assert_eq!(within("the refusal", client.emit("p", &many)).await, failed(SendFailure::TooLarge));
    let untyped = client.send_json(&json!({"no": "type"}));
    assert_eq!(within("the refusal", untyped).await, failed(SendFailure::BadData));
    assert_eq!(within("the receipt", client.emit("mine", &1)).await, Ok(Receipt::Written));
    // Where messages of rooms are called something else, their name is the application's.
    let mut renamed = SocketIo::default();
    renamed.events.set("message", "chat:said").unwrap();
    let (_liar, client, _events) = hears(&[], renamed);
    assert_eq!(within("the receipt", client.emit("message", &1)).await, Ok(Receipt::Written));
    assert_eq!(within("the refusal", client.emit("chat:said", &1)).await, refused);
}

#[tokio::test]
async fn events_are_for_socket_io_servers() {
    let server = server().await;
    let (client, _events) = in_lobby(&server.url(), "ada").await;
    let unsupported = Err(SendError::Failed(SendFailure::Unsupported));
    assert_eq!(within("the refusal", client.emit("e", &1)).await, unsupported);
    assert_eq!(
        within("the refusal", client.frame(&json!({"type": "e"})).with_ack().send()).await,
        unsupported
    );
    assert_eq!(client.keep_event("k", "e", &1), Err(SendFailure::Unsupported));
    assert_eq!(client.answer(1, &()), Err(SendFailure::Unsupported));
}

/// A Socket.IO client of our server, in the lobby.
async fn socket_io_in_lobby(address: &str, token: &str) -> (Client, Events) {
    let builder = quick(address, token).socket_io(SocketIo::default()).frames(true).room("lobby");
    let (client, events) = builder.connect().unwrap();
    within("ready", client.ready()).await.unwrap();
    (client, events)
}

#[tokio::test]
async fn on_our_server_events_with_bytes_pass_from_one_client_to_another() {
    let server = server().await;
    let address = server.url().replace("ws://", "http://").replace("/ws", "/");
    let (ada, mut ada_hears) = socket_io_in_lobby(&address, "ada").await;
    let (bob, mut bob_hears) = socket_io_in_lobby(&address, "bob").await;
    until_arrival(&mut ada_hears, "bob").await;
    let sketch = json!({"roomId": "lobby", "kind": "sketch", "data": [Bytes(vec![1, 2, 3]), "x"]});
    assert_eq!(within("the receipt", ada.emit("signal", &sketch)).await, Ok(Receipt::Written));
    let frame = next_frame(&mut bob_hears).await;
    assert_eq!(frame.kind(), Some("signal"));
    let signal: Value = frame.argument(0).unwrap();
    assert_eq!((&signal["userId"], &signal["data"]), (&json!("ada"), &sketch["data"]));
    let bytes: Bytes = serde_json::from_value(signal["data"][0].clone()).unwrap();
    assert_eq!(bytes, Bytes(vec![1, 2, 3]));
    within("the end", bob.close()).await;
}

#[tokio::test]
async fn an_event_that_asks_has_the_whole_answer_and_a_request_is_answered_by_it() {
    let server = server().await;
    let address = server.url().replace("ws://", "http://").replace("/ws", "/");
    let (ada, _events) = socket_io_in_lobby(&address, "ada").await;
    // Our server has no such event, and says so.
    let receipt = within("the answer", ada.emit_with_ack("no such event", &("a", 1))).await.unwrap();
    let answer: Value = serde_json::from_str(receipt.answer().unwrap()).unwrap();
    assert_eq!((&answer["ok"], &answer["code"]), (&json!(false), &json!("bad_request")), "{answer}");
    let reply = within("the reply", ada.request_event("no such event", &()).into_future()).await.unwrap();
    assert_eq!(reply.json::<Value>().unwrap()["ok"], false);
    let reply =
        within("the reply", ada.request(&json!({"type": "no such event"})).into_future()).await.unwrap();
    assert_eq!(reply.json::<Value>().unwrap()["ok"], false);
}

#[tokio::test]
async fn a_request_that_nobody_answers_ends_in_its_time() {
    let server = SocketIo::default().acks(false);
    let (_liar, client, _events) = hears(&[], server);
    let request = client.request_event("quote", "X").timeout(Duration::from_millis(50));
    assert_eq!(within("the end", request.into_future()).await.unwrap_err(), RequestError::Timeout);
}
