//! Messages of the application's own, over real sockets.

use crate::{in_lobby_as, lost, quick, server, until, until_state, within};
use harness::closed_port::ClosedPort;
use harness::price_server::PriceServer;
use rejoin::{
    ClientBuilder, Event, Events, Frame, Mode, Receipt, RequestError, SendError, SendFailure, State, Typed,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

#[path = "../../client-core/examples/dashboard.rs"]
mod dashboard;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Down {
    Price { symbol: String, value: f64 },
}

fn with_frames(server: &PriceServer) -> ClientBuilder {
    // Nothing that the library sends of its own is to stand between.
    quick(&server.url, "ada")
        .extended(false)
        .frames(true)
        .backoff(Duration::from_millis(10), Duration::from_millis(50))
}

fn frame_of(event: Event) -> Option<Frame> {
    match event {
        Event::Frame(frame) => Some(frame),
        _ => None,
    }
}

/// What the server hears next, without the token and on which connection.
fn heard(server: &PriceServer) -> (usize, Value) {
    let (conn, text) = server.hear();
    (conn, serde_json::from_str(&text).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_of_the_readme_shows_prices_and_quotes_over_a_lost_connection() {
    let server = PriceServer::start();
    let symbols = ["X".to_owned(), "cut".to_owned()];
    let mut shown = Vec::new();
    let watched = dashboard::watch(&server.url, "ada", &symbols, |line| {
        shown.push(line);
        shown.len() < 8
    });
    within("the dashboard", watched).await.unwrap();
    assert_eq!(shown[..3], ["connecting", "connected", "X: 1.5, for you 2.5"]);
    assert!(shown[3].starts_with("cut: 1.5, and no quote: "), "{shown:?}");
    assert_eq!(shown[4..], ["reconnecting", "connected", "X: 1.5, for you 2.5", "cut: 1.5, for you 2.5"]);
    let source = include_str!("../../client-core/examples/dashboard.rs");
    let snippet =
        source.split("// The manual begins.\n").nth(1).unwrap().split("// The manual ends.").next().unwrap();
    assert!(
        include_str!("../../client-core/docs/own-messages.md").contains(snippet),
        "the manual shows another dashboard"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_of_the_protocol_comes_out_in_order_and_what_cannot_be_read_costs_nothing_else() {
    let server = PriceServer::start();
    let (client, events) = with_frames(&server).connect().unwrap();
    assert_eq!(
        within("the receipt", client.send_json(&json!({"type": "oddities"}))).await,
        Ok(Receipt::Written)
    );
    let mut typed = events.typed::<Down>();
    let mut read = Vec::new();
    let mut unread = Vec::new();
    let mut garbled = 0;
    while read.last() != Some(&"last".to_owned()) {
        match within("an item", typed.next()).await.unwrap() {
            Ok(Typed::Frame(Down::Price { symbol, .. })) => read.push(symbol),
            Ok(Typed::Event(Event::Malformed { .. })) => garbled += 1,
            Ok(_) => {}
            Err(error) => unread.push((
                error.frame.kind().map(str::to_owned),
                error.frame.text().is_some(),
                error.frame.bytes().map(<[u8]>::to_vec),
            )),
        }
    }
    assert_eq!((read, garbled), (vec!["bytes".to_owned(), "last".to_owned()], 1));
    let bytes = vec![0, 159, 146, 150];
    assert_eq!(unread, [(None, true, None), (None, false, Some(bytes)), (Some("price".into()), true, None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_being_asked_for_they_are_counted_as_unknown() {
    let server = PriceServer::start();
    let (client, mut events) = with_frames(&server).frames(false).connect().unwrap();
    within("the receipt", client.send_json(&json!({"type": "subscribe", "symbols": ["X"]}))).await.unwrap();
    within("the receipt", client.send("lobby", "after it")).await.unwrap();
    until(&mut events, "the message", |event| match event {
        Event::Frame(frame) => panic!("{frame:?}"),
        Event::Message(_) => Some(()),
        _ => None,
    })
    .await;
    assert_eq!(client.diagnostics().unknown_frames, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_and_messages_arrive_in_the_order_in_which_they_were_sent() {
    let server = PriceServer::start();
    let (client, _events) = with_frames(&server).connect().unwrap();
    let sent: Vec<Value> = (0..200)
        .map(|n| match n % 3 {
            0 => json!({"type": "send_message", "roomId": "lobby", "content": n.to_string()}),
            _ => json!({"type": "mine", "n": n}),
        })
        .collect();
    for frame in &sent {
        match frame["content"].as_str() {
            Some(content) => drop(client.send("lobby", content)),
            None => drop(client.send_json(frame)),
        }
    }
    for frame in &sent {
        assert_eq!(heard(&server).1, *frame);
    }
    within("the outcomes", client.flush()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_the_protocol_is_refused_before_anything_is_sent() {
    let server = PriceServer::start();
    let (client, _events) = with_frames(&server).extended(true).correlate("id").connect().unwrap();
    for kind in ["join_room", "send_message", "message", "ping", "hello"] {
        let frame = json!({"type": kind, "roomId": "lobby"});
        let refused = Err(SendError::Failed(SendFailure::Reserved));
        assert_eq!(within("the refusal", client.send_json(&frame)).await, refused, "{kind}");
        assert_eq!(client.frame(&frame).submit(), Err(SendFailure::Reserved));
        assert_eq!(client.keep("k", &frame), Err(SendFailure::Reserved));
        let refused = Err(RequestError::NotSent(SendFailure::Reserved));
        assert_eq!(within("the refusal", client.request(&frame).into_future()).await, refused);
    }
    let deep = (0..65).fold(json!(0), |inner, _| json!([inner]));
    assert_eq!(
        within("the refusal", client.send_json(&deep)).await,
        Err(SendError::Failed(SendFailure::BadData))
    );
    let large = json!({"type": "mine", "text": "x".repeat(2 << 20)});
    assert_eq!(
        within("the refusal", client.send_json(&large)).await,
        Err(SendError::Failed(SendFailure::TooLarge))
    );
    within("the receipt", client.send_json(&json!({"type": "mine"}))).await.unwrap();
    assert_eq!(heard(&server).1, json!({"type": "mine"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_server_may_mean_something_else_by_a_name_of_the_protocol() {
    let server = PriceServer::start();
    let (client, mut events) = with_frames(&server).connect().unwrap();
    let login = json!({"type": "auth", "token": "t"});
    client.keep("login", &login).unwrap();
    let said = json!({"type": "message", "room": "lobby", "text": "hi"});
    within("the receipt", client.send_json(&said)).await.unwrap();
    assert_eq!([heard(&server).1, heard(&server).1], [login, said.clone()]);
    let frame = until(&mut events, "the frame", frame_of).await;
    assert_eq!((frame.kind(), frame.json::<Value>().unwrap()), (Some("message"), said));
    assert_eq!(client.diagnostics().malformed_frames, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_connection_begins_with_what_is_kept_in_its_newest_form() {
    let server = PriceServer::start();
    let (client, mut events) = with_frames(&server).room("lobby").connect().unwrap();
    let wanted = |symbols: &[&str]| json!({"type": "subscribe", "symbols": symbols});
    client.keep("prices", &wanted(&["X"])).unwrap();
    client.keep("dropped", &json!({"type": "mine"})).unwrap();
    until(&mut events, "the price", frame_of).await;
    client.keep("prices", &wanted(&["Y"])).unwrap();
    client.drop_kept("dropped");
    let price: Down = until(&mut events, "the price", frame_of).await.json().unwrap();
    assert_eq!(price, Down::Price { symbol: "Y".into(), value: 1.5 });
    for conn in 0..3 {
        drop(client.send_json(&json!({"type": "hang_up"})));
        while heard(&server) != (conn, json!({"type": "hang_up"})) {}
        until_state(&mut events, "the loss", lost).await;
        drop(client.send_json(&json!({"type": "behind"})));
        assert_eq!(heard(&server), (conn + 1, wanted(&["Y"])));
        assert_eq!(heard(&server), (conn + 1, json!({"type": "join_room", "roomId": "lobby"})));
        assert_eq!(heard(&server), (conn + 1, json!({"type": "behind"})));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_frame_that_ends_each_connection_because_of_its_size_is_told_and_kept_no_longer() {
    let server = PriceServer::start();
    let (client, mut events) = with_frames(&server).connect().unwrap();
    client.keep("k", &json!({"type": "hang_up", "code": 1009})).unwrap();
    let told = until(&mut events, "the end of it", |event| match event {
        Event::NotKept { key, why } => Some((key.to_string(), why)),
        _ => None,
    })
    .await;
    assert_eq!(told, ("k".to_owned(), SendFailure::TooLarge));
    until_state(&mut events, "the next connection", |state| *state == State::Connected).await;
    within("the receipt", client.send_json(&json!({"type": "mine"}))).await.unwrap();
    while heard(&server).1 != json!({"type": "mine"}) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_frame_that_is_refused_is_told_and_makes_no_loop() {
    let server = PriceServer::start();
    let (client, mut events) = with_frames(&server).connect().unwrap();
    client.keep("k", &json!({"type": "forbidden"})).unwrap();
    until(&mut events, "the refusal", |event| match event {
        Event::ServerError { message, .. } => Some(assert_eq!(message, "no such thing")),
        _ => None,
    })
    .await;
    within("the receipt", client.send_json(&json!({"type": "mine"}))).await.unwrap();
    assert_eq!(heard(&server).1, json!({"type": "forbidden"}));
    assert_eq!(heard(&server).1, json!({"type": "mine"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_belongs_to_its_request_and_is_no_event() {
    let server = PriceServer::start();
    let (client, mut events) = with_frames(&server).correlate("id").connect().unwrap();
    let quote = |id: Value| json!({"type": "quote", "id": id});
    let (one, text) = (quote(json!(7)), quote(json!("seven")));
    let without = json!({"type": "quote"});
    let answers = futures_util::future::join_all([&one, &text, &without, &without].map(|frame| {
        let request = client.request(frame);
        async { within("the answer", request.into_future()).await.unwrap().json::<Value>().unwrap() }
    }))
    .await;
    let ids: Vec<&Value> = answers.iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [&json!(7), &json!("seven"), &json!("r1"), &json!("r2")]);
    // Asked by no request, it is an event, and the first one.
    within("the receipt", client.send_json(&quote(json!("other")))).await.unwrap();
    let frame: Value = until(&mut events, "a frame", frame_of).await.json().unwrap();
    assert_eq!(frame["id"], "other");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_an_answer_says_why() {
    let server = PriceServer::start();
    let (client, mut events) = with_frames(&server).correlate("id").connect().unwrap();
    let silent = json!({"type": "mine", "id": 1});
    let ends = |timeout| client.request(&silent).timeout(timeout).into_future();
    let soon = Duration::from_millis(50);
    assert_eq!(within("the timeout", ends(soon)).await, Err(RequestError::Timeout));
    let again = || client.request(&silent).into_future();
    // The value is free again; while it is not, nobody else can have it.
    let first = tokio::spawn({
        let (client, silent) = (client.clone(), silent.clone());
        async move { client.request(&silent).await }
    });
    while heard(&server).1 != silent {}
    while heard(&server).1 != silent {}
    assert_eq!(within("the refusal", again()).await, Err(RequestError::BadCorrelation));
    let bad = json!({"type": "mine", "id": []});
    assert_eq!(
        within("the refusal", client.request(&bad).into_future()).await,
        Err(RequestError::BadCorrelation)
    );
    within("the receipt", client.send_json(&json!({"type": "hang_up"}))).await.unwrap();
    assert_eq!(within("the loss", first).await.unwrap(), Err(RequestError::ConnectionLost));
    until_state(&mut events, "the next connection", |state| *state == State::Connected).await;
    let second = tokio::spawn({
        let client = client.clone();
        async move { client.request(&json!({"type": "mine"})).await }
    });
    while heard(&server).1["type"] != "mine" {}
    within("the close", client.close()).await;
    assert!(matches!(within("the end", second).await.unwrap(), Err(RequestError::Closed(_))));
    assert!(matches!(within("the end", again()).await, Err(RequestError::NotSent(SendFailure::Closed))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_dropped_before_it_is_sent_is_taken_back() {
    let server = PriceServer::start();
    let closed_port = ClosedPort::hold();
    let (client, _events) = quick(&closed_port.url(), "ada").correlate("id").connect().unwrap();
    let request = client.request(&json!({"type": "quote"})).timeout(Duration::from_millis(50));
    assert_eq!(within("the timeout", request.into_future()).await, Err(RequestError::Timeout));
    within("the outcomes", client.flush()).await.unwrap();
    let (client, _events) = with_frames(&server).connect().unwrap();
    let error = within("the error", client.request(&json!({"type": "quote"})).into_future()).await;
    assert_eq!(error, Err(RequestError::NoCorrelation));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volatile_frame_without_a_connection_is_dropped_and_one_with_it_goes() {
    let server = PriceServer::start();
    let closed_port = ClosedPort::hold();
    let (away, _events) = quick(&closed_port.url(), "ada").connect().unwrap();
    let pointer = json!({"type": "pointer", "x": 1});
    let dropped = Err(SendError::Failed(SendFailure::Dropped));
    assert_eq!(within("the outcome", away.frame(&pointer).volatile().send()).await, dropped);
    let (client, _events) = with_frames(&server).connect().unwrap();
    within("ready", client.ready()).await.unwrap();
    assert_eq!(within("the outcome", client.frame(&pointer).volatile().send()).await, Ok(Receipt::Written));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_and_what_is_kept_survives_with_the_stored_state() {
    let server = PriceServer::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let stored = |server: &str| quick(server, "ada").extended(false).state_file(path.clone());
    let (client, events) = stored(&server.url).connect().unwrap();
    client.keep("k", &json!({"type": "kept"})).unwrap();
    within("the receipt", client.send_json(&json!({"type": "hang_up", "code": 4003}))).await.unwrap();
    until_failed(events).await;
    // Waits for ever: the connection has failed for good.
    drop(client.frame(&json!({"type": "never"})).reference("r").send());
    within("the close", client.close()).await;
    assert_eq!(heard(&server).1, json!({"type": "kept"}));
    assert_eq!(heard(&server).1["type"], "hang_up");
    let (client, _events) = stored(&server.url).connect().unwrap();
    within("ready", client.ready()).await.unwrap();
    assert_eq!(heard(&server).1, json!({"type": "kept"}));
    client.drop_kept("k");
    within("the close", client.close()).await;
    let (client, _events) = stored(&server.url).connect().unwrap();
    within("the receipt", client.send_json(&json!({"type": "last"}))).await.unwrap();
    assert_eq!(heard(&server).1, json!({"type": "last"}));
}

async fn until_failed(mut events: Events) {
    until_state(&mut events, "the end", |state| *state == State::Failed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_server_ignores_what_it_does_not_know_in_both_modes() {
    for mode in [Mode::Plain, Mode::Extended] {
        let server = server().await;
        let (client, mut events) = in_lobby_as(mode, &server.url(), "ada").await;
        client.keep("k", &json!({"type": "kept"})).unwrap();
        assert_eq!(
            within("the receipt", client.send_json(&json!({"type": "mine"}))).await,
            Ok(Receipt::Written)
        );
        within("the receipt", client.send("lobby", "hi")).await.unwrap();
        until(&mut events, "the message", |event| match event {
            Event::ServerError { message, .. } => panic!("{message}"),
            Event::Message(_) => Some(()),
            _ => None,
        })
        .await;
    }
}
