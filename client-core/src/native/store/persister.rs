//! Schedules the saves of a session's state: before a first transmission, before an outcome is published, and in the
//! background otherwise.
//!
//! What changes while a save is under way is gathered for the next one, so that many sends share an fsync and none waits
//! for company.

use super::{StateError, StateStore};
use crate::change::Change;
use crate::event::SendId;
use crate::journal::JournalState;
use crate::name::Name;
use futures_util::future::BoxFuture;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// The wait before a store that failed is asked again, and the longest one: each is twice the one before.
const RETRY_DELAY: Duration = Duration::from_secs(1);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(8);
/// A save that takes longer is a failure until it is done.
const SAVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the end waits for the store.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// More changes, or bytes of them, are not gathered: then the whole is stored.
const MAX_CHANGES: usize = 16_384;
const MAX_BYTES: usize = 8 << 20;

/// Whether the session's outputs wait for the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HoldState {
    No,
    /// Until a save that has not begun is done.
    UntilNextSave,
    /// Until the save under way is done.
    UntilCurrentSave,
}

struct Saving {
    work: BoxFuture<'static, Result<(), StateError>>,
    /// It stores the sends up to this number.
    through: u64,
    is_whole: bool,
}

pub(crate) struct Persister {
    store: Box<dyn StateStore>,
    journal: JournalState,
    /// What is not stored, and not being stored.
    changes: Vec<Change>,
    bytes: usize,
    /// The store has to be given the whole.
    whole: bool,
    saving: Option<Saving>,
    hold: HoldState,
    /// The store has failed since it worked last, or has been at it for too long.
    failing: bool,
    retry: Option<Pin<Box<Sleep>>>,
    retry_delay: Duration,
    save_timeout: Option<Pin<Box<Sleep>>>,
    /// The sends up to this number are in the store.
    stored_through: u64,
    /// The client is being closed, and the store has until then.
    end: Option<Pin<Box<Sleep>>>,
    /// The last save has failed: what is not stored will never be.
    lost: bool,
}

impl Persister {
    /// `ledger` is what the store has.
    pub(crate) fn new(store: Box<dyn StateStore>, mut journal: JournalState) -> Self {
        journal.assign_restored_ids();
        Self {
            store,
            stored_through: journal.last_number(),
            journal,
            changes: Vec::new(),
            bytes: 0,
            whole: false,
            saving: None,
            hold: HoldState::No,
            failing: false,
            retry: None,
            retry_delay: RETRY_DELAY,
            save_timeout: None,
            end: None,
            lost: false,
        }
    }

    /// The session has changed. What the end itself changes is not stored: another run continues with it.
    pub(crate) fn record(&mut self, changes: Vec<Change<String, Name, SendId>>) {
        if self.end.is_none() {
            for change in changes {
                self.add(change);
            }
        }
    }

    /// The application has processed an outcome.
    pub(crate) fn confirm(&mut self, id: SendId) {
        self.add(Change::Confirmed { key: id });
    }

    fn add(&mut self, change: Change<String, Name, SendId>) {
        let Some(change) = self.journal.record(change) else { return };
        if self.whole {
            return;
        }
        self.bytes += match &change {
            Change::Added { send, .. } => send.content.len() + send.data.as_ref().map_or(0, String::len),
            _ => 0,
        };
        self.changes.push(change);
        if self.changes.len() > MAX_CHANGES || self.bytes > MAX_BYTES {
            self.require_full_save();
        }
    }

    /// From here on only the whole can be stored.
    fn require_full_save(&mut self) {
        self.whole = true;
        self.changes = Vec::new();
        self.bytes = 0;
    }

    /// Outputs from here on have to wait until what has been noted is stored.
    pub(crate) fn hold(&mut self) {
        if self.end.is_some() {
            return;
        }
        if self.has_changes() {
            self.hold = HoldState::UntilNextSave;
        } else if self.saving.is_some() && self.hold == HoldState::No {
            self.hold = HoldState::UntilCurrentSave;
        }
    }

    fn has_changes(&self) -> bool {
        self.whole || !self.changes.is_empty()
    }

    /// Whether all outputs wait. While the store fails only frames do: what it cannot store must not be sent, and
    /// everything else continues.
    pub(crate) fn is_holding(&self) -> bool {
        self.hold != HoldState::No && !self.failing
    }

