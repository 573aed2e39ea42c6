//! Saves a session's state for a later run, and restores it.

use super::Session;
use crate::event::{Event, Restored};
use crate::link::State;
use crate::mutation::mutation;
use crate::payload::Payload;
use crate::persisted::{Saved, SavedPosition};
use crate::rooms::DesiredMembership;
use crate::time::Nanos;
use alloc::boxed::Box;
use alloc::vec::Vec;

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    /// What a later run can continue with: unresolved sends and committed positions. It belongs to one URL; see
    /// [`Session::changes`] for when to store it, and [`Output::Save`](super::Output::Save) for when it must be.
    pub fn saved(&self) -> Saved<P, N> {
        let received = mutation!(CommitReceived);
        let rooms = self.rooms.iter().filter_map(|room| {
            let position = if received { room.receiver.since() } else { room.committed.clone() };
            position.map(|position| SavedPosition { room: room.name.clone(), position })
        });
        // A room that was joined for other reasons has a position of its own.
        let is_apart = |saved: &&SavedPosition<N>| {
            self.rooms.get(&saved.room).is_none_or(|room| room.committed.is_none())
        };
        let positions = rooms.chain(self.stored.iter().filter(is_apart).cloned()).collect();
        let (producers, sends) = match &self.final_sends {
            Some(kept) => kept.clone(),
            None => self.outbox.stored(self.now.wall, self.uptime),
        };
        Saved {
            user: self.server.user.clone(),
            extended: self.server.extended,
            worked: self.server.was_reached,
            window_ms: self.server.window.millis(),
            dedupe_window_ms: self.server.dedupe.millis(),
            positions,
            producers,
            sends,
            outcomes: Vec::new(),
            #[cfg(feature = "frames")]
            kept: self.kept_frames.stored(),
        }
    }

    /// What is about to be resolved by the end is kept for another run.
    pub(super) fn snapshot_sends(&mut self) {
        if self.final_sends.is_none() {
            self.final_sends = Some(self.outbox.stored(self.now.wall, self.uptime));
        }
    }

    /// Before the first connection only: later there is a state already.
    pub(super) fn restore(&mut self, saved: Saved<P, N>) {
        if self.link.state() != State::Idle {
            return;
        }
        let Saved {
            user,
            extended,
            worked,
            window_ms,
            dedupe_window_ms,
            positions,
            producers,
            sends,
            outcomes: _,
            #[cfg(feature = "frames")]
            kept,
        } = saved;
        #[cfg(feature = "frames")]
        self.kept_frames.restore(kept);
        self.server.from_store = user.is_some() && !mutation!(StoreTakenForOwn);
        self.server.user = user.filter(|_| !mutation!(StoredUserForgotten));
        self.server.extended = extended;
        self.server.window = Nanos::from_millis(window_ms.min(600_000));
        self.server.dedupe = Nanos::from_millis(dedupe_window_ms.clamp(10_000, 3_600_000));
        // A state of an earlier version does not say it of servers that are plain.
        self.server.was_reached = worked || extended;
        if self.server.was_reached {
            self.link.mark_reachable();
        }
        if extended && !mutation!(WindowNotTakenUp) {
            self.link.restore_timings(self.server.window, self.server.horizon());
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
                None => self.stored.push(saved),
            }
        }
        #[cfg(feature = "journal")]
        {
            self.recorded_at = (self.now.wall, self.uptime);
        }
        let now = self.now.monotonic;
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
                let place = self.stored.iter().find(|saved| saved.room == send.room);
                room.committed = place.map(|saved| saved.position.clone());
                self.leaving = true;
            }
            let restored = Restored {
                id,
                room: send.room,
                content: send.content,
                #[cfg(feature = "journal")]
                data: send.data,
                reference: send.reference,
            };
            self.event(Event::Restored(Box::new(restored)));
        }
    }
}
