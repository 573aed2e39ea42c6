//! The store in the driver: what waits until the state is stored, and what is told when it cannot be. Decides nothing.

use super::Driver;
use super::driven_session::DrivenSession;
use crate::event::{DeliveryStatus, Event, SendFailure};
use crate::link::State;
use crate::native::store::StateError;
use std::task::Context;

impl<M: DrivenSession> Driver<M> {
    /// Closing resolves every send; with a store those without an outcome are taken up again by the next run.
    pub(super) fn begin_persisting_close(&mut self) {
        self.record_changes();
        if let Some(persister) = &mut self.persister {
            persister.begin_close();
        }
    }

    pub(super) fn record_changes(&mut self) {
        if let Some(persister) = &mut self.persister {
            persister.record(self.session.take_changes());
        }
    }

    pub(super) fn is_holding(&self) -> bool {
        self.persister.as_ref().is_some_and(|persister| persister.is_holding())
    }

    /// What follows has to wait until the state is stored. What closing resolves is not stored any more.
    pub(super) fn hold(&mut self) {
        self.record_changes();
        if let Some(persister) = &mut self.persister {
            persister.hold();
        }
    }

    /// Lets the store continue. Returns whether something that waited is free.
    pub(super) fn store(&mut self, cx: &mut Context<'_>) -> bool {
        self.record_changes();
        let Some(persister) = &mut self.persister else { return false };
        let was_ending = persister.is_closing();
        let result = persister.poll(cx);
        let is_settled = !persister.is_closing();
        if !persister.holds_frames() || persister.is_lost() {
            self.release_frames();
        }
        let mut busy = match result {
            Ok(freed) => freed,
            Err(error) => {
                self.storage_failed(&error);
                true
            }
        };
        busy |= was_ending && is_settled;
        busy
    }

    /// What waited for the store is stored, or never will be.
    pub(super) fn release_frames(&mut self) {
        let is_open = !matches!(self.session.state(), State::Closing | State::Closed);
        for (conn, frame, message) in std::mem::take(&mut self.held_frames) {
            if let Some(socket) = self.sockets.get(conn).filter(|_| is_open) {
                socket.write(frame, &message);
            }
        }
    }

    /// The end resolves what has no outcome as if another run would continue with it. Of what could not be stored, or was
    /// given only after the connection had failed for good, that is not true: it was not sent, and never will be.
    pub(super) fn fail_unstored(&mut self) {
        let has_failed = self.session.state() == State::Failed;
        let Some(persister) = self.persister.as_ref().filter(|persister| has_failed || persister.is_lost())
        else {
            return;
        };
        let events = self.events.iter_mut().filter_map(|event| match event {
            Event::Delivery(delivery) => Some(delivery),
            _ => None,
        });
        for delivery in self.outcomes.iter_mut().chain(events) {
            let is_open = matches!(
                delivery.status,
                DeliveryStatus::Unknown | DeliveryStatus::Failed(SendFailure::Closed)
            );
            let came_late = has_failed
                && delivery.status == DeliveryStatus::Failed(SendFailure::Closed)
                && !persister.knows(delivery.id);
            if is_open && (persister.has_lost(delivery.id) || came_late) {
                delivery.status = DeliveryStatus::Failed(SendFailure::NotStored);
            }
        }
    }

    pub(super) fn storage_failed(&mut self, error: &StateError) {
        // Before the outcomes that it is the reason of.
        self.events.insert(0, Event::StorageFailed { error: error.to_string().into() });
    }
}