    /// Whether frames wait.
    pub(crate) fn holds_frames(&self) -> bool {
        self.hold != HoldState::No
    }

    /// Whether what is still not stored will never be.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Whether the send will never be stored: then it has never been transmitted either.
    pub(crate) fn has_lost(&self, id: SendId) -> bool {
        self.lost && self.journal.number(id).is_some_and(|number| number > self.stored_through)
    }

    /// Whether the state has this send, or its outcome.
    pub(crate) fn knows(&self, id: SendId) -> bool {
        self.journal.number(id).is_some()
    }

    /// The client is being closed: one more save, and no more patience than for that.
    pub(crate) fn begin_close(&mut self) {
        if self.end.is_none() {
            self.end = Some(Box::pin(tokio::time::sleep(CLOSE_TIMEOUT)));
            self.retry = None;
        }
    }

    /// Whether the end has been begun and the store is not done.
    pub(crate) fn is_closing(&self) -> bool {
        self.end.is_some() && !self.lost && (self.has_changes() || self.saving.is_some())
    }

    /// Goes on with what there is to store. Returns whether something that waited is free, or why the store failed, once:
    /// then it is asked again after a while.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Result<bool, StateError> {
        let mut freed = false;
        loop {
            if let Some(saving) = &mut self.saving {
                let Poll::Ready(result) = saving.work.as_mut().poll(cx) else {
                    return self.is_slow(cx).map(|()| freed);
                };
                let Saving { through, is_whole, .. } = *saving;
                self.saving = None;
                match result {
                    Ok(()) => freed |= self.save_done(through),
                    Err(error) => self.save_failed(error, is_whole)?,
                }
            }
            if self.lost || (!self.has_changes() && self.hold != HoldState::UntilNextSave) {
                return Ok(freed);
            }
            if let Some(again) = &mut self.retry {
                if again.as_mut().poll(cx).is_pending() {
                    return Ok(freed);
                }
                self.retry = None;
            }
            self.start_save();
        }
    }

    fn start_save(&mut self) {
        let changes = std::mem::take(&mut self.changes);
        self.bytes = 0;
        let appended = if self.whole { None } else { self.store.append(changes) };
        let is_whole = appended.is_none();
        let work = appended.unwrap_or_else(|| self.store.save(self.journal.saved()));
        self.whole = false;
        self.saving = Some(Saving { work, through: self.journal.last_number(), is_whole });
        if self.hold == HoldState::UntilNextSave {
            self.hold = HoldState::UntilCurrentSave;
        }
        if !self.failing {
            let until = Instant::now() + SAVE_TIMEOUT;
            match &mut self.save_timeout {
                Some(patience) => patience.as_mut().reset(until),
                None => self.save_timeout = Some(Box::pin(tokio::time::sleep_until(until))),
            }
        }
    }

    fn save_done(&mut self, through: u64) -> bool {
        self.stored_through = through;
        self.failing = false;
        self.retry_delay = RETRY_DELAY;
        let frees = self.hold == HoldState::UntilCurrentSave;
        if frees {
            self.hold = HoldState::No;
        }
        frees
    }

    /// Reports of a failure unless it has been reported already.
    fn save_failed(&mut self, error: StateError, was_whole: bool) -> Result<(), StateError> {
        self.require_full_save();
        if self.hold == HoldState::UntilCurrentSave {
            self.hold = HoldState::UntilNextSave;
        }
        if !was_whole {
            // What changed could not be added; the whole may be shorter than what is there.
            return Ok(());
        }
        if self.end.is_some() {
            self.lost = true;
        } else {
            // A full disk does not empty itself at once.
            self.retry = Some(Box::pin(tokio::time::sleep(self.retry_delay)));
            self.retry_delay = (self.retry_delay * 2).min(MAX_RETRY_DELAY);
        }
        if std::mem::replace(&mut self.failing, true) { Ok(()) } else { Err(error) }
    }

    fn is_slow(&mut self, cx: &mut Context<'_>) -> Result<(), StateError> {
        if let Some(end) = &mut self.end
            && end.as_mut().poll(cx).is_ready()
        {
            self.lost = true;
            self.saving = None;
        } else if self.failing
            || self.save_timeout.as_mut().is_none_or(|patience| patience.as_mut().poll(cx).is_pending())
        {
            return Ok(());
        }
        if std::mem::replace(&mut self.failing, true) { Ok(()) } else { Err(StateError::Stalled) }
    }
}
