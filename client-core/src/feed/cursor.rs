//! The cursor of a feed in a room's log, moved by the event ids. Decides for each message whether it is new, a
//! repetition or behind a gap.
//!
//! The ids are the server's `epoch:seq:id`. One of another form is passed back as it is, and nothing is concluded
//! from it. So is one of this form on another event, while nothing that only a server of the contract says has come.

use crate::id::Id;
use crate::messages::{Gap, GapReason};
use crate::messages::{MAX_INT, Position};
use crate::mutation::mutation;
use crate::rooms::RecentIds;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

impl Position {
    /// The position as the id of an event in a stream: `epoch:seq:id`.
    pub fn to_event_id(&self) -> String {
        format!("{}:{}:{}", self.epoch.as_str(), self.seq, self.id.as_str())
    }

    /// The inverse of [`Position::to_event_id`]; `None` for an id of another form.
    pub fn from_event_id(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (epoch, seq, id) = (parts.next()?, parts.next()?, parts.next()?);
        let is_number =
            seq.bytes().all(|byte| byte.is_ascii_digit()) && (seq == "0" || !seq.starts_with('0'));
        if parts.next().is_some() || !is_number {
            return None;
        }
        let seq = seq.parse().ok().filter(|seq| *seq <= MAX_INT)?;
        Some(Self { epoch: Id::new(epoch).ok()?, seq, id: Id::new(id).ok()? })
    }
}

/// What to do with a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// Report this first.
    pub(super) gap: Option<LogGap>,
    /// It has not been delivered before.
    pub(super) is_new: bool,
    /// The position is here now.
    moves: bool,
}

impl Step {
    fn on(is_new: bool) -> Self {
        Self { gap: None, is_new, moves: true }
    }

    fn over(gap: LogGap, is_new: bool) -> Self {
        Self { gap: Some(gap), is_new, moves: true }
    }
}

/// What is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogGap {
    epoch: Option<Id>,
    after: Option<u64>,
    before: Option<u64>,
    reason: GapReason,
}

impl LogGap {
    /// An unknown gap, possibly empty.
    fn unknown(reason: GapReason) -> Self {
        Self { epoch: None, after: None, before: None, reason }
    }

    /// As an application is reported.
    pub(super) fn into_gap<N>(self, room: N) -> Gap<N> {
        let Self { epoch, after, before, reason } = self;
        Gap { room, epoch, after, before, reason }
    }
}

fn log_gap(at: &Position, after: u64, before: Option<u64>, reason: GapReason) -> LogGap {
    LogGap { epoch: Some(at.epoch.clone()), after: Some(after), before, reason }
}

/// How far the server has announced that something is missing, while no message has come since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Announced {
    /// The first message behind the gap, in the log that is being read; `None`: whatever comes.
    before: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// Where, if the last id has the form that announces it.
    position: Option<Position>,
    /// What to ask the server to continue from.
    last_id: Option<Arc<str>>,
    recent: RecentIds,
    announced: Option<Announced>,
    /// The gap told last, while no message has come since: a server reports it again on each connection.
    reported: Option<LogGap>,
    /// The highest number seen on this connection: a smaller one that is not a repetition is of another log.
    seen: u64,
    /// The stream has been open before.
    was_open: bool,
    /// A message with a position, a gap or a position alone has come: the server speaks the contract.
    is_proven: bool,
    /// Why something may be missing if it turns out that the position is none.
    in_doubt: Option<GapReason>,
}

impl Cursor {
    /// At the beginning, or behind the event with this id.
    pub(super) fn new(since: Option<&str>) -> Self {
        let mut place = Self::default();
        if let Some(since) = since.filter(|since| !since.is_empty()) {
            place.was_open = true;
            place.move_to(since.into());
        }
        place
    }

    pub(super) fn last_id(&self) -> Option<&Arc<str>> {
        self.last_id.as_ref()
    }

    /// Whether the last id says where in a log it is.
    pub(super) fn has_position(&self) -> bool {
        self.position.is_some()
    }

    /// The stream is open, for the first time or again. Returns what that leaves unknown: a server whose ids say nothing
    /// about positions may or may not continue where it was.
    pub(super) fn opened(&mut self) -> Option<LogGap> {
        self.seen = if mutation!(SeenKept) { self.seen } else { 0 };
        if !mutation!(FeedAnnouncedKept) {
            self.announced = None;
        }
        let again = core::mem::replace(&mut self.was_open, true);
        if again {
            self.doubt(GapReason::Reconnected);
        }
        (again && self.position.is_none() && !mutation!(AbsenceUntold))
            .then(|| LogGap::unknown(GapReason::Reconnected))
    }

    /// An event was left out that cannot be told from any other.
    pub(super) fn event_dropped(&mut self) -> Option<LogGap> {
        self.doubt(GapReason::Unavailable);
        // Where there are numbers, the next one shows it.
        self.position.is_none().then(|| LogGap::unknown(GapReason::Unavailable))
    }

    fn doubt(&mut self, why: GapReason) {
        if self.position.is_some() && !self.is_proven {
            self.in_doubt = Some(why);
        }
    }

