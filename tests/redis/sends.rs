//! The outcome of a send, whichever node it comes to.

use crate::node::{Node, held, id, seq};
use harness::redis_process::RedisProcess;
use rejoin::messages::Code;
use rejoin_server::hub::shared::{KnownHead, StoreNotice, StoreResponse};

#[tokio::test]
async fn a_send_that_is_made_again_on_another_node_is_answered_as_before_and_is_in_the_log_once() {
    let redis = RedisProcess::start();
    let (mut a, mut b) = (Node::start(&redis, "a").await, Node::start(&redis, "b").await);
    let epoch = a.open("lobby", None).await.epoch;
    let first = a.send("lobby", 1, &epoch).await;
    assert_eq!(seq(&first), Ok((1, false)));
    let again = b.send("lobby", 1, &epoch).await;
    assert_eq!(seq(&again), Ok((1, true)));
    let (
        StoreResponse::Appended { id: one, entry: sent, .. },
        StoreResponse::Appended { id: other, entry, .. },
    ) = (first, again)
    else {
        panic!("both are appended");
    };
    assert_eq!((one, sent), (other, entry));
    assert_eq!(seq(&b.send("lobby", 2, &epoch).await), Ok((2, false)));
    assert_eq!(b.open("lobby", None).await.head, 2);
}

#[tokio::test]
async fn a_number_that_is_left_out_is_refused_with_the_one_that_is_expected() {
    let redis = RedisProcess::start();
    let mut node = Node::start(&redis, "a").await;
    let epoch = node.open("lobby", None).await.epoch;
    node.send("lobby", 1, &epoch).await;
    assert_eq!(seq(&node.send("lobby", 3, &epoch).await), Err((Code::SequenceGap, Some(2), false)));
    assert_eq!(seq(&node.send("lobby", 2, &epoch).await), Ok((2, false)));
}

#[tokio::test]
async fn a_producer_that_is_not_known_begins_at_one_and_under_the_current_epoch_only() {
    let redis = RedisProcess::start();
    let mut node = Node::start(&redis, "a").await;
    let epoch = node.open("lobby", None).await.epoch;
    let unknown = Err((Code::UnknownProducer, None, false));
    assert_eq!(seq(&node.send("lobby", 2, &epoch).await), unknown);
    assert_eq!(seq(&node.send("lobby", 1, &id("other")).await), unknown);
    assert_eq!(seq(&node.send("nowhere", 1, &epoch).await), unknown);
    assert_eq!(seq(&node.send("lobby", 1, &epoch).await), Ok((1, false)));
}

#[tokio::test]
async fn a_refusal_uses_its_number_up_if_the_producer_is_known_and_is_remembered() {
    let redis = RedisProcess::start();
    let mut node = Node::start(&redis, "a").await;
    let epoch = node.open("lobby", None).await.epoch;
    let refused = |dup| Err((Code::TooLarge, None, dup));
    assert_eq!(seq(&node.refuse("lobby", 1, &epoch, Code::TooLarge).await), refused(false));
    assert_eq!(seq(&node.send("lobby", 1, &epoch).await), Ok((1, false)), "nobody knew the producer");
    assert_eq!(seq(&node.refuse("lobby", 2, &epoch, Code::TooLarge).await), refused(false));
    assert_eq!(seq(&node.send("lobby", 2, &epoch).await), refused(true));
    assert_eq!(seq(&node.send("lobby", 3, &epoch).await), Ok((2, false)));
    assert_eq!(seq(&node.refuse("lobby", 1, &epoch, Code::TooLarge).await), Ok((1, true)));
}

#[tokio::test]
async fn a_refusal_for_now_uses_up_no_number_and_is_none_of_what_was_appended() {
    let redis = RedisProcess::start();
    let mut node = Node::start(&redis, "a").await;
    let epoch = node.open("lobby", None).await.epoch;
    assert_eq!(seq(&node.send("lobby", 1, &epoch).await), Ok((1, false)));
    let refused = Err((Code::NotJoined, None, false));
    assert_eq!(seq(&node.refuse("lobby", 2, &epoch, Code::NotJoined).await), refused);
    assert_eq!(seq(&node.send("lobby", 2, &epoch).await), Ok((2, false)));
    assert_eq!(seq(&node.refuse("lobby", 2, &epoch, Code::NotJoined).await), Ok((2, true)));
}

