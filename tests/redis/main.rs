//! A real Redis between nodes: what the adapter promises its hub. Each test has a Redis of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::match_wild_err_arm,
    reason = "a test stops at the first surprise"
)]

mod cluster;
mod http;
mod load;
mod node;
mod outages;
mod readiness;
mod rights;
mod rooms;
mod sends;
mod sentinel;
mod servers;
mod startup;
mod tls;
mod tls_sets;
mod tokens;
mod usage;
mod users;

use std::future::Future;
use std::time::Duration;

/// Fails instead of hanging.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(60), future).await {
        Ok(value) => value,
        Err(_) => panic!("waited 60 s for {what}"),
    }
}
