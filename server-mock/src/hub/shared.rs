//! The interface between a hub and a store that several nodes share. Owns the types and their rules; decides nothing and
//! does no I/O.
//!
//! A hub with [`HubConfig::node`](super::HubConfig::node) set is one node of several. Its own
//! [`Store`](super::Store) is then a copy of the rooms that somebody on this node is in; the shared store is the only
//! authority. The hub hands out an [`Output::Store`](super::Output::Store) and goes on; the answer comes later as
//! [`Input::StoreResponse`](super::Input::StoreResponse), what other nodes did as [`Input::StoreNotice`](super::Input::StoreNotice).
//!
//! Rules for whoever carries out requests:
//! - Requests of one node about one room are carried out in the order in which they were made.
//! - A request that cannot be handed over or carried out is answered at once by [`StoreResponse::Failed`]; the hub waits five
//!   seconds for an answer, and uses a later one only for what it says of the room.
//! - Each request with a [`RequestId`] is answered once. An answer may be [`StoreResponse::Failed`], after which it is not
//!   known whether the request was carried out.
//! - A request is atomic: dedupe, number, entry, remembered answer and notice are one step.
//! - Notices may be lost, doubled or late. The hub checks that numbers are continuous and asks again when they are not.

use super::log::LogEntry;
use rejoin::messages::{Code, Epoch, Signal};
use rejoin::{Id, Name};
use std::time::Duration;

/// A request's number. The hub never uses one twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// The newest entry that a node has of a room. The store compares it with what it has: a smaller number, or another id
/// at that number, in the same epoch shows that the store has lost entries. It then begins a new epoch, empty, before it
/// does anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownHead {
    /// The life of the log.
    pub epoch: Epoch,
    /// The newest entry's number; 0 if there was none.
    pub head: u64,
    /// Its id; `None` if there was none.
    pub id: Option<Id>,
}

/// Which send of which producer it is (protocol.md §2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendKey {
    /// Whose producer; `None` for a backend's idempotency keys, which no user can name.
    pub user: Option<Name>,
    /// The producer.
    pub pid: Id,
    /// Its number there, from 1.
    pub pseq: u64,
    /// The epoch that the client named. The first send of a producer is accepted only under the current one. `None`: any.
    pub epoch: Option<Epoch>,
}

/// What to do with a send that was not decided before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Append it. `seq` and `timestamp` are the store's to set: by its own clock, so that a node whose clock is wrong
    /// does not matter.
    Append(Box<LogEntry>),
    /// Refuse it. For good: its number is used up and the answer remembered, if the producer is known. By a temporary code
    /// ([`Code::is_temporary`]): neither, and it may be made again.
    Refuse(Code),
}

/// One change of who is in a room on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPresence {
    /// Who.
    pub user: Name,
    /// Comes, or is still there; `false`: has left.
    pub is_present: bool,
}

/// A user who is in a room on another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteMember {
    /// On which node.
    pub node: Id,
    /// Who.
    pub user: Name,
    /// For so long, if the node does not say it again.
    pub expires_in: Duration,
}

/// What every node has to do, whoever was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// As [`Input::Kick`](super::Input::Kick).
    Kick {
        /// Whom.
        user: Name,
        /// For how long from now; zero ends an earlier ban.
        ban: Option<Duration>,
    },
    /// As [`Input::Remove`](super::Input::Remove).
    Remove {
        /// Out of which room.
        room: Name,
        /// Whom.
        user: Name,
    },
}

/// What a user has used of a limit that all nodes share.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Consumption {
    /// So much since the node's last report of the user.
    pub used: u32,
    /// So much of it is free again after a second, in thousandths; 0 without a limit.
    pub refill_milli: u64,
}

/// A user's share of the limits that is used up on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageReport {
    /// Whose.
    pub user: Name,
    /// Open connections there.
    pub connections: u32,
    /// They count for so long, if the node does not report them again.
    pub expires_in: Duration,
    /// Messages.
    pub sends: Consumption,
    /// Joins, and what is limited like them.
    pub joins: Consumption,
}

