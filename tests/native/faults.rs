//! Every fault the server can be told to have.

use crate::{in_lobby, lost, quick, server, until, until_message, until_state, within};
use rejoin::{CauseCode, DialErrorKind, Event, Mode, State};
use rejoin_server::{Fault, FaultKind};

#[tokio::test]
async fn a_refused_upgrade_is_tried_again_after_the_hint() {
    let server = server().await;
    server.faults().add(Fault::new(FaultKind::Refuse).code(503));
    let (client, mut events) = quick(&server.url(), "ada").connect().unwrap();
    let change = until_state(&mut events, "the refusal", lost).await;
    assert_eq!(change.cause.unwrap().code, CauseCode::Dial(DialErrorKind::Http(503)));
    within("ready", client.ready()).await.unwrap();
}

#[tokio::test]
async fn connections_that_break_or_go_silent_are_replaced() {
    for kind in [FaultKind::Drop, FaultKind::HalfOpen, FaultKind::Freeze] {
        let server = server().await;
        let (client, mut events) = in_lobby(&server.url(), "ada").await;
        server.faults().add(Fault::new(kind).count(1));
        until_state(&mut events, "the loss", lost).await;
        within("ready", client.ready()).await.unwrap();
        crate::say_until_heard(&client, &mut events, "back").await;
    }
}

#[tokio::test]
async fn close_codes_mean_what_the_table_says() {
    for code in [1001, 1011, 1012, 4000, 4010, 4012] {
        let server = server().await;
        let (client, mut events) = in_lobby(&server.url(), "ada").await;
        server.faults().add(Fault::new(FaultKind::Close).code(code).count(1));
        let change = until_state(&mut events, "the close", lost).await;
        assert_eq!(change.cause.unwrap().code, CauseCode::Closed(code));
        within("ready", client.ready()).await.unwrap();
    }
    for code in [1000, 4003, 4004, 4009, 4014, 4403, 4500] {
        let server = server().await;
        let (client, mut events) = in_lobby(&server.url(), "ada").await;
        server.faults().add(Fault::new(FaultKind::Close).code(code).count(1));
        let change = until_state(&mut events, "the end", |state| *state == State::Failed).await;
        let cause = change.cause.unwrap();
        assert_eq!((cause.code, cause.will_retry), (CauseCode::Closed(code), false));
        assert!(within("the end", client.ready()).await.is_err());
    }
}

#[tokio::test]
async fn garbage_is_told_and_nothing_else_is_lost() {
    let server = server().await;
    let (client, mut events) = in_lobby(&server.url(), "ada").await;
    server.faults().add(Fault::new(FaultKind::Garbage).count(1));
    until(&mut events, "the garbage", |event| match event {
        Event::Malformed { error, .. } => Some(assert!(error.contains("not JSON"), "{error}")),
        Event::State(change) if lost(&change.state) => panic!("{change:?}"),
        _ => None,
    })
    .await;
    within("a receipt", client.send("lobby", "after")).await.unwrap();
    until_message(&mut events, "after").await;
}

#[tokio::test]
async fn delay_drip_and_duplicates_are_borne() {
    let server = server().await;
    let (client, mut events) =
        crate::Client::builder(server.url()).token("ada").room("lobby").connect().unwrap();
    within("ready", client.ready()).await.unwrap();
    server.faults().add(Fault::new(FaultKind::Delay).ms(100));
    server.faults().add(Fault::new(FaultKind::Drip).bytes(64).ms(10));
    within("a receipt", client.send("lobby", "slow")).await.unwrap();
    until_message(&mut events, "slow").await;
    server.faults().clear();
    server.faults().add(Fault::new(FaultKind::Duplicate).user("ada").count(2));
    within("a receipt", client.send("lobby", "twice")).await.unwrap();
    within("a receipt", client.send("lobby", "after")).await.unwrap();
    let mut heard = Vec::new();
    while heard.last().is_none_or(|last| last != "after") {
        heard.push(until(&mut events, "a message", message).await);
    }
    assert_eq!(heard, ["twice", "after"], "a message with a place is not believed twice");
    // A plain message has no identity: a server that says it twice is believed twice.
    let (bob, mut bob_hears) = crate::in_lobby_as(Mode::Plain, &server.url(), "bob").await;
    server.faults().add(Fault::new(FaultKind::Duplicate).user("bob").count(1));
    within("a receipt", bob.send("lobby", "again")).await.unwrap();
    until_message(&mut bob_hears, "again").await;
    until_message(&mut bob_hears, "again").await;
}

fn message(event: Event) -> Option<String> {
    match event {
        Event::Message(message) => Some(message.content),
        _ => None,
    }
}
