//! The limits of a user hold for all nodes together.

use crate::node::Node;
use crate::servers::{client, server_with};
use crate::within;
use harness::redis_process::RedisProcess;
use rejoin::{CauseCode, Client, Event, Events, Name, State, StateChange};
use rejoin_server::hub::shared::{Consumption, StoreNotice, StoreRequest, UsageReport};
use std::time::Duration;

/// What ada uses on a node: connections, sends and joins. Nothing is free again while a test lasts.
fn usage(connections: u32, sends: u32, joins: u32) -> UsageReport {
    let spent = |count| Consumption { used: count, refill_milli: 1 };
    let (user, expires_in) = (Name::from("ada"), Duration::from_secs(90));
    UsageReport { user, connections, expires_in, sends: spent(sends), joins: spent(joins) }
}

/// What the node is told after a report: connections elsewhere, and whole sends and joins.
async fn told(node: &mut Node, report: UsageReport) -> (u32, u64, u64) {
    node.ask(StoreRequest::ReportUsage(report)).await;
    node.notice_of(|notice| match notice {
        StoreNotice::Usage { user, remote_connections, sends_milli, joins_milli } => {
            assert_eq!(&*user, "ada");
            Some((remote_connections, sends_milli.div_ceil(1_000), joins_milli.div_ceil(1_000)))
        }
        _ => None,
    })
    .await
}

#[tokio::test]
async fn what_a_user_uses_on_several_nodes_is_added_up() {
    let redis = RedisProcess::start();
    let (mut one, mut two) = (Node::start(&redis, "one").await, Node::start(&redis, "two").await);
    assert_eq!(told(&mut one, usage(2, 3, 1)).await, (0, 3, 1));
    assert_eq!(told(&mut two, usage(1, 4, 0)).await, (2, 7, 1));
    assert_eq!(told(&mut one, usage(0, 0, 5)).await, (1, 7, 6));
    assert_eq!(told(&mut two, usage(1, 0, 0)).await, (0, 7, 6));
}

#[tokio::test]
async fn the_connections_of_a_node_that_does_not_report_them_again_count_for_a_while_only() {
    let redis = RedisProcess::start();
    let (mut one, mut two) = (Node::start(&redis, "one").await, Node::start(&redis, "two").await);
    told(&mut one, UsageReport { expires_in: Duration::from_millis(1), ..usage(5, 0, 0) }).await;
    let gone = async { while told(&mut two, usage(1, 0, 0)).await.0 > 0 {} };
    within("the end of the other node's connections", gone).await;
}

#[tokio::test]
async fn a_restarted_redis_begins_to_count_anew_and_a_foreign_key_harms_nobody() {
    let redis = RedisProcess::start();
    let mut one = Node::start(&redis, "one").await;
    told(&mut one, usage(1, 3, 0)).await;
    redis.cli(&["FLUSHALL"]);
    redis.cli(&["SCRIPT", "FLUSH"]);
    assert_eq!(told(&mut one, usage(1, 1, 0)).await, (0, 1, 0));
    let key = redis.cli(&["KEYS", "rejoin:user:*"]);
    redis.cli(&["SET", key.trim(), "not ours"]);
    one.ask(StoreRequest::ReportUsage(usage(1, 1, 1))).await;
    // It is answered after the report was.
    one.open("lobby", None).await;
    redis.cli(&["DEL", key.trim()]);
    assert_eq!(told(&mut one, usage(1, 2, 0)).await, (0, 2, 0), "the next report is carried out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_has_no_more_connections_on_all_servers_than_on_one() {
    let redis = RedisProcess::start();
    let server = || server_with(&redis.url(), &["--max-user-connections", "3"]);
    let servers = [server(), server()];
    let mut clients = Vec::new();
    for index in 0..3 {
        let (client, events) = client(&servers[index % 2].url, "ada").room("lobby").connect().unwrap();
        within("ready", client.ready()).await.unwrap();
        clients.push((client, events));
    }
    let (_fourth, mut events) = client(&servers[1].url, "ada").room("lobby").connect().unwrap();
    let refused = async {
        while let Some(event) = events.next().await {
            if let Event::State(StateChange { cause: Some(cause), .. }) = event
                && cause.code == CauseCode::Closed(4011)
            {
                return true;
            }
        }
        false
    };
    assert!(within("the refusal of the fourth", refused).await);
    let still_there = |(client, _): &(Client, Events)| client.status().state == State::Connected;
    assert!(clients.iter().all(still_there), "the first three stay");
}
