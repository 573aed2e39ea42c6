//! A server that dies, freezes, drains.

use crate::{Client, in_lobby, lost, quick, server, until, until_message, until_state, within};
use harness::closed_port::ClosedPort;
use harness::process::ServerProcess;
use rejoin::{CauseCode, Event, State};

/// The next message, and whether a gap of its room was announced before it.
async fn message_and_gap(events: &mut rejoin::Events, content: &str) -> bool {
    let mut gap = false;
    until(events, content, |event| match event {
        Event::Gap(found) => {
            assert_eq!(&*found.room, "lobby");
            gap = true;
            None
        }
        Event::Message(message) if message.content == content => Some(gap),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn clients_of_a_killed_server_come_back_to_the_next_one_and_say_that_something_may_be_missing() {
    let first = ServerProcess::start("127.0.0.1:0");
    let (url, address) = (first.url.clone(), first.address());
    let (ada, mut ada_hears) = in_lobby(&url, "ada").await;
    let (bob, mut bob_hears) = in_lobby(&url, "bob").await;
    within("a receipt", ada.send("lobby", "before")).await.unwrap();
    until_message(&mut bob_hears, "before").await;
    first.kill();
    for events in [&mut ada_hears, &mut bob_hears] {
        let change = until_state(events, "the loss", lost).await;
        let cause = change.cause.unwrap();
        assert!(cause.will_retry);
        assert_eq!(cause.code, CauseCode::ConnectionLost);
    }
    let waiting = ada.send("lobby", "written while down");
    let _second = ServerProcess::start(&address);
    within("a receipt", waiting).await.unwrap();
    within("ready", ada.ready()).await.unwrap();
    within("ready", bob.ready()).await.unwrap();
    // A plain join is written, not confirmed: hearing himself shows that bob is a member again.
    within("a receipt", bob.send("lobby", "bob again")).await.unwrap();
    assert!(message_and_gap(&mut bob_hears, "bob again").await);
    within("a receipt", ada.send("lobby", "after")).await.unwrap();
    assert!(message_and_gap(&mut ada_hears, "after").await);
    until_message(&mut bob_hears, "after").await;
}

#[tokio::test]
async fn a_frozen_server_is_noticed_and_its_thaw_too() {
    let server = ServerProcess::start("127.0.0.1:0");
    let (ada, mut ada_hears) = in_lobby(&server.url, "ada").await;
    server.freeze();
    let change = until_state(&mut ada_hears, "the loss", lost).await;
    assert_eq!(change.cause.unwrap().code, CauseCode::DeadPeer);
    server.thaw();
    until_state(&mut ada_hears, "the connection", |state| *state == State::Connected).await;
    within("ready", ada.ready()).await.unwrap();
    crate::say_until_heard(&ada, &mut ada_hears, "thawed").await;
}

#[tokio::test]
async fn a_short_standstill_is_survived() {
    let server = ServerProcess::start("127.0.0.1:0");
    let (ada, mut ada_hears) = Client::builder(&server.url).token("ada").room("lobby").connect().unwrap();
    within("ready", ada.ready()).await.unwrap();
    server.freeze();
    let sending = ada.send("lobby", "into the silence");
    server.thaw();
    assert!(within("a receipt", sending).await.unwrap().seq().is_some());
    until(&mut ada_hears, "the echo", |event| match event {
        Event::Message(message) => Some(assert_eq!(message.content, "into the silence")),
        Event::State(change) if lost(&change.state) => panic!("{change:?}"),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn a_draining_server_says_1012_and_its_successor_is_found() {
    let first = server().await;
    let url = first.url();
    let (ada, mut ada_hears) = in_lobby(&url, "ada").await;
    first.drain().await;
    let change = until_state(&mut ada_hears, "the drain", lost).await;
    assert_eq!(change.cause.unwrap().code, CauseCode::Closed(1012));
    let mut config = rejoin_server::Config::default();
    config.listen = url.trim_start_matches("ws://").trim_end_matches("/ws").parse().unwrap();
    let _second = crate::server_with(config).await;
    within("ready", ada.ready()).await.unwrap();
}

#[tokio::test]
async fn a_second_url_is_tried_when_the_first_does_not_answer() {
    let nobody = ClosedPort::hold();
    let server = server().await;
    let (client, _events) = quick(&nobody.url(), "ada").url(server.url()).connect().unwrap();
    within("ready", client.ready()).await.unwrap();
}
