//! A Redis that is slow, away, or comes back with less than it had.

use crate::node::{Node, held, seq};
use crate::within;
use harness::redis_process::RedisProcess;
use rejoin::messages::{Code, Epoch, Signal};
use rejoin_server::hub::HubConfig;
use rejoin_server::hub::shared::{KnownHead, RoomState, StoreNotice, StoreRequest, StoreResponse};
use rejoin_server::redis::RedisConfig;

/// Reads a room until that does not fail: the connection for notices may be back first.
async fn open_again(node: &mut Node, held: KnownHead) -> RoomState {
    within("Redis to be back", async {
        loop {
            if let StoreResponse::Opened(state) = node.try_open("lobby", Some(held.clone())).await {
                return state;
            }
        }
    })
    .await
}

/// Says something until it is appended; how often it failed before.
async fn say_until_appended(node: &mut Node, room: &str, content: &str) -> usize {
    within("Redis to be back", async {
        let mut failed = 0;
        loop {
            match node.say(room, content).await {
                StoreResponse::Failed => failed += 1,
                StoreResponse::Appended { .. } => return failed,
                other => panic!("{other:?}"),
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_everything_goes_on_by_itself_and_the_hub_is_told_of_the_interruption() {
    let mut redis = RedisProcess::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let (mut a, mut b) = (Node::start(&redis, "a").await, Node::start(&redis, "b").await);
    let before = b.open("lobby", None).await;
    a.say("lobby", "before").await;
    b.hears("before").await;
    for round in 0..3 {
        redis.kill();
        while !matches!(a.say("lobby", "lost").await, StoreResponse::Failed) {}
        redis.restart();
        b.is_interrupted().await;
        let text = format!("after {round}");
        say_until_appended(&mut a, "lobby", &text).await;
        b.hears(&text).await;
    }
    let after = open_again(&mut b, held(&before)).await;
    assert_eq!(after.epoch, before.epoch, "its disk has everything");
    assert!(after.entries.iter().any(|entry| entry.content == "before"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_comes_back_empty_has_another_life_of_each_room() {
    let mut redis = RedisProcess::start();
    let mut node = Node::start(&redis, "a").await;
    node.say("lobby", "before").await;
    let before = node.open("lobby", None).await;
    redis.restart_empty();
    node.is_interrupted().await;
    let after = open_again(&mut node, held(&before)).await;
    assert_ne!(after.epoch, before.epoch);
    assert_eq!(after.head, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_frozen_each_request_is_answered_and_afterwards_it_goes_on() {
    let redis = RedisProcess::start();
    let mut node = Node::start(&redis, "a").await;
    let epoch = node.open("lobby", None).await.epoch;
    assert_eq!(seq(&node.send("lobby", 1, &epoch).await), Ok((1, false)));
    redis.freeze();
    for _ in 0..3 {
        assert_eq!(node.send("lobby", 2, &epoch).await, StoreResponse::Failed);
        assert_eq!(node.try_open("other", None).await, StoreResponse::Failed);
    }
    redis.thaw();
    let answer = within("Redis to be back", async {
        loop {
            let answer = node.send("lobby", 2, &epoch).await;
            if answer != StoreResponse::Failed {
                return answer;
            }
        }
    });
    // What it had in its buffers it may have carried out: then this is the same one again.
    assert_eq!(seq(&answer.await).map(|(seq, _)| seq), Ok(2));
    assert_eq!(node.open("lobby", None).await.head, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_again_and_again_cost_no_request_its_answer() {
    let redis = RedisProcess::start();
    let mut node = Node::start(&redis, "a").await;
    let epoch = node.open("lobby", None).await.epoch;
    for pseq in 1..=40 {
        if pseq % 4 == 0 {
            redis.cli(&["client", "kill", "type", if pseq % 8 == 0 { "normal" } else { "pubsub" }]);
        }
        let answer = within("an answer", async {
            loop {
                let answer = node.send("lobby", pseq, &epoch).await;
                if answer != StoreResponse::Failed {
                    return answer;
                }
            }
        });
        assert_eq!(seq(&answer.await).map(|(seq, _)| seq), Ok(pseq));
    }
    assert_eq!(node.open("lobby", None).await.entries.len(), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_whose_memory_is_used_up_fails_sends_and_keeps_what_it_has() {
    let redis = RedisProcess::start();
    let mut node = Node::start(&redis, "a").await;
    node.say("lobby", "before").await;
    redis.cli(&["config", "set", "maxmemory", "1"]);
    assert_eq!(node.say("lobby", "too much").await, StoreResponse::Failed);
    assert_eq!(node.open("lobby", None).await.entries.len(), 1, "reading goes on");
    redis.cli(&["config", "set", "maxmemory", "0"]);
    assert!(matches!(node.say("lobby", "after").await, StoreResponse::Appended { seq: 2, .. }));
}

fn durable(config: &mut RedisConfig, _: &mut HubConfig) {
    config.durability = "wait=1".parse().unwrap();
}

/// A primary whose replica has all there is, and stands still from now on; and two nodes in the lobby, the first of which
/// has said something that the replica does not have.
async fn unconfirmed(primary: &RedisProcess) -> (RedisProcess, [Node; 2], Epoch) {
    let replica = RedisProcess::start_with(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    let mut nodes =
        [Node::start_with(primary, "a", durable).await, Node::start_with(primary, "b", durable).await];
    let [a, b] = &mut nodes;
    within("the replica", async {
        while !matches!(a.say("other", "x").await, StoreResponse::Appended { .. }) {}
    })
    .await;
    let epoch = a.open("lobby", None).await.epoch;
    b.open("lobby", None).await;
    replica.freeze();
    assert_eq!(a.send("lobby", 1, &epoch).await, StoreResponse::Failed);
    (replica, nodes, epoch)
}

/// Whether something was told of an entry, before what is published now.
async fn has_heard(node: &mut Node, from: &Node) -> bool {
    let signal = Signal { room: "lobby".into(), user: "ada".into(), kind: "mark".into(), data: None };
    from.ask(StoreRequest::Signal(signal)).await;
    let mut heard = false;
    node.notice_of(|notice| {
        heard |= matches!(notice, StoreNotice::Appended { .. });
        matches!(notice, StoreNotice::Signal(_)).then_some(())
    })
    .await;
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_replica_has_is_shown_to_nobody_before_one_has_it() {
    let primary = RedisProcess::start();
    let (replica, [mut a, mut b], epoch) = unconfirmed(&primary).await;
    assert!(!has_heard(&mut b, &a).await && !has_heard(&mut a, &b).await, "no node is told");
    assert_eq!(b.open("lobby", None).await.head, 0, "nor does anybody read it");
    replica.thaw();
    let answer = within("the replica", async {
        loop {
            let answer = a.send("lobby", 1, &epoch).await;
            if answer != StoreResponse::Failed {
                return answer;
            }
        }
    });
    assert_eq!(seq(&answer.await), Ok((1, true)));
    assert_eq!(b.hears("send 1").await, ["send 1"]);
    assert_eq!(b.open("lobby", None).await.entries.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_replica_has_too_late_for_its_sender_is_shown_all_the_same() {
    let primary = RedisProcess::start();
    let (replica, [_a, mut b], _) = unconfirmed(&primary).await;
    replica.thaw();
    assert_eq!(b.hears("send 1").await, ["send 1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_primary_has_after_a_restart_is_shown_whoever_has_confirmed_it() {
    let mut primary = RedisProcess::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let (_replica, [_a, mut b], _) = unconfirmed(&primary).await;
    primary.restart();
    b.is_interrupted().await;
    assert_eq!(b.open("lobby", None).await.entries.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_wait_an_acknowledgement_means_that_a_replica_has_it() {
    let primary = RedisProcess::start();
    let port = primary.port.to_string();
    let mut node = Node::start_with(&primary, "a", durable).await;
    let epoch = node.open("lobby", None).await.epoch;
    let refused = Err((Code::Overloaded, None, false));
    assert_eq!(seq(&node.send("lobby", 1, &epoch).await), refused, "nobody else would have it");
    assert_eq!(primary.cli(&["--scan", "--pattern", "*:log"]), "", "it is not kept either");
    let replica = RedisProcess::start_with(&["--replicaof", "127.0.0.1", &port]);
    let answer = within("the replica", async {
        loop {
            let answer = node.send("lobby", 1, &epoch).await;
            if matches!(answer, StoreResponse::Appended { .. }) {
                return answer;
            }
        }
    });
    assert_eq!(seq(&answer.await).map(|(seq, _)| seq), Ok(1));
    assert_eq!(replica.cli(&["xlen", &replica.cli(&["--scan", "--pattern", "*:log"])]), "1");
}
