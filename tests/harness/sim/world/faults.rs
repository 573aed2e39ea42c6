//! Executes faults.

use super::dials::micros;
use super::{SimEvent, World};
use crate::sim::SECOND;
use crate::sim::action::{Action, LogOwner};
use crate::sim::checker::{PERSONAL, log_id, place};
use crate::sim::client::Death;
use crate::sim::coverage::Sometimes;
use crate::sim::net::{Conn, Packet, Way};
use crate::sim::server::{Crash, Process};
use rejoin::machine::Input;
use rejoin::{Id, Name};
use rejoin_server::hub;
use std::time::Duration;

/// What a stranger signals.
pub(super) const STRAY: &str = "stray";

impl World {
    /// A connection of a client that the server still has.
    fn served(&self, client: usize) -> Option<usize> {
        let index = self.clients.get(client)?.newest()?;
        let node = &self.nodes[self.conns[index].node];
        let serves = self.conns[index].server_open && node.process == Process::Up;
        (serves && !self.is_mute(index)).then_some(index)
    }

    pub(super) fn fault(&mut self, act: &Action) {
        match *act {
            Action::Cut { client, luck } => {
                if let Some(index) = self.clients[client].newest() {
                    self.cut(index, luck);
                }
            }
            Action::Vanish { client, up, down } => {
                if let Some(index) = self.clients[client].newest() {
                    self.conns[index].up.vanishing |= up;
                    self.conns[index].down.vanishing |= down;
                }
            }
            Action::Hold { client, way, time } => {
                if let Some(index) = self.clients[client].newest() {
                    // What is said again may arrive when its producer is forgotten, if it is on its way for longer than
                    // what is left of the window: nothing can be promised of that (protocol.md §2.2, `dedupeWindowMs`).
                    let longest = if way == Way::Up { self.plan.server.dedupe_window / 3 } else { time };
                    let until = self.now + time.min(longest);
                    self.conns[index].pipe(way).hold(until);
                }
            }
            Action::CloseCode { client, code, new_token } => {
                if let Some(index) = self.served(client) {
                    if matches!(code, 4001 | 4002) && new_token {
                        self.clients[client].token_serial += 1;
                    }
                    self.write(index, Way::Down, Packet::Close(code));
                    self.server_hangs_up(index, false);
                }
            }
            Action::Garbage { client, which } => {
                if let Some(index) = self.served(client) {
                    self.garbage(index, which);
                }
            }
            Action::ByzantineFrame { client, lie } => {
                if let Some(index) = self.served(client).filter(|index| self.conns[*index].extended) {
                    self.lie(index, lie);
                }
            }
            Action::FixedAnswer { client, what, time } => self.stubborn.push((client, what, self.now + time)),
            Action::Forget { client, what, count } => {
                if let Some(index) = self.served(client) {
                    self.conns[index].forgets = Some((what, count));
                }
            }
            Action::CutAtAck { client } => {
                if let Some(index) = self.served(client) {
                    self.conns[index].cut_at_ack = true;
                }
            }
            Action::Sleep { client, time, sockets_die } => self.freeze(client, time, true, sockets_die),
            Action::Freeze { client, time } => self.freeze(client, time, false, false),
            Action::WallJump { client, millis } => {
                // A clock that is set back over a sleep hides it from everybody: that is not asked of anybody.
                if self.clients[client].is_running() {
                    self.clients[client].wall_ahead += millis;
                    self.input(client, Input::Tick);
                } else if self.clients[client].session.is_none() {
                    self.clients[client].wall_ahead += millis;
                }
            }
            Action::Hint { client, hint } => {
                if self.clients[client].is_running() {
                    self.checker.counts_anew(client);
                    self.input(client, Input::Hint(hint));
                }
            }
            Action::CrashClient { client, outputs, down, power } => {
                if self.clients[client].is_running() {
                    self.clients[client].death = Some(Death { outputs, down, power });
                    if outputs == 0 {
                        self.dies(client);
                    }
                }
            }
            Action::OtherUser { client, down } => {
                if self.clients[client].is_running() && self.clients[client].plan.stores {
                    self.clients[client].changes_user = true;
                    self.clients[client].death = Some(Death { outputs: 0, down, power: false });
                    self.dies(client);
                }
            }
            Action::Revoke { client } => self.clients[client].token_serial += 1,
            Action::Notify { client, count } => {
                for _ in 0..count {
                    self.notify(client);
                }
            }
            Action::StaleFrame { client, what } => {
                if self.clients[client].is_running() {
                    self.stale(client, what);
                }
            }
            Action::Kick { client, ban } => self.kick(client, ban),
            Action::Post { room, again, keyed } => self.post(room, again, keyed),
            Action::Aimed { of, moment, after, ref act } => self.aim(of, moment, after, act),
            Action::Handover { .. } | Action::Remove { .. } | Action::Stray { .. } => self.gateway_fault(act),
            _ => self.server_fault(act),
        }
    }

