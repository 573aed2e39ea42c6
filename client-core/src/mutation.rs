//! Deliberate mistakes, by which the simulation proves that it would find them. Feature `bugs`, tests only: without the feature
//! none can be made, and [`mutation!`] is constant.
//!
//! A mistake is made by one thread, so that no configuration has to carry it to its place.

/// Whether the mistake of this name is made here and now: the one form in which production code asks.
macro_rules! mutation {
    ($name:ident) => {
        $crate::mutation::is_active($crate::mutation::Mutation::$name)
    };
}

pub(crate) use mutation;

/// The mistakes of a crate, which has a feature `bugs`: by file, each with what is wrong. For this workspace.
#[doc(hidden)]
#[macro_export]
macro_rules! mutations {
    ($($file:literal { $($name:ident = $text:literal,)* })*) => {
        /// A mistake.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[cfg_attr(not(feature = "bugs"), allow(dead_code, unreachable_pub, reason = "made by the simulation alone"))]
        #[non_exhaustive]
        pub enum Mutation {
            $($(#[doc = $text] $name,)*)*
        }

        #[cfg(feature = "bugs")]
        impl Mutation {
            /// All of them.
            pub const ALL: &'static [Self] = &[$($(Self::$name,)*)*];

            /// The file in which it is made.
            pub fn file(self) -> &'static str {
                match self { $($(Self::$name => $file,)*)* }
            }

            /// What is wrong.
            pub fn text(self) -> &'static str {
                match self { $($(Self::$name => $text,)*)* }
            }
        }

        #[cfg(feature = "bugs")]
        std::thread_local! {
            static ACTIVE: core::cell::Cell<Option<Mutation>> = const { core::cell::Cell::new(None) };
        }

        #[cfg(feature = "bugs")]
        impl Mutation {
            /// Everything of this crate in this thread makes this mistake from now on, or none.
            pub fn activate(mutation: Option<Self>) {
                ACTIVE.set(mutation);
            }
        }

        /// Whether this mistake is being made.
        #[cfg(feature = "bugs")]
        pub(crate) fn is_active(mutation: Mutation) -> bool {
            ACTIVE.get() == Some(mutation)
        }

        #[cfg(not(feature = "bugs"))]
        #[inline]
        pub(crate) const fn is_active(_: Mutation) -> bool {
            false
        }
    };
}

