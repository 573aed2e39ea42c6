//! Packets that have arrived, from either transport.

use super::packet::Incoming;
use super::payload::Payload;
use std::collections::VecDeque;

/// What was read and is not handled yet.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// From a WebSocket; at most a batch.
    pub(super) frames: VecDeque<Incoming>,
    /// From a POST; the next one comes when this one is handled.
    pub(super) payload: Option<Payload>,
}

impl Inbox {
    pub(super) fn pop(&mut self) -> Option<Incoming> {
        if let Some(frame) = self.frames.pop_front() {
            return Some(frame);
        }
        let popped = self.payload.as_mut()?.pop();
        if popped.is_none() {
            self.payload = None;
        }
        popped
    }

    /// What was just taken has to wait.
    pub(super) fn put_back(&mut self, incoming: Incoming) {
        self.frames.push_front(incoming);
    }

    /// Whether nothing is left; a payload is taken to its end first.
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.payload.is_none()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
