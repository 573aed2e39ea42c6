//! The hub's rules that a deployment may change.

use std::time::Duration;

/// Limits and times of a [`Hub`](super::Hub). Sources: protocol.md §1 for the heartbeat, the reference
/// server's security rules for the rest.
///
/// ```
/// let mut config = rejoin_server::hub::HubConfig::default();
/// config.rate = Some(10.0);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HubConfig {
    /// Time between two pings to a connection; one from which nothing came between them is terminated.
    /// Default 30 s.
    pub heartbeat: Duration,
    /// Most bytes of UTF-8 in one message's `content`. Default 8 KiB.
    pub content_bytes: usize,
    /// Most rooms one connection may be in. Default 256.
    pub rooms_per_conn: usize,
    /// Most connections in one room. Default 10,000.
    pub members_per_room: usize,
    /// Most connections one user may have at a time; the next is closed with 4011. Default 64.
    pub sockets_per_user: usize,
    /// Sends per second and user, with a burst of twice as many (at least one). `None`, the default of the
    /// library: no limit. Set it wherever strangers can connect.
    ///
    /// What is refused is answered by an `error` frame. A user who goes on at more than twice the rate until
    /// ten bursts have been refused is closed with 4008. The same rate, with a burst of twice
    /// `rooms_per_conn`, holds for joins.
    pub rate: Option<f64>,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(30),
            content_bytes: 8 << 10,
            rooms_per_conn: 256,
            members_per_room: 10_000,
            sockets_per_user: 64,
            rate: None,
        }
    }
}
