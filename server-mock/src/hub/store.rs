//! Everything the hub must not lose: the logs and the lines.

use super::HubConfig;
use super::census::beyond;
use super::lines::{Answer, Known, LineKey, Lines};
use super::log::{Log, Logged};
use rejoin::messages::Epoch;
use rejoin::{Name, Timestamp};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound::Unbounded;
use std::time::Duration;

/// When the store is full, this part of the rooms that may be forgotten is.
const EVICTED: usize = 16;

/// With each sweep this part of the connections that are no more is forgotten: half of them in three quarters of an
/// hour.
const FADING: usize = 64;

/// What is durable of a server: for each room and personal stream its log and its lines.
///
/// It lives in memory. A [`Hub`](super::Hub) that ended can give it to the next one, which is what a restart with
/// durable storage looks like, as long as both live on the same monotonic clock. The methods that lose something are
/// for tests: storage does such things.
///
/// The personal stream of the user `ada` is the room `@ada` here.
#[derive(Debug, Clone, Default)]
pub struct Store {
    rooms: BTreeMap<Name, Kept>,
    /// Of all logs.
    bytes: usize,
    /// In all rooms.
    lines: usize,
    /// Lines by user.
    users: BTreeMap<Name, usize>,
    /// The most connections lately.
    connections: usize,
    /// Nothing could be forgotten when there was no room; looking again is left to the next sweep.
    full: bool,
}

#[derive(Debug, Clone)]
struct Kept {
    log: Log,
    lines: Lines,
    touched: Timestamp,
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

    pub(super) fn rooms_after(&self, after: Option<&str>) -> impl Iterator<Item = (&Name, &Log)> {
        let rooms = self.rooms.range::<str, _>((beyond(after), Unbounded));
        rooms.map(|(name, kept)| (name, &kept.log))
    }

    /// How many rooms and personal streams have a log.
    pub fn rooms_held(&self) -> usize {
        self.rooms.len()
    }

    /// How many lines of sends are remembered.
    pub fn lines_held(&self) -> usize {
        self.lines
    }

    /// Bytes of all messages kept, about.
    pub fn bytes_held(&self) -> usize {
        self.bytes
    }

    /// Loses a room's newest messages, and the answers to the sends that they were, without a new epoch: a failover
    /// to a copy that was behind, which nobody noticed.
    pub fn lose_suffix(&mut self, room: &str, messages: usize) {
        self.change(room, |kept, gone| {
            kept.log.lose_suffix(messages);
            let head = kept.log.head();
            kept.lines.lose_after(head, gone);
        });
    }

    /// Forgets a room's oldest messages beyond the last `keep`.
    pub fn trim(&mut self, room: &str, keep: usize) {
        self.change(room, |kept, _| kept.log.trim(keep, usize::MAX));
    }

    /// Empties a room's log and lines, and begins a new life of it, as a server does that knows it has lost something.
    pub fn begin_epoch(&mut self, room: &str, epoch: Epoch) {
        self.change(room, |kept, gone| {
            kept.log = Log::new(epoch);
            kept.lines.clear(gone);
        });
    }

    /// Loses a room altogether.
    pub fn forget(&mut self, room: &str) {
        self.change(room, |kept, gone| {
            kept.log.trim(0, 0);
            kept.lines.clear(gone);
        });
        self.rooms.remove(room);
    }

    /// Carries out a change of one room and keeps the sums true. The change names the user of each line it removes.
    fn change(&mut self, room: &str, change: impl FnOnce(&mut Kept, &mut dyn FnMut(Option<&Name>))) {
        let Some(kept) = self.rooms.get_mut(room) else { return };
        self.bytes -= kept.log.bytes();
        self.lines -= kept.lines.len();
        let users = &mut self.users;
        change(kept, &mut |user| release(users, user));
        self.bytes += kept.log.bytes();
        self.lines += kept.lines.len();
    }

    /// Whether a sweep could find anything, with so many connections open.
    pub(super) fn wants_sweep(&self, connections: usize) -> bool {
        !self.rooms.is_empty() || self.connections > connections
    }

    /// Something happened in the room.
    pub(super) fn touch(&mut self, room: &str, now: Timestamp) {
        if let Some(kept) = self.rooms.get_mut(room) {
            kept.touched = now;
        }
    }

    /// Begins the log of a room that has none.
    pub(super) fn open(&mut self, room: Name, epoch: Epoch, now: Timestamp) {
        let kept = || Kept { log: Log::new(epoch), lines: Lines::default(), touched: now };
        self.rooms.entry(room).or_insert_with(kept);
    }

    /// Whether one more room fits, after forgetting what may be forgotten.
    pub(super) fn has_place(
        &mut self,
        now: Timestamp,
        config: &HubConfig,
        occupied: &dyn Fn(&str) -> bool,
    ) -> bool {
        if self.rooms.len() < config.rooms {
            return true;
        }
        self.evict(now, config.dedupe_window, occupied);
        self.rooms.len() < config.rooms
    }