mutations! {
    "link/mod.rs" {
        ConnectUnheard = "Who asks to connect while it waits waits on.",
        AskedSaidNetwork = "Who asks to connect while it waits is told that the network changed.",
        RttUnmeasured = "The round trip is not measured.",
        DialsTwice = "A reconnect that is asked for does not count as a try.",
        ResetBackoffOnOpen = "An open connection starts the backoff anew.",
        NoDialLimit = "The limit of dials is not kept.",
        TimerAfterClose = "A timer goes on after the end.",
        WrongKept = "Since when a right address answers as a wrong one is not forgotten when it works.",
        RefreshOutlives = "A token asked for on a connection that is lost is taken for the next one.",
        RefreshWaitsForEver = "A token source that did not answer is waited for on the connection for ever.",
        OfferKept = "A server that refuses a request with the offer is dialled with the offer again.",
        LateDialKept = "The late success of a dial that was given up is not closed.",
        LossKept = "After a reconnect the next loss counts as the continuation of the last one.",
        SuspendAfterKept = "How long a loss can be recovered is not learnt from the server.",
        CloseLeavesOther = "The end closes only one of the two connections of a hand-over.",
        StabilityUnnoticed = "How long a connection lasted says nothing about the next one.",
        SuspendUntold = "That a loss cannot be recovered any more is not told.",
        TokenWaitEndless = "A token source that does not answer before a dial is waited for for ever.",
        DialTooLong = "A dial may take twice its time.",
        CloseWaitEndless = "The answer to a close frame is waited for for ever.",
        CloseLeavesDial = "The end leaves the dial under way.",
        ReplacedAsLeaving = "A connection that is replaced is closed as by a user who leaves.",
        OldAsLeaving = "When a connection is lost the one moved away from is closed as by a user who leaves.",
        OfferNeverAgain = "A server that has refused the offer once is never offered it again.",
        StaleOpenCounts = "The late success of an earlier dial is that of the present one.",
        StaleFailureCounts = "The late failure of an earlier dial is that of the present one.",
        StaleEndCounts = "The late end of an earlier connection is that of the present one.",
        AttemptFromZero = "The first attempt after a loss has the number 0.",
        DeadPeerSaidLost = "That the server does not answer is told as a lost connection.",
    }
    "link/retry.rs" {
        SuspectSooner = "The endings that make an address a wrong one may be further apart.",
        ChanceUnused = "A local cause never shortens a wait.",
        RetryAfterTerminal = "A terminal close code is retried.",
        HintLengthens = "A hint that something is better may make a wait longer.",
        HintIgnored = "What a server says of when to come back is ignored.",
        OverloadIgnored = "An overloaded server is dialled again as any other.",
        SuspectsNeverEnd = "A wrong address is dialled for ever.",
        SuspectTwice = "The second suspicious ending is the last one.",
        LegacyGivesUpEarly = "The legacy rule gives up one attempt too early.",
        LocalTooOften = "A local cause shortens each wait.",
        OverloadUnwaited = "An overloaded server that names no wait is given none.",
        RefusalAsClose = "The end because of a refused token is told as that of a connection.",
        EndSaysRetry = "The end says that there will be another try.",
        StrangeAnswerEnds = "One strange answer of an address that has worked is the end.",
        FailLeavesOther = "The end for good closes only one of two connections.",
        RefusedTokenMoves = "A token that is refused during a move is shown by the new connection all the same.",
    }
    "outbox/mod.rs" {
        LeftStillWaits = "What waits for a room to be joined again waits on when the room is left.",
        NewestGivesWay = "The newest send that waits makes room for a new one, and not the oldest.",
        NewLineEachConnection = "Each connection begins a new line and sends what is unanswered in it.",
        QueueOneMore = "The outbox takes one send more than it may.",
        QueueBytesUnbounded = "The outbox is not bounded in bytes.",
        OverflowRejects = "A full outbox refuses the new send although the oldest is to go.",
        OverflowEmpties = "A send that never fits drives out all that wait.",
        WrittenTooEarly = "A send counts as written before the operating system has taken it.",
        LostSaidWritten = "What was lost with a plain connection is said to be written.",
        TimeoutForgotten = "The time of a send is looked at only when that of another one is over.",
        LeavesTooEarly = "A room is left before the fate of the sends to it is known.",
        NotedTooLate = "A send that waits is not noted for the store.",
        OutcomeTwice = "A send whose time was over is told of again when it is answered.",
        FlushedBytesKept = "What the operating system has taken still counts.",
        UnflushedOutlivesLoss = "What was not taken of a lost connection counts on the next one.",
        PauseOutlivesLoss = "A pause outlives the connection on which it was asked for.",
        OldAwaitedForEver = "What had no answer on the old connection waits for ever.",
        FirstContactLeft = "A room is left before a send of the first contact is settled.",
        EvictedUncounted = "A send that gave way counts as waiting.",
    }
    "outbox/acks.rs" {
        RefusalOfNewForOld = "What was sent on a connection that was moved away from is made again when the new one is refused.",
        HintOfBehind = "What a server says of the sends behind a refused one makes the line wait, too.",
        HintHalved = "Half of the wait that a server asks for is enough.",
        GapGoesBackTooLittle = "What a server misses before a send is not sent again.",
        RefusalTakesNext = "A final refusal is that of the next send, too.",
        ReuseNumberAfterRefusal = "After a final refusal the same number is used for the next send.",
        RenumberTransmitted = "What an earlier connection transmitted is numbered anew when the server does not know the line.",
        OldRefusalCounts = "Any refusal counts, not only that of the latest transmission.",
        AnswerResolvesOldest = "An answer resolves the oldest send of its room.",
        LostNotMadeAgain = "Of a lost line the first send is not made again.",
        ResentCertain = "What is made again for want of an answer counts as certainly not taken before.",
        ForgetAnswer = "Every tenth answer is forgotten.",
        UnknownSaidFailed = "What is not known is said to have failed.",
        LateAckIgnored = "The answer to a send that was given up does not count.",
        EchoIgnored = "That the own message came by does not count.",
        EchoOfAnyLine = "The message of another line of the user counts as the own one.",
        PauseIgnored = "What a server says of when to send again is ignored.",
        SmallestToBlame = "When a frame was too large for the server, the smallest send is given up.",
        RefusalOfOtherKind = "A refused send fails with another reason than the server gave.",
        MadeAgainLast = "What is made again after its line was lost goes behind what waits.",
        EchoOfGivenUp = "The own message does not settle a send that was given up.",
        CaughtUpAnywhere = "The end of a replay settles what was given up in another room.",
        RefusalWordsLost = "The words of a refusal are not told.",
        FirstContactOvertaken = "A send of the first contact that is refused for now waits though others went behind it.",
    }
    "rooms/receive.rs" {
        StallUnnoticed = "That a replay has stopped coming is noticed only with the next message.",
        OverdueUnnoticed = "That a page has not come is noticed only with the next message.",
        HeadForgotten = "That the server has more than the replay brings is known only with the next message.",
        RecentOutlivesEpoch = "Messages are compared with those of the epoch before.",
        TriesKept = "Tries for one hole count for the next.",
        IgnoreHole = "A message behind a hole is delivered at once.",
        NoDedupe = "What a replay repeats is delivered again.",
        ForgetHeld = "Messages held back behind a hole are forgotten when it is filled.",
        NoForkCheck = "Another id at a remembered place is not noticed.",
        SkipWhenBusy = "While the application is slow, messages are skipped.",
        HeldBytesKept = "The bytes of what was held back still count after a loss.",
        SilentShown = "Who did not ask for the past is shown its last message.",
        GapEndsTooLate = "A gap names one message too many.",
        GivesUpEarly = "A hole is given up at the first answer that does not help.",
        TrimmedUnfetched = "What a log that lost its beginning still holds is given up.",
        NewLogUnfetched = "What was said in a log that began anew before the join is given up.",
        TrimmedSaidForked = "What a server has forgotten is said to be another log.",
        NewEpochUntold = "That a room has begun anew is not told.",
        SinceForgotten = "Who comes back does not say where it was.",
        ReplayTakenTwice = "Where the replay of a join ends is not known.",
        ForkUnsaid = "A fork at a place without an id is forgotten before the join.",
        JoinGapTooSmall = "A gap that a join shows leaves out its first message.",
        SkippedKeepsId = "A place behind a gap keeps the id of the one before it.",
        FetchesTooLate = "A page is asked for one message too late.",
        FetchOutlivesLoss = "A page that was asked for on a lost connection is still waited for.",
        GapReasonOther = "That a log was trimmed is told as another epoch.",
    }
    "session/joining.rs" {
        LaterUnnoticed = "A room that is to be asked for again later is not looked at by itself.",
        RefusedJoinUntold = "That a room is refused for now is not told.",
        LeaveUnsaid = "The server is not told that a room is left.",
        StayForgotten = "That a plain room was joined is forgotten.",
        NoGap = "A hole that cannot be filled is not announced.",
        LeftUntold = "That a room is left is not told.",
        ReadyTooEarly = "It is said to be ready before every room is joined.",
        ReadyUntold = "That it is ready is not told.",
        JoinPauseIgnored = "A join that is refused for now is made again at once.",
        JoinRefusalUntold = "That a join is refused for good is not told.",
        CommitsBackwards = "An older commit takes the place of a newer one.",
        ReplayMiscounted = "A join counts a message that is not shown.",
        StreamAskedEarly = "The personal stream is asked for before the server has said hello.",
        RemovalUntold = "That the server has removed the user from a room is not told.",
        PastUnasked = "A first join asks for none of the past.",
        StoredBeforeGiven = "The stored place goes before the one that the application names.",
        RefusalToldEachTime = "Each refusal of a room for now is told.",
        PlaceOutlivesLeaving = "The place in a room that was left is stored.",
        LeaveAnswerRemoves = "The answer to a leave takes a room away that was asked for again.",
        JoinWaitsEndless = "The answer to a join is waited for for ever.",
        EarlierJoinCounts = "The answer to an earlier join counts.",
        JoinedRecoveredSaid = "A join says that all was recovered when it was not.",
        MembersOutliveLeaving = "Who was in a room that was left is said to be there.",
    }
    "session/receiving.rs" {
        RoomUnnoticed = "When the application has room again, what it has missed is asked for only with the next message.",
        PageHintIgnored = "What a server says of when to ask for a page again is ignored.",
        NewcomerUntold = "That somebody has come is not told.",
        SignalAnywhere = "A signal is told of a room that is not joined.",
        OwnFrameUntold = "The frames of an application's own are skipped on extended connections.",
        OldConnectionDelivers = "Messages of the connection that was moved away from are delivered too.",
        EarlyFrames = "Frames of a room are taken before its join is answered.",
        MemberStays = "Who has left a room stays in the list of its members.",
        ListUnread = "The answer about who is in a room does not change the list.",
        OldAckIgnored = "An answer on the connection that was moved away from does not count.",
        GoingUnheard = "That the server is about to go is not heard.",
        ErrorUntold = "What a server says is wrong is not told.",
        DepartureUntold = "That somebody has left is not told.",
        DrainWindowLost = "Within which time to move away is not heard.",
        ComerUnlisted = "Who comes is not in the list of members.",
    }
    "session/sending.rs" {
        QuietUnnoticed = "A send without an answer is asked about only when something else is due.",
        ResendIntoPlain = "What was transmitted on an extended connection is sent again on a plain one.",
        SaveLate = "Numbers are stored after they were used.",
        SilenceForgiven = "Sends that the server leaves without an answer are not asked about.",
        EndTakesSends = "A send after the end is taken.",
        OwnLimitUnkept = "A send may be larger than the client's own limit.",
        PlainSilenceUnasked = "A plain server that leaves a message without an echo is not asked.",
    }
    "session/journaling.rs" {
        PlaceUnnoted = "The store is not told where a room begins.",
        CommitReceived = "What was received counts as committed.",
        LeftRoomKept = "The store is not told that a room was left.",
        SetBackUnnoted = "That the wall clock was set back is not noted.",
    }
    "link/auth.rs" {
        ExpiredAgain = "A token that has expired is used once more.",
        RefusedTokenAgain = "The token that was refused is used again.",
        RefusalUntold = "The token source is not told that its last token was refused.",
        SecondRefusalForgiven = "A second refused token within a minute is not the end.",
        SecondExpiryEnds = "A second expired token within a minute is the end.",
        OldRefusalKept = "A refusal from before the user started anew still counts.",
        RefreshTooLong = "A second refusal is the end for two minutes.",
        ExpiryIsRefusal = "An expired token counts as a refused one.",
        OwnTokenForgetsNothing = "A token of the application's own does not undo the refusal before it.",
    }
    "link/tokens.rs" {
        TokenUnkept = "A token given while connected is not kept for the next dial.",
        TokenUnshown = "A token given while connected is not shown to the server.",
        RefreshUnshown = "A token fetched before the old one ends is not shown to the server.",
        ExpiryUnheard = "That the token ends soon is not heard.",
        TokenFailureFinal = "A token source that fails for now ends it.",
        TokenFailureRetried = "A token source that fails for good is asked again.",
        TokenGivenUnheard = "A token that is given while the source is asked changes nothing.",
        TokenNoWayOut = "A new token does not lead out of the end.",
    }
    "link/migration.rs" {
        MovesAgainAtOnce = "A move that has failed is tried again at once.",
        MoveUncounted = "The dial of a move does not count.",
        MoveBegunAnew = "A move under way begins anew when the server says again that it is about to go.",
        MoveOneMore = "A move is tried once more than it may.",
        FarewellSaid = "The old connection is closed as by a user who leaves.",
        MovesTooLate = "A move may begin after the end of the window.",
        MoveAddressForgotten = "The address that the server names for the move is not dialled.",
        MoveAddressKept = "An address that failed is dialled again.",
        OldKeptForLong = "The connection that was moved away from is kept for minutes.",
        OldClosedAtOnce = "The old connection is closed before its answers have come.",
        MoveAtEnd = "All move away in the same moment.",
        MoveWaitsEndless = "A dial of a move that is not answered is waited for for ever.",
        MoveDialForgotten = "The dial of a move is forgotten when the connection is lost.",
        OldNeverAborted = "An old connection that does not answer the close frame is left open.",
    }
    "link/network.rs" {
        WakeUnheard = "A wake does not end a wait.",
        OfflineBelieved = "The platform is believed when it says that there is no network.",
        SleepUnnoticed = "A sleep is not noticed.",
        SleepNoOutage = "A sleep is no time without a connection.",
        NetworkUnheard = "That the network is another one shortens no wait.",
    }
    "liveness.rs" {
        SilenceUnasked = "A silent connection is not asked by itself.",
        DoubtPatient = "Who doubts the connection waits as long as ever for an answer.",
        HeartbeatUnlearnt = "How often the server wants to hear is not learnt.",
        LateTimerKills = "A timer that fires late ends the connection.",
        LifeUnnoticed = "Only a pong proves life, once it has been asked for.",
        DoubtUnasked = "A hint of the platform asks nothing.",
        DoubtRestarts = "Each doubt gives the server its time anew.",
        HeartbeatUnmoved = "What comes in does not put the question off.",
        AnswerTooLong = "The answer to a question may take twice its time.",
    }
    "backoff/mod.rs" {
        WindowNoFloor = "The window is no floor of the delay.",
        CountKept = "A long stable connection does not begin the count anew.",
        CountUnhalved = "A short stable connection does not halve the count.",
        WindowUnlearnt = "The reconnect window of the server is not learnt.",
        CapForgotten = "The delay grows beyond its cap.",
        JitterFromZero = "The delay may be no delay.",
        HintUnspread = "All come back exactly when the server said.",
        HintUncounted = "A wait that the server asks for does not count as a try.",
        AnewCountsOn = "Who starts anew goes on with the count of before.",
    }
    "limiter.rs" {
        FiveDials = "One dial in six is not counted.",
        LimiterTooShort = "The limit of dials holds for less than its time.",
    }
    "close_code.rs" {
        RemovedComesBack = "Who was removed by the operator comes back.",
        RestartIsSuspect = "A restart of the server counts as a wrong address.",
        PolicyIsLoss = "A violated policy is an ordinary loss.",
        TooLargeIsSuspect = "A frame that was too large counts as a wrong address.",
        UnavailableIsLoss = "503 is an ordinary failure.",
    }
    "outbox/room_queue.rs" {
        FirstHintKept = "The first wait that a server has asked for is that of all later refusals.",
        LargestHintKept = "The largest wait that a server has asked for is that of all later refusals.",
        HintOutlivesAnswer = "The wait that a server has asked for is added to refusals after the next answer.",
        WindowOpensAtOnce = "After a refusal one answer lets everything go at once.",
        PutBackLast = "What waits again waits behind all others.",
        FirstRefusalFinal = "What is refused for now before the mode is known has failed.",
        RefusalsKept = "After an answer the pauses go on to grow.",
        OwnTimeForgotten = "A send that is given up is waited for beyond its own time.",
        GoesBackTooLate = "After a refusal all but the first refused send are sent again.",
        NoPause = "Nothing is waited for before a refused send is sent again.",
        SpanUnbounded = "More numbers of a line are open than the server remembers answers of.",
    }
    "outbox/transmission.rs" {
        OwnBehindFailed = "A frame of the application's own waits behind messages that have failed.",
        OldEpochNamed = "A send that is made again names no epoch of its own.",
        FlightOneMore = "One send more is in flight than the server allows.",
        AgainBeforeJoin = "What is unanswered is sent again before the room is joined.",
        OversizedSent = "A send is larger than the server takes.",
        DataLostOnRepeat = "A repeated send has lost its data.",
        UnflushedUnbounded = "More is given to a connection than may wait there.",
        WriteAgain = "A plain send is not forgotten by the store when it is written.",
        SameNameAgain = "A repeated transmission has the name of the first one.",
    }
    "outbox/expiry.rs" {
        ResumeUnnoticed = "What a pause has held back goes only with something else.",
        CancelTakesSent = "What is on its way is taken back.",
        RefusedSaidUnknown = "A send that was refused for now and whose time is over is said to be unknown.",
        UnknownTooEarly = "What is too old is unknown before the replay that could still show it.",
        CancelForgotten = "A send that still waits is not taken back.",
        LateForAnotherReason = "A send whose time is over fails for another reason.",
        HoldsBackUnnoticed = "That a silent room holds others back no more is noticed with something else only.",
        HorizonUnnoticed = "That a send is too old is noticed with something else only.",
        GivenUpUnnoticed = "That a given-up send is not waited for any more is noticed with something else only.",
        ExpiredUnordered = "What is over is told room by room.",
        PlainTimeUnkept = "The own time of a send that was sent once is not kept.",
    }
    "outbox/persist.rs" {
        GivenUpUnstored = "What is given up is not stored.",
        AgeForgotten = "After a restart a send is as young as new.",
        FutureBelieved = "A send from the future, after a clock was set back, is sent again.",
        WaitingNotTakenUp = "What waited before a restart is not taken up.",
        StoredDataLost = "A stored send has lost its data.",
        StoredNumberAgain = "After a restart the last number is used once more.",
        StoredUnordered = "Stored sends are in the order of rooms.",
        StoredCertain = "What a refusal says of a stored send counts for its earlier transmissions.",
    }
    "outbox/custom.rs" {
        OwnWaitsForMessages = "A frame of the application's own waits until no message waits.",
        OwnOvertakes = "A frame of the application's own overtakes the messages that wait.",
    }
    "session/custom.rs" {
        VolatileWaits = "A volatile frame that the connection cannot take waits for the next one.",
        KeptOvertaken = "What waits overtakes the kept frames that the connection has no room for yet.",
    }
    "kept_frames.rs" {
        KeptBackwards = "The kept frames are written in the wrong order.",
        KeepsTooMany = "There may be more kept frames than allowed.",
        KeptStaysOld = "A kept frame is not replaced by the one with the same key.",
        KeptForEver = "A kept frame that was dropped begins connections all the same.",
        KeptOnce = "Only the first connection begins with a kept frame.",
        KeptNotTakenUp = "What was kept before a restart is not taken up.",
    }
    "rooms/mod.rs" {
        LimitCountsLeft = "Rooms that were left count against the limit.",
        MembersOutliveConnection = "Who was in a room before a loss is said to be there.",
        HoldsOneMore = "One message more is held back than may be.",
        HoldsTooManyBytes = "What is held back is not bounded in bytes.",
        RoomsUnbounded = "There may be more rooms than allowed.",
    }
    "session/mode.rs" {
        OtherUserUnheard = "That the server takes the token for another user's is not heard.",
        LeavingForgotten = "Who was about to leave a room when the connection broke stays.",
        PlainGapUntold = "What was missed on a plain server is not told.",
        DedupeUnlearnt = "How long the server remembers sends is not learnt.",
        LateHelloUntold = "That a late hello has changed the mode is not told.",
        LimitsUnlearnt = "What a server takes is not learnt.",
        MomentUnnoticed = "That a first send may go now is in no deadline.",
        DecidedUnanswered = "Silence decides the mode though nothing shows that somebody is there.",
        PlacesOutliveUser = "Where another user was in the rooms is gone on with.",
    }
    "session/restoring.rs" {
        WindowNotTakenUp = "What an earlier run knew of the server is not taken up.",
        StoreTakenForOwn = "What another user has left fails with what this one asks for.",
        StoredPlaceForgotten = "The place in a room that is not joined yet is forgotten.",
        NotJoinedForSends = "A room is not joined for the sake of stored sends.",
        StoredUserForgotten = "Whose the stored state is, is not taken up.",
    }
    "feed/cursor.rs" {
        ForkUntold = "A reader is not told of another log.",
        SeenKept = "What a stream has shown counts as shown by the next one.",
        AbsenceUntold = "A reader without a place is not told that it may have missed something.",
        FeedEpochUntold = "A reader is not told that its room has begun anew.",
        FeedHoleUntold = "A hole in the numbers of a stream is not told.",
        FeedGapTooSmall = "A gap of a reader leaves out its first message.",
        FeedToldTwice = "A message that comes again is told again.",
        RewindSaidForked = "A server that begins further back is said to have another log.",
        FeedGapTwice = "A hole is told on each connection anew.",
        FeedGapTooLarge = "A gap that the server tells ends too late.",
        GapWithoutPlace = "The place behind a gap is not taken.",
        RecentForgotten = "The ids of what was told are forgotten at once.",
        FeedAnnouncedKept = "A hole that one stream has announced lets the next one skip what it likes.",
        FeedStrayMoves = "An event that is no message moves a reader's place.",
        FeedPlaceKept = "A reader goes on from where it began.",
    }
    "feed/mod.rs" {
        FeedBusyForEver = "An application that was busy once counts as busy for ever.",
        FeedNeverClosed = "A reader that is ended does not end.",
        FeedAbandonsNothing = "A stream that is given up is not let go.",
        UnreadableUntold = "That an event could not be read is not told.",
        OldStreamHeard = "A stream that was given up is still heard.",
        OwnSilenceCounts = "The silence of a busy application counts as the server's.",
        DamageUntold = "A damaged message is told as an event of another make.",
        RetryIgnored = "How long to stay away is not heard.",
        BeginUntold = "That there is a place to go on from is not told.",
        FeedPlaceAhead = "A hole is told with the place behind the message after it.",
        FeedStampLost = "A message in a stream has no place.",
        FeedSinceForgotten = "A reader that comes back does not say where it was.",
        FeedPastUnasked = "A reader asks for none of the past.",
        FeedTokenLost = "A reader shows no token.",
    }
    "feed/event_stream.rs" {
        LineFeedEndsTwice = "A line that ends with two characters ends twice.",
        SpaceKept = "The space behind a field's colon is kept.",
        LinesJoined = "Lines of data are joined without a line feed.",
        EventUnbounded = "An event of a stream is not bounded.",
        IdInherited = "An event without an id has that of the last one.",
    }
    "socketio/manager/mod.rs" {
        NamespacesStayOpen = "The end of the connection is not asked for in the namespaces beside the first.",
        NamespacesOversleep = "Only one namespace is told that the machine has slept.",
        NamespaceTimersForgotten = "No timer fires in a namespace beside the first.",
        NamespaceLossUntold = "A namespace beside the first is not told that the connection is lost.",
        NamespaceFlushForgotten = "A namespace beside the first is not told what has been written.",
        NamespaceTokenOfFirst = "Each namespace is asked with the token of the first.",
    }
    "socketio/manager/members.rs" {
        EarlierStayHeard = "What is on its way from before a goodbye is heard as of the next stay.",
        NamespaceAskedTwice = "A namespace is asked for again before it has answered.",
        NamespaceFramesApart = "Each namespace counts the frames of the connection by itself.",
        NamespaceLeftUnsaid = "A namespace that is given up is not left.",
        LateConsentKept = "A consent that nobody wants any more is not given back.",
        NamespaceAskedInOneBreath = "A namespace is asked for again as soon as it has been left.",
    }
    "socketio/outbox.rs" {
        SioTimeUnkept = "The time of a send of a Socket.IO session is not kept.",
        SioOwnUnasked = "No answer is wanted of an own event that asks for one.",
        SioQueueOneMore = "The queue of a Socket.IO session takes one send too many.",
        SioOversizedSent = "A send is larger than a Socket.IO server takes.",
        SioWrittenTooEarly = "A send that waits for its ack is said to be written.",
        SioAnswerOfOldest = "An ack resolves the oldest send.",
        SioUnknownTooEarly = "An ack is waited for only half of its time.",
        SioLostSaidWritten = "What was lost with its connection is said to be written.",
        SioEndLeavesSends = "The end leaves sends without an outcome.",
        SioCancelUnheard = "A send of a Socket.IO session is not taken back.",
        SioTransmitUnordered = "The newest send of a Socket.IO session goes first.",
        SioUnflushedOutlivesLoss = "What was not taken of a lost connection counts on the next one of a Socket.IO session.",
    }
    "socketio/session/custom.rs" {
        SioOpenOutlivesLoss = "An event of a connection that was lost can still be answered.",
        SioVolatileWaits = "A volatile event of a Socket.IO session waits for the next connection.",
        SioOpenUnbounded = "The events that wait for the application's answer are not bounded.",
        SioAnswersOldest = "The application's answer goes to the oldest event.",
        SioAnswersTwice = "An event can be answered twice.",
        SioOwnAnswerLost = "What the server has answered to an own event is lost.",
    }
    "socketio/rooms.rs" {
        SioUnconfirmedKept = "A room whose join was only written counts as one of the session that is recovered.",
        SioLeftForgotten = "A room that was left is forgotten, and a recovered session is in it again.",
        SioStaysMember = "Who was in a room before a loss is said to be in it after it.",
    }
    "socketio/session/mod.rs" {
        SioSaveLate = "What is on its way is still stored as waiting.",
        SioFarewellUnsaid = "A Socket.IO session ends without a word.",
    }
    "socketio/session/rooms.rs" {
        SioRefusalUntold = "That a room is refused for now is not told.",
        SioHintIgnored = "What a server says of when to ask for a room again is ignored.",
        SioJoinsAllButOne = "The first room is not joined again.",
        SioLeaveUnsaid = "The server is not told that a room is left.",
        SioLateRefusalHeard = "The late refusal of a room that was left has it asked for for ever.",
        SioLaterForgotten = "A room that was refused for now is not asked for again.",
        SioRecoveredTwice = "A session that was recovered counts as recovered as it is now.",
        SioRecoveredNotLeft = "A session that is recovered is not taken out of the rooms that were left.",
        SioReadyTooEarly = "It is said to be ready before its rooms are joined.",
        SioReadyUntold = "That it is ready is not told.",
        SioHearsAfterLeaving = "Messages of a room that was left are told.",
        SioJoinWaitsEndless = "A join that a Socket.IO server does not answer is waited for for ever.",
        SioMembersLost = "Who is in a room that was joined is not told.",
        SioLeavesTooEarly = "A Socket.IO room is left before its sends are final.",
    }
    "socketio/session/connecting.rs" {
        SioPlaceKept = "A new session goes on with the place of the lost one.",
        SioMissedForgotten = "The first event that a recovery brings is lost.",
        SioGapUntold = "What was missed in a room is not told.",
        SioOwnGapUntold = "That notifications were missed is not told.",
        SioRecoveryUnnoticed = "A session that was recovered is taken for a new one.",
        SioTokenUnshown = "A Socket.IO server is shown no token.",
        SioResumeUnasked = "A Socket.IO session never asks for the one that was lost.",
        SioRefusalRetried = "A namespace that refuses is asked again with the same token.",
    }
    "socketio/session/receiving.rs" {
        SioOwnEventLost = "An own event of the server's that wants an answer is not told.",
        SioPingUnanswered = "The engine's ping is not answered.",
        SioEventUnanswered = "An event that wants an answer gets none.",
        SioDismissalRetried = "Who was disconnected by a Socket.IO server comes back.",
        SioNotificationLost = "The data of a notification with a place is lost.",
        SioPlaceUnread = "The places of events after the first are not read.",
    }
    "socketio/session/restoring.rs" {
        SioWaitingForgotten = "What waited in the run before is not taken up.",
    }
    "session/mod.rs" {
        OldClosedLate = "The connection that was moved away from is closed only with the next input when a room is left.",
        SentSinceFailsLate = "What was sent to a room after it was left fails only with the next input when the leave is done.",
        DoomedWait = "That nothing can tell any more what became of a send is noticed much later.",
        HorizonTooLong = "A send is repeated for as long as the server remembers it, and not for half of that.",
        SleepAgesNothing = "Sends do not age while the machine sleeps.",
        DamageToldEachTime = "Each damaged frame of a connection is told.",
        TokenToPlain = "A token is shown to a server that does not know what it is.",
    }
    "rooms/recent_ids.rs" {
        FewRemembered = "Only the last four messages are remembered.",
    }
    "session/connection.rs" {
        HeartbeatUnclamped = "A server may ask for any heartbeat.",
    }
    "socketio/session/connection.rs" {
        SioSilenceUnlearnt = "After which silence a Socket.IO server is gone is not learnt.",
    }
}
