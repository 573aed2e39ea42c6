//! What is asked of Redis beside the hub: tickets and revocations. Owns their commands and how long their answers may take; the
//! connection is that of the hub's requests.

use super::answers;
use super::commands::Commands;
use crate::auth::{Away, NotShared, Revoked, Shared, TicketKey};
use futures_util::future::BoxFuture;
use redis::{Cmd, Value};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How long an answer may take: somebody waits for it who has not been let in.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// Questions that wait for the connection.
pub(super) const MOST: usize = 1_024;

/// A command, and who waits for its answer. Dropped unanswered, nothing is known of it.
#[derive(Debug)]
pub(super) struct Aside {
    pub(super) cmd: Cmd,
    pub(super) answer: oneshot::Sender<Value>,
}

/// A clone asks over the same connection.
#[derive(Clone)]
pub(crate) struct Desk {
    commands: Arc<Commands>,
    asides: mpsc::Sender<Aside>,
}

impl Desk {
    pub(super) fn new(commands: Arc<Commands>) -> (Self, mpsc::Receiver<Aside>) {
        let (asides, asked) = mpsc::channel(MOST);
        (Self { commands, asides }, asked)
    }

    fn ask(&self, cmd: Cmd) -> BoxFuture<'static, Result<Value, Away>> {
        let (answer, answered) = oneshot::channel();
        let asked = self.asides.try_send(Aside { cmd, answer });
        Box::pin(async move {
            asked.map_err(|_| Away)?;
            match timeout(ANSWERED_WITHIN, answered).await {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(_)) | Err(_) => Err(Away),
            }
        })
    }
}

impl Shared for Desk {
    fn keep_ticket(
        &self,
        key: &TicketKey,
        sealed: &[u8],
        lasts: Duration,
    ) -> BoxFuture<'static, Result<(), Away>> {
        let kept = self.ask(self.commands.keep_ticket(key, sealed, lasts));
        Box::pin(async move { if kept.await? == Value::Okay { Ok(()) } else { Err(Away) } })
    }

    fn take_ticket(&self, key: &TicketKey) -> BoxFuture<'static, Result<Option<Vec<u8>>, Away>> {
        let taken = self.ask(self.commands.take_ticket(key));
        Box::pin(async move {
            match taken.await? {
                Value::BulkString(sealed) => Ok(Some(sealed)),
                Value::Nil => Ok(None),
                _ => Err(Away),
            }
        })
    }

    fn revoke(&self, what: &Revoked, lasts: Duration) -> BoxFuture<'static, Result<SystemTime, NotShared>> {
        let revoked = self.ask(self.commands.revoke(what, lasts));
        Box::pin(async move {
            let value = revoked.await.map_err(|Away| NotShared::Away)?;
            if answers::text(&value) == Some("full") {
                return Err(NotShared::Full);
            }
            let at = answers::number(&value).ok_or(NotShared::Away)?;
            Ok(UNIX_EPOCH + Duration::from_millis(at))
        })
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Desk")
    }
}
