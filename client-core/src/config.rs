//! The options of a session, with their defaults.

use crate::link::LinkConfig;
use crate::outbox::OutboxLimits;

/// The choices of a session. Begin with the defaults, and change what is to be different:
///
/// ```
/// let mut config = rejoin::Config::default();
/// config.max_rooms = 10;
/// config.outbox.count = 100;
/// ```
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The connection.
    pub link: LinkConfig,
    /// The sends on their way.
    pub outbox: OutboxLimits,
    /// Offer the extended protocol. `true` by default; a server that does not support it ignores the offer.
    pub extended: bool,
    /// Maximum messages buffered while a gap before them is being filled, or, on a Socket.IO server, until it is known
    /// what they belong to: 1,024 by default.
    pub max_buffered: usize,
    /// Maximum bytes of them: 1 MiB by default.
    pub max_buffered_bytes: usize,
    /// Maximum rooms at once: 256 by default.
    pub max_rooms: usize,
    /// Maximum bytes of one message's content: 1 MiB by default. A server may allow less.
    pub max_content: usize,
    /// Maximum bytes given to a connection that the operating system has not taken: 256 KiB by default. Sends
    /// beyond wait in the outbox, where they can still be cancelled and survive the connection.
    pub max_unflushed: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            link: LinkConfig::default(),
            outbox: OutboxLimits::default(),
            extended: true,
            max_buffered: 1024,
            max_buffered_bytes: 1 << 20,
            max_rooms: 256,
            max_content: 1 << 20,
            max_unflushed: 256 << 10,
        }
    }
}
