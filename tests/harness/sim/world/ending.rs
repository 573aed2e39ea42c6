//! The faults stop, everybody has to come back, then everybody leaves.

use super::{Happening, RECOVERY, World};
use crate::sim::server::Process;
use crate::sim::{Micros, SECOND};
use rejoin::{Command, State};

impl World {
    /// The faults stop. What was broken stays broken until somebody notices.
    pub(super) fn calm_down(&mut self) {
        self.trace.note(self.now, "world", format_args!("calms down"));
        self.calm = true;
        if self.server.draining_until.is_some() {
            // It would refuse everybody for good: what follows a drain is a restart.
            self.server_down();
        } else if self.server.process != Process::Up {
            self.server_back();
        }
        for client in 0..self.clients.len() {
            if self.clients[client].frozen_until.is_some() && !self.clients[client].asleep {
                self.clients[client].frozen_until = Some(self.now);
                self.thaw(client);
            }
            if self.rng.bool() && self.clients[client].frozen_until.is_none() {
                let serial = self.clients[client].token_serial;
                let token = self.clients[client].token(serial);
                self.checker.revived(client);
                self.command(client, Command::SetToken(token));
                self.command(client, Command::Connect);
            }
        }
        // Who sleeps wakes up by himself; the time to recover counts from then.
        let asleep = self.clients.iter().filter_map(|client| client.frozen_until).max();
        let from = asleep.unwrap_or(self.now).max(self.now);
        self.at(from + RECOVERY, Happening::Probe);
    }

    pub(super) fn is_living(&self, client: usize) -> bool {
        !matches!(self.clients[client].session.state(), State::Failed | State::Closed)
    }

    pub(super) fn probe(&mut self) {
        for client in 0..self.clients.len() {
            if !self.is_living(client) {
                continue;
            }
            if !self.clients[client].session.is_ready() {
                let state = self.clients[client].session.state();
                self.checker
                    .violated(format!("9: u{client} is not back after the faults stopped: {state:?}"));
            }
            if self.clients[client].session.diagnostics().outbox_len > 0 {
                self.checker.violated(format!("9: u{client} is back but its outbox does not drain"));
            }
        }
        for room in 0..self.plan.rooms {
            // One after the other: the smallest outbox holds one send.
            self.later(room as Micros * SECOND, Happening::ProbeRoom(room));
        }
        self.later(30 * SECOND, Happening::Farewell);
    }

    pub(super) fn probe_room(&mut self, room: usize) {
        let name = Self::room(room);
        let mut members: Vec<String> =
            self.server.hub.members(&name).map(|(_, user)| user.to_string()).collect();
        members.sort();
        let expected: Vec<usize> = (0..self.clients.len())
            .filter(|c| self.is_living(*c) && self.clients[*c].wanted.contains(&room))
            .collect();
        let names: Vec<String> = expected.iter().map(|c| self.clients[*c].name.clone()).collect();
        if members != names {
            self.checker.violated(format!("15: {name} has members {members:?}, expected {names:?}"));
            return;
        }
        for client in &expected {
            let content = self.send_to(*client, room);
            self.probes.extend(expected.iter().map(|receiver| (*receiver, content.clone())));
        }
    }

    pub(super) fn farewell(&mut self) {
        for (client, content) in std::mem::take(&mut self.probes) {
            if !self.checker.was_delivered(client, &content) {
                self.checker.violated(format!("9: {content} did not reach u{client} on a calm network"));
            }
        }
        for client in 0..self.clients.len() {
            self.command(client, Command::Close);
        }
        self.later(20 * SECOND, Happening::End);
    }

    pub(super) fn end(&mut self) {
        for client in 0..self.clients.len() {
            let session = &self.clients[client].session;
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
