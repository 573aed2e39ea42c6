//! Starts, freezes and kills clients' processes.

use super::{SimEvent, World};
use crate::sim::Micros;
use crate::sim::checker::{Begins, Disk, key, place};
use crate::sim::coverage::Sometimes;
use crate::sim::net::{Packet, Way};
use rejoin::machine::{Change, Command, Input, Session};
use rejoin::{Join, Name, SendId};

impl World {
    /// A process begins: it takes up what is on the disk, then wants what its user wants.
    pub(super) fn start(&mut self, client: usize) {
        if self.clients[client].session.is_some() {
            return;
        }
        self.processes[client] += 1;
        if std::mem::take(&mut self.clients[client].changes_user) {
            self.clients[client].becomes_other();
            if self.clients[client].disk.is_some() {
                self.checker.cover.reach(Sometimes::OtherUser);
                self.checker.taken_over(client);
            }
        }
        let state = &mut self.clients[client];
        let seed = state.rng.u64(..);
        let mut session = Session::new(state.config.clone(), seed);
        session.custom_frames(super::own::LANE.into());
        if state.plan.stores {
            session.track_changes();
        }
        state.session = Some(session);
        self.begins(client);
        self.trace.note(self.now, "client", format_args!("{client} starts"));
        if let Some(disk) = &mut self.clients[client].disk {
            disk.assign_restored_ids();
            let saved = disk.saved();
            self.checker.cover.reach(Sometimes::Restarted);
            self.input(client, Input::Restore(Box::new(saved)));
        }
        let (plan, user) = (self.clients[client].plan.clone(), self.clients[client].user);
        if plan.personal {
            self.checker.asked(client, place("@me", user), None, plan.history.is_some());
            let own = Join::room("@me").history(plan.history).personal();
            self.command(client, Command::Join(own));
        }
        for room in self.clients[client].wanted.clone() {
            self.join(client, room, plan.history, false);
        }
        self.command(client, Command::Connect);
    }

    /// What the checker has to know of a process that begins.
    fn begins(&mut self, client: usize) {
        let state = &self.clients[client];
        let saved = state.disk.as_ref().map(|disk| disk.saved()).unwrap_or_default();
        let dedupe = if state.disk.is_some() { saved.dedupe_window_ms.clamp(10_000, 3_600_000) } else { 0 };
        self.checker.belongs(client, state.user);
        self.checker.begins(
            client,
            Begins {
                offers: state.plan.offers,
                source: self.plan.token_source.is_some(),
                legacy: self.plan.legacy,
                worked: saved.worked || saved.extended,
                window: 1_000 * saved.window_ms.min(600_000),
                dedupe: 1_000 * dedupe,
                extended: saved.extended,
            },
        );
        let wall = state.clock(self.now).wall;
        for send in &saved.sends {
            let key = key(&send.content);
            if let Some(transmitted) = &send.transmitted {
                self.checker.stored(client, transmitted, wall);
            }
            self.checker.is_stored(key, send.transmitted.is_none());
        }
    }

    /// A process dies, now.
    pub(super) fn dies(&mut self, client: usize) {
        let Some(death) = self.clients[client].death else { return };
        if self.clients[client].just_stored {
            self.checker.cover.reach(Sometimes::CrashBeforeSend);
        }
        self.trace.note(self.now, "client", format_args!("{client} dies"));
        let sockets = self.clients[client].sockets.clone();
        for index in sockets {
            if death.power {
                self.conns[index].up.vanishing = true;
                self.conns[index].down.vanishing = true;
            } else {
                self.write(index, Way::Up, Packet::Reset);
            }
            self.hang_up(index);
        }
        self.tears(client);
        let outcomes = self.clients[client].disk.as_ref().map_or(Vec::new(), |disk| disk.saved().outcomes);
        for reference in outcomes.iter().filter_map(|outcome| outcome.reference.as_deref()) {
            let numbers = reference.strip_prefix("ref-").and_then(|numbers| numbers.split_once('-'));
            let numbers = numbers.and_then(|(of, number)| Some((of.parse().ok()?, number.parse().ok()?)));
            if let Some(key) = numbers {
                self.checker.is_settled_on_disk(key);
            }
        }
        let state = &self.clients[client];
        let disk: Option<Disk> = state.disk.as_ref().map(|disk| disk.saved()).map(|disk| {
            let sends = disk.sends.iter().filter_map(|send| key(&send.content)).collect();
            let positions = disk.positions.iter().map(|saved| {
                (place(&saved.room, state.user), saved.position.epoch.clone(), saved.position.seq)
            });
            // Another user is nowhere yet.
            let same = !state.changes_user && disk.user.as_ref().is_none_or(|user| *user == state.name);
            let positions = positions.filter(|_| same);
            (sends, positions.collect())
        });
        let disk = disk.or_else(|| state.plan.stores.then(Disk::default));
        self.checker.died(client, disk.as_ref());
        self.own_died(client);
        self.clients[client].loses_its_memory();
        self.client_backlog[client].clear();
        let down = if self.calm { 0 } else { death.down };
        self.later(down, SimEvent::Starts { client });
    }

    /// What was being stored when it died is on the disk up to any record, but for outcomes that nobody was told: telling
    /// those in the next run is a driver's part, which this one, telling before it stores, has none of.
    fn tears(&mut self, client: usize) {
        let state = &mut self.clients[client];
        let (true, Some(session)) = (state.plan.stores, &mut state.session) else { return };
        let mut changes = session.take_changes();
        // A room that the application has not been told of yet is nothing that the checker knows a place in.
        changes.retain(|change| !matches!(change, Change::Committed(_)));
        // Mostly nothing was being stored at that moment.
        let kept = if state.rng.bool() { state.rng.usize(..=changes.len()) } else { 0 };
        let disk = state.disk.get_or_insert_default();
        let untold = |change: &Change<String, Name, SendId>| matches!(change, Change::Resolved { .. });
        for change in changes.into_iter().take(kept).take_while(|change| !untold(change)) {
            disk.record(change);
        }
    }

    pub(super) fn freeze(&mut self, client: usize, time: Micros, asleep: bool, sockets_die: bool) {
        if !self.clients[client].is_running() {
            return;
        }
        self.clients[client].frozen_until = Some(self.now + time);
        self.clients[client].asleep = asleep;
        if sockets_die {
            for index in self.clients[client].sockets.clone() {
                self.conns[index].up.vanishing = true;
                self.conns[index].down.vanishing = true;
            }
        }
        if asleep {
            // The whole time is known now: nothing asks for the clock before it is over.
            self.clients[client].missed(time);
            if time > self.plan.server.dedupe_window / 2 {
                self.checker.overslept(client);
            }
        }
        self.clients[client].look_at_deadline();
        self.later(time, SimEvent::Thaw { client });
    }

    pub(super) fn thaw(&mut self, client: usize) {
        let Some(until) = self.clients[client].frozen_until.take() else { return };
        debug_assert!(until <= self.now);
        let backlog = std::mem::take(&mut self.client_backlog[client]);
        // Either the socket or the timer is served first: a driver promises nothing.
        let timer_first = self.clients[client].rng.bool();
        if timer_first {
            self.input(client, Input::Tick);
        }
        for happening in backlog {
            self.happen(happening);
        }
        if !timer_first {
            self.input(client, Input::Tick);
        }
    }
}
