//! Checks after the faults have stopped, before the world stimulates anything, that each client has recovered by itself.

use super::World;
use crate::sim::Micros;
use crate::sim::checker::place;
use rejoin::Name;
use std::collections::BTreeSet;

impl World {
    /// A client of rooms is where its rooms are, and knows who is in them.
    pub(super) fn has_come_back_by_itself(&mut self, client: usize) {
        self.checker.looks_after_itself(client);
        let Some(index) = self.clients[client].newest() else { return };
        let conn = &self.conns[index];
        if !conn.server_open || conn.up.vanishing || conn.down.vanishing {
            self.checker
                .violated(format!("9: u{client} stays on connection {index}, which is none any more"));
            return;
        }
        if !self.speaks(client) {
            return;
        }
        let untouched = !conn.tampered;
        let user = self.clients[client].user;
        for room in self.clients[client].wanted.clone() {
            let (name, at) = (Self::room(room), place(&Self::room(room), 0));
            let hidden = self.conns[index].hides.contains(&at);
            self.checker.caught_up_by_itself(client, index, at, hidden);
            if untouched {
                let members = self.members_of(&name);
                self.checker.roster_is(client, at, &members, self.on_the_way());
            }
        }
        if self.clients[client].plan.personal {
            let at = place("@me", user);
            let hidden = self.conns[index].hides.contains(&at);
            self.checker.caught_up_by_itself(client, index, at, hidden);
        }
    }

    /// How long a word may be on its way where nothing goes wrong.
    pub(super) fn on_the_way(&self) -> Micros {
        4 * self.plan.latency.1
    }

    /// Whoever is to be in a room is in it, and nobody else.
    pub(super) fn rooms_have_settled(&mut self) {
        for room in 0..self.plan.rooms {
            self.has_its_members(room);
        }
    }

    /// The members of a room as the server has them are those that it should have. Gives who of the clients that is.
    pub(super) fn has_its_members(&mut self, room: usize) -> Option<Vec<usize>> {
        let name = Self::room(room);
        let members = self.members_of(&name);
        let expected: Vec<usize> = (0..self.clients.len())
            .filter(|c| self.is_living(*c) && self.clients[*c].wanted.contains(&room))
            .collect();
        let at = place(&name, 0);
        let on_the_way = self.on_the_way();
        let leaving = (0..self.clients.len())
            .filter(|c| self.is_living(*c) && self.checker.is_leaving(*c, at, on_the_way));
        let leaving: BTreeSet<Name> = leaving.map(|c| self.clients[c].name.clone()).collect();
        let users = expected.iter().map(|c| self.clients[*c].name.clone());
        let users: BTreeSet<Name> =
            users.chain(self.sios_in(room).into_iter().map(|(_, name)| name)).collect();
        // Who leaves is a member until the fate of the last sends is known, and the word of it has come.
        if !members.is_superset(&users)
            || members.iter().any(|user| !users.contains(user) && !leaving.contains(user))
        {
            self.checker.violated(format!("15: {name} has members {members:?}, expected {users:?}"));
            return None;
        }
        Some(expected)
    }
}
