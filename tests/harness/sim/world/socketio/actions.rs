//! The acts on Socket.IO clients, and the look at them in the end.

use super::SioEvent;
use crate::sim::SECOND;
use crate::sim::checker::{Key, PERSONAL, place};
use crate::sim::server::Process;
use crate::sim::socketio::{FIRST_USER, SioAction};
use crate::sim::world::{SimEvent, World};
use rejoin::machine::{Command, Disconnect, Input};
use rejoin::socketio::{ServerPacket, Session};
use rejoin::{Hint, Name, SendId, State};
use rejoin_server::hub;

/// Whether this befalls the connection or the process of a client.
fn is_of_process(act: &SioAction) -> bool {
    matches!(
        act,
        SioAction::Cut { .. }
            | SioAction::Vanish { .. }
            | SioAction::Hold { .. }
            | SioAction::Freeze(_)
            | SioAction::Sleep(_)
            | SioAction::Crash(_)
            | SioAction::Hint(_)
            | SioAction::End
    )
}

impl World {
    pub(in crate::sim::world) fn sio_act(&mut self, client: usize, act: SioAction) {
        // The connection and the process are those of the first.
        let client = if is_of_process(&act) { self.sio_main(client) } else { client };
        let runs = self.sio_runs(client);
        let newest = self.sio_newest(client);
        match act {
            SioAction::Join(room) if runs && self.sios[client].wanted.insert(room) => {
                if let Some(index) = newest {
                    // Whoever has left asks as for the first time.
                    self.sio_conns[index].refused_at.remove(&Self::room(room));
                }
                self.sios[client].leaving.remove(&Self::room(room));
                self.sio_command(client, Command::Join(Self::room(room).into()));
            }
            SioAction::Leave(room) if runs && self.sios[client].wanted.remove(&room) => {
                let sends = self.sios[client].sends;
                self.sios[client].leaving.insert(Self::room(room), sends);
                self.sio_command(client, Command::Leave(Self::room(room)));
            }
            SioAction::Send { room, count, padding, data, timeout } if runs => {
                for _ in 0..count {
                    self.sio_sends(client, room, padding, data, timeout);
                }
            }
            SioAction::Cancel(back) if runs => {
                self.sio_cancels(client, back);
            }
            SioAction::Cut { luck, unseen } => {
                if let Some(index) = newest {
                    self.sio_cut(index, luck, unseen);
                }
            }
            SioAction::CutAt(moment, luck) => {
                if let Some(index) = newest {
                    self.sio_conns[index].cut_at = Some((moment, luck));
                }
            }
            SioAction::Vanish { up, down } => {
                if let Some(index) = newest {
                    self.sio_conns[index].up.vanishing |= up;
                    self.sio_conns[index].down.vanishing |= down;
                }
            }
            SioAction::Hold { up, time } => {
                if let Some(index) = newest {
                    let conn = &mut self.sio_conns[index];
                    let pipe = if up { &mut conn.up } else { &mut conn.down };
                    pipe.hold(self.now + time);
                }
            }
            SioAction::Freeze(time) if runs => self.sio_freezes(client, time),
            SioAction::Sleep(time) if runs => {
                for one in self.sio_process(client) {
                    self.sios[one].sleeps(time);
                }
                self.sio_freezes(client, time);
            }
            SioAction::Crash(down) if runs => self.sio_crashes(client, down),
            SioAction::Hint(hint) if runs => {
                self.checker.counts_anew(self.sio_link(client));
                self.sio_input(client, Input::Hint(hint));
            }
            SioAction::Reconnect if runs => {
                self.checker.revived(self.sio_link(client));
                self.sio_command(client, Command::Reconnect);
            }
            SioAction::Close(time) if runs => {
                self.sios[client].is_closed = true;
                self.sio_command(client, Command::Close);
                self.later(time, SimEvent::SioEvent(SioEvent::Reopens { client }));
            }
            SioAction::Notify(count) => {
                for _ in 0..count {
                    self.sio_notifies(client);
                }
            }
            SioAction::Forget => self.sio_lost.clear(),
            SioAction::RefuseJoin(code) => self.sios[client].refuses_joins.push(code),
            SioAction::NoAnswer(count) => self.sios[client].forgets_answers = count,
            SioAction::Revoke if self.plan.token_source.is_some() => self.sios[client].token_serial += 1,
            SioAction::Ask => {
                if let Some(index) = newest {
                    self.sio_asks(index);
                }
            }
            SioAction::Dismiss => {
                if let Some(index) = newest.filter(|_| self.nodes[0].process == Process::Up) {
                    self.sio_dismisses(index);
                }
            }
            SioAction::End => {
                if let Some(index) = newest
                    && self.sio_conns[index].server_open
                    && self.nodes[0].process == Process::Up
                {
                    self.sio_says(index, ServerPacket::Close);
                    self.sio_gone(index, false);
                }
            }
            _ => self.sio_act_own(client, act),
        }
    }

