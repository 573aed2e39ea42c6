//! Connection state recovery: the sessions that were lost recently, and those that may be lost undetected. Authenticates
//! nobody and changes no room.

mod table;
#[cfg(test)]
mod tests;

use super::deliveries::{self, SharedDeliveries, lock};
use super::keeper::SharedPlace;
use super::offset;
use crate::admission::Network;
use crate::auth::Unavailable;
use crate::hub::{ConnId, RoomPosition};
use crate::shared_sessions::{SessionKey, SessionRecord, SharedSessions};
use crate::state::ConnectionPermit;
use futures_util::future::BoxFuture;
use rejoin::Name;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use table::{Entry, Lost, State, Table};
use tokio::time::sleep;

/// Most bytes of lost sessions. Beyond, the longest lost is forgotten.
const MOST_BYTES: usize = 64 << 20;

/// A `pid` has so many digits. Nothing else is looked up.
const PID_DIGITS: usize = 32;

/// How often what is too old is looked for, at most and at least.
const SWEEP_BUSY: Duration = Duration::from_millis(250);
const SWEEP_IDLE: Duration = Duration::from_secs(10);

/// The sessions of one server that can be recovered.
#[derive(Clone)]
pub(crate) struct Recovery(Arc<Shared>);

struct Shared {
    longest: Duration,
    most: usize,
    most_of_user: usize,
    last: AtomicU64,
    table: Mutex<Table>,
    /// Where other servers find what this one knows.
    sessions: Option<Arc<dyn SharedSessions>>,
}

/// What is to be known of a session that can be recovered.
pub(super) struct NewEntry {
    pub(super) pid: String,
    pub(super) sid: String,
    pub(super) owner: Owner,
    pub(super) conn: ConnId,
    pub(super) permit: Arc<ConnectionPermit>,
    pub(super) client: IpAddr,
    pub(super) deliveries: SharedDeliveries,
    pub(super) place: Option<SharedPlace>,
}

/// Whose a session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) user: Name,
    pub(super) namespace: Name,
}

/// A session that goes on.
pub(super) struct Claimed {
    pub(super) pid: String,
    pub(super) sid: String,
    pub(super) rooms: Vec<RoomPosition>,
    /// The personal stream comes to another namespace.
    pub(super) elsewhere: bool,
    /// Its number so far.
    pub(super) session: u64,
    /// The connection that it has had, if that is not known to be gone, and its permit: whoever goes on with the session
    /// needs no other one.
    pub(super) open: Option<(ConnId, Arc<ConnectionPermit>)>,
}

impl fmt::Debug for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recovery({})", self.lock().by_pid.len())
    }
}

impl Recovery {
    /// Sessions are kept for `longest` after they are lost, at most `most`, of one user at most `most_of_user`.
    pub(crate) fn new(
        longest: Duration,
        most: usize,
        most_of_user: usize,
        sessions: Option<Arc<dyn SharedSessions>>,
    ) -> Self {
        let (last, table) = (AtomicU64::new(0), Mutex::default());
        Self(Arc::new(Shared { longest, most, most_of_user, last, table, sessions }))
    }

    /// How long sessions are kept.
    pub(super) fn longest(&self) -> Duration {
        self.0.longest
    }

    /// Whether other servers go on with what is lost here.
    pub(super) fn is_shared(&self) -> bool {
        self.0.sessions.is_some()
    }

    /// The number of a session that begins.
    pub(super) fn session(&self) -> u64 {
        if self.is_shared() { offset::shared_session() } else { self.number() }
    }

    /// Where other servers are to find a session; `None` where there are none.
    pub(super) fn place(&self, owner: &Owner, pid: &str, session: u64) -> Option<SharedPlace> {
        let sessions = Arc::clone(self.0.sessions.as_ref()?);
        Some(SharedPlace::new(sessions, SessionKey::new(&owner.user, &owner.namespace, pid), session))
    }

