//! The hub's configuration, with its defaults.

use rejoin::Id;
use std::time::Duration;

/// The longest reconnect window that `hello` tells: what a client takes (protocol.md §2.2).
const LONGEST_WINDOW: Duration = Duration::from_secs(600);

/// Limits and times of a [`Hub`](super::Hub). Sources: protocol.md §1 for the heartbeat, §2 for what the extended
/// protocol has, the reference server's security rules for the rest.
///
/// What the hub keeps is bounded by `history` and `history_bytes` for a room, `rooms`, `store_bytes` and `lines` for
/// all together. A bound never takes a room's log away from somebody who may still need it to tell two sends apart:
/// what does not fit is refused as `overloaded`, after rooms that nobody is in, and in which nothing was ever said or
/// nothing for longer than the dedupe window, have been forgotten, those of the user who has made the most first.
///
/// ```
/// let mut config = rejoin_server::hub::HubConfig::default();
/// config.rate = Some(10.0);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HubConfig {
    /// Time between two pings to a connection that speaks the extended protocol, Socket.IO's included; one from which
    /// nothing came between them is terminated. Default 25 s: many proxies cut a connection that was silent for 30 s.
    pub heartbeat: Duration,
    /// The same for a connection of the plain protocol. Default 30 s, as the protocol says.
    pub plain_heartbeat: Duration,
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
    /// ten bursts have been refused is closed with 4008. Joins and history requests together are limited in the
    /// same way, with a burst of twice `rooms_per_conn` and a tenth of `rooms_per_conn` per second, or `rate` if
    /// that is more.
    ///
    /// Whatever a client sends counts, pongs, pings, repetitions and unknown types too: all frames of a user together
    /// are limited to the sum of these rates, with a burst of ten times the sum of their bursts; beyond, the
    /// connection is closed with 4008.
    pub rate: Option<f64>,
    /// Whether a connection that offers the extended protocol gets it. `false`: plain toward everybody. Default
    /// `true`.
    pub extended: bool,
    /// Messages kept per room and personal stream. At least 1. Default 500.
    pub history: usize,
    /// Bytes of messages kept per room and personal stream; the newest message stays whatever its size.
    /// Default 4 MiB.
    pub history_bytes: usize,
    /// How long a room that nobody is in, and a personal stream, keep their log after the last thing that happened
    /// there; never less than `dedupe_window`. Default 24 h.
    pub retention: Duration,
    /// Rooms and personal streams kept, those without anybody included. Default 100,000.
    pub rooms: usize,
    /// Rooms kept that one user has made; a room that nobody is in and in which nothing was said for the dedupe window
    /// makes room for the next. With a `rate` a user also makes at most a sixtieth of `rooms_per_conn` per second, at
    /// least one, with a burst of twice `rooms_per_conn`. Default 1,000.
    pub rooms_per_user: usize,
    /// Bytes of messages kept in all rooms together. When they are used up and no room can be forgotten, a room's
    /// new message takes the place of its own old ones. Default 256 MiB.
    pub store_bytes: usize,
    /// How long a line of sends is remembered after its last one. Default 10 min.
    pub dedupe_window: Duration,
    /// Lines remembered in all rooms together. Default 200,000.
    pub producers: usize,
    /// Lines of one user remembered in all rooms together. Default 2,048.
    pub producers_per_user: usize,
    /// Users kept out at a time. Default 100,000.
    pub bans: usize,
    /// Reconnections per second that this server is good for at most: `hello` tells the window in which as many
    /// connections as there are, or were lately, can come back at four fifths of it; at least a second and at most ten
    /// minutes. Whoever was told a much shorter one is told again at a heartbeat. Default 500.
    pub reconnect_rate: u32,
    /// Unanswered sends that a client may have; as many answers of a line are remembered. Told by `hello`. Default
    /// and maximum 64.
    pub in_flight: usize,
    /// Most messages of a recovered join's replay and of a history answer. Default 200.
    pub replay: usize,
    /// Messages of a replay that are sent before the connection's queue has to be empty again. Default 32.
    pub replay_chunk: usize,
    /// The same in bytes, but for the last message. Default 64 KiB.
    pub replay_chunk_bytes: usize,
    /// How long somebody whose last connection was lost still counts as a member. Default 15 s.
    pub presence_grace: Duration,
    /// Time between two comment lines of a feed; a reader that takes nothing for four of them is terminated. Default
    /// 15 s.
    pub comment_interval: Duration,
    /// Above so many members a list of them is only a number. Default 100.
    pub members_listed: usize,
    /// Most bytes of a frame from a client, which the shell enforces and `hello` tells; a history answer is not much
    /// longer either. Default 64 KiB.
    pub frame_bytes: usize,
    /// This node's name among several that share a store (see [`shared`](super::shared)). `None`, the default: the only
    /// node, whose own store is the authority.
    pub node: Option<Id>,
    /// Requests that such a node has made and the store has not answered yet. Default 10,000.
    pub store_requests: usize,
    /// Bytes of them, and of what waits beside them. Default 64 MiB.
    pub store_request_bytes: usize,
    /// Requests of one user among them. Default 1,000.
    pub store_requests_per_user: usize,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(25),
            plain_heartbeat: Duration::from_secs(30),
            content_bytes: 8 << 10,
            rooms_per_conn: 256,
            members_per_room: 10_000,
            sockets_per_user: 64,
            rate: None,
            extended: true,
            history: 500,
            history_bytes: 4 << 20,
            retention: Duration::from_secs(24 * 3600),
            rooms: 100_000,
            rooms_per_user: 1_000,
            store_bytes: 256 << 20,
            dedupe_window: Duration::from_secs(600),
            producers: 200_000,
            producers_per_user: 2_048,
            bans: 100_000,
            reconnect_rate: 500,
            in_flight: 64,
            replay: 200,
            replay_chunk: 32,
            replay_chunk_bytes: 64 << 10,
            presence_grace: Duration::from_secs(15),
            comment_interval: Duration::from_secs(15),
            members_listed: 100,
            frame_bytes: 64 << 10,
            node: None,
            store_requests: 10_000,
            store_request_bytes: 64 << 20,
            store_requests_per_user: 1_000,
        }
    }
}

impl HubConfig {
    /// Time between two pings to a connection, by its protocol.
    pub(crate) fn heartbeat_interval(&self, extended: bool) -> Duration {
        if extended { self.heartbeat } else { self.plain_heartbeat }
    }

    /// The time in which so many connections can come back at four fifths of
    /// [`reconnect_rate`](Self::reconnect_rate): who comes at random comes unevenly, and a server that is only just
    /// fast enough spends itself on refusals.
    pub fn reconnect_window(&self, connections: usize) -> Duration {
        let connections = u32::try_from(connections).unwrap_or(u32::MAX);
        let rate = 0.8 * f64::from(self.reconnect_rate.max(1));
        let window = Duration::from_secs_f64(f64::from(connections) / rate);
        window.clamp(Duration::from_secs(1), LONGEST_WINDOW)
    }
}
