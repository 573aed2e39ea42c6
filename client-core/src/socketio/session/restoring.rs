//! Saves the queued sends for a later run, and restores them. Socket.IO has no positions to save.

use super::Session;
use crate::event::{Delivery, DeliveryStatus};
use crate::mutation::mutation;
use crate::outbox::SendQueue;
use crate::payload::Payload;
use crate::persisted::Saved;
use crate::rooms::DesiredMembership;
use crate::time::Timestamp;

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    /// Before the first connection.
    pub(super) fn restore_sends(&mut self, now: Timestamp, saved: Saved<P, N>) {
        self.restore_reached(saved.worked);
        for send in saved.sends.into_iter().filter(|_| !mutation!(SioWaitingForgotten)) {
            let room = send.room.clone();
            let (id, waits) = self.outbox.restore(now, send.clone());
            self.restored(id, send);
            if !waits {
                self.outcomes.push(Delivery::new(id, room, DeliveryStatus::Unknown));
                continue;
            }
            if self.outbox.is_custom(&room) {
                continue;
            }
            // The room is joined for the sake of its sends, and left after them unless the application wants it.
            let send_no = self.outbox.last_send_no();
            let is_known =
                self.rooms.get(&room).is_some_and(|room| room.desired == DesiredMembership::Joined);
            if !is_known
                && let Some(at) = self.rooms.entry(room)
                && let Some(room) = self.rooms.at_mut(at)
            {
                room.desired = DesiredMembership::Leaving { send_no };
                self.leaving = true;
            }
        }
    }
}
