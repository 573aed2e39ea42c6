//! Rooms read by server-sent events where no WebSocket opens: behind a proxy that refuses upgrades, with nothing lost or doubled
//! on the way there and back.

use crate::untrusted_server::{HTML, stranger};
use crate::{in_lobby, quick, server, until, until_message, within};
use harness::upgrade_proxy::UpgradeProxy;
use rejoin::{CauseCode, ClientBuilder, Event, EventStreams, Events, GapReason, Mode, State};
use rejoin_server::ServerHandle;
use std::net::SocketAddr;
use std::time::Duration;

fn address(server: &ServerHandle) -> SocketAddr {
    server.url().trim_start_matches("ws://").trim_end_matches("/ws").parse().unwrap()
}

/// A client in the lobby behind the proxy, which waits for the next attempt for a moment only.
fn behind(proxy: &UpgradeProxy, token: &str, allowed: EventStreams) -> ClientBuilder {
    quick(&format!("ws://{}/ws", proxy.address), token)
        .backoff(Duration::from_millis(50), Duration::from_millis(100))
        .event_streams(allowed)
        .room("lobby")
}

async fn until_read_only(events: &mut Events, wanted: bool) {
    let what = format!("read-only: {wanted}");
    until(events, &what, |event| matches!(event, Event::ReadOnly(told) if told == wanted).then_some(()))
        .await;
}

/// The contents that come until this one. A gap fails.
async fn contents(events: &mut Events, last: &str) -> Vec<String> {
    let mut contents: Vec<String> = Vec::new();
    while contents.last().is_none_or(|content| content != last) {
        let content = until(events, last, |event| match event {
            Event::Message(message) => Some(message.content),
            Event::Gap(gap) => panic!("{gap:?}"),
            _ => None,
        });
        contents.push(content.await);
    }
    contents
}

