//! The log of one room: its messages in order, numbered, under an epoch.

use super::mutation::mutation;
use rejoin::machine::ServerMessage;
use rejoin::messages::{EntryMeta, Epoch, Notification, ProducerSeq};
use rejoin::{Id, Message, Name};
use std::collections::VecDeque;

/// What an entry costs beside its texts.
const ENTRY: usize = size_of::<LogEntry>();

/// One entry of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogEntry {
    /// Unique in the server.
    pub id: Id,
    /// The entry's number in its epoch, from 1.
    pub seq: u64,
    /// Who said it; in a personal stream, whose stream it is.
    pub user: Name,
    /// What was said; empty for a notification.
    pub content: String,
    /// JSON text.
    pub data: Option<String>,
    /// UTC, as the wire writes it.
    pub timestamp: String,
    /// Which send it was, if it came as a numbered one.
    pub origin: Option<Box<ProducerSeq>>,
    /// What kind of notification it is; `None` for a message.
    pub kind: Option<Name>,
}

impl LogEntry {
    /// A message that is in no log yet. Number and time are the store's to set.
    pub fn new(id: Id, user: Name, content: String) -> Self {
        Self { id, seq: 0, user, content, data: None, timestamp: String::new(), origin: None, kind: None }
    }

    /// What it costs to keep.
    pub(super) fn bytes(&self) -> usize {
        ENTRY + self.content.len() + self.data.as_ref().map_or(0, String::len) + self.timestamp.len()
    }

    /// The frame for extended connections; `own` are those of the user who said it.
    pub(super) fn frame(&self, room: &Name, epoch: &Epoch, replay: bool, own: bool) -> ServerMessage {
        match &self.kind {
            None => ServerMessage::Message(self.message(room, epoch, replay, own)),
            Some(kind) => ServerMessage::Notification(Box::new(Notification {
                entry: Some(self.stamp(epoch, replay, false)),
                kind: kind.clone(),
                data: self.data.clone(),
            })),
        }
    }

    /// The message for extended connections; `own` are those of the user who said it.
    pub(super) fn message(&self, room: &Name, epoch: &Epoch, replay: bool, own: bool) -> Message {
        let stamp = Some(Box::new(self.stamp(epoch, replay, own)));
        let mut plain = self.plain(room);
        plain.user = if replay && mutation!(AuthorWrong) { room.clone() } else { plain.user };
        let data = self.data.clone().filter(|_| !(replay && mutation!(DataNotReplayed)));
        plain.with_data(data).with_entry(stamp)
    }

    /// The message as a plain connection gets it.
    pub(super) fn plain(&self, room: &Name) -> Message {
        Message::plain(
            room.clone(),
            self.user.clone(),
            self.content.clone(),
            if mutation!(TimeWrong) { self.timestamp.replace('2', "3") } else { self.timestamp.clone() },
        )
    }

    fn stamp(&self, epoch: &Epoch, replay: bool, own: bool) -> EntryMeta {
        let origin = if own { self.origin.clone() } else { None };
        EntryMeta { id: self.id.clone(), epoch: epoch.clone(), seq: self.seq, replay, producer: origin }
    }
}

/// What was said in a room, as far back as it is kept.
#[derive(Debug, Clone)]
pub struct Log {
    epoch: Epoch,
    /// In ascending order of `seq`.
    entries: VecDeque<LogEntry>,
    head: u64,
    /// The last one that is not kept any more: its number, and its id if there was one. By the id a position right
    /// before the first kept message can still be told from one of a forked log.
    gone: (u64, Option<Id>),
    bytes: usize,
}

/// Whether a position can be gone on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PositionStatus {
    /// Everything after it is kept.
    Available,
    /// Something after it is not.
    Trimmed,
    /// There is another message at that position, or none yet.
    Forked,
}

impl Log {
    pub(super) fn new(epoch: Epoch) -> Self {
        Self::after(epoch, (0, None))
    }

