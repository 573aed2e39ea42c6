//! The positions of rooms read by server-sent events, stored in a file across runs.

use crate::error::Failure;
use rejoin::machine::{Change, JournalState, SavedPosition};
use rejoin::{Name, Position, StateError, StateFile, StateStore as _};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

type Saving = Pin<Box<dyn Future<Output = Result<(), StateError>> + Send>>;

/// The positions of one server's rooms.
pub(crate) struct FeedState {
    store: StateFile,
    ledger: JournalState,
    known: BTreeMap<Name, Position>,
    saving: Option<Saving>,
    /// Rooms whose positions are neither stored nor being stored.
    changed: BTreeMap<Name, Position>,
    /// The last one has failed: the whole has to be stored, after a while.
    failed: Option<Instant>,
}

/// The wait before a store that failed is asked again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

impl FeedState {
    /// Takes the file, which need not exist, for the server at `url`.
    pub(crate) fn open(path: &Path, url: &str) -> Result<Self, Failure> {
        let failed = |error: StateError| Failure::usage("state", error.to_string());
        let mut store = StateFile::open(path).map_err(failed)?;
        let saved = store.load(url).map_err(failed)?.unwrap_or_default();
        let known = saved.positions.iter().map(|known| (known.room.clone(), known.position.clone()));
        let known = known.collect();
        let ledger = JournalState::new(saved);
        Ok(Self { store, ledger, known, saving: None, changed: BTreeMap::new(), failed: None })
    }

    /// Where to go on in a room.
    pub(crate) fn get(&self, room: &str) -> Option<&Position> {
        self.known.get(room)
    }

    /// Everything in a room up to here has been dealt with.
    pub(crate) fn commit(&mut self, room: Name, position: Position) {
        self.changed.insert(room, position);
    }

    pub(crate) fn is_unsaved(&self) -> bool {
        !self.changed.is_empty() || self.saving.is_some() || self.failed.is_some()
    }

    /// Goes on with storing, and says when a part of it is done. What could not be stored is tried again.
    ///
    /// Cancel safe.
    pub(crate) async fn saved(&mut self) -> Result<(), StateError> {
        if self.saving.is_none() {
            if let Some(failed) = self.failed {
                sleep_until(failed + RETRY_DELAY).await;
            }
            let mut changes = Vec::new();
            for (room, position) in std::mem::take(&mut self.changed) {
                self.known.insert(room.clone(), position.clone());
                let change = Change::Committed(SavedPosition { room, position });
                self.ledger.apply(change.clone());
                changes.push(change);
            }
            let appended = if self.failed.is_none() { self.store.append(changes) } else { None };
            self.saving = Some(appended.unwrap_or_else(|| self.store.save(self.ledger.saved())));
        }
        let Some(saving) = &mut self.saving else { return Ok(()) };
        let result = saving.await;
        self.saving = None;
        self.failed = result.is_err().then(Instant::now);
        result
    }
}
