//! Tickets, revocations, and whatever else is asked beside the hub. Owns what an answer means.

use super::aside::Aside;
use super::commands::Commands;
use super::replies;
use super::shards::Command;
use crate::auth::{NotShared, Revoked, Shared, TicketKey, Unavailable};
use crate::other_nodes::StoreAway;
use futures_util::future::BoxFuture;
use redis::Value;
use rejoin::Name;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A clone asks over the same connection.
#[derive(Clone)]
pub(crate) struct RedisTokenStore {
    commands: Arc<Commands>,
    aside: Aside,
}

impl RedisTokenStore {
    pub(super) fn new(commands: Arc<Commands>, aside: Aside) -> Self {
        Self { commands, aside }
    }

    /// Publishes something. Nobody waits for it.
    pub(super) fn publish(&self, channel: &str, text: &str) {
        drop(self.aside.ask(publish(channel, text)));
    }

    /// Begins a room anew, empty; `false` if there is none.
    pub(super) fn empty_room(&self, room: &Name) -> BoxFuture<'static, Result<bool, StoreAway>> {
        let emptied = self.aside.ask(self.commands.empty_room(room));
        Box::pin(async move {
            let answer = emptied.await.map_err(|Unavailable| StoreAway)?;
            replies::number(&answer).map(|count| count > 0).ok_or(StoreAway)
        })
    }

    /// Publishes something; gives how many subscribers have got it, if that is known.
    pub(super) async fn publish_counted(&self, channel: &str, text: &str) -> Option<u64> {
        replies::number(&self.aside.ask(publish(channel, text)).await.ok()?)
    }
}

/// On the shard of the channel's name, where all nodes subscribe it: only so Redis counts all of them.
fn publish(channel: &str, text: &str) -> Command {
    let mut cmd = redis::cmd("PUBLISH");
    cmd.arg(channel).arg(text);
    Command { cmd, key: channel.to_owned() }
}

impl Shared for RedisTokenStore {
    fn keep_ticket(
        &self,
        key: &TicketKey,
        sealed: &[u8],
        lasts: Duration,
    ) -> BoxFuture<'static, Result<(), Unavailable>> {
        let kept = self.aside.ask(self.commands.keep_ticket(key, sealed, lasts));
        Box::pin(async move { if kept.await? == Value::Okay { Ok(()) } else { Err(Unavailable) } })
    }

    fn take_ticket(&self, key: &TicketKey) -> BoxFuture<'static, Result<Option<Vec<u8>>, Unavailable>> {
        let taken = self.aside.ask(self.commands.take_ticket(key));
        Box::pin(async move {
            match taken.await? {
                Value::BulkString(sealed) => Ok(Some(sealed)),
                Value::Nil => Ok(None),
                _ => Err(Unavailable),
            }
        })
    }

    fn revoke(&self, what: &Revoked, lasts: Duration) -> BoxFuture<'static, Result<SystemTime, NotShared>> {
        let revoked = self.aside.ask(self.commands.revoke(what, lasts));
        Box::pin(async move {
            let value = revoked.await.map_err(|Unavailable| NotShared::Unavailable)?;
            if replies::text(&value) == Some("full") {
                return Err(NotShared::Full);
            }
            let at = replies::number(&value).ok_or(NotShared::Unavailable)?;
            Ok(UNIX_EPOCH + Duration::from_millis(at))
        })
    }
}

impl fmt::Debug for RedisTokenStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisTokenStore")
    }
}