/// What the hub asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreRequest {
    /// Read a room as it is now, and tell this node of what happens there from now on, the notices first: nothing may lie
    /// between the answer and the first notice. A room that is not there is made under `fresh`. Answered by
    /// [`StoreResponse::Opened`].
    Open {
        /// Its number.
        request_id: RequestId,
        /// Which room; a personal stream is `@` and its user's name.
        room: Name,
        /// What this node has of it. Of the same life only what is newer is read.
        known_head: Option<KnownHead>,
        /// The epoch under which the room begins, if it has to.
        new_epoch: Epoch,
    },
    /// Decide a send. Answered by [`StoreResponse::Appended`] or [`StoreResponse::Refused`]. Needs no `Open` before it.
    Append {
        /// Its number.
        request_id: RequestId,
        /// Which room.
        room: Name,
        /// What this node has of it.
        known_head: Option<KnownHead>,
        /// The epoch under which the room begins, if it has to.
        new_epoch: Epoch,
        /// Which send it is; `None` if it has no number, so that none is recognised.
        send: Option<SendKey>,
        /// What to do with it, if it was not decided before.
        decision: Decision,
    },
    /// Say who is in a room on this node. Repeated well before [`PRESENCE_TTL`] has passed. Not answered.
    UpdatePresence {
        /// Which room.
        room: Name,
        /// The changes, or everybody if `whole`.
        users: Vec<UserPresence>,
        /// Whoever is not named has left.
        is_snapshot: bool,
    },
    /// Hand a signal to the other nodes; it is not stored. Not answered.
    Signal(Signal),
    /// Nobody on this node is in the room any more: no notices of it are wanted. Not answered. It may come for a room
    /// whose [`StoreRequest::Open`] has failed.
    Close {
        /// Which room.
        room: Name,
    },
    /// Add up what a user has used, and say what is used on all nodes ([`StoreNotice::Usage`]). Not answered otherwise: while
    /// the store is away, each node limits its users alone.
    ReportUsage(UsageReport),
    /// Hand this to every other node. Bans are remembered for nodes that start later. Not answered.
    Control(Control),
}

impl StoreRequest {
    /// Its number, if it is answered.
    pub fn request_id(&self) -> Option<RequestId> {
        match self {
            Self::Open { request_id, .. } | Self::Append { request_id, .. } => Some(*request_id),
            Self::UpdatePresence { .. }
            | Self::Signal(_)
            | Self::Close { .. }
            | Self::ReportUsage(_)
            | Self::Control(_) => None,
        }
    }
}

/// A node that has said nothing of a room for so long has nobody there.
pub const PRESENCE_TTL: Duration = Duration::from_secs(60);

/// A room as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomState {
    /// The life of its log.
    pub epoch: Epoch,
    /// The newest entry's number.
    pub head: u64,
    /// Entries without a hole up to `head`, the oldest first: those behind [`KnownHead::head`] if that was of the same life,
    /// everything that is kept otherwise.
    pub entries: Vec<LogEntry>,
    /// Number and id of the last entry before these: 0 and `None` if there was none.
    pub preceding: (u64, Option<Id>),
    /// Who is there on other nodes.
    pub remote_members: Vec<RemoteMember>,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreResponse {
    /// The room was read.
    Opened(RoomState),
    /// The send is in the log.
    Appended {
        /// The life of the log.
        epoch: Epoch,
        /// The entry: the one of this request, or of the first one if `dup` (then `None` if it is not kept any more).
        entry: Option<Box<LogEntry>>,
        /// Its id.
        id: Id,
        /// Its number.
        seq: u64,
        /// It had been before.
        dup: bool,
    },
    /// The send is not in the log.
    Refused {
        /// Why: `unknown_producer`, `sequence_gap`, the code that was asked for, or with `dup` the one that was remembered.
        code: Code,
        /// With `sequence_gap`: the number that the producer goes on with.
        expected: Option<u64>,
        /// It had been decided before.
        dup: bool,
    },
    /// The store does not answer, or cannot do it now. Whether it was carried out is not known.
    Failed,
}

/// What came from the store without being asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreNotice {
    /// An entry was appended, by whichever node, this one included.
    Appended {
        /// Where.
        room: Name,
        /// The life of the log.
        epoch: Epoch,
        /// The entry.
        entry: Box<LogEntry>,
    },
    /// The room is under this epoch and has this newest entry: found when heads were compared, or after the notices may
    /// have been interrupted.
    Head {
        /// Where.
        room: Name,
        /// The life of the log.
        epoch: Epoch,
        /// The newest entry's number.
        head: u64,
    },
    /// Who is in a room on another node.
    Presence {
        /// Which room.
        room: Name,
        /// On which node.
        node: Id,
        /// The changes, or everybody if `whole`.
        users: Vec<UserPresence>,
        /// Whoever is not named has left that node.
        is_snapshot: bool,
    },
    /// A signal from another node.
    Signal(Signal),
    /// Notices may have been lost in every room, or begin again: the hub opens its rooms anew, without any hurry that
    /// would flood the store, and says who is there.
    Interrupted,
    /// What a user has used of the limits that all nodes share, as it was when this node last reported it.
    Usage {
        /// Who.
        user: Name,
        /// Open connections on other nodes.
        remote_connections: u32,
        /// Messages on all nodes that are not yet free again, in thousandths.
        sends_milli: u64,
        /// The same for joins.
        joins_milli: u64,
    },
    /// Every node has to do this.
    Control(Control),
}
