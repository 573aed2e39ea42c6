//! What time alone does to sends.

use super::lane::Waiting;
use super::limits::Payload;
use super::{LAST_CHANCE, Outbox};
use crate::event::{Delivery, DeliveryStatus};
use crate::time::Timestamp;
use alloc::vec::Vec;
use core::time::Duration;

impl<P: Payload, N: Clone + Ord> Outbox<P, N> {
    /// The next moment at which time alone changes something. `horizon`: how long a send is transmitted again.
    pub(crate) fn deadline(&self, now: Timestamp, lived: Duration, horizon: Duration) -> Option<Timestamp> {
        let lanes = self.lanes.iter().filter(|lane| !lane.is_empty()).flat_map(|lane| {
            let old = lane.unanswered.front().map(|sent| now + (sent.born + horizon).saturating_sub(lived));
            let doomed = lane.doomed.iter().map(|doomed| doomed.until).min();
            let resume = lane.resume_at.filter(|_| !lane.unanswered.is_empty() || !lane.waiting.is_empty());
            [old, doomed, resume].into_iter().flatten()
        });
        let first_contact = self.unconfirmed.front().map(|sent| sent.until);
        lanes.chain(first_contact).chain(self.next_expiry).min()
    }

    /// Does what time alone does.
    pub(crate) fn tick(
        &mut self,
        now: Timestamp,
        lived: Duration,
        horizon: Duration,
        out: &mut Vec<Delivery<N>>,
    ) {
        for at in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get_mut(at) else { break };
            lane.resume_at.take_if(|resume| *resume <= now);
            if lane.unanswered.front().is_some_and(|sent| sent.born + horizon <= lived) {
                self.retire(at, now + LAST_CHANCE);
            }
            self.doomed_end(at, |until| until <= now, out);
        }
        while self.unconfirmed.front().is_some_and(|sent| sent.until <= now) {
            let Some(sent) = self.unconfirmed.pop_front() else { break };
            self.settle(sent.id, sent.room, sent.weight, DeliveryStatus::Unknown, out);
        }
        self.expire(now, out);
    }

    /// Resolves the waiting sends whose time is over.
    fn expire(&mut self, now: Timestamp, out: &mut Vec<Delivery<N>>) {
        if self.next_expiry.is_none_or(|at| at > now) {
            return;
        }
        let mut next = None;
        let mut late = Vec::new();
        for lane in &mut self.lanes {
            for waiting in core::mem::take(&mut lane.waiting) {
                if waiting.until <= now {
                    late.push(waiting);
                } else {
                    let until = waiting.until;
                    next = Some(next.map_or(until, |next: Timestamp| next.min(until)));
                    lane.waiting.push_back(waiting);
                }
            }
        }
        crate::order::sort(&mut late, |one, other| one.serial < other.serial);
        for Waiting { send, late, .. } in late {
            self.waiting -= 1;
            let weight = send.weight();
            self.settle(send.id, send.room, weight, DeliveryStatus::Failed(late), out);
        }
        self.next_expiry = next;
    }
}
