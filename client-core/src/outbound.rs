//! A send as the application hands it to a machine, before it is queued.

use crate::event::SendId;
use crate::payload::Payload;
use alloc::boxed::Box;
use core::time::Duration;

/// A send as the application gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundMessage<P, N> {
    /// The caller's number for it.
    pub id: SendId,
    /// Where it goes.
    pub room: N,
    /// The content.
    pub content: P,
    /// Extended: any JSON beside the text; natively its text.
    pub data: Option<P>,
    /// The caller's own name for it, stored with it.
    pub reference: Option<Box<str>>,
    /// By when it has its outcome, if that is shorter than the outbox's limit: one that was not sent by then fails, one
    /// that is on its way without an answer is unknown.
    pub timeout: Option<Duration>,
    /// Socket.IO, of a custom event: the server can tell when it comes twice, so that it is sent again on the
    /// next connection when this one is lost.
    #[cfg(feature = "frames")]
    pub idempotent: bool,
}

/// What a send costs beside its content.
pub(crate) const OVERHEAD: usize = 64;

impl<P, N> OutboundMessage<P, N> {
    /// A send with nothing but its text.
    pub fn new(id: SendId, room: N, content: P) -> Self {
        Self {
            id,
            room,
            content,
            data: None,
            reference: None,
            timeout: None,
            #[cfg(feature = "frames")]
            idempotent: false,
        }
    }

    /// Whether it may come twice.
    #[cfg(feature = "socketio")]
    pub(crate) fn is_idempotent(&self) -> bool {
        #[cfg(feature = "frames")]
        return self.idempotent;
        #[cfg(not(feature = "frames"))]
        return false;
    }
}

impl<P: Payload, N> OutboundMessage<P, N> {
    /// Bytes of content and data.
    pub(crate) fn payload_len(&self) -> usize {
        self.content.byte_len() + self.data.as_ref().map_or(0, Payload::byte_len)
    }

    /// What it counts for against the bound in bytes.
    pub(crate) fn queued_len(&self) -> usize {
        self.payload_len() + OVERHEAD
    }
}
