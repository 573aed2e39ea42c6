//! The table of sessions, by which polls find theirs.

use super::payload::Payload;
use crate::faults::FaultState;
use crate::kept_connections::KeptConnections;
use crate::limits::Limit;
use crate::transport::Transport;
use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::WebSocketStream;

/// Requests on their way to one session. It has two at a time: a GET that waits and a POST.
const REQUESTS: usize = 4;

/// What a session's task is asked by the connections that belong to it.
pub(crate) enum Command {
    /// A GET waits for what there is to say.
    Poll(oneshot::Sender<String>),
    /// A POST has brought packets and waits until they are handled.
    Post(Payload, oneshot::Sender<()>),
    /// What came is not what may come.
    Violation(u16, &'static str),
    /// It is more than may come.
    Over(Limit, u16, &'static str),
    /// A WebSocket is about to take over, or is not any more.
    Probing(bool),
    /// It takes over.
    Upgraded(Box<WebSocketStream<Transport>>, Arc<FaultState>),
}

pub(crate) type Commands = mpsc::Sender<Command>;

/// The sessions that began by polling. At most as many as there are places.
#[derive(Clone)]
pub(crate) struct Sessions(Arc<Shared>);

struct Shared {
    by_sid: Mutex<BTreeMap<String, Entry>>,
    /// Keys of the operating system's randomness: whoever knows a session's id can speak in its name, so that no id may
    /// say anything about another one.
    keys: (RandomState, RandomState),
    last: AtomicU64,
}

struct Entry {
    commands: Commands,
    member: Member,
    /// A WebSocket is about to take over, or has.
    upgrading: Arc<AtomicBool>,
    connections: KeptConnections,
}

/// A session as a request finds it.
pub(super) struct FoundSession {
    pub(super) commands: Commands,
    /// The connections that its requests hold.
    pub(super) connections: KeptConnections,
    /// Whether it is known who it is.
    pub(super) is_member: bool,
}

/// Whether it is known who a session is.
pub(super) type Member = Arc<AtomicBool>;

impl Default for Sessions {
    fn default() -> Self {
        let keys = (RandomState::new(), RandomState::new());
        Self(Arc::new(Shared { by_sid: Mutex::default(), keys, last: AtomicU64::new(0) }))
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sessions({})", self.lock().len())
    }
}

impl Sessions {
    /// An id that nobody can guess.
    pub(super) fn sid(&self) -> String {
        let number = self.0.last.fetch_add(1, Ordering::Relaxed);
        let (high, low) = &self.0.keys;
        format!("{:016x}{:016x}", high.hash_one(number), low.hash_one(number))
    }

    pub(super) fn register(&self) -> (Registration, mpsc::Receiver<Command>) {
        let (commands, received) = mpsc::channel(REQUESTS);
        let sid = self.sid();
        let member = Member::default();
        let connections = KeptConnections::default();
        let entry = Entry {
            commands,
            member: Arc::clone(&member),
            upgrading: Arc::default(),
            connections: connections.clone(),
        };
        self.lock().insert(sid.clone(), entry);
        (Registration { sessions: self.clone(), sid, member, connections }, received)
    }

    pub(super) fn find(&self, sid: &str) -> Option<FoundSession> {
        self.lock().get(sid).map(|entry| FoundSession {
            commands: entry.commands.clone(),
            connections: entry.connections.clone(),
            is_member: entry.member.load(Ordering::Relaxed),
        })
    }

    /// Whether it is known who a session is, and polls carry it.
    pub(super) fn is_polled_by_a_member(&self, sid: &str) -> bool {
        let is_polled =
            |entry: &Entry| entry.member.load(Ordering::Relaxed) && !entry.upgrading.load(Ordering::Relaxed);
        self.lock().get(sid).is_some_and(is_polled)
    }

    /// The right to take a session over from its polls, which only one WebSocket has.
    pub(super) fn claim_upgrade(&self, sid: &str) -> Option<UpgradeClaim> {
        let upgrading = self.lock().get(sid).map(|entry| Arc::clone(&entry.upgrading))?;
        let first = !upgrading.swap(true, Ordering::AcqRel);
        first.then(|| UpgradeClaim { upgrading: Some(upgrading) })
    }

    /// Whether nobody polls.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.by_sid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The session is found by its id until this is dropped.
pub(crate) struct Registration {
    sessions: Sessions,
    pub(super) sid: String,
    pub(super) member: Member,
    connections: KeptConnections,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.sessions.lock().remove(&self.sid);
        self.connections.end();
    }
}

/// Given back when it is dropped, unless the WebSocket has taken over.
pub(crate) struct UpgradeClaim {
    upgrading: Option<Arc<AtomicBool>>,
}

impl UpgradeClaim {
    /// The WebSocket has taken over: no other one does.
    pub(super) fn keep(mut self) {
        self.upgrading = None;
    }
}

impl Drop for UpgradeClaim {
    fn drop(&mut self) {
        if let Some(upgrading) = &self.upgrading {
            upgrading.store(false, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_while_it_is_registered() {
        let sessions = Sessions::default();
        let (one, _received) = sessions.register();
        let (other, _received) = sessions.register();
        assert_ne!(one.sid, other.sid);
        assert_eq!(one.sid.len(), 32);
        assert!(sessions.find(&one.sid).is_some());
        let claim = sessions.claim_upgrade(&one.sid).unwrap();
        assert!(sessions.claim_upgrade(&one.sid).is_none());
        drop(claim);
        sessions.claim_upgrade(&one.sid).unwrap().keep();
        assert!(sessions.claim_upgrade(&one.sid).is_none());
        let sid = one.sid.clone();
        drop(one);
        assert!(sessions.find(&sid).is_none());
        assert!(sessions.find(&other.sid).is_some());
    }
}
