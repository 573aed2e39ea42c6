//! The names of the limits of users, rooms and sessions, as `rejoin_limited_total` and the log have them. Refusals before a
//! session have causes of their own ([`admission`](crate::admission)). Enforces no limit.

use crate::counters::kinds;
use std::fmt;

kinds! {
    /// A limit that has refused something, or for which a connection was closed.
    #[non_exhaustive]
    pub enum Limit {
        /// A room, because the server keeps as many as it can.
        Rooms = "rooms",
        /// A room, because its user has made as many as one may.
        RoomsOfUser = "rooms_of_user",
        /// A room, because its user makes them too fast.
        RoomRate = "room_rate",
        /// A join, because the connection is in as many rooms as one may be.
        RoomsOfConnection = "rooms_of_connection",
        /// A join or a feed, because the room has as many connections as one may have.
        MembersOfRoom = "members_of_room",
        /// A connection, because its user has as many as one may have.
        ConnectionsOfUser = "connections_of_user",
        /// A connection that was closed because its user sends too much of whatever it is.
        FrameRate = "frame_rate",
        /// A send that came too fast.
        SendRate = "send_rate",
        /// A join, a request for history, a new token or a feed that came too fast.
        JoinRate = "join_rate",
        /// A signal that came too fast.
        SignalRate = "signal_rate",
        /// A connection that was closed because its user went on and on with what was refused.
        Refusals = "refusals",
        /// Content and data of too many bytes.
        ContentBytes = "content_bytes",
        /// Data of too many levels.
        DataLevels = "data_levels",
        /// A line of sends, because the server remembers as many as it can.
        Lines = "lines",
        /// A line of sends, because its user has as many as one may have.
        LinesOfUser = "lines_of_user",
        /// A connection that was closed because it has shown too many wrong tokens.
        WrongTokens = "wrong_tokens",
        /// A ban, because as many users are kept out as can be.
        Bans = "bans",
        /// A ticket, because too many are kept.
        Tickets = "tickets",
        /// A ticket, because its user has as many as one may have.
        TicketsOfUser = "tickets_of_user",
        /// A connection that was closed for its WebSocket pings or pongs.
        PingRate = "ping_rate",
        /// A connection that was closed for a message in too many frames.
        Fragments = "fragments",
        /// A connection that was closed for a frame, a body or attachments of too many bytes.
        FrameBytes = "frame_bytes",
        /// A connection that was closed because it takes too little of what is queued for it.
        Queue = "queue",
        /// A Socket.IO event, because its session waits for too many acknowledgements.
        Acknowledgements = "acknowledgements",
        /// A Socket.IO session that was closed for a packet with too many attachments.
        Attachments = "attachments",
        /// A Socket.IO session that was closed because an attachment did not come in time.
        AttachmentDeadline = "attachment_deadline",
        /// A Socket.IO session that was closed for a POST of too many packets.
        PayloadPackets = "payload_packets",
        /// A Socket.IO session that was closed for too many packets before its CONNECT.
        EarlyPackets = "early_packets",
        /// A Socket.IO session that was closed because no CONNECT came in time.
        ConnectDeadline = "connect_deadline",
        /// A Socket.IO session that was closed because it asked for its namespaces again and again.
        Connects = "connects",
        /// A Socket.IO session that was closed because too many of its CONNECTs were refused.
        RefusedConnects = "refused_connects",
        /// Something that needs the shared store, because too many requests wait for it.
        StoreRequests = "store_requests",
        /// The same, because too many of one user do.
        StoreRequestsOfUser = "store_requests_of_user",
        /// A frame, because too many of its connection wait for a join.
        ParkedFrames = "parked_frames",
        /// A WebSocket that did not take over from the polling of its Socket.IO session in time.
        ProbeDeadline = "probe_deadline",
        /// An HTTP connection that is not kept after its answer, because its Socket.IO session has as many as one may have.
        KeptConnections = "kept_connections",
    }
}

/// How often each limit has refused something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RefusalCounts {
    counts: [u64; Limit::ALL.len()],
    /// The sum of them, so that asking whether there was one more costs nothing.
    total: u64,
}

impl Default for RefusalCounts {
    fn default() -> Self {
        Self { counts: [0; Limit::ALL.len()], total: 0 }
    }
}

impl RefusalCounts {
    /// One more.
    pub(crate) fn record(&mut self, limit: Limit) {
        self.total += 1;
        if let Some(count) = self.counts.get_mut(limit as usize) {
            *count += 1;
        }
    }

    /// How often this one has.
    pub fn get(&self, limit: Limit) -> u64 {
        self.counts.get(limit as usize).copied().unwrap_or(0)
    }

    /// How often any has.
    pub fn total(&self) -> u64 {
        self.total
    }
}

impl fmt::Debug for RefusalCounts {
    /// Those that have.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = Limit::ALL.iter().map(|limit| (limit.as_str(), self.get(*limit)));
        f.debug_map().entries(counts.filter(|(_, count)| *count > 0)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_a_name_and_a_count_of_its_own() {
        let mut refused = RefusalCounts::default();
        for (index, limit) in Limit::ALL.iter().enumerate() {
            assert_eq!(*limit as usize, index);
            refused.record(*limit);
            assert_eq!((refused.get(*limit), refused.total()), (1, index as u64 + 1));
            assert!(!Limit::ALL[..index].iter().any(|other| other.as_str() == limit.as_str()));
        }
    }
}
