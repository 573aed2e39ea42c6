//! The body of a feed's response: the hub's text for one reader, as fast as the socket takes it.

use crate::faults::{DelayQueue, FaultGuard, FaultState};
use crate::hub::{KEEP_ALIVE, Text, event_without_id};
use crate::send_queue::{Drained, Outbound, SendQueue, Shutdown};
use crate::shared_hub::HubConnection;
use crate::state::ConnectionPermit;
use futures_util::Stream;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio_tungstenite::tungstenite::Bytes;

/// Dropped when the answer is over, whoever ended it; the hub and all who count connections learn of it by that.
pub(super) struct Feed {
    send_queue: Arc<SendQueue>,
    fault_state: Arc<FaultState>,
    hub_conn: HubConnection,
    /// Taken from the send queue and not yet written.
    out: VecDeque<Outbound>,
    /// Waiting before it goes to `out`.
    delay_queue: DelayQueue,
    /// To be written a second time.
    again: Option<Bytes>,
    _fault_guard: FaultGuard,
    _permit: ConnectionPermit,
}

/// Ends the connection without the end of the answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut")]
pub(super) struct Aborted;

impl Feed {
    pub(super) fn new(
        send_queue: Arc<SendQueue>,
        fault_state: Arc<FaultState>,
        hub_conn: HubConnection,
        fault_guard: FaultGuard,
        permit: ConnectionPermit,
    ) -> Self {
        let (out, delay_queue, again) = (VecDeque::new(), DelayQueue::default(), None);
        Self {
            send_queue,
            fault_state,
            hub_conn,
            out,
            delay_queue,
            again,
            _fault_guard: fault_guard,
            _permit: permit,
        }
    }

    fn text(&mut self, text: Text) -> Bytes {
        let bytes = Bytes::from(text.into_bytes());
        if self.fault_state.duplicate() {
            self.again = Some(bytes.clone());
        }
        bytes
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.hub_conn.set_lost(&self.fault_state);
    }
}

impl Stream for Feed {
    type Item = Result<Bytes, Aborted>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.send_queue.is_aborting() {
            (this.again, this.out) = (None, VecDeque::new());
            this.delay_queue.clear();
        }
        if let Some(bytes) = this.again.take() {
            return Poll::Ready(Some(Ok(bytes)));
        }
        loop {
            this.delay_queue.release(&this.fault_state, &mut this.out, cx);
            while let Some(item) = this.out.pop_front() {
                let bytes = match item {
                    // The socket has taken what was before it, but for a buffer: time for more of the log.
                    Outbound::Fence => {
                        this.hub_conn.queue_drained();
                        continue;
                    }
                    Outbound::Ping => Bytes::from_static(KEEP_ALIVE.as_bytes()),
                    Outbound::Text(text) => this.text(text),
                    Outbound::Garbage(text) => Bytes::from(event_without_id(&text)),
                };
                return Poll::Ready(Some(Ok(bytes)));
            }
            match this.send_queue.take(&mut this.out, this.delay_queue.backlog(), cx.waker()) {
                Drained::Items => this.delay_queue.hold(&this.fault_state, &mut this.out),
                Drained::Closed(Shutdown::Abort(_)) => return Poll::Ready(Some(Err(Aborted))),
                // A half-open connection stays as it is until the peer ends it or the fault is cleared.
                Drained::Closed(Shutdown::Close { .. } | Shutdown::HangUp { .. })
                    if this.delay_queue.is_empty() && this.fault_state.dead().is_none() =>
                {
                    return Poll::Ready(None);
                }
                Drained::Closed(_) | Drained::Empty => return Poll::Pending,
            }
        }
    }
}
