//! Receives one room's log: the next message, what is buffered behind a gap, what has to be fetched (protocol.md §2.4).
//!
//! The cursor only moves forward within an epoch, by one message or over a gap that has been reported.

use super::recent_ids::RecentIds;
use crate::backoff::retry_delay;
use crate::id::Id;
use crate::messages::GapReason;
use crate::messages::{EntryMeta, Epoch, JoinReason, Joined, Message, Notification, Position};
use crate::mutation::mutation;
use crate::payload::Payload;
use crate::time::{Nanos, Timestamp};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Something in a room's log.
#[derive(Debug)]
pub(crate) enum LogEntry<P, N> {
    Message(Message<P, N>),
    Notification(Box<Notification<P, N>>),
}

impl<P: Payload, N> LogEntry<P, N> {
    pub(crate) fn meta(&self) -> Option<&EntryMeta> {
        match self {
            Self::Message(message) => message.entry.as_deref(),
            Self::Notification(notification) => notification.entry.as_ref(),
        }
    }

    fn byte_len(&self) -> usize {
        let (content, data) = match self {
            Self::Message(message) => (message.content.byte_len(), message.data.as_ref()),
            Self::Notification(notification) => (0, notification.data.as_ref()),
        };
        content + data.map_or(0, Payload::byte_len)
    }
}

/// Where in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cursor {
    epoch: Epoch,
    seq: u64,
    /// The id of the message there, if it is known.
    id: Option<Id>,
}

/// A request for messages of the log.
#[derive(Debug, Clone, Copy)]
struct Fetch {
    /// Its number, and that of its frame. `None`: the server asked to wait before the next one.
    request: Option<(u64, u64)>,
    /// After which message.
    after: u64,
    until: Timestamp,
}

/// What to do with a message that has come in.
#[derive(Debug)]
pub(crate) enum Accepted<P, N> {
    /// Deliver these, in order.
    Deliver(Vec<LogEntry<P, N>>),
    /// Deliver this one.
    One(LogEntry<P, N>),
    /// Nothing.
    Nothing,
    /// The log is not the one it was: join again.
    Forked,
}

/// A gap that cannot be filled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LogGap {
    pub(crate) epoch: Epoch,
    pub(crate) after: u64,
    pub(crate) before: Option<u64>,
    pub(crate) reason: GapReason,
}

/// What came of a `joined`.
#[derive(Debug)]
pub(crate) struct Resumed {
    pub(crate) gap: Option<LogGap>,
    /// The log is in another epoch than before.
    pub(crate) new_epoch: bool,
    /// How many of the replayed messages are new to the application.
    pub(crate) replayed: u64,
    /// The replay begins where the application is, though the server was not told where that is.
    pub(crate) connects: bool,
}

/// How long a replay or an answer may make no progress before it is requested (again).
const PROGRESS_TIMEOUT: Nanos = Nanos::from_secs(10);
/// Requests for the same gap before it is given up.
const MAX_FETCHES: u8 = 2;

#[derive(Debug)]
pub(crate) struct RoomReceiver<P, N> {
    cursor: Option<Cursor>,
    recent: RecentIds,
    /// The highest position that the server is known to have, on this connection.
    head: u64,
    /// Where the replay of the join ends: what lies between it and the head has to be fetched.
    replay_until: u64,
    /// Replayed messages up to here are not for the application: only the last one's id is wanted.
    silent_until: u64,
    /// Behind a gap, in order.
    buffered: Vec<(u64, LogEntry<P, N>)>,
    buffered_bytes: usize,
    /// A message beyond the next one has come.
    has_gap: bool,
    /// Another log was seen at a position without an id: the server cannot be asked about it.
    forked: bool,
    fetch: Option<Fetch>,
    tries: u8,
    /// Requests refused for now, one after another.
    refusals: u32,
    /// When something last came, while not everything has.
    progress_at: Timestamp,
}

impl<P, N> Default for RoomReceiver<P, N> {
    fn default() -> Self {
        Self {
            cursor: None,
            recent: RecentIds::default(),
            head: 0,
            replay_until: 0,
            silent_until: 0,
            buffered: Vec::new(),
            buffered_bytes: 0,
            has_gap: false,
            forked: false,
            fetch: None,
            tries: 0,
            refusals: 0,
            progress_at: Timestamp::ZERO,
        }
    }
}

impl<P, N> RoomReceiver<P, N> {
    /// Go on from here: what an application knows from elsewhere, or an earlier run has stored.
    pub(crate) fn start_from(&mut self, position: Position) {
        let Position { epoch, seq, id } = position;
        self.recent.clear();
        self.recent.add(seq, &id);
        self.cursor = Some(Cursor { epoch, seq, id: Some(id) });
    }

