//! The requests of an operator to the hub: who a user is, a kick, a ban, a removal from a room.

use super::SharedHub;
use crate::hub::{ConnectionInfo, Input, UserInfo};
use crate::session_log::SessionInfo;
use rejoin::Name;
use std::net::IpAddr;
use std::time::Duration;

/// What an operator is told of a user.
#[derive(Default)]
pub(crate) struct UserStatus {
    pub(crate) connections: Vec<(ConnectionInfo, Option<SessionInfo>)>,
    pub(crate) banned: Option<Duration>,
}

/// What became of a kick.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kicked {
    pub(super) connections: usize,
    pub(super) banned: bool,
}

impl SharedHub {
    /// A user who is connected or banned.
    pub(crate) fn user(&self, user: &str) -> Option<UserStatus> {
        let mut core = self.lock();
        let UserInfo { connections, banned } = core.hub.user(self.now().monotonic, user)?;
        let connections = connections.into_iter().map(|connection| {
            let session = core.slots.get(connection.conn).and_then(|slot| slot.session);
            (connection, session)
        });
        Some(UserStatus { connections: connections.collect(), banned })
    }

    /// Closes a user's connections, and keeps the user out for as long as `ban` says. How many there were, or `None` if
    /// there is no room for one more ban.
    pub(crate) fn kick(&self, asker: Option<IpAddr>, user: Name, ban: Option<Duration>) -> Option<usize> {
        let mut core = self.lock();
        core.kicked = None;
        core.asker = asker;
        self.run(&mut core, Input::Kick { user, ban });
        core.asker = None;
        core.kicked.take().filter(|kicked| kicked.banned).map(|kicked| kicked.connections)
    }

    /// Ends a user's ban; `false` if there is none.
    pub(crate) fn unban(&self, user: Name) -> bool {
        let mut core = self.lock();
        let is_banned = core.hub.user(self.now().monotonic, &user).is_some_and(|user| user.banned.is_some());
        if is_banned {
            // Who is banned has no connection that this could close.
            self.run(&mut core, Input::Kick { user, ban: Some(Duration::ZERO) });
            core.kicked = None;
        }
        is_banned
    }

    /// Forgets what was said in a room; `false` if there is none.
    pub(crate) fn empty_room(&self, room: Name) -> bool {
        let mut core = self.lock();
        let there = !room.starts_with('@') && core.hub.store().room(&room).is_some();
        if there {
            self.run(&mut core, Input::EmptyRoom { room });
        }
        there
    }

    /// Takes a user out of a room; `false` if the user is not there, which one node of several cannot know.
    pub(crate) fn remove(&self, room: Name, user: Name) -> bool {
        let mut core = self.lock();
        let there = core.store.is_shared() || core.hub.is_present(&room, &user);
        if there {
            self.run(&mut core, Input::Remove { room, user });
        }
        there
    }
}
