//! Deliberate mistakes. Each one breaks a rule of the protocol in one place; a checker that does not find it checks
//! nothing. Without the feature `bugs` none of them can be made, and `mutation!` is constant.
//!
//! A mistake belongs to the thread that makes it, so no configuration has to carry it to the place where it is made.

/// Whether the mistake of this name is made here and now: the one form in which the hub asks.
macro_rules! mutation {
    ($name:ident) => {
        $crate::hub::mutation::is_active($crate::hub::mutation::Mutation::$name)
    };
}

pub(crate) use mutation;

rejoin::mutations! {
    "hub/send.rs" {
        NoDedupe = "A repeated send is appended again.",
        DedupeForgottenEarly = "A line is forgotten a few seconds after its last send.",
        AnswerOfAnotherSend = "A repeated send is answered by the answer to another one.",
        UnknownProducerAccepted = "A send in the middle of a line that the server does not know is appended.",
        GapInSequenceAccepted = "A send is appended although an earlier one of its line is missing.",
        AckBeforeAppend = "A send is acknowledged, and then sometimes not appended.",
        NackedButAppended = "A refused send is appended all the same.",
        RefusalConsumes = "A temporary refusal consumes the number.",
        RateUnkept = "The rate of sends is not kept.",
        NoRetryAfter = "Who sends too fast is not told when to try again.",
        ContentUnbounded = "A message may be longer than allowed.",
        StrangerSends = "Who is not in a room can send to it.",
        DupUnsaid = "A repeated answer does not say that it is one.",
        ExpectsTooLate = "The number that is missing is named one too high.",
        OriginLost = "A message does not say which send it was.",
        EpochUnchecked = "A line may begin in an epoch that has ended.",
        DataUnlimited = "Data counts for nothing in the size of a message.",
    }
    "hub/publish.rs" {
        NewestHeldBack = "Every eighth message is sent only when the next one is.",
        RewindForgotten = "A replay that has passed the end of a log that was shortened does not go back.",
        SeqSkipped = "The log's numbers have holes.",
        OriginToEverybody = "Everybody is told which send of its user a message is.",
        ExtendedFramesToPlain = "Plain connections are sent extended messages.",
        OwnUnheard = "A message does not come to its sender.",
    }
    "hub/join.rs" {
        ResumesTooLate = "Behind a replay one message too many is left out.",
        SinceOffByOne = "A replay begins one message late.",
        SinceInclusive = "A replay begins with the message that the client has.",
        EpochKeptAfterLoss = "A log that begins anew has the epoch of the one before.",
        ForkUnchecked = "A position is not compared by its id.",
        TrimmedSaidRecovered = "A position that the log does not reach any more counts as recovered.",
        HistoryUnasked = "A first join gets none of the past that it asked for.",
        ReplayUnbounded = "A replay is longer than told.",
        LeaveUnheard = "Who leaves a room stays a member.",
        LeaveUnanswered = "Who leaves a room is not answered.",
        RoomsOneMore = "A connection may be in one room more than allowed.",
        MembersOneMore = "A room has one member more than it may.",
        LeaveKeepsReplay = "A replay goes on after its room was left.",
    }
    "hub/replay.rs" {
        NeverLive = "Whoever has been shown a replay is not sent what is said after it.",
        WrongOrderInReplay = "The messages of a replay come in the wrong order.",
        ReplayAfterLive = "Live messages overtake a replay under way.",
        LiveDuringReplayLost = "What is said while a replay is under way never reaches the one who waits for it.",
        ReplaySaidLive = "A replayed message is not marked as one.",
        TailReplayed = "What is said during a replay is marked as replayed.",
    }
    "hub/history.rs" {
        HistoryOfOtherLife = "History of an epoch that is over is answered from the present one.",
        HistorySaidComplete = "A history answer says that it is complete when it is not.",
        HistoryUnbounded = "A history answer is longer than asked for.",
        PageBytesUnbounded = "A page may be larger than a frame.",
        PageOfStranger = "Who is not in a room can read its past.",
        PageSaysLive = "What a page shows is marked as live.",
    }
    "hub/presence.rs" {
        CountInstead = "Only the number of members is told where they may be named.",
        UserLeftWithoutGrace = "A loss is told at once instead of after the grace.",
        GraceGoesOn = "The grace of a member who is back goes on.",
        MemberNeverLeaves = "Somebody whose last connection is gone stays a member.",
        JoinAnnouncedAgain = "A second connection of a user is announced as a new member.",
        ArrivalUntold = "That somebody has come is not told.",
        ReturnAnnounced = "Who comes back within the grace is announced as a new member.",
        DepartureUntold = "That a member has left is not told.",
        GraceTooShort = "The grace of a lost member is cut short.",
        GraceTooLong = "A lost member is a member for minutes.",
        MembersMiscounted = "One member fewer is named than may be.",
        PresenceOfStranger = "Who is not in a room is told who is.",
        PlainToldOfLeaving = "Plain connections are told that somebody has left.",
    }
    "hub/log.rs" {
        GoneIdForgotten = "The id of the last message that is not kept any more is forgotten.",
        KeepsOneMore = "A log keeps one message more than it may.",
        AuthorWrong = "A replayed message names another author.",
        DataNotReplayed = "A replayed message has lost its data.",
        TimeWrong = "A message to extended connections has another time.",
        BytesUntrimmed = "A log is not bounded in bytes.",
        ReachesOneMore = "A log says that it reaches one message further back than it does.",
        HeadOutlivesLoss = "After the end of a log was lost its numbers go on.",
    }
    "hub/sse_cursor.rs" {
        FeedHistoryOneMore = "A feed begins with one message more than was asked for.",
        FeedSinceInclusive = "A feed begins with the message that its reader has.",
        FeedNewEpochSkipped = "Who comes back after a new beginning is not shown it.",
        FeedTrimUntold = "A reader is not told that what follows its place is gone.",
        FeedForkUntold = "A reader is not told that its place is of another log.",
        FeedLiveForkUnseen = "A feed under way does not notice a fork.",
        FeedNextKept = "A feed under way goes on in a new epoch by the numbers of the old one.",
        FeedLiveTrimUntold = "A feed under way does not tell that something was trimmed before it was read.",
        FeedBeginsWithoutId = "A feed does not say where it begins.",
        FeedTextKept = "All readers are sent the text that was written last.",
        FeedGapEndsLate = "A feed's gap names one message too many.",
        FeedGapBeginsLate = "A feed's gap leaves out its first message.",
        FeedIdAhead = "The id of a gap is that of the message behind it.",
    }
    "hub/sse_feed.rs" {
        FeedUnbounded = "A feed is sent whole, whether or not its reader takes it.",
        FeedNeverDrained = "Nobody is asked whether a reader has taken what was sent.",
        ReaderImpatience = "A reader is given up early.",
        ReaderPatience = "A reader that takes nothing is never given up.",
        CommentQueued = "Comments wait behind what a reader does not take.",
        RetryUnspread = "All readers are told to come back at the same time.",
        ReaderForkMissed = "A reader's place is not looked at when something is appended.",
        ReaderAskedOnce = "Only once is a reader's queue asked about.",
        ReaderKept = "A reader that is gone is kept.",
        ReaderUncounted = "A room does not know its readers.",
    }
    "hub/producers.rs" {
        AnswersShift = "After a refusal the answers of a line are those of the send before.",
        FewAnswers = "Fewer answers of a line are remembered than may be in flight.",
        LostAcksKept = "The answers to sends that were lost with the end of a log are repeated.",
    }
    "hub/signals.rs" {
        SignalToSender = "A signal comes back to its sender.",
        SignalOfStranger = "Who is not in a room can signal to it.",
        SignalTwice = "A signal comes twice.",
        SignalKindLost = "A signal is of another kind.",
    }
    "hub/token_expiry.rs" {
        AnybodysToken = "A refused token is not answered.",
        TokenNeverEnds = "A connection outlives its token.",
        EndUnannounced = "That a token ends soon is not said.",
        NewTokenForgotten = "A new token does not lengthen the old one.",
        TokensForgiven = "Any number of refused tokens is borne.",
        WarnedTooLate = "That a token ends is said when it does.",
        AuthUnconfirmed = "That a token was taken is not said.",
        OldTokenEnds = "The end of the old token ends a connection that has a new one.",
    }
    "hub/drain.rs" {
        DrainLate = "A drain lets extended connections stay for long.",
        DrainUntold = "A drain is not announced.",
        DrainAtOnce = "A drain closes all plain connections at once.",
        DrainEndless = "A drain leaves the plain connections open.",
        DrainWindowMisstated = "A drain says that its window is longer.",
    }
    "hub/handshake.rs" {
        WindowToldOnce = "A window that has become longer is not told again.",
        WindowMisstated = "A server says that it remembers sends for longer than it does.",
        FlightMisstated = "A server allows more sends in flight than it was told to.",
        SocketsOneMore = "A user has one connection more than allowed.",
        DrainLetsIn = "Who comes while a server drains is let in.",
        LimitsMisstated = "A server says that a replay is longer than it is.",
    }
    "hub/mod.rs" {
        StandstillAgesLines = "A line is forgotten while the process stands still.",
        SilentPeerKept = "A silent peer is never given up.",
        HeartbeatTooOften = "A server pings twice as often as it says.",
        LeavesOnLoss = "A lost connection counts as one that has left.",
    }
    "hub/dispatch.rs" {
        RefusalUnhinted = "A refusal for now does not say when to try again.",
        FrameIsNoLife = "A frame does not prove life.",
        PongUnheard = "A pong does not prove life.",
        PongTimeLost = "A pong does not repeat the number of its ping.",
        RetryUnsaid = "A refusal for now does not say that it is one.",
    }
    "hub/user.rs" {
        BurstTooLarge = "A burst of sends may be too large.",
        BurstByReturning = "Who comes back has a second burst.",
        SignalsFree = "The rate of signals is not kept.",
    }
    "hub/store.rs" {
        RepeatAgesLine = "A repeated send does not keep its line.",
        LinesUnbounded = "A server remembers more lines than it may.",
        SweptTooEarly = "A room that nobody is in is forgotten after the time of a line.",
        SweptOccupied = "A room that somebody is in is forgotten.",
    }
    "hub/rate_limit.rs" {
        NeverFills = "An allowance that is used up fills at half its rate.",
        FillsBeyond = "An allowance grows without bound.",
        NextTooEarly = "When the next send is allowed is told too early.",
    }
    "hub/restore.rs" {
        RestoreUnannounced = "That somebody is back with a lost session is not told.",
        RestoreOneTooMany = "A restored session is sent again the last message that it has.",
        RestoreUnreached = "A session is restored though its log does not reach that far back.",
        RestoreWrongEpoch = "A session is restored into another epoch.",
        RestorePresenceUntold = "Who is there is not told to a session that is restored.",
    }
    "hub/room.rs" {
        GraceOfFirst = "A grace is that of the first loss.",
        SecondLossForgets = "A connection that leaves ends the grace of another one.",
    }
    "hub/permissions.rs" {
        RemovalUnsaid = "Who is taken out of a room is not told.",
        RemovedHearsOn = "Who is taken out of a room is still shown its replay.",
    }
    "hub/bans.rs" {
        BanForgotten = "Who was banned comes back.",
    }
}
