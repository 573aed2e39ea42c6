//! Feeds: connections that receive one room's log and send nothing (protocol.md §4). They are no members, so nobody is told
//! of them.

use super::dispatch::millis;
use super::join::OpenError;
use super::log::Log;
use super::mutation::mutation;
use super::sse_cursor::{Cursor, EventCache};
use super::user::RateDecision;
use super::{ConnId, FeedRequest, Hub, HubConfig, Limit, Output, Since};
use rejoin::machine::ClockReading;
use rejoin::{Name, Timestamp, check_room_name};
use std::collections::VecDeque;
use std::time::Duration;

/// A reader that has taken nothing for so many comment lines is gone, or as good as gone: it can come back.
const MAX_SKIPPED_COMMENTS: u8 = 4;

/// The shortest time after which a reader comes back; the longest is a reconnect window more.
const MIN_RETRY: Duration = Duration::from_secs(1);

/// What the hub knows of a reader beside what it knows of every connection.
#[derive(Debug)]
pub(super) struct Reader {
    room: Name,
    cursor: Cursor,
    /// Sent since the connection's queue was last known to be empty.
    sent: usize,
    sent_bytes: usize,
    /// An [`Output::NotifyQueueDrained`] is unanswered.
    awaiting_drain: bool,
    /// Comment lines that were due since then.
    skipped_comments: u8,
}

impl Reader {
    pub(super) fn room(&self) -> &Name {
        &self.room
    }

    /// Sends as much of the feed as the connection's queue has room for.
    fn send_next(
        &mut self,
        conn: ConnId,
        log: &Log,
        last: &mut EventCache,
        config: &HubConfig,
        outputs: &mut VecDeque<Output>,
    ) {
        let (most, most_bytes) = (config.replay_chunk.max(1), config.replay_chunk_bytes.max(1));
        let unbounded = mutation!(FeedUnbounded);
        while unbounded || self.sent < most && self.sent_bytes < most_bytes {
            let Some(text) = self.cursor.read(&self.room, log, last) else { return };
            self.sent += 1;
            self.sent_bytes += text.len();
            outputs.push_back(Output::Send { conn, text });
        }
        self.request_drain_notice(conn, outputs);
    }

    fn request_drain_notice(&mut self, conn: ConnId, outputs: &mut VecDeque<Output>) {
        if !self.awaiting_drain && !mutation!(FeedNeverDrained) {
            (self.awaiting_drain, self.skipped_comments) = (true, 0);
            outputs.push_back(Output::NotifyQueueDrained { conn });
        }
    }

    /// A comment line is due; `false` if the reader has to be given up.
    pub(super) fn keep_alive(&mut self, conn: ConnId, outputs: &mut VecDeque<Output>) -> bool {
        if self.awaiting_drain && !mutation!(CommentQueued) {
            // Behind what waits already it would say nothing.
            self.skipped_comments += 1;
            return self.skipped_comments
                < if mutation!(ReaderImpatience) { 2 } else { MAX_SKIPPED_COMMENTS }
                || mutation!(ReaderPatience);
        }
        outputs.push_back(Output::Ping { conn });
        self.request_drain_notice(conn, outputs);
        true
    }
}

impl Hub {
    /// Begins a feed, or closes the connection with the code that says why there is none.
    pub(super) fn open_feed(
        &mut self,
        now: ClockReading,
        conn: ConnId,
        user: &Name,
        expires: Option<Timestamp>,
        request: FeedRequest,
    ) {
        let room = &request.room;
        let (at, beat) = (now.monotonic, self.config.comment_interval);
        if !self.admit(at, conn, user, expires, beat, None) {
            return;
        }
        if check_room_name(room).is_err() {
            return self.close(at, conn, 1008, "Not a room name");
        }
        if self.count_join(at, user) != RateDecision::Allow {
            self.refusal_counts.record(Limit::JoinRate);
            return self.close(at, conn, 4008, "Rate limited");
        }
        if self.rooms.get(room).map_or(0, |room| room.readers().len()) >= self.config.members_per_room {
            self.refusal_counts.record(Limit::MembersOfRoom);
            return self.close(at, conn, 1013, "Try again later");
        }
        if self.nodes.is_some() {
            return self.park_feed(at, conn, user, request);
        }
        match self.ensure_room(at, room, Some(user)) {
            Ok(()) => self.start_feed(at, conn, request),
            Err(why) => self.reject_feed(at, conn, why),
        }
    }

