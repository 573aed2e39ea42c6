//! The faults stop, everybody has to come back, then everybody leaves.

use super::dials::LONGEST_HINT;
use super::{Happening, World};
use crate::sim::act::Fate;
use crate::sim::checker::place;
use crate::sim::coverage::Sometimes;
use crate::sim::server::{Crash, Process};
use crate::sim::{Micros, SECOND};
use rejoin::{Command, Mode, Name, State};
use std::collections::{BTreeMap, BTreeSet};

/// After the faults stop: the longest step of the backoff, heartbeat and answer, two dials and the longest hint
/// that this world gives, doubled by its jitter (protocol.md §2.6, invariant 9). A member list is true after the
/// grace and 90 s, which is no longer.
const RECOVERY: Micros = (30 + 31 + 10 + 20 + 2 * LONGEST_HINT) * SECOND;
/// The longest that anybody waits for an outbox to drain: then its sends are too old.
const LONGEST_DRAIN: Micros = 700 * SECOND;

impl World {
    /// The faults stop. What was broken stays broken until somebody notices.
    pub(super) fn calm_down(&mut self) {
        self.trace.note(self.now, "world", format_args!("calms down"));
        self.calm = true;
        self.server.dies_at_commit = None;
        for conn in &mut self.conns {
            conn.forgets = None;
            conn.cut_at_ack = false;
        }
        if self.server.draining_until.is_some() {
            // It would refuse everybody for good: what follows a drain is a restart.
            self.server_down(Crash { down: SECOND, fate: Fate::Kept, speaks_extended: None });
        } else if self.server.process != Process::Up {
            self.server_back();
        }
        for client in 0..self.clients.len() {
            self.calm_client(client);
        }
        // Who sleeps wakes up by himself; the time to recover counts from then.
        let asleep = self.clients.iter().filter_map(|client| client.frozen_until).max();
        let from = asleep.unwrap_or(self.now).max(self.now);
        self.at(from + RECOVERY + self.longest_drain(), Happening::Settled);
    }

    fn calm_client(&mut self, client: usize) {
        self.clients[client].death = None;
        self.clients[client].app.slow_until = self.now;
        if self.clients[client].frozen_until.is_some() && !self.clients[client].asleep {
            self.clients[client].frozen_until = Some(self.now);
            self.thaw(client);
        }
        self.start(client);
        if self.clients[client].rng.bool() && self.clients[client].is_running() {
            let serial = self.clients[client].token_serial;
            let token = self.clients[client].token(serial);
            self.checker.revived(client);
            self.command(client, Command::SetToken(token));
            self.command(client, Command::Connect);
        }
        if self.clients[client].is_running() {
            self.app_takes(client);
        }
    }

    /// How long what waits needs at the rate and latency of this world.
    fn longest_drain(&self) -> Micros {
        let waiting =
            |client: &super::Client| client.session.as_ref().map_or(0, |s| s.diagnostics().outbox_len);
        let most = self.clients.iter().map(waiting).sum::<usize>() as Micros;
        // The slowest rate lets one pass each second.
        let by_rate = self.plan.server.rate.map_or(0, |_| 2 * most * SECOND);
        let by_latency = most * self.plan.latency.1 * 3 / self.plan.server.in_flight;
        // A fate may show only in a replay that is paged in small parts.
        let pages = self.checker.appended_count() as Micros / self.plan.server.replay;
        let by_pages = pages * self.plan.latency.1 * 3;
        (10 * SECOND + by_rate + by_latency + by_pages).min(LONGEST_DRAIN)
    }

    pub(super) fn is_living(&self, client: usize) -> bool {
        let state = self.clients[client].session.as_ref().map(rejoin::Session::state);
        !matches!(state, None | Some(State::Failed | State::Closed))
    }

    pub(super) fn settled(&mut self) {
        self.looks_outlived();
        for client in 0..self.clients.len() {
            if !self.is_living(client) {
                continue;
            }
            let Some(session) = &self.clients[client].session else { continue };
            let (state, left) = (session.state(), session.diagnostics().outbox_len);
            if !session.is_ready() {
                self.checker
                    .violated(format!("9: u{client} is not back after the faults stopped: {state:?}"));
            }
            let (speaks, wanted) = (self.speaks(client), &self.clients[client].wanted);
            let waits = self.checker.given(client, |at| !speaks || !wanted.contains(&(at as usize)));
            if left > waits {
                self.checker
                    .violated(format!("9: u{client} is back but its outbox does not drain: {left} left"));
            }
        }
        // Twice: the first messages show forks that nobody has had a chance to see, and what is lost in them is lost.
        for room in 0..self.plan.rooms {
            self.later(room as Micros * 3 * SECOND, Happening::ProbeRoom { room, counts: false });
            self.later((30 + room as Micros * 3) * SECOND, Happening::ProbeRoom { room, counts: true });
        }
        for wait in [1, 31] {
            self.later(wait * SECOND, Happening::ProbeStreams);
        }
        self.later(70 * SECOND, Happening::Farewell);
    }

