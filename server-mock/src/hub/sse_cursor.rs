//! The cursor of a feed: one room's log as text/event-stream (protocol.md §4).
//!
//! A feed has no queue of what is to be sent, only a place in the log, so one that is taken slowly costs no more than
//! one that is not. What was trimmed before it was read is announced by a `gap`, as is everything else that is lost.
//!
//! Each event has the position behind it as its `id`, a gap too: a reader that comes back with it is not told the same
//! gap twice. The first block of a feed without a gap has an `id` and no data, which makes no event and gives the
//! reader a position before the first message has come.

use super::log::{Log, LogEntry, PositionStatus};
use super::mutation::mutation;
use super::{Since, Text};
use rejoin::machine::ServerMessage;
use rejoin::messages::json::encode_server;
use rejoin::messages::{Epoch, JoinReason, Joined};
use rejoin::{GapReason, Id, Name, Position};
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// A line that says nothing but that the feed lives.
pub(crate) const KEEP_ALIVE: &str = ":\n\n";

/// The id in a position before the first message, where there is none.
const ZERO_ID: &str = "0";

/// The `ref` of an answer that nobody has asked for.
const NO_REF: &str = "0";

/// Messages that the reader has not seen and will not see.
#[derive(Debug)]
struct Gap {
    /// The life of the log that the numbers belong to, and the last message before the gap; `None`: not known.
    after: Option<(Epoch, u64)>,
    reason: GapReason,
}

/// A reader's place in a log.
#[derive(Debug)]
pub(super) struct Cursor {
    epoch: Epoch,
    /// The number of the next message.
    next: u64,
    /// To be told before that.
    gap: Option<Gap>,
}

impl Cursor {
    /// Begins after what the reader has seen. One who is new, or cannot say, begins `history` messages before the end.
    pub(super) fn new(log: &Log, since: Since, history: u64) -> Self {
        let end = log.head().saturating_add(1);
        let history = history + u64::from(mutation!(FeedHistoryOneMore));
        let fresh = end.saturating_sub(history).max(log.first());
        let (next, gap) = match since {
            Since::Nothing => (fresh, None),
            Since::Unreadable => (fresh, Some((None, GapReason::Unavailable))),
            // What is kept of another life has been said since.
            Since::At(Position { epoch, seq, .. }) if epoch != *log.epoch() => {
                let next = if mutation!(FeedNewEpochSkipped) { end } else { log.first() };
                (next, Some((Some((epoch, seq)), GapReason::EpochChanged)))
            }
            Since::At(Position { epoch, seq, id }) => {
                let after = seq.saturating_add(u64::from(!mutation!(FeedSinceInclusive)));
                match log.position_status(seq, &id) {
                    PositionStatus::Available => (after, None),
                    PositionStatus::Trimmed if mutation!(FeedTrimUntold) => (log.first(), None),
                    PositionStatus::Trimmed => (log.first(), Some((Some((epoch, seq)), GapReason::Trimmed))),
                    // Where the fork is, nobody knows: what lies beyond the reader's own number is certainly new.
                    PositionStatus::Forked if mutation!(FeedForkUntold) => (after.min(end), None),
                    PositionStatus::Forked => (after.min(end), Some((Some((epoch, seq)), GapReason::Forked))),
                }
            }
        };
        let gap = gap.map(|(after, reason)| Gap { after, reason });
        Self { epoch: log.epoch().clone(), next, gap }
    }

    /// The number of the next message.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// A message was appended under this number. If the cursor has passed it, there was another one before.
    pub(super) fn appended(&mut self, epoch: &Epoch, seq: u64) {
        if seq < self.next && *epoch == self.epoch && !mutation!(FeedLiveForkUnseen) {
            self.record_gap(GapReason::Forked);
            self.next = seq;
        }
    }

    /// The text of the next event; `None` at the end of the log.
    pub(super) fn read(&mut self, room: &Name, log: &Log, last: &mut EventCache) -> Option<Text> {
        if self.epoch != *log.epoch() {
            self.record_gap(GapReason::EpochChanged);
            let next = if mutation!(FeedNextKept) { self.next } else { log.first() };
            (self.epoch, self.next) = (log.epoch().clone(), next);
        } else if self.next < log.first() {
            if !mutation!(FeedLiveTrimUntold) {
                self.record_gap(GapReason::Trimmed);
            }
            self.next = log.first();
        }
        if let Some(gap) = self.gap.take() {
            return gap_event(room, log, self.next, &gap);
        }
        let entry = log.from(self.next).next()?;
        self.next = entry.seq.saturating_add(1);
        last.get_or_encode(room, log.epoch(), entry)
    }

