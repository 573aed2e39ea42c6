//! Watches a file and reads it again when it has changed. Owns how a change is detected, not what the file contains.

use super::AuthError;
use crate::option_file;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// What tells whether a file has changed.
pub(super) type Stamp = (SystemTime, u64);

pub(super) struct WatchedFile {
    path: PathBuf,
    most: u64,
    /// What it was when it was last read, whether it could be used or not.
    stamp: Mutex<Option<Stamp>>,
}

impl WatchedFile {
    /// `most`: bytes of it that are read.
    pub(super) fn new(path: &Path, most: u64) -> Self {
        Self { path: path.into(), most, stamp: Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What the file says now.
    pub(super) fn read(&self) -> Result<String, AuthError> {
        // Looked at first: what changes while it is read is read again.
        *self.stamp.lock().unwrap_or_else(PoisonError::into_inner) = stamp(&self.path);
        option_file::read_text(&self.path, self.most)
            .map_err(|source| AuthError::File { path: self.path.clone(), source })
    }

    /// Whether there is no such file any more.
    pub(super) fn is_gone(&self) -> bool {
        stamp(&self.path).is_none()
    }

    /// What the file is now, if it is not what was last read.
    pub(super) fn changed(&self) -> Option<Stamp> {
        let now = stamp(&self.path);
        now.filter(|_| now != *self.stamp.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}
