//! Each fault does what its table says, to whom it says, and to nobody else.

use crate::client::{Client, join, message, server, soon};
use futures_util::{FutureExt as _, SinkExt as _};
use rejoin_server::faults::Direction;
use rejoin_server::{Fault, FaultKind, ServerHandle};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Error, Message};

async fn pair(server: &ServerHandle) -> (Client, Client) {
    let mut ada = Client::in_room(&server.url(), "ada", "lobby").await;
    let bob = Client::in_room(&server.url(), "bob", "lobby").await;
    ada.hear().await;
    (ada, bob)
}

/// Bob talks, and hears himself: the room is alive.
async fn talks(bob: &mut Client, content: &str) {
    bob.say(&message("lobby", content)).await;
    assert_eq!(bob.hear_json().await["content"], content);
}

fn for_ada(kind: FaultKind) -> Fault {
    Fault::new(kind).user("ada")
}

async fn open_status(server: &ServerHandle, user: &str) -> u16 {
    match Client::try_open(&format!("{}?token={user}", server.url()), &[]).await {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn refuse_answers_so_many_upgrades_with_the_status() {
    let server = server(|_| {}).await;
    server.faults().add(for_ada(FaultKind::Refuse).count(2).code(429));
    assert_eq!(open_status(&server, "bob").await, 101);
    assert_eq!(open_status(&server, "ada").await, 429);
    assert_eq!(open_status(&server, "ada").await, 429);
    assert_eq!(open_status(&server, "ada").await, 101);
    server.faults().add(Fault::new(FaultKind::Refuse));
    assert_eq!(open_status(&server, "bob").await, 503);
    assert_eq!(open_status(&server, "bob").await, 101);
}

#[tokio::test]
async fn drop_cuts_the_users_connection_and_leaves_the_others() {
    let server = server(|_| {}).await;
    let (mut ada, mut bob) = pair(&server).await;
    server.faults().add(for_ada(FaultKind::Drop));
    ada.cut().await;
    talks(&mut bob, "still here").await;
    assert_eq!(server.faults().waiting(), []);
}

#[tokio::test]
async fn a_drop_with_a_count_hits_open_connections_first_and_then_those_to_come() {
    let server = server(|_| {}).await;
    let mut ada = Client::open(&server.url(), "ada").await;
    ada.sync().await;
    server.faults().add(Fault::new(FaultKind::Drop).count(2));
    ada.cut().await;
    let mut second = Client::open(&server.url(), "ada").await;
    second.cut().await;
    let mut third = Client::open(&server.url(), "ada").await;
    third.sync().await;
}

#[tokio::test]
async fn a_drop_without_a_count_and_without_connections_waits_for_the_next_one() {
    let server = server(|config| config.faults = vec![Fault::new(FaultKind::Drop)]).await;
    let mut first = Client::open(&server.url(), "ada").await;
    first.cut().await;
    let mut second = Client::open(&server.url(), "ada").await;
    second.sync().await;
}

#[tokio::test]
async fn close_says_the_code() {
    let server = server(|_| {}).await;
    let (mut ada, mut bob) = pair(&server).await;
    server.faults().add(for_ada(FaultKind::Close).code(4003));
    assert_eq!(ada.close_code().await, 4003);
    talks(&mut bob, "x").await;
}

#[tokio::test]
async fn garbage_is_a_text_frame_that_is_not_json_and_the_connection_goes_on() {
    let server = server(|_| {}).await;
    let (mut ada, _bob) = pair(&server).await;
    server.faults().add(for_ada(FaultKind::Garbage).bytes(7));
    let garbage = ada.hear().await;
    assert_eq!(garbage.len(), 7);
    assert!(serde_json::from_str::<serde_json::Value>(&garbage).is_err());
    talks(&mut ada, "x").await;
}

#[tokio::test]
async fn duplicate_sends_the_next_frames_twice() {
    let server = server(|_| {}).await;
    let (mut ada, mut bob) = pair(&server).await;
    server.faults().add(for_ada(FaultKind::Duplicate).count(2));
    for content in ["1", "2", "3"] {
        talks(&mut bob, content).await;
    }
    for content in ["1", "1", "2", "2", "3"] {
        assert_eq!(ada.hear_json().await["content"], content);
    }
    assert_eq!(server.faults().waiting(), []);
}

#[tokio::test]
async fn delay_holds_each_frame_in_order_and_nobody_elses() {
    let server = server(|_| {}).await;
    let (mut ada, mut bob) = pair(&server).await;
    server.faults().add(for_ada(FaultKind::Delay).ms(300));
    let start = Instant::now();
    talks(&mut bob, "1").await;
    talks(&mut bob, "2").await;
    assert_eq!(ada.hear_json().await["content"], "1");
    assert!(start.elapsed().as_millis() >= 300);
    assert_eq!(ada.hear_json().await["content"], "2");
    // A long one ends with the fault.
    server.faults().add(for_ada(FaultKind::Delay).ms(600_000));
    talks(&mut bob, "3").await;
    server.faults().clear();
    assert_eq!(ada.hear_json().await["content"], "3");
}

#[tokio::test]
async fn a_frozen_connection_goes_on_where_it_stood_and_slows_nobody() {
    let server = server(|_| {}).await;
    let (mut ada, mut bob) = pair(&server).await;
    server.faults().add(for_ada(FaultKind::Freeze).ms(600_000));
    ada.say(&message("lobby", "from the ice")).await;
    for number in 0..50 {
        talks(&mut bob, &number.to_string()).await;
    }
    assert!(ada.next().now_or_never().is_none());
    server.faults().clear();
    for number in 0..50 {
        assert_eq!(ada.hear_json().await["content"], number.to_string());
    }
    assert_eq!(ada.hear_json().await["content"], "from the ice");
    assert_eq!(bob.hear_json().await["content"], "from the ice");
}

#[tokio::test]
async fn a_freeze_ends_by_itself() {
    let server = server(|_| {}).await;
    let (mut ada, mut bob) = pair(&server).await;
    let start = Instant::now();
    server.faults().add(for_ada(FaultKind::Freeze).ms(200));
    talks(&mut bob, "x").await;
    assert_eq!(ada.hear_json().await["content"], "x");
    assert!(start.elapsed().as_millis() >= 200);
}

#[tokio::test]
async fn a_half_open_connection_swallows_both_ways_and_stays_open_until_cleared() {
    let server = server(|config| config.hub.plain_heartbeat = std::time::Duration::from_millis(200)).await;
    let (mut ada, mut bob) = pair(&server).await;
    server.faults().add(for_ada(FaultKind::HalfOpen));
    ada.say(&message("lobby", "lost")).await;
    talks(&mut bob, "not for ada").await;
    // The heartbeat gives up on her: she can join anew, which bob is told once she has left.
    let again = soon(async {
        loop {
            let mut again = Client::open(&server.url(), "ada").await;
            again.say(&join("lobby")).await;
            bob.say("?").await;
            if bob.hear_json().await["type"] == "user_joined" {
                return again;
            }
        }
    })
    .await;
    drop(again);
    assert!(ada.next().now_or_never().is_none(), "she has heard nothing, not even an end");
    server.faults().clear();
    ada.cut().await;
}

#[tokio::test]
async fn a_connection_dead_toward_the_client_still_says_what_it_says() {
    let server = server(|_| {}).await;
    let (mut ada, mut bob) = pair(&server).await;
    server.faults().add(for_ada(FaultKind::HalfOpen).way(Direction::Down));
    ada.say(&message("lobby", "heard")).await;
    assert_eq!(bob.hear_json().await["content"], "heard");
    ada.0.send(Message::Ping(vec![1].into())).await.unwrap();
    talks(&mut bob, "not heard").await;
    assert!(ada.next().now_or_never().is_none());
    // A drop ends it.
    server.faults().add(for_ada(FaultKind::Drop));
    ada.cut().await;
}

#[tokio::test]
async fn drip_lets_bytes_through_slowly_and_in_order() {
    let server = server(|_| {}).await;
    let (mut ada, mut bob) = pair(&server).await;
    server.faults().add(for_ada(FaultKind::Drip).bytes(10).ms(5));
    let start = Instant::now();
    for content in ["1", "2", "3"] {
        talks(&mut bob, content).await;
    }
    for content in ["1", "2", "3"] {
        assert_eq!(ada.hear_json().await["content"], content);
    }
    // Three frames of some hundred bytes, ten bytes at a time.
    assert!(start.elapsed().as_millis() >= 100);
    server.faults().add(for_ada(FaultKind::Drip).bytes(1).ms(600_000));
    talks(&mut bob, "4").await;
    server.faults().clear();
    assert_eq!(ada.hear_json().await["content"], "4");
}
