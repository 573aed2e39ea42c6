//! Deliberate mistakes of a hub that is one node of several, as [`hub/mutation.rs`](mod@super::super::mutation) has them for every hub.
//! They are a list of their own because only a simulation with several hubs can find them.

/// Whether the mistake of this name is made here and now: the one form in which the hub asks.
macro_rules! mutation {
    ($name:ident) => {
        $crate::hub::nodes::mutation::is_active($crate::hub::nodes::mutation::Mutation::$name)
    };
}

pub(crate) use mutation;

rejoin::mutations! {
    "hub/nodes/room_read.rs" {
        SinceFromCopy = "A join is answered from the node's copy, whatever the store has by now.",
        JoinSharesEarlierRead = "A join is answered by a read that began before it was asked for.",
        EarlyNoticeLost = "What is noticed while a room is read is forgotten.",
        UnsureBelieves = "After an interruption what is noticed is taken before the room has been read again.",
        LostNoticeKept = "A notice of what the store has lost since waits for ever, and the room is read for it again and again.",
        HeldUnsaid = "The store is not told what the node has, so that it cannot see that it has lost something.",
        EpochIgnored = "A room that goes on under another epoch goes on under the old one here.",
        InterruptionIgnored = "After an interruption no room is opened again.",
        HeadIgnored = "That a room's newest entry is another one than the copy's changes nothing.",
    }
    "hub/nodes/apply.rs" {
        NoticeUnchecked = "An entry is delivered from a notice whatever number comes next.",
        NoticeTwice = "A notice that comes twice is delivered twice.",
        HoleUnfilled = "What lies before an entry that comes too early is never asked for.",
        ForkUnnoticed = "Another entry under a known number is taken for the known one.",
        EpochOfNoticeIgnored = "An entry of another epoch is taken for one of this.",
    }
    "hub/nodes/send.rs" {
        AckBeforeStore = "A send is acknowledged before the store has it.",
        DedupePerNode = "A repeated send is recognised only by the node that has appended it.",
        FailureAcked = "A send that the store has not answered is acknowledged.",
        RefusalUnremembered = "A final refusal does not use the number up.",
        NeverGivenUp = "A send that the store does not answer waits for ever.",
    }
    "hub/nodes/parked.rs" {
        ParkedReordered = "What waited for a join is carried out in the wrong order.",
        ParkedLost = "What waited for a join is forgotten.",
    }
    "hub/nodes/presence.rs" {
        AttendanceKept = "The members of a node that is silent stay for ever.",
        AttendanceUnrepeated = "A node says only once who is there.",
        MoveFlickers = "A node says that a member has left as soon as the connection is lost.",
        DepartureOfOneNode = "Who leaves one node is told to have left, though still there on another.",
        WholeOnlyAdds = "Whoever a node does not name any more stays.",
        ArrivalElsewhereUntold = "That somebody has come on another node is not told.",
    }
    "hub/nodes/usage.rs" {
        UsageUnreported = "Other nodes are not told what a user has used here.",
        RemoteConnectionsUncounted = "A user may have as many connections on each node as on all of them.",
        RemoteUsageUncounted = "A user may send and join as much on each node as on all of them.",
    }
    "hub/nodes/mod.rs" {
        ControlEchoed = "What every node has to do is handed on by every node.",
        SignalKept = "A signal does not leave its node.",
    }
}
