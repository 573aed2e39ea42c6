//! Reports a session's changes to a store that appends them instead of saving the whole state each time.

use super::Session;
use crate::change::Change;
use crate::event::SendId;
use crate::mutation::mutation;
use crate::payload::Payload;
use crate::persisted::SavedPosition;
use crate::time::Timestamp;
use alloc::vec::Vec;

/// Clocks that differ by less have not been set.
const JITTER_MS: u64 = 10;

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    /// Brings changes into the time of the wall clock, and notes that it was set back.
    pub(super) fn date_changes(&mut self, changes: &mut Vec<Change<P, N, SendId>>) {
        let (wall, uptime) = (self.now.wall, self.uptime);
        for change in changes.iter_mut() {
            if let Change::Transmitted { transmitted, .. } = change {
                let age = uptime.after(Timestamp::from_millis(transmitted.at_ms));
                transmitted.at_ms = (wall - age).millis();
            }
        }
        let (wall_then, lived_then) = self.protocol.recorded_at;
        let lost = uptime.after(lived_then).minus(wall.after(wall_then)).plus(wall_then.after(wall)).millis();
        if wall_then == Timestamp::ZERO {
            self.protocol.recorded_at = (wall, uptime);
        } else if lost >= JITTER_MS && !mutation!(SetBackUnnoted) {
            self.protocol.recorded_at = (wall, uptime);
            changes.insert(0, Change::ClockSetBack { ms: lost });
        }
        if mutation!(CommitReceived) {
            for room in self.rooms.iter() {
                let position = room.receiver.since().map(|position| (room.name.clone(), position));
                changes.extend(
                    position.map(|(room, position)| Change::Committed(SavedPosition { room, position })),
                );
            }
        }
    }

    /// Notes what is known of the server.
    pub(super) fn record_server(&mut self) {
        let (known, worked) = (&self.protocol.server, self.was_reached);
        self.outbox.change_log.record(|| Change::Server {
            user: known.user.clone(),
            extended: known.extended,
            worked,
            window_ms: known.window.millis(),
            dedupe_window_ms: known.dedupe.millis(),
        });
    }

    /// Notes that the application is nowhere in a room any more, or where an earlier run was if this one never requested
    /// it.
    pub(super) fn record_position_cleared(&mut self, room: &N) {
        let stored = self.protocol.stored.iter().find(|saved| saved.room == *room).cloned();
        let room = room.clone();
        if mutation!(LeftRoomKept) {
            return;
        }
        self.outbox.change_log.record(|| stored.map_or(Change::PositionCleared { room }, Change::Committed));
    }

    /// Notes how far the application is in the room there.
    pub(super) fn record_committed(&mut self, at: usize) {
        let Some(room) = self.rooms.at(at) else { return };
        let Some(position) = room.committed.clone().filter(|_| !mutation!(PlaceUnnoted)) else { return };
        let room = room.name.clone();
        self.outbox.change_log.record(|| Change::Committed(SavedPosition { room, position }));
    }
}
