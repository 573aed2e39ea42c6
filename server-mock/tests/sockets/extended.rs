//! The extended protocol over real sockets.

use crate::client::{Client, message, server, soon};
use futures_util::SinkExt as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

fn join(room: &str) -> Value {
    json!({"type": "join_room", "roomId": room, "ref": "j"})
}

/// The frames about the room that come next, without who came and went.
async fn next_of(client: &mut Client, kind: &str) -> Value {
    loop {
        let frame = client.hear_json().await;
        if frame["type"] == kind {
            return frame;
        }
    }
}

#[tokio::test]
async fn only_a_client_that_offers_it_is_spoken_to_so() {
    let server = server(|_| {}).await;
    let (_, hello) = Client::extended(&server.url(), "ada").await;
    assert_eq!(
        (&hello["v"], &hello["userId"], &hello["limits"]["frameBytes"]),
        (&json!(1), &json!("ada"), &json!(65_536))
    );
    for query in ["token=bob", "token=bob&ext=0", "token=bob&ext", "token=bob&next=1"] {
        let mut bob = Client::try_open(&format!("{}?{query}", server.url()), &[]).await.unwrap();
        bob.sync().await;
    }
}

#[tokio::test]
async fn what_was_missed_comes_after_a_reconnect_and_a_repeated_send_is_not_doubled() {
    let server = server(|_| {}).await;
    let url = server.url();
    let (mut ada, _) = Client::extended(&url, "ada").await;
    let epoch = ada.answer(&join("lobby")).await["epoch"].clone();
    let send = |pseq: u64| {
        json!({
            "type": "send_message", "roomId": "lobby", "content": pseq.to_string(), "ref": format!("s{pseq}"),
            "pid": "p", "pseq": pseq, "epoch": epoch,
        })
    };
    assert_eq!(ada.answer(&send(1)).await["type"], "ack");
    let seen = ada.hear_json().await;
    drop(ada);
    let mut bob = Client::in_room(&url, "bob", "lobby").await;
    bob.say(&message("lobby", "missed")).await;
    assert_eq!(bob.hear_json().await["content"], "missed");
    let (mut ada, _) = Client::extended(&url, "ada").await;
    let since = json!({"epoch": epoch, "seq": seen["seq"], "id": seen["id"]});
    let joined =
        ada.answer(&json!({"type": "join_room", "roomId": "lobby", "ref": "j", "since": since})).await;
    assert_eq!((&joined["recovered"], &joined["replay"]), (&json!(true), &json!(1)));
    let missed = ada.hear_json().await;
    assert_eq!((&missed["content"], &missed["replay"]), (&json!("missed"), &json!(true)));
    let again = ada.answer(&send(1)).await;
    assert_eq!((&again["type"], &again["dup"], &again["id"]), (&json!("ack"), &json!(true), &seen["id"]));
    assert_eq!(ada.answer(&send(2)).await["seq"], 3);
}

#[tokio::test]
async fn a_replay_larger_than_any_queue_is_no_slow_consumer() {
    let server = server(|config| {
        config.limits.queue_frames = 16;
        config.limits.queue_bytes = 64 << 10;
        config.hub.replay = 500;
        config.hub.content_bytes = 16 << 10;
        config.hub.history_bytes = 16 << 20;
    })
    .await;
    let mut ada = Client::in_room(&server.url(), "ada", "lobby").await;
    // Together twice of what the kernel's buffers may grow to on loopback (4 MiB): the queue is for what is live.
    let content = "x".repeat(15_000);
    let mut say = async |number: u32| {
        ada.say(&message("lobby", &format!("{number} {content}"))).await;
        next_of(&mut ada, "message").await;
    };
    for number in 0..500 {
        say(number).await;
    }
    let (mut slow, _) = Client::extended_with_buffer(&server.url(), "slow", 64 << 10).await;
    let join = json!({"type": "join_room", "roomId": "lobby", "ref": "j", "history": 500});
    let joined = slow.answer(&join).await;
    assert_eq!(joined["replay"], 500);
    // While it does not read.
    for number in 500..1_200 {
        say(number).await;
    }
    let first = slow.hear_json().await;
    let (mut last, mut seq) = (0, first["seq"].as_u64().unwrap());
    while last < 1_199 {
        let frame = slow.hear_json().await;
        // What the log no longer held when its turn came is a hole in the numbers, and never anything else.
        assert!(frame["seq"].as_u64().unwrap() > seq, "{} after {seq}", frame["seq"]);
        seq = frame["seq"].as_u64().unwrap();
        last = frame["content"].as_str().unwrap().split(' ').next().unwrap().parse().unwrap();
    }
    ada.say(&message("lobby", "live")).await;
    assert_eq!(slow.hear_json().await["content"], "live");
}

#[tokio::test]
async fn a_goodbye_is_told_at_once_and_a_loss_is_not() {
    let server = server(|_| {}).await;
    let (mut ada, _) = Client::extended(&server.url(), "ada").await;
    ada.answer(&join("lobby")).await;
    let (mut bob, _) = Client::extended(&server.url(), "bob").await;
    bob.answer(&join("lobby")).await;
    let (mut cyd, _) = Client::extended(&server.url(), "cyd").await;
    cyd.answer(&join("lobby")).await;
    // Lost: no close frame, or one that says that the page goes.
    drop(cyd);
    let goodbye = CloseFrame { code: 1000.into(), reason: "".into() };
    bob.0.send(Message::Close(Some(goodbye))).await.unwrap();
    let left = soon(next_of(&mut ada, "user_left")).await;
    assert_eq!(left["userId"], "bob");
    ada.ask(&json!({"type": "presence", "roomId": "lobby"})).await;
    assert_eq!(next_of(&mut ada, "presence").await["members"], json!(["ada", "cyd"]));
}

#[tokio::test]
async fn a_signal_reaches_the_others() {
    let server = server(|_| {}).await;
    let (mut ada, _) = Client::extended(&server.url(), "ada").await;
    ada.answer(&join("lobby")).await;
    let (mut bob, _) = Client::extended(&server.url(), "bob").await;
    bob.answer(&join("lobby")).await;
    bob.ask(&json!({"type": "signal", "roomId": "lobby", "kind": "typing"})).await;
    let heard = next_of(&mut ada, "signal").await;
    assert_eq!(heard, json!({"type": "signal", "roomId": "lobby", "userId": "bob", "kind": "typing"}));
}
