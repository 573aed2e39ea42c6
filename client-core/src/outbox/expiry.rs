//! Expiry and retry timers of queued and transmitted sends.

use super::room_queue::{QueuedSend, RoomQueue};
use super::{Outbox, REPLAY_TIMEOUT, Unnumbered};
use crate::event::{Delivery, DeliveryStatus, SendFailure, SendId};
use crate::mutation::mutation;
use crate::payload::Payload;
use crate::time::{Nanos, Timestamp};
use alloc::vec::Vec;

/// What does not wait any longer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cancelled {
    All(SendFailure),
    /// Cancelled.
    One(SendId),
    /// One that the connection did not take at once.
    #[cfg(feature = "frames")]
    Volatile(SendId),
    /// Those of another user, from an earlier run.
    #[cfg(feature = "stored")]
    Restored,
    /// What should have gone by now.
    Late(Timestamp),
}

impl<P: Payload, N: Clone + Ord> Outbox<P, N> {
    /// The next moment at which time alone changes something. `horizon`: how long a send is transmitted again.
    pub(crate) fn deadline(&self, now: Timestamp, uptime: Timestamp, horizon: Nanos) -> Timestamp {
        let mut earliest = self.next_expiry;
        for queue in &self.queues {
            if let Some(oldest) = queue.unanswered.front().filter(|_| !mutation!(HorizonUnnoticed)) {
                earliest = earliest.min(now + (oldest.first_sent_at + horizon).after(uptime));
            }
            for unrecoverable in queue.unrecoverable.iter().filter(|_| !mutation!(GivenUpUnnoticed)) {
                earliest = earliest.min(unrecoverable.until);
            }
            if let Some(resume) = queue.resume_at
                && !(queue.unanswered.is_empty() && queue.queued.is_empty())
                && !mutation!(ResumeUnnoticed)
            {
                earliest = earliest.min(resume);
            }
        }
        if self.has_work() && !mutation!(HoldsBackUnnoticed) {
            // From then on a silent room holds the others back no more.
            let quiet = self.queues.iter().filter_map(RoomQueue::quiet_at).filter(|at| *at > now);
            earliest = quiet.fold(earliest, Timestamp::min);
        }
        match self.unconfirmed.first() {
            Some(sent) => earliest.min(sent.answer_deadline),
            None => earliest,
        }
    }

    /// Does what time alone does.
    pub(crate) fn tick(
        &mut self,
        now: Timestamp,
        uptime: Timestamp,
        horizon: Nanos,
        out: &mut Vec<Delivery<P, N>>,
    ) {
        // First: of what is too old as well, the server may have refused it for now, and then its own time tells more.
        if self.next_expiry <= now {
            self.next_expiry = self.cancel_matching(Cancelled::Late(now), out);
        }
        for at in 0..self.queues.len() {
            let Some(queue) = self.queues.get_mut(at) else { break };
            queue.resume_at.take_if(|resume| *resume <= now);
            if queue.unanswered.front().is_some_and(|sent| sent.first_sent_at + horizon <= uptime) {
                let until = if mutation!(UnknownTooEarly) { now } else { now + REPLAY_TIMEOUT };
                self.end_producer(at, until, out);
            }
            self.resolve_unrecoverable(at, now, out);
        }
        let over = self.unconfirmed.partition_point(|sent| sent.answer_deadline <= now);
        if over > 0 {
            let rest = self.unconfirmed.split_off(over);
            let over = core::mem::replace(&mut self.unconfirmed, rest);
            self.resolve_unnumbered(over, &DeliveryStatus::Unknown, out);
        }
    }

