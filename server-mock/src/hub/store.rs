//! The memory store: everything the hub must not lose, which is logs and producers.

use super::eviction::{Creator, EvictionQueue};
use super::fair_share;
use super::log::{Log, LogEntry};
use super::mutation::mutation;
use super::names::beyond;
use super::producers::{Answer, ProducerKey, Producers, SendStatus};
use super::{HubConfig, Limit};
use rejoin::messages::Epoch;
use rejoin::{Name, Timestamp};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::time::Duration;

/// With each sweep this part of the connections that are no more is forgotten: half of them in three quarters of an
/// hour.
const DECAY_DIVISOR: usize = 64;

/// A sweep looks at so many rooms and producers before others get their turn.
const SWEEP_BATCH: usize = 1_000;

/// What is durable of a server: for each room and personal stream its log and its producers.
///
/// It lives in memory. A [`Hub`](super::Hub) that ended can give it to the next one, which is what a restart with
/// durable storage looks like, as long as both live on the same monotonic clock. The methods that lose something are
/// for tests: storage does such things.
///
/// The personal stream of the user `ada` is the room `@ada` here.
#[derive(Debug, Clone, Default)]
pub struct Store {
    rooms: BTreeMap<Name, StoredRoom>,
    /// Of all logs.
    bytes: usize,
    /// In all rooms.
    producers: usize,
    /// Producers by user.
    users: BTreeMap<Name, usize>,
    /// The most connections lately.
    connections: usize,
    eviction: EvictionQueue,
    /// Rooms forgotten before their time.
    evicted: u64,
    /// How far the sweep under way has come: to this room, and in it to this line or to the end.
    sweep_cursor: Option<(Name, Option<ProducerKey>)>,
}

#[derive(Debug, Clone)]
struct StoredRoom {
    log: Log,
    producers: Producers,
    touched: Timestamp,
    creator: Creator,
    /// Somebody is there, or may be back any moment.
    occupied: bool,
}

impl StoredRoom {
    fn is_unused(&self) -> bool {
        self.log.head() == 0 && self.producers.len() == 0
    }
}

impl Store {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// A room's log, if it has one.
    pub fn room(&self, room: &str) -> Option<&Log> {
        self.rooms.get(room).map(|kept| &kept.log)
    }

    /// The rooms and personal streams that have a log, in alphabetical order.
    pub fn rooms(&self) -> impl Iterator<Item = (&Name, &Log)> {
        self.rooms.iter().map(|(name, kept)| (name, &kept.log))
    }

