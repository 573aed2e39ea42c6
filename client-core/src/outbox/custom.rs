//! The queue of custom frames. They have no room and no number: each is given to one connection, and resolved when the
//! operating system has taken it, on every kind of server.

use super::transmission::{OutboundFrame, Readiness, SendWindow};
use super::{Outbox, Unflushed};
use crate::event::{Delivery, DeliveryStatus};
use crate::mutation::mutation;
#[cfg(feature = "native")]
use crate::outbound::OutboundMessage;
use crate::payload::Payload;
use crate::time::Timestamp;
use alloc::vec::Vec;

/// What stands for a room where a frame has none, once the application has announced it.
#[derive(Debug)]
pub(crate) struct CustomRoom<N>(pub(super) Option<N>);

impl<N: Eq> CustomRoom<N> {
    pub(crate) fn is(&self, room: &N) -> bool {
        self.0.as_ref() == Some(room)
    }
}

impl<P: Payload, N: Clone + Ord> Outbox<P, N> {
    /// From here on sends to `room` are custom frames.
    pub(crate) fn custom_frames(&mut self, room: N) {
        self.custom.0 = Some(room);
    }

    /// The bytes that a server's limit is about: it is for the text of messages.
    #[cfg(feature = "native")]
    pub(super) fn limited_content(&self, send: &OutboundMessage<P, N>) -> usize {
        if self.custom.is(&send.room) { 0 } else { send.content.byte_len() }
    }

    /// The next own frame for an extended connection, if no message that may go is older.
    pub(super) fn transmit_custom<'a>(
        &mut self,
        now: Timestamp,
        frame: u64,
        gate: &SendWindow,
        access: &impl Fn(&N) -> Readiness<'a>,
    ) -> Option<OutboundFrame<P, N>> {
        let own = self.custom.0.clone()?;
        let head = self.queue_mut(&own)?.head()?;
        let is_older = self.queues.iter().any(|queue| {
            queue.head().is_some_and(|other| other < head || mutation!(OwnWaitsForMessages) && other > head)
                && !queue.is_paused(now)
                && !matches!(access(&queue.room), Readiness::AwaitingJoin)
                && queue.span() < gate.in_flight
        });
        if is_older && !mutation!(OwnOvertakes) {
            return None;
        }
        let oldest = self.queue_mut(&own)?.queued.pop_front()?;
        self.queued -= 1;
        // No answer is waited for.
        let send = self.transmit_unnumbered(oldest, (gate.conn, frame), Timestamp::NEVER, None);
        Some(OutboundFrame { room: send.room, content: send.content, data: None, tag: None, fresh: true })
    }

    /// The connection is replaced by another: what is not known to be flushed may have left, or not.
    pub(crate) fn custom_migrated(&mut self, out: &mut Vec<Delivery<P, N>>) {
        let mut own = Vec::new();
        for sent in core::mem::take(&mut self.unconfirmed) {
            if self.custom.is(&sent.room) { own.push(sent) } else { self.unconfirmed.push(sent) }
        }
        self.resolve_unnumbered(own, &DeliveryStatus::Unknown, out);
    }

    /// A frame that is no send has been given to the connection.
    pub(crate) fn frame_written(&mut self, frame: u64, size: usize) {
        self.unflushed_bytes += size;
        self.unflushed_frames.push(Unflushed { frame, size, unnumbered: None });
    }

    /// Whether a connection that may have so much unflushed takes as much more. One that has nothing takes anything.
    pub(crate) fn takes(&self, size: usize, most: usize) -> bool {
        self.unflushed_frames.is_empty() || self.unflushed_bytes.saturating_add(size) <= most
    }

    /// Whether another send would fit without driving one out.
    pub(crate) fn has_space(&self, size: usize) -> bool {
        self.fits(size)
    }
}
