//! Compares what applications are told with what the world knows.

use super::World;
use crate::sim::checker::place;
use rejoin::{Mode, Name, RoomState};

impl World {
    /// The rooms that a client wants, its own stream among them.
    fn wanted_places(&self, client: usize, extended: bool) -> Vec<u32> {
        let state = &self.clients[client];
        let own = (state.plan.personal && extended).then(|| place("@me", state.user));
        state.wanted.iter().map(|room| place(&Self::room(*room), 0)).chain(own).collect()
    }

    /// An application is told that it is ready.
    pub(super) fn told_ready(&mut self, client: usize, mode: Mode) {
        let conn = self.clients[client].newest().unwrap_or(usize::MAX);
        let extended = mode == Mode::Extended;
        let joined = |at: u32| {
            if extended {
                self.checker.is_joined(client, at)
            } else {
                self.clients[client].is_told_joined(at)
            }
        };
        let waits = self.wanted_places(client, extended).into_iter().find(|at| !joined(*at));
        let told = self.clients[client].mode == Some((conn, mode));
        self.checker.ready(client, conn, told, waits);
    }

    /// Long after everything calmed down: the application knows that it is ready and in which rooms it is.
    pub(super) fn knows_how_it_stands(&mut self, client: usize) {
        let Some(conn) = self.clients[client].newest() else { return };
        self.checker.was_told_ready(client, conn);
    }

    /// A client stores its state, and its application has been told everything that there is to tell.
    pub(super) fn stores_places(&mut self, client: usize) {
        let state = &self.clients[client];
        let Some(session) = &state.session else { return };
        let (saved, user) = (session.saved(), state.user);
        if saved.user.as_ref().is_none_or(|name| *name == state.name) {
            let positions = saved.positions.iter().map(|saved| (place(&saved.room, user), &saved.position));
            self.checker.stores(client, positions);
        }
    }

    /// An application is told how it stands with a room.
    pub(super) fn told_of_room(&mut self, client: usize, room: &Name, state: RoomState) {
        let at = place(room, self.clients[client].user);
        match state {
            RoomState::Joined => self.clients[client].told_joined.insert(at),
            _ => self.clients[client].told_joined.remove(&at),
        };
    }
}