    /// There is no feed, because the room has no log.
    pub(super) fn reject_feed(&mut self, now: Timestamp, conn: ConnId, why: OpenError) {
        match why {
            OpenError::TooFast => self.close(now, conn, 4008, "Rate limited"),
            OpenError::UserFull => self.close(now, conn, 4011, "Too many rooms"),
            OpenError::Full => self.close(now, conn, 1013, "Try again later"),
        }
    }

    /// Begins the feed of a room that has a log.
    pub(super) fn start_feed(&mut self, now: Timestamp, conn: ConnId, request: FeedRequest) {
        let FeedRequest { room, since, history, announces_join } = request;
        self.store.occupy(&room);
        if self.nodes.is_some() {
            self.init_remote_presence(&room);
        }
        let window = millis(self.reconnect_window());
        let window = if mutation!(RetryUnspread) { 0 } else { window };
        let retry = MIN_RETRY + Duration::from_millis(self.rng.u64(0..=window));
        let Self { conns, rooms, store, outputs, config, .. } = self;
        let (Some(log), Some(state)) = (store.room(&room), conns.get_mut(&conn)) else { return };
        if !mutation!(ReaderUncounted) {
            rooms.entry(room.clone()).or_default().add_reader(conn);
        }
        let is_fresh = since == Since::Nothing;
        let cursor = Cursor::new(log, since, history);
        let next = cursor.next();
        outputs.push_back(Output::Send { conn, text: cursor.begin(log, retry) });
        if announces_join && let Some(text) = cursor.joined_event(&room, log, is_fresh) {
            outputs.push_back(Output::Send { conn, text });
        }
        let reader = Reader {
            room: room.clone(),
            cursor,
            sent: 0,
            sent_bytes: 0,
            awaiting_drain: false,
            skipped_comments: 0,
        };
        let reader = state.reader.insert(Box::new(reader));
        reader.send_next(conn, log, &mut EventCache::default(), config, outputs);
        self.count_replay(now, conn, &room, next, u64::MAX);
    }

    /// The newest entry of a room's log goes to its readers.
    pub(super) fn feed_readers(&mut self, key: &Name) {
        let Self { conns, rooms, store, outputs, config, .. } = self;
        let Some(room) = rooms.get(key).filter(|room| !room.readers().is_empty()) else { return };
        let Some(log) = store.room(key) else { return };
        let mut last = EventCache::default();
        for conn in room.readers() {
            let reader = conns.get_mut(conn).and_then(|state| state.reader.as_mut());
            let Some(reader) = reader else { continue };
            if !mutation!(ReaderForkMissed) {
                reader.cursor.appended(log.epoch(), log.head());
            }
            reader.send_next(*conn, log, &mut last, config, outputs);
        }
    }

    /// A reader's queue is empty: time for more.
    pub(super) fn resume_feed(&mut self, conn: ConnId) {
        let Self { conns, store, outputs, config, .. } = self;
        let Some(reader) = conns.get_mut(&conn).and_then(|state| state.reader.as_mut()) else { return };
        (reader.sent, reader.sent_bytes, reader.awaiting_drain) = (0, 0, mutation!(ReaderAskedOnce));
        if let Some(log) = store.room(&reader.room) {
            reader.send_next(conn, log, &mut EventCache::default(), config, outputs);
        }
    }

    /// Ends a feed.
    pub(super) fn close_feed(&mut self, now: Timestamp, conn: ConnId, reader: &Reader) {
        let Some(room) = self.rooms.get_mut(&reader.room) else { return };
        if !mutation!(ReaderKept) {
            room.remove_reader(conn);
        }
        if room.is_empty() {
            self.drop_room(now, &reader.room);
        }
    }
}