    /// Resolves what was transmitted and is not wanted any longer, then takes what waits out of the queues and resolves it in
    /// the order of the sends. Returns when the first of the rest expires.
    pub(super) fn cancel_matching(&mut self, which: Cancelled, out: &mut Vec<Delivery<P, N>>) -> Timestamp {
        let mut next = self.cancel_transmitted(which, out);
        let mut failed = Vec::new();
        for queue in &mut self.queues {
            for waiting in core::mem::take(&mut queue.queued) {
                let why = match which {
                    Cancelled::All(why) => Some(why),
                    Cancelled::One(id) => (waiting.send.id == id && !mutation!(CancelForgotten))
                        .then_some(SendFailure::Cancelled),
                    #[cfg(feature = "frames")]
                    Cancelled::Volatile(id) => (waiting.send.id == id).then_some(SendFailure::Dropped),
                    #[cfg(feature = "stored")]
                    Cancelled::Restored => {
                        (waiting.send.id.0 & super::RESTORED != 0).then_some(SendFailure::UserChanged)
                    }
                    Cancelled::Late(now) => {
                        (waiting.expires_at <= now).then_some(if mutation!(LateForAnotherReason) {
                            SendFailure::Expired
                        } else {
                            waiting.expiry_failure
                        })
                    }
                };
                if let Some(why) = why {
                    failed.push((why, waiting));
                } else {
                    next = next.min(waiting.expires_at);
                    queue.queued.push_back(waiting);
                }
            }
        }
        if !mutation!(ExpiredUnordered) {
            crate::sort::sort(&mut failed, |(_, one), (_, other)| one.send_no < other.send_no);
        }
        for (why, QueuedSend { send, .. }) in failed {
            self.queued -= 1;
            self.resolve_send(send, DeliveryStatus::Failed(why), out);
        }
        next
    }

    /// Of what was transmitted: what the server has refused for now is taken back; of the rest nobody knows, once its own
    /// time is over.
    fn cancel_transmitted(&mut self, which: Cancelled, out: &mut Vec<Delivery<P, N>>) -> Timestamp {
        let mut next = Timestamp::NEVER;
        for index in 0..self.queues.len() {
            let mut at = 0;
            while let Some(queue) = self.queues.get_mut(index)
                && let Some(sent) = queue.unanswered.get_mut(at)
            {
                let (has_time, refused) = (sent.expiry_failure == SendFailure::Timeout, sent.is_refused());
                let why = match which {
                    _ if sent.resolved => None,
                    Cancelled::One(id) if sent.send.id == id && (refused || mutation!(CancelTakesSent)) => {
                        Some(SendFailure::Cancelled)
                    }
                    Cancelled::Late(now) if has_time && sent.expires_at <= now => Some(SendFailure::Timeout),
                    _ => None,
                };
                let Some(why) = why else {
                    if has_time && !sent.resolved {
                        next = next.min(sent.expires_at);
                    }
                    at += 1;
                    continue;
                };
                if sent.latest.is_none() || mutation!(CancelTakesSent) && matches!(which, Cancelled::One(_)) {
                    // Where its number is not used up the server will request it, and the rest begin a new producer.
                    let refused = (refused || mutation!(CancelTakesSent)) && !mutation!(RefusedSaidUnknown);
                    // What kept it from being sent says more than that its time is over.
                    let for_now =
                        queue.transient_refusal.clone().filter(|_| refused && why == SendFailure::Timeout);
                    if let Some(sent) = queue.take_unanswered(at) {
                        if let Some(for_now) = for_now {
                            self.refused_for_now(sent, &for_now, out);
                            continue;
                        }
                        let status =
                            if refused { DeliveryStatus::Failed(why) } else { DeliveryStatus::Unknown };
                        self.resolve_send(sent.send, status, out);
                    }
                } else {
                    sent.resolved = true;
                    at += 1;
                    let (id, room, size) = (sent.send.id, sent.send.room.clone(), sent.send.queued_len());
                    self.resolve(id, room, size, DeliveryStatus::Unknown, out);
                }
            }
        }
        if let Cancelled::Late(now) = which {
            next = next.min(self.expire_plain(now, out));
        }
        next
    }

    /// What was sent without a number and whose own time is over: nobody knows.
    fn expire_plain(&mut self, now: Timestamp, out: &mut Vec<Delivery<P, N>>) -> Timestamp {
        let mut next = Timestamp::NEVER;
        let mut over = Vec::new();
        let mut stays = |sent: &Unnumbered<P, N>| {
            if sent.expires_at > now {
                next = next.min(sent.expires_at);
            }
            sent.expires_at > now || mutation!(PlainTimeUnkept)
        };
        for hand in &mut self.unflushed_frames {
            over.extend(hand.unnumbered.take_if(|sent| !stays(sent)));
        }
        for sent in core::mem::take(&mut self.unconfirmed) {
            if stays(&sent) { self.unconfirmed.push(sent) } else { over.push(sent) }
        }
        self.resolve_unnumbered(over, &DeliveryStatus::Unknown, out);
        next
    }
}
