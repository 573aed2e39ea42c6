//! The queue of requests to a shared store: what does not fit fails, or waits if nobody would ask again.

use crate::hub::shared::{RequestId, StoreRequest};
use std::collections::VecDeque;
use tokio::sync::mpsc;

/// Kicks and removals that wait for a place in the store's queue.
const MAX_CONTROLS: usize = 10_000;

#[derive(Debug)]
pub(super) struct StoreQueue {
    /// Where the hub's requests to a shared store go.
    store: Option<mpsc::Sender<StoreRequest>>,
    /// Requests for which there was no room there.
    unsent: VecDeque<RequestId>,
    /// What every node has to do, and for which there was no room there: it waits, since nobody says it again.
    controls: VecDeque<StoreRequest>,
}

impl StoreQueue {
    pub(super) fn new(store: Option<mpsc::Sender<StoreRequest>>) -> Self {
        Self { store, unsent: VecDeque::new(), controls: VecDeque::new() }
    }

    /// Whether the store is shared with other nodes.
    pub(super) fn is_shared(&self) -> bool {
        self.store.is_some()
    }

    /// A request for which there was no room: it has failed.
    pub(super) fn next_unsent(&mut self) -> Option<RequestId> {
        self.unsent.pop_front()
    }

    /// Hands a request over. One for which there is no room has failed; the hub is told when it is its turn again. What ends
    /// somebody's session elsewhere waits instead.
    pub(super) fn send(&mut self, request: StoreRequest) {
        self.flush();
        let is_control = matches!(request, StoreRequest::Control(_));
        if is_control && !self.controls.is_empty() {
            return self.wait(request);
        }
        let full = match &self.store {
            Some(store) => match store.try_send(request) {
                Ok(()) => return,
                Err(
                    mpsc::error::TrySendError::Full(request) | mpsc::error::TrySendError::Closed(request),
                ) => request,
            },
            None => request,
        };
        if is_control && self.store.as_ref().is_some_and(|store| !store.is_closed()) {
            return self.wait(full);
        }
        self.unsent.extend(full.request_id());
    }

    fn wait(&mut self, request: StoreRequest) {
        if self.controls.len() < MAX_CONTROLS {
            return self.controls.push_back(request);
        }
        tracing::error!(
            "too much waits for Redis: a kick or a removal counts on this server only, ask again"
        );
    }

    /// Hands over what has waited, as far as there is room.
    pub(super) fn flush(&mut self) {
        let Some(store) = &self.store else { return };
        while let Some(request) = self.controls.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(request)) = store.try_send(request) {
                return self.controls.push_front(request);
            }
        }
    }
}
