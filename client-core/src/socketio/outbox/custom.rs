//! The outbox's part in the application's own events, and the frames that are no sends.

use super::Outbox;
use crate::outbound::OutboundMessage;
use crate::outbox::SendQueue;
use crate::payload::Payload;

impl<P: Payload, N: Clone + Ord> Outbox<P, N> {
    /// From here on sends to `room` are custom events, and want an answer if they have data.
    pub(in crate::socketio) fn custom_events(&mut self, room: N) {
        self.custom = Some(room);
    }

    /// Whether the answer under this number is to a custom event.
    pub(in crate::socketio) fn is_custom_ack(&self, ack: u64) -> bool {
        let sent = self.position(ack).and_then(|at| self.in_flight.get(at));
        sent.is_some_and(|sent| self.is_custom(&sent.room))
    }

    /// Whether a connection that may have so much unflushed takes as much more. One that has nothing takes anything.
    pub(in crate::socketio) fn takes(&self, size: usize, most: usize) -> bool {
        let unflushed = self.unflushed_bytes + self.unflushed_elsewhere;
        (self.unflushed_frames.is_empty() && self.unflushed_elsewhere == 0)
            || unflushed.saturating_add(size) <= most
    }

    /// Whether a send would go at once and drive none out.
    pub(in crate::socketio) fn may_go(&self, send: &OutboundMessage<P, N>, most: usize) -> bool {
        let size = send.queued_len();
        self.queued.is_empty()
            && self.takes(size, most)
            && self.len() < self.limits.count
            && self.bytes.saturating_add(size) <= self.limits.bytes
    }

    /// A frame that is no send has been given to the connection.
    pub(in crate::socketio) fn frame_written(&mut self, frame: u64, size: usize) {
        self.unflushed_bytes += size;
        self.unflushed_frames.push_back((frame, size));
    }
}
