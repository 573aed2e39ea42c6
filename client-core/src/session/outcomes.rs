//! From a send to its outcome, as far as that is the same on every server. Outcomes are stored before they are reported.

use super::protocol::{Protocol, SendOf};
use super::{Output, ProtocolSession};
#[cfg(feature = "journal")]
use crate::change_log::record;
use crate::event::{Delivery, DeliveryStatus, Event, SendFailure};
use crate::mutation::mutation;
use crate::outbox::SendQueue;
use crate::time::Timestamp;
#[cfg(all(feature = "journal", feature = "socketio"))]
use alloc::boxed::Box;

impl<R: Protocol> ProtocolSession<R> {
    pub(super) fn send(&mut self, now: Timestamp, send: SendOf<R>) {
        if self.link.has_ended() && !mutation!(EndTakesSends) {
            self.fail(send, SendFailure::Closed);
        } else if send.payload_len() > self.limits.content && !mutation!(OwnLimitUnkept) {
            self.fail(send, SendFailure::TooLarge);
        } else {
            self.record_outcomes();
            self.outbox.push(now, send, &mut self.outcomes);
            self.recorded = self.outcomes.len();
        }
    }

    fn fail(&mut self, send: SendOf<R>, why: SendFailure) {
        self.outcomes.push(Delivery::new(send.id, send.room, DeliveryStatus::Failed(why)));
    }

    #[cfg(feature = "frames")]
    pub(super) fn send_volatile(&mut self, now: Timestamp, mut send: SendOf<R>) {
        // Nothing that is worth anything later.
        send.idempotent = false;
        let waits = mutation!(VolatileWaits) || mutation!(SioVolatileWaits);
        if self.link.has_ended() || send.payload_len() > self.limits.content || waits {
            self.send(now, send);
        } else if R::takes_now(self, &send) {
            self.volatile.push(send.id);
            self.send(now, send);
        } else {
            self.fail(send, SendFailure::Dropped);
        }
    }

    /// What did not go at once is dropped.
    #[cfg(feature = "frames")]
    pub(super) fn drop_volatile(&mut self) {
        for id in core::mem::take(&mut self.volatile) {
            self.outbox.drop_queued(id, &mut self.outcomes);
        }
    }

    pub(super) fn record_outcomes(&mut self) {
        #[cfg(feature = "journal")]
        for delivery in self.outcomes.iter().skip(self.recorded) {
            let key = delivery.id;
            record!(self.outbox.change_log(), Resolved { key, status: delivery.status.clone() });
            #[cfg(feature = "socketio")]
            if let Some(reply) = delivery.reply.as_ref().filter(|_| R::STORES_REPLIES)
                && let Some(reply) = reply.kept()
            {
                record!(self.outbox.change_log(), Replied { key, reply: Box::new(reply) });
            }
        }
        self.recorded = self.outcomes.len();
    }

    /// Reports the outcomes that there are.
    pub(crate) fn emit_deliveries(&mut self) {
        self.record_outcomes();
        self.recorded = 0;
        if self.outcomes.is_empty() {
            return;
        }
        for delivery in self.outcomes.drain(..) {
            self.outputs.push_back(Output::Event(Event::Delivery(delivery)));
        }
    }

    /// The end resolves every send. For another run they are what they were before: that is no change.
    pub(super) fn end(&mut self) {
        #[cfg(feature = "stored")]
        self.snapshot_sends();
        self.record_outcomes();
        #[cfg(feature = "journal")]
        let notes = self.outbox.change_log().len();
        let before = self.outbox.changes();
        self.outbox.close(&mut self.outcomes);
        self.recorded = self.outcomes.len();
        #[cfg(feature = "journal")]
        self.outbox.change_log().truncate(notes);
        self.unstored_changes += self.outbox.changes() - before;
        R::ended(self);
    }
}
