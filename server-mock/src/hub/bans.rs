//! Disconnects users and keeps banned ones out.

use super::mutation::mutation;
use super::names::beyond;
use super::shared::{Control, StoreRequest};
use super::{ConnId, Hub, Limit, Output, Timer};
use rejoin::{Name, Timestamp};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

/// Why such a connection is closed: a client does not come back by itself after 4003 (protocol.md §2.5).
pub(super) const KICKED_CLOSE: (u16, &str) = (4003, "Removed by the operator");

/// Who is kept out, and until when.
#[derive(Debug, Default)]
pub(super) struct Bans(BTreeMap<Name, Timestamp>);

impl Bans {
    /// For how long a user is still kept out.
    pub(super) fn remaining(&self, now: Timestamp, user: &str) -> Option<Duration> {
        self.0.get(user).map(|end| end.since(now)).filter(|left| !left.is_zero() && !mutation!(BanForgotten))
    }

    /// Everybody who is, in alphabetical order.
    pub(super) fn after(
        &self,
        now: Timestamp,
        after: Option<&str>,
    ) -> impl Iterator<Item = (Name, Duration)> {
        let users = self.0.range::<str, _>((beyond(after), Bound::Unbounded));
        let left = users.map(move |(user, end)| (user.clone(), end.since(now)));
        left.filter(|(_, left)| !left.is_zero())
    }
}

impl Hub {
    /// Closes every connection of the user. `ban`: for how long the user is kept out; zero ends an earlier ban.
    pub(super) fn kick(&mut self, now: Timestamp, user: &Name, ban: Option<Duration>) {
        if self.nodes.is_some() {
            self.request_store(StoreRequest::Control(Control::Kick { user: user.clone(), ban }));
        }
        let (connections, banned) = self.kick_local(now, user, ban);
        self.outputs.push_back(Output::Kicked { connections, banned });
    }

    /// The same on this node; how many connections there were, and whether the ban is in force.
    pub(super) fn kick_local(&mut self, now: Timestamp, user: &Name, ban: Option<Duration>) -> (usize, bool) {
        let own = self.conns.iter().filter(|(_, state)| state.user == *user);
        let conns: Vec<ConnId> = own.map(|(conn, _)| *conn).collect();
        let banned = ban.is_none_or(|ban| self.ban(now, user, ban));
        let (code, reason) = KICKED_CLOSE;
        for conn in &conns {
            self.close(now, *conn, code, reason);
        }
        (conns.len(), banned)
    }

    fn ban(&mut self, now: Timestamp, user: &Name, ban: Duration) -> bool {
        if let Some(end) = self.bans.0.remove(user) {
            self.due.remove(&(end, Timer::Unban(user.clone())));
        }
        if ban.is_zero() {
            return true;
        }
        if self.bans.0.len() >= self.config.bans {
            self.refusal_counts.record(Limit::Bans);
            return false;
        }
        let end = now + ban;
        self.bans.0.insert(user.clone(), end);
        self.due.insert((end, Timer::Unban(user.clone())));
        true
    }

    /// The ban's time is over.
    pub(super) fn unban(&mut self, user: &Name) {
        self.bans.0.remove(user);
    }
}
