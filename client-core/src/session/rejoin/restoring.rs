//! Saves a session's state for a later run, and restores it.

use super::Session;
use crate::mutation::mutation;
use crate::outbox::SendQueue;
use crate::payload::Payload;
use crate::persisted::{Saved, SavedPosition};
use crate::rooms::DesiredMembership;
use crate::time::{Nanos, Timestamp};

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    /// What is known of the server, and the committed positions.
    pub(super) fn saved_server(&self) -> Saved<P, N> {
        let received = mutation!(CommitReceived);
        let rooms = self.rooms.iter().filter_map(|room| {
            let position = if received { room.receiver.since() } else { room.committed.clone() };
            position.map(|position| SavedPosition { room: room.name.clone(), position })
        });
        // A room that was joined for other reasons has a position of its own.
        let is_apart = |saved: &&SavedPosition<N>| {
            self.rooms.get(&saved.room).is_none_or(|room| room.committed.is_none())
        };
        let positions = rooms.chain(self.protocol.stored.iter().filter(is_apart).cloned()).collect();
        Saved {
            user: self.protocol.server.user.clone(),
            extended: self.protocol.server.extended,
            window_ms: self.protocol.server.window.millis(),
            dedupe_window_ms: self.protocol.server.dedupe.millis(),
            positions,
            ..Saved::default()
        }
    }

    /// Before the first connection.
    pub(super) fn restore_server(&mut self, now: Timestamp, saved: Saved<P, N>) {
        let Saved {
            user, extended, worked, window_ms, dedupe_window_ms, positions, producers, sends, ..
        } = saved;
        self.protocol.server.from_store = user.is_some() && !mutation!(StoreTakenForOwn);
        self.protocol.server.user = user.filter(|_| !mutation!(StoredUserForgotten));
        self.protocol.server.extended = extended;
        self.protocol.server.window = Nanos::from_millis(window_ms.min(600_000));
        self.protocol.server.dedupe = Nanos::from_millis(dedupe_window_ms.clamp(10_000, 3_600_000));
        // A state of an earlier version does not say it of servers that are plain.
        self.restore_reached(worked || extended);
        if extended {
            self.link.offer_always();
        }
        if extended && !mutation!(WindowNotTakenUp) {
            self.link.restore_timings(self.protocol.server.window, self.protocol.server.horizon());
        }
        for saved in positions {
            match self.rooms.get_mut(&saved.room) {
                // Requested before the state was there.
                Some(room) if room.receiver.seq().is_none() => {
                    room.committed = Some(saved.position.clone());
                    room.receiver.start_from(saved.position);
                }
                Some(_) => {}
                None if mutation!(StoredPlaceForgotten) => {}
                None => self.protocol.stored.push(saved),
            }
        }
        #[cfg(feature = "journal")]
        {
            self.protocol.recorded_at = (self.now.wall, self.uptime);
        }
        for (id, send) in self.outbox.restore(now, self.now.wall, self.uptime, producers, sends) {
            // The room is joined for the sake of its sends, and left after them unless the application wants it.
            let send_no = self.outbox.last_send_no();
            #[cfg(feature = "frames")]
            let needs_room = !self.outbox.custom.is(&send.room);
            #[cfg(not(feature = "frames"))]
            let needs_room = true;
            if needs_room
                && !mutation!(NotJoinedForSends)
                && self.rooms.get(&send.room).is_none()
                && let Some(at) = self.rooms.entry(send.room.clone())
                && let Some(room) = self.rooms.at_mut(at)
            {
                room.desired = DesiredMembership::Leaving { send_no };
                // Where the application was stays what it was, whatever is received meanwhile.
                let place = self.protocol.stored.iter().find(|saved| saved.room == send.room);
                room.committed = place.map(|saved| saved.position.clone());
                self.leaving = true;
            }
            self.restored(id, send);
        }
    }
}
