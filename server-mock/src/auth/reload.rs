//! Reads the file of tokens or keys again: on request, and when it has changed.

use super::file::Stamp;
use super::{Auth, AuthError, Authority, TokenChanges};
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Reads the tokens, or the keys, of a server again. What is new is good at once; connections whose token or key is gone are
/// closed with 4001.
#[derive(Clone)]
pub struct Reloader {
    authority: Arc<Authority>,
    close_revoked: Arc<dyn Fn() -> usize + Send + Sync>,
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader").field("auth", &self.authority.auth).finish_non_exhaustive()
    }
}

impl Reloader {
    /// `close_revoked`: closes the connections whose token or key is gone, and says how many there were.
    pub(crate) fn new(
        authority: Arc<Authority>,
        close_revoked: impl Fn() -> usize + Send + Sync + 'static,
    ) -> Self {
        Self { authority, close_revoked: Arc::new(close_revoked) }
    }

    /// Reads the file now; one that cannot be used changes nothing.
    pub async fn reload(&self) -> Result<TokenChanges, AuthError> {
        let authority = Arc::clone(&self.authority);
        // A large file takes its time, and nobody else is to wait for that.
        let read = tokio::task::spawn_blocking(move || match &authority.auth {
            Auth::Tokens(tokens) => tokens.read_again(),
            Auth::Jwt(jwt) => jwt.read_again(),
            Auth::Open | Auth::Http(_) | Auth::Custom(_) => Err(AuthError::NoFile),
        })
        .await;
        let changes = read.unwrap_or(Err(AuthError::NoFile))?;
        let closed = (self.close_revoked)();
        tracing::info!(
            added = changes.added,
            removed = changes.removed,
            closed,
            "the file of --auth has been read again"
        );
        Ok(changes)
    }

    /// Reads it whenever it has changed and rests. Never ends.
    pub async fn watch(self) {
        if !matches!(self.authority.auth, Auth::Tokens(_) | Auth::Jwt(_)) {
            return pending().await;
        }
        let (mut seen, mut was_gone) = (None, false);
        loop {
            sleep(LOOK).await;
            let is_gone = self.is_gone();
            if is_gone && !std::mem::replace(&mut was_gone, is_gone) {
                tracing::error!(
                    "the file of --auth is gone, or cannot be read: what it said before still counts"
                );
            }
            was_gone = is_gone;
            let changed = self.changed();
            // Who writes may not be done yet: what is half written would cost people their connections.
            let rests = changed == std::mem::replace(&mut seen, changed);
            if changed.is_some()
                && rests
                && let Err(error) = self.reload().await
            {
                tracing::error!(%error, "the file of --auth has changed, and what it said before still counts");
            }
        }
    }

    fn is_gone(&self) -> bool {
        match &self.authority.auth {
            Auth::Tokens(tokens) => tokens.is_gone(),
            Auth::Jwt(jwt) => jwt.is_gone(),
            Auth::Open | Auth::Http(_) | Auth::Custom(_) => false,
        }
    }

    fn changed(&self) -> Option<Stamp> {
        match &self.authority.auth {
            Auth::Tokens(tokens) => tokens.changed(),
            Auth::Jwt(jwt) => jwt.changed(),
            Auth::Open | Auth::Http(_) | Auth::Custom(_) => None,
        }
    }
}