    /// As [`Store::rooms`], behind one of them and without personal streams.
    pub(super) fn rooms_after<'a>(
        &'a self,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Name, &'a Log)> {
        rooms_but_streams(&self.rooms, after).map(|(name, kept)| (name, &kept.log))
    }

    /// How many rooms and personal streams have a log.
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// How many producers of sends are remembered.
    pub fn producer_count(&self) -> usize {
        self.producers
    }

    /// Bytes of all messages kept, about.
    pub fn byte_len(&self) -> usize {
        self.bytes
    }

    /// Loses a room's newest messages, and the answers to the sends that they were, without a new epoch: a failover
    /// to a copy that was behind, which nobody noticed.
    pub fn truncate_newest(&mut self, room: &str, messages: usize) {
        self.change(room, |kept, gone| {
            kept.log.truncate_newest(messages);
            let head = kept.log.head();
            kept.producers.truncate_after(head, gone);
        });
    }

    /// Forgets a room's oldest messages beyond the last `keep`.
    pub fn trim(&mut self, room: &str, keep: usize) {
        self.change(room, |kept, _| kept.log.trim(keep, usize::MAX));
    }

    /// Empties a room's log and producers, and begins a new life of it, as a server does that knows it has lost something.
    pub fn begin_epoch(&mut self, room: &str, epoch: Epoch) {
        self.change(room, |kept, gone| {
            kept.log = Log::new(epoch);
            kept.producers.clear(gone);
        });
    }

    /// Puts another log into the place of a room's.
    pub(super) fn replace(&mut self, room: &str, log: Log) {
        self.change(room, |kept, _| kept.log = log);
    }

    /// Loses a room altogether.
    pub fn forget(&mut self, room: &str) {
        self.change(room, |kept, gone| {
            kept.log.trim(0, 0);
            kept.producers.clear(gone);
        });
        if let Some((name, kept)) = self.rooms.remove_entry(room) {
            if !kept.occupied {
                self.eviction.take(&name, &kept.creator, kept.touched);
            }
            self.eviction.room_removed(&kept.creator);
        }
    }

    /// Carries out a change of one room and keeps the sums true. The change names the user of each line it removes.
    fn change(&mut self, room: &str, change: impl FnOnce(&mut StoredRoom, &mut dyn FnMut(Option<&Name>))) {
        let Some(kept) = self.rooms.get_mut(room) else { return };
        self.bytes -= kept.log.bytes();
        self.producers -= kept.producers.len();
        let users = &mut self.users;
        change(kept, &mut |user| release(users, user));
        self.bytes += kept.log.bytes();
        self.producers += kept.producers.len();
    }

    /// Whether a sweep could find anything, with so many connections open.
    pub(super) fn wants_sweep(&self, connections: usize) -> bool {
        !self.rooms.is_empty() || self.connections > connections
    }

    /// Something happened in the room.
    pub(super) fn touch(&mut self, room: &str, now: Timestamp) {
        let Self { rooms, eviction, .. } = self;
        let Some(kept) = rooms.get_mut(room) else { return };
        let before = std::mem::replace(&mut kept.touched, now);
        if !kept.occupied {
            let room = Name::from(room);
            eviction.take(&room, &kept.creator, before);
            eviction.put(&room, &kept.creator, now, kept.is_unused());
        }
    }

    /// Somebody comes into the room.
    pub(super) fn occupy(&mut self, room: &Name) {
        let Self { rooms, eviction, .. } = self;
        let Some(kept) = rooms.get_mut(room) else { return };
        if !std::mem::replace(&mut kept.occupied, true) {
            eviction.take(room, &kept.creator, kept.touched);
        }
    }

    /// Nobody is in the room any more, or expected back.
    pub(super) fn vacate(&mut self, room: &Name, now: Timestamp) {
        let Self { rooms, eviction, .. } = self;
        let Some(kept) = rooms.get_mut(room) else { return };
        if std::mem::replace(&mut kept.occupied, false) {
            kept.touched = now;
            eviction.put(room, &kept.creator, now, kept.is_unused());
        }
    }

    /// Nobody is in any room: a hub begins.
    pub(super) fn vacate_all(&mut self) {
        let Self { rooms, eviction, .. } = self;
        for (room, kept) in rooms.iter_mut().filter(|(_, kept)| kept.occupied) {
            kept.occupied = false;
            eviction.put(room, &kept.creator, kept.touched, kept.is_unused());
        }
    }

    /// Begins the log of a room that has none.
    pub(super) fn open(&mut self, room: Name, creator: Creator, epoch: Epoch, now: Timestamp) {
        if self.rooms.contains_key(&room) {
            return;
        }
        self.eviction.room_created(&creator);
        self.eviction.put(&room, &creator, now, true);
        let (log, producers) = (Log::new(epoch), Producers::default());
        self.rooms.insert(room, StoredRoom { log, producers, touched: now, creator, occupied: false });
    }

    /// Whether one more room fits, after forgetting what may be forgotten.
    pub(super) fn make_space(&mut self, now: Timestamp, config: &HubConfig) -> bool {
        while self.rooms.len() >= config.rooms && self.evict(now, config.dedupe_window, None) {}
        self.rooms.len() < config.rooms
    }

    /// Whether one more room of this user fits, after forgetting what may be forgotten of the others.
    pub(super) fn make_space_for_user(&mut self, now: Timestamp, config: &HubConfig, user: &Name) -> bool {
        let most = config.rooms_per_user;
        while self.eviction.created_by(user) >= most && self.evict(now, config.dedupe_window, Some(user)) {}
        self.eviction.created_by(user) < most
    }

    /// Rooms that were forgotten before their time, to make room for others.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Appends to a room that has a log, as far as the bounds allow at the expense of what is old.
    pub(super) fn append(&mut self, room: &str, entry: LogEntry, now: Timestamp, config: &HubConfig) {
        let mut occupied = false;
        self.change(room, |kept, _| {
            occupied = kept.occupied;
            if occupied {
                // As `touch` would, without looking the room up again: this is the way of every message.
                kept.touched = now;
            }
            kept.log.append(entry);
            kept.log.trim(config.history.max(1), config.history_bytes);
        });
        if !occupied {
            self.touch(room, now);
        }
        if self.bytes > config.store_bytes {
            // It was touched just now, so that it is not among those that may be forgotten.
            while self.bytes > config.store_bytes && self.evict(now, config.dedupe_window, None) {}
            self.shrink(room, config);
        }
    }

    /// Has the logs give way when they are too large together: by a part at once, so that it is seldom. The newest entry of `room`
    /// stays.
    fn shrink(&mut self, room: &str, config: &HubConfig) {
        if self.bytes <= config.store_bytes {
            return;
        }
        let rooms = self.rooms.iter().map(|(name, kept)| (name, &kept.creator, kept.log.bytes()));
        for (name, most) in fair_share::shares(rooms, config.store_bytes / 8 * 7) {
            let least = usize::from(*name == *room);
            self.change(&name, |kept, _| kept.log.shrink(most, least));
        }
    }

    /// Leaves out a number of a room's log.
    pub(super) fn skip(&mut self, room: &str) {
        self.change(room, |kept, _| kept.log.skip());
    }

    /// What is known about a send; `None` if the room has no log.
    pub(super) fn lookup(
        &self,
        room: &str,
        key: &ProducerKey,
        pseq: u64,
        now: Timestamp,
        window: Duration,
    ) -> Option<SendStatus> {
        self.rooms.get(room).map(|kept| kept.producers.lookup(key, pseq, now, window))
    }

    pub(super) fn oldest_answer(&self, room: &str, key: &ProducerKey) -> Option<Answer> {
        self.rooms.get(room)?.producers.oldest_answer(key)
    }

    /// Whether the line exists, or one more fits; the limit that says no otherwise.
    pub(super) fn check_producer_quota(
        &self,
        room: &str,
        key: &ProducerKey,
        config: &HubConfig,
    ) -> Result<(), Limit> {
        if self.rooms.get(room).is_some_and(|kept| kept.producers.contains(key)) {
            return Ok(());
        }
        let (user, _) = key;
        let own = user.as_ref().and_then(|user| self.users.get(user)).copied().unwrap_or(0);
        if user.is_some() && own >= config.producers_per_user {
            return Err(Limit::LinesOfUser);
        }
        let is_full = self.producers >= config.producers + usize::from(mutation!(LinesUnbounded));
        if is_full { Err(Limit::Lines) } else { Ok(()) }
    }

    /// As [`Producers::record_answer`].
    pub(super) fn record_answer(
        &mut self,
        room: &str,
        key: ProducerKey,
        pseq: u64,
        answer: Answer,
        now: Timestamp,
    ) {
        let Some(kept) = self.rooms.get_mut(room) else { return };
        let (before, user) = (kept.producers.len(), key.0.clone());
        kept.producers.record_answer(key, pseq, answer, now);
        let after = kept.producers.len();
        self.touch(room, now);
        if after > before {
            self.producers += 1;
            if let Some(user) = user {
                *self.users.entry(user).or_default() += 1;
            }
        }
    }

    /// The line is in use, and so is its room.
    pub(super) fn touch_producer(&mut self, room: &str, key: &ProducerKey, now: Timestamp) {
        if let Some(kept) = self.rooms.get_mut(room) {
            if !mutation!(RepeatAgesLine) {
                kept.producers.touch(key, now);
            }
            self.touch(room, now);
        }
    }

    /// Nobody could use a line for so long.
    pub(super) fn extend_producer_lifetimes(&mut self, time: Duration) {
        for kept in self.rooms.values_mut() {
            kept.producers.extend_lifetimes(time);
        }
    }

    /// So many connections are open now.
    pub(super) fn record_connections(&mut self, count: usize) {
        self.connections = self.connections.max(count);
    }

    /// The number of connections now, or lately if that was more.
    pub(super) fn recent_connections(&self) -> usize {
        self.connections
    }

    /// Forgets the producers that are out of use, the rooms without anybody that have been silent for too long, and a part
    /// of how many connections there were. It does so in steps, between which others get their turn: `false` if there is
    /// more to look at.
    pub(super) fn sweep(&mut self, now: Timestamp, config: &HubConfig, connections: usize) -> bool {
        if self.sweep_cursor.is_none() {
            self.connections -= self.connections.saturating_sub(connections).div_ceil(DECAY_DIVISOR);
        }
        let window = config.dedupe_window;
        let longest = config.retention.max(window);
        let Self { rooms, producers, users, .. } = self;
        let (from, mut line) = self.sweep_cursor.take().unzip();
        let mut line = line.take().flatten();
        let start = match &from {
            Some(room) if line.is_some() => Included(room),
            Some(room) => Excluded(room),
            None => Unbounded,
        };
        let end = rooms.last_key_value().map(|(name, _)| name.clone());
        let (mut left, mut gone, mut reached) = (SWEEP_BATCH, Vec::new(), None);
        for (name, kept) in rooms.range_mut::<Name, _>((start, Unbounded)) {
            if left == 0 {
                break;
            }
            let before = kept.producers.len();
            let behind = line.take().filter(|_| from.as_ref() == Some(name));
            let release = |user: Option<&Name>| release(users, user);
            let (looked, more) = kept.producers.expire(now, window, behind.as_ref(), left, release);
            *producers -= before - kept.producers.len();
            left = left.saturating_sub(looked + 1);
            // One in which nothing was ever said is only kept for those who may just be about to.
            let keep = if kept.log.head() == 0 || mutation!(SweptTooEarly) { window } else { longest };
            if more.is_none()
                && now.since(kept.touched) >= keep
                && (!kept.occupied || mutation!(SweptOccupied))
            {
                gone.push(name.clone());
            }
            reached = Some((name, more));
        }
        self.sweep_cursor = reached
            .filter(|(name, more)| more.is_some() || end.as_ref() != Some(*name))
            .map(|(name, more)| (name.clone(), more));
        for room in gone {
            self.forget(&room);
        }
        self.sweep_cursor.is_none()
    }

    /// Forgets one of the rooms that nobody is in and in which no send can come again; `false` if there is none.
    fn evict(&mut self, now: Timestamp, window: Duration, of: Option<&Name>) -> bool {
        let Some(room) = self.eviction.next(now, window, of) else { return false };
        self.forget(&room);
        self.evicted += 1;
        true
    }
}

