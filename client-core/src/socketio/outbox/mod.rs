//! Sends without an outcome: bounded in count and bytes, in order, each resolved exactly once.
//!
//! Nothing is transmitted twice, because a Socket.IO server cannot recognise a repetition: a send in flight when the
//! connection breaks is `unknown`. The exception is a send that the application declares idempotent: it is sent again,
//! in its place.

#[cfg(feature = "frames")]
mod custom;
mod in_flight;
#[cfg(feature = "stored")]
mod persist;

pub(super) use in_flight::SendWindow;

use crate::change_log::{ChangeLog, record};
use crate::event::{Delivery, DeliveryStatus, SendFailure, SendId};
use crate::mutation::mutation;
use crate::outbound::OutboundMessage;
use crate::outbox::{OutboxLimits, Overflow, SendQueue};
use crate::payload::Payload;
#[cfg(feature = "stored")]
use crate::persisted::{SavedProducer, SavedSend};
use crate::time::Timestamp;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use in_flight::InFlightSend;

#[derive(Debug)]
struct QueuedSend<P, N> {
    send: OutboundMessage<P, N>,
    send_no: u64,
    expires_at: Timestamp,
    /// What it fails with then.
    expiry_failure: SendFailure,
    /// It has been with a connection before, so that it may have arrived.
    tried: bool,
}

impl<P, N> QueuedSend<P, N> {
    /// What becomes of it when it is not sent, or not again.
    fn unsent(&self, why: SendFailure) -> DeliveryStatus {
        if self.tried { DeliveryStatus::Unknown } else { DeliveryStatus::Failed(why) }
    }
}

#[derive(Debug)]
pub(crate) struct Outbox<P, N> {
    limits: OutboxLimits,
    queued: VecDeque<QueuedSend<P, N>>,
    /// In the order of their frames, and of their answers' numbers.
    in_flight: VecDeque<InFlightSend<P, N>>,
    /// How many of them want no answer.
    without_ack: usize,
    /// What stands for a room where a custom event has none.
    #[cfg(feature = "frames")]
    custom: Option<N>,
    /// The frames that are not flushed, with their bytes.
    unflushed_frames: VecDeque<(u64, usize)>,
    unflushed_bytes: usize,
    /// Bytes that the other namespaces of the connection have unflushed.
    unflushed_elsewhere: usize,
    bytes: usize,
    last_send_no: u64,
    /// No waiting send expires before this.
    next_expiry: Timestamp,
    /// Grows with everything that a stored state would show.
    changes: u64,
    /// What has changed, for a store that keeps changes.
    #[cfg_attr(not(feature = "journal"), expect(dead_code, reason = "nothing is noted"))]
    pub(in crate::socketio) change_log: ChangeLog<P, N>,
}

impl<P: Payload, N: Clone + Ord> SendQueue<P, N> for Outbox<P, N> {
    fn len(&self) -> usize {
        self.queued.len() + self.in_flight.len()
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
        let most = self.limits.count + usize::from(mutation!(SioQueueOneMore));
        while self.len() >= most || self.bytes.saturating_add(size) > self.limits.bytes {
            let oldest = if self.may_evict(size) { self.queued.pop_front() } else { None };
            let Some(oldest) = oldest else {
                let full = DeliveryStatus::Failed(SendFailure::QueueFull);
                out.push(Delivery::new(send.id, send.room, full));
                return;
            };
            let full = oldest.unsent(SendFailure::QueueFull);
            // It is gone before its place is taken: a stored state is never over its bounds.
            record!(self.change_log, Resolved { key: oldest.send.id, status: full.clone() });
            self.resolve_queued(oldest, full, out);
        }
        self.accept(now, send);
    }

    fn cancel(&mut self, id: SendId, out: &mut Vec<Delivery<P, N>>) {
        self.cancel_matching(out, |waiting| {
            (waiting.send.id == id && !mutation!(SioCancelUnheard)).then_some(SendFailure::Cancelled)
        });
    }

    fn close(&mut self, out: &mut Vec<Delivery<P, N>>) {
        self.connection_lost(out);
        self.cancel_matching(out, |_| (!mutation!(SioEndLeavesSends)).then_some(SendFailure::Closed));
    }

    #[cfg(feature = "native")]
    fn has_pending(&self, send_no: u64) -> bool {
        self.queued.iter().any(|waiting| waiting.send_no <= send_no)
            || self.in_flight.iter().any(|sent| sent.send_no <= send_no)
    }

    fn shrink_to_fit(&mut self) {
        if self.queued.is_empty() {
            self.queued = VecDeque::new();
        }
        if self.in_flight.is_empty() {
            self.in_flight = VecDeque::new();
        }
        if self.unflushed_frames.is_empty() {
            self.unflushed_frames = VecDeque::new();
        }
    }

    #[cfg(feature = "frames")]
    fn drop_queued(&mut self, id: SendId, out: &mut Vec<Delivery<P, N>>) {
        if self.queued.iter().any(|waiting| waiting.send.id == id) {
            self.cancel_matching(out, |waiting| (waiting.send.id == id).then_some(SendFailure::Dropped));
        }
    }

    // What is with the connection is not sent again.
    #[cfg(feature = "stored")]
    fn stored(&self, _: Timestamp, _: Timestamp) -> (Vec<SavedProducer<N>>, Vec<SavedSend<P, N>>) {
        let saved = |waiting: &QueuedSend<P, N>| SavedSend {
            number: 0,
            room: waiting.send.room.clone(),
            content: waiting.send.content.clone(),
            data: waiting.send.data.clone(),
            reference: waiting.send.reference.clone(),
            transmitted: None,
        };
        let sends = self.queued.iter().filter(|waiting| !waiting.tried).map(saved).collect();
        // Nothing is numbered.
        (Vec::new(), sends)
    }

