//! The token file is read again: when somebody says so, and when it has changed.

use super::{Auth, AuthError, TokenChanges, Tokens};
use crate::switchboard::Switchboard;
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Reads the tokens of a server again. Tokens that are new are good at once; connections whose token is gone are closed
/// with 4001.
#[derive(Clone)]
pub struct Reloader {
    auth: Arc<Auth>,
    switchboard: Arc<Switchboard>,
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader").field("auth", &self.auth).finish_non_exhaustive()
    }
}

impl Reloader {
    pub(crate) fn new(auth: Arc<Auth>, switchboard: Arc<Switchboard>) -> Self {
        Self { auth, switchboard }
    }

    /// Reads the token file now; one that cannot be used changes nothing.
    pub async fn reload(&self) -> Result<TokenChanges, AuthError> {
        let tokens = self.tokens().ok_or(AuthError::NoFile)?.clone();
        // A large file takes its time, and nobody else is to wait for that.
        let read = tokio::task::spawn_blocking(move || tokens.read_again()).await;
        let changes = read.unwrap_or(Err(AuthError::NoFile))?;
        let closed = self.switchboard.close_revoked();
        tracing::info!(
            added = changes.added,
            removed = changes.removed,
            closed,
            "the token file has been read again"
        );
        Ok(changes)
    }

    /// Reads it whenever it has changed and rests. Never ends.
    pub async fn watch(self) {
        let Some(tokens) = self.tokens() else { return pending().await };
        let mut seen = None;
        loop {
            sleep(LOOK).await;
            let changed = tokens.changed();
            // Who writes may not be done yet: what is half written would cost people their connections.
            let rests = changed == std::mem::replace(&mut seen, changed);
            if changed.is_some()
                && rests
                && let Err(error) = self.reload().await
            {
                tracing::error!(%error, "the token file has changed, and the tokens stay as they were");
            }
        }
    }

    fn tokens(&self) -> Option<&Tokens> {
        match &*self.auth {
            Auth::Tokens(tokens) => Some(tokens),
            Auth::Open => None,
        }
    }
}
