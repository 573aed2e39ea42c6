//! The interface of an outbox to its session, whatever the protocol. The two outboxes differ in kind: one numbers its sends, so that it
//! may repeat them, and the other must not.

#[cfg(feature = "journal")]
use crate::change_log::ChangeLog;
use crate::event::{Delivery, SendId};
use crate::outbound::OutboundMessage;
#[cfg(feature = "stored")]
use crate::persisted::{SavedProducer, SavedSend};
use crate::time::Timestamp;
use alloc::vec::Vec;

/// Sends without an outcome. Outcomes go to `out`.
pub(crate) trait SendQueue<P, N> {
    /// How many there are.
    fn len(&self) -> usize;

    /// Their bytes.
    fn bytes(&self) -> usize;

    /// Grows with everything that a stored state would show.
    fn changes(&self) -> u64;

    /// What has changed, for a store that keeps changes.
    #[cfg(feature = "journal")]
    fn change_log(&mut self) -> &mut ChangeLog<P, N>;

    /// The number of the last send taken: later ones have a higher one.
    fn last_send_no(&self) -> u64;

    /// Whether sends to any room up to `send_no` are unresolved.
    #[cfg(feature = "native")]
    fn has_pending(&self, send_no: u64) -> bool;

    /// Takes a send, or resolves it (and others) at once. Outcomes are noted.
    fn push(&mut self, now: Timestamp, send: OutboundMessage<P, N>, out: &mut Vec<Delivery<P, N>>);

    /// Takes a send back if it is still waiting.
    fn cancel(&mut self, id: SendId, out: &mut Vec<Delivery<P, N>>);

    /// A send that still waits is dropped.
    #[cfg(feature = "frames")]
    fn drop_queued(&mut self, id: SendId, out: &mut Vec<Delivery<P, N>>);

    /// The connection is gone.
    fn connection_lost(&mut self, out: &mut Vec<Delivery<P, N>>);

    /// Nothing more will be sent: everything resolves.
    fn close(&mut self, out: &mut Vec<Delivery<P, N>>);

    /// The sends that a later run can continue with, and their producers. `wall` and `uptime` are the same moment on two
    /// clocks.
    #[cfg(feature = "stored")]
    fn stored(&self, wall: Timestamp, uptime: Timestamp) -> (Vec<SavedProducer<N>>, Vec<SavedSend<P, N>>);

    /// Returns back the memory of queues that are empty.
    fn shrink_to_fit(&mut self) {}
}
