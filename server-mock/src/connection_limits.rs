//! The configured limits of connections, with their defaults. Enforces none.

use std::time::Duration;

/// What one connection, and all together, may take. Values below 1 count as 1.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Most open WebSockets, feeds and Socket.IO sessions; beyond, HTTP 503 with `Retry-After`. Default 20,000.
    pub connections: usize,
    /// Most connections that have not become a WebSocket, a feed or a poll that waits yet; beyond, a 503 before anything
    /// is read. The oldest from which nothing has come for half a second gives way to a newcomer. A server that queues handshakes never gets
    /// a herd of clients back. Default 256.
    pub handshakes: usize,
    /// How long the first byte of a connection may take. Default 3 s.
    pub first_byte: Duration,
    /// How long TLS, HTTP and the upgrade, or the beginning of a feed, may take together, and a Socket.IO session until
    /// its CONNECT. Default 10 s.
    pub handshake: Duration,
    /// Most Socket.IO sessions whose CONNECT has not come. They take no place of `connections`, so that they can keep
    /// nobody out who has a token. Default 1,024.
    pub early_sessions: usize,
    /// Most tickets that have been given and not used, in all; 64 of them are one user's. Default 10,000.
    pub tickets: usize,
    /// Time between two pings to a Socket.IO session. Default 25 s, or the heartbeat where that is shorter.
    pub ping_interval: Option<Duration>,
    /// How long the answer to one may take. Default 20 s, or the heartbeat where that is shorter.
    pub ping_timeout: Option<Duration>,
    /// How long a Socket.IO session that was lost can be recovered; zero turns connection state recovery off. Default
    /// 2 min. As many as there may be connections are kept, of one user as many as one may have, and 64 MiB of them.
    pub recovery: Duration,
    /// What of this is one address's share.
    pub per_address: PerAddress,
    /// Most bytes of one inbound message, or of the body of a POST; beyond, close 1009. Default 64 KiB.
    pub frame_bytes: usize,
    /// Most frames waiting for one connection whose socket takes nothing; beyond, close 4012. While the socket
    /// does take bytes and it is the server that is behind, four times as many. Default 1,024.
    pub queue_frames: usize,
    /// The same in bytes. Default 1 MiB.
    pub queue_bytes: usize,
    /// Read buffer of each connection, in bytes. Small, because most connections are idle most of the time;
    /// a larger one pays where few connections send much. Default 4 KiB.
    pub read_buffer: usize,
    /// Most bytes of memory that the process is to use: above four fifths newcomers get 503, above nine tenths the
    /// connections with the longest queues are closed with 4012. Default `None`: as much as there is.
    pub memory_budget: Option<u64>,
    /// Connections closed per second in a drain: the window is the number of connections divided by this, at
    /// most [`Config::drain`](crate::Config::drain). Default 500.
    pub drain_rate: u32,
}

/// What an address may take: an IPv4 one, or the /64 of an IPv6 one. `None`, the default of the library, is no share of
/// its own: on one machine everybody has the same address. Values below 1 count as 1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PerAddress {
    /// Of [`Limits::handshakes`]; beyond, HTTP 429 before anything is read.
    pub handshakes: Option<usize>,
    /// Connections per second, with a burst of ten times as many; beyond, HTTP 429 with `Retry-After`.
    pub connects: Option<u32>,
    /// Of [`Limits::early_sessions`]; beyond, HTTP 503.
    pub early_sessions: Option<usize>,
    /// Wrong and missing tokens that cost nothing. Each one more makes the address wait for twice as long, from a second to a minute,
    /// in which HTTP 429 answers whatever token comes; one is forgiven in 30 s.
    pub failed_tokens: Option<u32>,
}

impl PerAddress {
    /// For an address that strangers can reach: room for some thousand people behind one address.
    pub fn public() -> Self {
        Self { handshakes: Some(64), connects: Some(100), early_sessions: Some(128), failed_tokens: Some(20) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            handshakes: 256,
            first_byte: Duration::from_secs(3),
            handshake: Duration::from_secs(10),
            early_sessions: 1_024,
            tickets: 10_000,
            ping_interval: None,
            ping_timeout: None,
            recovery: Duration::from_secs(120),
            per_address: PerAddress::default(),
            frame_bytes: 64 << 10,
            queue_frames: 1_024,
            queue_bytes: 1 << 20,
            read_buffer: 4 << 10,
            memory_budget: None,
            drain_rate: 500,
        }
    }
}
