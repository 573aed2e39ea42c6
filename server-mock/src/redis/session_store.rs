//! The Socket.IO sessions that all servers know, in Redis. Owns what an answer means; the scripts decide whose a session is.

use super::aside::Aside;
use super::commands::Commands;
use super::{replies, session_fields};
use crate::auth::Unavailable;
use crate::shared_sessions::{Kept, SessionKey, SessionRecord, SharedSessions};
use futures_util::future::BoxFuture;
use redis::Value;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone)]
pub(super) struct RedisSessionStore {
    commands: Arc<Commands>,
    aside: Aside,
}

impl RedisSessionStore {
    pub(super) fn new(commands: Arc<Commands>, aside: Aside) -> Self {
        Self { commands, aside }
    }
}

fn kept(value: &Value) -> Result<Kept, Unavailable> {
    match replies::text(value) {
        Some("kept") => Ok(Kept::Stored),
        Some("missing") => Ok(Kept::Missing),
        Some("moved") => Ok(Kept::Moved),
        _ => Err(Unavailable),
    }
}

impl SharedSessions for RedisSessionStore {
    fn find(&self, key: &SessionKey) -> BoxFuture<'static, Result<Option<SessionRecord>, Unavailable>> {
        let found = self.aside.ask_in_turn(self.commands.find_session(key));
        Box::pin(async move { Ok(session_fields::read(&found.await?)) })
    }

    fn keep(
        &self,
        key: &SessionKey,
        record: &SessionRecord,
        before: Option<u64>,
        lasts: Duration,
    ) -> BoxFuture<'static, Result<Kept, Unavailable>> {
        let answer = self.aside.ask_in_turn(self.commands.keep_session(key, record, before, lasts));
        Box::pin(async move { kept(&answer.await?) })
    }

    fn prolong(
        &self,
        key: &SessionKey,
        session: u64,
        lasts: Duration,
    ) -> BoxFuture<'static, Result<Kept, Unavailable>> {
        let answer = self.aside.ask_in_turn(self.commands.prolong_session(key, session, lasts));
        Box::pin(async move { kept(&answer.await?) })
    }

    fn end(&self, key: &SessionKey, session: u64, lasts: Option<Duration>) {
        // Not done, it ends by itself a little later.
        drop(self.aside.ask(self.commands.end_session(key, session, lasts.unwrap_or_default())));
    }
}

impl fmt::Debug for RedisSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisSessionStore")
    }
}
