//! Accepts the next connection of a listener. Waits for a free descriptor when the process has none; reads nothing.

use crate::log_throttle::LogThrottle;
use crate::metrics::Metrics;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// After a failed `accept`: what failed it, mostly too many open files, does not pass at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener that goes on when it fails.
pub(crate) struct Acceptor {
    listener: TcpListener,
    failed: LogThrottle,
}

impl Acceptor {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self { listener, failed: LogThrottle::default() }
    }

    /// The next connection, however long that takes. Cancellation safe.
    pub(crate) async fn accept(&mut self, metrics: &Metrics) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    metrics.accept_failed.one_more();
                    self.failed.record(|times| tracing::warn!(%error, times, "cannot accept a connection"));
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}
