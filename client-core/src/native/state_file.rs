//! The state in a file: a whole snapshot each time, written beside the old one and moved into its place.
//!
//! ```text
//! rejoin-state 1 <bytes of what follows> <FNV-1a of it, 16 hex digits>
//! {"url":"wss://…","state":{…}}
//! ```
//!
//! Nothing is ever appended or patched, so there is no half-written file to repair: a crash leaves the old snapshot
//! or the new one. The length and the checksum are for what happens to files otherwise.

use super::state::{StateError, StateStore};
use crate::saved::Saved;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &str = "rejoin-state";
const VERSION: u64 = 1;
/// No state is larger: an outbox has 4 MiB by default.
const LARGEST: u64 = 1 << 30;
/// The first line is shorter than this.
const LONGEST_HEAD: usize = 80;

/// A [`StateStore`] in a file that belongs to one client at a time: the store behind
/// [`ClientBuilder::state_file`](super::ClientBuilder::state_file), for whoever keeps a state without a client.
#[derive(Debug)]
pub struct StateFile {
    place: Arc<Place>,
    url: Box<str>,
}

/// The file and the lock on it. The lock is on a file beside it that stays, because the file itself is replaced by
/// each save. It is freed with the last reference, or by the operating system with the process.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    _lock: File,
}

#[derive(Serialize)]
struct Written<'a> {
    url: &'a str,
    state: &'a Saved,
}

#[derive(Deserialize)]
struct Stored {
    url: Box<str>,
    state: Saved,
}

impl StateFile {
    /// Takes the file; it need not exist. It is given back when the store is dropped.
    ///
    /// # Errors
    /// When somebody else has it, or the operating system refuses.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let failed = |error| StateError::Io(path.to_owned(), error);
        // Where a link leads: replacing the link itself would leave the old state behind it.
        let path = match fs::canonicalize(path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                std::path::absolute(path).map_err(failed)?
            }
            Err(error) => return Err(failed(error)),
        };
        let lock_path = beside(&path, ".lock");
        let lock = private(OpenOptions::new().write(true).create(true).truncate(false))
            .open(&lock_path)
            .map_err(|error| StateError::Io(lock_path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateError::InUse(path)),
            Err(TryLockError::Error(error)) => return Err(StateError::Io(path, error)),
        }
        Ok(Self { place: Arc::new(Place { path, _lock: lock }), url: "".into() })
    }
}

impl StateStore for StateFile {
    fn load(&mut self, url: &str) -> Result<Option<Saved>, StateError> {
        self.url = url.into();
        let path = &self.place.path;
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StateError::Io(path.clone(), error)),
        };
        let mut bytes = Vec::new();
        let read = file.take(LARGEST).read_to_end(&mut bytes);
        read.map_err(|error| StateError::Io(path.clone(), error))?;
        let Stored { url: belongs_to, state } = read_snapshot(&bytes).map_err(|bad| match bad {
            Unreadable::Foreign => StateError::Foreign(path.clone()),
            Unreadable::Version(version) => StateError::Version(path.clone(), version),
            Unreadable::Damaged => StateError::Damaged(path.clone()),
        })?;
        if *belongs_to != *url {
            return Err(StateError::OtherServer { path: path.clone(), url: belongs_to });
        }
        Ok(Some(state))
    }

    fn save(&mut self, state: Saved) -> BoxFuture<'static, Result<(), StateError>> {
        let (place, url) = (Arc::clone(&self.place), self.url.clone());
        let path = place.path.clone();
        let work = tokio::task::spawn_blocking(move || {
            let bytes = snapshot(&url, &state)?;
            replace(&place.path, &bytes)
        });
        Box::pin(async move {
            let result = work.await.unwrap_or_else(|ended| Err(io::Error::other(ended)));
            result.map_err(|error| StateError::Io(path, error))
        })
    }
}

/// What is wrong with a file's content.
#[derive(Debug, PartialEq, Eq)]
enum Unreadable {
    Foreign,
    Version(u64),
    Damaged,
}

fn snapshot(url: &str, state: &Saved) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(&Written { url, state })?;
    let mut bytes = format!("{MAGIC} {VERSION} {} {:016x}\n", body.len(), checksum(&body)).into_bytes();
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

fn read_snapshot(bytes: &[u8]) -> Result<Stored, Unreadable> {
    // An empty file and the first half of the magic are what is left of a state file.
    let known = bytes.len().min(MAGIC.len());
    if bytes.get(..known) != MAGIC.as_bytes().get(..known) {
        return Err(Unreadable::Foreign);
    }
    let end = bytes.iter().take(LONGEST_HEAD).position(|byte| *byte == b'\n').ok_or(Unreadable::Damaged)?;
    let (head, rest) = bytes.split_at(end);
    let body = rest.get(1..).unwrap_or_default();
    let head = std::str::from_utf8(head).map_err(|_| Unreadable::Damaged)?;
    let mut words = head.split(' ').skip(1);
    let version = words.next().and_then(|word| word.parse().ok()).ok_or(Unreadable::Damaged)?;
    if version != VERSION {
        return Err(Unreadable::Version(version));
    }
    let length: usize = words.next().and_then(|word| word.parse().ok()).ok_or(Unreadable::Damaged)?;
    let sum = words.next().and_then(|word| u64::from_str_radix(word, 16).ok()).ok_or(Unreadable::Damaged)?;
    if words.next().is_some() || body.len() != length || checksum(body) != sum {
        return Err(Unreadable::Damaged);
    }
    serde_json::from_slice(body).map_err(|_| Unreadable::Damaged)
}

/// FNV-1a of 64 bits: it is to notice accidents, not attackers.
fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// For the owner's eyes only: what waits to be sent is nobody else's business.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Puts `bytes` in the place of the file, durably, whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = beside(path, ".new");
    // One that a crash left may have other permissions.
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private(OpenOptions::new().write(true).create_new(true)).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    // The new name is in the folder, and the folder is to survive too.
    #[cfg(unix)]
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests;
