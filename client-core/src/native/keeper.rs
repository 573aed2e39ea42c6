//! When the state of a session is stored: before a first transmission, and behind everything else.

use super::machine::Machine;
use super::state::{StateError, StateStore};
use crate::saved::Saved;
use futures_util::future::BoxFuture;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

/// The wait before a store that failed is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Whether the session's outputs wait for the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    No,
    /// Until a save that has not begun is done.
    UntilNext,
    /// Until the save under way is done.
    UntilThis,
}

pub(crate) struct Keeper {
    store: Box<dyn StateStore>,
    saving: Option<BoxFuture<'static, Result<(), StateError>>>,
    /// What [`Machine::changes`] said of the state stored last; `None` after a failure.
    stored: Option<u64>,
    held: Held,
    again: Option<Pin<Box<Sleep>>>,
}

impl Keeper {
    /// `stored` is what the session's changes are at when its state is the one in the store.
    pub(crate) fn new(store: Box<dyn StateStore>, stored: u64) -> Self {
        Self { store, saving: None, stored: Some(stored), held: Held::No, again: None }
    }

    /// Outputs from here on have to wait until the state as it is now is stored.
    pub(crate) fn hold(&mut self, session: &impl Machine) {
        if self.stored == Some(session.changes()) {
            // Stored, or being stored.
            if self.saving.is_some() {
                self.held = Held::UntilThis;
            }
        } else {
            self.held = Held::UntilNext;
        }
    }

    pub(crate) fn is_holding(&self) -> bool {
        self.held != Held::No
    }

    /// Goes on with what there is to store. Says whether outputs have become free, or why the store failed; then it
    /// is asked again after a while.
    pub(crate) fn poll(&mut self, session: &impl Machine, cx: &mut Context<'_>) -> Result<bool, StateError> {
        if let Some(again) = &mut self.again {
            if again.as_mut().poll(cx).is_pending() {
                return Ok(false);
            }
            self.again = None;
        }
        let mut freed = false;
        loop {
            if let Some(saving) = &mut self.saving {
                let Poll::Ready(result) = saving.as_mut().poll(cx) else { return Ok(freed) };
                self.saving = None;
                if let Err(error) = result {
                    return Err(self.failed(error, cx));
                }
                if self.held == Held::UntilThis {
                    self.held = Held::No;
                    freed = true;
                }
            }
            if self.stored == Some(session.changes()) && self.held != Held::UntilNext {
                return Ok(freed);
            }
            self.begin(session.saved(), session.changes());
        }
    }

    fn begin(&mut self, state: Saved, changes: u64) {
        self.stored = Some(changes);
        self.saving = Some(self.store.save(state));
        if self.held == Held::UntilNext {
            self.held = Held::UntilThis;
        }
    }

    fn failed(&mut self, error: StateError, cx: &Context<'_>) -> StateError {
        self.stored = None;
        if self.held == Held::UntilThis {
            self.held = Held::UntilNext;
        }
        // A full disk does not empty itself at once.
        self.again = Some(Box::pin(tokio::time::sleep(AGAIN)));
        // The new timer has not been polled yet.
        cx.waker().wake_by_ref();
        error
    }

    /// The last save: after the one under way, whatever became of it. Not repeated when it fails.
    pub(crate) fn poll_finish(
        &mut self,
        last: &mut Option<Saved>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), StateError>> {
        loop {
            let result = match &mut self.saving {
                Some(saving) => ready!(saving.as_mut().poll(cx)),
                None => Ok(()),
            };
            self.saving = None;
            match last.take() {
                Some(state) => self.saving = Some(self.store.save(state)),
                None => return Poll::Ready(result),
            }
        }
    }
}
