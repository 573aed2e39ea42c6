//! Recovery of sessions: of which sessions, with what, and for how long.

use super::*;
use crate::auth::Unavailable;
use crate::shared_sessions::Kept;
use crate::socketio::deliveries::Deliveries;
use std::net::Ipv4Addr;

const LONGEST: Duration = Duration::from_secs(120);

fn owner(user: &str) -> Owner {
    Owner { user: Name::from(user), namespace: Name::from("/") }
}

/// A secret of the right form.
fn pid(name: &str) -> String {
    format!("{:0>32}", name.bytes().fold(String::new(), |digits, byte| format!("{digits}{byte:02x}")))
}

fn entry(recovery: &Recovery, name: &str, user: &str, deliveries: Deliveries) -> NewEntry {
    let (pid, owner) = (pid(name), owner(user));
    let place = recovery.place(&owner, &pid, deliveries.session());
    NewEntry {
        pid,
        sid: format!("sid of {name}"),
        owner,
        conn: ConnId(1),
        permit: Arc::new(ConnectionPermit::for_a_test()),
        client: Ipv4Addr::LOCALHOST.into(),
        deliveries: Arc::new(Mutex::new(deliveries)),
        place,
    }
}

fn open(recovery: &Recovery, name: &str, user: &str) -> Recoverable {
    recovery.open(entry(recovery, name, user, Deliveries::new(recovery.session())))
}

/// The session of a server that is alone.
fn find(recovery: &Recovery, name: &str, owner: &Owner, now: Instant) -> Option<Claimed> {
    recovery.find(&pid(name), None, owner, None, now)
}

#[test]
fn a_lost_session_is_its_owners_for_a_while() {
    let recovery = Recovery::new(LONGEST, 10, 10, None);
    let now = Instant::now();
    open(&recovery, "p", "ada").lose();
    assert!(find(&recovery, "p", &owner("bob"), now).is_none());
    let elsewhere = Owner { namespace: Name::from("/chat"), ..owner("ada") };
    assert!(find(&recovery, "p", &elsewhere, now).is_none());
    assert!(find(&recovery, "q", &owner("ada"), now).is_none());
    for _ in 0..2 {
        // Finding it uses nothing up.
        let found = find(&recovery, "p", &owner("ada"), now).unwrap();
        assert_eq!((found.pid, &*found.sid, found.open.is_some()), (pid("p"), "sid of p", false));
    }
    open(&recovery, "p", "ada").lose();
    assert!(find(&recovery, "p", &owner("ada"), now + LONGEST * 2).is_none());
    assert_eq!(recovery.backlog(), (0, 0));
}

#[test]
fn an_open_session_can_be_taken_over_and_its_end_means_nothing_then() {
    let recovery = Recovery::new(LONGEST, 10, 10, None);
    let old = open(&recovery, "p", "ada");
    let found = find(&recovery, "p", &owner("ada"), Instant::now()).unwrap();
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
    let recovery = Recovery::new(LONGEST, 10, 10, None);
    drop(open(&recovery, "p", "ada"));
    assert!(find(&recovery, "p", &owner("ada"), Instant::now()).is_none());
    open(&recovery, "p", "ada").lose();
    open(&recovery, "q", "bob").lose();
    recovery.forget_user(&Name::from("ada"));
    assert!(find(&recovery, "p", &owner("ada"), Instant::now()).is_none());
    assert_eq!(recovery.backlog().0, 1);
    recovery.forget_all();
    assert_eq!(recovery.backlog(), (0, 0));
}

#[test]
fn who_is_removed_from_a_room_comes_back_into_the_others() {
    use crate::socketio::deliveries::tests::join;
    let recovery = Recovery::new(LONGEST, 10, 10, None);
    let mut deliveries = Deliveries::new(recovery.session());
    for room in ["a", "b"] {
        join(&mut deliveries, room, 0, 0, false);
    }
    recovery.open(entry(&recovery, "p", "ada", deliveries)).lose();
    let (ada, bob, room) = (Name::from("ada"), Name::from("bob"), Name::from("a"));
    assert!(!recovery.forget_room(&bob, &room) && !recovery.forget_room(&ada, &Name::from("c")));
    assert!(recovery.forget_room(&ada, &room) && !recovery.forget_room(&ada, &room));
    let found = find(&recovery, "p", &owner("ada"), Instant::now()).unwrap();
    let rooms: Vec<_> = found.rooms.iter().map(|place| &*place.room).collect();
    assert_eq!(rooms, ["b"]);
}

