//! Connection state recovery: the sessions that were lost recently, and those that may be lost undetected. Authenticates
//! nobody and changes no room.

use super::deliveries::Deliveries;
use crate::admission::Network;
use crate::hub::{ConnId, RoomPosition};
use crate::state::ConnectionPermit;
use rejoin::Name;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Most bytes of lost sessions. Beyond, the longest lost is forgotten.
const MOST_BYTES: usize = 64 << 20;

/// Most characters of a `pid` that is looked up: ours have 32.
const LONGEST_PID: usize = 64;

/// How often what is too old is looked for, at most and at least.
const SWEEP_BUSY: Duration = Duration::from_millis(250);
const SWEEP_IDLE: Duration = Duration::from_secs(10);

pub(super) type SharedDeliveries = Arc<Mutex<Deliveries>>;

/// The sessions of one server that can be recovered.
#[derive(Clone)]
pub(crate) struct Recovery(Arc<Shared>);

struct Shared {
    longest: Duration,
    most: usize,
    most_of_user: usize,
    last: AtomicU64,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    by_pid: BTreeMap<String, Entry>,
    /// Those that are lost, by when that was.
    lost: BTreeMap<u64, Lost>,
    lost_of: BTreeMap<Name, BTreeSet<u64>>,
    bytes: usize,
    losses: u64,
    /// How many sessions last came from where.
    networks: BTreeMap<Network, usize>,
}

struct Entry {
    /// Tells it from a later one under the same `pid`.
    number: u64,
    owner: Owner,
    sid: String,
    deliveries: SharedDeliveries,
    /// Where it last came from.
    network: Network,
    state: State,
}

enum State {
    /// For all that is known its client is there, and holds this permit.
    Open(ConnId, Arc<ConnectionPermit>),
    Lost(u64),
}