    /// Its user takes one of the last sends back: one that waits is gone at once.
    fn sio_cancels(&mut self, client: usize, back: u64) {
        let number = self.sios[client].sends.saturating_sub(back);
        self.checker.sio_cancelled(client, number);
        let waits = self.checker.sio_waits(client, number);
        self.sio_command(client, Command::Cancel(SendId(number)));
        if waits && self.checker.sio_waits(client, number) {
            self.checker.violated(format!("7: send {number} of sio{client} is not taken back"));
        }
    }

    fn sio_notifies(&mut self, client: usize) {
        if self.nodes[0].process != Process::Up {
            return;
        }
        self.notes += 1;
        let data = Some(format!("\"u{}-{}\"", PERSONAL as usize + FIRST_USER + client, self.notes));
        let user = self.sios[client].name.clone();
        self.hub(hub::Input::Notify { call: 0, user, kind: Name::from("note"), data });
    }

    fn sio_freezes(&mut self, client: usize, time: u64) {
        for one in self.sio_process(client) {
            self.sios[one].frozen_until = Some(self.now + time);
        }
        self.sios[client].look_at_deadline();
        self.later(time, SimEvent::SioEvent(SioEvent::Thaws { client }));
    }

    pub(super) fn sio_thaws(&mut self, client: usize) {
        if self.sios[client].frozen_until.is_none_or(|until| until > self.now) {
            return;
        }
        for one in self.sio_process(client) {
            self.sios[one].frozen_until = None;
        }
        self.checker.counts_anew(self.sio_link(client));
        self.sio_input(client, Input::Hint(Hint::Woke));
    }

    fn sio_crashes(&mut self, client: usize, down: u64) {
        for index in 0..self.sio_conns.len() {
            if self.sio_conns[index].client == client && self.sio_conns[index].client_open {
                self.sio_hangs_up(index);
                self.sio_learns(index);
            }
        }
        for one in self.sio_process(client) {
            self.sio_dies(one);
        }
        self.later(down, SimEvent::SioEvent(SioEvent::Starts { client }));
    }

    fn sio_dies(&mut self, client: usize) {
        let stores = self.sios[client].plan.stores;
        let disk = self.sios[client].disk.as_ref().filter(|_| stores).map(|disk| disk.saved());
        let keys: Vec<Key> = disk.map_or(Vec::new(), |disk| {
            disk.sends.iter().filter_map(|send| crate::sim::checker::key(&send.content)).collect()
        });
        self.checker.sio_died(client, stores.then_some(&keys));
        self.sio_own_died(client);
        self.sios[client].dies();
        self.sios[client].is_closed = false;
    }

    pub(super) fn sio_reopens(&mut self, client: usize) {
        if self.sios[client].plan.carrier.is_some() {
            self.sios[client].is_closed = false;
            return self.sio_opens_anew(client);
        }
        if std::mem::take(&mut self.sios[client].is_closed) && self.sios[client].manager.is_some() {
            self.checker.revived(self.sio_link(client));
            self.sio_command(client, Command::Connect);
            self.sio_reopens_carried(client);
        }
    }

    /// The faults stop for them too.
    pub(in crate::sim::world) fn calm_sios(&mut self) {
        for conn in &mut self.sio_conns {
            conn.cut_at = None;
        }
        for client in 0..self.sios.len() {
            self.sios[client].refuses_joins.clear();
            self.sios[client].forgets_answers = 0;
            self.sio_starts(client);
            if self.sios[client].frozen_until.is_none() {
                self.sio_reopens(client);
            }
            self.sio_answers_all(client);
            let state = self.sio_session(client).map(Session::state);
            if state == Some(State::Failed) && self.sio_runs(client) {
                self.checker.revived(self.sio_link(client));
                let token = self.sios[client].token();
                self.sio_command(client, Command::SetToken(token));
                self.sio_command(client, Command::Connect);
            }
        }
    }

