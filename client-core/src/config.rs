//! What can be chosen about a session, with the defaults.

use crate::link::LinkConfig;
use crate::outbox::OutboxLimits;

/// The choices of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The connection.
    pub link: LinkConfig,
    /// The sends on their way.
    pub outbox: OutboxLimits,
    /// Most rooms at once: 256 by default.
    pub max_rooms: usize,
    /// Most bytes of one message's content: 1 MiB by default. A server may allow less.
    pub max_content: usize,
    /// Most bytes given to a connection that the operating system has not taken: 256 KiB by default. Sends
    /// beyond wait in the outbox, where they can still be cancelled and survive the connection.
    pub max_unflushed: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            link: LinkConfig::default(),
            outbox: OutboxLimits::default(),
            max_rooms: 256,
            max_content: 1 << 20,
            max_unflushed: 256 << 10,
        }
    }
}