struct Lost {
    pid: String,
    user: Name,
    at: Instant,
    bytes: usize,
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
    pub(crate) fn new(longest: Duration, most: usize, most_of_user: usize) -> Self {
        let (last, table) = (AtomicU64::new(0), Mutex::default());
        Self(Arc::new(Shared { longest, most, most_of_user, last, table }))
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
    pub(super) fn open(
        &self,
        pid: String,
        sid: String,
        owner: Owner,
        (conn, permit): (ConnId, Arc<ConnectionPermit>),
        client: IpAddr,
        deliveries: SharedDeliveries,
    ) -> Recoverable {
        let number = self.number();
        let network = Network::from(client);
        let entry = Entry { number, owner, sid, deliveries, network, state: State::Open(conn, permit) };
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
    /// until it is [opened](Self::open) again, so that one whose CONNECT is refused has lost nothing.
    pub(super) fn find(
        &self,
        pid: &str,
        offset: Option<&str>,
        owner: &Owner,
        now: Instant,
    ) -> Option<Claimed> {
        if pid.len() > LONGEST_PID {
            return None;
        }
        let mut table = self.lock();
        table.forget_before(now, self.0.longest);
        let entry = table.by_pid.get(pid).filter(|entry| entry.owner == *owner)?;
        let deliveries = lock(&entry.deliveries);
        let (rooms, elsewhere) = (deliveries.positions(offset)?, deliveries.elsewhere);
        drop(deliveries);
        let open = match &entry.state {
            State::Open(conn, permit) => Some((*conn, Arc::clone(permit))),
            State::Lost(_) => None,
        };
        Some(Claimed { pid: String::from(pid), sid: entry.sid.clone(), rooms, elsewhere, open })
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
            table.forget(oldest);
        }
        while table.lost.len() > most || table.bytes > MOST_BYTES {
            if table.forget_oldest().is_none() {
                break;
            }
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

impl Table {
    fn remove(&mut self, pid: &str) -> Option<Entry> {
        let entry = self.by_pid.remove(pid)?;
        if let Some(count) = self.networks.get_mut(&entry.network) {
            *count -= 1;
            if *count == 0 {
                self.networks.remove(&entry.network);
            }
        }
        if let State::Lost(loss) = entry.state
            && let Some(lost) = self.lost.remove(&loss)
        {
            self.bytes = self.bytes.saturating_sub(lost.bytes);
            if let Some(own) = self.lost_of.get_mut(&lost.user) {
                own.remove(&loss);
                if own.is_empty() {
                    self.lost_of.remove(&lost.user);
                }
            }
        }
        Some(entry)
    }

    fn forget(&mut self, loss: u64) {
        if let Some(pid) = self.lost.get(&loss).map(|lost| lost.pid.clone()) {
            self.remove(&pid);
        }
    }

    fn forget_oldest(&mut self) -> Option<()> {
        let oldest = *self.lost.first_key_value()?.0;
        self.forget(oldest);
        Some(())
    }

    fn forget_before(&mut self, now: Instant, longest: Duration) {
        while self
            .lost
            .first_key_value()
            .is_some_and(|(_, lost)| now.saturating_duration_since(lost.at) > longest)
        {
            self.forget_oldest();
        }
    }
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

pub(super) fn lock(deliveries: &SharedDeliveries) -> MutexGuard<'_, Deliveries> {
    deliveries.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const LONGEST: Duration = Duration::from_secs(120);

    fn owner(user: &str) -> Owner {
        Owner { user: Name::from(user), namespace: Name::from("/") }
    }

    fn open(recovery: &Recovery, pid: &str, user: &str) -> Recoverable {
        let deliveries = Arc::new(Mutex::new(Deliveries::new(recovery.number())));
        let hub_conn = (ConnId(1), Arc::new(ConnectionPermit::for_a_test()));
        let sid = format!("sid of {pid}");
        recovery.open(String::from(pid), sid, owner(user), hub_conn, Ipv4Addr::LOCALHOST.into(), deliveries)
    }

    #[test]
    fn a_lost_session_is_its_owners_for_a_while() {
        let recovery = Recovery::new(LONGEST, 10, 10);
        let now = Instant::now();
        open(&recovery, "p", "ada").lose();
        assert!(recovery.find("p", None, &owner("bob"), now).is_none());
        let elsewhere = Owner { namespace: Name::from("/chat"), ..owner("ada") };
        assert!(recovery.find("p", None, &elsewhere, now).is_none());
        assert!(recovery.find("q", None, &owner("ada"), now).is_none());
        for _ in 0..2 {
            // Finding it uses nothing up.
            let found = recovery.find("p", None, &owner("ada"), now).unwrap();
            assert_eq!((&*found.pid, &*found.sid, found.open.is_some()), ("p", "sid of p", false));
        }
        open(&recovery, "p", "ada").lose();
        assert!(recovery.find("p", None, &owner("ada"), now + LONGEST * 2).is_none());
        assert_eq!(recovery.backlog(), (0, 0));
    }

    #[test]
    fn an_open_session_can_be_taken_over_and_its_end_means_nothing_then() {
        let recovery = Recovery::new(LONGEST, 10, 10);
        let old = open(&recovery, "p", "ada");
        let found = recovery.find("p", None, &owner("ada"), Instant::now()).unwrap();
        assert_eq!(found.open.map(|(conn, _)| conn), Some(ConnId(1)));
        let elsewhere = IpAddr::from([192, 0, 2, 1]);
        assert!(recovery.expects(Ipv4Addr::LOCALHOST.into()) && !recovery.expects(elsewhere));
        let new = open(&recovery, "p", "ada");
        old.lose();
        assert_eq!(recovery.backlog(), (0, 0));
        new.lose();
        assert_eq!(recovery.backlog().0, 1);
        recovery.forget_all();
        assert!(!recovery.expects(Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn who_says_goodbye_or_is_thrown_out_is_not_recovered() {
        let recovery = Recovery::new(LONGEST, 10, 10);
        drop(open(&recovery, "p", "ada"));
        assert!(recovery.find("p", None, &owner("ada"), Instant::now()).is_none());
        open(&recovery, "p", "ada").lose();
        open(&recovery, "q", "bob").lose();
        recovery.forget_user(&Name::from("ada"));
        assert!(recovery.find("p", None, &owner("ada"), Instant::now()).is_none());
        assert_eq!(recovery.backlog().0, 1);
        recovery.forget_all();
        assert_eq!(recovery.backlog(), (0, 0));
    }

    #[test]
    fn who_is_removed_from_a_room_comes_back_into_the_others() {
        use rejoin::messages::{Joined, Ref};
        let recovery = Recovery::new(LONGEST, 10, 10);
        let deliveries = Arc::new(Mutex::new(Deliveries::new(recovery.number())));
        for room in ["a", "b"] {
            let joined = Joined {
                reference: Ref::new("0").unwrap(),
                room: Name::from(room),
                epoch: rejoin::Id::new("e").unwrap(),
                seq: 0,
                replay: 0,
                recovered: false,
                reason: None,
                members: None,
                member_count: None,
            };
            lock(&deliveries).joined(Name::from(room), &joined);
        }
        let hub_conn = (ConnId(1), Arc::new(ConnectionPermit::for_a_test()));
        let address = Ipv4Addr::LOCALHOST.into();
        recovery.open("p".into(), "s".into(), owner("ada"), hub_conn, address, deliveries).lose();
        let (ada, bob, room) = (Name::from("ada"), Name::from("bob"), Name::from("a"));
        assert!(!recovery.forget_room(&bob, &room) && !recovery.forget_room(&ada, &Name::from("c")));
        assert!(recovery.forget_room(&ada, &room) && !recovery.forget_room(&ada, &room));
        let found = recovery.find("p", None, &owner("ada"), Instant::now()).unwrap();
        let rooms: Vec<_> = found.rooms.iter().map(|place| &*place.room).collect();
        assert_eq!(rooms, ["b"]);
    }

    #[test]
    fn the_longest_lost_are_forgotten_when_there_are_too_many_of_one_user_or_in_all() {
        let recovery = Recovery::new(LONGEST, 3, 2);
        for pid in ["a1", "a2", "a3"] {
            open(&recovery, pid, "ada").lose();
        }
        let is_there =
            |pid: &str, user: &str| recovery.find(pid, None, &owner(user), Instant::now()).is_some();
        assert_eq!(recovery.backlog().0, 2);
        assert!(!is_there("a1", "ada"));
        for pid in ["b1", "b2"] {
            open(&recovery, pid, "bob").lose();
        }
        assert_eq!(recovery.backlog().0, 3);
        assert!(!is_there("a2", "ada"));
        assert!(is_there("a3", "ada") && is_there("b1", "bob") && is_there("b2", "bob"));
    }
}
