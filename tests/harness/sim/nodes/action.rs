//! Faults of the store that several nodes share, and of the links to it.

use crate::sim::Micros;

/// One fault. A node is named by its place.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "each has its text")]
pub enum NodeAction {
    /// Everything between a node and the store takes so much longer, for a time.
    Slow { node: usize, by: Micros, time: Micros },
    /// The store carries nothing out for a time, and everything afterwards.
    Stall { time: Micros },
    /// The store refuses everything for a time.
    Refuse { time: Micros },
    /// So many sends of a node are carried out, and it is told that this is not known.
    Unknown { node: usize, count: u8 },
    /// So many requests of a node are not carried out, and it is told that this is not known.
    Dropped { node: usize, count: u8 },
    /// So many answers to a node come so much later than they should.
    Late { node: usize, count: u8, by: Micros },
    /// A node and the store do not reach each other for a time.
    Partition { node: usize, time: Micros },
    /// So many notices to a node are lost.
    LoseNotices { node: usize, count: u8 },
    /// So many notices to a node come twice, the second time so much later.
    DoubleNotices { node: usize, count: u8, by: Micros },
    /// So many notices to a node come so much later than what follows them.
    LateNotices { node: usize, count: u8, by: Micros },
    /// A copy takes over that lacks the newest entries of each room, and everybody is connected anew.
    Failover { count: usize },
    /// The store begins empty, and everybody is connected anew.
    Emptied,
    /// A node is told that its notices may have been interrupted, and nothing was.
    Interrupted { node: usize },
    /// A node dies with the next send that is appended for it, before it learns of it.
    DiesAtAppend { node: usize, down: Micros },
}
