//! Records which interesting states runs have reached. A simulation that never reaches difficult states proves nothing, so each of them
//! must occur within twenty thousand seeds.

use super::nodes::Amid;

macro_rules! sometimes {
    ($states:ident; $($name:ident = $text:literal,)*) => {
        /// A state that some seed must reach.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each has its text")]
        pub enum $states { $($name,)* }

        impl $states {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What it is, in words.
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}
pub(super) use sometimes;

sometimes! {
    Sometimes;
    Kicked = "a user was removed by the operator",
    PostedAgain = "a post was made again and recognised",
    SioPolls = "Socket.IO went over long polling, since something blocked WebSockets",
    SioMadeAgain = "a Socket.IO send that may come twice was made again",
    AckBeforeEcho = "ack came before the own message",
    EchoBeforeAck = "own message came before the ack",
    DupAck = "a repeated send got the old answer",
    AckLostAfterCommit = "ack lost after the commit, then acked",
    CrashAfterCommit = "server died between commit and ack, then acked",
    UnknownAfterNewEpoch = "unknown after the room began a new epoch",
    UnknownButAppended = "unknown, and it had been appended",
    UnknownAndNotAppended = "unknown, and it had not been appended",
    UnknownAfterFork = "unknown after a fork",
    Renumbered = "renumbered under a new producer",
    ThreeConnections = "sent over three connections before its outcome",
    RateLimitedThenAcked = "nack rate_limited, then acked",
    NotJoinedThenAcked = "nack not_joined, then acked",
    SequenceGapNack = "nack sequence_gap",
    UnknownProducerNack = "nack unknown_producer",
    RefusedForGood = "a final nack",
    AckedAfterRefusal = "a send acked after a final nack in the same room",
    HeldThenReleased = "messages held behind a hole were released by history",
    HistoryIncomplete = "history said that its first messages are gone",
    HistoryPaged = "a long absence was paged with history",
    GapTrimmed = "gap: trimmed",
    GapNewEpoch = "gap: epoch changed",
    GapForked = "gap: forked",
    GapUnavailable = "gap: unavailable",
    GapReconnected = "gap: plain reconnect",
    RecoveredSome = "rejoin recovered with a replay",
    RecoveredNone = "rejoin recovered with nothing to replay",
    ForkAtJoin = "fork found by a join",
    TwoSockets = "two sockets in a hand-over",
    HandoverUnanswered = "hand-over with unanswered sends",
    HandoverDone = "hand-over completed before the old server went",
    HandoverDialFailed = "hand-over whose new dial failed",
    HandoverTooLate = "the old server went before the new connection was there",
    AckOnOldConnection = "ack on the old connection after the new one opened",
    RestoredDupAck = "restart: sent again from disk, and it had been appended",
    RestoredFirst = "restart: sent from disk for the first time",
    RestoredUnknown = "restart: a stored send resolved unknown",
    ComesAgain = "restart: messages after the committed position came again",
    CrashBeforeSend = "client died between storing and sending",
    HorizonPassed = "unknown because its time was over",
    RefreshedInBand = "token refreshed without a reconnect",
    TokenRefused = "token refused, another one fetched",
    LateHello = "a late hello upgraded a connection",
    Downgraded = "from an extended to a plain server",
    Upgraded = "from a plain to an extended server",
    BusyThenCaughtUp = "a slow application was rewound and caught up",
    LeftAndCameBack = "left a room and joined it again",
    Notified = "notification live",
    NotifiedLater = "notification recovered after an absence",
    Signalled = "a signal arrived",
    UserLeft = "a member was gone for longer than the grace",
    Returned = "a member returned within the grace",
    PresenceTold = "presence answered",
    TooLargeClose = "closed with 1009 with sends unanswered",
    CancelledInTime = "cancelled before it was on its way",
    CancelledTooLate = "cancelled on its way: unknown",
    SentWhileFailed = "a send while closed or failed",
    SentOffline = "sent without a connection, acked later",
    Suspended = "the loss outlasted what can be recovered",
    FrozenServerOutlived = "a connection outlived a frozen server",
    DeadPeer = "a half-open connection was found by asking",
    Terminal = "a terminal close code",
    MixedRoom = "plain and extended connections in one room",
    AgainDropped = "a repeated message was dropped",
    JoinedForgotten = "the answer to a join never came",
    StaleOpened = "a dial given up was reported open",
    BothInHandover = "two connections of one user in one room",
    Restarted = "a client restarted from its disk",
    Drained = "a server drained and restarted",
    EpochEndedLive = "a log began anew on a server that lived on",
    Struck = "an aimed fault struck",
    StruckReader = "a fault aimed at a reader struck",
    StruckSio = "a fault aimed at a Socket.IO client struck",
    AnsweredStubbornly = "a server had only one answer for a while",
    OtherUser = "a stored state was taken up by another user",
    OtherVersion = "a gateway of another version allowed less",
    GaveWay = "a send gave way to a later one",
    ReaderTrimmed = "a reader was told that messages are gone",
    ReaderNewEpoch = "a reader was told of a new epoch",
    ReaderForked = "a reader was told of a fork",
    ReaderMissed = "a reader found a hole that nobody told",
    ReaderFindsDead = "a reader gave up a silent stream",
    ReaderGivenUp = "a reader that takes nothing was given up",
    ReaderCaughtUp = "a reader was where its log was in the end",
    SioOwnAnswered = "an own event of a Socket.IO client was answered",
    SioAnswersOwn = "an application answered an own event of a Socket.IO server",
    SioInNamespace = "a namespace beside the first let a Socket.IO client in",
    SioOpenedAnew = "a namespace that was left was opened anew",
    SioRestored = "a Socket.IO session was recovered by the server",
    SioRecovered = "a Socket.IO client was told that a room is recovered",
    SioGap = "a Socket.IO client was told of a gap",
    SioUnknown = "a send of a Socket.IO client is unknown",
    ThrownOutRefusing = "a slow client was thrown out; its outbox refuses what is too much",
    ThrownOutDropping = "a slow client was thrown out; its outbox gives up the oldest",
    ReaderGoesOn = "a new process of a reader went on from its disk",
}

/// The states reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Coverage {
    usual: u128,
    /// Those that only several nodes can reach.
    amid: u32,
}

impl Coverage {
    /// A state was reached.
    pub fn reach(&mut self, state: Sometimes) {
        self.usual |= 1 << state as u32;
    }

    /// Whether it was.
    pub fn has(self, state: Sometimes) -> bool {
        self.usual >> state as u32 & 1 == 1
    }

    /// A state of several nodes was reached.
    pub fn reach_amid(&mut self, state: Amid) {
        self.amid |= 1 << state as u32;
    }

    /// Whether it was.
    pub fn has_amid(self, state: Amid) -> bool {
        self.amid >> state as u32 & 1 == 1
    }

    /// The states of both.
    pub fn join(&mut self, other: Self) {
        self.usual |= other.usual;
        self.amid |= other.amid;
    }
}

const _: () = assert!(Sometimes::ALL.len() <= 128 && Sometimes::ALL.len() >= 40 && Amid::ALL.len() <= 32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_kept_apart_and_joined() {
        let mut one = Coverage::default();
        one.reach(Sometimes::ALL[0]);
        let mut last = Coverage::default();
        last.reach(Sometimes::ALL[Sometimes::ALL.len() - 1]);
        assert!(!one.has(Sometimes::ALL[1]) && !last.has(Sometimes::ALL[0]));
        one.join(last);
        assert!(one.has(Sometimes::ALL[0]) && one.has(Sometimes::ALL[Sometimes::ALL.len() - 1]));
    }
}
