//! Records of every message that a store has had, beside the store itself: appended where, and whether it was lost again. Judges
//! nothing; the other checks compare with it what clients were told.

use rejoin::Id;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A message as its author counts: the client, and the number of its send.
pub type Key = (usize, u64);
/// A room, or a user's own stream.
pub type LogId = u32;

/// The first of the places that are users' own streams.
pub const PERSONAL: LogId = 1000;

/// Reads a message's author out of its text.
pub fn key(content: &str) -> Option<Key> {
    let (client, number) = content.trim_start().strip_prefix('u')?.split_once('-')?;
    Some((client.parse().ok()?, number.parse().ok()?))
}

/// One message that was appended.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) place: LogId,
    pub(super) key: Key,
    pub(super) epoch: Option<Id>,
    pub(super) seq: u64,
    /// Its number in its room through all epochs.
    pub(super) ordinal: u64,
    /// The store has lost it since.
    pub(super) lost: bool,
    /// A store lost it and kept the epoch.
    pub(super) cropped: bool,
}

/// One room's log.
#[derive(Debug, Default)]
struct Log {
    epoch: Option<Id>,
    /// The records of the current epoch that are not lost.
    records: Vec<usize>,
    oldest: u64,
    /// The oldest that each epoch still had when it ended.
    ended: BTreeMap<Id, u64>,
    epochs: u32,
    forks: u32,
    ordinals: u64,
    /// Something was appended since it last lost anything.
    grown: bool,
}

/// A message in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its author.
    pub key: Key,
    /// Its number.
    pub seq: u64,
    /// Its id.
    pub id: Id,
    /// What was said.
    pub words: Option<super::Words>,
}

/// Everything ever appended.
#[derive(Debug, Default)]
pub(super) struct GroundTruth {
    records: Vec<Record>,
    by_id: HashMap<Id, usize>,
    by_place: HashMap<(LogId, Id, u64), Vec<usize>>,
    by_key: HashMap<Key, Vec<usize>>,
    logs: BTreeMap<LogId, Log>,
}

impl GroundTruth {
    fn log(&mut self, place: LogId) -> &mut Log {
        self.logs.entry(place).or_default()
    }

    /// The log's epoch and head as last seen.
    pub(super) fn seen(&self, place: LogId) -> (Option<&Id>, u64) {
        self.logs.get(&place).map_or((None, 0), |log| (log.epoch.as_ref(), log.records.len() as u64))
    }

    /// The store has this epoch, and nothing above `head` of what it had.
    pub(super) fn moved(&mut self, place: LogId, epoch: &Id, head: u64) {
        let log = self.logs.entry(place).or_default();
        let lost: Vec<usize>;
        let cropped = log.epoch.as_ref() == Some(epoch);
        if cropped {
            let keep = usize::try_from(head).unwrap_or(usize::MAX).min(log.records.len());
            lost = log.records.split_off(keep);
            log.forks += u32::from(!lost.is_empty());
        } else {
            lost = std::mem::take(&mut log.records);
            if let Some(ended) = log.epoch.replace(epoch.clone()) {
                log.ended.insert(ended, log.oldest);
            }
            log.epochs += 1;
            log.grown = false;
        }
        log.grown &= lost.is_empty();
        for index in lost {
            self.records[index].lost = true;
            self.records[index].cropped = cropped;
        }
    }

    /// The store no longer has what is older.
    pub(super) fn trimmed(&mut self, place: LogId, oldest: u64) {
        self.log(place).oldest = oldest;
    }

    /// A message was appended; without a stamp, to a room of a plain server.
    pub(super) fn append(&mut self, place: LogId, key: Key, stamp: Option<(u64, Id)>) -> usize {
        let index = self.records.len();
        let log = self.logs.entry(place).or_default();
        log.ordinals += 1;
        log.grown = true;
        let (seq, id) = stamp.map_or((0, None), |(seq, id)| (seq, Some(id)));
        let epoch = id.is_some().then(|| log.epoch.clone()).flatten();
        if let Some(id) = &id {
            log.records.push(index);
            self.by_id.insert(id.clone(), index);
            let epoch = log.epoch.clone().unwrap_or_else(|| id.clone());
            self.by_place.entry((place, epoch, seq)).or_default().push(index);
        }
        let ordinal = log.ordinals;
        self.records.push(Record { place, key, epoch, seq, ordinal, lost: false, cropped: false });
        self.by_key.entry(key).or_default().push(index);
        index
    }

