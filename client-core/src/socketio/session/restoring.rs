//! Saves the queued sends for a later run, and restores them. Socket.IO has no positions to save.

use super::Session;
#[cfg(feature = "journal")]
use crate::change::Change;
use crate::change_log::record;
#[cfg(feature = "journal")]
use crate::event::SendId;
use crate::event::{Delivery, DeliveryStatus, Event, Restored};
use crate::link::State;
use crate::mutation::mutation;
use crate::payload::Payload;
use crate::persisted::Saved;
use crate::socketio::rooms::DesiredMembership;
use crate::time::Timestamp;
use alloc::boxed::Box;
#[cfg(feature = "journal")]
use alloc::vec::Vec;

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    /// What a later run can continue with: the sends that waited for a connection, and that there was one. See [`Session::changes`] for when to
    /// store it, and [`Output::Save`](crate::machine::Output::Save) for when it must be.
    pub fn saved(&self) -> Saved<P, N> {
        let sends = self.final_sends.clone().unwrap_or_else(|| self.outbox.stored());
        Saved {
            sends,
            worked: self.was_reached,
            #[cfg(feature = "frames")]
            kept: self.custom.kept_frames.stored(),
            ..Saved::default()
        }
    }

    /// From here on [`Session::take_changes`] has something to give.
    #[cfg(feature = "journal")]
    pub fn track_changes(&mut self) {
        self.outbox.change_log.enable();
    }

    /// What has changed in [`Session::saved`] since the last call, one thing at a time.
    #[cfg(feature = "journal")]
    pub fn take_changes(&mut self) -> Vec<Change<P, N, SendId>> {
        self.outbox.change_log.take()
    }

    /// What is about to be resolved by the end is kept for another run.
    pub(super) fn snapshot_sends(&mut self) {
        if self.final_sends.is_none() {
            self.final_sends = Some(self.outbox.stored());
        }
    }

    /// After the end it begins anew.
    pub(super) fn reopen(&mut self) {
        if self.final_sends.take().is_some() {
            self.outbox.changed();
            #[cfg(feature = "journal")]
            let saved = Saved { sends: Vec::new(), ..self.saved() };
            record!(self.outbox.change_log, Replaced(Box::new(saved)));
        }
    }

    /// There is a connection: the address is right.
    pub(super) fn mark_reachable(&mut self) {
        if !core::mem::replace(&mut self.was_reached, true) {
            self.outbox.changed();
            record!(
                self.outbox.change_log,
                Server { user: None, extended: false, worked: true, window_ms: 0, dedupe_window_ms: 0 }
            );
        }
    }

    /// Before the first connection only: later there is a state already.
    pub(super) fn restore(&mut self, now: Timestamp, saved: Saved<P, N>) {
        if self.link.state() != State::Idle {
            return;
        }
        self.was_reached = saved.worked;
        if self.was_reached {
            self.link.mark_reachable();
        }
        #[cfg(feature = "frames")]
        self.custom.kept_frames.restore(saved.kept);
        for send in saved.sends.into_iter().filter(|_| !mutation!(SioWaitingForgotten)) {
            let (room, content, reference) =
                (send.room.clone(), send.content.clone(), send.reference.clone());
            #[cfg(feature = "journal")]
            let data = send.data.clone();
            let (id, waits) = self.outbox.restore(now, send);
            let restored = Restored {
                id,
                room: room.clone(),
                content,
                #[cfg(feature = "journal")]
                data,
                reference,
            };
            self.event(Event::Restored(Box::new(restored)));
            if !waits {
                self.outcomes.push(Delivery::new(id, room, DeliveryStatus::Unknown));
                continue;
            }
            if self.outbox.is_custom(&room) {
                continue;
            }
            // The room is joined for the sake of its sends, and left after them unless the application wants it.
            let send_no = self.outbox.last_send_no();
            let is_known = self.rooms.get(&room).is_some_and(|room| room.wanted == DesiredMembership::Joined);
            if !is_known
                && let Some(at) = self.rooms.entry(room)
                && let Some(room) = self.rooms.at_mut(at)
            {
                room.wanted = DesiredMembership::Leaving { send_no };
                self.leaving = true;
            }
        }
    }
}
