//! Custom frames in a session: sent through the outbox without room and number; and the kept frames, which are written
//! first on each connection.

use super::ActiveConnection;
use super::Session;
use super::connection::ServerConnection;
#[cfg(feature = "stored")]
use crate::event::{Event, SendFailure};
use crate::messages::ClientMessage;
use crate::mutation::mutation;
use crate::outbound::OutboundMessage;
use crate::payload::Payload;

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    /// From here on sends to `room`, which no room can have as its name, are custom frames: their content is
    /// written as it is. Before the first input.
    pub fn custom_frames(&mut self, room: N) {
        self.outbox.custom_frames(room);
    }

    /// Whether a send would go at once.
    pub(super) fn takes_now(&self, send: &OutboundMessage<P, N>) -> bool {
        if self.is_read_only() {
            return false;
        }
        let is_decided = |connection: &ActiveConnection<ServerConnection>| {
            connection.protocol.mode.is_some() || !self.protocol.server.extended
        };
        self.connection.as_ref().is_some_and(is_decided)
            && self.outbox.takes(send.queued_len(), self.limits.unflushed)
            && self.outbox.has_space(send.queued_len())
    }

    /// Writes what this connection has not. Returns whether all of it is written: what waits goes after it.
    pub(super) fn write_kept_frames(&mut self) -> bool {
        let Some(connection) = &self.connection else { return true };
        if connection.protocol.mode.is_none() && self.protocol.server.extended {
            // Where a `hello` has been received before, it is waited for: it says whose connection it is.
            return true;
        }
        while let Some(frame) = self.kept_frames.next().cloned() {
            let size = frame.byte_len();
            if !self.outbox.takes(size, self.limits.unflushed) {
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

    /// What an earlier run has kept was another user's.
    #[cfg(feature = "stored")]
    pub(super) fn drop_foreign_kept_frames(&mut self) {
        for key in self.kept_frames.restored() {
            self.drop_kept(&key);
            self.event(Event::NotKept { key, why: SendFailure::UserChanged });
        }
    }
}