    /// A message has come, with this id of its own.
    pub(super) fn take(&mut self, id: Option<&str>) -> Step {
        let Some(id) = id else {
            self.reported = None;
            return Step::on(true);
        };
        let Some(now) = Position::from_event_id(id) else {
            let gap = self.position.as_ref().map(|at| log_gap(at, at.seq, None, GapReason::EpochChanged));
            self.announced = None;
            self.move_to(id.into());
            return Step { gap, is_new: true, moves: true };
        };
        self.prove();
        let step = self.classify(&now);
        if step.moves {
            self.announced = None;
            self.reported = None;
            self.seen = now.seq;
            self.arrive(now, id.into());
        } else {
            self.seen = self.seen.max(now.seq);
        }
        step
    }

    fn classify(&self, now: &Position) -> Step {
        let Some(at) = &self.position else { return Step::on(true) };
        if now.epoch != at.epoch {
            return match self.announced {
                Some(Announced { before: None }) => Step::on(true),
                _ if mutation!(FeedEpochUntold) => Step::on(true),
                _ => Step::over(log_gap(at, at.seq, None, GapReason::EpochChanged), true),
            };
        }
        let known = self.recent.is(now.seq, &now.id);
        // Only a position that a fork has moved back can come to a message that was delivered before.
        let is_new = known != Some(true);
        let next = match self.announced {
            Some(Announced { before: None }) => return Step::on(is_new),
            Some(Announced { before: Some(before) }) => before,
            None => at.seq.saturating_add(1),
        };
        if now.seq > next && !mutation!(FeedHoleUntold) {
            let after = if mutation!(FeedGapTooSmall) { next } else { next.saturating_sub(1) };
            return Step::over(log_gap(at, after, Some(now.seq), GapReason::Unavailable), is_new);
        }
        if now.seq > at.seq {
            return Step::on(is_new);
        }
        match known {
            Some(true) => Step { is_new: mutation!(FeedToldTwice), ..Step::default() },
            // The server begins further back than it was asked to.
            None if now.seq > self.seen && !mutation!(RewindSaidForked) => Step::default(),
            _ if mutation!(ForkUntold) => Step::on(true),
            _ => Step::over(log_gap(at, at.seq, None, GapReason::Forked), true),
        }
    }

    /// The server reports that something is missing; gives it in this side's own words, unless it has been reported.
    pub(super) fn gap<N>(&mut self, gap: Gap<N>, id: Option<&str>) -> Option<LogGap> {
        self.prove();
        let Gap { room: _, epoch, after, before, reason } = gap;
        let gap = match &self.position {
            Some(at) => {
                // What has been received is known better here.
                let same = epoch.as_ref() == Some(&at.epoch);
                let before = before.filter(|before| same && *before > at.seq);
                let before = before.map(|before| before + u64::from(mutation!(FeedGapTooLarge)));
                LogGap { epoch: Some(at.epoch.clone()), after: Some(at.seq), before, reason }
            }
            None => LogGap { epoch, after, before, reason },
        };
        self.announced = Some(Announced { before: gap.before });
        if let Some(id) = id {
            self.move_to_id(id);
        }
        if self.reported.as_ref() == Some(&gap) && !mutation!(FeedGapTwice) {
            return None;
        }
        self.reported = Some(gap.clone());
        Some(gap)
    }

    /// The server names a position without saying anything else.
    pub(super) fn move_to_id(&mut self, id: &str) {
        if Position::from_event_id(id).is_some() {
            self.prove();
        }
        match (Position::from_event_id(id), &self.position) {
            // A position to begin at, or behind a gap that has been reported.
            (Some(now), None) => self.arrive(now, id.into()),
            (Some(now), Some(_)) if self.announced.is_some() && !mutation!(GapWithoutPlace) => {
                self.announced = None;
                self.arrive(now, id.into());
            }
            // It continues by messages, one by one: what it skips over would be lost without a word.
            (Some(_), Some(_)) => {}
            (None, _) => self.move_to(id.into()),
        }
    }

    /// An event that is no message of the log has this id: it says nothing about the position of one that has a position.
    /// Returns what that leaves unknown: if the server has none, it may not have gone on where this reader was.
    pub(super) fn skip_event(&mut self, id: &str) -> Option<LogGap> {
        match Position::from_event_id(id) {
            Some(now) if mutation!(FeedStrayMoves) => self.arrive(now, id.into()),
            Some(_) if self.position.is_some() && self.is_proven => {}
            _ => {
                self.leave_log(id.into());
                return self.in_doubt.take().map(LogGap::unknown);
            }
        }
        None
    }

    fn prove(&mut self) {
        self.is_proven = true;
        self.in_doubt = None;
    }

    fn arrive(&mut self, now: Position, id: Arc<str>) {
        if self.position.as_ref().is_none_or(|at| at.epoch != now.epoch) || mutation!(RecentForgotten) {
            self.recent.clear();
        }
        self.recent.add(now.seq, &now.id);
        self.position = Some(now);
        if !mutation!(FeedPlaceKept) || self.last_id.is_none() {
            self.last_id = Some(id);
        }
    }

    /// To an id of whatever form.
    fn move_to(&mut self, id: Arc<str>) {
        if let Some(now) = Position::from_event_id(&id) {
            return self.arrive(now, id);
        }
        self.leave_log(id);
    }

    fn leave_log(&mut self, id: Arc<str>) {
        self.position = None;
        self.reported = None;
        self.last_id = (!id.is_empty()).then_some(id);
    }
}
