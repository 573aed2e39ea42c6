//! Wanted versus confirmed membership. What is wanted survives connections, what is confirmed does not.
//!
//! A sorted `Vec` instead of a map: a client has few rooms, and a map costs 6 KB of wasm.

use alloc::vec::Vec;

/// How it stands with a room on the current connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Membership {
    /// No connection, or not asked yet.
    Absent,
    /// The join is frame number `frame` of the connection.
    Joining { frame: u64 },
    /// The join is written.
    Member,
    /// To be left once the sends up to `serial` are final.
    Leaving { serial: u64 },
    /// Left on this connection. Remembered, because a server may not implement leaving at all.
    Left,
}

#[derive(Debug, Clone)]
pub(crate) struct Room<N> {
    pub(crate) name: N,
    pub(crate) membership: Membership,
    /// Was a member on an earlier connection: coming back means that something may have been missed.
    pub(crate) seen_before: bool,
}

impl<N> Room<N> {
    pub(crate) fn is_wanted(&self) -> bool {
        !matches!(self.membership, Membership::Leaving { .. } | Membership::Left)
    }
}

#[derive(Debug)]
pub(crate) struct Rooms<N> {
    rooms: Vec<Room<N>>,
    limit: usize,
}

impl<N: Clone + Ord> Rooms<N> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { rooms: Vec::new(), limit }
    }

    pub(crate) fn get(&self, name: &N) -> Option<&Room<N>> {
        let at = self.rooms.binary_search_by(|room| room.name.cmp(name)).ok()?;
        self.rooms.get(at)
    }

    pub(crate) fn get_mut(&mut self, name: &N) -> Option<&mut Room<N>> {
        let at = self.rooms.binary_search_by(|room| room.name.cmp(name)).ok()?;
        self.rooms.get_mut(at)
    }

    /// The room, wanted from now on; `None` when there are as many as allowed.
    pub(crate) fn want(&mut self, name: N) -> Option<&mut Room<N>> {
        let at = match self.rooms.binary_search_by(|room| room.name.cmp(&name)) {
            Ok(at) => at,
            Err(at) => {
                if self.rooms.len() >= self.limit {
                    // Remembering a room that was left is worth less than one that is wanted.
                    self.rooms.retain(|room| room.membership != Membership::Left);
                    if self.rooms.len() >= self.limit {
                        return None;
                    }
                }
                let at = at.min(self.rooms.partition_point(|room| room.name < name));
                self.rooms.insert(at, Room { name, membership: Membership::Absent, seen_before: false });
                at
            }
        };
        self.rooms.get_mut(at)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Room<N>> {
        self.rooms.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Room<N>> {
        self.rooms.iter_mut()
    }

    /// The connection is gone: nothing is confirmed, and who was leaving has left. Gives those.
    pub(crate) fn connection_lost(&mut self) -> Vec<N> {
        let mut left = Vec::new();
        self.rooms.retain_mut(|room| match room.membership {
            Membership::Leaving { .. } => {
                left.push(room.name.clone());
                false
            }
            Membership::Left => false,
            _ => {
                room.membership = Membership::Absent;
                true
            }
        });
        left
    }
}