    pub(super) fn probe_room(&mut self, room: usize, counts: bool) {
        let name = Self::room(room);
        let members: BTreeSet<Name> = self.server.hub.members(&name).map(|(_, user)| user.clone()).collect();
        let expected: Vec<usize> = (0..self.clients.len())
            .filter(|c| self.is_living(*c) && self.clients[*c].wanted.contains(&room))
            .collect();
        let at = place(&name, 0);
        let leaving =
            (0..self.clients.len()).filter(|c| self.is_living(*c) && self.checker.is_leaving(*c, at));
        let leaving: BTreeSet<Name> = leaving.map(|c| self.clients[c].name.clone()).collect();
        let users: BTreeSet<Name> = expected.iter().map(|c| self.clients[*c].name.clone()).collect();
        // Who leaves is a member until the fate of the last sends is known.
        if !members.is_superset(&users)
            || members.iter().any(|user| !users.contains(user) && !leaving.contains(user))
        {
            self.checker.violated(format!("15: {name} has members {members:?}, expected {users:?}"));
            return;
        }
        // What a plain sender says beyond the burst of its user is refused, and it cannot tell which message that was.
        let burst = self.plan.server.rate.map_or(f64::INFINITY, |rate| 2.0 * rate);
        let mut said: BTreeMap<Name, u32> = BTreeMap::new();
        for client in &expected {
            let newest = self.clients[*client].newest();
            let untouched = newest.is_some_and(|index| !self.conns[index].tampered);
            if counts && untouched && self.speaks(*client) {
                self.checker.roster_is(*client, place(&name, 0), &members);
            }
            let key = self.send(*client, room, 0, false, None);
            let of_user = said.entry(self.clients[*client].name.clone()).or_default();
            *of_user += 1;
            if counts && (self.speaks(*client) || f64::from(*of_user) <= burst) {
                self.probes.extend(expected.iter().map(|receiver| (*receiver, key)));
            }
        }
    }

    /// Everybody who wants a stream of the own gets something in it: the last thing said may have been forgotten.
    pub(super) fn probe_streams(&mut self) {
        for client in 0..self.clients.len() {
            if self.clients[client].plan.personal {
                self.notify(client);
            }
        }
    }

    /// Whether a client's connection is an extended one.
    fn speaks(&self, client: usize) -> bool {
        let newest = self.clients[client].newest();
        newest.is_some_and(|index| self.conns[index].extended)
            && matches!(self.clients[client].mode, Some((_, Mode::Extended)))
    }

    pub(super) fn farewell(&mut self) {
        for (client, key) in std::mem::take(&mut self.probes) {
            let expected = self.is_living(client) && self.is_living(key.0) && !self.checker.has_failed(key);
            if expected && !self.checker.is_delivered(client, key) {
                self.checker.violated(format!("9: {key:?} did not reach u{client} on a calm network"));
            }
        }
        for client in 0..self.clients.len() {
            if !self.is_living(client) || !self.speaks(client) {
                continue;
            }
            let rooms: Vec<usize> = self.clients[client].wanted.iter().copied().collect();
            for room in rooms {
                self.checker.caught_up(client, place(&Self::room(room), 0));
            }
            if self.clients[client].plan.personal {
                self.checker.caught_up(client, place("@me", self.clients[client].user));
            }
            if self.clients[client].app.was_busy {
                self.checker.cover.reach(Sometimes::BusyThenCaughtUp);
            }
        }
        for client in 0..self.clients.len() {
            self.command(client, Command::Close);
        }
        self.later(20 * SECOND, Happening::End);
    }

    pub(super) fn end(&mut self) {
        for client in 0..self.clients.len() {
            let Some(session) = &self.clients[client].session else { continue };
            if session.state() != State::Closed || session.next_deadline().is_some() {
                let state = session.state();
                self.checker.violated(format!("14: u{client} is {state:?} after close, or has a timer"));
            }
        }
        if self.server.hub.connections() > 0 {
            self.checker.violated("14: the server still has connections after everybody left".to_owned());
        }
        self.checker.finish();
        self.over = true;
    }
}
