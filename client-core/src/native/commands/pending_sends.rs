//! The sends whose outcome a handle awaits.
//!
//! A slab instead of a channel for each send: a channel is an allocation on one thread and a release on
//! another, which together cost more than the frame. A send's id is its slot and the slot's generation, so that
//! a late cancel meets nobody else's send.

use crate::event::{DeliveryStatus, SendId, SendReply};
use std::task::{Poll, Waker};

#[derive(Debug, Default)]
pub(crate) struct PendingSends {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    outcome: Outcome,
}

#[derive(Debug, Default)]
enum Outcome {
    /// Nobody uses the slot.
    #[default]
    Free,
    /// Not known yet; the waker of who waits, once he has asked.
    Open(Option<Waker>),
    /// Not known yet, and nobody will ask; `true` if that is as good as having processed it.
    Unwatched(bool),
    /// Known, and not requested yet.
    Resolved(Resolved),
}

/// The outcome of a send, and what the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) status: DeliveryStatus,
    pub(crate) reply: Option<Box<SendReply>>,
}

impl From<DeliveryStatus> for Resolved {
    fn from(status: DeliveryStatus) -> Self {
        Self { status, reply: None }
    }
}

impl PendingSends {
    /// A slot for a new send; `None` when there are four billion.
    pub(crate) fn insert(&mut self) -> Option<SendId> {
        let index = if let Some(index) = self.free.pop() {
            index
        } else {
            let index = u32::try_from(self.slots.len()).ok()?;
            self.slots.push(Slot::default());
            index
        };
        let slot = self.slots.get_mut(index as usize)?;
        slot.outcome = Outcome::Open(None);
        Some(SendId(u64::from(slot.generation) << 32 | u64::from(index)))
    }

    fn slot(&mut self, id: SendId) -> Option<(u32, &mut Slot)> {
        let index = u32::try_from(id.0 & u64::from(u32::MAX)).ok()?;
        let slot = self.slots.get_mut(index as usize)?;
        (u64::from(slot.generation) == id.0 >> 32).then_some((index, slot))
    }

    fn release(&mut self, id: SendId) {
        if let Some((index, slot)) = self.slot(id) {
            // The two top bits of an id are not the generation's to use.
            slot.generation = (slot.generation + 1) & (u32::MAX >> 2);
            slot.outcome = Outcome::Free;
            self.free.push(index);
        }
    }

    /// An outcome is known. Returns whoever has to be woken, outside the lock.
    pub(crate) fn resolve(&mut self, id: SendId, resolved: Resolved) -> Option<Waker> {
        let (_, slot) = self.slot(id)?;
        match std::mem::replace(&mut slot.outcome, Outcome::Resolved(resolved)) {
            Outcome::Open(waker) => waker,
            Outcome::Unwatched(_) | Outcome::Free => {
                self.release(id);
                None
            }
            Outcome::Resolved(first) => {
                // Cannot happen: the session resolves each send once. The first word stands.
                slot.outcome = Outcome::Resolved(first);
                None
            }
        }
    }

    /// The outcome, if it is known; that frees the slot. Otherwise `waker` is woken by it.
    pub(crate) fn poll(&mut self, id: SendId, waker: &Waker) -> Poll<Option<Resolved>> {
        let Some((_, slot)) = self.slot(id) else { return Poll::Ready(None) };
        match &mut slot.outcome {
            Outcome::Resolved(resolved) => {
                let resolved = resolved.clone();
                self.release(id);
                Poll::Ready(Some(resolved))
            }
            Outcome::Open(waiting) => {
                match waiting {
                    Some(waiting) => waiting.clone_from(waker),
                    None => *waiting = Some(waker.clone()),
                }
                Poll::Pending
            }
            Outcome::Unwatched(_) | Outcome::Free => Poll::Ready(None),
        }
    }

    /// Nobody will ask any more, which with `confirms` is as good as having processed the outcome. Returns whether that is
    /// known.
    pub(crate) fn unwatch(&mut self, id: SendId, confirms: bool) -> bool {
        let Some((_, slot)) = self.slot(id) else { return false };
        let is_known = matches!(slot.outcome, Outcome::Resolved(_));
        if is_known {
            self.release(id);
        } else {
            slot.outcome = Outcome::Unwatched(confirms);
        }
        is_known
    }

    /// Whether the outcome of a send counts as processed as soon as it is known: nobody will request it.
    pub(crate) fn is_confirmed_unseen(&mut self, id: SendId) -> bool {
        self.slot(id).is_some_and(|(_, slot)| matches!(slot.outcome, Outcome::Unwatched(true)))
    }

    /// Nothing will be resolved any more: who has no outcome yet gets `Unknown`, known ones wait to be requested.
    /// Returns the wakers of all who wait.
    pub(crate) fn end(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for slot in &mut self.slots {
            if let Outcome::Open(waker) = &mut slot.outcome {
                wakers.extend(waker.take());
                slot.outcome = Outcome::Resolved(DeliveryStatus::Unknown.into());
            }
        }
        wakers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: DeliveryStatus = DeliveryStatus::Written;

    #[test]
    fn an_id_is_never_valid_twice() {
        let mut pending_sends = PendingSends::default();
        let first = pending_sends.insert().unwrap();
        pending_sends.resolve(first, WRITTEN.into());
        assert_eq!(pending_sends.poll(first, Waker::noop()), Poll::Ready(Some(WRITTEN.into())));
        let second = pending_sends.insert().unwrap();
        assert_ne!(first, second);
        assert_eq!(pending_sends.poll(first, Waker::noop()), Poll::Ready(None));
        assert_eq!(pending_sends.poll(second, Waker::noop()), Poll::Pending);
    }

    #[test]
    fn at_the_end_known_outcomes_stay_and_open_ones_are_unknown() {
        let mut pending_sends = PendingSends::default();
        let (known, open) = (pending_sends.insert().unwrap(), pending_sends.insert().unwrap());
        pending_sends.resolve(known, WRITTEN.into());
        assert!(pending_sends.poll(open, Waker::noop()).is_pending());
        assert_eq!(pending_sends.end().len(), 1);
        assert_eq!(pending_sends.poll(known, Waker::noop()), Poll::Ready(Some(WRITTEN.into())));
        assert_eq!(
            pending_sends.poll(open, Waker::noop()),
            Poll::Ready(Some(DeliveryStatus::Unknown.into()))
        );
    }

    #[test]
    fn the_first_outcome_stands() {
        let mut pending_sends = PendingSends::default();
        let id = pending_sends.insert().unwrap();
        pending_sends.resolve(id, WRITTEN.into());
        pending_sends.resolve(id, DeliveryStatus::Unknown.into());
        assert_eq!(pending_sends.poll(id, Waker::noop()), Poll::Ready(Some(WRITTEN.into())));
    }

    #[test]
    fn a_slot_nobody_watches_is_used_again_once_its_outcome_is_known() {
        let mut pending_sends = PendingSends::default();
        for _ in 0..10 {
            let id = pending_sends.insert().unwrap();
            pending_sends.unwatch(id, true);
            pending_sends.resolve(id, WRITTEN.into());
            let id = pending_sends.insert().unwrap();
            pending_sends.resolve(id, WRITTEN.into());
            pending_sends.unwatch(id, true);
        }
        assert_eq!(pending_sends.slots.len(), 1);
    }
}
