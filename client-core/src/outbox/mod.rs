//! Sends without an outcome: bounded in count and bytes, each resolved exactly once (protocol.md §2.3, invariant 7).
//!
//! A send is queued in the [`RoomQueue`] of its room. A plain connection takes the oldest of all queues and needs
//! nothing more than its flush. An extended one numbers the send, and keeps it until the server has answered.

mod acks;
#[cfg(feature = "frames")]
mod custom;
mod expiry;
mod limits;
#[cfg(feature = "stored")]
mod persist;
mod refusal;
mod room_queue;
mod send_queue;
mod transmission;
mod unnumbered;
mod unrecoverable;

pub use limits::{OutboxLimits, Overflow};
#[cfg(feature = "stored")]
pub(crate) use persist::RESTORED;
pub(crate) use refusal::Rejoin;
pub(crate) use send_queue::SendQueue;
pub(crate) use transmission::{OutboundFrame, Readiness, SendWindow};

use crate::change_log::{ChangeLog, record};
use crate::event::{Delivery, DeliveryStatus, SendFailure, SendId};
use crate::id::Id;
use crate::mutation::mutation;
use crate::outbound::OutboundMessage;
use crate::payload::Payload;
#[cfg(feature = "stored")]
use crate::persisted::{SavedProducer, SavedSend};
use crate::time::{Nanos, Timestamp};
use alloc::vec::Vec;
use expiry::Cancelled;
use room_queue::{QueuedSend, RoomQueue, Unanswered};
use unnumbered::{Unflushed, Unnumbered};

/// How long a given-up send waits for the replay that may still show it.
const REPLAY_TIMEOUT: Nanos = Nanos::from_secs(300);

#[derive(Debug)]
pub(crate) struct Outbox<P, N> {
    limits: OutboxLimits,
    #[cfg(feature = "frames")]
    pub(crate) custom: custom::CustomRoom<N>,
    /// By room.
    queues: Vec<RoomQueue<P, N>>,
    unflushed_frames: Vec<Unflushed<P, N>>,
    /// Flushed before the mode was known.
    unconfirmed: Vec<Unnumbered<P, N>>,
    len: usize,
    queued: usize,
    bytes: usize,
    unflushed_bytes: usize,
    last_send_no: u64,
    /// No waiting send expires before this.
    next_expiry: Timestamp,
    /// Grows with everything that a stored state would show.
    changes: u64,
    answers: u64,
    /// What has changed, for a store that keeps changes.
    #[cfg_attr(not(feature = "journal"), expect(dead_code, reason = "nothing is noted"))]
    pub(crate) change_log: ChangeLog<P, N>,
}

impl<P: Payload, N: Clone + Ord> SendQueue<P, N> for Outbox<P, N> {
    fn len(&self) -> usize {
        self.len
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn changes(&self) -> u64 {
        self.changes
    }

    fn last_send_no(&self) -> u64 {
        self.last_send_no
    }

    fn push(&mut self, now: Timestamp, send: OutboundMessage<P, N>, out: &mut Vec<Delivery<P, N>>) {
        let size = send.queued_len();
        while !self.fits(size) {
            let oldest = if !self.may_evict(size) {
                None
            } else if mutation!(NewestGivesWay) {
                let newest = self.queues.iter_mut().find_map(|queue| queue.queued.pop_back());
                self.queued -= usize::from(newest.is_some());
                newest
            } else {
                self.pop_oldest()
            };
            let Some(oldest) = oldest else {
                out.push(failed(send.id, send.room, SendFailure::QueueFull));
                return;
            };
            let status = DeliveryStatus::Failed(SendFailure::QueueFull);
            // It is gone before its place is taken: a stored state is never over its bounds.
            record!(self.change_log, Resolved { key: oldest.send.id, status: status.clone() });
            self.resolve_send(oldest.send, status, out);
        }
        self.accept(now, send);
    }

    fn cancel(&mut self, id: SendId, out: &mut Vec<Delivery<P, N>>) {
        self.cancel_matching(Cancelled::One(id), out);
    }

    fn close(&mut self, out: &mut Vec<Delivery<P, N>>) {
        self.end(SendFailure::Closed, out);
    }

    fn connection_lost(&mut self, out: &mut Vec<Delivery<P, N>>) {
        self.treat_as_flushed();
        let sent = core::mem::take(&mut self.unconfirmed);
        let lost = if mutation!(LostSaidWritten) { DeliveryStatus::Written } else { DeliveryStatus::Unknown };
        self.resolve_unnumbered(sent, &lost, out);
        for queue in &mut self.queues {
            queue.connection_lost();
            queue.resume_at.take_if(|_| !mutation!(PauseOutlivesLoss));
            queue.awaiting_old_connection = false;
            if mutation!(NewLineEachConnection)
                && let Some((pid, next)) = &mut queue.producer
            {
                *pid = Id::from_bits(u64::MAX / (self.changes + 1), 7);
                *next = 1;
                for sent in &mut queue.unanswered {
                    sent.pseq = *next;
                    *next += 1;
                }
            }
        }
    }

    #[cfg(feature = "native")]
    fn has_pending(&self, send_no: u64) -> bool {
        let here = |sent: &Unnumbered<P, N>| sent.send_no <= send_no;
        self.queues.iter().any(|queue| queue.is_pending(send_no))
            || self.unflushed_frames.iter().filter_map(|hand| hand.unnumbered.as_ref()).any(here)
            || self.unconfirmed.iter().any(here)
    }

    #[cfg(feature = "frames")]
    fn drop_queued(&mut self, id: SendId, out: &mut Vec<Delivery<P, N>>) {
        self.cancel_matching(Cancelled::Volatile(id), out);
    }

    #[cfg(feature = "journal")]
    fn change_log(&mut self) -> &mut ChangeLog<P, N> {
        &mut self.change_log
    }

    #[cfg(feature = "stored")]
    fn stored(&self, wall: Timestamp, uptime: Timestamp) -> (Vec<SavedProducer<N>>, Vec<SavedSend<P, N>>) {
        self.saved(wall, uptime)
    }
}

impl<P: Payload, N: Clone + Ord> Outbox<P, N> {
    pub(crate) fn new(limits: OutboxLimits) -> Self {
        Self {
            limits,
            #[cfg(feature = "frames")]
            custom: custom::CustomRoom(None),
            queues: Vec::new(),
            unflushed_frames: Vec::new(),
            unconfirmed: Vec::new(),
            len: 0,
            queued: 0,
            bytes: 0,
            unflushed_bytes: 0,
            last_send_no: 0,
            next_expiry: Timestamp::NEVER,
            changes: 0,
            answers: 0,
            change_log: ChangeLog::default(),
        }
    }

