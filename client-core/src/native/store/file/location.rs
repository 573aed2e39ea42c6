//! The location of a state file: resolves links, locks, and replaces the file atomically.

use crate::native::store::StateError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Links that are followed one after the other.
const MOST_LINKS: usize = 40;

/// A file and the lock on it. The lock is on a file beside it that stays, because the file itself is replaced at times.
/// It is freed when this is dropped, or by the operating system with the process.
#[derive(Debug)]
pub(super) struct FileLocation {
    pub(super) path: PathBuf,
    _lock: File,
}

impl FileLocation {
    /// Takes the file, which need not exist.
    pub(super) fn take(path: &Path) -> Result<Self, StateError> {
        let path = target(path).map_err(|error| StateError::Io(path.to_owned(), error))?;
        match fs::metadata(&path) {
            // Opening a pipe would wait for whoever writes into it; a folder or a device holds no state.
            Ok(found) if !found.is_file() => return Err(StateError::NotAFile(path)),
            // A file that is not ours, or that we may not read, gets no lock beside it either.
            Ok(_) => match has_magic(&path) {
                Ok(true) => {}
                Ok(false) => return Err(StateError::Foreign(path)),
                Err(error) => return Err(StateError::Io(path, error)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(StateError::Io(path, error)),
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
            let text = format!("its folder does not exist: create {}", parent.display());
            return Err(StateError::Io(path.clone(), io::Error::new(io::ErrorKind::NotFound, text)));
        }
        let lock_path = beside(&path, ".lock");
        let lock = private(OpenOptions::new().write(true).create(true).truncate(false))
            .open(&lock_path)
            .map_err(|error| StateError::Io(lock_path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateError::InUse(path)),
            Err(TryLockError::Error(error)) => return Err(StateError::Io(path, error)),
        }
        Ok(Self { path, _lock: lock })
    }

    /// Puts a file with these bytes instead of the one that is there, durably, whole or not at all. Returns it, to be
    /// written on.
    pub(super) fn replace(&self, bytes: &[u8]) -> io::Result<File> {
        let fresh = beside(&self.path, ".new");
        // One that a crash left may have other permissions.
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = private(OpenOptions::new().write(true).create_new(true)).open(&fresh)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        if let Err(error) = written.and_then(|()| fs::rename(&fresh, &self.path)) {
            // What could not be finished must not take the place that is missing.
            let _ = fs::remove_file(&fresh);
            return Err(error);
        }
        // The new name is in the folder, and the folder is to survive too.
        #[cfg(unix)]
        File::open(self.path.parent().unwrap_or(Path::new("/")))?.sync_all()?;
        Ok(file)
    }
}

/// Where a path leads, whether there is something or not: replacing a link itself would leave the old state behind it.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = std::path::absolute(path)?;
    for _ in 0..MOST_LINKS {
        match fs::canonicalize(&path) {
            Ok(found) => return Ok(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // Nothing is there, or a link that leads to nothing.
        match fs::read_link(&path) {
            Ok(link) => path = path.parent().unwrap_or(Path::new("/")).join(link),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many links, one after the other"))
}

/// Whether a file begins as those of ours do, as far as it goes.
fn has_magic(path: &Path) -> io::Result<bool> {
    let mut begin = Vec::new();
    File::open(path)?.take(super::format::MAGIC.len() as u64).read_to_end(&mut begin)?;
    Ok(super::format::MAGIC.as_bytes().starts_with(&begin))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// For the owner's eyes only: it contains unsent messages.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}
