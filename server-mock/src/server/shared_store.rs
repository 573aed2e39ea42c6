//! Connects a server to the store that it shares with others. The hub is one node of several then.

use crate::hub::HubConfig;
use crate::hub::shared::StoreRequest;
use crate::redis::{Redis, RedisConfig, StoreError, StoreListener};
use crate::state::AppState;
use rejoin::Id;
use std::future::pending;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The Redis with which this server is one of several, and what the hub asks of it.
pub(super) struct SharedStore {
    pub(super) redis: Redis,
    requests: mpsc::Receiver<StoreRequest>,
}

/// Connects to the Redis, if there is one; the hub is one node of several then.
pub(super) async fn connect(
    config: Option<&RedisConfig>,
    hub: &mut HubConfig,
) -> Result<(Option<mpsc::Sender<StoreRequest>>, Option<SharedStore>), StoreError> {
    let Some(config) = config else { return Ok((None, None)) };
    // A node that starts again is another one: nobody is taken for one of its users of before.
    let node = hub.node.get_or_insert_with(|| Id::random(&mut fastrand::Rng::new())).clone();
    let redis = Redis::connect(config, node, hub).await?;
    let (asked, requests) = mpsc::channel(hub.store_requests.max(1));
    Ok((Some(asked), Some(SharedStore { redis, requests })))
}

/// Carries out what the hub asks, for ever.
pub(super) async fn share(store: Option<SharedStore>, app: &AppState) {
    match store {
        Some(SharedStore { redis, requests }) => {
            redis.serve(requests, Arc::clone(&app.hub) as Arc<dyn StoreListener>).await;
        }
        None => pending().await,
    }
}
