//! TLS to sentinels and to a cluster: to those who say where Redis is, and to what they name.

use crate::node::connect_with;
use crate::tls::{Authority, goes_through};
use crate::within;
use harness::redis_cluster::RedisCluster;
use harness::redis_process::free_port;
use harness::redis_sentinel::Sentinels;
use rejoin_server::redis::{RedisConfig, StoreError};
use tokio::task::block_in_place;

/// Why nothing can be done with the Redis at a URL, as far as is known without its authority.
async fn without_authority(url: &str) -> StoreError {
    let config = RedisConfig::new(url).unwrap();
    within("a refusal", connect_with(&config)).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_is_found_over_tls_by_sentinels_that_speak_it_and_by_nobody_who_trusts_others() {
    let authority = Authority::new();
    let files = authority.sign("127.0.0.1", |_| {});
    let (_redis, url) = block_in_place(|| authority.redis(&files, "no"));
    let primary = url.rsplit(':').next().unwrap().parse().unwrap();
    let port = free_port();
    let [certificate, key, ca] = [&files.0, &files.1, &authority.ca()].map(|path| path.display().to_string());
    let lines = format!(
        "tls-port {port}\ntls-cert-file {certificate}\ntls-key-file {key}\ntls-ca-cert-file {ca}\n\
         tls-auth-clients no\ntls-replication yes\n"
    );
    // One sentinel: its port for TLS is written into its configuration.
    let _sentinels = block_in_place(|| Sentinels::start(1, primary, &lines));
    let url = format!("rediss-sentinel://127.0.0.1:{port}#{}", harness::redis_sentinel::PRIMARY);
    goes_through(&url, &["--redis-ca", authority.ca().to_str().unwrap()]).await;
    let error = without_authority(&url).await;
    assert!(error.to_string().contains("--redis-ca"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_shards_of_a_cluster_are_reached_over_tls_and_by_nobody_who_trusts_others() {
    let authority = Authority::new();
    let files = authority.sign("127.0.0.1", |_| {});
    let [certificate, key, ca] = [&files.0, &files.1, &authority.ca()].map(|path| path.display().to_string());
    let tls = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
    let args = [&tls[..], &["--tls-auth-clients", "no", "--tls-cluster", "yes", "--tls-replication", "yes"]]
        .concat();
    let cluster = block_in_place(|| RedisCluster::start_with(3, false, &args));
    let url = cluster.url().replace("redis-cluster:", "rediss-cluster:");
    goes_through(&url, &["--redis-ca", authority.ca().to_str().unwrap()]).await;
    let error = without_authority(&url).await;
    assert!(error.to_string().contains("--redis-ca"), "{error}");
}
