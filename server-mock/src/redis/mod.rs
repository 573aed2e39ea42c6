//! Redis, or Valkey, as the store that several nodes share: carries out what a hub asks of it
//! ([`hub::shared`](crate::hub::shared)). Decides nothing: the scripts in Redis do, and the hub.
//!
//! | keys, under a prefix and a digest of the room's name | what |
//! |---|---|
//! | `…:room` | hash: name, epoch, number and id of the newest entry and of the last one that is not kept |
//! | `…:log` | stream: the entries under their numbers |
//! | `…:line:OWNER:PRODUCER` | hash: the last number and the last 64 answers; gone after the dedupe window |
//! | `…:here` | hash: who is there on which node, and until when unless the node says it again |
//! | the channel without a last part | what happens there |
//!
//! Beside these `prefix:user:{DIGEST}` (what a user has used of the limits that all nodes share), `prefix:sessions:{DIGEST}` (a
//! user's Socket.IO sessions that can be recovered) and `prefix:session:{DIGEST}:DIGEST` for each of them, `prefix:bans`,
//! `prefix:revocations`, `prefix:ticket:DIGEST`, the channel `prefix:control` for what every
//! node has to do, and a channel `prefix:node:NODE` each for what others answer a node.
//!
//! Each request is one script with keys of one slot, so that it is atomic on a cluster too. Requests go over one connection, pipelined; notices come over another
//! one, which subscribes before a room is read. Both come back by themselves. On a cluster each of the two is a connection to
//! each shard; a room's notices are published on its own shard.

mod aside;
mod backoff;
mod commands;
mod config;
mod confirmations;
mod connection;
mod encode;
mod error;
mod gather;
mod health;
mod keys;
mod peer;
mod positions;
mod push_queue;
mod reconcile;
mod replies;
mod requests;
mod scripts;
mod session_fields;
mod session_store;
mod shards;
mod slots;
mod subscriber;
mod tls;
mod token_store;

pub use config::{AddressError, Durability, PrefixError, RedisAddress, RedisConfig};
pub use error::StoreError;
pub use health::Health;
pub use scripts::NOTIFY;

use crate::auth::Revocation;
use crate::auth::Shared as SharedTokens;
use crate::hub::HubConfig;
use crate::hub::shared::{RequestId, StoreNotice, StoreRequest, StoreResponse};
use crate::other_nodes::{OtherNodes, Question};
use crate::shared_sessions::SharedSessions;
use aside::{Aside, AsideCommand};
use commands::Commands;
use connection::{Connection, Dialer};
use gather::Gather;
use keys::Keys;
use positions::Positions;
use push_queue::PushQueue;
use requests::Requests;
use serde_json::Value;
use session_store::RedisSessionStore;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use subscriber::Subscriber;
use token_store::RedisTokenStore;
use tokio::sync::mpsc;

/// Orders to the subscriber that wait for it.
const ORDERS: usize = 1_024;

/// Whoever asks. Both are called from a task and must not block.
pub trait StoreListener: Send + Sync + 'static {
    /// What became of a request.
    fn on_response(&self, request_id: RequestId, answer: StoreResponse);
    /// What came without being asked for, in this order.
    fn on_notices(&self, notices: Vec<StoreNotice>);
    /// What this server answers to a question of another one. By default it is not known.
    fn on_question(&self, question: NodeQuestion) -> Option<Value> {
        drop(question);
        None
    }
    /// Tokens were taken back on another node, or given back. By default nobody has any. Gives those that a whole list does not
    /// have: they are written back.
    fn on_revocations(&self, revoked: Revocations) -> Revocations {
        drop(revoked);
        Revocations { list: Vec::new(), is_whole: false }
    }
}

/// What was taken back.
#[derive(Debug)]
pub struct Revocations {
    pub(crate) list: Vec<Revocation>,
    /// Nothing else is.
    pub(crate) is_whole: bool,
}

/// A question of another node.
#[derive(Debug)]
pub struct NodeQuestion(pub(crate) Question);

