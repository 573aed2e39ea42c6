//! The network, and the delivery of packets to the server.

use super::faults::STRAY;
use super::{SimEvent, World};
use crate::sim::checker::place;
use crate::sim::net::{Packet, Pipe, Way};
use crate::sim::server::Process;
use rejoin_server::hub;

impl World {
    pub(super) fn write(&mut self, index: usize, way: Way, packet: Packet) {
        let conn = &mut self.conns[index];
        let latency = conn.latency + conn.rng.u64(..=conn.latency / 4);
        let now = self.now;
        if let Packet::Text(text) = &packet {
            self.trace.mix_text(text);
        }
        if let Some((end, at)) = conn.pipe(way).write(now, latency, &packet) {
            self.at(at, SimEvent::Arrive { conn: index, way, end, packet });
        }
    }

    pub(super) fn cut(&mut self, index: usize, luck: u64) {
        self.trace.note(self.now, "net", format_args!("cut connection {index}"));
        self.conns[index].up.cut(luck);
        self.conns[index].down.cut(luck >> 16);
        self.reset(index);
    }

    /// Beyond the cut nothing arrives; that the connection is gone is learnt all the same, a little later.
    fn reset(&mut self, index: usize) {
        for way in [Way::Up, Way::Down] {
            let latency = self.conns[index].latency;
            let pipe: &mut Pipe = self.conns[index].pipe(way);
            if let Some((_, at)) = pipe.write(self.now, latency, &Packet::Reset) {
                self.at(at, SimEvent::Arrive { conn: index, way, end: 0, packet: Packet::Reset });
            }
        }
    }

    /// A packet came to a cut that was there from the beginning: both ends learn that the connection is gone.
    pub(super) fn broken(&mut self, index: usize, way: Way) {
        if self.cut.is_some_and(|(cut, _)| cut == way) && index == 0 && !self.conns[index].pipe(way).vanishing
        {
            self.cut = None;
            self.cut(index, 0);
        }
    }

    pub(super) fn arrive_up(&mut self, index: usize, end: u64, packet: Packet) {
        let node = self.conns[index].node;
        match self.nodes[node].process {
            Process::Frozen(_) => {
                self.server_backlogs[node].push(SimEvent::Arrive { conn: index, way: Way::Up, end, packet });
                return;
            }
            Process::Up | Process::Down(_) => {}
        }
        if !self.conns[index].up.take(end) {
            return self.broken(index, Way::Up);
        }
        if !self.conns[index].server_open {
            return;
        }
        if self.conns[index].client_open {
            self.flush(index);
        }
        let conn = hub::ConnId(index as u64);
        match packet {
            Packet::Text(text) => {
                if self.answers_own(index, &text) {
                    self.conns[index].heard_at = self.now;
                    self.hub(hub::Input::Activity { conn });
                    return;
                }
                if !self.conns[index].extended {
                    self.checker.plain_up(&text);
                }
                if self.trace.is_readable() {
                    self.trace.note(self.now, "server", format_args!("{index} says {}", shortened(&text)));
                }
                if text.contains(STRAY) && (!self.conns[index].rooms.is_empty() || self.join_waits(index)) {
                    // It has become a member meanwhile, or is about to.
                    return;
                }
                if self.answers_stubbornly(index, &text) {
                    return;
                }
                if text.starts_with("{\"type\":\"leave_room\"") {
                    self.leaves(index, &text);
                } else if text.starts_with("{\"type\":\"join_room\"")
                    && (!self.conns[index].extended || !text.contains("\"ref\""))
                {
                    // Nothing will say that it is done.
                    self.enters(index, &text);
                }
                self.outlives_token(index);
                self.ask_hub(index, &text);
            }
            Packet::Ping => {
                self.write(index, Way::Down, Packet::Pong);
                self.conns[index].heard_at = self.now;
                self.hub(hub::Input::Activity { conn });
            }
            Packet::Pong => {
                self.conns[index].heard_at = self.now;
                self.hub(hub::Input::Activity { conn });
            }
            Packet::Close(code) => {
                self.write(index, Way::Down, Packet::Close(code));
                self.server_hangs_up(index, code == 1000);
            }
            Packet::Reset => self.server_hangs_up(index, false),
        }
    }

    /// A connection is out of a room, or asks to be.
    pub(super) fn leaves(&mut self, index: usize, text: &str) {
        for room in 0..self.plan.rooms {
            let name = Self::room(room);
            if text.contains(name.as_str()) && self.conns[index].rooms.remove(&room) {
                self.checker.list_ends(index, place(&name, 0));
            }
        }
    }

    /// A connection is about to be a member of a room.
    pub(super) fn enters(&mut self, index: usize, text: &str) {
        let user = self.conns[index].name.clone();
        for room in 0..self.plan.rooms {
            let name = Self::room(room);
            if text.contains(name.as_str()) {
                self.conns[index].rooms.insert(room);
                self.checker.member_back(place(&name, 0), &user);
            }
        }
    }

    pub(super) fn server_hangs_up(&mut self, index: usize, clean: bool) {
        self.conns[index].server_open = false;
        self.members_change(index, clean);
        self.hub(hub::Input::Disconnected { conn: hub::ConnId(index as u64), clean });
    }

    /// A connection is about to be forgotten by the hub.
    pub(super) fn members_change(&mut self, index: usize, clean: bool) {
        let user = self.conns[index].name.clone();
        let hub = &self.nodes[self.conns[index].node].hub;
        let of_node = self.join_may_wait();
        let is_in =
            |room: usize| !of_node || hub.members(&Self::room(room)).any(|(conn, _)| conn.0 == index as u64);
        let rooms: Vec<usize> = self.conns[index].rooms.iter().copied().filter(|room| is_in(*room)).collect();
        self.conns[index].rooms.clear();
        for room in rooms {
            // Who goes in peace has no grace.
            if !clean {
                self.checker.member_lost(place(&Self::room(room), 0), &user);
            }
        }
    }

    /// What a client's queue at the server has room for again.
    pub(super) fn look_drained(&mut self, index: usize) {
        let conn = &mut self.conns[index];
        if conn.draining && conn.down.queued() == 0 {
            conn.draining = false;
            self.later(0, SimEvent::Drained { conn: index });
        }
    }

    pub(super) fn drained(&mut self, index: usize) {
        let node = self.conns[index].node;
        if self.nodes[node].process == Process::Up && self.conns[index].server_open {
            self.hub(hub::Input::QueueDrained { conn: hub::ConnId(index as u64) });
        } else if matches!(self.nodes[node].process, Process::Frozen(_)) {
            self.server_backlogs[node].push(SimEvent::Drained { conn: index });
        }
    }
}

/// The beginning of a text, without padding.
pub(super) fn shortened(text: &str) -> String {
    let text = text.replace("  ", "");
    text.chars().take(400).collect()
}