    fn queue_mut(&mut self, room: &N) -> Option<&mut RoomQueue<P, N>> {
        let at = self.queues.binary_search_by(|queue| queue.room.cmp(room)).ok()?;
        self.queues.get_mut(at)
    }

    fn queue_for(&mut self, room: &N) -> Option<&mut RoomQueue<P, N>> {
        let at = match self.queues.binary_search_by(|queue| queue.room.cmp(room)) {
            Ok(at) => at,
            Err(at) => {
                if self.queues.is_empty() {
                    // Most clients send to one room, and the vector's own first step is four.
                    self.queues.reserve_exact(1);
                }
                self.queues.insert(at, RoomQueue::new(room.clone()));
                at
            }
        };
        self.queues.get_mut(at)
    }

    /// A send is no longer the outbox's.
    fn resolve(
        &mut self,
        id: SendId,
        room: N,
        size: usize,
        status: DeliveryStatus,
        out: &mut Vec<Delivery<P, N>>,
    ) {
        self.len -= 1;
        self.bytes -= size;
        self.changes += 1;
        out.push(Delivery::new(id, room, status));
    }

    /// A transmitted send is no longer the outbox's; its outcome may have been reported before.
    fn resolve_unanswered(
        &mut self,
        sent: Unanswered<P, N>,
        status: DeliveryStatus,
        out: &mut Vec<Delivery<P, N>>,
    ) {
        if !sent.resolved || mutation!(OutcomeTwice) {
            self.resolve_send(sent.send, status, out);
        }
    }

    fn resolve_send(
        &mut self,
        send: OutboundMessage<P, N>,
        status: DeliveryStatus,
        out: &mut Vec<Delivery<P, N>>,
    ) {
        let size = send.queued_len();
        self.resolve(send.id, send.room, size, status, out);
    }

    fn accept(&mut self, now: Timestamp, send: OutboundMessage<P, N>) {
        let (wait, late) = self.limits.ttl(send.timeout);
        let until = now + wait;
        self.next_expiry =
            if mutation!(TimeoutForgotten) { self.next_expiry } else { self.next_expiry.min(until) };
        self.last_send_no += 1;
        self.bytes += send.queued_len();
        self.len += 1;
        self.queued += 1;
        self.changes += 1;
        if !mutation!(NotedTooLate) {
            record!(self.change_log, Added { key: send.id, send: SavedSend::waiting(&send) });
        }
        let send_no = self.last_send_no;
        if let Some(queue) = self.queue_for(&send.room.clone()) {
            queue.queued.push_back(QueuedSend {
                send,
                send_no,
                expires_at: until,
                expiry_failure: late,
                attempts: 0,
            });
        }
    }

    fn fits(&self, size: usize) -> bool {
        self.len < self.limits.count + usize::from(mutation!(QueueOneMore))
            && (mutation!(QueueBytesUnbounded) || self.bytes.saturating_add(size) <= self.limits.bytes)
    }

