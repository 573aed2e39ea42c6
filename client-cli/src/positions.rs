//! How far rooms have been read by server-sent events, kept in a file across runs.

use crate::error::Failure;
use rejoin::{Name, Position, Saved, SavedPosition, StateError, StateFile, StateStore as _};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;

type Saving = Pin<Box<dyn Future<Output = Result<(), StateError>> + Send>>;

/// The positions of one server's rooms.
pub(crate) struct Positions {
    store: StateFile,
    saved: Saved,
    saving: Option<Saving>,
    /// What is stored, or being stored, is not all.
    changed: bool,
}

impl Positions {
    /// Takes the file, which need not exist, for the server at `url`.
    pub(crate) fn open(path: &Path, url: &str) -> Result<Self, Failure> {
        let failed = |error: StateError| Failure::usage("state", error.to_string());
        let mut store = StateFile::open(path).map_err(failed)?;
        let saved = store.load(url).map_err(failed)?.unwrap_or_default();
        Ok(Self { store, saved, saving: None, changed: false })
    }

    /// Where to go on in a room.
    pub(crate) fn get(&self, room: &str) -> Option<&Position> {
        let known = self.saved.positions.iter().find(|known| known.room == *room);
        known.map(|known| &known.position)
    }

    /// Everything in a room up to here has been dealt with.
    pub(crate) fn commit(&mut self, room: Name, position: Position) {
        self.changed = true;
        match self.saved.positions.iter_mut().find(|known| known.room == room) {
            Some(known) => known.position = position,
            None => self.saved.positions.push(SavedPosition { room, position }),
        }
    }

    pub(crate) fn is_unsaved(&self) -> bool {
        self.changed || self.saving.is_some()
    }

    /// Goes on with storing, and says when a part of it is done. What could not be stored is tried again with the next
    /// commit.
    ///
    /// Cancel safe.
    pub(crate) async fn saved(&mut self) -> Result<(), StateError> {
        if self.saving.is_none() {
            self.changed = false;
            self.saving = Some(self.store.save(self.saved.clone()));
        }
        let Some(saving) = &mut self.saving else { return Ok(()) };
        let result = saving.await;
        self.saving = None;
        result
    }
}
