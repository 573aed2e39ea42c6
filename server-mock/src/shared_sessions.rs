//! The interface to the Socket.IO sessions that all servers of a store know, so that one whose server is gone is recovered
//! by another. Owns the types, and under what a session is kept; does no I/O.

use crate::auth::Unavailable;
use futures_util::future::BoxFuture;
use rejoin::Name;
use rejoin::messages::Epoch;
use ring::digest::{Context, SHA256};
use std::fmt::{self, Write as _};
use std::time::Duration;

/// Characters of a digest: 128 bits.
const DIGEST: usize = 32;

/// Most bytes of what is kept of a session: one in more rooms, a thousand or so, is not recovered.
pub(crate) const MOST_RECORD_BYTES: usize = 256 << 10;

/// What a room costs beside its names.
const ROOM: usize = 96;

/// Under what a session is kept: whose it is, and a digest of the secret by which its client goes on with it. Who reads that
/// has no session.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SessionKey {
    pub(crate) user: Name,
    pub(crate) digest: String,
}

impl SessionKey {
    pub(crate) fn new(user: &Name, namespace: &str, pid: &str) -> Self {
        let mut context = Context::new(&SHA256);
        for part in ["rejoin session", namespace, pid] {
            context.update(part.as_bytes());
            context.update(&[0]);
        }
        let mut digest = String::with_capacity(2 * DIGEST);
        for byte in context.finish().as_ref() {
            // Writing to a String does not fail.
            let _ = write!(digest, "{byte:02x}");
        }
        digest.truncate(DIGEST);
        Self { user: user.clone(), digest }
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey")
    }
}

/// What is kept of a session: where its client is for sure in its rooms. The offset of the last event that the client has says
/// how much further it is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SessionRecord {
    /// Its number. It has another one after each recovery.
    pub(crate) session: u64,
    /// Of the changes in it.
    pub(crate) version: u64,
    /// As its client knows it.
    pub(crate) sid: String,
    /// The number in the offset with which its client came: it says so again when it has received nothing since.
    pub(crate) begun_with: Option<u64>,
    /// So many events has the client for sure.
    pub(crate) settled: u64,
    /// The last room that was entered.
    pub(crate) last_slot: u32,
    /// The personal stream comes to another namespace.
    pub(crate) elsewhere: bool,
    pub(crate) rooms: Vec<RecordedRoom>,
}

/// A room of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordedRoom {
    /// Tells it from a membership in the same room that ended.
    pub(crate) slot: u32,
    pub(crate) room: Name,
    pub(crate) epoch: Epoch,
    /// The last message that the client has for sure; `None` if an event has yet to say.
    pub(crate) after: Option<u64>,
}

impl SessionRecord {
    /// What it costs to keep, about.
    pub(crate) fn bytes(&self) -> usize {
        self.rooms.iter().map(|room| ROOM + room.room.len()).sum()
    }
}

impl fmt::Debug for SessionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionRecord({} rooms)", self.rooms.len())
    }
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    Stored,
    /// There was none to prolong.
    Missing,
    /// The session goes on elsewhere under another number.
    Moved,
}

/// The store of all servers.
pub(crate) trait SharedSessions: Send + Sync {
    /// What is kept of a session.
    fn find(&self, key: &SessionKey) -> BoxFuture<'static, Result<Option<SessionRecord>, Unavailable>>;

    /// Keeps this of a session for so long, unless it goes on elsewhere: what is kept is of this number, or of `before`.
    fn keep(
        &self,
        key: &SessionKey,
        record: &SessionRecord,
        before: Option<u64>,
        lasts: Duration,
    ) -> BoxFuture<'static, Result<Kept, Unavailable>>;

    /// Keeps what there is for so long from now.
    fn prolong(
        &self,
        key: &SessionKey,
        session: u64,
        lasts: Duration,
    ) -> BoxFuture<'static, Result<Kept, Unavailable>>;

    /// The client is gone: what is kept is forgotten after this time, or now. Nobody waits for it.
    fn end(&self, key: &SessionKey, session: u64, lasts: Option<Duration>);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_kept_under_a_digest_of_its_secret_and_namespace() {
        let key = |namespace, pid| SessionKey::new(&Name::from("ada"), namespace, pid);
        let one = key("/", "secret");
        assert_eq!((one.digest.len(), one == key("/", "secret")), (DIGEST, true));
        assert!(one != key("/chat", "secret") && one != key("/", "secret2"));
        assert_eq!(format!("{one:?}"), "SessionKey");
    }
}
