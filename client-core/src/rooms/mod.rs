//! Desired and confirmed membership of each room, and its receiver. What is desired survives a connection, what is
//! confirmed does not.
//!
//! A sorted `Vec` instead of a map: a client has few rooms, and a map costs 6 KB of wasm.

mod receive;
mod recent_ids;

pub(crate) use receive::{Accepted, LogEntry, LogGap, RoomReceiver};
pub(crate) use recent_ids::RecentIds;

use crate::messages::{Code, Position};
use crate::mutation::mutation;
use crate::time::Timestamp;
use alloc::vec::Vec;

/// What the application wants of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DesiredMembership {
    /// To be a member.
    Joined,
    /// To leave once the sends up to `send_no` are final.
    Leaving { send_no: u64 },
    /// Nothing: it has been left on this connection. Remembered, because a server may not implement leaving at all.
    Left,
}

/// The state of a room on the current connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Membership {
    /// Not requested yet.
    NotRequested,
    /// The join is frame number `frame` of the connection, and request number `request`.
    Joining { frame: u64, request: u64, at: Timestamp },
    /// The server has refused for now; the next attempt is then.
    RetryAt { at: Timestamp },
    /// Extended: confirmed. Plain: the join is written.
    Member,
}

#[derive(Debug)]
pub(crate) struct Room<P, N> {
    pub(crate) name: N,
    pub(crate) desired: DesiredMembership,
    pub(crate) membership: Membership,
    /// Joins that were refused for now or had to be repeated, since something last came of one.
    pub(crate) refusals: u32,
    /// The refusal that the application has been reported of.
    pub(crate) reported_refusal: Option<Code>,
    /// The user's own stream.
    pub(crate) personal: bool,
    /// Messages requested at a first join.
    pub(crate) history: Option<u64>,
    /// Was a member on an earlier connection: coming back to a plain server means that something may have been missed.
    pub(crate) had_messages: bool,
    /// Plain: something of it has come since it was requested. An error about it before that is the answer to the join.
    pub(crate) has_received: bool,
    /// How far it has been received.
    pub(crate) receiver: RoomReceiver<P, N>,
    /// How far the application has processed it.
    pub(crate) committed: Option<Position>,
    /// Who is in it, as far as the server reports.
    pub(crate) members: Option<Vec<N>>,
}

impl<P, N> Room<P, N> {
    fn new(name: N) -> Self {
        Self {
            name,
            desired: DesiredMembership::Joined,
            membership: Membership::NotRequested,
            refusals: 0,
            reported_refusal: None,
            personal: false,
            history: None,
            had_messages: false,
            has_received: false,
            receiver: RoomReceiver::default(),
            committed: None,
            members: None,
        }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.desired == DesiredMembership::Joined
    }

    /// Who is in it, as the server lists them.
    pub(crate) fn set_members(&mut self, members: Option<Vec<N>>)
    where
        N: Ord,
    {
        self.members = members.map(|mut members| {
            crate::sort::sort(&mut members, |one, other| one < other);
            members.dedup();
            members
        });
    }

    /// Whether it is to be joined: a room with sends on their way is left only after them.
    pub(crate) fn is_to_join(&self) -> bool {
        self.desired != DesiredMembership::Left
    }
}

/// Up to so many rooms there is place for just those that there are.
const EXACT_CAPACITY: usize = 4;

#[derive(Debug)]
pub(crate) struct Rooms<P, N> {
    rooms: Vec<Room<P, N>>,
    pub(crate) limit: usize,
}

impl<P, N: Clone + Ord> Rooms<P, N> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { rooms: Vec::new(), limit }
    }

    /// Where the room is, until the next one comes or goes: for what looks at it several times.
    pub(crate) fn position(&self, name: &N) -> Option<usize> {
        self.rooms.binary_search_by(|room| room.name.cmp(name)).ok()
    }

    pub(crate) fn at(&self, at: usize) -> Option<&Room<P, N>> {
        self.rooms.get(at)
    }

    pub(crate) fn at_mut(&mut self, at: usize) -> Option<&mut Room<P, N>> {
        self.rooms.get_mut(at)
    }

    pub(crate) fn get(&self, name: &N) -> Option<&Room<P, N>> {
        self.at(self.position(name)?)
    }

    pub(crate) fn get_mut(&mut self, name: &N) -> Option<&mut Room<P, N>> {
        let at = self.position(name)?;
        self.at_mut(at)
    }

    /// The user's own stream.
    pub(crate) fn personal(&self) -> Option<usize> {
        self.rooms.iter().position(|room| room.personal)
    }

    /// Where the room is, new if it was not known; `None` when there are as many as allowed.
    pub(crate) fn entry(&mut self, name: N) -> Option<usize> {
        if let Some(at) = self.position(&name) {
            return Some(at);
        }
        if self.rooms.len() >= self.limit {
            // Remembering a room that was left is worth less than one that is wanted.
            if !mutation!(LimitCountsLeft) {
                self.rooms.retain(|room| room.desired != DesiredMembership::Left);
            }
            if self.rooms.len() >= self.limit && !mutation!(RoomsUnbounded) {
                return None;
            }
        }
        let at = self.rooms.partition_point(|room| room.name < name);
        if self.rooms.len() < EXACT_CAPACITY {
            // Most clients are in one or two, and the vector's own first step is four.
            self.rooms.reserve_exact(1);
        }
        self.rooms.insert(at, Room::new(name));
        Some(at)
    }

    pub(crate) fn len(&self) -> usize {
        self.rooms.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Room<P, N>> {
        self.rooms.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Room<P, N>> {
        self.rooms.iter_mut()
    }

    /// Forgets the room there.
    pub(crate) fn remove(&mut self, at: usize) {
        if at < self.rooms.len() {
            self.rooms.remove(at);
        }
    }

    /// The connection is gone: nothing is confirmed, and what had been left is forgotten.
    pub(crate) fn connection_lost(&mut self) {
        self.rooms.retain_mut(|room| {
            room.membership = Membership::NotRequested;
            if !mutation!(MembersOutliveConnection) {
                room.members = None;
            }
            room.receiver.connection_lost();
            room.is_to_join()
        });
    }

    /// Bytes that one more message of the room there may have to be buffered: the bound is one for all rooms. The first
    /// one behind a gap is not held: what fetches the gap brings it too, and so this is counted only where there is
    /// one.
    pub(crate) fn buffer_space(&self, at: usize, most: usize, most_bytes: usize) -> Option<usize> {
        self.at(at).filter(|room| !room.receiver.is_caught_up())?;
        let (count, bytes) = self.buffered();
        (count < most + usize::from(mutation!(HoldsOneMore)))
            .then(|| if mutation!(HoldsTooManyBytes) { usize::MAX } else { most_bytes.saturating_sub(bytes) })
    }

    /// Messages buffered in all rooms, and their bytes.
    pub(crate) fn buffered(&self) -> (usize, usize) {
        self.rooms
            .iter()
            .map(|room| room.receiver.buffered())
            .fold((0, 0), |(count, bytes), (c, b)| (count + c, bytes + b))
    }
}
