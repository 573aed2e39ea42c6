//! Replays: a room's past on its way to one connection, read from the log as the connection takes it.
//!
//! Nothing is copied beforehand, so a thousand replays cost no more memory than their cursors. While one is under
//! way, what is said in its room is not sent to the connection but comes out of the log in its turn; when the cursor
//! has reached the head, the connection hears live again.

use super::dispatch::encode;
use super::log::{Log, LogEntry};
use super::mutation::mutation;
use super::names::wire_name;
use super::{ConnId, Hub, Output};
use rejoin::{Name, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// A cursor.
#[derive(Debug, Clone)]
pub(super) struct Replay {
    /// By its name in the hub.
    pub(super) room: Name,
    /// The next number to be read.
    pub(super) next: u64,
    /// The last one of the replay.
    pub(super) until: u64,
    /// The first one said after the join. Between the two lies what the client fetches itself.
    pub(super) resume: u64,
    /// It is read together with others of its kind, in the order in which things were said.
    pub(super) by_time: bool,
}

impl Replay {
    /// The next entry; `None` when the cursor has reached the head.
    fn read<'a>(&mut self, log: &'a Log) -> Option<&'a LogEntry> {
        let entry = self.peek(log)?;
        self.next = entry.seq + 1;
        Some(entry)
    }

    fn peek<'a>(&self, log: &'a Log) -> Option<&'a LogEntry> {
        let entry = log.from(self.next).next()?;
        if (self.until + 1..self.resume).contains(&entry.seq) {
            return log.from(self.resume).next();
        }
        Some(entry)
    }
}

/// The cursors of one connection, which take turns.
#[derive(Debug, Default)]
pub(super) struct Replays {
    cursors: VecDeque<Replay>,
    /// Those that are read by time, before the others: by when the next entry was said, and in which order they began.
    by_time: BTreeMap<(String, usize), Replay>,
    /// Sent since the connection's queue was last known to be empty.
    sent: usize,
    sent_bytes: usize,
    /// An [`Output::NotifyQueueDrained`] is unanswered.
    awaiting_drain: bool,
}

impl Replays {
    /// Ends the replay of a room that is not wanted any more.
    pub(super) fn end(&mut self, room: &Name) {
        self.cursors.retain(|cursor| cursor.room != *room);
        self.by_time.retain(|_, cursor| cursor.room != *room);
    }

    /// Whose turn it is, and which it was among those that are read by time.
    fn next(&mut self) -> Option<(Replay, Option<usize>)> {
        match self.by_time.pop_first() {
            Some(((_, order), cursor)) => Some((cursor, Some(order))),
            None => self.cursors.pop_front().map(|cursor| (cursor, None)),
        }
    }

    /// A cursor that has not reached the head goes on.
    fn put_back(&mut self, cursor: Replay, order: Option<usize>, log: &Log) {
        match order {
            Some(order) => {
                // One without a next entry is looked at once more, and ends.
                let said = cursor.peek(log).map(|entry| entry.timestamp.clone()).unwrap_or_default();
                self.by_time.insert((said, order), cursor);
            }
            None => self.cursors.push_front(cursor),
        }
    }

    /// The log has another life, which nothing is known of: all of it is new.
    pub(super) fn restart(&mut self, room: &Name, first: u64) {
        let cursors = self.cursors.iter_mut().chain(self.by_time.values_mut());
        for cursor in cursors.filter(|cursor| cursor.room == *room) {
            (cursor.next, cursor.until, cursor.resume) = (first, 0, 0);
        }
    }

    /// The log was shortened and goes on at `seq`, which the cursor may have passed.
    pub(super) fn rewind(&mut self, room: &Name, seq: u64) {
        let cursors = self.cursors.iter_mut().chain(self.by_time.values_mut());
        for cursor in cursors.filter(|cursor| cursor.room == *room) {
            cursor.next = cursor.next.min(seq);
        }
    }
}

