//! Checks what readers of rooms are told (protocol.md §4): each message as in the log, once and in order, each gap with its true
//! reason before later messages, and with each the id to resume from.

use super::Checker;
use super::app_events::Words;
use super::ground_truth::{LogId, key};
use crate::sim::coverage::Sometimes;
use crate::sim::{Micros, SECOND};
use rejoin::{Gap, GapReason, Id, Message, Position};
use std::collections::BTreeSet;

/// A server says something at least so often; the reader waits for as long as a pong may take after two of them.
const SILENCE: Micros = 40 * SECOND;

/// What is known of one reader.
#[derive(Debug, Default)]
pub(super) struct Reading {
    place: LogId,
    /// Its server numbers nothing.
    without_ids: bool,
    /// Its server names no holes.
    silent: bool,
    /// The id that was told beside the last event.
    last_id: Option<String>,
    /// A hole that was told, and no message since.
    gap: Option<Gap>,
    /// It has been told that there is a place to go on from.
    began: bool,
    told: BTreeSet<usize>,
    /// Without ids: the last message, by its number through all epochs.
    last_ordinal: Option<u64>,
    /// Places of messages that were lost on the way.
    dropped: BTreeSet<(Id, u64)>,
    /// Where the stream begins for somebody who has seen nothing.
    begins: Option<(Id, u64)>,
    /// Streams that this process has had.
    opened: u32,
    /// It is to be told that nobody knows what it has missed.
    unsure: bool,
    /// Its server has begun further back than it was asked to, after a fork, where the log is another one.
    rewound: bool,
    /// Nothing may be told any more.
    over: bool,
    /// Its clock when something last came.
    heard: Micros,
    /// Its clock when it lost its last stream, and how long it was told to stay away.
    lost: Option<(Micros, Micros)>,
    retry: Micros,
}

impl Checker {
    fn reading(&mut self, reader: usize) -> &mut Reading {
        if self.readers.len() <= reader {
            self.readers.resize_with(reader + 1, Reading::default);
        }
        &mut self.readers[reader]
    }

    /// A process of a reader begins, with an id to go on from if it has one.
    pub fn reader_begins(
        &mut self,
        reader: usize,
        place: LogId,
        without_ids: bool,
        silent: bool,
        since: Option<&str>,
    ) {
        let dropped = std::mem::take(&mut self.reading(reader).dropped);
        *self.reading(reader) = Reading {
            place,
            without_ids,
            silent,
            last_id: since.map(str::to_owned),
            began: since.is_some(),
            opened: u32::from(since.is_some()),
            dropped,
            ..Reading::default()
        };
    }

    /// It asks for a stream, behind the event with this id.
    pub fn reader_asks(&mut self, reader: usize, monotonic: Micros, last_event_id: Option<&str>) {
        let reading = self.reading(reader);
        let (known, over) = (reading.last_id.clone(), reading.over);
        let early = reading.lost.is_some_and(|(at, retry)| monotonic < at + retry);
        let lost = reading.lost;
        if last_event_id != known.as_deref() && !self.moved_untold(reader, last_event_id) {
            self.violated(format!(
                "4: reader{reader} asks for what follows {last_event_id:?}, and was told to go on from {known:?}"
            ));
        }
        if over {
            self.violated(format!("10: reader{reader} asks for a stream after the end"));
        }
        if early {
            self.violated(format!("11: reader{reader} comes back at {monotonic}, told not to: {lost:?}"));
        }
    }

    /// Its stream is open; for somebody who has seen nothing it begins with this message.
    pub fn reader_opens(&mut self, reader: usize, monotonic: Micros, begins: Option<(Id, u64)>) {
        let reading = self.reading(reader);
        reading.opened += 1;
        reading.begins = begins;
        reading.heard = monotonic;
        reading.lost = None;
        reading.unsure = reading.opened > 1 && reading.last_id.is_none();
    }

    /// Its stream begins further back than it was asked to.
    pub fn reader_rewound(&mut self, reader: usize) {
        self.reading(reader).rewound = true;
    }