    fn connection_lost(&mut self, out: &mut Vec<Delivery<P, N>>) {
        self.lose_connection(out);
    }

    #[cfg(feature = "journal")]
    fn change_log(&mut self) -> &mut ChangeLog<P, N> {
        &mut self.change_log
    }
}

impl<P: Payload, N: Clone + Ord> Outbox<P, N> {
    pub(in crate::socketio) fn new(limits: OutboxLimits) -> Self {
        Self {
            limits,
            queued: VecDeque::new(),
            in_flight: VecDeque::new(),
            without_ack: 0,
            #[cfg(feature = "frames")]
            custom: None,
            unflushed_frames: VecDeque::new(),
            unflushed_bytes: 0,
            unflushed_elsewhere: 0,
            bytes: 0,
            last_send_no: 0,
            next_expiry: Timestamp::NEVER,
            changes: 0,
            change_log: ChangeLog::default(),
        }
    }

    /// Bytes that the operating system has not taken.
    pub(in crate::socketio) fn unflushed(&self) -> usize {
        self.unflushed_bytes
    }

    /// The other namespaces of the connection have so many bytes that the operating system has not taken.
    pub(in crate::socketio) fn set_elsewhere(&mut self, bytes: usize) {
        self.unflushed_elsewhere = bytes;
    }

    /// Whether sends to `room` up to `send_no` are unresolved.
    pub(in crate::socketio) fn is_pending(&self, room: &N, send_no: u64) -> bool {
        self.queued.iter().any(|waiting| waiting.send_no <= send_no && waiting.send.room == *room)
            || self.in_flight.iter().any(|sent| sent.send_no <= send_no && sent.room == *room)
    }

    pub(in crate::socketio) fn deadline(&self) -> Timestamp {
        // Those that have a time of their own are not in order.
        let answers = self.in_flight.iter().filter_map(|sent| sent.ack).map(|(_, until)| until);
        answers.min().unwrap_or(Timestamp::NEVER).min(self.next_expiry)
    }

    /// Whether a send is a custom event.
    pub(in crate::socketio) fn is_custom(&self, room: &N) -> bool {
        #[cfg(feature = "frames")]
        return self.custom.as_ref() == Some(room);
        #[cfg(not(feature = "frames"))]
        return {
            let _ = room;
            false
        };
    }

    fn accept(&mut self, now: Timestamp, send: OutboundMessage<P, N>) {
        record!(self.change_log, Added { key: send.id, send: SavedSend::waiting(&send) });
        self.queue(now, send);
    }

    fn queue(&mut self, now: Timestamp, send: OutboundMessage<P, N>) {
        let (patience, late) = self.limits.ttl(send.timeout);
        let until = now + patience;
        self.next_expiry = self.next_expiry.min(until);
        self.last_send_no += 1;
        self.bytes += send.queued_len();
        self.changes += 1;
        self.queued.push_back(QueuedSend {
            send,
            send_no: self.last_send_no,
            expires_at: until,
            expiry_failure: late,
            tried: false,
        });
    }

    /// Whether there is room once enough that waits has gone: one that never fits evicts nothing.
    fn may_evict(&self, size: usize) -> bool {
        let waiting: usize = self.queued.iter().map(|waiting| waiting.send.queued_len()).sum();
        self.limits.overflow == Overflow::DropOldest
            && self.limits.count > self.in_flight.len()
            && self.limits.bytes.saturating_sub(self.bytes - waiting) >= size
    }

    fn resolve_queued(
        &mut self,
        waiting: QueuedSend<P, N>,
        status: DeliveryStatus,
        out: &mut Vec<Delivery<P, N>>,
    ) {
        let send = waiting.send;
        self.bytes -= send.queued_len();
        self.changes += 1;
        out.push(Delivery::new(send.id, send.room, status));
    }

    /// Does what time alone does.
    pub(in crate::socketio) fn tick(&mut self, now: Timestamp, out: &mut Vec<Delivery<P, N>>) {
        let early = if mutation!(SioUnknownTooEarly) { 5 } else { 0 };
        let later = now + core::time::Duration::from_secs(early);
        let is_late = |sent: &InFlightSend<P, N>| sent.ack.is_some_and(|(_, until)| until <= later);
        if self.in_flight.iter().any(is_late) {
            self.resolve_all(is_late, &DeliveryStatus::Unknown, out);
        }
        if self.next_expiry <= now {
            for sent in core::mem::take(&mut self.in_flight) {
                if sent.expires_at <= now {
                    self.resolve_sent(sent, DeliveryStatus::Unknown, out);
                } else {
                    self.in_flight.push_back(sent);
                }
            }
            self.cancel_matching(out, |waiting| {
                (waiting.expires_at <= now && !mutation!(SioTimeUnkept)).then_some(waiting.expiry_failure)
            });
        }
    }

    fn cancel_matching(
        &mut self,
        out: &mut Vec<Delivery<P, N>>,
        mut why: impl FnMut(&QueuedSend<P, N>) -> Option<SendFailure>,
    ) {
        self.next_expiry =
            self.in_flight.iter().map(|sent| sent.expires_at).min().unwrap_or(Timestamp::NEVER);
        for waiting in core::mem::take(&mut self.queued) {
            if let Some(why) = why(&waiting) {
                let status = waiting.unsent(why);
                self.resolve_queued(waiting, status, out);
            } else {
                self.next_expiry = self.next_expiry.min(waiting.expires_at);
                self.queued.push_back(waiting);
            }
        }
    }
}