impl Hub {
    /// Puts a cursor into a room; one that was there ends.
    pub(super) fn begin_replay(&mut self, conn: ConnId, replay: Replay) {
        let overtaken = mutation!(ReplayAfterLive);
        let Some(extended) = self.conns.get_mut(&conn).and_then(|state| state.extended.as_mut()) else {
            return;
        };
        extended.replays.end(&replay.room);
        if let Some(member) = self.rooms.get_mut(&replay.room).and_then(|room| room.member_mut(conn)) {
            member.replaying = !overtaken;
        }
        match self.store.room(&replay.room).filter(|_| replay.by_time) {
            Some(log) => {
                let order = extended.replays.by_time.len();
                extended.replays.put_back(replay, Some(order), log);
            }
            None => extended.replays.cursors.push_back(replay),
        }
        if overtaken && !extended.replays.awaiting_drain {
            (extended.replays.awaiting_drain, extended.replays.sent) = (true, usize::MAX);
            self.outputs.push_back(Output::NotifyQueueDrained { conn });
        }
    }

    /// Counts what is about to be replayed against the rate of the connection's user, as the pages of `history` that it would
    /// have taken.
    pub(super) fn count_replay(&mut self, now: Timestamp, conn: ConnId, room: &Name, from: u64, until: u64) {
        let Self { conns, users, store, config, .. } = self;
        let user = conns.get(&conn).and_then(|state| users.get_mut(&state.user));
        let (Some(user), Some(log)) = (user, store.room(room)) else { return };
        let entries = log.from(from).take_while(|entry| entry.seq <= until);
        user.replayed(now, entries.map(LogEntry::bytes).sum(), config.frame_bytes);
    }

    pub(super) fn queue_drained(&mut self, conn: ConnId) {
        let Some(extended) = self.conns.get_mut(&conn).and_then(|state| state.extended.as_mut()) else {
            return self.resume_feed(conn);
        };
        let replays = &mut extended.replays;
        (replays.sent, replays.sent_bytes, replays.awaiting_drain) = (0, 0, false);
        self.send_replay(conn);
    }

    /// Sends as much of the replays as the connection's queue has room for.
    pub(super) fn send_replay(&mut self, conn: ConnId) {
        let deaf = mutation!(LiveDuringReplayLost) || mutation!(ReplayAfterLive);
        let backwards = mutation!(WrongOrderInReplay);
        let Some(state) = self.conns.get_mut(&conn) else { return };
        let Some(extended) = &mut state.extended else { return };
        let replays = &mut extended.replays;
        let mut chunk = Vec::new();
        let (most, most_bytes) = (self.config.replay_chunk.max(1), self.config.replay_chunk_bytes.max(1));
        while replays.sent < most && replays.sent_bytes < most_bytes {
            let Some((mut cursor, order)) = replays.next() else { break };
            let over = deaf && cursor.next > cursor.until;
            let log = self.store.room(&cursor.room).filter(|_| !over);
            if let Some((log, entry)) = log.and_then(|log| cursor.read(log).map(|entry| (log, entry))) {
                let replay = entry.seq <= cursor.until && !mutation!(ReplaySaidLive);
                let replay = replay || mutation!(TailReplayed);
                let own = entry.user == state.user;
                if let Some(text) = encode(&entry.frame(&wire_name(&cursor.room), log.epoch(), replay, own)) {
                    replays.sent += 1;
                    replays.sent_bytes += text.len();
                    chunk.push(Output::Send { conn, text });
                }
                replays.put_back(cursor, order, log);
            } else if let Some(member) =
                self.rooms.get_mut(&cursor.room).and_then(|room| room.member_mut(conn))
            {
                member.replaying = mutation!(NeverLive);
            }
        }
        if replays.cursors.len() > 1 {
            replays.cursors.rotate_left(1);
        }
        if backwards {
            chunk.reverse();
        }
        let ask = !chunk.is_empty() && !replays.awaiting_drain;
        replays.awaiting_drain |= ask;
        self.outputs.extend(chunk);
        if ask {
            self.outputs.push_back(Output::NotifyQueueDrained { conn });
        }
    }
}
