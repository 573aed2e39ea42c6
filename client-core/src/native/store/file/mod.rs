//! A state in a file: one full state, followed by its changes (`format.rs` defines the bytes).
//!
//! What is behind grows by a group for each save and costs one fsync; once it is as long as the state itself, the whole
//! is written anew beside the file and moved into its place. A crash leaves the old file or the new one, and of the last
//! group all or nothing.

mod format;
mod location;
mod record;

use super::{StateError, StateStore};
use crate::change::Change;
use crate::persisted::Saved;
use format::{Content, Tail, Unreadable};
use futures_util::future::BoxFuture;
use location::FileLocation;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// No file is larger: an outbox has 4 MiB by default, and what has changed is no more than the whole.
const LARGEST: u64 = 1 << 30;
/// Bytes of changes below which the whole is not written anew, however small it is.
const LEAST_CHANGES: usize = 1 << 20;

/// A [`StateStore`] in a file that belongs to one client at a time: the store behind
/// [`ClientBuilder::state_file`](crate::ClientBuilder::state_file), for whoever keeps a state without a client.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    journal: Arc<Mutex<Journal>>,
}

/// The file itself, which one save at a time writes.
#[derive(Debug)]
struct Journal {
    place: FileLocation,
    url: Box<str>,
    /// The file as far as it is known to be good; `None`: it has to be written anew.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    tail: Tail,
    /// Behind the good part there may be something else.
    is_torn: bool,
}

impl StateFile {
    /// Takes the file; it need not exist. It is given back when the store is dropped.
    ///
    /// # Errors
    /// When somebody else has it, when it is a folder, a pipe or a device, or when the operating system refuses.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let place = FileLocation::take(path)?;
        let path = place.path.clone();
        let journal = Journal { place, url: "".into(), open: None };
        Ok(Self { path, journal: Arc::new(Mutex::new(journal)) })
    }

    fn lock(&self) -> MutexGuard<'_, Journal> {
        // Nothing in here is left half-done by a panic.
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does blocking work with the file.
    fn work(
        &self,
        work: impl FnOnce(&mut Journal) -> io::Result<()> + Send + 'static,
    ) -> BoxFuture<'static, Result<(), StateError>> {
        let (journal, path) = (Arc::clone(&self.journal), self.path.clone());
        let work = tokio::task::spawn_blocking(move || {
            work(&mut journal.lock().unwrap_or_else(PoisonError::into_inner))
        });
        Box::pin(async move {
            let result = work.await.unwrap_or_else(|ended| Err(io::Error::other(ended)));
            result.map_err(|error| StateError::Io(path, error))
        })
    }
}

impl StateStore for StateFile {
    fn load(&mut self, url: &str) -> Result<Option<Saved>, StateError> {
        self.lock().load(url)
    }

    fn save(&mut self, state: Saved) -> BoxFuture<'static, Result<(), StateError>> {
        self.work(move |journal| journal.rewrite(&state))
    }

    fn append(&mut self, changes: Vec<Change>) -> Option<BoxFuture<'static, Result<(), StateError>>> {
        self.lock().takes_changes().then(|| self.work(move |journal| journal.append(changes)))
    }
}

impl Journal {
    fn load(&mut self, url: &str) -> Result<Option<Saved>, StateError> {
        self.url = url.into();
        let path = &self.place.path;
        let failed = |error| StateError::Io(path.clone(), error);
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = Vec::new();
        (&file).take(LARGEST).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.is_empty() {
            // Made by `mktemp`, or whoever wants it to be there already.
            return Ok(None);
        }
        let Content { url: belongs_to, state, tail } = format::read(&bytes).map_err(|bad| match bad {
            Unreadable::Foreign => StateError::Foreign(path.clone()),
            Unreadable::Version(version) => StateError::Version(path.clone(), version),
            Unreadable::Damaged => StateError::Damaged(path.clone()),
        })?;
        if *belongs_to != *url {
            return Err(StateError::OtherServer { path: path.clone(), url: belongs_to });
        }
        self.open = tail.map(|tail| Open { file, is_torn: tail.length < bytes.len(), tail });
        Ok(Some(state))
    }

    /// Whether what has changed can be written behind what is there: it must not become longer than the whole.
    fn takes_changes(&self) -> bool {
        self.open.as_ref().is_some_and(|Open { file, tail, .. }| {
            tail.length.saturating_sub(tail.snapshot) < tail.snapshot.max(LEAST_CHANGES) && !is_removed(file)
        })
    }

    fn rewrite(&mut self, state: &Saved) -> io::Result<()> {
        let bytes = format::snapshot(&self.url, state)?;
        let file = self.place.replace(&bytes)?;
        let tail =
            Tail { length: bytes.len(), snapshot: bytes.len(), lines: record::ProducerNames::default() };
        self.open = Some(Open { file, tail, is_torn: false });
        Ok(())
    }

    fn append(&mut self, changes: Vec<Change>) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Err(io::Error::other("it has to be written anew")) };
        let result = open.append(changes);
        if result.is_err() {
            // Whether the system still has what it failed to write, nobody knows: what is good ends before it, and the
            // next save writes the whole.
            let _ = open.file.set_len(open.tail.length as u64);
            self.open = None;
        }
        result
    }
}

/// Whether somebody has removed the file, or moved another one into its place: what is written to it is lost.
#[cfg(unix)]
fn is_removed(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
}

/// An open file cannot be removed.
#[cfg(not(unix))]
fn is_removed(_: &File) -> bool {
    false
}

impl Open {
    fn append(&mut self, changes: Vec<Change>) -> io::Result<()> {
        let body = self.tail.lines.write(changes)?;
        let mut bytes = Vec::with_capacity(body.len() + 64);
        format::group(&mut bytes, &body);
        let end = self.tail.length as u64;
        if self.is_torn {
            self.file.set_len(end)?;
            self.is_torn = false;
        }
        self.file.seek(SeekFrom::Start(end))?;
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        self.tail.length += bytes.len();
        Ok(())
    }
}

impl Drop for Journal {
    /// A file that is given back is complete: cut short later, it is refused.
    fn drop(&mut self) {
        let Some(Open { file, tail, .. }) = &mut self.open else { return };
        let head = format::head(tail.length as u64);
        // Without it the file is good too, and only less is known about it.
        let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(&head));
    }
}

#[cfg(test)]
mod tests;
