//! A primary with replicas and sentinels: the servers find whoever is the primary, and go on after a failover by themselves.

use crate::load::{AFTERWARDS, last_words, under_load};
use crate::node::connect;
use crate::servers::{server_with, talkers};
use harness::delivery_oracle::{Allowed, check_accounts};
use harness::redis_process::{RedisProcess, free_port};
use harness::redis_sentinel::{Replicated, Sentinels};
use rejoin::DeliveryStatus;
use rejoin_server::redis::StoreError;
use std::collections::BTreeSet;
use tokio::task::block_in_place;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_failovers_under_load_servers_go_on_by_themselves_and_what_redis_lost_is_announced() {
    let mut redis = block_in_place(|| Replicated::start(2));
    let url = redis.sentinels.url("");
    let servers = [server_with(&url, &[]), server_with(&url, &[]), server_with(&url, &[])];
    let talkers = talkers(&servers).await;
    let first = redis.members[0].port;
    let mut second = first;
    let talkers = under_load(talkers, 0, || {
        redis.on_port(first).kill();
        second = redis.sentinels.fail_over(first);
    });
    let talkers = talkers.await;
    // One that hangs, and takes itself for the primary afterwards.
    let talkers = under_load(talkers, 1, || {
        redis.on_port(second).freeze();
        redis.sentinels.fail_over(second);
        redis.on_port(second).thaw();
    });
    let accounts = last_words(talkers.await).await;
    let log = check_accounts(&accounts, Allowed::LostMemory);
    assert!(log.len() > 6 * AFTERWARDS, "{}", log.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_wait_no_acknowledged_message_is_lost_in_a_failover() {
    let mut redis = block_in_place(|| Replicated::start(2));
    let url = redis.sentinels.url("");
    let server = || server_with(&url, &["--durability", "wait=1"]);
    let servers = [server(), server(), server()];
    let talkers = talkers(&servers).await;
    let first = redis.members[0].port;
    let talkers = under_load(talkers, 0, || {
        redis.on_port(first).kill();
        redis.sentinels.fail_over(first);
    });
    let accounts = last_words(talkers.await).await;
    check_accounts(&accounts, Allowed::LostMemory);
    let acked = accounts.iter().flat_map(|account| account.outcomes.values()).filter_map(|outcome| {
        if let DeliveryStatus::Acked { id, .. } = outcome { Some(id.clone()) } else { None }
    });
    let acked: BTreeSet<_> = acked.collect();
    assert!(acked.len() > 3 * AFTERWARDS, "{}", acked.len());
    for account in &accounts {
        let heard: BTreeSet<_> = account.heard.iter().map(|entry| entry.id.clone()).collect();
        let missing = acked.difference(&heard).count();
        assert_eq!(missing, 0, "{} misses acknowledged messages", account.name());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_that_know_no_such_primary_or_do_not_run_are_told() {
    let redis = RedisProcess::start();
    let sentinels = block_in_place(|| Sentinels::start(1, redis.port, ""));
    let hosts = sentinels.hosts();
    let error = connect(&format!("redis-sentinel://{hosts}#other")).await.unwrap_err();
    assert!(matches!(error, StoreError::NoPrimary { .. }), "{error:?}");
    assert!(error.to_string().contains("a primary named other"), "{error}");
    let nobody = free_port();
    let error = connect(&format!("redis-sentinel://127.0.0.1:{nobody}#main")).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains(&format!("127.0.0.1:{nobody}")), "{error}");
    // One of them is enough, and a Redis is no sentinel.
    connect(&format!("redis-sentinel://127.0.0.1:{nobody},{hosts}#main")).await.unwrap();
    let error = connect(&format!("redis-sentinel://127.0.0.1:{}#main", redis.port)).await.unwrap_err();
    assert!(error.to_string().contains("SENTINEL"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sentinel_that_names_a_primary_that_is_none_is_not_the_last_one_asked() {
    let (mut gone, redis) = (RedisProcess::start(), RedisProcess::start());
    let port = redis.port.to_string();
    let replica = RedisProcess::start_with(&["--replicaof", "127.0.0.1", &port]);
    let (stale, of_replica, right) = block_in_place(|| {
        let sentinels = |port| Sentinels::start(1, port, "");
        (sentinels(gone.port), sentinels(replica.port), sentinels(redis.port))
    });
    gone.kill();
    let hosts = format!("{},{},{}", stale.hosts(), of_replica.hosts(), right.hosts());
    connect(&format!("redis-sentinel://{hosts}#main")).await.unwrap();
    let error = connect(&stale.url("")).await.unwrap_err();
    assert!(error.to_string().contains(&format!("127.0.0.1:{}", gone.port)), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_that_ask_for_a_password_get_that_of_the_primary() {
    let redis = RedisProcess::start_with(&["--requirepass", "pw"]);
    let more = "requirepass pw\nsentinel auth-pass main pw";
    let sentinels = block_in_place(|| Sentinels::start(1, redis.port, more));
    connect(&sentinels.url(":pw@")).await.unwrap();
    for (access, missing) in [("", true), (":canary@", false)] {
        let error = connect(&sentinels.url(access)).await.unwrap_err();
        assert_eq!(matches!(error, StoreError::NoPassword { .. }), missing, "{error:?}");
        assert_eq!(matches!(error, StoreError::WrongPassword { .. }), !missing, "{error:?}");
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}
