//! Faults as they strike.

use super::{Happening, World};
use crate::sim::SECOND;
use crate::sim::net::{Packet, Way};
use crate::sim::plan::Fault;
use crate::sim::server::Process;
use rejoin::{Hint, Input};
use rejoin_server::hub;
use std::time::Duration;

impl World {
    pub(super) fn next_fault(&mut self) {
        if self.calm {
            return;
        }
        if let Some(fault) = self.rng.choice(self.plan.faults.clone()) {
            self.fault(fault);
        }
        let delay = self.rng.u64(..=2 * self.plan.fault_every);
        self.later(delay, Happening::Fault);
    }

    pub(super) fn open_conn(&mut self) -> Option<usize> {
        let open: Vec<usize> = self.clients.iter().filter_map(|client| client.conn).collect();
        self.rng.choice(open)
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        self.trace.note(self.now, "fault", format_args!("{fault:?}"));
        let client = self.rng.usize(..self.clients.len());
        match fault {
            Fault::Cut => {
                if let Some(index) = self.open_conn() {
                    self.cut(index);
                }
            }
            Fault::HalfOpenUp | Fault::HalfOpenDown | Fault::HalfOpenBoth => {
                if let Some(index) = self.open_conn() {
                    self.conns[index].up.vanishing |= fault != Fault::HalfOpenDown;
                    self.conns[index].down.vanishing |= fault != Fault::HalfOpenUp;
                }
            }
            Fault::CloseCode => self.close_with_some_code(),
            Fault::Garbage => {
                if let Some(index) = self.open_conn() {
                    let garbage = [
                        "{{{",
                        "",
                        "[]",
                        "{\"type\":7}",
                        "{\"type\":\"presence_v9\",\"roomId\":{}}",
                        "{\"type\":\"message\",\"roomId\":3}",
                        "<html>",
                    ];
                    let text = garbage[self.rng.usize(..garbage.len())].to_owned();
                    self.write(index, Way::Down, Packet::Text(text));
                }
            }
            Fault::FreezeServer => {
                if self.server.process == Process::Up {
                    let until = self.now + self.rng.u64(SECOND / 10..90 * SECOND);
                    self.server.process = Process::Frozen(until);
                    self.at(until, Happening::ServerBack);
                }
            }
            Fault::CrashServer => {
                if !matches!(self.server.process, Process::Down(_)) {
                    self.server_down();
                }
            }
            Fault::DrainServer => {
                if self.server.process == Process::Up && self.server.draining_until.is_none() {
                    let window = Duration::from_micros(self.rng.u64(..10 * SECOND));
                    let until = self.now + 30 * SECOND;
                    self.server.draining_until = Some(until);
                    self.at(until, Happening::ServerBack);
                    self.hub(hub::Input::Drain { window });
                }
            }
            Fault::Sleep | Fault::FreezeClient => self.freeze(client, fault == Fault::Sleep),
            Fault::WallJump => {
                let hour = 3_600_000;
                self.clients[client].wall_ahead += self.rng.i64(-hour..=hour);
            }
            Fault::Hint => {
                let hint =
                    [Hint::Online, Hint::Offline, Hint::NetworkChanged, Hint::Woke][self.rng.usize(..4)];
                if self.clients[client].frozen_until.is_none() {
                    self.input(client, Input::Hint(hint));
                }
            }
            Fault::User => self.user_interferes(client),
            Fault::SlowServer => {
                if let Some(index) = self.open_conn() {
                    let until = self.now + self.rng.u64(..20 * SECOND);
                    self.conns[index].up.hold(until);
                }
            }
        }
    }

    pub(super) fn close_with_some_code(&mut self) {
        let Some(index) = self.open_conn().filter(|index| self.conns[*index].server_open) else { return };
        if self.server.process != Process::Up {
            return;
        }
        let codes = [
            1000, 1001, 1001, 1002, 1005, 1008, 1009, 1011, 1012, 1013, 4000, 4001, 4002, 4003, 4008, 4010,
            4012, 4013, 4500,
        ];
        let code = codes[self.rng.usize(..codes.len())];
        if matches!(code, 4001 | 4002) && self.rng.bool() {
            let client = self.conns[index].client;
            self.clients[client].token_serial += 1;
        }
        self.write(index, Way::Down, Packet::Close(code));
        self.server_hangs_up(index);
    }

    pub(super) fn freeze(&mut self, client: usize, asleep: bool) {
        if self.clients[client].frozen_until.is_some() {
            return;
        }
        let longest = if self.rng.u8(..4) == 0 { 7200 } else { 90 };
        let time = self.rng.u64(SECOND / 10..longest * SECOND);
        self.clients[client].frozen_until = Some(self.now + time);
        self.clients[client].asleep = asleep;
        if asleep
            && self.rng.u8(..10) < 6
            && let Some(index) = self.clients[client].conn
        {
            self.conns[index].up.vanishing = true;
            self.conns[index].down.vanishing = true;
        }
        if asleep {
            // The whole time is known now: nothing asks for the clock before it is over.
            self.clients[client].missed(time);
        }
        self.later(time, Happening::Thaw { client });
    }

    pub(super) fn thaw(&mut self, client: usize) {
        let Some(until) = self.clients[client].frozen_until.take() else { return };
        debug_assert!(until <= self.now);
        let backlog = std::mem::take(&mut self.client_backlog[client]);
        // Either the socket or the timer is served first: a driver promises nothing.
        let timer_first = self.rng.bool();
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