    /// What the servers together know of a session; `None` where there is only this one, or where this is no secret of
    /// any session, which costs nothing.
    pub(super) fn ask(
        &self,
        pid: &str,
        owner: &Owner,
    ) -> Option<BoxFuture<'static, Result<Option<SessionRecord>, Unavailable>>> {
        let sessions = self.0.sessions.as_ref().filter(|_| self.is_on() && is_pid(pid))?;
        Some(sessions.find(&SessionKey::new(&owner.user, &owner.namespace, pid)))
    }

    /// Whether sessions can be recovered at all.
    pub(super) fn is_on(&self) -> bool {
        !self.0.longest.is_zero()
    }

    /// A number that no session has had.
    pub(super) fn number(&self) -> u64 {
        self.0.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A session that can be recovered begins, or goes on under the same `pid`.
    pub(super) fn open(&self, new: NewEntry) -> Recoverable {
        let NewEntry { pid, sid, owner, conn, permit, client, deliveries, place } = new;
        let number = self.number();
        let network = Network::from(client);
        let entry =
            Entry { number, owner, sid, deliveries, place, network, state: State::Open(conn, permit) };
        let mut table = self.lock();
        table.remove(&pid);
        table.by_pid.insert(pid.clone(), entry);
        *table.networks.entry(network).or_default() += 1;
        Recoverable { recovery: self.clone(), pid, number, is_lost: false }
    }

    /// Whether a session can be recovered whose client last came from there.
    pub(super) fn expects(&self, client: IpAddr) -> bool {
        self.lock().networks.contains_key(&Network::from(client))
    }

    /// The session for somebody who knows its `pid`, if it is theirs and it is known where they are. It stays what it is
    /// until it is [opened](Self::open) again, so that one whose CONNECT is refused has lost nothing. `record`: what the
    /// servers [know](Self::ask) of it, where there are several.
    pub(super) fn find(
        &self,
        pid: &str,
        offset: Option<&str>,
        owner: &Owner,
        record: Option<&SessionRecord>,
        now: Instant,
    ) -> Option<Claimed> {
        if !is_pid(pid) || (self.is_shared() && record.is_none()) {
            return None;
        }
        let mut table = self.lock();
        table.forget_before(now, self.0.longest);
        let entry = table.by_pid.get(pid).filter(|entry| entry.owner == *owner);
        let open = entry.and_then(|entry| match &entry.state {
            State::Open(conn, permit) => Some((*conn, Arc::clone(permit))),
            State::Lost(_) => None,
        });
        let mut own = entry.map(|entry| (entry, lock(&entry.deliveries)));
        if let Some(record) = record
            && own.as_ref().is_none_or(|(_, deliveries)| deliveries.session() != record.session)
        {
            // The client was on another server since, or always.
            let (pid, sid, session) = (String::from(pid), record.sid.clone(), record.session);
            let rooms = deliveries::positions(record, offset)?;
            return Some(Claimed { pid, sid, rooms, elsewhere: record.elsewhere, session, open });
        }
        let (entry, deliveries) = own.as_mut()?;
        if let Some(record) = record {
            deliveries.agree(record);
        }
        let (rooms, elsewhere) = (deliveries.positions(offset)?, deliveries.is_elsewhere());
        let (pid, sid, session) = (String::from(pid), entry.sid.clone(), deliveries.session());
        Some(Claimed { pid, sid, rooms, elsewhere, session, open })
    }

    /// Nothing that this user has lost can be recovered any more.
    pub(crate) fn forget_user(&self, user: &Name) {
        let mut table = self.lock();
        for loss in table.lost_of.get(user).cloned().unwrap_or_default() {
            table.forget(loss);
        }
    }

    /// What this user has lost is recovered without this room. Gives whether it was part of it.
    pub(crate) fn forget_room(&self, user: &Name, room: &Name) -> bool {
        let table = self.lock();
        let lost = table.lost_of.get(user).into_iter().flatten().filter_map(|loss| table.lost.get(loss));
        let mut was_in = false;
        for entry in lost.filter_map(|lost| table.by_pid.get(&lost.pid)) {
            let mut deliveries = lock(&entry.deliveries);
            was_in |= deliveries.is_in(room);
            deliveries.left(room);
        }
        was_in
    }

    /// Nothing that was lost can be recovered any more.
    pub(crate) fn forget_all(&self) {
        let mut table = self.lock();
        while table.forget_oldest().is_some() {}
    }

    /// How many lost sessions there are, and how many bytes they are.
    pub(crate) fn backlog(&self) -> (usize, usize) {
        let table = self.lock();
        (table.lost.len(), table.bytes)
    }

    /// Forgets what is too old, for ever.
    pub(crate) async fn keep(&self) {
        if !self.is_on() {
            std::future::pending::<()>().await;
        }
        loop {
            sleep((self.0.longest / 4).clamp(SWEEP_BUSY, SWEEP_IDLE)).await;
            self.lock().forget_before(Instant::now(), self.0.longest);
        }
    }

    fn lose(&self, pid: &str, number: u64, now: Instant) {
        let mut table = self.lock();
        let Shared { most, most_of_user, longest, .. } = *self.0;
        table.forget_before(now, longest);
        let loss = table.losses;
        let Some(entry) = table.by_pid.get_mut(pid).filter(|entry| entry.number == number) else { return };
        entry.state = State::Lost(loss);
        let bytes = lock(&entry.deliveries).bytes() + 2 * pid.len() + size_of::<Entry>() + size_of::<Lost>();
        let user = entry.owner.user.clone();
        table.losses += 1;
        table.bytes += bytes;
        table.lost_of.entry(user.clone()).or_default().insert(loss);
        table.lost.insert(loss, Lost { pid: String::from(pid), user: user.clone(), at: now, bytes });
        while let Some(own) = table.lost_of.get(&user).filter(|own| own.len() > most_of_user) {
            let Some(oldest) = own.first().copied() else { break };
            end(table.forget(oldest));
        }
        while table.lost.len() > most || table.bytes > MOST_BYTES {
            let Some(oldest) = table.lost.first_key_value().map(|(oldest, _)| *oldest) else { break };
            end(table.forget(oldest));
        }
    }

    fn close(&self, pid: &str, number: u64) {
        let mut table = self.lock();
        if table.by_pid.get(pid).is_some_and(|entry| entry.number == number) {
            table.remove(pid);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// There is no room for this session any more: nor is there for what other servers know of it.
fn end(forgotten: Option<Entry>) {
    if let Some(place) = forgotten.and_then(|entry| entry.place) {
        place.end(None);
    }
}

fn is_pid(text: &str) -> bool {
    text.len() == PID_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A session that can be recovered while this is held, and after [`lose`](Self::lose) for a while.
pub(super) struct Recoverable {
    recovery: Recovery,
    pub(super) pid: String,
    number: u64,
    is_lost: bool,
}

impl Recoverable {
    /// The client is gone without a word, and may come back.
    pub(super) fn lose(mut self) {
        self.is_lost = true;
        self.recovery.lose(&self.pid, self.number, Instant::now());
    }
}

impl Drop for Recoverable {
    fn drop(&mut self) {
        if !self.is_lost {
            self.recovery.close(&self.pid, self.number);
        }
    }
}
