//! Custom frames in a session: sent through the outbox without room and number; and the kept frames, which are written
//! first on each connection.

use super::Session;
use crate::change_log::record;
use crate::event::{Delivery, DeliveryStatus, Event, SendFailure};
use crate::link::ConnId;
use crate::messages::ClientMessage;
use crate::mutation::mutation;
use crate::outbound::OutboundMessage;
use crate::payload::Payload;
use crate::time::Timestamp;

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    /// From here on sends to `room`, which no room can have as its name, are custom frames: their content is
    /// written as it is. Before the first input.
    pub fn custom_frames(&mut self, room: N) {
        self.outbox.custom_frames(room);
    }

    pub(super) fn send_volatile(&mut self, now: Timestamp, send: OutboundMessage<P, N>) {
        let most = self.settings.max_unflushed;
        let is_decided =
            |connection: &super::ActiveConnection| connection.mode.is_some() || !self.server.extended;
        let may_go = self.connection.as_ref().is_some_and(is_decided)
            && self.outbox.takes(send.queued_len(), most)
            && self.outbox.has_space(send.queued_len());
        if self.link.has_ended() || send.payload_len() > self.settings.max_content {
            self.send(now, send);
        } else if may_go || mutation!(VolatileWaits) {
            if !mutation!(VolatileWaits) {
                self.volatile.push(send.id);
            }
            self.send(now, send);
        } else {
            let status = DeliveryStatus::Failed(SendFailure::Dropped);
            self.outcomes.push(Delivery::new(send.id, send.room, status));
        }
    }

    /// What did not go at once is dropped.
    pub(super) fn drop_volatile(&mut self) {
        for id in core::mem::take(&mut self.volatile) {
            self.outbox.drop_queued(id, &mut self.outcomes);
        }
    }

    pub(super) fn keep_frame(&mut self, key: N, frame: P) {
        #[cfg(feature = "journal")]
        let noted = frame.clone();
        match self.kept_frames.keep(key.clone(), frame, self.settings.max_content) {
            Ok(()) => {
                self.changes += 1;
                record!(self.outbox.change_log, Kept { key, frame: noted });
            }
            Err(why) => self.event(Event::NotKept { key, why }),
        }
    }

    pub(super) fn drop_kept(&mut self, key: &N) {
        if self.kept_frames.drop_kept(key) {
            self.changes += 1;
            record!(self.outbox.change_log, KeptDropped { key: key.clone() });
        }
    }

    /// A connection is there that has none of them.
    pub(super) fn reset_kept_frames(&mut self) {
        self.kept_frames.connection_opened();
        self.write_kept_frames();
    }

    /// Writes what this connection has not. Returns whether all of it is written: what waits goes after it.
    pub(super) fn write_kept_frames(&mut self) -> bool {
        let Some(connection) = &self.connection else { return true };
        if connection.mode.is_none() && self.server.extended {
            // Where a `hello` has been received before, it is waited for: it says whose connection it is.
            return true;
        }
        while let Some(frame) = self.kept_frames.next().cloned() {
            let size = frame.byte_len();
            if !self.outbox.takes(size, self.settings.max_unflushed) {
                return mutation!(KeptOvertaken);
            }
            self.kept_frames.mark_next_written();
            self.write(ClientMessage::Kept(frame));
            // A refusal that does not say what it is about may be about it.
            self.add_untracked_request();
            if let Some(connection) = &self.connection {
                self.outbox.frame_written(connection.last_frame, size);
            }
        }
        true
    }

    /// A frame was too large for the server. If it was a kept one, each connection would end by it: it is kept no longer. Says
    /// whether it was.
    pub(super) fn drop_oversized_kept_frame(&mut self, conn: ConnId) -> bool {
        let is_here = self.connection.as_ref().is_some_and(|connection| connection.conn == conn);
        let Some(key) = self.kept_frames.oversized_key().filter(|_| is_here) else { return false };
        self.drop_kept(&key);
        self.event(Event::NotKept { key, why: SendFailure::TooLarge });
        true
    }

    /// What an earlier run has kept was another user's.
    #[cfg(feature = "stored")]
    pub(super) fn drop_foreign_kept_frames(&mut self) {
        for key in self.kept_frames.restored() {
            self.drop_kept(&key);
            self.event(Event::NotKept { key, why: SendFailure::UserChanged });
        }
    }
}