#[tokio::test]
async fn where_upgrades_are_refused_rooms_are_read_by_streams_and_what_is_sent_waits_for_a_websocket() {
    let server = server().await;
    let proxy = UpgradeProxy::start(address(&server)).await;
    let (ada, _ada_hears) = in_lobby(&server.url(), "ada").await;
    let builder = behind(&proxy, "bob", EventStreams::Auto).websocket_retry(Duration::from_millis(200));
    let (bob, mut bob_hears) = builder.connect().unwrap();
    until_read_only(&mut bob_hears, true).await;
    assert_eq!(within("ready", bob.ready()).await.unwrap(), Mode::Extended);
    assert_eq!(bob.user().as_deref(), Some("bob"));
    let asked = proxy.requests();
    assert!(asked[..3].iter().all(|line| line.starts_with("GET /ws")), "{asked:?}");
    assert_eq!(asked[3], "HEAD /rooms/lobby/events?joined=1 HTTP/1.1");
    assert!(asked[4].starts_with("GET /rooms/lobby/events?"), "{asked:?}");
    within("a receipt", ada.send("lobby", "hi bob")).await.unwrap();
    until_message(&mut bob_hears, "hi bob").await;
    let waiting = bob.send("lobby", "hi ada");
    // The next attempts by WebSocket fail, and the streams go on.
    within("a receipt", ada.send("lobby", "still there?")).await.unwrap();
    until_message(&mut bob_hears, "still there?").await;
    proxy.refuse(false);
    let receipt = within("a receipt", waiting).await.unwrap();
    assert!(receipt.id().is_some(), "{receipt:?}");
    until_read_only(&mut bob_hears, false).await;
    until_message(&mut bob_hears, "hi ada").await;
    within("the end", bob.close()).await;
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_between_websocket_and_streams() {
    let server = server().await;
    let proxy = UpgradeProxy::start(address(&server)).await;
    proxy.refuse(false);
    let (ada, _ada_hears) = in_lobby(&server.url(), "ada").await;
    let builder = behind(&proxy, "bob", EventStreams::Auto).websocket_retry(Duration::from_millis(100));
    let (bob, mut hears) = builder.connect().unwrap();
    within("ready", bob.ready()).await.unwrap();
    let mut number = 0;
    let mut say = async || {
        for _ in 0..5 {
            number += 1;
            within("a receipt", ada.send("lobby", number.to_string())).await.unwrap();
        }
        number
    };
    say().await;
    let mut told = contents(&mut hears, "5").await;
    proxy.refuse(true);
    proxy.cut();
    say().await;
    until_state_is_lost(&mut hears).await;
    let last = say().await;
    told.append(&mut contents(&mut hears, &last.to_string()).await);
    proxy.refuse(false);
    until_read_only(&mut hears, false).await;
    let last = say().await;
    told.append(&mut contents(&mut hears, &last.to_string()).await);
    let expected: Vec<String> = (1..=20).map(|number: u32| number.to_string()).collect();
    assert_eq!(told, expected);
}

/// Until the connection is lost; messages that come before that fail.
async fn until_state_is_lost(events: &mut Events) {
    until(events, "a loss", |event| match event {
        Event::State(change) => matches!(change.state, State::Reconnecting { .. }).then_some(()),
        Event::Message(message) => panic!("{message:?}"),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn the_past_that_is_asked_for_comes_by_a_stream_too_and_a_room_can_be_left() {
    let server = server().await;
    let proxy = UpgradeProxy::start(address(&server)).await;
    let (ada, _ada_hears) = in_lobby(&server.url(), "ada").await;
    for number in 1..=5 {
        within("a receipt", ada.send("lobby", number.to_string())).await.unwrap();
    }
    let (bob, mut hears) = quick(&format!("ws://{}/ws", proxy.address), "bob")
        .event_streams(EventStreams::Only)
        .join(rejoin::Join::room("lobby").history(3))
        .connect()
        .unwrap();
    assert_eq!(contents(&mut hears, "5").await, ["3", "4", "5"]);
    bob.leave("lobby");
    until(&mut hears, "left", |event| match event {
        Event::Room(change) => (change.state == rejoin::RoomState::Left).then_some(()),
        _ => None,
    })
    .await;
    // Joined again it continues where it was.
    within("a receipt", ada.send("lobby", "6")).await.unwrap();
    bob.join("lobby").unwrap();
    within("ready", bob.ready()).await.unwrap();
    within("a receipt", ada.send("lobby", "7")).await.unwrap();
    until_message(&mut hears, "7").await;
    // One that breaks comes back where it was.
    proxy.cut();
    for number in 8..=10 {
        within("a receipt", ada.send("lobby", number.to_string())).await.unwrap();
    }
    assert_eq!(contents(&mut hears, "10").await, ["8", "9", "10"]);
    let asked = proxy.requests();
    assert!(asked.iter().all(|line| line.contains("/rooms/lobby/events")), "{asked:?}");
}

#[tokio::test]
async fn a_log_that_does_not_go_back_far_enough_is_a_gap_by_a_stream_too() {
    let mut config = rejoin_server::Config::default();
    config.hub.history = 4;
    let server = crate::server_with(config).await;
    let proxy = UpgradeProxy::start(address(&server)).await;
    let (ada, mut ada_hears) = in_lobby(&server.url(), "ada").await;
    for number in 1..=10 {
        within("a receipt", ada.send("lobby", number.to_string())).await.unwrap();
    }
    let first = until(&mut ada_hears, "a message", |event| match event {
        Event::Message(message) => message.position(),
        _ => None,
    });
    let first = first.await;
    let (_bob, mut hears) = quick(&format!("ws://{}/ws", proxy.address), "bob")
        .event_streams(EventStreams::Only)
        .join(rejoin::Join::room("lobby").since(first))
        .connect()
        .unwrap();
    let mut gap = None;
    let mut contents = Vec::new();
    while contents.last().is_none_or(|content: &String| content != "10") {
        let event = until(&mut hears, "10", |event| match event {
            Event::Gap(_) | Event::Message(_) => Some(event),
            _ => None,
        });
        match event.await {
            Event::Gap(told) => gap = Some((told.reason, told.after, told.before)),
            Event::Message(message) => contents.push(message.content),
            _ => {}
        }
    }
    assert_eq!(gap, Some((GapReason::Trimmed, Some(1), Some(7))));
    assert_eq!(contents, ["7", "8", "9", "10"]);
}

#[tokio::test]
async fn a_token_that_is_refused_ends_a_client_by_streams_as_any_other() {
    let server = server().await;
    let proxy = UpgradeProxy::start(address(&server)).await;
    for allowed in [EventStreams::Auto, EventStreams::Only] {
        let builder = quick(&format!("ws://{}/ws", proxy.address), "")
            .backoff(Duration::from_millis(50), Duration::from_millis(100));
        let (bob, _hears) = builder.event_streams(allowed).room("lobby").connect().unwrap();
        let cause = within("the end", bob.terminated()).await;
        assert_eq!(cause.code, CauseCode::Unauthorized(401), "{cause:?}");
    }
}

#[tokio::test]
async fn a_server_without_streams_ends_as_it_does_without_this_fallback() {
    let proxy = UpgradeProxy::start(stranger(HTML).await).await;
    let (bob, _hears) = behind(&proxy, "bob", EventStreams::Auto).connect().unwrap();
    let cause = within("the end", bob.terminated()).await;
    assert_eq!(cause.code, CauseCode::Dial(rejoin::DialErrorKind::Http(400)), "{cause:?}");
    assert!(cause.text.contains("server-sent events: "), "{cause:?}");
    let asked = proxy.requests();
    assert_eq!(asked.iter().filter(|line| line.starts_with("HEAD ")).count(), 1, "{asked:?}");
}
