//! The ids of a room's last messages, by which a forked log or a repeated frame is recognised.

use crate::hash;
use crate::id::Id;
use crate::mutation::mutation;
use alloc::vec::Vec;

/// Places remembered for each room.
const CAPACITY: u64 = 64;

/// Hashes by position. Eight bytes each, because a client may be in hundreds of rooms.
#[derive(Debug, Default)]
pub(crate) struct RecentIds {
    slots: Vec<(u64, u64)>,
}

impl RecentIds {
    /// Remembers the id at a position.
    pub(crate) fn add(&mut self, seq: u64, id: &Id) {
        let at = usize::try_from(seq % if mutation!(FewRemembered) { 4 } else { CAPACITY }).unwrap_or(0);
        if at >= self.slots.len() {
            self.slots.resize(at + 1, (0, 0));
        }
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = (seq, hash::of(id.as_bytes()));
        }
    }

    /// Whether the id is the one that was at that position; `None` when the position is not remembered.
    pub(crate) fn is(&self, seq: u64, id: &Id) -> Option<bool> {
        let at = usize::try_from(seq % if mutation!(FewRemembered) { 4 } else { CAPACITY }).unwrap_or(0);
        let (known, known_hash) = self.slots.get(at)?;
        (*known == seq && seq > 0).then(|| *known_hash == hash::of(id.as_bytes()))
    }

    pub(crate) fn clear(&mut self) {
        self.slots.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_places_are_remembered_by_their_ids() {
        let id = |seq| Id::numbered('m', seq, None);
        let mut recent = RecentIds::default();
        for seq in 1..=100 {
            recent.add(seq, &id(seq));
        }
        assert_eq!(recent.is(100, &id(100)), Some(true));
        assert_eq!(recent.is(100, &id(99)), Some(false));
        assert_eq!(recent.is(37, &id(37)), Some(true));
        assert_eq!(recent.is(36, &id(36)), None);
        assert_eq!(recent.is(101, &id(101)), None);
    }
}