    /// It has lost its stream.
    pub fn reader_loses(&mut self, reader: usize, monotonic: Micros) {
        let reading = self.reading(reader);
        reading.lost = Some((monotonic, reading.retry));
    }

    /// Something came over its stream, or may have come while nobody was looking.
    pub fn reader_hears(&mut self, reader: usize, monotonic: Micros) {
        self.reading(reader).heard = monotonic;
    }

    /// Its stream says how long it has to stay away after the end.
    pub fn reader_told_to_wait(&mut self, reader: usize, wait: Micros) {
        self.reading(reader).retry = wait;
    }

    /// Somebody who may has asked it to come back: it need not wait.
    pub fn reader_stirred(&mut self, reader: usize) {
        let reading = self.reading(reader);
        (reading.lost, reading.over) = (None, false);
    }

    /// Its process has ended it.
    pub fn reader_over(&mut self, reader: usize) {
        self.reading(reader).over = true;
    }

    /// It gives a stream up since nothing came over it.
    pub fn reader_finds_it_dead(&mut self, reader: usize, monotonic: Micros) {
        let heard = self.reading(reader).heard;
        if monotonic < heard + SILENCE {
            self.violated(format!(
                "9: reader{reader} gives a stream up at {monotonic} that spoke at {heard}"
            ));
        }
        self.cover.reach(Sometimes::ReaderFindsDead);
    }

    /// A message was lost on the way to it.
    pub fn reader_misses(&mut self, reader: usize, epoch: &Id, seq: u64) {
        self.reading(reader).dropped.insert((epoch.clone(), seq));
    }

    /// Whatever it is told: nothing after the end. `last` is what to go on from.
    fn told_beside(&mut self, reader: usize, last: Option<&str>) {
        let reading = self.reading(reader);
        reading.last_id = last.map(str::to_owned);
        if reading.over {
            self.violated(format!("14: reader{reader} is told something after the end"));
        }
    }

    /// It is told that there is a place to go on from.
    pub fn reader_began(&mut self, reader: usize, last: Option<&str>) {
        let again = std::mem::replace(&mut self.reading(reader).began, true);
        let begins = self.reading(reader).begins.clone();
        self.told_beside(reader, last);
        let at = last.and_then(Position::from_event_id);
        let right = at
            .as_ref()
            .zip(begins.as_ref())
            .is_none_or(|(at, (epoch, next))| at.epoch == *epoch && at.seq + 1 == *next);
        if again || at.is_none() || !right {
            self.violated(format!(
                "4: reader{reader} begins at {last:?}, again: {again}, and not {begins:?}"
            ));
        }
    }

    /// It is told of an event that is no message, or of one that was left out: neither moves it.
    pub fn reader_is_told(&mut self, reader: usize, last: Option<&str>) {
        let known = self.reading(reader).last_id.clone();
        if known.as_deref() != last && !self.moved_untold(reader, last) {
            self.violated(format!("4: an event moves reader{reader} from {known:?} to {last:?}"));
        }
        self.told_beside(reader, last);
    }