    /// Nothing is known any more of where the room is.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// What to ask a server to continue from. Position 0 has no message: any id stands for it.
    pub(crate) fn since(&self) -> Option<Position> {
        if mutation!(SinceForgotten) {
            return None;
        }
        let cursor = self.cursor.as_ref()?;
        let id = match &cursor.id {
            Some(id) => id.clone(),
            None if cursor.seq == 0 => cursor.epoch.clone(),
            None => return None,
        };
        Some(Position { epoch: cursor.epoch.clone(), seq: cursor.seq, id })
    }

    /// Where a first join has begun, while nothing has been delivered yet.
    pub(crate) fn start_position(&self) -> Option<Position> {
        self.since().filter(|since| since.seq == self.silent_until)
    }

    pub(crate) fn seq(&self) -> Option<u64> {
        self.cursor.as_ref().map(|cursor| cursor.seq)
    }

    pub(crate) fn epoch(&self) -> Option<&Epoch> {
        self.cursor.as_ref().map(|cursor| &cursor.epoch)
    }

    /// Whether everything that the server is known to have has been received.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.cursor.as_ref().is_some_and(|cursor| cursor.seq >= self.head)
    }

    pub(crate) fn buffered(&self) -> (usize, usize) {
        (self.buffered.len(), self.buffered_bytes)
    }

    pub(crate) fn connection_lost(&mut self) {
        self.buffered.clear();
        if !mutation!(HeldBytesKept) {
            self.buffered_bytes = 0;
        }
        self.has_gap = false;
        self.fetch.take_if(|_| !mutation!(FetchOutlivesLoss));
        self.tries = 0;
        self.head = 0;
    }

    /// The server has confirmed a join. `asked`: the application wants the messages of a first join. `has_history`:
    /// what a replay that begins too late leaves out can be fetched.
    pub(crate) fn joined(
        &mut self,
        now: Timestamp,
        joined: &Joined<N>,
        asked: bool,
        has_history: bool,
    ) -> Resumed {
        self.connection_lost();
        self.progress_at = now;
        self.head = if mutation!(HeadForgotten) { 0 } else { joined.seq };
        self.silent_until = 0;
        self.replay_until = joined.seq;
        let start = joined.seq.saturating_sub(joined.replay);
        let begin = |seq| Some(Cursor { epoch: joined.epoch.clone(), seq, id: None });
        let Some(cursor) = &self.cursor else {
            self.recent.clear();
            self.cursor = begin(if asked || mutation!(SilentShown) { start } else { joined.seq });
            if !asked {
                self.silent_until = joined.seq;
            }
            let replayed = if asked || mutation!(ReplayMiscounted) { joined.replay } else { 0 };
            return Resumed { gap: None, new_epoch: true, replayed, connects: false };
        };
        let same = cursor.epoch == joined.epoch;
        let within = same && cursor.seq <= joined.seq;
        let contradicts = core::mem::take(&mut self.forked)
            || matches!(joined.reason, Some(JoinReason::Forked | JoinReason::EpochChanged));
        // What a replay leaves out that begins too late is still the server's, as far as its log goes back.
        let connects = joined.recovered || start <= cursor.seq;
        if within && !contradicts && (connects || has_history && !mutation!(TrimmedUnfetched)) {
            self.has_gap = !connects;
            if joined.recovered {
                self.replay_until = if mutation!(ReplayTakenTwice) {
                    cursor.seq
                } else {
                    cursor.seq.saturating_add(joined.replay)
                };
            }
            // A replay by count may begin before what the application has.
            let replayed = joined.replay.min(joined.seq.saturating_sub(cursor.seq));
            return Resumed { gap: None, new_epoch: false, replayed, connects };
        }
        let reason = match joined.reason {
            _ if !same => GapReason::EpochChanged,
            Some(JoinReason::Trimmed | JoinReason::Fresh | JoinReason::Other)
                if within && !contradicts && !mutation!(TrimmedSaidForked) =>
            {
                GapReason::Trimmed
            }
            _ => GapReason::Forked,
        };
        let trimmed = reason == GapReason::Trimmed;
        let reason = if trimmed && mutation!(GapReasonOther) { GapReason::EpochChanged } else { reason };
        let before = trimmed.then_some(start.saturating_add(1));
        let after = cursor.seq + u64::from(mutation!(JoinGapTooSmall));
        let gap = LogGap { epoch: cursor.epoch.clone(), after, before, reason };
        if !same && !mutation!(RecentOutlivesEpoch) {
            // After a fork they tell what the replay only repeats from what is new.
            self.recent.clear();
        }
        // A log that began anew holds only what this client has not received, and a fork tells not where it began.
        let is_fetched = has_history && !same && !mutation!(NewLogUnfetched);
        self.has_gap = is_fetched && start > 0;
        self.cursor = begin(if is_fetched { 0 } else { start });
        Resumed {
            gap: if mutation!(NewEpochUntold) && !same { None } else { Some(gap) },
            new_epoch: !same,
            replayed: joined.replay,
            connects: false,
        }
    }
}

