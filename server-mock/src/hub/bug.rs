//! Bugs on purpose. Each one breaks a rule of protocol.md §2 in one place; a checker that does not find it
//! checks nothing. Without the feature `bugs` none of them can be switched on.

use super::Hub;

/// What is done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(not(feature = "bugs"), allow(unreachable_pub, reason = "public with the feature"))]
pub enum Bug {
    /// A repeated send is appended again.
    NoDedupe,
    /// A line is forgotten a few seconds after its last send.
    DedupeForgottenEarly,
    /// A repeated send is answered by the answer to another one.
    AnswerOfAnotherSend,
    /// A send in the middle of a line that the server does not know is appended.
    UnknownProducerAccepted,
    /// A send is appended although an earlier one of its line is missing.
    GapInSequenceAccepted,
    /// A send is acknowledged, and then sometimes not appended.
    AckBeforeAppend,
    /// A refused send is appended all the same.
    NackedButAppended,
    /// A temporary refusal consumes the number.
    RefusalConsumes,
    /// The log's numbers have holes.
    SeqSkipped,
    /// A replay begins one message late.
    SinceOffByOne,
    /// A replay begins with the message that the client has.
    SinceInclusive,
    /// The messages of a replay come in the wrong order.
    WrongOrderInReplay,
    /// Live messages overtake a replay under way.
    ReplayAfterLive,
    /// What is said while a replay is under way never reaches the one who waits for it.
    LiveDuringReplayLost,
    /// A log that begins anew has the epoch of the one before.
    EpochKeptAfterLoss,
    /// A position is not compared by its id.
    ForkUnchecked,
    /// A position that the log does not reach any more counts as recovered.
    TrimmedSaidRecovered,
    /// A history answer says that it is complete when it is not.
    HistorySaidComplete,
    /// Everybody is told which send of its user a message is.
    OriginToEverybody,
    /// Plain connections are sent extended messages.
    ExtendedFramesToPlain,
    /// A loss is told at once instead of after the grace.
    UserLeftWithoutGrace,
    /// Somebody whose last connection is gone stays a member.
    MemberNeverLeaves,
}

#[cfg(feature = "bugs")]
impl Bug {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::NoDedupe,
        Self::DedupeForgottenEarly,
        Self::AnswerOfAnotherSend,
        Self::UnknownProducerAccepted,
        Self::GapInSequenceAccepted,
        Self::AckBeforeAppend,
        Self::NackedButAppended,
        Self::RefusalConsumes,
        Self::SeqSkipped,
        Self::SinceOffByOne,
        Self::SinceInclusive,
        Self::WrongOrderInReplay,
        Self::ReplayAfterLive,
        Self::LiveDuringReplayLost,
        Self::EpochKeptAfterLoss,
        Self::ForkUnchecked,
        Self::TrimmedSaidRecovered,
        Self::HistorySaidComplete,
        Self::OriginToEverybody,
        Self::ExtendedFramesToPlain,
        Self::UserLeftWithoutGrace,
        Self::MemberNeverLeaves,
    ];
}

impl Hub {
    /// Whether this bug is switched on.
    #[cfg(feature = "bugs")]
    pub(super) fn has_bug(&self, bug: Bug) -> bool {
        self.config.bug == Some(bug)
    }

    /// Never.
    #[cfg(not(feature = "bugs"))]
    #[expect(clippy::unused_self, reason = "the same call with the feature and without")]
    pub(super) const fn has_bug(&self, _: Bug) -> bool {
        false
    }
}
