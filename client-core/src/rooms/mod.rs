//! Desired and confirmed membership of each room, and its receiver. What is desired survives a connection, what is
//! confirmed does not.

mod list;
mod receive;
mod recent_ids;

pub(crate) use list::{DesiredMembership, RoomEntry, RoomList};
pub(crate) use receive::{Accepted, LogEntry, LogGap, RoomReceiver};
pub(crate) use recent_ids::RecentIds;

use crate::messages::{Code, Position};
use crate::mutation::mutation;
use crate::time::Timestamp;
use alloc::vec::Vec;

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

impl<P, N: Ord> RoomEntry for Room<P, N> {
    type Name = N;

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

    fn name(&self) -> &N {
        &self.name
    }

    fn desired(&self) -> DesiredMembership {
        self.desired
    }

    fn is_member(&self) -> bool {
        self.membership == Membership::Member
    }
}

impl<P, N: Ord> Room<P, N> {
    /// Who is in it, as the server lists them.
    pub(crate) fn set_members(&mut self, members: Option<Vec<N>>) {
        self.members = members.map(|mut members| {
            crate::sort::sort(&mut members, |one, other| one < other);
            members.dedup();
            members
        });
    }
}

impl<P, N: Clone + Ord> RoomList<Room<P, N>> {
    /// The user's own stream.
    pub(crate) fn personal(&self) -> Option<usize> {
        self.rooms.iter().position(|room| room.personal)
    }

    /// The connection is gone: nothing is confirmed, and what had been left is forgotten.
    pub(crate) fn connection_lost(&mut self) {
        self.retain_mut(|room| {
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
