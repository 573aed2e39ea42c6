//! Connects a server to the store that it shares with others. The hub is one node of several then.

use crate::hub::HubConfig;
use crate::hub::shared::StoreRequest;
use crate::log_throttle::LogThrottle;
use crate::redis::{Redis, RedisConfig, StoreError, StoreListener};
use crate::state::AppState;
use rejoin::Id;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// The Redis with which this server is one of several, and what the hub asks of it.
pub(super) struct SharedStore {
    pub(super) redis: Redis,
    requests: mpsc::Receiver<StoreRequest>,
}

/// From one try to the next, where Redis does not answer.
const RETRY: Duration = Duration::from_secs(1);

/// Connects to the Redis, if there is one; the hub is one node of several then. A Redis that does not answer is waited for, which is
/// said.
pub(super) async fn connect(
    config: Option<&RedisConfig>,
    hub: &mut HubConfig,
) -> Result<(Option<mpsc::Sender<StoreRequest>>, Option<SharedStore>), StoreError> {
    let Some(config) = config else { return Ok((None, None)) };
    // A node that starts again is another one: nobody is taken for one of its users of before.
    let node = hub.node.get_or_insert_with(|| Id::random(&mut fastrand::Rng::new())).clone();
    let mut waiting = LogThrottle::default();
    let redis = loop {
        match Redis::connect(config, node.clone(), hub).await {
            Err(error) if error.is_passing() => waiting.record(|_| {
                tracing::warn!(%error, "this server takes nobody before Redis answers, and goes on trying");
            }),
            connected => break connected?,
        }
        sleep(RETRY).await;
    };
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