    pub(super) fn record(&self, index: usize) -> &Record {
        &self.records[index]
    }

    pub(super) fn by_id(&self, id: &Id) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// The messages that have had a number in an epoch of a room's log: more than one where it forked.
    pub(super) fn ever(&self, place: LogId, epoch: &Id, seq: u64) -> &[usize] {
        self.by_place.get(&(place, epoch.clone(), seq)).map_or(&[], Vec::as_slice)
    }

    /// The records of a message, oldest first.
    pub(super) fn by_key(&self, key: Key) -> &[usize] {
        self.by_key.get(&key).map_or(&[], Vec::as_slice)
    }

    /// How many messages the room has had through all epochs.
    pub(super) fn ordinals(&self, place: LogId) -> u64 {
        self.logs.get(&place).map_or(0, |log| log.ordinals)
    }

    /// The first message that the log has between two of those numbers.
    pub(super) fn first_between(&self, place: LogId, after: u64, before: u64) -> Option<Key> {
        let records = &self.logs.get(&place)?.records;
        let at = records.partition_point(|index| self.records[*index].ordinal <= after);
        let record = &self.records[*records.get(at)?];
        (record.ordinal < before).then_some(record.key)
    }

    /// The numbers through all epochs of what the room's log still has, but for those that stand where something stood that is
    /// lost: who still has that cannot tell by the number that it is another one.
    pub(super) fn kept_ordinals(&self, place: LogId) -> BTreeSet<u64> {
        let (records, oldest) = self.logs.get(&place).map_or((&[][..], 0), |log| (&log.records, log.oldest));
        let records = records.iter().map(|index| &self.records[*index]);
        let alone = |record: &&Record| {
            record.epoch.as_ref().is_none_or(|epoch| self.ever(place, epoch, record.seq).len() < 2)
        };
        let kept = records.filter(|record| record.seq >= oldest).filter(alone);
        kept.map(|record| record.ordinal).collect()
    }

    /// How many lives the room's log has had.
    pub(super) fn epochs(&self, place: LogId) -> u32 {
        self.logs.get(&place).map_or(0, |log| log.epochs)
    }

    /// Whether something was appended since the log last lost anything.
    pub(super) fn has_grown(&self, place: LogId) -> bool {
        self.logs.get(&place).is_some_and(|log| log.grown)
    }

    /// Counts the times that the log lost something.
    pub(super) fn life(&self, place: LogId) -> u32 {
        self.epochs(place) + self.forks(place)
    }

    /// How often the room's log lost its newest messages.
    pub(super) fn forks(&self, place: LogId) -> u32 {
        self.logs.get(&place).map_or(0, |log| log.forks)
    }

    /// Whether the log under this epoch has lost messages and gone on.
    pub(super) fn was_cropped(&self, place: LogId, epoch: &Id) -> bool {
        let here = |record: &&Record| record.place == place && record.epoch.as_ref() == Some(epoch);
        self.records.iter().rev().any(|record| record.cropped && here(&record))
    }

    /// The oldest message the store has.
    pub(super) fn oldest(&self, place: LogId) -> u64 {
        self.logs.get(&place).map_or(0, |log| log.oldest)
    }

    /// The oldest message that the store has of an epoch, or had when that ended.
    pub(super) fn oldest_of(&self, place: LogId, epoch: &Id) -> u64 {
        let log = self.logs.get(&place);
        log.map_or(0, |log| log.ended.get(epoch).copied().unwrap_or(log.oldest))
    }

    /// How many logs have never lost anything, of all.
    pub(super) fn intact(&self) -> (u32, u32) {
        let intact = self.logs.values().filter(|log| log.epochs <= 1 && log.forks == 0).count();
        (u32::try_from(intact).unwrap_or(0), u32::try_from(self.logs.len()).unwrap_or(0))
    }

    /// The rooms that have a log, and its epoch.
    pub(super) fn places(&self) -> impl Iterator<Item = (LogId, Id)> {
        self.logs.iter().filter_map(|(place, log)| Some((*place, log.epoch.clone()?)))
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }
}