    /// It is told of a hole.
    pub fn reader_gap(&mut self, reader: usize, gap: &Gap, last: Option<&str>) {
        let reading = self.reading(reader);
        let (place, at) = (reading.place, reading.last_id.as_deref().and_then(Position::from_event_id));
        let (before, unsure) = (reading.gap.replace(gap.clone()), std::mem::take(&mut reading.unsure));
        let begins = reading.begins.clone();
        let from = at.as_ref().map(|at| (at.epoch.clone(), at.seq));
        let from = from.or(begins.map(|(epoch, next)| (epoch, next - 1)));
        self.told_beside(reader, last);
        let rewound = gap.reason == GapReason::Forked && self.readers[reader].rewound;
        if before.as_ref() == Some(gap) && gap.reason != GapReason::Reconnected && !rewound {
            return self.violated(format!("4: reader{reader} is told twice of {gap:?}"));
        }
        if gap.reason == GapReason::Reconnected {
            if !unsure || gap.epoch.is_some() {
                self.violated(format!(
                    "4: reader{reader} is told without need that it has been away: {gap:?}"
                ));
            }
            return;
        }
        let placed = gap.epoch.clone().zip(gap.after);
        let forked = before.as_ref().is_some_and(|gap| gap.reason == GapReason::Forked);
        let same = placed == from
            || self.reading(reader).without_ids
            || placed.as_ref().zip(from.as_ref()).is_some_and(|((epoch, after), (at, seq))| {
                // A second fork that is told in the same words is not told; what was told is not told again.
                let further = forked && after < seq || self.has_told(reader, epoch, seq + 1..=*after);
                epoch == at && further
            });
        let (Some((epoch, after)), true) = (placed, same) else {
            return self.violated(format!("4: reader{reader} is at {from:?} and told of {gap:?}"));
        };
        if *gap.room != *format!("room{place}") {
            return self.violated(format!("4: reader{reader} is told of {gap:?} in place {place}"));
        }
        let now = self.ground_truth.seen(place).0 == Some(&epoch);
        let honest = match (gap.reason, gap.before) {
            (GapReason::Trimmed, Some(before)) => {
                before > after + 1 && (!now || self.ground_truth.oldest(place) >= before)
            }
            (GapReason::EpochChanged, None) => !now,
            (GapReason::Forked, None) => self.ground_truth.was_cropped(place, &epoch),
            (GapReason::Unavailable, Some(before)) => {
                before > after + 1 && (after + 1..before).all(|seq| self.is_explained(reader, &epoch, seq))
            }
            _ => false,
        };
        // What to go on from is before the hole, or right before what comes behind it.
        let behind = last.and_then(Position::from_event_id).filter(|last| at.as_ref() != Some(last));
        let own = |behind: &Position| behind.epoch == epoch && behind.seq == after;
        let place_told = behind.filter(|behind| !own(behind)).is_none_or(|behind| match gap.reason {
            GapReason::Unavailable => false,
            GapReason::Trimmed => gap.before == Some(behind.seq + 1),
            _ if gap.reason == GapReason::EpochChanged || behind.epoch != epoch => {
                let (current, oldest) = (self.ground_truth.seen(place).0, self.ground_truth.oldest(place));
                behind.seq == 0 || current != Some(&behind.epoch) || behind.seq < oldest
            }
            _ => {
                let missed = |seq| self.readers[reader].dropped.contains(&(epoch.clone(), seq));
                // What followed the fork may have been trimmed before it was read.
                let trimmed = behind.seq < self.ground_truth.oldest_of(place, &epoch);
                behind.epoch == epoch && (trimmed || (after + 1..=behind.seq).all(missed))
            }
        });
        if !honest || !place_told {
            self.violated(format!("4: reader{reader} is told of {gap:?} and {last:?}, which is not so"));
        }
        self.cover.reach(match gap.reason {
            GapReason::Trimmed => Sometimes::ReaderTrimmed,
            GapReason::EpochChanged => Sometimes::ReaderNewEpoch,
            GapReason::Forked => Sometimes::ReaderForked,
            _ => Sometimes::ReaderMissed,
        });
    }

    /// Why a message without a word of the server has not come.
    fn is_explained(&mut self, reader: usize, epoch: &Id, seq: u64) -> bool {
        let (place, silent) = (self.reading(reader).place, self.reading(reader).silent);
        let gone = self.ground_truth.seen(place).0 != Some(epoch) || seq < self.ground_truth.oldest(place);
        self.reading(reader).dropped.contains(&(epoch.clone(), seq))
            || silent && (gone || self.ground_truth.was_cropped(place, epoch))
    }

