//! Desired and confirmed membership of each room.

use crate::messages::Code;
use crate::mutation::mutation;
use crate::rooms::{DesiredMembership, RoomEntry, RoomList};
use crate::time::Timestamp;

/// The state of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Membership {
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
pub(crate) struct Room<N> {
    pub(super) name: N,
    pub(super) desired: DesiredMembership,
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

impl<N: Ord> RoomEntry for Room<N> {
    type Name = N;

    fn new(name: N) -> Self {
        Self {
            name,
            desired: DesiredMembership::Joined,
            membership: Membership::Absent,
            seen_before: false,
            joined_before: false,
            confirmed: false,
            was_left: false,
            overdue: None,
            refusals: 0,
            told: None,
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

impl<N> Room<N> {
    pub(super) fn is_joining(&self) -> bool {
        matches!(self.membership, Membership::Joining { .. } | Membership::Written { .. })
    }
}

impl<N: Clone + Ord> RoomList<Room<N>> {
    /// The connection is gone. What a recovered session would have is remembered if it `may_recover`.
    pub(super) fn connection_lost(&mut self, may_recover: bool) {
        self.retain_mut(|room| {
            room.membership = match room.membership {
                Membership::Member | Membership::Suspended
                    if may_recover && (room.confirmed || mutation!(SioUnconfirmedKept)) =>
                {
                    Membership::Suspended
                }
                // Whether the server has heard of the leave nobody knows.
                _ if may_recover
                    && room.desired == DesiredMembership::Left
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
