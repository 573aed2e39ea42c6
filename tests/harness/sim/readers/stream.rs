//! One answer of the server to a reader: a stream that can be slow, half-open or cut at any byte.

use super::tampering::LineEnd;
use crate::sim::Micros;
use crate::sim::net::{Packet, Pipe};
use fastrand::Rng;
use rejoin::Id;
use rejoin::feed::EventStream;
use rejoin::machine::ConnId;
use std::collections::VecDeque;

/// Most bytes of an event that a reader takes.
pub(in crate::sim) const LONGEST_EVENT: usize = 12 << 10;

/// A stream.
#[derive(Debug)]
pub(in crate::sim) struct Stream {
    /// Whose it is.
    pub(in crate::sim) reader: usize,
    /// The reader's number for it.
    pub(in crate::sim) id: ConnId,
    /// One-way latency.
    pub(in crate::sim) latency: Micros,
    /// Where its jitter comes from.
    pub(in crate::sim) rng: Rng,
    /// Toward the reader.
    pub(in crate::sim) down: Pipe,
    /// That the reader has gone is never learnt.
    pub(in crate::sim) up_vanishes: bool,
    /// What the reader takes it apart with.
    pub(in crate::sim) parser: EventStream,
    /// The reader still has its end.
    pub(in crate::sim) client_open: bool,
    /// It had one, and has closed it or learnt that it is gone.
    pub(in crate::sim) closed: bool,
    /// The server still has its end.
    pub(in crate::sim) server_open: bool,
    /// When it opened.
    pub(in crate::sim) opened: Micros,
    /// The code with which the hub refused it before it began.
    pub(in crate::sim) refused: Option<u16>,
    /// Something has been said on it.
    pub(in crate::sim) begun: bool,
    /// Where it begins for somebody who has seen nothing.
    pub(in crate::sim) begins: Option<(Id, u64)>,
    /// The number of the last message that was sent on it, unless a hole was told since.
    pub(in crate::sim) sent_last: Option<u64>,
    /// Events since its queue was known to be empty.
    pub(in crate::sim) sent: u32,
    /// When the hub last said something, or could have.
    pub(in crate::sim) spoke: Micros,
    /// The hub waits for its queue to be empty since then.
    pub(in crate::sim) waiting_since: Option<Micros>,
    /// Packets that have come and are not read, since the reader takes nothing.
    pub(in crate::sim) unread: VecDeque<(u64, Packet)>,
    /// It is cut in the middle of the next event.
    pub(in crate::sim) cut_in_event: Option<u64>,
    /// How its lines end.
    pub(in crate::sim) line_end: LineEnd,
    /// So many old messages come first.
    pub(in crate::sim) rewinds: u8,
    /// So many messages are still dropped.
    pub(in crate::sim) drops: u8,
    /// The next event comes twice.
    pub(in crate::sim) again: bool,
    /// The last event, if it was a message that came whole.
    pub(in crate::sim) previous: Option<String>,
    /// An event of another make follows the next one.
    pub(in crate::sim) weather: bool,
    /// The next message is damaged.
    pub(in crate::sim) damages: bool,
}
