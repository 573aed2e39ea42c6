//! Sends that are with the connection: given to it, flushed, answered, or lost with it.

use super::{Outbox, QueuedSend};
use crate::change_log::record;
use crate::event::{Delivery, DeliveryStatus, SendFailure, SendId, SendReply};
use crate::mutation::mutation;
use crate::outbound::OutboundMessage;
use crate::payload::Payload;
use crate::time::Timestamp;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Maximum sends that wait for an answer at once: a server is not to take ten seconds for what is given to it at once.
const MAX_IN_FLIGHT: usize = 256;

/// A send that is with the connection.
#[derive(Debug)]
pub(super) struct InFlightSend<P, N> {
    pub(super) id: SendId,
    pub(super) room: N,
    pub(super) send_no: u64,
    pub(super) size: usize,
    pub(super) frame: u64,
    /// The number its answer comes under, and until when; none where no answer is wanted.
    pub(super) ack: Option<(u64, Timestamp)>,
    /// When its time is over, if the application has set one.
    pub(super) expires_at: Timestamp,
    /// What waits again when the connection is lost.
    pub(super) requeueable: Option<Box<QueuedSend<P, N>>>,
}

/// What the connection takes.
#[derive(Debug, Clone, Copy)]
pub(in crate::socketio) struct SendWindow {
    /// The next frame's number.
    pub(in crate::socketio) frame: u64,
    /// The next answer's number, and until when it may come.
    pub(in crate::socketio) ack: (u64, Timestamp),
    /// Messages want answers.
    pub(in crate::socketio) acks: bool,
    /// Maximum bytes that the operating system has not taken.
    pub(in crate::socketio) unflushed: usize,
    /// Maximum bytes of one message.
    pub(in crate::socketio) content: usize,
}

impl<P: Payload, N: Clone + Ord> Outbox<P, N> {
    /// The next send for the connection, if it takes one.
    pub(in crate::socketio) fn transmit(
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
    pub(in crate::socketio) fn flushed(&mut self, through: u64, out: &mut Vec<Delivery<P, N>>) {
        let taken = self.unflushed_frames.partition_point(|(frame, _)| *frame <= through);
        self.unflushed_bytes -= self.unflushed_frames.drain(..taken).map(|(_, size)| size).sum::<usize>();
        let early = mutation!(SioWrittenTooEarly);
        let is_written = |sent: &InFlightSend<P, N>| sent.frame <= through && (sent.ack.is_none() || early);
        if self.without_ack > 0 || early {
            self.resolve_all(is_written, &DeliveryStatus::Written, out);
        }
    }

    /// The server has answered for the send with this number.
    pub(in crate::socketio) fn answered(
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
    pub(super) fn position(&self, ack: u64) -> Option<usize> {
        let number = |sent: &InFlightSend<P, N>| sent.ack.map(|(number, _)| number);
        if self.without_ack == 0 {
            return self.in_flight.binary_search_by_key(&Some(ack), number).ok();
        }
        self.in_flight.iter().position(|sent| number(sent) == Some(ack))
    }

    pub(super) fn resolve_sent(
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
    pub(super) fn resolve_all(
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

    /// The connection is gone: nobody will ever answer for what was given to it. What may come twice waits again, before all
    /// that was never sent.
    pub(super) fn lose_connection(&mut self, out: &mut Vec<Delivery<P, N>>) {
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
}
