//! Sends without an outcome: bounded in count and bytes, in order, each resolved exactly once.
//!
//! Nothing is transmitted twice, because a Socket.IO server cannot recognise a repetition: a send in flight when the
//! connection breaks is `unknown`. The exception is a send that the application declares idempotent: it is sent again,
//! in its place.

use crate::change_log::{ChangeLog, record};
use crate::event::{Delivery, DeliveryStatus, SendFailure, SendId, SendReply};
use crate::mutation::mutation;
use crate::outbound::OutboundMessage;
use crate::outbox::{OutboxLimits, Overflow};
use crate::payload::Payload;
use crate::time::Timestamp;
#[cfg(feature = "stored")]
use crate::{outbox::RESTORED, persisted::SavedSend};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Maximum sends that wait for an answer at once: a server is not to take ten seconds for what is given to it at once.
const MAX_IN_FLIGHT: usize = 256;

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

/// A send that is with the connection.
#[derive(Debug)]
struct InFlightSend<P, N> {
    id: SendId,
    room: N,
    send_no: u64,
    size: usize,
    frame: u64,
    /// The number its answer comes under, and until when; none where no answer is wanted.
    ack: Option<(u64, Timestamp)>,
    /// When its time is over, if the application has set one.
    expires_at: Timestamp,
    /// What waits again when the connection is lost.
    requeueable: Option<Box<QueuedSend<P, N>>>,
}

/// What the connection takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct SendWindow {
    /// The next frame's number.
    pub(super) frame: u64,
    /// The next answer's number, and until when it may come.
    pub(super) ack: (u64, Timestamp),
    /// Messages want answers.
    pub(super) acks: bool,
    /// Maximum bytes that the operating system has not taken.
    pub(super) unflushed: usize,
    /// Maximum bytes of one message.
    pub(super) content: usize,
}

#[derive(Debug)]
pub(super) struct Outbox<P, N> {
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
    pub(super) change_log: ChangeLog<P, N>,
}

