//! The sends that wait, as they are stored and taken up again.

use super::Outbox;
use crate::event::SendId;
use crate::outbound::OutboundMessage;
use crate::outbox::RESTORED;
use crate::payload::Payload;
use crate::persisted::SavedSend;
use crate::time::Timestamp;

impl<P: Payload, N: Clone + Ord> Outbox<P, N> {
    /// Takes up what an earlier run left. Returns its number in this run, and whether it waits: what another protocol
    /// has transmitted cannot be gone on with.
    pub(in crate::socketio) fn restore(&mut self, now: Timestamp, saved: SavedSend<P, N>) -> (SendId, bool) {
        let SavedSend { room, content, data, reference, transmitted, number: _ } = saved;
        let id = SendId(RESTORED | (self.last_send_no + 1));
        let send = OutboundMessage { data, reference, ..OutboundMessage::new(id, room, content) };
        if transmitted.is_none() {
            self.queue(now, send);
        } else {
            self.last_send_no += 1;
            self.changes += 1;
        }
        (id, transmitted.is_none())
    }
}
