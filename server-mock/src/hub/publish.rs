//! Appends accepted messages to the log and delivers them to the members.

use super::dispatch::encode;
use super::log::LogEntry;
use super::mutation::mutation;
use super::names::{stream_of, wire_name};
use super::producers::{Answer, SendStatus};
use super::{Hub, Limit, Output, Text};
use rejoin::machine::{ClockReading, ServerMessage};
use rejoin::messages::json::is_data;
use rejoin::messages::{Code, Epoch};
use rejoin::{Id, Name, check_room_name, utc};

/// Most bytes of a notification's or a signal's kind.
pub(crate) const KIND_BYTES: usize = 64;

/// The same entry for three kinds of connections, each encoded once and only if there is one.
struct EncodedCopies<'a> {
    room: Name,
    epoch: &'a Epoch,
    entry: &'a LogEntry,
    plain: Option<Text>,
    extended: Option<Text>,
    own: Option<Text>,
}

impl EncodedCopies<'_> {
    fn plain(&mut self) -> Option<Text> {
        if self.plain.is_none() {
            self.plain = encode(&ServerMessage::Message(self.entry.plain(&self.room)));
        }
        self.plain.clone()
    }

    fn extended(&mut self, own: bool) -> Option<Text> {
        let copy = if own { &mut self.own } else { &mut self.extended };
        if copy.is_none() {
            *copy = encode(&self.entry.frame(&self.room, self.epoch, false, own));
        }
        copy.clone()
    }
}

/// What somebody says, without a connection.
#[derive(Debug)]
pub(super) struct NewMessage {
    pub(super) user: Name,
    pub(super) content: String,
    pub(super) data: Option<String>,
}

impl NewMessage {
    /// Whether an entry says just that.
    pub(super) fn matches(&self, entry: &LogEntry) -> bool {
        entry.user == self.user && entry.content == self.content && entry.data == self.data
    }
}

impl Hub {
    /// Appends an entry to a room's log and gives its number.
    pub(super) fn append(&mut self, now: ClockReading, room: &Name, entry: LogEntry) -> u64 {
        if mutation!(SeqSkipped) && self.rng.u8(..) < 32 {
            self.store.skip(room);
        }
        self.store.append(room, entry, now.monotonic, &self.config);
        self.store.room(room).map_or(0, super::Log::head)
    }

    /// Sends the newest entry of a room's log to the members and the readers.
    pub(super) fn deliver(&mut self, key: &Name) {
        if mutation!(NewestHeldBack) && self.store.room(key).is_some_and(|log| log.head() % 8 == 7) {
            return;
        }
        self.deliver_to_members(key);
        self.feed_readers(key);
    }

    fn deliver_to_members(&mut self, key: &Name) {
        let leaky = mutation!(OriginToEverybody);
        let blunt = mutation!(ExtendedFramesToPlain);
        let (Some(room), Some(log)) = (self.rooms.get(key), self.store.room(key)) else { return };
        let Some(entry) = log.newest() else { return };
        let mut copies = EncodedCopies {
            room: wire_name(key),
            epoch: log.epoch(),
            entry,
            plain: None,
            extended: None,
            own: None,
        };
        for member in room.members() {
            if mutation!(OwnUnheard) && member.user == entry.user {
                continue;
            }
            if member.replaying {
                // It comes out of the log when its turn is.
                let state = self.conns.get_mut(&member.conn).and_then(|state| state.extended.as_mut());
                if let Some(extended) = state.filter(|_| !mutation!(RewindForgotten)) {
                    extended.replays.rewind(key, entry.seq);
                }
                continue;
            }
            let copy = if member.extended || blunt {
                copies.extended(entry.origin.is_some() && (member.user == entry.user || leaky))
            } else {
                copies.plain()
            };
            self.outputs.extend(copy.map(|text| Output::Send { conn: member.conn, text }));
        }
    }