    /// Appends to a room that has a log, as far as the bounds allow at the expense of what is old.
    pub(super) fn append(
        &mut self,
        room: &str,
        entry: Logged,
        now: Timestamp,
        config: &HubConfig,
        occupied: &dyn Fn(&str) -> bool,
    ) {
        self.change(room, |kept, _| {
            kept.touched = now;
            kept.log.append(entry);
            kept.log.trim(config.history.max(1), config.history_bytes);
        });
        if self.bytes > config.store_bytes {
            self.evict(now, config.dedupe_window, &|name| name == room || occupied(name));
            let over = self.bytes.saturating_sub(config.store_bytes);
            self.change(room, |kept, _| {
                let most = kept.log.bytes().saturating_sub(over);
                kept.log.trim(config.history.max(1), most);
            });
        }
    }

    /// Leaves out a number of a room's log.
    pub(super) fn skip(&mut self, room: &str) {
        self.change(room, |kept, _| kept.log.skip());
    }

    /// What is known about a send; `None` if the room has no log.
    pub(super) fn look(
        &self,
        room: &str,
        key: &LineKey,
        pseq: u64,
        now: Timestamp,
        window: Duration,
    ) -> Option<Known> {
        self.rooms.get(room).map(|kept| kept.lines.look(key, pseq, now, window))
    }

    pub(super) fn another_answer(&self, room: &str, key: &LineKey) -> Option<Answer> {
        self.rooms.get(room)?.lines.another(key)
    }

    /// Whether the line exists, or one more fits.
    pub(super) fn has_line_place(&self, room: &str, key: &LineKey, config: &HubConfig) -> bool {
        let (user, _) = key;
        let own = user.as_ref().and_then(|user| self.users.get(user)).copied().unwrap_or(0);
        (self.lines < config.lines && (user.is_none() || own < config.lines_per_user))
            || self.rooms.get(room).is_some_and(|kept| kept.lines.contains(key))
    }

    /// As [`Lines::answered`].
    pub(super) fn answered(&mut self, room: &str, key: LineKey, pseq: u64, answer: Answer, now: Timestamp) {
        let Some(kept) = self.rooms.get_mut(room) else { return };
        let (before, user) = (kept.lines.len(), key.0.clone());
        kept.lines.answered(key, pseq, answer, now);
        kept.touched = now;
        if kept.lines.len() > before {
            self.lines += 1;
            if let Some(user) = user {
                *self.users.entry(user).or_default() += 1;
            }
        }
    }

    /// The line is in use, and so is its room.
    pub(super) fn touch_line(&mut self, room: &str, key: &LineKey, now: Timestamp) {
        if let Some(kept) = self.rooms.get_mut(room) {
            kept.touched = now;
            kept.lines.touch(key, now);
        }
    }

    /// So many connections are open now.
    pub(super) fn saw_connections(&mut self, count: usize) {
        self.connections = self.connections.max(count);
    }

    /// The number of connections now, or lately if that was more.
    pub(super) fn connections_lately(&self) -> usize {
        self.connections
    }

    /// Forgets the lines that are out of use, the rooms without anybody that have been silent for too long, and a part
    /// of how many connections there were.
    pub(super) fn sweep(
        &mut self,
        now: Timestamp,
        config: &HubConfig,
        connections: usize,
        occupied: &dyn Fn(&str) -> bool,
    ) {
        self.full = false;
        self.connections -= self.connections.saturating_sub(connections).div_ceil(FADING);
        let window = config.dedupe_window;
        let longest = config.retention.max(window);
        let Self { rooms, bytes, lines, users, .. } = self;
        rooms.retain(|name, kept| {
            *lines -= kept.lines.len();
            kept.lines.expire(now, window, |user| release(users, user));
            // One in which nothing was ever said is only kept for those who may just be about to.
            let keep = if kept.log.head() == 0 { window } else { longest };
            let stays = now.since(kept.touched) < keep || occupied(name);
            if !stays {
                *bytes -= kept.log.bytes();
                kept.lines.clear(|user| release(users, user));
            }
            *lines += kept.lines.len();
            stays
        });
    }

    /// Forgets the longest silent of the rooms that nobody is in and in which no send can come again.
    fn evict(&mut self, now: Timestamp, window: Duration, occupied: &dyn Fn(&str) -> bool) {
        if self.full {
            return;
        }
        let mut silent: Vec<(Timestamp, Name)> = self
            .rooms
            .iter()
            .filter(|(name, kept)| {
                let unused = kept.log.head() == 0 && kept.lines.len() == 0;
                (unused || now.since(kept.touched) >= window) && !occupied(name)
            })
            .map(|(name, kept)| (kept.touched, name.clone()))
            .collect();
        self.full = silent.is_empty();
        silent.sort_unstable();
        let count = silent.len().div_ceil(EVICTED);
        for (_, name) in silent.into_iter().take(count) {
            self.forget(&name);
        }
    }
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
