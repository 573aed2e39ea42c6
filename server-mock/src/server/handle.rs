//! The handle of a server that runs in a task.

use crate::faults::Faults;
use crate::hub::DrainReason;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A control frame's payload without its code (RFC 6455 §5.5).
const REASON_BYTES: usize = 123;

/// Where a server listens, as URLs.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    pub(super) url: String,
    pub(super) admin: Option<String>,
}

/// A server that runs in a task. Dropping the handle stops it at once, as [`stop`](Self::stop) does, without waiting.
#[derive(Debug)]
pub struct ServerHandle {
    pub(super) addresses: Addresses,
    pub(super) faults: Faults,
    pub(super) running: Option<Running>,
}

#[derive(Debug)]
pub(super) struct Running {
    pub(super) drain: oneshot::Sender<DrainReason>,
    pub(super) stop: oneshot::Sender<()>,
    pub(super) task: JoinHandle<()>,
}

impl ServerHandle {
    /// As [`Server::url`](crate::Server::url).
    pub fn url(&self) -> String {
        self.addresses.url.clone()
    }

    /// As [`Server::admin_url`](crate::Server::admin_url).
    pub fn admin_url(&self) -> Option<String> {
        self.addresses.admin.clone()
    }

    /// As [`Server::faults`](crate::Server::faults).
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// Drains as [`Server::run`](crate::Server::run) does after its shutdown, and waits for the end. Dropping this future leaves the
    /// drain to itself.
    pub async fn drain(self) {
        self.drain_as(DrainReason::Restart).await;
    }

    /// As [`drain`](Self::drain), of a server that goes for good: connections are closed with 1001 and this reason, which clients
    /// show. A close frame has room for 123 bytes of it.
    pub async fn drain_with_reason(self, reason: &'static str) {
        let most = REASON_BYTES.min(reason.len());
        let reason = (0..=most).rev().find_map(|end| reason.get(..end)).unwrap_or_default();
        self.drain_as(DrainReason::GoingAway(reason)).await;
    }

    async fn drain_as(mut self, reason: DrainReason) {
        if let Some(Running { drain, stop, task }) = self.running.take() {
            let _ = drain.send(reason);
            let _ = task.await;
            drop(stop);
        }
    }

    /// Stops at once, as a kill would: every connection is cut, none gets a close frame. Waits until the listeners and
    /// all connections are closed.
    pub async fn stop(mut self) {
        if let Some(Running { stop, task, .. }) = self.running.take() {
            let _ = stop.send(());
            let _ = task.await;
        }
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.task.abort();
        }
    }
}
