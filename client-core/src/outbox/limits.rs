//! The bounds of an outbox, and what happens beyond them.

use crate::event::SendFailure;
use crate::time::Nanos;
use core::time::Duration;

/// What a full outbox does with one more send.
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// The new one fails with [`SendFailure::QueueFull`]. The default.
    #[default]
    Reject,
    /// The oldest waiting ones fail with [`SendFailure::QueueFull`] until the new one fits.
    DropOldest,
}

/// The bounds of an outbox.
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
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
