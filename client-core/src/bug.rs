//! Deliberate mistakes, by which the simulation proves that it would find them. Feature `bugs`, tests only: without
//! the feature no configuration can name one, and the questions are constant.

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(not(feature = "bugs"), allow(dead_code, unreachable_pub, reason = "made by the simulation alone"))]
#[non_exhaustive]
pub enum Bug {
    /// An open connection starts the backoff anew.
    ResetBackoffOnOpen,
    /// The limit of dials is not kept.
    NoDialLimit,
    /// A terminal close code is retried.
    RetryAfterTerminal,
    /// After a final refusal the same number is used for the next send.
    ReuseNumberAfterRefusal,
    /// What an earlier connection transmitted is numbered anew when the server does not know the line.
    RenumberTransmitted,
    /// Each connection begins a new line and sends what is unanswered in it.
    NewLineEachConnection,
    /// What was transmitted on an extended connection is sent again on a plain one.
    ResendIntoPlain,
    /// Any refusal counts, not only that of the latest transmission.
    OldRefusalCounts,
    /// An answer resolves the oldest send of its room.
    AnswerResolvesOldest,
    /// Every tenth answer is forgotten.
    ForgetAnswer,
    /// What is not known is said to have failed.
    UnknownSaidFailed,
    /// A hole that cannot be filled is not announced.
    NoGap,
    /// A message behind a hole is delivered at once.
    IgnoreHole,
    /// What a replay repeats is delivered again.
    NoDedupe,
    /// Messages held back behind a hole are forgotten when it is filled.
    ForgetHeld,
    /// Another id at a remembered place is not noticed.
    NoForkCheck,
    /// Messages of the connection that was moved away from are delivered too.
    OldConnectionDelivers,
    /// Frames of a room are taken before its join is answered.
    EarlyFrames,
    /// What was received counts as committed.
    CommitReceived,
    /// Numbers are stored after they were used.
    SaveLate,
    /// While the application is slow, messages are skipped.
    SkipWhenBusy,
    /// A timer goes on after the end.
    TimerAfterClose,
}

#[cfg(feature = "bugs")]
impl Bug {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::ResetBackoffOnOpen,
        Self::NoDialLimit,
        Self::RetryAfterTerminal,
        Self::ReuseNumberAfterRefusal,
        Self::RenumberTransmitted,
        Self::NewLineEachConnection,
        Self::ResendIntoPlain,
        Self::OldRefusalCounts,
        Self::AnswerResolvesOldest,
        Self::ForgetAnswer,
        Self::UnknownSaidFailed,
        Self::NoGap,
        Self::IgnoreHole,
        Self::NoDedupe,
        Self::ForgetHeld,
        Self::NoForkCheck,
        Self::OldConnectionDelivers,
        Self::EarlyFrames,
        Self::CommitReceived,
        Self::SaveLate,
        Self::SkipWhenBusy,
        Self::TimerAfterClose,
    ];
}

/// The mistake that is being made, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bugs {
    #[cfg(feature = "bugs")]
    made: Option<Bug>,
}

impl Bugs {
    #[cfg(feature = "bugs")]
    pub(crate) fn new(made: Option<Bug>) -> Self {
        Self { made }
    }

    #[cfg(feature = "bugs")]
    pub(crate) fn has(self, bug: Bug) -> bool {
        self.made == Some(bug)
    }

    #[cfg(not(feature = "bugs"))]
    #[expect(clippy::unused_self, reason = "the same call with and without the feature")]
    pub(crate) const fn has(self, _: Bug) -> bool {
        false
    }
}
