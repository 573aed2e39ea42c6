//! The limits of a user hold for all nodes together.

use crate::node::Node;
use crate::servers::{client, server_with};
use crate::within;
use harness::redis_process::RedisProcess;
use rejoin::{CauseCode, Client, Event, Events, Name, State, StateChange};
use rejoin_server::hub::shared::{Consumption, StoreNotice, StoreRequest, UsageReport};
use std::time::Duration;

/// Nothing is free again while a test lasts.
fn used(used: u32) -> Consumption {
    Consumption { used, refill_milli: 1 }
}

/// What the node is told after a report: connections elsewhere, and whole sends and joins.
async fn report(node: &mut Node, connections: u32, (sends, joins): (u32, u32)) -> (u32, u64, u64) {
    let expires_in = Duration::from_secs(90);
    report_for(node, connections, expires_in, (sends, joins)).await
}

async fn report_for(
    node: &mut Node,
    connections: u32,
    expires_in: Duration,
    (sends, joins): (u32, u32),
) -> (u32, u64, u64) {
    let user = Name::from("ada");
    let (sends, joins) = (used(sends), used(joins));
    node.ask(StoreRequest::ReportUsage(UsageReport { user, connections, expires_in, sends, joins })).await;
    loop {
        if let StoreNotice::Usage { user, remote_connections, sends_milli, joins_milli } = node.notice().await
        {
            assert_eq!(&*user, "ada");
            return (remote_connections, sends_milli.div_ceil(1_000), joins_milli.div_ceil(1_000));
        }
    }
}

#[tokio::test]
async fn what_a_user_uses_on_several_nodes_is_added_up() {
    let redis = RedisProcess::start();
    let (mut one, mut two) = (Node::start(&redis, "one").await, Node::start(&redis, "two").await);
    assert_eq!(report(&mut one, 2, (3, 1)).await, (0, 3, 1));
    assert_eq!(report(&mut two, 1, (4, 0)).await, (2, 7, 1));
    assert_eq!(report(&mut one, 0, (0, 5)).await, (1, 7, 6));
    assert_eq!(report(&mut two, 1, (0, 0)).await, (0, 7, 6));
}

#[tokio::test]
async fn the_connections_of_a_node_that_does_not_report_them_again_count_for_a_while_only() {
    let redis = RedisProcess::start();
    let (mut one, mut two) = (Node::start(&redis, "one").await, Node::start(&redis, "two").await);
    report_for(&mut one, 5, Duration::from_millis(1), (0, 0)).await;
    let gone = async { while report(&mut two, 1, (0, 0)).await.0 > 0 {} };
    within("the end of the other node's connections", gone).await;
}

#[tokio::test]
async fn a_restarted_redis_begins_to_count_anew_and_a_foreign_key_harms_nobody() {
    let redis = RedisProcess::start();
    let mut one = Node::start(&redis, "one").await;
    report(&mut one, 1, (3, 0)).await;
    redis.cli(&["FLUSHALL"]);
    redis.cli(&["SCRIPT", "FLUSH"]);
    assert_eq!(report(&mut one, 1, (1, 0)).await, (0, 1, 0));
    let key = redis.cli(&["KEYS", "rejoin:user:*"]);
    redis.cli(&["SET", key.trim(), "not ours"]);
    let user = Name::from("ada");
    let (sends, joins, expires_in) = (used(1), used(1), Duration::from_secs(90));
    one.ask(StoreRequest::ReportUsage(UsageReport { user, connections: 1, expires_in, sends, joins })).await;
    // It is answered after the report was.
    one.open("lobby", None).await;
    redis.cli(&["DEL", key.trim()]);
    assert_eq!(report(&mut one, 1, (2, 0)).await, (0, 2, 0), "the next report is carried out");
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
