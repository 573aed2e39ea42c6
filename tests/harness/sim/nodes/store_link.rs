//! The link between one node and the store: pending requests in order, and its faults.

use crate::sim::Micros;
use rejoin::Id;
use rejoin_server::hub::shared::StoreRequest;
use std::collections::VecDeque;

/// Something asked by one process of a node.
#[derive(Debug)]
pub(in crate::sim) struct Asked {
    /// When it reaches the store, at the earliest.
    pub(in crate::sim) at: Micros,
    /// When it was asked.
    pub(in crate::sim) made: Micros,
    /// Which process of the node has asked, and by what name.
    pub(in crate::sim) process: u64,
    pub(in crate::sim) name: Id,
    /// What.
    pub(in crate::sim) request: StoreRequest,
}

/// The wire.
#[derive(Debug, Default)]
pub(in crate::sim) struct StoreLink {
    /// What is on its way up, or waits for a store that stands still.
    pub(in crate::sim) asked: VecDeque<Asked>,
    /// How many processes this node has had.
    pub(in crate::sim) process: u64,
    /// Answers and notices come in order, unless something is wrong.
    pub(in crate::sim) answered_at: Micros,
    pub(in crate::sim) noticed_at: Micros,
    /// Everything takes so much longer until then.
    pub(in crate::sim) slow: (Micros, Micros),
    /// The two do not reach each other until then.
    pub(in crate::sim) cut_until: Micros,
    /// So many sends are carried out and said to have failed; so many requests are dropped and said to have failed.
    pub(in crate::sim) unknown: u8,
    pub(in crate::sim) dropped: u8,
    /// So many answers come so much later.
    pub(in crate::sim) late: (u8, Micros),
    /// So many notices are lost, come twice, come late.
    pub(in crate::sim) lost: u8,
    pub(in crate::sim) doubled: (u8, Micros),
    pub(in crate::sim) overtaken: (u8, Micros),
    /// The process dies with the next entry that is appended for it, for so long.
    pub(in crate::sim) dies_at_append: Option<Micros>,
}

impl StoreLink {
    /// How much longer everything takes now.
    pub(in crate::sim) fn slowness(&self, now: Micros) -> Micros {
        if now < self.slow.1 { self.slow.0 } else { 0 }
    }

    /// Whether the two reach each other now.
    pub(in crate::sim) fn is_cut(&self, now: Micros) -> bool {
        now < self.cut_until
    }

    /// Nothing is wrong any more. What is on its way stays there.
    pub(in crate::sim) fn calms(&mut self) {
        let Self { asked, process, answered_at, noticed_at, .. } = std::mem::take(self);
        *self = Self { asked, process, answered_at, noticed_at, ..Self::default() };
    }
}

/// Whether one more is due; counts it.
pub(in crate::sim) fn counts(left: &mut u8) -> bool {
    let due = *left > 0;
    *left = left.saturating_sub(1);
    due
}
