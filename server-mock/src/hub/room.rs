//! One room: who is in it.

use super::ConnId;
use rejoin::Name;
use std::collections::BTreeMap;

/// The members of a room, by connection and by user.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// In the order of [`ConnId`], so that a walk over it is the same in every run. A sorted `Vec` because the
    /// walk is what a message costs; joining and leaving are rare beside it.
    members: Vec<(ConnId, Name)>,
    /// How many connections each user has here.
    users: BTreeMap<Name, usize>,
}

impl Room {
    pub(super) fn members(&self) -> impl Iterator<Item = (ConnId, &Name)> {
        self.members.iter().map(|(conn, user)| (*conn, user))
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn contains(&self, conn: ConnId) -> bool {
        self.position(conn).is_ok()
    }

    /// Adds a connection; `true` if it is its user's first one here. It must not be a member already.
    pub(super) fn add(&mut self, conn: ConnId, user: &Name) -> bool {
        if let Err(place) = self.position(conn) {
            self.members.insert(place, (conn, user.clone()));
        }
        let connections = self.users.entry(user.clone()).or_default();
        *connections += 1;
        *connections == 1
    }

    pub(super) fn remove(&mut self, conn: ConnId) {
        let Ok(place) = self.position(conn) else { return };
        let (_, user) = self.members.remove(place);
        if let Some(connections) = self.users.get_mut(&user) {
            *connections -= 1;
            if *connections == 0 {
                self.users.remove(&user);
            }
        }
    }

    fn position(&self, conn: ConnId) -> Result<usize, usize> {
        self.members.binary_search_by_key(&conn, |(member, _)| *member)
    }
}
