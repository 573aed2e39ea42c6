//! Sends whose producer has ended: they are numbered anew if the server surely has none of them, and else wait for the replay
//! that may still show them.

use super::refusal::unknown;
use super::room_queue::{QueuedSend, Unanswered, Unrecoverable};
use super::{Outbox, REPLAY_TIMEOUT};
use crate::change_log::record;
use crate::event::Delivery;
use crate::mutation::mutation;
use crate::payload::Payload;
#[cfg(feature = "journal")]
use crate::persisted::Transmitted;
use crate::time::{Nanos, Timestamp};
use alloc::collections::VecDeque;
use alloc::vec::Vec;

impl<P: Payload, N: Clone + Ord> Outbox<P, N> {
    /// The server knows nothing of the producer from number `lost` on, as it says of the send there. If that was its only
    /// transmission, it will never be appended, nor will what follows it: the producer ends, and they are numbered anew.
    /// Otherwise an earlier transmission may have been taken, or may still fill the numbers up, and each send behind it has
    /// an answer of its own. So it is with what should have been answered before: the answer is lost.
    pub(super) fn unknown_producer(&mut self, now: Timestamp, index: usize, at: usize, lost: u64) {
        let renumber_all = mutation!(RenumberTransmitted);
        let Some(queue) = self.queues.get_mut(index) else { return };
        let is_known_lost = queue.unanswered.get(at).is_some_and(|sent| !sent.earlier_unresolved);
        if !is_known_lost && !renumber_all {
            return self.mark_unrecoverable(now, index, at);
        }
        let Some((pid, _)) = queue.producer.take() else { return };
        record!(self.change_log, ProducerEnded { room: queue.room.clone() });
        queue.pause(now, Nanos::ZERO);
        let later =
            if mutation!(MadeAgainLast) { VecDeque::new() } else { core::mem::take(&mut queue.queued) };
        for sent in queue.take_all_unanswered() {
            if sent.resolved {
                continue;
            }
            if !sent.earlier_unresolved && sent.pseq >= lost + u64::from(mutation!(LostNotMadeAgain))
                || renumber_all
            {
                let Unanswered { send, send_no, attempts, expires_at: until, expiry_failure: late, .. } =
                    sent;
                record!(self.change_log, Requeued { key: send.id });
                self.next_expiry = self.next_expiry.min(until);
                self.queued += 1;
                queue.queued.push_back(QueuedSend {
                    send,
                    send_no,
                    expires_at: until,
                    expiry_failure: late,
                    attempts,
                });
            } else {
                queue.unrecoverable.push(sent.into_unrecoverable(pid.clone(), now + REPLAY_TIMEOUT));
            }
        }
        for waiting in later {
            queue.queued.push_back(waiting);
        }
        self.changes += 1;
    }

    /// The outcome of the send there is not known, and it is not transmitted again.
    pub(super) fn mark_unrecoverable(&mut self, now: Timestamp, index: usize, at: usize) {
        let Some(queue) = self.queues.get_mut(index) else { return };
        let Some((sent, (pid, _))) = queue.take_unanswered(at).zip(queue.producer.clone()) else { return };
        if !sent.resolved {
            #[cfg(feature = "journal")]
            let given_up =
                Transmitted { pid: pid.clone(), pseq: sent.pseq, epoch: sent.epoch.clone(), at_ms: 0 };
            record!(self.change_log, Transmitted { key: sent.send.id, transmitted: given_up });
            queue.unrecoverable.push(sent.into_unrecoverable(pid, now + REPLAY_TIMEOUT));
        }
        if queue.unanswered.is_empty() {
            // Nothing new is begun on a producer of which the server lacks a number.
            record!(self.change_log, ProducerEnded { room: queue.room.clone() });
            queue.producer = None;
        }
        self.changes += 1;
    }

    /// The producer of a queue ends; what it has transmitted waits for its last chance, but what the server has refused for now
    /// has failed.
    pub(super) fn end_producer(&mut self, index: usize, until: Timestamp, out: &mut Vec<Delivery<P, N>>) {
        self.changes += 1;
        let Some(queue) = self.queues.get_mut(index) else { return };
        let Some((pid, _)) = queue.producer.take() else { return };
        record!(self.change_log, ProducerEnded { room: queue.room.clone() });
        queue.resume_at = None;
        let for_now = queue.transient_refusal.clone().filter(|_| !mutation!(RefusedSaidUnknown));
        for sent in queue.take_all_unanswered() {
            if sent.resolved {
                continue;
            }
            if let Some(why) = &for_now
                && sent.is_refused()
            {
                self.refused_for_now(sent, why, out);
            } else if let Some(queue) = self.queues.get_mut(index) {
                queue.unrecoverable.push(sent.into_unrecoverable(pid.clone(), until));
            }
        }
    }

    /// The replay of a room has come to its end: what it has not shown is not known.
    pub(crate) fn caught_up(&mut self, room: &N, out: &mut Vec<Delivery<P, N>>) {
        if mutation!(CaughtUpAnywhere) {
            return self.caught_up_where(|_| true, out);
        }
        if let Ok(index) = self.queues.binary_search_by(|queue| queue.room.cmp(room)) {
            self.resolve_unrecoverable(index, Timestamp::NEVER, out);
        }
    }

    /// The same of all rooms of which this is said.
    pub(crate) fn caught_up_where(&mut self, over: impl Fn(&N) -> bool, out: &mut Vec<Delivery<P, N>>) {
        for index in 0..self.queues.len() {
            let unrecoverable = self.queues.get(index).filter(|queue| !queue.unrecoverable.is_empty());
            if unrecoverable.is_some_and(|queue| over(&queue.room)) {
                self.resolve_unrecoverable(index, Timestamp::NEVER, out);
            }
        }
    }

    /// What is waited for up to `until` is not waited for any more.
    pub(super) fn resolve_unrecoverable(
        &mut self,
        index: usize,
        until: Timestamp,
        out: &mut Vec<Delivery<P, N>>,
    ) {
        let mut at = 0;
        while let Some(queue) = self.queues.get_mut(index)
            && let Some(unrecoverable) = queue.unrecoverable.get(at)
        {
            if unrecoverable.until > until {
                at += 1;
                continue;
            }
            let Unrecoverable { send, .. } = queue.unrecoverable.remove(at);
            self.resolve_send(send, unknown(), out);
        }
    }
}