    /// Whether there is room once enough that waits has gone: one that never fits evicts nothing.
    fn may_evict(&self, size: usize) -> bool {
        let waiting =
            self.queues.iter().flat_map(|queue| &queue.queued).map(|waiting| waiting.send.queued_len());
        self.limits.overflow == Overflow::DropOldest
            && !mutation!(OverflowRejects)
            && self.limits.count > self.len - self.queued
            && self.limits.bytes.saturating_sub(self.bytes - waiting.sum::<usize>()) >= size
            || mutation!(OverflowEmpties) && self.limits.overflow == Overflow::DropOldest
    }

    fn pop_oldest(&mut self) -> Option<QueuedSend<P, N>> {
        let queues = self.queues.iter_mut().filter(|queue| queue.head().is_some());
        #[cfg(feature = "frames")]
        let queue = queues
            .min_by_key(|queue| (mutation!(OwnOvertakes) && !self.custom.is(&queue.room), queue.head()))?;
        #[cfg(not(feature = "frames"))]
        let queue = queues.min_by_key(|queue| queue.head())?;
        let oldest = queue.queued.pop_front()?;
        self.queued -= usize::from(!mutation!(EvictedUncounted));
        Some(oldest)
    }

    /// The connection is replaced by another while answers may still come on it.
    pub(crate) fn connection_migrated(&mut self) {
        self.treat_as_flushed();
        for queue in &mut self.queues {
            queue.connection_lost();
            queue.awaiting_old_connection = true;
        }
    }

    /// Whether answers are waited for on the connection that was moved away from.
    pub(crate) fn is_awaiting_old_connection(&self) -> bool {
        self.queues.iter().any(RoomQueue::is_awaiting_old_connection)
    }

    /// No answers come on that connection any more: what has none is transmitted again.
    pub(crate) fn stop_awaiting_old_connection(&mut self) {
        if mutation!(OldAwaitedForEver) {
            return;
        }
        for queue in &mut self.queues {
            queue.awaiting_old_connection = false;
        }
    }

    /// The state belongs to another user.
    pub(crate) fn user_changed(&mut self, out: &mut Vec<Delivery<P, N>>) {
        self.end(SendFailure::UserChanged, out);
    }

    /// What an earlier run left belongs to another user. Before the first answer of a server: nothing else has been
    /// numbered.
    #[cfg(feature = "stored")]
    pub(crate) fn fail_restored(&mut self, out: &mut Vec<Delivery<P, N>>) {
        self.give_up(out);
        self.next_expiry = self.cancel_matching(Cancelled::Restored, out);
    }

    fn end(&mut self, why: SendFailure, out: &mut Vec<Delivery<P, N>>) {
        self.give_up(out);
        self.connection_lost(out);
        self.cancel_matching(Cancelled::All(why), out);
        self.queues.clear();
        self.next_expiry = Timestamp::NEVER;
    }

    /// What was transmitted with a number cannot be recovered any more: it resolves as unknown.
    pub(crate) fn give_up(&mut self, out: &mut Vec<Delivery<P, N>>) {
        for at in 0..self.queues.len() {
            self.end_producer(at, Timestamp::ZERO, out);
            self.resolve_unrecoverable(at, Timestamp::NEVER, out);
        }
    }

    /// Whether sends to `room` up to `send_no` are unresolved.
    pub(crate) fn is_pending(&self, room: &N, send_no: u64) -> bool {
        let queue = self
            .queues
            .binary_search_by(|queue| queue.room.cmp(room))
            .ok()
            .and_then(|at| self.queues.get(at));
        let here = |sent: &Unnumbered<P, N>| sent.send_no <= send_no && sent.room == *room;
        queue.is_some_and(|queue| queue.is_pending(send_no) && !mutation!(LeavesTooEarly))
            || self.unflushed_frames.iter().filter_map(|hand| hand.unnumbered.as_ref()).any(here)
            || self.unconfirmed.iter().any(here) && !mutation!(FirstContactLeft)
    }

    /// The room is joined, in this epoch, or never will be: what waited for that may go, or fail. A producer that is used up by
    /// another epoch ends.
    pub(crate) fn join_decided(&mut self, room: &N, new_epoch: bool) {
        if let Some(queue) = self.queue_mut(room) {
            queue.needs_join = false;
            if new_epoch && queue.unanswered.is_empty() {
                queue.producer = None;
            }
        }
    }

    /// The room has been left: its producer is not needed any more, once nothing is on its way.
    pub(crate) fn left(&mut self, room: &N) {
        if let Some(queue) = self.queue_mut(room).filter(|_| !mutation!(LeftStillWaits)) {
            // No join is waited for any more: what was sent since fails.
            queue.needs_join = false;
        }
        self.queues.retain(|queue| queue.room != *room || !queue.is_empty());
    }
}

fn failed<P, N>(id: SendId, room: N, why: SendFailure) -> Delivery<P, N> {
    Delivery::new(id, room, DeliveryStatus::Failed(why))
}