    /// An empty log that goes on after an entry with this number and id.
    pub(super) fn after(epoch: Epoch, gone: (u64, Option<Id>)) -> Self {
        Self { epoch, entries: VecDeque::new(), head: gone.0, gone, bytes: 0 }
    }

    /// The life of the log. It changes whenever entries may have been lost.
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// The number of the newest entry; 0 when there has been none.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The number of the oldest entry kept, or of the one to come if none is.
    pub(super) fn first(&self) -> u64 {
        self.gone.0 + 1
    }

    /// What is kept, the oldest first.
    pub fn messages(&self) -> impl DoubleEndedIterator<Item = &LogEntry> + ExactSizeIterator {
        self.entries.iter()
    }

    /// What is kept of the entries from `seq` on.
    pub(super) fn from(&self, seq: u64) -> impl Iterator<Item = &LogEntry> {
        self.entries.range(self.entries.partition_point(|entry| entry.seq < seq)..)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether everything after `seq` is kept.
    pub(super) fn reaches(&self, seq: u64) -> bool {
        (self.gone.0..=self.head).contains(&(seq + u64::from(mutation!(ReachesOneMore))))
    }

    /// What can be done for somebody who has everything up to the message `id` at `seq`.
    pub(super) fn position_status(&self, seq: u64, id: &Id) -> PositionStatus {
        if seq > self.head {
            return PositionStatus::Forked;
        }
        if seq < self.gone.0 {
            return PositionStatus::Trimmed;
        }
        // Before the first message there is none whose id could differ.
        if self.id_at(seq) == Some(id) || seq == 0 {
            PositionStatus::Available
        } else {
            PositionStatus::Forked
        }
    }

    /// The id of the entry at `seq`, if it is kept or the last one that was not.
    pub(super) fn id_at(&self, seq: u64) -> Option<&Id> {
        if seq == self.gone.0 {
            return self.gone.1.as_ref();
        }
        self.from(seq).next().filter(|entry| entry.seq == seq).map(|entry| &entry.id)
    }

    /// Appends an entry under the next number.
    pub(super) fn append(&mut self, mut entry: LogEntry) {
        self.head += 1;
        entry.seq = self.head;
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
    }

    /// Leaves a number out.
    pub(super) fn skip(&mut self) {
        self.head += 1;
    }

    pub(super) fn newest(&self) -> Option<&LogEntry> {
        self.entries.back()
    }

    /// Forgets the oldest entries beyond `keep` entries or `bytes`; the newest one stays if `keep` is at least 1.
    pub(super) fn trim(&mut self, keep: usize, bytes: usize) {
        while self.entries.len() > keep + usize::from(mutation!(KeepsOneMore))
            || (self.bytes > bytes && self.entries.len() > 1 && !mutation!(BytesUntrimmed))
        {
            if !self.drop_oldest() {
                break;
            }
        }
    }

    /// Forgets the oldest entries beyond `bytes`, but for the last `least`.
    pub(super) fn shrink(&mut self, bytes: usize, least: usize) {
        while self.bytes > bytes && self.entries.len() > least && self.drop_oldest() {}
        // The places of what is gone would be kept for as long as the log.
        self.entries.shrink_to(self.entries.len() * 2);
    }

    fn drop_oldest(&mut self) -> bool {
        let Some(entry) = self.entries.pop_front() else { return false };
        self.bytes -= entry.bytes();
        self.gone = (entry.seq, if mutation!(GoneIdForgotten) { None } else { Some(entry.id) });
        true
    }

    /// Loses the newest entries, as if they had never been.
    pub(super) fn truncate_newest(&mut self, count: usize) {
        for _ in 0..count {
            let Some(entry) = self.entries.pop_back() else { break };
            self.bytes -= entry.bytes();
        }
        if !mutation!(HeadOutlivesLoss) {
            self.head = self.entries.back().map_or(self.gone.0, |entry| entry.seq);
        }
    }
}