impl<P: Payload, N: Clone + Ord> Outbox<P, N> {
    pub(super) fn new(limits: OutboxLimits) -> Self {
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

    pub(super) fn len(&self) -> usize {
        self.queued.len() + self.in_flight.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Something else is to be stored.
    #[cfg(feature = "stored")]
    pub(super) fn changed(&mut self) {
        self.changes += 1;
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Bytes that the operating system has not taken.
    pub(super) fn unflushed(&self) -> usize {
        self.unflushed_bytes
    }

    /// The other namespaces of the connection have so many bytes that the operating system has not taken.
    pub(super) fn set_elsewhere(&mut self, bytes: usize) {
        self.unflushed_elsewhere = bytes;
    }

    /// The number of the last send taken: later ones have a higher one.
    pub(super) fn last_send_no(&self) -> u64 {
        self.last_send_no
    }

    /// Whether sends to `room` up to `send_no` are unresolved.
    pub(super) fn is_pending(&self, room: &N, send_no: u64) -> bool {
        self.queued.iter().any(|waiting| waiting.send_no <= send_no && waiting.send.room == *room)
            || self.in_flight.iter().any(|sent| sent.send_no <= send_no && sent.room == *room)
    }

    /// Whether sends to any room up to `send_no` are unresolved.
    #[cfg(feature = "native")]
    pub(super) fn has_pending(&self, send_no: u64) -> bool {
        self.queued.iter().any(|waiting| waiting.send_no <= send_no)
            || self.in_flight.iter().any(|sent| sent.send_no <= send_no)
    }

    pub(super) fn deadline(&self) -> Timestamp {
        // Those that have a time of their own are not in order.
        let answers = self.in_flight.iter().filter_map(|sent| sent.ack).map(|(_, until)| until);
        answers.min().unwrap_or(Timestamp::NEVER).min(self.next_expiry)
    }

    /// Whether a send is a custom event.
    pub(super) fn is_custom(&self, room: &N) -> bool {
        #[cfg(feature = "frames")]
        return self.custom.as_ref() == Some(room);
        #[cfg(not(feature = "frames"))]
        return {
            let _ = room;
            false
        };
    }

    /// Takes a send, or resolves it (and others) at once. Outcomes are noted.
    pub(super) fn push(
        &mut self,
        now: Timestamp,
        send: OutboundMessage<P, N>,
        out: &mut Vec<Delivery<P, N>>,
    ) {
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

    fn resolve_sent(
        &mut self,
        sent: InFlightSend<P, N>,
        status: DeliveryStatus,
        out: &mut Vec<Delivery<P, N>>,
    ) {
        self.bytes -= sent.size;
        self.without_ack -= usize::from(sent.ack.is_none());
        out.push(Delivery::new(sent.id, sent.room, status));
    }

    /// Settles those with the connection that `are`.
    fn resolve_all(
        &mut self,
        are: impl Fn(&InFlightSend<P, N>) -> bool,
        status: &DeliveryStatus,
        out: &mut Vec<Delivery<P, N>>,
    ) {
        let mut others = VecDeque::new();
        while let Some(sent) = self.in_flight.pop_front() {
            if are(&sent) {
                self.resolve_sent(sent, status.clone(), out);
            } else {
                others.push_back(sent);
            }
        }
        self.in_flight = others;
    }

    /// The next send for the connection, if it takes one.
    pub(super) fn transmit(
        &mut self,
        gate: &SendWindow,
        out: &mut Vec<Delivery<P, N>>,
    ) -> Option<(OutboundMessage<P, N>, Option<u64>)> {
        loop {
            let next = &self.queued.front()?.send;
            let is_own = self.is_custom(&next.room);
            let is_asked = if is_own { next.data.is_some() && !mutation!(SioOwnUnasked) } else { gate.acks };
            if self.unflushed_bytes + self.unflushed_elsewhere >= gate.unflushed
                || (is_asked && self.in_flight.len() - self.without_ack >= MAX_IN_FLIGHT)
            {
                return None;
            }
            let waiting = if mutation!(SioTransmitUnordered) {
                self.queued.pop_back()
            } else {
                self.queued.pop_front()
            }?;
            let size = waiting.send.queued_len();
            if size > gate.content && !mutation!(SioOversizedSent) {
                let status = waiting.unsent(SendFailure::TooLarge);
                self.resolve_queued(waiting, status, out);
                continue;
            }
            let QueuedSend { send, send_no, expires_at: until, expiry_failure: late, tried } = waiting;
            let (id, room, frame) = (send.id, send.room.clone(), gate.frame);
            if !tried {
                record!(self.change_log, SentOnce { key: id });
            }
            let again = || {
                Box::new(QueuedSend {
                    send: send.clone(),
                    send_no,
                    expires_at: until,
                    expiry_failure: late,
                    tried: true,
                })
            };
            let again = send.is_idempotent().then(again);
            let expires = if late == SendFailure::Timeout { until } else { Timestamp::NEVER };
            // The application may have said how long its own event is waited for.
            let (number, answered) = gate.ack;
            let answered = if is_own && send.timeout.is_some() { until } else { answered };
            let ack = is_asked.then_some((number, answered));
            self.without_ack += usize::from(ack.is_none());
            self.in_flight.push_back(InFlightSend {
                id,
                room,
                send_no,
                size,
                frame,
                ack,
                expires_at: expires,
                requeueable: again,
            });
            self.unflushed_frames.push_back((gate.frame, size));
            self.unflushed_bytes += size;
            self.changes += 1;
            return Some((send, is_asked.then_some(number)));
        }
    }

    /// The operating system took every frame up to `through`: what wants no answer is as settled as it can be.
    pub(super) fn flushed(&mut self, through: u64, out: &mut Vec<Delivery<P, N>>) {
        let taken = self.unflushed_frames.partition_point(|(frame, _)| *frame <= through);
        self.unflushed_bytes -= self.unflushed_frames.drain(..taken).map(|(_, size)| size).sum::<usize>();
        let early = mutation!(SioWrittenTooEarly);
        let is_written = |sent: &InFlightSend<P, N>| sent.frame <= through && (sent.ack.is_none() || early);
        if self.without_ack > 0 || early {
            self.resolve_all(is_written, &DeliveryStatus::Written, out);
        }
    }

    /// The server has answered for the send with this number.
    pub(super) fn answered(
        &mut self,
        ack: u64,
        status: DeliveryStatus,
        reply: SendReply<P>,
        out: &mut Vec<Delivery<P, N>>,
    ) -> bool {
        let at = self.position(ack).map(|at| if mutation!(SioAnswerOfOldest) { 0 } else { at });
        let Some(sent) = at.and_then(|at| self.in_flight.remove(at)) else { return false };
        self.resolve_sent(sent, status, out);
        if reply.answer.is_some()
            && let Some(delivery) = out.last_mut()
        {
            delivery.reply = Some(Box::new(reply));
        }
        true
    }

    /// Where the send is that is answered under this number.
    fn position(&self, ack: u64) -> Option<usize> {
        let number = |sent: &InFlightSend<P, N>| sent.ack.map(|(number, _)| number);
        if self.without_ack == 0 {
            return self.in_flight.binary_search_by_key(&Some(ack), number).ok();
        }
        self.in_flight.iter().position(|sent| number(sent) == Some(ack))
    }

    /// Does what time alone does.
    pub(super) fn tick(&mut self, now: Timestamp, out: &mut Vec<Delivery<P, N>>) {
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

    /// Takes a send back if it is still waiting.
    pub(super) fn cancel(&mut self, id: SendId, out: &mut Vec<Delivery<P, N>>) {
        self.cancel_matching(out, |waiting| {
            (waiting.send.id == id && !mutation!(SioCancelUnheard)).then_some(SendFailure::Cancelled)
        });
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

    /// The connection is gone: nobody will ever answer for what was given to it. What may come twice waits again, before all
    /// that was never sent.
    pub(super) fn connection_lost(&mut self, out: &mut Vec<Delivery<P, N>>) {
        self.unflushed_frames.clear();
        self.unflushed_bytes = if mutation!(SioUnflushedOutlivesLoss) { self.unflushed_bytes } else { 0 };
        let lost =
            if mutation!(SioLostSaidWritten) { DeliveryStatus::Written } else { DeliveryStatus::Unknown };
        let (mut again, mut rest) = (Vec::new(), VecDeque::new());
        for mut sent in core::mem::take(&mut self.in_flight) {
            if let Some(waiting) = sent.requeueable.take() {
                self.without_ack -= usize::from(sent.ack.is_none());
                self.next_expiry = self.next_expiry.min(waiting.expires_at);
                again.push(*waiting);
            } else {
                rest.push_back(sent);
            }
        }
        self.in_flight = rest;
        self.resolve_all(|_| true, &lost, out);
        for waiting in again.into_iter().rev() {
            self.queued.push_front(waiting);
        }
    }

    /// Nothing more will be sent: everything resolves.
    pub(super) fn close(&mut self, out: &mut Vec<Delivery<P, N>>) {
        self.connection_lost(out);
        self.cancel_matching(out, |_| (!mutation!(SioEndLeavesSends)).then_some(SendFailure::Closed));
    }

    /// What waits, for a later run. What is with the connection is not sent again.
    #[cfg(feature = "stored")]
    pub(super) fn stored(&self) -> Vec<SavedSend<P, N>> {
        let saved = |waiting: &QueuedSend<P, N>| SavedSend {
            number: 0,
            room: waiting.send.room.clone(),
            content: waiting.send.content.clone(),
            data: waiting.send.data.clone(),
            reference: waiting.send.reference.clone(),
            transmitted: None,
        };
        self.queued.iter().filter(|waiting| !waiting.tried).map(saved).collect()
    }

    /// Takes up what an earlier run left. Returns its number in this run, and whether it waits: what another protocol
    /// has transmitted cannot be gone on with.
    #[cfg(feature = "stored")]
    pub(super) fn restore(&mut self, now: Timestamp, saved: SavedSend<P, N>) -> (SendId, bool) {
        let SavedSend { room, content, data, reference, transmitted, number: _ } = saved;
        let id = SendId(RESTORED | (self.last_send_no + 1));
        let send = OutboundMessage { data, reference, ..OutboundMessage::new(id, room, content) };
        if transmitted.is_none() {
            self.queue(now, send);
        } else {
            self.last_send_no += 1;
            self.changes += 1;
        }
        (id, transmitted.is_none())
    }

    /// From here on sends to `room` are custom events, and want an answer if they have data.
    #[cfg(feature = "frames")]
    pub(super) fn custom_events(&mut self, room: N) {
        self.custom = Some(room);
    }

    /// Whether the answer under this number is to a custom event.
    #[cfg(feature = "frames")]
    pub(super) fn is_custom_ack(&self, ack: u64) -> bool {
        let sent = self.position(ack).and_then(|at| self.in_flight.get(at));
        sent.is_some_and(|sent| self.is_custom(&sent.room))
    }

    /// Whether a connection that may have so much unflushed takes as much more. One that has nothing takes anything.
    #[cfg(feature = "frames")]
    pub(super) fn takes(&self, size: usize, most: usize) -> bool {
        let unflushed = self.unflushed_bytes + self.unflushed_elsewhere;
        (self.unflushed_frames.is_empty() && self.unflushed_elsewhere == 0)
            || unflushed.saturating_add(size) <= most
    }

    /// Whether a send would go at once and drive none out.
    #[cfg(feature = "frames")]
    pub(super) fn may_go(&self, send: &OutboundMessage<P, N>, most: usize) -> bool {
        let size = send.queued_len();
        self.queued.is_empty()
            && self.takes(size, most)
            && self.len() < self.limits.count
            && self.bytes.saturating_add(size) <= self.limits.bytes
    }

    /// A send that still waits is dropped.
    #[cfg(feature = "frames")]
    pub(super) fn drop_queued(&mut self, id: SendId, out: &mut Vec<Delivery<P, N>>) {
        if self.queued.iter().any(|waiting| waiting.send.id == id) {
            self.cancel_matching(out, |waiting| (waiting.send.id == id).then_some(SendFailure::Dropped));
        }
    }

    /// A frame that is no send has been given to the connection.
    #[cfg(feature = "frames")]
    pub(super) fn frame_written(&mut self, frame: u64, size: usize) {
        self.unflushed_bytes += size;
        self.unflushed_frames.push_back((frame, size));
    }

    /// Returns back the memory of queues that are empty.
    pub(super) fn shrink_to_fit(&mut self) {
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
}