impl<P: Payload, N> RoomReceiver<P, N> {
    /// The log is another one than it was.
    fn report_fork(&mut self) -> Accepted<P, N> {
        self.forked =
            self.cursor.as_ref().is_some_and(|cursor| cursor.id.is_none()) && !mutation!(ForkUnsaid);
        Accepted::Forked
    }

    /// Takes a message of the log. `live`: it came by itself on the current connection, neither replayed nor fetched.
    /// `may_hold`: how much room there is behind a gap. `busy`: the application takes nothing now.
    pub(crate) fn accept(
        &mut self,
        now: Timestamp,
        entry: LogEntry<P, N>,
        live: bool,
        may_hold: Option<usize>,
        busy: bool,
    ) -> Accepted<P, N> {
        let Some(meta) = entry.meta() else { return Accepted::One(entry) };
        let Some(cursor) = &mut self.cursor else { return Accepted::Nothing };
        if meta.epoch != cursor.epoch {
            return Accepted::Forked;
        }
        let seq = meta.seq;
        self.progress_at = now;
        if live {
            if seq <= self.head && !mutation!(NoForkCheck) {
                // A live message grows the log. One that does not is either a frame said twice, or another log.
                return match self.recent.is(seq, &meta.id) {
                    Some(true) => Accepted::Nothing,
                    _ if self.buffered.iter().any(|(buffered, it)| {
                        *buffered == seq && it.meta().is_some_and(|buffered| buffered.id == meta.id)
                    }) =>
                    {
                        Accepted::Nothing
                    }
                    _ => self.report_fork(),
                };
            }
            self.head = self.head.max(seq);
        }
        if seq <= cursor.seq {
            if self.recent.is(seq, &meta.id) == Some(false) && !mutation!(NoForkCheck) {
                return self.report_fork();
            }
            if seq == cursor.seq && cursor.id.is_none() {
                // Not among the recent ones: it has not been delivered, and after a fork it may be.
                cursor.id = Some(meta.id.clone());
            }
            if mutation!(NoDedupe) && seq > self.silent_until {
                return Accepted::One(entry);
            }
            return Accepted::Nothing;
        }
        if busy && !mutation!(SkipWhenBusy) {
            // It stays with the server and is fetched when the application has room.
            self.head = self.head.max(seq);
            return Accepted::Nothing;
        }
        if seq > cursor.seq + 1 && !mutation!(IgnoreHole) {
            self.head = self.head.max(seq);
            self.has_gap = true;
            if may_hold.is_some_and(|bytes| entry.byte_len() <= bytes) {
                self.buffer(seq, entry);
            }
            return Accepted::Nothing;
        }
        // Only a position that a fork has moved back can come to a message that was delivered before.
        let again = self.recent.is(seq, &meta.id) == Some(true);
        cursor.seq = seq;
        cursor.id = Some(meta.id.clone());
        self.recent.add(seq, &meta.id);
        if busy {
            return Accepted::Nothing;
        }
        self.tries = 0;
        self.refusals = 0;
        if self.has_gap && seq >= self.head {
            self.has_gap = false;
        }
        if self.buffered.is_empty() {
            return if again { Accepted::Nothing } else { Accepted::One(entry) };
        }
        let mut ready = if again { Vec::new() } else { Vec::from([entry]) };
        self.release(&mut ready);
        if mutation!(ForgetHeld) {
            ready.truncate(1);
        }
        Accepted::Deliver(ready)
    }

    fn buffer(&mut self, seq: u64, entry: LogEntry<P, N>) {
        let at = self.buffered.partition_point(|(buffered, _)| *buffered < seq);
        if self.buffered.get(at).is_none_or(|(buffered, _)| *buffered != seq) {
            self.buffered_bytes += entry.byte_len();
            self.buffered.insert(at, (seq, entry));
        }
    }

    /// Moves what now follows without a gap.
    fn release(&mut self, ready: &mut Vec<LogEntry<P, N>>) {
        let Some(cursor) = &mut self.cursor else { return };
        if self.buffered.first().is_none_or(|(seq, _)| *seq > cursor.seq + 1) {
            return;
        }
        for (seq, entry) in core::mem::take(&mut self.buffered) {
            if seq > cursor.seq + 1 {
                self.buffered.push((seq, entry));
                continue;
            }
            self.buffered_bytes -= entry.byte_len();
            if let Some(meta) = entry.meta().filter(|_| seq == cursor.seq + 1) {
                let again = self.recent.is(seq, &meta.id) == Some(true);
                cursor.seq = seq;
                cursor.id = Some(meta.id.clone());
                self.recent.add(seq, &meta.id);
                if !again {
                    ready.push(entry);
                }
            }
        }
    }

