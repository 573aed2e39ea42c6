//! The members of one room.

use super::ConnId;
use super::mutation::mutation;
use super::names::beyond;
use rejoin::{Name, Timestamp};
use std::collections::BTreeMap;
use std::ops::Bound::Unbounded;

/// The members of a room, by connection and by user.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// In the order of [`ConnId`], so that a walk over it is the same in every run. A sorted `Vec` because the
    /// walk is what a message costs; joining and leaving are rare beside it.
    members: Vec<Member>,
    users: BTreeMap<Name, LocalPresence>,
    /// How many of them are here on this node.
    local: usize,
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
pub(super) struct LocalPresence {
    /// How many connections the user has here.
    connections: usize,
    /// A connection was lost, and none has come since: until then the user is here even without any.
    pub(super) grace: Option<Timestamp>,
    /// Whether the user is here on this node, expected back included.
    is_local: bool,
    /// On how many other nodes the user is.
    remote_nodes: usize,
}

/// What a join changed for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Nothing: the user was here already.
    AlreadyPresent,
    /// The user's connections went from none to one, within the grace.
    Returned(Timestamp),
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

    /// Whether there is no connection on this node and nobody is expected back here.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.local == 0 && self.readers.is_empty()
    }

    /// Who is here on this node, those expected back included.
    pub(super) fn local_users(&self) -> impl Iterator<Item = &Name> {
        self.users.iter().filter(|(_, presence)| presence.is_local).map(|(user, _)| user)
    }

    /// Whether a user is here on another node.
    pub(super) fn is_remote(&self, user: &str) -> bool {
        self.users.get(user).is_some_and(|presence| presence.remote_nodes > 0)
    }

    /// A user is here on one more node; whether the user was not here before.
    pub(super) fn remote_joined(&mut self, user: &Name) -> bool {
        let presence = self.users.entry(user.clone()).or_default();
        presence.remote_nodes += 1;
        presence.remote_nodes == 1 && !presence.is_local
    }

    /// A user is here on one node less; whether the user is not here any more.
    pub(super) fn remote_left(&mut self, user: &Name) -> bool {
        let Some(presence) = self.users.get_mut(user) else { return false };
        presence.remote_nodes = presence.remote_nodes.saturating_sub(1);
        let gone = presence.remote_nodes == 0 && !presence.is_local;
        if gone {
            self.users.remove(user);
        }
        gone
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
    pub(super) fn contains_user(&self, user: &str) -> bool {
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
        let presence = self.users.entry(user.clone()).or_default();
        presence.connections += 1;
        self.local += usize::from(!std::mem::replace(&mut presence.is_local, true));
        match (presence.connections, presence.grace.take()) {
            (1, None) => Arrival::New,
            (1, Some(until)) => Arrival::Returned(until),
            _ => Arrival::AlreadyPresent,
        }
    }

    /// Removes a connection; `grace` if it was lost. If it was its user's last one here, that user is the answer, and counts
    /// as here until [`expire_user`](Self::expire_user): until the grace of the last loss ends, if it is not over.
    pub(super) fn remove(
        &mut self,
        now: Timestamp,
        conn: ConnId,
        grace: Option<Timestamp>,
    ) -> Option<(Name, Option<Timestamp>)> {
        let place = self.position(conn).ok()?;
        let user = self.members.remove(place).user;
        let presence = self.users.get_mut(&user)?;
        presence.connections -= 1;
        presence.grace.take_if(|_| mutation!(SecondLossForgets));
        presence.grace =
            if mutation!(GraceOfFirst) { presence.grace.or(grace) } else { grace.or(presence.grace) };
        presence.grace = presence.grace.filter(|until| *until > now);
        (presence.connections == 0).then_some((user, presence.grace))
    }

    /// Nobody expects the user, who has no connection here, any more.
    pub(super) fn expire_user(&mut self, user: &Name) -> Option<LocalPresence> {
        let away = |presence: &&mut LocalPresence| presence.is_local && presence.connections == 0;
        let presence = self.users.get_mut(user).filter(away)?;
        self.local -= 1;
        if presence.remote_nodes == 0 {
            return self.users.remove(user);
        }
        let before = *presence;
        (presence.is_local, presence.grace) = (false, None);
        Some(before)
    }

    fn position(&self, conn: ConnId) -> Result<usize, usize> {
        self.members.binary_search_by_key(&conn, |member| member.conn)
    }
}
