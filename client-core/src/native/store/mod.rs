//! The trait of a store for the client's state, and its errors.

mod file;
mod persister;

pub use file::StateFile;
pub(crate) use persister::Persister;

use crate::change::Change;
use crate::persisted::Saved;
use futures_util::future::BoxFuture;
use std::error::Error;
use std::fmt;
use std::path::PathBuf;

/// Keeps what a client must not forget when its process ends: unresolved sends and committed positions.
///
/// [`ClientBuilder::state_file`](crate::ClientBuilder::state_file) is the one on a disk. An implementation of your
/// own has two promises to keep:
///
/// - When the future of [`save`](StateStore::save) is ready, the state survives a crash of the machine. Sends are
///   transmitted for the first time only after that, and outcomes are reported only after that.
/// - A state is stored whole or not at all: after a crash in the middle, the one before is still there.
///
/// Saves never overlap, and each replaces the one before. After the last one the store is dropped, before the
/// client says that it is closed.
pub trait StateStore: Send + 'static {
    /// What an earlier run left for the server at `url` (without its token). Called once, before anything is dialled;
    /// it may block for as long as reading a file takes.
    ///
    /// # Errors
    /// Whatever makes it unwise to begin anew: then nothing is dialled.
    fn load(&mut self, url: &str) -> Result<Option<Saved>, StateError>;

    /// Stores `state` instead of the one before. Must not block; the work is the future's.
    fn save(&mut self, state: Saved) -> BoxFuture<'static, Result<(), StateError>>;

    /// Stores what has changed behind what is there, for a store that can do that now; a [`JournalState`](crate::machine::JournalState) does
    /// the changes again when it is read. All of them are stored or none. `None`, the default: the whole is to be
    /// [saved](StateStore::save) instead. After one that failed it is, too.
    fn append(&mut self, changes: Vec<Change>) -> Option<BoxFuture<'static, Result<(), StateError>>> {
        drop(changes);
        None
    }
}

/// Why a state could not be read or stored. What was there is still there, untouched.
#[derive(Debug)]
#[non_exhaustive]
pub enum StateError {
    /// Another process, or another client of this one, uses the file.
    InUse(PathBuf),
    /// The file is no state file.
    Foreign(PathBuf),
    /// The file was cut short or changed.
    Damaged(PathBuf),
    /// The file was written by another version, in a format of that number.
    Version(PathBuf, u64),
    /// The state belongs to another server.
    OtherServer {
        /// The file.
        path: PathBuf,
        /// The server it belongs to.
        url: Box<str>,
    },
    /// It is a folder, a pipe or a device, and no file.
    NotAFile(PathBuf),
    /// Storing takes too long.
    Stalled,
    /// The operating system refused.
    Io(PathBuf, std::io::Error),
    /// A store of the application's own failed.
    Other(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(path) => write!(
                f,
                "the state file {} is in use by another process: end that one, or name another file",
                path.display()
            ),
            Self::Foreign(path) => {
                write!(f, "{} is no state file: name another one, nothing was changed", path.display())
            }
            Self::Damaged(path) => write!(
                f,
                "the state file {} is damaged or cut short, and nothing of it was used: move it away to begin anew \
                 (unresolved sends and positions in it are lost then), or put a copy back",
                path.display()
            ),
            Self::Version(path, version) => write!(
                f,
                "the state file {} has the format {version}, which this version does not know: use the version that \
                 wrote it, or move it away to begin anew",
                path.display()
            ),
            Self::OtherServer { path, url } => write!(
                f,
                "the state file {} belongs to {}: use one file for each server",
                path.display(),
                url.escape_debug()
            ),
            Self::NotAFile(path) => {
                write!(f, "{} is no file: name one that a state can be kept in", path.display())
            }
            Self::Stalled => {
                write!(f, "the state is not stored, because the disk does not answer: it is waited for")
            }
            Self::Io(path, error) => write!(f, "the state file {}: {error}", path.display()),
            Self::Other(error) => write!(f, "the state store: {error}"),
        }
    }
}

impl Error for StateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            Self::Other(error) => Some(&**error),
            _ => None,
        }
    }
}
