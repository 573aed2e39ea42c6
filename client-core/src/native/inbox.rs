//! What the handles have for the driver: commands in order, and who waits for which outcome.
//!
//! One lock and one wake for any number of commands, because the driver takes all that are there at once. A
//! channel costs as much again per message as the message itself.

use crate::event::{Delivery, DeliveryStatus, SendFailure, SendId};
use crate::session::Input;
use futures_util::task::AtomicWaker;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Ids of sends whose outcome is an event rather than a receipt have this bit.
const BY_EVENT: u64 = 1 << 63;
/// Most commands that may wait for the driver; sends beyond fail with `queue_full`. The driver takes them all
/// each time it runs, and the session's own bounds apply from there on.
const MOST_INPUTS: usize = 65_536;
/// Most bytes of content that may wait for the driver.
const MOST_BYTES: usize = 64 << 20;

#[derive(Debug, Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    driver: AtomicWaker,
}

#[derive(Debug, Default)]
struct State {
    inputs: Vec<Input>,
    bytes: usize,
    receipts: Receipts,
    next_by_event: u64,
    /// The driver has ended: nothing will be taken any more.
    ended: bool,
    clients: usize,
    events_dropped: bool,
}

/// A slab: a send's id is its slot and the slot's generation, so that a late cancel meets nobody else's send.
#[derive(Debug, Default)]
struct Receipts {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    waiting: Option<oneshot::Sender<DeliveryStatus>>,
}

impl Receipts {
    fn insert(&mut self, waiting: oneshot::Sender<DeliveryStatus>) -> Option<SendId> {
        let index = if let Some(index) = self.free.pop() {
            index
        } else {
            let index = u32::try_from(self.slots.len()).ok()?;
            self.slots.push(Slot::default());
            index
        };
        let slot = self.slots.get_mut(index as usize)?;
        slot.waiting = Some(waiting);
        Some(SendId(u64::from(slot.generation) << 32 | u64::from(index)))
    }

    fn take(&mut self, id: SendId) -> Option<oneshot::Sender<DeliveryStatus>> {
        let index = u32::try_from(id.0 & u64::from(u32::MAX)).ok()?;
        let slot = self.slots.get_mut(index as usize)?;
        if u64::from(slot.generation) != id.0 >> 32 {
            return None;
        }
        // The top bit of an id is not the generation's to use.
        slot.generation = (slot.generation + 1) & (u32::MAX >> 1);
        self.free.push(index);
        slot.waiting.take()
    }
}

/// Whether an outcome goes into the event stream.
pub(crate) fn is_by_event(id: SendId) -> bool {
    id.0 & BY_EVENT != 0
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here is left half-done by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, input: Input) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        state.inputs.push(input);
        let first = state.inputs.len() == 1;
        drop(state);
        if first {
            self.driver.wake();
        }
    }

    /// Queues a send whose outcome comes back as a receipt.
    pub(crate) fn push_with_receipt(
        &self,
        waiting: oneshot::Sender<DeliveryStatus>,
        weight: usize,
        input: impl FnOnce(SendId) -> Input,
    ) -> Result<SendId, SendFailure> {
        self.push_send(weight, input, |state| state.receipts.insert(waiting))
    }

    /// Queues a send whose outcome comes back as an event.
    pub(crate) fn push_by_event(
        &self,
        weight: usize,
        input: impl FnOnce(SendId) -> Input,
    ) -> Result<SendId, SendFailure> {
        self.push_send(weight, input, |state| {
            state.next_by_event += 1;
            Some(SendId(BY_EVENT | state.next_by_event))
        })
    }

    fn push_send(
        &self,
        weight: usize,
        input: impl FnOnce(SendId) -> Input,
        number: impl FnOnce(&mut State) -> Option<SendId>,
    ) -> Result<SendId, SendFailure> {
        let mut state = self.lock();
        if state.ended {
            return Err(SendFailure::Closed);
        }
        if state.inputs.len() >= MOST_INPUTS || state.bytes.saturating_add(weight) > MOST_BYTES {
            return Err(SendFailure::QueueFull);
        }
        let id = number(&mut state).ok_or(SendFailure::QueueFull)?;
        state.bytes += weight;
        state.inputs.push(input(id));
        let first = state.inputs.len() == 1;
        drop(state);
        if first {
            self.driver.wake();
        }
        Ok(id)
    }

    /// Moves all inputs into `into` (empty, its allocation is reused); the driver is woken by the next one. Says
    /// whether all handles are gone, so that nobody can ask for or hear anything any more.
    pub(crate) fn take(&self, into: &mut Vec<Input>, cx: &std::task::Context<'_>) -> bool {
        self.driver.register(cx.waker());
        let mut state = self.lock();
        std::mem::swap(&mut state.inputs, into);
        state.bytes = 0;
        state.clients == 0 && state.events_dropped
    }

    /// Gives outcomes to those who wait for them.
    pub(crate) fn resolve(&self, outcomes: &mut Vec<Delivery>) {
        if outcomes.is_empty() {
            return;
        }
        let mut state = self.lock();
        for outcome in outcomes.drain(..) {
            if let Some(waiting) = state.receipts.take(outcome.id) {
                // Nobody waits any more: the caller dropped the future, which is allowed.
                let _ = waiting.send(outcome.status);
            }
        }
    }

    pub(crate) fn client_added(&self) {
        self.lock().clients += 1;
    }

    pub(crate) fn client_dropped(&self) {
        let mut state = self.lock();
        state.clients -= 1;
        let last = state.clients == 0;
        drop(state);
        if last {
            self.driver.wake();
        }
    }

    pub(crate) fn events_dropped(&self) {
        self.lock().events_dropped = true;
        self.driver.wake();
    }

    /// The driver ends: whoever still waits learns it by the closed channel.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.inputs = Vec::new();
        state.receipts = Receipts::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Command;

    fn cancel(id: SendId) -> Input {
        Input::Command(Command::Cancel(id))
    }

    #[test]
    fn an_id_is_never_valid_twice() {
        let mut receipts = Receipts::default();
        let first = receipts.insert(oneshot::channel().0).unwrap();
        assert!(receipts.take(first).is_some());
        let second = receipts.insert(oneshot::channel().0).unwrap();
        assert_ne!(first, second);
        assert!(receipts.take(first).is_none());
        assert!(receipts.take(second).is_some());
    }

    #[test]
    fn ids_by_event_are_told_from_receipts() {
        let inbox = Inbox::default();
        let by_event = inbox.push_by_event(0, cancel).unwrap();
        let receipt = inbox.push_with_receipt(oneshot::channel().0, 0, cancel).unwrap();
        assert!(is_by_event(by_event) && !is_by_event(receipt));
    }

    #[test]
    fn after_the_end_a_send_fails_as_closed() {
        let inbox = Inbox::default();
        inbox.end();
        assert_eq!(inbox.push_by_event(0, cancel), Err(SendFailure::Closed));
    }
}
