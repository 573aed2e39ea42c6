//! Lists users, rooms and members for an operator. Changes nothing.

use super::names::beyond;
use super::{ConnId, Hub};
use rejoin::{Name, Timestamp};
use std::ops::Bound;
use std::time::Duration;

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// The plain one.
    Plain,
    /// The extended one; Socket.IO too.
    Extended,
    /// None: it reads one room.
    Feed,
}

/// One of a user's connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// Its number.
    pub conn: ConnId,
    /// What it speaks.
    pub protocol: Protocol,
    /// The rooms it is in, or the one it reads.
    pub rooms: Vec<Name>,
}

/// One user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInfo {
    /// The open connections.
    pub connections: Vec<ConnectionInfo>,
    /// For how long the user is still kept out.
    pub banned: Option<Duration>,
}

/// One room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomInfo {
    /// Its name.
    pub room: Name,
    /// Users in it, those expected back included.
    pub members: usize,
    /// Connections in it.
    pub connections: usize,
    /// Connections that read it and are no members.
    pub readers: usize,
    /// The number of its newest message.
    pub head: u64,
    /// Bytes of messages kept, about.
    pub bytes: usize,
}

impl Hub {
    /// Users with a connection and how many they have, in alphabetical order after `after`: at most `limit`, and
    /// whether there are more.
    pub fn users(&self, after: Option<&str>, limit: usize) -> (Vec<(Name, usize)>, bool) {
        let users = self.users.range::<str, _>((beyond(after), Bound::Unbounded));
        let connected = users.filter(|(_, user)| user.connections > 0);
        page(connected.map(|(name, user)| (name.clone(), user.connections)), limit)
    }

    /// A user who is connected or banned.
    pub fn user(&self, now: Timestamp, user: &str) -> Option<UserInfo> {
        let own = self.conns.iter().filter(|(_, state)| &*state.user == user);
        let connections: Vec<_> = own
            .map(|(conn, state)| {
                let (protocol, rooms) = match (&state.reader, &state.extended) {
                    (Some(reader), _) => (Protocol::Feed, vec![reader.room().clone()]),
                    (None, Some(_)) => (Protocol::Extended, state.rooms.iter().cloned().collect()),
                    (None, None) => (Protocol::Plain, state.rooms.iter().cloned().collect()),
                };
                let rooms = rooms.into_iter().filter(|room: &Name| !room.starts_with('@')).collect();
                ConnectionInfo { conn: *conn, protocol, rooms }
            })
            .collect();
        let banned = self.bans.remaining(now, user);
        (!connections.is_empty() || banned.is_some()).then_some(UserInfo { connections, banned })
    }

    /// Who is kept out, and for how long still, in alphabetical order after `after`: at most `limit`, and whether there are
    /// more.
    pub fn bans(&self, now: Timestamp, after: Option<&str>, limit: usize) -> (Vec<(Name, Duration)>, bool) {
        page(self.bans.after(now, after), limit)
    }

    /// Whether a user is in a room, with a connection, expected back or only reading.
    pub fn is_present(&self, room: &str, user: &str) -> bool {
        let Some(room) = self.rooms.get(room) else { return false };
        let reads = |conn: &ConnId| self.conns.get(conn).is_some_and(|state| &*state.user == user);
        room.contains_user(user) || room.readers().iter().any(reads)
    }

    /// The rooms that are kept, in alphabetical order after `after`: at most `limit`, and whether there are more.
    pub fn stored_rooms(&self, after: Option<&str>, limit: usize) -> (Vec<RoomInfo>, bool) {
        let info = self.store.rooms_after(after).map(|(name, log)| {
            let room = self.rooms.get(name);
            RoomInfo {
                room: name.clone(),
                members: room.map_or(0, |room| room.users().len()),
                connections: room.map_or(0, super::Room::connections),
                readers: room.map_or(0, |room| room.readers().len()),
                head: log.head(),
                bytes: log.bytes(),
            }
        });
        page(info, limit)
    }

    /// The users in a room and how many connections each has there, in alphabetical order after `after`: at most
    /// `limit`, and whether there are more. `None` for no room.
    pub fn members_of(
        &self,
        room: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Option<(Vec<(Name, usize)>, bool)> {
        if room.starts_with('@') || self.store.room(room).is_none() {
            return None;
        }
        let users = self.rooms.get(room).into_iter().flat_map(|room| room.users_after(after));
        Some(page(users, limit))
    }
}

/// At most so many, and whether there are more.
fn page<T>(mut all: impl Iterator<Item = T>, limit: usize) -> (Vec<T>, bool) {
    let first: Vec<T> = all.by_ref().take(limit).collect();
    let more = all.next().is_some();
    (first, more)
}
