//! The state that a session leaves for a later run, as far as that is the same for every protocol.

use super::ProtocolSession;
use super::protocol::Protocol;
#[cfg(feature = "journal")]
use crate::change::Change;
use crate::event::{Event, Restored, SendId};
use crate::link::State;
use crate::outbox::SendQueue;
use crate::persisted::{Saved, SavedProducer, SavedSend};
use crate::time::Timestamp;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Producers and sends as they are stored.
pub(super) type SavedSends<P, N> = (Vec<SavedProducer<N>>, Vec<SavedSend<P, N>>);

impl<R: Protocol> ProtocolSession<R> {
    /// What a later run can continue with: unresolved sends (of Socket.IO those that wait for a connection), kept frames, and on
    /// extended servers committed positions. It belongs to one URL; see [`ProtocolSession::changes`] for when to store
    /// it, and [`Output::Save`](super::Output::Save) for when it must be.
    pub fn saved(&self) -> Saved<R::Payload, R::Name> {
        let (producers, sends) = match &self.final_sends {
            Some(kept) => kept.clone(),
            None => self.outbox.stored(self.now.wall, self.uptime),
        };
        Saved {
            worked: self.was_reached,
            producers,
            sends,
            #[cfg(feature = "frames")]
            kept: self.kept_frames.stored(),
            ..R::saved(self)
        }
    }

    /// From here on [`ProtocolSession::take_changes`] has something to give. Before the first input.
    #[cfg(feature = "journal")]
    pub fn track_changes(&mut self) {
        self.outbox.change_log().enable();
    }

    /// What has changed in [`ProtocolSession::saved`] since the last call, one thing at a time. A store that has all of it in
    /// order has the state: see [`JournalState`](crate::machine::JournalState). [`Output::Save`](super::Output::Save) says when it must have
    /// it.
    #[cfg(feature = "journal")]
    pub fn take_changes(&mut self) -> Vec<Change<R::Payload, R::Name, SendId>> {
        let mut changes = self.outbox.change_log().take();
        R::date_changes(self, &mut changes);
        changes
    }

    /// There is a connection: the address is right.
    pub(super) fn mark_reachable(&mut self) {
        if !core::mem::replace(&mut self.was_reached, true) {
            self.changes += 1;
            #[cfg(feature = "journal")]
            R::record_server(self);
        }
    }

    /// What is about to be resolved by the end is kept for another run.
    pub(super) fn snapshot_sends(&mut self) {
        if self.final_sends.is_none() {
            self.final_sends = Some(self.outbox.stored(self.now.wall, self.uptime));
        }
    }

    /// After the end it begins anew: the state is another one than the notes say.
    pub(super) fn reopen(&mut self) {
        if self.final_sends.take().is_some() {
            self.changes += 1;
            #[cfg(feature = "journal")]
            {
                let saved = self.saved();
                self.outbox.change_log().record(|| Change::Replaced(Box::new(saved)));
            }
        }
    }

    /// Before the first connection only: later there is a state already.
    pub(super) fn restore(
        &mut self,
        now: Timestamp,
        #[cfg_attr(not(feature = "frames"), expect(unused_mut, reason = "there are no frames"))]
        mut saved: Saved<R::Payload, R::Name>,
    ) {
        if self.link.state() != State::Idle {
            return;
        }
        #[cfg(feature = "frames")]
        self.kept_frames.restore(core::mem::take(&mut saved.kept));
        R::restore(self, now, saved);
    }

    /// Whether an earlier run was connected.
    pub(crate) fn restore_reached(&mut self, was_reached: bool) {
        self.was_reached = was_reached;
        if was_reached {
            self.link.mark_reachable();
        }
    }

    /// Reports a send of an earlier run.
    pub(crate) fn restored(&mut self, id: SendId, send: SavedSend<R::Payload, R::Name>) {
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
