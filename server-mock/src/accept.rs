//! The next connection of a listener.

use crate::metrics::Metrics;
use crate::seldom::Seldom;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// After a failed `accept`: what failed it, mostly too many open files, does not pass at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener that goes on when it fails.
pub(crate) struct Acceptor {
    listener: TcpListener,
    failed: Seldom,
}

impl Acceptor {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self { listener, failed: Seldom::default() }
    }

    /// The next connection, however long that takes. Cancellation safe.
    pub(crate) async fn accept(&mut self, metrics: &Metrics) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    metrics.accept_failed.one_more();
                    self.failed.tell(|times| tracing::warn!(%error, times, "cannot accept a connection"));
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}