/// What lies behind `after`, without personal streams. These lie together, and are passed by in one step: there may be a
/// hundred thousand of them.
fn rooms_but_streams<'a, V>(
    rooms: &'a BTreeMap<Name, V>,
    after: Option<&'a str>,
) -> impl Iterator<Item = (&'a Name, &'a V)> {
    /// The first name of a stream, and the first name behind all of them.
    const STREAMS: [&str; 2] = ["@", "A"];
    let [first, behind] = STREAMS;
    let before = after.is_none_or(|after| after < first);
    let before = before.then(|| rooms.range::<str, _>((beyond(after), Excluded(first))));
    let from = after.filter(|after| *after >= behind).map_or(Included(behind), Excluded);
    before.into_iter().flatten().chain(rooms.range::<str, _>((from, Unbounded)))
}

/// One line of the user is no more.
fn release(users: &mut BTreeMap<Name, usize>, user: Option<&Name>) {
    if let Some(Entry::Occupied(mut count)) = user.map(|user| users.entry(user.clone())) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_streams_are_passed_by_and_no_room_is() {
        let names = ["!a", "0", "@", "@ada", "@z", "A", "Z", "a", "z"];
        let rooms: BTreeMap<Name, usize> = names.iter().map(|name| (Name::from(*name), name.len())).collect();
        let behind = |after| {
            rooms_but_streams(&rooms, after).map(|(name, _)| name.to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(behind(None), "!a 0 A Z a z");
        assert_eq!((behind(Some("!a")), behind(Some("0"))), ("0 A Z a z".into(), "A Z a z".into()));
        for stream in ["@", "@bob", "@\u{10ffff}"] {
            assert_eq!(behind(Some(stream)), "A Z a z", "{stream}");
        }
        assert_eq!((behind(Some("A")), behind(Some("z"))), ("Z a z".into(), String::new()));
    }
}
