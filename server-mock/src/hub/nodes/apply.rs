//! Applies entries from notices and responses to the copy of a room: only the next number is applied and delivered.

use super::super::dispatch::encode;
use super::super::log::{Log, LogEntry};
use super::super::names::wire_name;
use super::super::replay::Replay;
use super::super::{Hub, Output, Room};
use super::mutation::mutation;
use rejoin::machine::ServerMessage;
use rejoin::messages::Epoch;
use rejoin::{Name, Timestamp};
use std::cmp::Ordering;

impl Hub {
    /// The store has this entry. What cannot be the next one here makes the room be read again.
    pub(super) fn apply_entry(&mut self, now: Timestamp, room: &Name, epoch: &Epoch, entry: Box<LogEntry>) {
        let Some(nodes) = &mut self.nodes else { return };
        let Some(copy) = nodes.replicas.get_mut(room) else { return };
        let Some(log) = self.store.room(room) else {
            // It is being read for the first time: the entry may lie behind what the answer has.
            return copy.early.keep(epoch, entry, &mut nodes.requests, &self.config);
        };
        if copy.unsure {
            // It may have the next number of another log than this copy's, which nobody could tell from its number.
            let reading = copy.reading;
            copy.early.keep(epoch, entry, &mut nodes.requests, &self.config);
            if !reading {
                self.reread(now, room);
            }
            return;
        }
        if log.epoch() != epoch && !mutation!(EpochOfNoticeIgnored) {
            if copy.reading {
                copy.early.keep(epoch, entry, &mut nodes.requests, &self.config);
            } else {
                self.reread(now, room);
            }
            return;
        }
        let next = log.head() + 1;
        match entry.seq.cmp(&next) {
            Ordering::Less => {
                if is_fork(log, &entry) {
                    self.reread(now, room);
                } else if mutation!(NoticeTwice) {
                    self.deliver(room);
                }
            }
            Ordering::Equal => self.append_and_deliver(now, room, *entry),
            Ordering::Greater if mutation!(NoticeUnchecked) => {
                let id = log.id_at(log.head()).cloned();
                let log = Log::after(log.epoch().clone(), (entry.seq - 1, id));
                self.store.replace(room, log);
                self.append_and_deliver(now, room, *entry);
            }
            Ordering::Greater if mutation!(HoleUnfilled) => {}
            Ordering::Greater => {
                let reading = copy.reading;
                copy.early.keep(epoch, entry, &mut nodes.requests, &self.config);
                if !reading {
                    self.reread(now, room);
                }
            }
        }
    }

    /// Takes the entries of the store's answer, up to one that cannot be the next one here.
    pub(super) fn apply_entries(&mut self, now: Timestamp, room: &Name, entries: Vec<LogEntry>) {
        let Some(before) = self.store.room(room).map(Log::head) else { return };
        // A few are delivered as they would have been. Many would be as many times as many frames at once.
        let few = entries.len() <= self.config.replay_chunk;
        for entry in entries {
            let Some(log) = self.store.room(room) else { return };
            let next = log.head() + 1;
            match entry.seq.cmp(&next) {
                Ordering::Less if is_fork(log, &entry) => {
                    if let Some(copy) = self.copy_mut(room) {
                        copy.read_again = true;
                    }
                    break;
                }
                Ordering::Less => {}
                Ordering::Equal if few => self.append_and_deliver(now, room, entry),
                Ordering::Equal => self.store.append(room, entry, now, &self.config),
                Ordering::Greater => break,
            }
        }
        if !few {
            self.replay_from(room, before + 1);
        }
    }

    /// Shows the members what the log has from this number on: extended ones as they take it.
    fn replay_from(&mut self, room: &Name, next: u64) {
        let Some(log) = self.store.room(room).filter(|log| log.head() >= next) else { return };
        let members = self.rooms.get(room).into_iter().flat_map(Room::members);
        let (extended, plain): (Vec<_>, Vec<_>) = members
            .map(|member| (member.conn, member.extended, member.replaying))
            .partition(|(_, extended, _)| *extended);
        for entry in log.from(next) {
            let text = encode(&ServerMessage::Message(entry.plain(&wire_name(room))));
            let conns = plain.iter().map(|(conn, ..)| *conn);
            self.outputs.extend(
                text.into_iter().flat_map(|text| {
                    conns.clone().map(move |conn| Output::Send { conn, text: text.clone() })
                }),
            );
        }
        for (conn, _, replaying) in extended {
            // A replay under way comes to it by itself.
            if !replaying {
                let room = room.clone();
                self.begin_replay(conn, Replay { room, next, until: 0, resume: 0, by_time: false });
                self.send_replay(conn);
            }
        }
        self.feed_readers(room);
    }

    fn append_and_deliver(&mut self, now: Timestamp, room: &Name, entry: LogEntry) {
        self.store.append(room, entry, now, &self.config);
        self.deliver(room);
    }
}

/// Whether the copy has another entry under this number.
fn is_fork(log: &Log, entry: &LogEntry) -> bool {
    log.id_at(entry.seq).is_some_and(|id| *id != entry.id) && !mutation!(ForkUnnoticed)
}
