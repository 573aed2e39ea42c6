//! The message that an application hands to the outbox, and the bounds of the outbox.

use crate::event::{SendFailure, SendId};
use crate::time::Nanos;
use alloc::boxed::Box;
use alloc::string::String;
use core::time::Duration;

/// What an application writes: the machine passes it through and only needs its size.
pub trait Payload: Clone {
    /// Its size on the wire, about, in bytes.
    fn byte_len(&self) -> usize;
    /// A number that tells it from others and is the same in every run; 0 for what has none.
    #[cfg(feature = "journal")]
    fn digest(&self) -> u64 {
        0
    }
    /// Whether it is empty: an empty message of a server is not reported.
    fn is_empty(&self) -> bool {
        false
    }
    /// The server's message about a room, if the machine is to tell them; a page has them in the frame that is being processed.
    fn into_error_text(self) -> Option<Self> {
        None
    }
}

impl Payload for String {
    fn byte_len(&self) -> usize {
        self.len()
    }

    #[cfg(feature = "journal")]
    fn digest(&self) -> u64 {
        crate::hash::of(self.as_bytes())
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn into_error_text(self) -> Option<Self> {
        (!self.is_empty()).then_some(self)
    }
}

/// What a full outbox does with one more send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// The new one fails with [`SendFailure::QueueFull`]. The default.
    #[default]
    Reject,
    /// The oldest waiting ones fail with [`SendFailure::QueueFull`] until the new one fits.
    DropOldest,
}

/// The bounds of an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutboxLimits {
    /// Maximum unresolved sends: 4,096 by default.
    pub count: usize,
    /// Maximum bytes of unresolved sends: 4 MiB by default.
    pub bytes: usize,
    /// What happens beyond.
    pub overflow: Overflow,
    /// How long a send may wait for a connection: 10 min by default.
    pub ttl: Duration,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self { count: 4096, bytes: 4 << 20, overflow: Overflow::Reject, ttl: Duration::from_secs(600) }
    }
}

impl OutboxLimits {
    /// How long a send may wait, and what it fails with then.
    pub(crate) fn ttl(&self, timeout: Option<Duration>) -> (Nanos, SendFailure) {
        match timeout {
            Some(timeout) if timeout < self.ttl => (timeout.into(), SendFailure::Timeout),
            _ => (self.ttl.into(), SendFailure::Expired),
        }
    }
}

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
