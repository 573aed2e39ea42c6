//! The last position that the hub was told of each open room. The hub judges them.

use rejoin::Name;
use rejoin::messages::Epoch;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The newest entry that the hub was told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) epoch: Epoch,
    pub(super) head: u64,
}

/// Of all open rooms.
#[derive(Debug, Default)]
pub(super) struct Positions(Mutex<BTreeMap<Name, Position>>);

impl Positions {
    /// The hub is told of the room as it is.
    pub(super) fn opened(&self, room: &Name, epoch: Epoch, head: u64) {
        self.lock().insert(room.clone(), Position { epoch, head });
    }

    /// The hub is told of an entry. Rooms that are not open are of no interest.
    pub(super) fn logged(&self, room: &Name, epoch: &Epoch, seq: u64) {
        if let Some(position) = self.lock().get_mut(room) {
            if position.epoch == *epoch {
                position.head = position.head.max(seq);
            } else {
                *position = Position { epoch: epoch.clone(), head: seq };
            }
        }
    }

    pub(super) fn closed(&self, room: &Name) {
        self.lock().remove(room);
    }

    pub(super) fn get(&self, room: &Name) -> Option<Position> {
        self.lock().get(room).cloned()
    }

    /// So many of the rooms behind this one.
    pub(super) fn after(&self, room: Option<&Name>, most: usize) -> Vec<Name> {
        use std::ops::Bound;
        let start = room.map_or(Bound::Unbounded, Bound::Excluded);
        self.lock()
            .range::<Name, _>((start, Bound::Unbounded))
            .take(most)
            .map(|(room, _)| room.clone())
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, Position>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