    /// What befalls one extended connection.
    fn gateway_fault(&mut self, act: &Action) {
        if let Action::Remove { client, room } = *act {
            return self.remove(client, room);
        }
        let (Action::Handover { client, .. } | Action::Stray { client, .. }) = *act else { return };
        let Some(index) = self.served(client).filter(|index| self.conns[*index].extended) else { return };
        match *act {
            Action::Handover { window, url, patience, .. } => {
                self.going_away(index, window, url);
                self.later(patience, SimEvent::GatewayGone { conn: index });
            }
            Action::Stray { room, .. } => self.strays(index, room),
            _ => {}
        }
    }

    /// The operator takes a user out of a room, where everybody of that user understands it.
    fn remove(&mut self, client: usize, room: usize) {
        let user = self.clients[client].name.clone();
        let mine = self
            .conns
            .iter()
            .enumerate()
            .filter(|(_, conn)| conn.server_open && conn.name == user && conn.rooms.contains(&room));
        let mine: Vec<usize> = mine.map(|(index, _)| index).collect();
        let node = self.struck();
        if self.nodes[node].process != Process::Up || mine.iter().any(|index| !self.conns[*index].extended) {
            return;
        }
        let at = place(&Self::room(room), 0);
        for index in mine {
            self.conns[index].rooms.remove(&room);
            self.checker.list_ends(index, at);
        }
        self.checker.member_removed(at, &user);
        self.hub_at(node, hub::Input::Remove { room: Self::room(room), user });
    }

    /// A connection signals to a room that it is not in.
    fn strays(&mut self, index: usize, room: usize) {
        self.stray_request(index, room);
        let hub = &self.nodes[self.conns[index].node].hub;
        // A removal that no other node has heard of leaves it in.
        let is_in = hub.members(&Self::room(room)).any(|(conn, _)| conn.0 == index as u64);
        if !is_in && !self.conns[index].rooms.contains(&room) {
            let text = format!("{{\"type\":\"signal\",\"roomId\":\"room{room}\",\"kind\":\"{STRAY}\"}}");
            self.write(index, Way::Up, Packet::Text(text.into()));
        }
    }

    pub(super) fn notify(&mut self, client: usize) {
        let speaks =
            |node: &usize| self.nodes[*node].process == Process::Up && self.nodes[*node].speaks_extended();
        // A backend asks another node where one cannot do it.
        let Some(node) = std::iter::once(self.struck()).chain(0..self.nodes.len()).find(speaks) else {
            return;
        };
        self.notes += 1;
        let user = self.clients[client].user;
        let data = Some(format!("\"u{}-{}\"", PERSONAL as usize + user, self.notes));
        let name = self.clients[client].name.clone();
        self.hub_at(node, hub::Input::Notify { call: 0, user: name, kind: Name::from("note"), data });
    }

