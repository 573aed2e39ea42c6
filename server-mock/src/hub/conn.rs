//! One connection.

use super::replay::Replays;
use super::rights::Rights;
use super::tokens::Validity;
use super::watching::Reader;
use rejoin::{Name, Timestamp};
use std::collections::BTreeSet;
use std::time::Duration;

/// What the hub knows of a connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) user: Name,
    /// Tells it apart from others that have had the same [`ConnId`](super::ConnId).
    pub(super) born: u64,
    /// By their names in the hub, personal streams included.
    pub(super) rooms: BTreeSet<Name>,
    /// Whether anything came since the last ping.
    pub(super) heard: bool,
    /// Its entry in the hub's deadlines.
    pub(super) heartbeat: Timestamp,
    /// Its second entry there, once a drain has begun.
    pub(super) drain: Option<Timestamp>,
    pub(super) validity: Validity,
    pub(super) rights: Rights,
    /// What only a connection has that speaks the extended protocol. Boxed: most of a large server's connections
    /// are idle, and many are plain.
    pub(super) extended: Option<Box<Extended>>,
    /// What only a connection has that reads one room and says nothing.
    pub(super) reader: Option<Box<Reader>>,
}

/// What the extended protocol adds.
#[derive(Debug, Default)]
pub(super) struct Extended {
    pub(super) replays: Replays,
    /// Tokens that were nobody's.
    pub(super) refused_tokens: u8,
    /// The reconnect window that its last `hello` named.
    pub(super) told_window: Duration,
}