    /// The feed's first block, with the time after which the reader shall come back when the feed has ended.
    pub(super) fn begin(&self, log: &Log, retry: Duration) -> Text {
        let mut text = format!("retry: {}\n", retry.as_millis());
        // A gap has the id itself: one that is lost on its way is told again.
        if self.gap.is_none() && !mutation!(FeedBeginsWithoutId) {
            id_line(&mut text, log, self.next);
        }
        text.push('\n');
        text.into()
    }

    /// The answer that a member would get who joined here. Its `ref` means nothing: nobody has asked.
    pub(super) fn joined_event(&self, room: &Name, log: &Log, is_fresh: bool) -> Option<Text> {
        let reason = match &self.gap {
            None => is_fresh.then_some(JoinReason::Fresh),
            Some(gap) => Some(match gap.reason {
                GapReason::EpochChanged => JoinReason::EpochChanged,
                GapReason::Forked => JoinReason::Forked,
                GapReason::Trimmed => JoinReason::Trimmed,
                _ => JoinReason::Other,
            }),
        };
        let joined = Joined {
            reference: Id::new(NO_REF).ok()?,
            room: room.clone(),
            epoch: log.epoch().clone(),
            seq: log.head(),
            replay: log.head().saturating_add(1).saturating_sub(self.next),
            recovered: reason.is_none(),
            reason,
            members: None,
            member_count: None,
        };
        let joined = encode_server(&ServerMessage::Joined(Box::new(joined)))?;
        Some(Text::from(format!("event: joined\ndata: {joined}\n\n")))
    }

    fn record_gap(&mut self, reason: GapReason) {
        let back = u64::from(!mutation!(FeedGapBeginsLate));
        let after = Some((self.epoch.clone(), self.next.saturating_sub(back)));
        self.gap.get_or_insert(Gap { after, reason });
    }
}

/// The event encoded last: the readers of a room mostly read the same one.
#[derive(Debug, Default)]
pub(super) struct EventCache(Option<(u64, Text)>);

impl EventCache {
    fn get_or_encode(&mut self, room: &Name, epoch: &Epoch, entry: &LogEntry) -> Option<Text> {
        if let Some((seq, text)) = &self.0
            && (*seq == entry.seq || mutation!(FeedTextKept))
        {
            return Some(text.clone());
        }
        let message = encode_server(&ServerMessage::Message(entry.plain(room)))?;
        let text = Text::from(format!("id: {epoch}:{}:{}\ndata: {message}\n\n", entry.seq, entry.id));
        self.0 = Some((entry.seq, text.clone()));
        Some(text)
    }
}

/// A text as an event without an id.
pub(crate) fn event_without_id(data: &str) -> String {
    format!("data: {data}\n\n")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GapEvent<'a> {
    room_id: &'a str,
    epoch: Option<&'a str>,
    after: Option<u64>,
    before: Option<u64>,
    reason: &'static str,
}

fn gap_event(room: &Name, log: &Log, next: u64, gap: &Gap) -> Option<Text> {
    let gap = GapEvent {
        room_id: room,
        epoch: gap.after.as_ref().map(|(epoch, _)| epoch.as_str()),
        after: gap.after.as_ref().map(|(_, seq)| *seq),
        // Only there both ends are numbers of one line.
        before: (gap.reason == GapReason::Trimmed).then_some(next + u64::from(mutation!(FeedGapEndsLate))),
        reason: gap.reason.as_str(),
    };
    let mut text = String::from("event: gap\n");
    id_line(&mut text, log, next);
    // Writing to a String does not fail.
    let _ = write!(text, "data: {}\n\n", serde_json::to_string(&gap).ok()?);
    Some(text.into())
}

/// The position before a message, where the log knows it.
fn id_line(text: &mut String, log: &Log, next: u64) {
    let seq = next.saturating_sub(u64::from(!mutation!(FeedIdAhead)));
    let id = if seq == 0 { Some(ZERO_ID) } else { log.id_at(seq).map(Id::as_str) };
    if let Some(id) = id {
        let _ = writeln!(text, "id: {}:{seq}:{id}", log.epoch());
    }
}
