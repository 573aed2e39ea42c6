//! Commands of others than the hub. Owns their deadline; they share the connection of the hub's requests.

use super::shards::Command;
use crate::auth::Unavailable;
use futures_util::future::BoxFuture;
use redis::Value;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How long an answer may take: somebody waits for it who has not been let in.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// Commands that wait for the connection.
const MOST: usize = 1_024;

/// A command, and who waits for its answer. Dropped unanswered, nothing is known of it.
#[derive(Debug)]
pub(super) struct AsideCommand {
    pub(super) command: Command,
    pub(super) answer: oneshot::Sender<Value>,
}

/// A clone asks over the same connection.
#[derive(Debug, Clone)]
pub(super) struct Aside(mpsc::Sender<AsideCommand>);

impl Aside {
    pub(super) fn new() -> (Self, mpsc::Receiver<AsideCommand>) {
        let (commands, asked) = mpsc::channel(MOST);
        (Self(commands), asked)
    }

    /// Asks now or never; the answer need not be waited for.
    pub(super) fn ask(&self, command: Command) -> BoxFuture<'static, Result<Value, Unavailable>> {
        let (answer, answered) = oneshot::channel();
        let asked = self.0.try_send(AsideCommand { command, answer });
        Box::pin(async move {
            asked.map_err(|_| Unavailable)?;
            match timeout(ANSWERED_WITHIN, answered).await {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(_)) | Err(_) => Err(Unavailable),
            }
        })
    }

    /// Asks as soon as there is room among those who wait: now if there is.
    pub(super) fn ask_in_turn(&self, command: Command) -> BoxFuture<'static, Result<Value, Unavailable>> {
        let (answer, answered) = oneshot::channel();
        let command = AsideCommand { command, answer };
        let full = match self.0.try_send(command) {
            Ok(()) => None,
            Err(mpsc::error::TrySendError::Full(command) | mpsc::error::TrySendError::Closed(command)) => {
                Some((self.0.clone(), command))
            }
        };
        let asked = async move {
            if let Some((commands, command)) = full {
                commands.send(command).await.map_err(|_| Unavailable)?;
            }
            answered.await.map_err(|_| Unavailable)
        };
        Box::pin(async move { timeout(ANSWERED_WITHIN, asked).await.unwrap_or(Err(Unavailable)) })
    }
}