#[tokio::test]
async fn the_last_64_answers_of_a_producer_are_remembered() {
    let redis = RedisProcess::start();
    let mut node = Node::start(&redis, "a").await;
    let epoch = node.open("lobby", None).await.epoch;
    for pseq in 1..=65 {
        assert_eq!(seq(&node.send("lobby", pseq, &epoch).await), Ok((pseq, false)));
    }
    assert_eq!(seq(&node.send("lobby", 2, &epoch).await), Ok((2, true)));
    assert_eq!(seq(&node.send("lobby", 1, &epoch).await), Err((Code::UnknownProducer, None, false)));
}

#[tokio::test]
async fn a_producer_is_forgotten_after_the_dedupe_window() {
    let redis = RedisProcess::start();
    let window = std::time::Duration::from_millis(50);
    let mut node = Node::start_with(&redis, "a", |_, hub| hub.dedupe_window = window).await;
    let epoch = node.open("lobby", None).await.epoch;
    node.send("lobby", 1, &epoch).await;
    // As long as its key is there it is known.
    while !redis.cli(&["--scan", "--pattern", "rejoin:*:line:*"]).is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(seq(&node.send("lobby", 2, &epoch).await), Err((Code::UnknownProducer, None, false)));
}

#[tokio::test]
async fn sends_of_one_node_are_in_the_log_and_announced_in_the_order_in_which_they_were_made() {
    const COUNT: usize = 500;
    let redis = RedisProcess::start();
    let (mut a, mut b) = (Node::start(&redis, "a").await, Node::start(&redis, "b").await);
    let before = a.open("lobby", None).await;
    b.open("lobby", None).await;
    let mut tickets = Vec::new();
    for number in 0..COUNT {
        let request_id = a.request_id();
        let entry = crate::node::entry(&format!("m{number}"), &number.to_string());
        let (room, fresh) = (rejoin::Name::from("lobby"), id("fresh"));
        let decision = rejoin_server::hub::shared::Decision::Append(Box::new(entry));
        let held = Some(held(&before)).filter(|held| held.head > 0);
        let request = rejoin_server::hub::shared::StoreRequest::Append {
            request_id,
            room,
            known_head: held,
            new_epoch: fresh,
            send: None,
            decision,
        };
        a.ask(request).await;
        tickets.push(request_id);
    }
    let heard = b.hears(&(COUNT - 1).to_string()).await;
    let wanted: Vec<_> = (0..COUNT).map(|number| number.to_string()).collect();
    assert_eq!(heard, wanted);
    assert_eq!(a.hears(&(COUNT - 1).to_string()).await, wanted, "the node itself is told as well");
    // Each once, in whatever order.
    let mut answered = Vec::new();
    while answered.len() < COUNT {
        let (request_id, answer) = a.any_answer().await;
        assert!(matches!(answer, StoreResponse::Appended { .. }));
        answered.push(request_id);
    }
    answered.sort_unstable();
    assert_eq!(answered, tickets);
    let state = b.open("lobby", None).await;
    assert_eq!(state.entries.len(), COUNT);
}

#[tokio::test]
async fn entries_have_the_time_of_the_store_and_come_back_as_they_were() {
    let redis = RedisProcess::start();
    let (mut a, mut b) = (Node::start(&redis, "a").await, Node::start(&redis, "b").await);
    b.open("lobby", None).await;
    let StoreResponse::Appended { entry: Some(sent), epoch, .. } =
        a.say("lobby", "h\u{e9}llo \"\u{1f600}\"\n").await
    else {
        panic!("it is appended");
    };
    assert!(sent.timestamp.starts_with("20") && sent.timestamp.ends_with('Z'), "{}", sent.timestamp);
    let told = b.notice_of(|notice| match notice {
        StoreNotice::Appended { entry, epoch, .. } => Some((entry, epoch)),
        _ => None,
    });
    assert_eq!(told.await, (sent.clone(), epoch));
    assert_eq!(b.open("lobby", None).await.entries, [*sent]);
}

#[tokio::test]
async fn what_a_user_calls_a_backend_s_producer_is_another_one() {
    let redis = RedisProcess::start();
    let mut node = Node::start(&redis, "a").await;
    let epoch = node.open("lobby", None).await.epoch;
    node.send("lobby", 1, &epoch).await;
    let send = Some(rejoin_server::hub::shared::SendKey {
        user: None,
        epoch: None,
        ..crate::node::numbered(1, &epoch)
    });
    let decision = rejoin_server::hub::shared::Decision::Append(Box::new(crate::node::entry("b", "post")));
    let held: Option<KnownHead> = None;
    assert_eq!(seq(&node.decide("lobby", held, send, decision).await), Ok((2, false)));
}
