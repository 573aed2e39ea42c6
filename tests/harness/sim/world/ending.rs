//! The end of a run: the faults stop, every client must recover, then every client closes.

use super::dials::LONGEST_HINT;
use super::{SimEvent, World};
use crate::sim::action::Fate;
use crate::sim::checker::place;
use crate::sim::coverage::Sometimes;
use crate::sim::server::{Crash, Process};
use crate::sim::socketio::FIRST_USER;
use crate::sim::{Micros, SECOND};
use rejoin::machine::Command;
use rejoin::{Mode, Name, State};
use std::collections::BTreeMap;

/// After the faults stop: the longest step of the backoff, heartbeat and answer, two dials and the longest hint
/// that this world gives, doubled by its jitter (protocol.md §2.6, invariant 9). A member list is true after the
/// grace and 90 s, which is no longer.
const RECOVERY: Micros = (30 + 31 + 10 + 20 + 2 * LONGEST_HINT) * SECOND;
/// The longest that anybody waits for an outbox to drain: then its sends are too old.
const LONGEST_DRAIN: Micros = 700 * SECOND;

impl World {
    /// The faults stop. What was broken stays broken until somebody notices.
    pub(super) fn stop_faults(&mut self) {
        self.trace.note(self.now, "world", format_args!("calms down"));
        self.calm = true;
        self.aims.clear();
        self.stubborn.clear();
        for node in &mut self.nodes {
            node.dies_at_commit = None;
        }
        self.eats_pings = false;
        for conn in &mut self.conns {
            conn.eats_pings = false;
            conn.forgets = None;
            conn.cut_at_ack = false;
        }
        for node in 0..self.nodes.len() {
            if self.nodes[node].draining_until.is_some() {
                // It would refuse everybody for good: what follows a drain is a restart.
                self.server_down(node, Crash { down: SECOND, fate: Fate::Kept, speaks_extended: None });
            } else if self.nodes[node].process != Process::Up {
                self.server_back(node);
            }
        }
        self.sharing_calms();
        for client in 0..self.clients.len() {
            self.calm_client(client);
        }
        self.calm_readers();
        self.calm_sios();
        // Who sleeps wakes up by himself; the time to recover counts from then.
        let readers = self.readers.iter().map(|reader| reader.frozen_until);
        let asleep = self
            .clients
            .iter()
            .map(|client| client.frozen_until)
            .chain(readers)
            .flatten()
            .chain(self.sios_awake())
            .max();
        let from = asleep.unwrap_or(self.now).max(self.now);
        let from = from + RECOVERY + self.small_limits_cost();
        self.at(from + self.longest_drain() + self.sios_drain(), SimEvent::Settled);
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
        // Where sends are refused for good before one was taken, each is the first of another line.
        let one = self.plan.server.content_bytes < 4000 || self.plan.server.versions;
        // So does a gateway of another version, which allows less.
        let at_once = if one { 1 } else { self.plan.server.in_flight };
        let by_latency = most * self.plan.latency.1 * 6 / at_once;
        // A fate may show only in a replay that is paged in small parts.
        let pages = (self.checker.appended_count() as Micros + most) / self.plan.server.replay;
        let by_pages = pages * self.plan.latency.1 * 3;
        let by_lines = if self.plan.server.lines < 100 { 4 * self.plan.server.dedupe_window } else { 0 };
        (10 * SECOND + by_lines + by_rate + by_latency + by_pages).min(LONGEST_DRAIN)
    }

