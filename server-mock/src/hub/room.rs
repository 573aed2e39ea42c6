//! One room: who is in it.

use super::ConnId;
use super::census::beyond;
use rejoin::{Name, Timestamp};
use std::collections::BTreeMap;
use std::ops::Bound::Unbounded;

/// The members of a room, by connection and by user.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// In the order of [`ConnId`], so that a walk over it is the same in every run. A sorted `Vec` because the
    /// walk is what a message costs; joining and leaving are rare beside it.
    members: Vec<Member>,
    users: BTreeMap<Name, Attendance>,
    /// Connections that only read, in order.
    readers: Vec<ConnId>,
}

/// One connection in a room.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) conn: ConnId,
    pub(super) user: Name,
    /// Whether it speaks the extended protocol.
    pub(super) extended: bool,
    /// Its messages come out of the log, because a replay is under way: live ones are not sent to it.
    pub(super) replaying: bool,
}

/// One user in a room.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Attendance {
    /// How many connections the user has here.
    connections: usize,
    /// A connection was lost, and none has come since: until then the user is here even without any.
    pub(super) grace: Option<Timestamp>,
}

/// What a join changed for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Nothing: the user was here already.
    Another,
    /// The user's connections went from none to one, within the grace.
    Back(Timestamp),
    /// The user came.
    New,
}

impl Room {
    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.iter()
    }

    /// The number of connections.
    pub(super) fn connections(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no connection and nobody is expected back.
    pub(super) fn is_deserted(&self) -> bool {
        self.members.is_empty() && self.users.is_empty() && self.readers.is_empty()
    }

    /// Those who read and are no members.
    pub(super) fn readers(&self) -> &[ConnId] {
        &self.readers
    }

    pub(super) fn add_reader(&mut self, conn: ConnId) {
        if let Err(place) = self.readers.binary_search(&conn) {
            self.readers.insert(place, conn);
        }
    }

    pub(super) fn remove_reader(&mut self, conn: ConnId) {
        if let Ok(place) = self.readers.binary_search(&conn) {
            self.readers.remove(place);
        }
    }

    /// Who is here, those expected back included.
    pub(super) fn users(&self) -> impl ExactSizeIterator<Item = &Name> {
        self.users.keys()
    }

    /// Whether a user is here, or expected back.
    pub(super) fn has(&self, user: &str) -> bool {
        self.users.contains_key(user)
    }

    /// Who is here after this one, and with how many connections.
    pub(super) fn users_after(&self, after: Option<&str>) -> impl Iterator<Item = (Name, usize)> {
        let users = self.users.range::<str, _>((beyond(after), Unbounded));
        users.map(|(user, presence)| (user.clone(), presence.connections))
    }

    pub(super) fn contains(&self, conn: ConnId) -> bool {
        self.position(conn).is_ok()
    }

    pub(super) fn member_mut(&mut self, conn: ConnId) -> Option<&mut Member> {
        self.position(conn).ok().and_then(|place| self.members.get_mut(place))
    }

    /// Adds a connection, which must not be a member already.
    pub(super) fn add(&mut self, conn: ConnId, user: &Name, extended: bool) -> Arrival {
        if let Err(place) = self.position(conn) {
            self.members.insert(place, Member { conn, user: user.clone(), extended, replaying: false });
        }
        let attendance = self.users.entry(user.clone()).or_default();
        attendance.connections += 1;
        match (attendance.connections, attendance.grace.take()) {
            (1, None) => Arrival::New,
            (1, Some(until)) => Arrival::Back(until),
            _ => Arrival::Another,
        }
    }

    /// Removes a connection; `grace` if it was lost. If it was its user's last one here, that user is the answer, and counts
    /// as here until [`lapse`](Self::lapse): until the grace of the last loss ends, if it is not over.
    pub(super) fn remove(
        &mut self,
        now: Timestamp,
        conn: ConnId,
        grace: Option<Timestamp>,
    ) -> Option<(Name, Option<Timestamp>)> {
        let place = self.position(conn).ok()?;
        let user = self.members.remove(place).user;
        let attendance = self.users.get_mut(&user)?;
        attendance.connections -= 1;
        attendance.grace = grace.or(attendance.grace).filter(|until| *until > now);
        (attendance.connections == 0).then_some((user, attendance.grace))
    }

    /// Nobody expects the user, who has no connection here, any more.
    pub(super) fn lapse(&mut self, user: &Name) -> Option<Attendance> {
        let away = self.users.get(user).is_some_and(|attendance| attendance.connections == 0);
        if away { self.users.remove(user) } else { None }
    }

    fn position(&self, conn: ConnId) -> Result<usize, usize> {
        self.members.binary_search_by_key(&conn, |member| member.conn)
    }
}
