//! Desired and confirmed membership. A sorted `Vec`: a client has few rooms.

use crate::messages::Code;
use crate::mutation::mutation;
use crate::time::Timestamp;
use alloc::vec::Vec;

/// What the application wants of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DesiredMembership {
    /// To be a member.
    Joined,
    /// To leave once the sends up to that number are final.
    Leaving { send_no: u64 },
    /// Nothing. Remembered, because a server may not implement leaving, or a recovered session still be in it.
    Left,
}

/// The state of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Membership {
    /// Not requested on this connection.
    Absent,
    /// Not a member now, but of the session that was lost: if it is recovered, so is this.
    Suspended,
    /// Requested. Without an answer until then it counts as joined: not every server answers.
    Joining { ack: u64, until: Timestamp },
    /// Refused for now: to be requested again then.
    Later { at: Timestamp },
    /// Requested in that frame, where no answers are wanted.
    Written { frame: u64 },
    /// Member.
    Member,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the stay")]
pub(super) struct Room<N> {
    pub(super) name: N,
    pub(super) wanted: DesiredMembership,
    pub(super) membership: Membership,
    /// Was a member before, or has received something: coming back means that something may have been missed.
    pub(super) seen_before: bool,
    /// Was a member before.
    pub(super) joined_before: bool,
    /// The server has shown that the session is in it, as it would be recovered: a join that was only written may be
    /// lost with the connection.
    pub(super) confirmed: bool,
    /// It was left on this connection and requested again: what is received may be of the stay before.
    pub(super) was_left: bool,
    /// The ack of the join that counts as done because no answer came in time. A refusal may still come.
    pub(super) overdue: Option<u64>,
    /// Times in a row that it was refused for now.
    pub(super) refusals: u32,
    /// The reason of that which has been reported.
    pub(super) told: Option<Code>,
}

impl<N> Room<N> {
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted == DesiredMembership::Joined
    }

    /// A room that is to be left is a room still.
    pub(super) fn is_to_join(&self) -> bool {
        self.wanted != DesiredMembership::Left
    }

    pub(super) fn is_joining(&self) -> bool {
        matches!(self.membership, Membership::Joining { .. } | Membership::Written { .. })
    }
}

#[derive(Debug)]
pub(super) struct Rooms<N> {
    rooms: Vec<Room<N>>,
    limit: usize,
}

impl<N: Clone + Ord> Rooms<N> {
    pub(super) fn new(limit: usize) -> Self {
        Self { rooms: Vec::new(), limit }
    }

    pub(super) fn position(&self, name: &N) -> Option<usize> {
        self.rooms.binary_search_by(|room| room.name.cmp(name)).ok()
    }

    pub(super) fn at_mut(&mut self, at: usize) -> Option<&mut Room<N>> {
        self.rooms.get_mut(at)
    }

    pub(super) fn get(&self, name: &N) -> Option<&Room<N>> {
        self.rooms.get(self.position(name)?)
    }

    pub(super) fn get_mut(&mut self, name: &N) -> Option<&mut Room<N>> {
        let at = self.position(name)?;
        self.rooms.get_mut(at)
    }

    /// The room's place, new if it was not known; `None` when there are as many as allowed.
    pub(super) fn entry(&mut self, name: N) -> Option<usize> {
        if let Some(at) = self.position(&name) {
            return Some(at);
        }
        if self.rooms.len() >= self.limit {
            // Remembering a room that was left is worth less than one that is wanted.
            self.rooms.retain(Room::is_to_join);
            if self.rooms.len() >= self.limit {
                return None;
            }
        }
        let at = self.rooms.partition_point(|room| room.name < name);
        let (wanted, membership) = (DesiredMembership::Joined, Membership::Absent);
        let (seen_before, joined_before, confirmed, was_left) = (false, false, false, false);
        let (overdue, refusals, told) = (None, 0, None);
        let room = Room {
            name,
            wanted,
            membership,
            seen_before,
            joined_before,
            confirmed,
            was_left,
            overdue,
            refusals,
            told,
        };
        self.rooms.insert(at, room);
        Some(at)
    }

    pub(super) fn remove(&mut self, at: usize) {
        if at < self.rooms.len() {
            self.rooms.remove(at);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Room<N>> {
        self.rooms.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.rooms.len()
    }

    /// The connection is gone. What a recovered session would have is remembered if it `may_recover`.
    pub(super) fn connection_lost(&mut self, may_recover: bool) {
        self.rooms.retain_mut(|room| {
            room.membership = match room.membership {
                Membership::Member | Membership::Suspended
                    if may_recover && (room.confirmed || mutation!(SioUnconfirmedKept)) =>
                {
                    Membership::Suspended
                }
                // Whether the server has heard of the leave nobody knows.
                _ if may_recover
                    && room.wanted == DesiredMembership::Left
                    && !mutation!(SioLeftForgotten) =>
                {
                    Membership::Suspended
                }
                Membership::Member if mutation!(SioStaysMember) => Membership::Member,
                _ => Membership::Absent,
            };
            room.confirmed &= room.membership == Membership::Suspended;
            (room.overdue, room.was_left) = (None, false);
            room.is_to_join() || may_recover
        });
    }

    /// A new session has begun: nothing of the lost one counts.
    pub(super) fn begin_anew(&mut self) {
        self.connection_lost(false);
    }
}