    pub(super) fn is_living(&self, client: usize) -> bool {
        let state = self.clients[client].session.as_ref().map(rejoin::machine::Session::state);
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
            self.knows_how_it_stands(client);
            self.own_is_settled(client);
            self.has_come_back_by_itself(client);
            let (speaks, wanted) = (self.speaks(client), &self.clients[client].wanted);
            let waits = self.checker.given(client, |at| !speaks || !wanted.contains(&(at as usize)));
            if left > waits {
                self.checker
                    .violated(format!("9: u{client} is back but its outbox does not drain: {left} left"));
            }
        }
        self.rooms_have_settled();
        self.answers_are_there();
        self.readers_are_back();
        self.sios_are_back();
        // Twice: the first messages show forks that nobody has had a chance to see, and what is lost in them is lost.
        // An outbox may have one place: what was said in one room is answered before something is said in the next.
        let pause = 3 * SECOND + 4 * self.plan.latency.1;
        let round = (self.plan.rooms as Micros * pause).max(30 * SECOND);
        for room in 0..self.plan.rooms {
            let wait = room as Micros * pause;
            self.later(wait, SimEvent::ProbeRoom { room, counts: false });
            self.later(round + wait, SimEvent::ProbeRoom { room, counts: true });
        }
        for wait in [0, round] {
            self.later(wait + SECOND, SimEvent::ProbeStreams);
        }
        // A line that a server has forgotten since costs one more way there and back.
        let last = 10 * SECOND + 8 * self.plan.latency.1;
        self.later(2 * round + last, SimEvent::Farewell);
    }

    pub(super) fn probe_room(&mut self, room: usize, counts: bool) {
        let name = Self::room(room);
        let Some(expected) = self.has_its_members(room) else { return };
        let members = self.members_of(&name);
        let sios = self.sios_in(room);
        // What a plain sender says beyond the burst of its user is refused, and it cannot tell which message that was.
        let burst = self.plan.server.rate.map_or(f64::INFINITY, |rate| 2.0 * rate);
        let mut said: BTreeMap<Name, u32> = BTreeMap::new();
        for client in &expected {
            *said.entry(self.clients[*client].name.clone()).or_default() += 1;
        }
        for client in &expected {
            let newest = self.clients[*client].newest();
            let untouched = newest.is_some_and(|index| !self.conns[index].tampered);
            if counts && untouched && self.speaks(*client) {
                self.checker.roster_is(*client, place(&name, 0), &members, self.on_the_way());
            }
            let key = self.send(*client, room, 0, false, None);
            let of_user = said.get(&self.clients[*client].name).copied().unwrap_or(0);
            if counts && (self.speaks(*client) || f64::from(of_user) <= burst) {
                self.probes.extend(expected.iter().map(|receiver| (*receiver, key)));
                self.sio_told.extend(sios.iter().map(|(receiver, _)| (*receiver, key)));
            }
        }
        for (client, _) in &sios {
            let key = self.sio_probes(*client, room);
            if counts {
                self.probes.extend(expected.iter().map(|receiver| (*receiver, key)));
                self.sio_told.extend(sios.iter().map(|(receiver, _)| (*receiver, key)));
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
        self.sios_are_notified();
    }

    /// Whether a client's connection is an extended one.
    pub(super) fn speaks(&self, client: usize) -> bool {
        let newest = self.clients[client].newest();
        newest.is_some_and(|index| self.conns[index].extended)
            && matches!(self.clients[client].mode, Some((_, Mode::Extended)))
    }

    pub(super) fn close_all(&mut self) {
        // Where a store keeps few messages, one may be gone before its notice has come to another node.
        let is_kept = self.nodes.len() == 1 || self.plan.server.history > self.clients.len();
        for (client, key) in std::mem::take(&mut self.probes) {
            let sender = key.0 >= FIRST_USER || self.is_living(key.0);
            let said = if key.0 >= FIRST_USER {
                self.checker.is_appended(key)
            } else {
                !self.checker.has_failed(key)
            };
            let expected = self.is_living(client) && sender && said && is_kept;
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
        self.readers_leave();
        self.sios_leave();
        self.later(20 * SECOND, SimEvent::End);
    }

    pub(super) fn end(&mut self) {
        for client in 0..self.clients.len() {
            let Some(session) = &self.clients[client].session else { continue };
            if session.state() != State::Closed || session.next_deadline().is_some() {
                let state = session.state();
                self.checker.violated(format!("14: u{client} is {state:?} after close, or has a timer"));
            }
        }
        self.readers_have_left();
        self.sios_have_left();
        if self.nodes.iter().any(|node| node.hub.connections() > 0) {
            self.checker.violated("14: the server still has connections after everybody left".to_owned());
        }
        self.checker.finish();
        self.over = true;
    }
}
