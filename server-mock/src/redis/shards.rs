//! The shards to which commands go. Owns which of them gets a command; opens and closes no connection.

use super::slots::Slots;
use futures_util::future::{BoxFuture, join_all};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisResult, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The connections to all shards; one without a cluster. A clone uses the same connections.
#[derive(Clone)]
pub(super) struct Shards {
    first: MultiplexedConnection,
    others: Vec<MultiplexedConnection>,
    slots: Arc<Slots>,
    is_cluster: bool,
}

impl Shards {
    /// The one Redis there is.
    pub(super) fn single(first: MultiplexedConnection) -> Self {
        Self { first, others: Vec::new(), slots: Arc::default(), is_cluster: false }
    }

    /// The shards of a cluster; `None` if there is none.
    pub(super) fn new(conns: Vec<MultiplexedConnection>, slots: Slots) -> Option<Self> {
        let mut others = conns.into_iter();
        let first = others.next()?;
        Some(Self { first, others: others.collect(), slots: Arc::new(slots), is_cluster: true })
    }

    /// The number of the shard that has a key.
    pub(super) fn shard_of(&self, key: &str) -> usize {
        self.slots.shard_of(key)
    }

    /// The connection to a shard, by its number.
    pub(super) fn number(&self, shard: usize) -> MultiplexedConnection {
        let other = shard.checked_sub(1).and_then(|other| self.others.get(other));
        other.unwrap_or(&self.first).clone()
    }

    /// The connection to the shard that has a key.
    pub(super) fn having(&self, key: &str) -> MultiplexedConnection {
        self.number(self.shard_of(key))
    }

    /// The connections to all of them.
    pub(super) fn all(&self) -> impl Iterator<Item = MultiplexedConnection> {
        std::iter::once(&self.first).chain(&self.others).cloned()
    }

    /// Whether all of them answer.
    pub(super) async fn ping(&self) -> RedisResult<()> {
        let pings = self.all().map(|mut conn| async move { ask(&mut conn, &redis::cmd("PING")).await });
        join_all(pings).await.into_iter().try_for_each(|answer| answer.map(drop))
    }

    /// Carries out commands, each with its key, in a pipeline for each shard; the answers are in the order of the commands.
    pub(super) async fn pipelined(&self, commands: &[Command]) -> RedisResult<Vec<Value>> {
        let pipelines = self.by_shard(commands.iter().map(|command| &*command.key)).into_iter().map(
            |(shard, places)| async move {
                let mut pipeline = Pipeline::new();
                for command in places.iter().filter_map(|place| commands.get(*place)) {
                    pipeline.add_command(command.cmd.clone());
                }
                let answers = self.number(shard).send_packed_commands(&pipeline, 0, places.len()).await;
                answers.map(|answers| places.into_iter().zip(answers).collect::<Vec<_>>())
            },
        );
        let mut answers = BTreeMap::new();
        for answered in join_all(pipelines).await {
            answers.extend(answered?);
        }
        Ok(answers.into_values().collect())
    }

    /// Begins to get the notices of these channels, each of which is on the shard of its name.
    pub(super) async fn subscribe(&self, channels: Vec<String>) -> RedisResult<()> {
        if !self.is_cluster {
            return self.first.clone().subscribe(channels).await;
        }
        let commands = channels.into_iter().map(|channel| one_channel("SSUBSCRIBE", channel));
        self.confirmed(&commands.collect::<Vec<_>>()).await
    }

    /// The reverse.
    pub(super) async fn unsubscribe(&self, channel: String) -> RedisResult<()> {
        if !self.is_cluster {
            return self.first.clone().unsubscribe(channel).await;
        }
        self.confirmed(&[one_channel("SUNSUBSCRIBE", channel)]).await
    }

    async fn confirmed(&self, commands: &[Command]) -> RedisResult<()> {
        self.pipelined(commands).await?.into_iter().try_for_each(|answer| answer.extract_error().map(drop))
    }

    /// The places of keys, by the shard that has them.
    fn by_shard<'a>(&self, keys: impl Iterator<Item = &'a str>) -> BTreeMap<usize, Vec<usize>> {
        let mut shards = BTreeMap::<usize, Vec<usize>>::new();
        for (place, key) in keys.enumerate() {
            shards.entry(self.shard_of(key)).or_default().push(place);
        }
        shards
    }
}

/// A command of one channel: of several, Redis takes only those of one slot.
fn one_channel(name: &str, channel: String) -> Command {
    let mut cmd = redis::cmd(name);
    cmd.arg(&channel);
    Command { cmd, key: channel }
}

/// A command and a key that decides to which shard it goes.
#[derive(Debug, Clone)]
pub(super) struct Command {
    pub(super) cmd: Cmd,
    pub(super) key: String,
}

impl Command {
    /// What the shard that has the key answers.
    pub(super) fn ask(self, shards: &Shards) -> BoxFuture<'static, RedisResult<Value>> {
        let mut conn = shards.having(&self.key);
        Box::pin(async move { ask(&mut conn, &self.cmd).await })
    }
}

/// What Redis answers to a command.
pub(super) async fn ask(conn: &mut MultiplexedConnection, cmd: &Cmd) -> RedisResult<Value> {
    conn.send_packed_command(cmd).await?.extract_error()
}