    fn server_fault(&mut self, act: &Action) {
        let node = self.struck();
        let up = self.nodes[node].process == Process::Up;
        match *act {
            Action::FreezeServer { time } if up => {
                let time = time.min(self.longest_standstill());
                let until = self.now + time;
                let server = &mut self.nodes[node];
                server.process = Process::Frozen(until);
                server.overdue = server.hub.next_deadline().map_or(until, |due| micros(due).max(self.now));
                server.look_at_deadline();
                let is_open = |conn: &Conn| conn.node == node && conn.server_open && conn.client_open;
                let open = self.conns.iter().any(is_open);
                if time > 12 * SECOND && open {
                    let conns = self.conns.iter().enumerate().filter(|(_, conn)| is_open(conn));
                    self.outlived = conns.map(|(index, _)| index).collect();
                }
                self.at(until, SimEvent::ServerBack { node });
            }
            Action::CrashServer { down, fate, at_commit, speaks_extended } => {
                let crash = Crash { down, fate, speaks_extended };
                if up && at_commit {
                    self.nodes[node].dies_at_commit = Some(crash);
                } else if !matches!(self.nodes[node].process, Process::Down(_)) {
                    self.server_down(node, crash);
                }
            }
            Action::DrainServer { window } if up && self.nodes[node].draining_until.is_none() => {
                let until = self.now + 30 * SECOND;
                self.nodes[node].draining_until = Some(until);
                self.nodes[node].drain_window = window;
                self.at(until, SimEvent::ServerBack { node });
                self.hub_at(
                    node,
                    hub::Input::Drain {
                        window: Duration::from_micros(window),
                        reason: hub::DrainReason::Restart,
                    },
                );
                if window > 0 {
                    self.all_are_told_to_go(node);
                }
            }
            Action::Crop { .. } | Action::Trim { .. } | Action::NewEpoch { .. } if self.shared.is_some() => {
                self.shared_fault(act);
            }
            Action::Node(ref what) => self.node_fault(what),
            Action::Crop { log, count } if up => {
                let (name, count) = (self.log_name(log), usize::try_from(count).unwrap_or(0));
                self.nodes[node].hub.store_mut().truncate_newest(&name, count);
                self.observe();
            }
            Action::Trim { log, keep } if up => {
                let name = self.log_name(log);
                self.hides_what_was_not_read(log);
                self.nodes[node].hub.store_mut().trim(&name, keep);
                self.observe();
            }
            Action::NewEpoch { log } if up => {
                let name = self.log_name(log);
                let epoch = Id::from_bits(self.rng.u64(..), self.rng.u32(..));
                if self.nodes[node].hub.members(&name).next().is_some() {
                    self.checker.cover.reach(Sometimes::EpochEndedLive);
                }
                self.checker.epoch_ends(log_id(&name));
                self.nodes[node].hub.store_mut().begin_epoch(&name, epoch);
                self.observe();
            }
            _ => {}
        }
    }

    /// A log is about to lose its beginning. Of that, what a connection had not taken yet is told by what is said next; so
    /// is what the notice of has not reached its node, of several.
    pub(super) fn hides_what_was_not_read(&mut self, log: LogOwner) {
        let several = self.nodes.len() > 1;
        for conn in self.conns.iter_mut().filter(|conn| (conn.draining || several) && conn.server_open) {
            let at = match log {
                LogOwner::Room(room) => place(&Self::room(room), 0),
                LogOwner::Stream(_) => place("@me", conn.user),
            };
            conn.hides.insert(at);
        }
    }

    /// The connections that were open while the server stood still for long, and still are.
    pub(super) fn looks_outlived(&mut self) {
        let outlived = std::mem::take(&mut self.outlived);
        if outlived.into_iter().any(|index| self.conns[index].client_open && self.conns[index].server_open) {
            self.checker.cover.reach(Sometimes::FrozenServerOutlived);
        }
    }
}