/// A Redis that can be used: connected to and looked at.
pub struct Redis {
    dialer: Dialer,
    commands: Arc<Commands>,
    health: Arc<Health>,
    durability: Durability,
    requests: Connection,
    notices: (Connection, PushQueue),
    token_store: RedisTokenStore,
    gather: Gather,
    session_store: RedisSessionStore,
    asides: mpsc::Receiver<AsideCommand>,
    revoked: Vec<Revocation>,
    last_removal: String,
}

impl Redis {
    /// Connects, and looks whether what is there can be used: its kind, its version, whether it can be written to, and
    /// whether it keeps what is written.
    ///
    /// # Errors
    /// What is wrong, where, and what to do.
    pub async fn connect(
        config: &RedisConfig,
        node: rejoin::Id,
        hub: &HubConfig,
    ) -> Result<Self, StoreError> {
        let dialer = Dialer::new(config)?;
        let requests = requests::connect(&dialer).await?;
        let keys = Keys::new(&config.prefix);
        let commands = Arc::new(Commands::new(keys.clone(), node.clone(), hub, config));
        let (aside, asides) = Aside::new();
        let token_store = RedisTokenStore::new(Arc::clone(&commands), aside.clone());
        let session_store = RedisSessionStore::new(Arc::clone(&commands), aside);
        let gather = Gather::new(node, keys, token_store.clone());
        let notices = subscriber::connect(&dialer, &commands, &gather).await?;
        let probed = commands.probe().ask(&requests.shards).await;
        probed.map_err(|error| StoreError::of(&requests.at, &error))?;
        // What is removed from now on is carried out here, however soon a connection is lost.
        let last_removal = commands.last_removal().ask(&requests.shards).await;
        let last_removal = last_removal.map_err(|error| StoreError::of(&requests.at, &error))?;
        let last_removal = replies::last_place(&last_removal).unwrap_or_else(|| String::from("0-0"));
        let revoked = commands.revocations().ask(&requests.shards).await;
        let revoked = revoked.map_err(|error| StoreError::of(&requests.at, &error))?;
        let revoked = replies::revocations(&revoked);
        Ok(Self {
            dialer,
            revoked,
            last_removal,
            token_store,
            gather,
            session_store,
            asides,
            commands,
            health: Arc::default(),
            durability: config.durability,
            requests,
            notices,
        })
    }

    /// What is known of it while it is used.
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    /// What was taken back before: nobody is let in before it is known.
    pub(crate) fn revoked(&mut self) -> Vec<Revocation> {
        std::mem::take(&mut self.revoked)
    }

    /// Where tickets and revocations of all servers are.
    pub(crate) fn token_store(&self) -> Arc<dyn SharedTokens> {
        Arc::new(self.token_store.clone())
    }

    /// Where Socket.IO sessions of all servers are.
    pub(crate) fn sessions(&self) -> Arc<dyn SharedSessions> {
        Arc::new(self.session_store.clone())
    }

    /// The other servers of this Redis.
    pub(crate) fn other_nodes(&self) -> Arc<dyn OtherNodes> {
        Arc::new(self.gather.clone())
    }

    /// Carries out requests until their sender is gone. Cancellation safe: dropping it closes the connections.
    pub async fn serve(self, requests: mpsc::Receiver<StoreRequest>, peer: Arc<dyn StoreListener>) {
        let positions = Arc::<Positions>::default();
        let (orders, ordered) = mpsc::channel(ORDERS);
        let subscriber = Subscriber {
            dialer: self.dialer.clone(),
            commands: Arc::clone(&self.commands),
            peer: Arc::clone(&peer),
            health: Arc::clone(&self.health),
            gather: self.gather,
            positions: Arc::clone(&positions),
            orders: ordered,
            rooms: BTreeMap::new(),
            waiting: Vec::new(),
            bans: BTreeMap::new(),
            revocations: 0,
            last_removal: self.last_removal,
            leaving: BTreeMap::new(),
        };
        let worker = Requests::new(
            self.dialer,
            self.commands,
            peer,
            self.health,
            positions,
            orders,
            self.asides,
            self.durability,
            self.requests,
        );
        // Boxed: both are large, and there is one of each.
        tokio::join!(Box::pin(worker.run(requests)), Box::pin(subscriber.run(Some(self.notices))));
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("at", &self.requests.at).finish_non_exhaustive()
    }
}