#[test]
fn the_longest_lost_are_forgotten_when_there_are_too_many_of_one_user_or_in_all() {
    let recovery = Recovery::new(LONGEST, 3, 2, None);
    for pid in ["a1", "a2", "a3"] {
        open(&recovery, pid, "ada").lose();
    }
    let is_there = |pid: &str, user: &str| find(&recovery, pid, &owner(user), Instant::now()).is_some();
    assert_eq!(recovery.backlog().0, 2);
    assert!(!is_there("a1", "ada"));
    for pid in ["b1", "b2"] {
        open(&recovery, pid, "bob").lose();
    }
    assert_eq!(recovery.backlog().0, 3);
    assert!(!is_there("a2", "ada"));
    assert!(is_there("a3", "ada") && is_there("b1", "bob") && is_there("b2", "bob"));
}

/// A store that nobody asks: tests have the records.
struct NoStore;

impl SharedSessions for NoStore {
    fn find(&self, _: &SessionKey) -> BoxFuture<'static, Result<Option<SessionRecord>, Unavailable>> {
        Box::pin(async { Err(Unavailable) })
    }

    fn keep(
        &self,
        _: &SessionKey,
        _: &SessionRecord,
        _: Option<u64>,
        _: Duration,
    ) -> BoxFuture<'static, Result<Kept, Unavailable>> {
        Box::pin(async { Err(Unavailable) })
    }

    fn prolong(&self, _: &SessionKey, _: u64, _: Duration) -> BoxFuture<'static, Result<Kept, Unavailable>> {
        Box::pin(async { Err(Unavailable) })
    }

    fn end(&self, _: &SessionKey, _: u64, _: Option<Duration>) {}
}

#[test]
fn of_several_servers_each_goes_on_with_what_the_last_one_of_them_knew() {
    let recovery = Recovery::new(LONGEST, 10, 10, Some(Arc::new(NoStore)));
    let (ada, now) = (owner("ada"), Instant::now());
    let mut deliveries = Deliveries::new(recovery.session());
    let own = deliveries.record("sid", None).unwrap();
    recovery.open(entry(&recovery, "p", "ada", deliveries)).lose();
    let find = |record: Option<&SessionRecord>| recovery.find(&pid("p"), None, &ada, record, now);
    // It is kept nowhere any more: somebody has forgotten it on purpose, or its time is over.
    assert!(find(None).is_none());
    let found = find(Some(&own)).unwrap();
    assert_eq!((found.session, &*found.sid), (own.session, "sid of p"));
    let elsewhere = SessionRecord { session: own.session ^ 1, ..own };
    let found = find(Some(&elsewhere)).unwrap();
    assert_eq!((found.session, &*found.sid), (elsewhere.session, "sid"));
    assert!(
        recovery.find(&pid("q"), None, &ada, Some(&elsewhere), now).is_some(),
        "this server never had it"
    );
}

#[test]
fn only_what_can_be_a_secret_of_ours_is_asked_for() {
    let ask = |recovery: &Recovery, pid: &str| recovery.ask(pid, &owner("ada")).is_some();
    let shared = Recovery::new(LONGEST, 10, 10, Some(Arc::new(NoStore)));
    assert!(ask(&shared, &pid("p")));
    for text in ["", "p", &pid("p")[1..], &format!("{}0", pid("p")), &"x".repeat(32), &"é".repeat(16)] {
        assert!(!ask(&shared, text), "{text}");
    }
    assert!(!ask(&Recovery::new(LONGEST, 10, 10, None), &pid("p")), "a server that is alone asks nobody");
    assert!(!ask(&Recovery::new(Duration::ZERO, 10, 10, Some(Arc::new(NoStore))), &pid("p")));
}
