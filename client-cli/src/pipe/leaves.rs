//! The lines that leave a room and have a `ref`, until they are answered. Leaves nothing itself.

use std::collections::BTreeMap;

/// As many rooms as a client may be in.
const MOST: usize = 256;

/// The last one of each room.
#[derive(Debug, Default)]
pub(super) struct Leaves(BTreeMap<String, String>);

impl Leaves {
    pub(super) fn asked(&mut self, room: String, reference: String) {
        if self.0.len() < MOST || self.0.contains_key(&room) {
            self.0.insert(room, reference);
        }
    }

    /// The room has been left: gives the `ref`.
    pub(super) fn left(&mut self, room: &str) -> Option<String> {
        self.0.remove(room)
    }

    /// Those of rooms that there was no leaving of, with their `ref`s: nobody is in them now either.
    pub(super) fn at_the_end(&mut self) -> BTreeMap<String, String> {
        std::mem::take(&mut self.0)
    }
}