    /// It is told a message.
    pub fn reader_message(&mut self, reader: usize, message: &Message, last: Option<&str>) {
        let reading = self.reading(reader);
        let (place, unsure) = (reading.place, reading.unsure);
        let from = reading.last_id.as_deref().and_then(Position::from_event_id);
        let gap = reading.gap.take();
        self.told_beside(reader, last);
        if unsure {
            return self.violated(format!("4: reader{reader} is not told that it has been away"));
        }
        let Some(key) = key(&message.content) else {
            return self.violated(format!("4: reader{reader} is told what nobody has said: {message:?}"));
        };
        if *message.room != *format!("room{place}") {
            return self.violated(format!("4: reader{reader} is told {key:?} in {}", message.room));
        }
        let Some(stamp) = message.entry.as_deref() else {
            return self.reader_unplaced(reader, message, gap.is_some());
        };
        let told = Position { epoch: stamp.epoch.clone(), seq: stamp.seq, id: stamp.id.clone() };
        let Some(index) = self.ground_truth.by_id(&told.id) else {
            return self.violated(format!("4: reader{reader} is told {told:?}, never appended"));
        };
        let record = self.ground_truth.record(index).clone();
        let right = record.key == key
            && record.place == place
            && record.seq == told.seq
            && record.epoch.as_ref() == Some(&told.epoch);
        if !right || last != Some(&*told.to_event_id()) {
            return self
                .violated(format!("6: reader{reader} is told {told:?} and {last:?}, which is {record:?}"));
        }
        self.words_are(reader, index, message);
        if !self.reading(reader).told.insert(index) {
            self.violated(format!("2: {key:?} is told reader{reader} twice"));
        }
        self.follows(reader, from.as_ref(), &told, gap.as_ref());
    }

    /// Whether it may be here without having been told so: a second fork, further back and told in the same words, has
    /// moved it back; or messages that it was told before, which are not told again, have moved it forward.
    fn moved_untold(&mut self, reader: usize, id: Option<&str>) -> bool {
        let reading = self.reading(reader);
        let forked = reading.gap.as_ref().is_some_and(|gap| gap.reason == GapReason::Forked);
        let known = reading.last_id.as_deref().and_then(Position::from_event_id);
        let now = id.and_then(Position::from_event_id);
        let Some((known, now)) = known.zip(now).filter(|(known, now)| known.epoch == now.epoch) else {
            return false;
        };
        (forked && now.seq <= known.seq) || self.has_told(reader, &now.epoch, known.seq + 1..=now.seq)
    }

    /// Whether all of these were told: they are not told again when a fork has moved a reader back.
    fn has_told(&mut self, reader: usize, epoch: &Id, mut seqs: std::ops::RangeInclusive<u64>) -> bool {
        let place = self.reading(reader).place;
        let told = &self.readers[reader].told;
        !seqs.is_empty()
            && seqs
                .all(|seq| self.ground_truth.ever(place, epoch, seq).iter().any(|index| told.contains(index)))
    }

    /// Whether a message may come now, for one who is at `from` and was told of `gap` since.
    fn follows(&mut self, reader: usize, from: Option<&Position>, told: &Position, gap: Option<&Gap>) {
        let (place, silent) = (self.reading(reader).place, self.reading(reader).silent);
        let begins = self.reading(reader).begins.clone();
        let (epoch, seq) = (&told.epoch, told.seq);
        let next = match from {
            Some(from) => Some((from.epoch.clone(), from.seq + 1)),
            None => begins,
        };
        let at_once = next.as_ref() == Some(&(epoch.clone(), seq));
        let held_before = seq > 1
            && seq > self.ground_truth.oldest(place)
            && self.ground_truth.seen(place).0 == Some(epoch);
        let fine = match gap {
            None => {
                at_once
                    || next.as_ref().is_some_and(|(at, next)| {
                        at == epoch && self.has_told(reader, epoch, *next..=seq - 1)
                    })
            }
            Some(gap) if gap.reason == GapReason::Reconnected => true,
            Some(gap) if gap.before.is_some() => {
                at_once || (gap.epoch.as_ref(), gap.before) == (Some(epoch), Some(seq))
            }
            Some(gap) if gap.reason == GapReason::EpochChanged => {
                at_once || gap.epoch.as_ref() != Some(epoch) && (!held_before || silent)
            }
            Some(gap) => {
                at_once
                    || gap.epoch.as_ref() == Some(epoch) && gap.after.is_some_and(|after| seq <= after + 1)
            }
        };
        if !fine {
            return self.violated(format!(
                "3: reader{reader} is told {told:?}, and next was {next:?} after {gap:?}"
            ));
        }
        // What the log has lost since is in another line than what it has now.
        let lost = |at: &Position| {
            self.ground_truth.by_id(&at.id).map(|index| self.ground_truth.record(index).cropped)
        };
        if gap.is_none() && !silent && from.and_then(lost) == Some(true) && lost(told) == Some(false) {
            self.violated(format!("6: reader{reader} was not told that {from:?} is lost"));
        }
    }