    pub(in crate::sim::world) fn sio_lives(&self, client: usize) -> bool {
        // Whoever has no connection of its own waits for its carrier's.
        [client, self.sio_main(client)].iter().all(|one| {
            let state = self.sio_session(*one).map(Session::state);
            !matches!(state, None | Some(State::Failed | State::Closed))
        })
    }

    /// Who of them is to be in a room: their names and numbers.
    pub(in crate::sim::world) fn sios_in(&self, room: usize) -> Vec<(usize, Name)> {
        let is_in = |client: &usize| self.sio_lives(*client) && self.sios[*client].wanted.contains(&room);
        (0..self.sios.len()).filter(is_in).map(|client| (client, self.sios[client].name.clone())).collect()
    }

    pub(in crate::sim::world) fn sios_are_back(&mut self) {
        for client in 0..self.sios.len() {
            if !self.sio_lives(client) {
                continue;
            }
            let Some(session) = self.sio_session(client) else { continue };
            let (state, ready, left) =
                (session.state(), session.is_ready(), session.diagnostics().outbox_len);
            if !ready || left > 0 {
                self.checker.violated(format!(
                    "9: sio{client} is not back after the faults stopped: {state:?}, ready: {ready}, {left} sends left"
                ));
            }
            self.sio_has_caught_up(client);
            self.sio_own_is_settled(client);
            if let Some(index) = self.sio_newest(client) {
                self.sio_due = self.sio_asks(index);
            }
        }
    }

    fn sio_has_caught_up(&mut self, client: usize) {
        let rooms: Vec<usize> = self.sios[client].wanted.iter().copied().collect();
        for room in rooms {
            self.checker.sio_caught_up(client, place(&Self::room(room), 0));
        }
        self.checker.sio_caught_up(client, place("@me", FIRST_USER + client));
    }

    /// Something is said to each of them alone.
    pub(in crate::sim::world) fn sios_are_notified(&mut self) {
        for client in 0..self.sios.len() {
            self.sio_notifies(client);
        }
    }

    /// One of them says something in a room.
    pub(in crate::sim::world) fn sio_probes(&mut self, client: usize, room: usize) -> Key {
        self.sio_sends(client, room, 0, false, None)
    }

    pub(in crate::sim::world) fn sios_leave(&mut self) {
        for (client, key) in std::mem::take(&mut self.sio_told) {
            let was_said = self.checker.is_appended(key);
            if self.sio_lives(client) && was_said && !self.checker.sio_is_told(client, key) {
                self.checker.violated(format!("9: {key:?} did not reach sio{client} on a calm network"));
            }
        }
        if self.sio_due.is_some_and(|due| self.sio_asked.contains(&due)) {
            self.checker.violated("S: a server has asked and was not answered".to_owned());
        }
        for client in 0..self.sios.len() {
            if self.sio_lives(client) {
                self.sio_has_caught_up(client);
            }
            self.sio_command(client, Command::Close);
        }
        for index in 0..self.sio_conns.len() {
            if self.sio_conns[index].carrier.is_some() {
                continue;
            }
            // That it is gone is learnt by silence, which takes longer than there is.
            if self.sio_conns[index].server_open && self.sio_conns[index].up.vanishing {
                self.sio_gone(index, false);
                self.sio_loses(index, Disconnect::Lost);
            }
        }
    }

    pub(in crate::sim::world) fn sios_have_left(&mut self) {
        for client in 0..self.sios.len() {
            let state = self.sio_session(client).map(Session::state);
            // A namespace that was left is none any more.
            let is_gone = state.is_none() && self.sios[client].plan.carrier.is_some();
            if state != Some(State::Closed) && !is_gone {
                self.checker.violated(format!("14: sio{client} is {state:?} after close"));
            }
        }
    }

    /// When the last of those who sleep wakes up.
    pub(in crate::sim::world) fn sios_awake(&self) -> Option<u64> {
        self.sios.iter().filter_map(|client| client.frozen_until).max()
    }

    /// How long an answer of a server that gives none is waited for, beside all else.
    pub(in crate::sim::world) fn sios_drain(&self) -> u64 {
        if self.sios.is_empty() { 0 } else { 30 * SECOND }
    }
}
