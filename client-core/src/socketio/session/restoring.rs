//! What is kept for another run, and taken up by it: what waited. There are no positions.

use super::Session;
use crate::bug::{Bug, made};
#[cfg(feature = "journal")]
use crate::change::Change;
use crate::change_log::note;
#[cfg(feature = "journal")]
use crate::event::SendId;
use crate::event::{Delivery, DeliveryStatus, Event, Restored};
use crate::link::State;
use crate::outbox::Payload;
use crate::persisted::Saved;
use crate::socketio::rooms::Wanted;
use crate::time::Timestamp;
use alloc::boxed::Box;
#[cfg(feature = "journal")]
use alloc::vec::Vec;

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    /// What a later run can go on with: the sends that waited for a connection, and that there was one. See [`Session::changes`] for when to
    /// store it, and [`Output::Save`](crate::machine::Output::Save) for when it must be.
    pub fn saved(&self) -> Saved<P, N> {
        let sends = self.kept.clone().unwrap_or_else(|| self.sends.stored());
        Saved {
            sends,
            worked: self.worked,
            #[cfg(feature = "frames")]
            kept: self.own.standing.stored(),
            ..Saved::default()
        }
    }

    /// From here on [`Session::take_changes`] has something to give.
    #[cfg(feature = "journal")]
    pub fn track_changes(&mut self) {
        self.sends.notes.begin();
    }

    /// What has changed in [`Session::saved`] since the last call, one thing at a time.
    #[cfg(feature = "journal")]
    pub fn take_changes(&mut self) -> Vec<Change<P, N, SendId>> {
        self.sends.notes.take()
    }

    /// What is about to be resolved by the end is kept for another run.
    pub(super) fn keep(&mut self) {
        if self.kept.is_none() {
            self.kept = Some(self.sends.stored());
        }
    }

    /// After the end it begins anew.
    pub(super) fn goes_on(&mut self) {
        if self.kept.take().is_some() {
            self.sends.changed();
            #[cfg(feature = "journal")]
            let saved = Saved { sends: Vec::new(), ..self.saved() };
            note!(self.sends.notes, Replaced(Box::new(saved)));
        }
    }

    /// There is a connection: the address is right.
    pub(super) fn has_worked(&mut self) {
        if !core::mem::replace(&mut self.worked, true) {
            self.sends.changed();
            note!(
                self.sends.notes,
                Server { user: None, extended: false, worked: true, window_ms: 0, dedupe_window_ms: 0 }
            );
        }
    }

    /// Before the first connection only: later there is a state already.
    pub(super) fn restore(&mut self, now: Timestamp, saved: Saved<P, N>) {
        if self.link.state() != State::Idle {
            return;
        }
        self.worked = saved.worked;
        if self.worked {
            self.link.has_worked();
        }
        #[cfg(feature = "frames")]
        self.own.standing.restore(saved.kept);
        for send in saved.sends.into_iter().filter(|_| !made(Bug::SioWaitingForgotten)) {
            let (room, content, reference) =
                (send.room.clone(), send.content.clone(), send.reference.clone());
            #[cfg(feature = "journal")]
            let data = send.data.clone();
            let (id, waits) = self.sends.restore(now, send);
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
            if self.sends.is_own(&room) {
                continue;
            }
            // The room is joined for the sake of its sends, and left after them unless the application wants it.
            let serial = self.sends.last_serial();
            let is_known = self.rooms.get(&room).is_some_and(|room| room.wanted == Wanted::Yes);
            if !is_known
                && let Some(at) = self.rooms.entry(room)
                && let Some(room) = self.rooms.at_mut(at)
            {
                room.wanted = Wanted::Leaving { serial };
                self.leaving = true;
            }
        }
    }
}
