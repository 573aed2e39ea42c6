//! The start of a server with a Redis that it cannot use.

use crate::http::http;
use crate::node::{connect, connect_with};
use crate::servers::{Talker, server_with};
use crate::within;
use harness::redis_process::RedisProcess;
use rejoin_server::redis::{RedisConfig, StoreError};
use tokio::net::TcpListener;

async fn refusal(url: &str) -> StoreError {
    connect(url).await.unwrap_err()
}

#[tokio::test]
async fn no_redis_and_something_else_behind_the_address_are_told_apart() {
    let error = refusal("redis://127.0.0.1:1").await;
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let silent = tokio::spawn(async move { std::future::pending::<TcpListener>().await });
    let serving = tokio::spawn(async move {
        loop {
            use tokio::io::AsyncWriteExt as _;
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        }
    });
    let error = refusal(&url).await;
    assert!(matches!(error, StoreError::NotRedis { .. }), "{error}");
    silent.abort();
    serving.abort();
}

#[tokio::test]
async fn a_password_that_is_missing_or_wrong_is_told_and_not_shown() {
    let redis = RedisProcess::start_with(&["--requirepass", "right"]);
    let at = format!("127.0.0.1:{}", redis.port);
    let error = refusal(&redis.url()).await;
    assert!(matches!(error, StoreError::NoPassword { .. }), "{error:?}");
    for url in [format!("redis://:canary@{at}"), format!("redis://canary:canary@{at}")] {
        let error = refusal(&url).await;
        assert!(matches!(error, StoreError::WrongPassword { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
    let config = RedisConfig::new(&format!("redis://:right@{at}")).unwrap();
    let connected = connect_with(&config).await.unwrap();
    assert!(!format!("{config:?} {connected:?}").contains("right"));
}

#[tokio::test]
async fn a_replica_and_a_redis_that_evicts_are_refused_with_what_to_do() {
    let primary = RedisProcess::start();
    let port = primary.port.to_string();
    let replica = RedisProcess::start_with(&["--replicaof", "127.0.0.1", &port]);
    let error = refusal(&replica.url()).await;
    assert!(matches!(error, StoreError::Replica { .. }), "{error:?}");
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
    let evicting = RedisProcess::start_with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let error = refusal(&evicting.url()).await;
    assert!(error.to_string().contains("set maxmemory-policy noeviction"), "{error}");
    let cluster = RedisProcess::start_with(&["--cluster-enabled", "yes"]);
    assert!(matches!(refusal(&cluster.url()).await, StoreError::Cluster { .. }));
}

#[tokio::test]
async fn a_user_that_may_not_do_what_is_needed_is_told_what() {
    let redis = RedisProcess::start();
    redis.cli(&["acl", "setuser", "chat", "on", ">pw", "~*", "&*", "+@all", "-script"]);
    let error = refusal(&format!("redis://chat:pw@127.0.0.1:{}", redis.port)).await;
    assert!(matches!(error, StoreError::NoPermission { .. }), "{error:?}");
    assert!(error.to_string().contains("script"), "{error}");
}

#[tokio::test]
async fn a_command_that_only_a_message_needs_is_missed_at_the_start() {
    let redis = RedisProcess::start();
    for command in ["xadd", "hsetnx", "publish", "zadd"] {
        redis.cli(&["acl", "setuser", command, "on", ">pw", "~*", "&*", "+@all", &format!("-{command}")]);
        let error = refusal(&format!("redis://{command}:pw@127.0.0.1:{}", redis.port)).await;
        assert!(error.to_string().to_lowercase().contains(command), "{error}");
    }
    assert_eq!(redis.cli(&["--scan"]), "", "nothing is left of the question");
}

#[tokio::test]
async fn a_user_with_the_rights_that_the_manual_names_can_do_everything() {
    let redis = RedisProcess::start();
    redis.cli(&[
        "acl",
        "setuser",
        "chat",
        "on",
        ">pw",
        "~rejoin:*",
        "&rejoin:*",
        "+@all",
        "-@dangerous",
        "+info",
    ]);
    let url = format!("redis://chat:pw@127.0.0.1:{}", redis.port);
    let servers = [server_with(&url, &[]), server_with(&url, &[])];
    let mut speaker = Talker::start(&servers[0].url, "ada").await;
    let mut listener = Talker::start(&servers[1].url, "bob").await;
    speaker.say(String::from("hello"));
    speaker.listen("the outcome", |account| account.unresolved() == 0).await;
    listener
        .listen("the message", |account| account.heard.iter().any(|entry| entry.content == "hello"))
        .await;
    let admin = servers[0].admin();
    assert_eq!(http(admin, "POST", "/revocations", &[], r#"{"user":"eve","for":60}"#).0, 200);
    assert_eq!(http(admin, "DELETE", "/users/bob?ban=60", &[], "").0, 200);
    within("the end of the other one", listener.client.terminated()).await;
    assert_eq!(redis.cli(&["hlen", "rejoin:bans"]), "1");
}

#[tokio::test]
async fn a_user_without_the_keys_or_the_channels_is_told_at_the_start() {
    let redis = RedisProcess::start();
    redis.cli(&["acl", "setuser", "keys", "on", ">pw", "~other:*", "&*", "+@all"]);
    redis.cli(&["acl", "setuser", "channels", "on", ">pw", "~*", "resetchannels", "+@all"]);
    for (user, what) in [("keys", "key"), ("channels", "channel")] {
        let error = refusal(&format!("redis://{user}:pw@127.0.0.1:{}", redis.port)).await;
        assert!(matches!(error, StoreError::NoPermission { .. }), "{error:?}");
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_told() {
    let redis = RedisProcess::start();
    let error = refusal(&format!("{}/99", redis.url())).await;
    assert!(matches!(error, StoreError::Database { .. }), "{error:?}");
    connect(&format!("{}/3", redis.url())).await.unwrap();
}
