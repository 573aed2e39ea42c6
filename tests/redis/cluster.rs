//! A cluster: each room is on one shard, and the servers go on when a slot is moved or a primary dies.

use crate::load::{AFTERWARDS, last_words, under_load};
use crate::node::{Node, connect};
use crate::servers::{NOTIFY, keys, server_with, talkers};
use crate::within;
use harness::delivery_oracle::{Allowed, check_accounts};
use harness::redis_cluster::RedisCluster;
use harness::redis_process::RedisProcess;
use rejoin::{Event, Name};
use rejoin_server::hub::shared::{Control, StoreNotice, StoreRequest};
use rejoin_server::redis::StoreError;
use std::collections::BTreeSet;
use tokio::task::block_in_place;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_of_all_shards_are_read_appended_and_noticed() {
    let cluster = block_in_place(|| RedisCluster::start(3, false));
    let mut one = Node::start_at(&cluster.url(), "one").await;
    let mut two = Node::start_at(&cluster.url(), "two").await;
    let rooms: Vec<_> = (0..12).map(|number| format!("room{number}")).collect();
    let shards: BTreeSet<_> = rooms.iter().map(|room| cluster.shard_of(room)).collect();
    assert_eq!(shards.len(), 3, "rooms on all shards");
    for room in &rooms {
        one.open(room, None).await;
    }
    for room in &rooms {
        two.say(room, &format!("in {room}")).await;
        assert_eq!(one.hears(&format!("in {room}")).await.len(), 1, "{room}");
    }
    // What is closed is not heard any more, and its neighbours on the shard are.
    one.ask(StoreRequest::Close { room: Name::from("room0") }).await;
    one.open("room12", None).await;
    two.say("room0", "unheard").await;
    for room in &rooms[1..] {
        two.say(room, &format!("again in {room}")).await;
        assert_eq!(one.hears(&format!("again in {room}")).await.len(), 1, "{room}");
    }
    // What every node has to do is on no shard of a room.
    let kick = Control::Kick { user: Name::from("eve"), ban: None };
    two.ask(StoreRequest::Control(kick.clone())).await;
    one.notice_of(|notice| (notice == StoreNotice::Control(kick.clone())).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_slot_of_a_room_is_moved_under_load_nothing_is_lost() {
    let cluster = block_in_place(|| RedisCluster::start(3, false));
    let url = cluster.url();
    let servers = [server_with(&url, &[]), server_with(&url, &[]), server_with(&url, &[])];
    let mut talkers = talkers(&servers).await;
    let [lobby, _] = keys("lobby");
    let home = cluster.shard_of(&lobby);
    for (round, (from, to)) in [(home, (home + 1) % 3), ((home + 1) % 3, home)].into_iter().enumerate() {
        talkers = under_load(talkers, round, || cluster.move_slot(&lobby, from, to)).await;
    }
    let accounts = last_words(talkers).await;
    let log = check_accounts(&accounts, Allowed::Nothing);
    assert!(log.len() > 6 * AFTERWARDS, "{}", log.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_primary_of_a_shard_dies_its_replica_is_found_and_no_confirmed_message_is_lost() {
    let mut cluster = block_in_place(|| RedisCluster::start(3, true));
    let url = cluster.url();
    let server = || server_with(&url, &["--durability", "wait=1"]);
    let servers = [server(), server(), server()];
    let talkers = talkers(&servers).await;
    let shard = cluster.shard_of(&keys("lobby")[0]);
    let talkers = under_load(talkers, 0, || {
        cluster.nodes[shard].kill();
        cluster.fail_over(shard);
        // Nobody waits for a replica that does not exist any more.
        cluster.nodes[shard].restart();
    });
    let accounts = last_words(talkers.await).await;
    let log = check_accounts(&accounts, Allowed::LostMemory);
    assert!(log.len() > 3 * AFTERWARDS, "{}", log.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_from_redis_cli_reaches_its_user_on_a_cluster() {
    let cluster = block_in_place(|| RedisCluster::start(3, false));
    let server = server_with(&cluster.url(), &[]);
    let (client, mut events) = crate::servers::client(&server.url, "ada").notifications().connect().unwrap();
    within("ready", client.ready()).await.unwrap();
    let [room, log] = keys("@ada");
    let shard = &cluster.nodes[cluster.shard_of(&room)];
    let data = "{\"total\":12}";
    let told =
        block_in_place(|| shard.cli(&["--eval", NOTIFY, &room, &log, ",", "ada", "invoice", data, "n1"]));
    assert_eq!(told, "1");
    let notified = async {
        while let Some(event) = events.next().await {
            if let Event::Notification(notification) = event {
                return notification.kind.to_string();
            }
        }
        String::new()
    };
    assert_eq!(within("the notification", notified).await, "invoice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_of_the_wrong_kind_is_refused_with_the_right_one() {
    let cluster = block_in_place(|| RedisCluster::start(1, false));
    let single = RedisProcess::start();
    let error = connect(&format!("redis://127.0.0.1:{}", cluster.nodes[0].port)).await.unwrap_err();
    assert!(error.to_string().contains("redis-cluster://HOST"), "{error}");
    let error = connect(&format!("redis-cluster://127.0.0.1:{}", single.port)).await.unwrap_err();
    assert!(matches!(error, StoreError::NoCluster { .. }), "{error:?}");
    let slot = cluster.nodes[0].cli(&["cluster", "delslots", "7"]);
    assert_eq!(slot, "OK");
    let error = connect(&cluster.url()).await.unwrap_err();
    assert!(matches!(error, StoreError::Incomplete { .. }), "{error:?}");
}
