//! What time alone does to sends.

use super::lane::Waiting;
use super::limits::Payload;
use super::{LAST_CHANCE, Outbox};
use crate::event::{Delivery, DeliveryStatus, SendFailure, SendId};
use crate::time::{Span, Timestamp};
use alloc::vec::Vec;

/// What does not wait any longer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Withdrawn {
    All(SendFailure),
    /// Cancelled.
    One(SendId),
    /// What should have gone by now.
    Late(Timestamp),
}

impl<P: Payload, N: Clone + Ord> Outbox<P, N> {
    /// The next moment at which time alone changes something. `horizon`: how long a send is transmitted again.
    pub(crate) fn deadline(&self, now: Timestamp, lived: Timestamp, horizon: Span) -> Timestamp {
        let mut earliest = self.next_expiry;
        for lane in &self.lanes {
            if let Some(oldest) = lane.unanswered.front() {
                earliest = earliest.min(now + (oldest.born + horizon).after(lived));
            }
            for doomed in &lane.doomed {
                earliest = earliest.min(doomed.until);
            }
            if let Some(resume) = lane.resume_at
                && !(lane.unanswered.is_empty() && lane.waiting.is_empty())
            {
                earliest = earliest.min(resume);
            }
        }
        match self.unconfirmed.first() {
            Some(sent) => earliest.min(sent.until),
            None => earliest,
        }
    }

    /// Does what time alone does.
    pub(crate) fn tick(
        &mut self,
        now: Timestamp,
        lived: Timestamp,
        horizon: Span,
        out: &mut Vec<Delivery<P, N>>,
    ) {
        for at in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get_mut(at) else { break };
            lane.resume_at.take_if(|resume| *resume <= now);
            if lane.unanswered.front().is_some_and(|sent| sent.born + horizon <= lived) {
                self.retire(at, now + LAST_CHANCE);
            }
            self.doomed_end(at, now, out);
        }
        let over = self.unconfirmed.partition_point(|sent| sent.until <= now);
        if over > 0 {
            let rest = self.unconfirmed.split_off(over);
            let over = core::mem::replace(&mut self.unconfirmed, rest);
            self.settle_plain(over, &DeliveryStatus::Unknown, out);
        }
        if self.next_expiry <= now {
            self.next_expiry = self.withdraw(Withdrawn::Late(now), out);
        }
    }

    /// Takes what fails out of the lanes, and resolves it in the order of the sends. Gives when the first of the rest
    /// expires.
    pub(super) fn withdraw(&mut self, which: Withdrawn, out: &mut Vec<Delivery<P, N>>) -> Timestamp {
        let mut next = Timestamp::NEVER;
        let mut failed = Vec::new();
        for lane in &mut self.lanes {
            for waiting in core::mem::take(&mut lane.waiting) {
                let why = match which {
                    Withdrawn::All(why) => Some(why),
                    Withdrawn::One(id) => (waiting.send.id == id).then_some(SendFailure::Cancelled),
                    Withdrawn::Late(now) => (waiting.until <= now).then_some(waiting.late),
                };
                if let Some(why) = why {
                    failed.push((why, waiting));
                } else {
                    next = next.min(waiting.until);
                    lane.waiting.push_back(waiting);
                }
            }
        }
        crate::order::sort(&mut failed, |(_, one), (_, other)| one.serial < other.serial);
        for (why, Waiting { send, .. }) in failed {
            self.waiting -= 1;
            self.settle_send(send, DeliveryStatus::Failed(why), out);
        }
        next
    }
}
