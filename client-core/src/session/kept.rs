//! The kept frames of a session: each connection begins with them. Their bounds are in [`crate::kept_frames`].

use super::ProtocolSession;
use super::protocol::Protocol;
use crate::change_log::record;
use crate::event::{Event, SendFailure};
#[cfg(feature = "journal")]
use crate::outbox::SendQueue;

impl<R: Protocol> ProtocolSession<R> {
    pub(super) fn keep_frame(&mut self, key: R::Name, frame: R::Payload) {
        #[cfg(feature = "journal")]
        let noted = frame.clone();
        match self.kept_frames.keep(key.clone(), frame, self.limits.content) {
            Ok(()) => {
                self.changes += 1;
                record!(self.outbox.change_log(), Kept { key, frame: noted });
            }
            Err(why) => self.event(Event::NotKept { key, why }),
        }
    }

    pub(crate) fn drop_kept(&mut self, key: &R::Name) {
        if self.kept_frames.drop_kept(key) {
            self.changes += 1;
            record!(self.outbox.change_log(), KeptDropped { key: key.clone() });
        }
    }

    /// A connection is there that has none of them.
    pub(crate) fn reset_kept_frames(&mut self) {
        self.kept_frames.connection_opened();
        R::write_kept_frames(self);
    }

    /// A frame was too large for the server. If it was a kept one, each connection would end by it: it is kept no longer. Says
    /// whether it was.
    pub(crate) fn drop_oversized_kept_frame(&mut self) -> bool {
        let Some(key) = self.kept_frames.oversized_key() else { return false };
        self.drop_kept(&key);
        self.event(Event::NotKept { key, why: SendFailure::TooLarge });
        true
    }
}
