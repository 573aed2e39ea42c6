//! Publishes without a connection: a post in a room, or a notification of a user. Waits for the outcome.

use super::{RESPONSE_TIMEOUT, SharedHub};
use crate::hub::Input;
use rejoin::Id;
use rejoin::messages::Code;
use std::net::IpAddr;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// What became of a post or a notification.
pub(crate) type PublishResult = Result<Receipt, Code>;

/// Its place in the log.
#[derive(Debug)]
pub(crate) struct Receipt {
    pub(crate) id: Id,
    pub(crate) seq: u64,
    /// It had been published before, under the same key.
    pub(crate) dup: bool,
}

impl SharedHub {
    /// Hands the hub an [`Input::Post`] or an [`Input::Notify`] of this call, from the admin listener. Cancellation safe: what is
    /// published then is not known, and nothing waits for it any more.
    pub(crate) async fn publish(
        &self,
        asker: Option<IpAddr>,
        input: impl FnOnce(u64) -> Input<'static>,
    ) -> PublishResult {
        let (call, answer) = {
            let mut core = self.lock();
            core.last_call += 1;
            let call = core.last_call;
            let (answers, answer) = oneshot::channel();
            core.calls.insert(call, answers);
            core.asker = asker;
            self.run(&mut core, input(call));
            core.asker = None;
            (PendingCall { shared: self, number: call }, answer)
        };
        let published = timeout(RESPONSE_TIMEOUT, answer).await;
        drop(call);
        match published {
            Ok(Ok(published)) => published,
            Ok(Err(_)) | Err(_) => Err(Code::Internal),
        }
    }
}

/// Somebody waits for what becomes of a publication; dropped, nobody does.
struct PendingCall<'a> {
    shared: &'a SharedHub,
    number: u64,
}

impl Drop for PendingCall<'_> {
    fn drop(&mut self) {
        self.shared.lock().calls.remove(&self.number);
    }
}