    pub(super) fn post(
        &mut self,
        now: ClockReading,
        call: u64,
        room: Name,
        said: NewMessage,
        key: Option<Id>,
    ) {
        let NewMessage { user, content, data } = said;
        let refused = if check_room_name(&room).is_err() || data.as_ref().is_some_and(|data| !is_data(data)) {
            Some(Code::BadRequest)
        } else if content.len() + data.as_ref().map_or(0, String::len) > self.config.content_bytes {
            self.refusal_counts.record(Limit::ContentBytes);
            Some(Code::TooLarge)
        } else {
            None
        };
        if let Some(code) = refused {
            return self.outputs.push_back(Output::PublishFailed { call, code });
        }
        if self.nodes.is_some() {
            let entry = self.new_entry(now, user, content, data, None);
            return self.publish_to_store(now, call, room, entry, key);
        }
        let room = &room;
        // A post is the first and only send of a line that nobody else can name.
        let line = key.map(|key| (None, key));
        if let Some(line) = &line {
            let known = self.store.lookup(room, line, 1, now.monotonic, self.config.dedupe_window);
            if let Some(SendStatus::Answered(Answer::Ack { id, seq })) = known {
                let first = self.store.room(room).and_then(|log| log.from(seq).next());
                let other = first.is_some_and(|first| {
                    first.id == id && (first.user != user || first.content != content || first.data != data)
                });
                if other {
                    return self.outputs.push_back(Output::PublishFailed { call, code: Code::Forbidden });
                }
                return self.outputs.push_back(Output::Published { call, id, seq, dup: true });
            }
        }
        let place =
            line.as_ref().map_or(Ok(()), |line| self.store.check_producer_quota(room, line, &self.config));
        if let Err(limit) = place {
            self.refusal_counts.record(limit);
        }
        if place.is_err() || self.ensure_room(now.monotonic, room, None).is_err() {
            return self.outputs.push_back(Output::PublishFailed { call, code: Code::Overloaded });
        }
        let entry = self.new_entry(now, user, content, data, None);
        let id = entry.id.clone();
        let seq = self.append(now, room, entry);
        if let Some(line) = line {
            self.store.record_answer(room, line, 1, Answer::Ack { id: id.clone(), seq }, now.monotonic);
        }
        self.outputs.push_back(Output::Published { call, id, seq, dup: false });
        self.deliver(room);
    }

    /// An entry that no connection has sent.
    fn new_entry(
        &mut self,
        now: ClockReading,
        user: Name,
        content: String,
        data: Option<String>,
        kind: Option<Name>,
    ) -> LogEntry {
        let id = Id::random(&mut self.rng);
        let timestamp = utc(now.wall.since_start());
        LogEntry { id, seq: 0, user, content, data, timestamp, origin: None, kind }
    }

    pub(super) fn notify(
        &mut self,
        now: ClockReading,
        call: u64,
        user: Name,
        kind: Name,
        data: Option<String>,
    ) {
        let stream = stream_of(&user);
        let fits = kind.len() <= KIND_BYTES && !kind.is_empty();
        let refused = if !fits || data.as_ref().is_some_and(|data| !is_data(data)) {
            Some(Code::BadRequest)
        } else if data.as_ref().is_some_and(|data| data.len() > self.config.content_bytes) {
            self.refusal_counts.record(Limit::ContentBytes);
            Some(Code::TooLarge)
        } else if self.nodes.is_none() && self.ensure_room(now.monotonic, &stream, None).is_err() {
            Some(Code::Overloaded)
        } else {
            None
        };
        if let Some(code) = refused {
            return self.outputs.push_back(Output::PublishFailed { call, code });
        }
        let entry = self.new_entry(now, user, String::new(), data, Some(kind));
        if self.nodes.is_some() {
            return self.publish_to_store(now, call, stream, entry, None);
        }
        let id = entry.id.clone();
        let seq = self.append(now, &stream, entry);
        self.outputs.push_back(Output::Published { call, id, seq, dup: false });
        self.deliver(&stream);
    }
}
