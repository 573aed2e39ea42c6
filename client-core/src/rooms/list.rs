//! A list of rooms, each with one entry, bounded in number.
//!
//! A sorted `Vec` instead of a map: a client has few rooms, and a map costs 6 KB of wasm.

use crate::mutation::mutation;
use alloc::vec::Vec;

/// What a list and a session look at in a room.
pub(crate) trait RoomEntry {
    type Name: Ord;

    /// A room that is to be joined.
    fn new(name: Self::Name) -> Self;

    fn name(&self) -> &Self::Name;

    fn desired(&self) -> DesiredMembership;

    /// Whether this connection is in it, as far as anybody can tell.
    fn is_member(&self) -> bool;

    fn is_wanted(&self) -> bool {
        self.desired() == DesiredMembership::Joined
    }

    /// Whether it is to be joined: a room with sends on their way is left only after them.
    fn is_to_join(&self) -> bool {
        self.desired() != DesiredMembership::Left
    }
}

/// What the application wants of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DesiredMembership {
    /// To be a member.
    Joined,
    /// To leave once the sends up to `send_no` are final.
    Leaving { send_no: u64 },
    /// Nothing. Remembered, because a server may not implement leaving at all, or a recovered session still be in it.
    Left,
}

/// Up to so many rooms there is place for just those that there are.
const EXACT_CAPACITY: usize = 4;

#[derive(Debug)]
pub(crate) struct RoomList<R> {
    pub(super) rooms: Vec<R>,
    pub(crate) limit: usize,
}

impl<R: RoomEntry> RoomList<R> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { rooms: Vec::new(), limit }
    }

    /// Where the room is, until the next one comes or goes: for what looks at it several times.
    pub(crate) fn position(&self, name: &R::Name) -> Option<usize> {
        self.rooms.binary_search_by(|room| room.name().cmp(name)).ok()
    }

    pub(crate) fn at(&self, at: usize) -> Option<&R> {
        self.rooms.get(at)
    }

    pub(crate) fn at_mut(&mut self, at: usize) -> Option<&mut R> {
        self.rooms.get_mut(at)
    }

    pub(crate) fn get(&self, name: &R::Name) -> Option<&R> {
        self.at(self.position(name)?)
    }

    pub(crate) fn get_mut(&mut self, name: &R::Name) -> Option<&mut R> {
        let at = self.position(name)?;
        self.at_mut(at)
    }

    /// Where the room is, new if it was not known; `None` when there are as many as allowed.
    pub(crate) fn entry(&mut self, name: R::Name) -> Option<usize> {
        if let Some(at) = self.position(&name) {
            return Some(at);
        }
        if self.rooms.len() >= self.limit {
            // Remembering a room that was left is worth less than one that is wanted.
            if !mutation!(LimitCountsLeft) {
                self.rooms.retain(R::is_to_join);
            }
            if self.rooms.len() >= self.limit && !mutation!(RoomsUnbounded) {
                return None;
            }
        }
        let at = self.rooms.partition_point(|room| *room.name() < name);
        if self.rooms.len() < EXACT_CAPACITY {
            // Most clients are in one or two, and the vector's own first step is four.
            self.rooms.reserve_exact(1);
        }
        self.rooms.insert(at, R::new(name));
        Some(at)
    }

    pub(crate) fn len(&self) -> usize {
        self.rooms.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &R> {
        self.rooms.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut R> {
        self.rooms.iter_mut()
    }

    pub(crate) fn retain_mut(&mut self, keep: impl FnMut(&mut R) -> bool) {
        self.rooms.retain_mut(keep);
    }

    /// Forgets the room there.
    pub(crate) fn remove(&mut self, at: usize) {
        if at < self.rooms.len() {
            self.rooms.remove(at);
        }
    }
}