    /// Whether the next messages have to be requested: there is a gap, or the replay is over or has stopped coming.
    pub(crate) fn wants_fetch(&self, now: Timestamp) -> bool {
        let stalled = now >= self.progress_at + PROGRESS_TIMEOUT;
        let replayed = self.seq().is_some_and(|seq| seq >= self.replay_until);
        self.is_behind() && (self.has_gap || replayed || stalled)
    }

    /// Messages were left on the server: they are requested without waiting.
    pub(crate) fn is_behind(&self) -> bool {
        self.fetch.is_none() && !self.is_caught_up()
    }

    /// A request has been written. Returns what it has to say: the epoch, and after which message.
    pub(crate) fn fetch_started(&mut self, now: Timestamp, request: u64, frame: u64) -> Option<(Epoch, u64)> {
        let cursor = self.cursor.as_ref()?;
        let (after, until) = (cursor.seq, now + PROGRESS_TIMEOUT);
        self.fetch = Some(Fetch { request: Some((request, frame)), after, until });
        Some((cursor.epoch.clone(), cursor.seq + u64::from(mutation!(FetchesTooLate))))
    }

    /// The answer to a request has come; `false` if it is not the one that is waited for.
    pub(crate) fn fetched(&mut self, now: Timestamp, request: u64) -> bool {
        let awaited = self.awaited().is_some_and(|(awaited, _)| awaited == request);
        if awaited {
            self.fetch = None;
            self.progress_at = now;
        }
        awaited
    }

    /// The request without an answer: its number, and that of its frame.
    pub(crate) fn awaited(&self) -> Option<(u64, u64)> {
        self.fetch.and_then(|fetch| fetch.request)
    }

    /// The server will answer a request only after a while.
    pub(crate) fn fetch_later(&mut self, now: Timestamp, least: Nanos) {
        self.fetch = Some(Fetch { request: None, after: 0, until: now + retry_delay(self.refusals, least) });
        self.refusals = self.refusals.saturating_add(1);
    }

    /// The gap before the next message that is at hand, `first`, or before everything the server has. Moves behind it.
    pub(crate) fn skip_gap(&mut self, first: Option<u64>, reason: GapReason) -> Option<LogGap> {
        let buffered = self.buffered.first().map(|(seq, _)| *seq);
        let before = match (first, buffered) {
            (Some(first), Some(buffered)) => first.min(buffered),
            (one, other) => one.or(other).unwrap_or(self.head.saturating_add(1)),
        };
        let cursor = self.cursor.as_mut()?;
        if before <= cursor.seq + 1 {
            return None;
        }
        let gap = LogGap {
            epoch: cursor.epoch.clone(),
            after: cursor.seq,
            before: Some(before + u64::from(mutation!(GapEndsTooLate))),
            reason,
        };
        cursor.seq = before - 1;
        cursor.id.take_if(|_| !mutation!(SkippedKeepsId));
        self.tries = if mutation!(TriesKept) { self.tries } else { 0 };
        Some(gap)
    }

    /// What is ready after a gap has been skipped.
    pub(crate) fn ready(&mut self) -> Vec<LogEntry<P, N>> {
        let mut ready = Vec::new();
        self.release(&mut ready);
        ready
    }

    /// A request brought nothing that helps; says whether it is time to give the gap up.
    pub(crate) fn failed_again(&mut self) -> bool {
        self.tries += 1;
        self.tries >= if mutation!(GivesUpEarly) { 1 } else { MAX_FETCHES }
    }

    /// Ends the wait for an answer that is over; whether one was requested and did not come. What has come otherwise meanwhile
    /// has made the request useless, so that it says nothing about the next one.
    pub(crate) fn is_overdue(&mut self, now: Timestamp) -> bool {
        let over = self.fetch.take_if(|fetch| fetch.until <= now);
        over.is_some_and(|fetch| fetch.request.is_some() && self.seq() == Some(fetch.after))
    }

    pub(crate) fn deadline(&self, busy: bool) -> Timestamp {
        match self.fetch {
            Some(_) if mutation!(OverdueUnnoticed) => Timestamp::NEVER,
            Some(fetch) => fetch.until,
            None if mutation!(StallUnnoticed) => Timestamp::NEVER,
            None if busy || self.cursor.is_none() || self.is_caught_up() => Timestamp::NEVER,
            None => self.progress_at + PROGRESS_TIMEOUT,
        }
    }
}
