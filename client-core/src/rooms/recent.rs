//! Which ids the last messages of a room had, so that a forked log or a repeated frame is recognised.

use alloc::vec::Vec;

/// Places remembered for each room.
const REMEMBERED: u64 = 64;

/// Hashes by place. Eight bytes each, because a client may be in hundreds of rooms.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    slots: Vec<(u64, u64)>,
}

impl Recent {
    /// Remembers the id at a place.
    pub(crate) fn add(&mut self, seq: u64, id: &str) {
        let at = usize::try_from(seq % REMEMBERED).unwrap_or(0);
        if at >= self.slots.len() {
            self.slots.resize(at + 1, (0, 0));
        }
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = (seq, hash(id));
        }
    }

    /// Whether the id is the one that was at that place; `None` when the place is not remembered.
    pub(crate) fn is(&self, seq: u64, id: &str) -> Option<bool> {
        let at = usize::try_from(seq % REMEMBERED).unwrap_or(0);
        let (known, known_hash) = self.slots.get(at)?;
        (*known == seq && seq > 0).then(|| *known_hash == hash(id))
    }

    pub(crate) fn clear(&mut self) {
        self.slots.clear();
    }
}

/// FNV-1a: ids are the server's own, nobody gains by a collision.
fn hash(id: &str) -> u64 {
    id.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_places_are_remembered_by_their_ids() {
        let mut recent = Recent::default();
        for seq in 1..=100 {
            recent.add(seq, &alloc::format!("m{seq}"));
        }
        assert_eq!(recent.is(100, "m100"), Some(true));
        assert_eq!(recent.is(100, "other"), Some(false));
        assert_eq!(recent.is(37, "m37"), Some(true));
        assert_eq!(recent.is(36, "m36"), None);
        assert_eq!(recent.is(101, "m101"), None);
    }
}