    /// The same where nothing has a number.
    fn reader_unplaced(&mut self, reader: usize, message: &Message, gap: bool) {
        if !self.reading(reader).without_ids {
            return self.violated(format!("4: reader{reader} is told a message without a place"));
        }
        let Some(key) = key(&message.content) else { return };
        let last = self.reading(reader).last_ordinal;
        let copies = self.copies_of(key, &message.timestamp);
        // Where a stream begins anew it shows what the one before has shown.
        let behind = |copy: &&usize| {
            let ordinal = self.ground_truth.record(**copy).ordinal;
            gap || last.is_none_or(|last| ordinal > last)
        };
        let Some(index) = copies.iter().find(behind).copied() else {
            return self.violated(format!("3: {key:?} is told reader{reader} after number {last:?}"));
        };
        self.reading(reader).last_ordinal = Some(self.ground_truth.record(index).ordinal);
        self.words_are(reader, index, message);
    }

    fn words_are(&mut self, reader: usize, index: usize, message: &Message) {
        let told = Words {
            user: message.user.clone(),
            content: message.content.clone(),
            data: None,
            timestamp: message.timestamp.clone(),
        };
        if message.data.is_some() || self.plain_words_of(index).is_some_and(|words| words != told) {
            self.violated(format!(
                "4: reader{reader} is told {message:?}, which is not what stands in the log"
            ));
        }
    }

    /// On a calm network a reader is where the log is.
    pub fn reader_caught_up(&mut self, reader: usize) {
        let (place, without_ids) = (self.reading(reader).place, self.reading(reader).without_ids);
        if without_ids {
            return;
        }
        let at = self.reading(reader).last_id.as_deref().and_then(Position::from_event_id);
        let (epoch, head) = self.ground_truth.seen(place);
        // That the end of the log was lost shows with what is said next.
        let lost = at.as_ref().and_then(|at| self.ground_truth.by_id(&at.id));
        if lost.is_some_and(|index| self.ground_truth.record(index).lost) {
            return;
        }
        let silent = self.readers[reader].silent;
        let gone = at.as_ref().is_some_and(|at| at.seq + 1 < self.ground_truth.oldest(place));
        let missed = silent && gone
            || epoch.is_some_and(|epoch| self.readers[reader].dropped.contains(&(epoch.clone(), head)));
        if head == 0 || missed {
            // Nor that it begins anew, nor what nobody tells.
            return;
        }
        // Of a replay from too early the end is known already.
        let told = &self.readers[reader].told;
        let ends = epoch.map_or(&[][..], |epoch| self.ground_truth.ever(place, epoch, head));
        let told = self.readers[reader].rewound && ends.iter().any(|index| told.contains(index));
        let there = told || at.as_ref().map(|at| (&at.epoch, at.seq)) == epoch.map(|epoch| (epoch, head));
        if !there {
            let text =
                format!("9: reader{reader} is at {at:?} of place {place}, which is at {epoch:?}:{head}");
            self.violated(text);
        }
        self.cover.reach(Sometimes::ReaderCaughtUp);
    }
}
