//! From a dial to an open connection, and what can go wrong on the way.

use super::{SimEvent, World};
use crate::sim::action::{Trigger, TriggerSource};
use crate::sim::coverage::Sometimes;
use crate::sim::net::{Conn, Packet, Pipe, Way};
use crate::sim::plan::{DialFaults, Fleet};
use crate::sim::server::{Process, Server};
use crate::sim::{Micros, SECOND};
use fastrand::Rng;
use rejoin::machine::{ConnId, Input};
use rejoin::{DialError, DialErrorKind, Token};
use rejoin_server::hub;
use std::collections::BTreeSet;
use std::time::Duration;

/// A moment of the server's monotonic clock in the world's time.
pub(super) fn micros(at: rejoin::Timestamp) -> Micros {
    u64::try_from(at.since_start().as_micros()).unwrap_or(u64::MAX)
}

/// The longest `Retry-After` of this world, in seconds.
pub(super) const LONGEST_HINT: u64 = 30;

impl World {
    pub(super) fn dial(
        &mut self,
        client: usize,
        id: ConnId,
        token: Option<Token>,
        offered: bool,
        attempt: u32,
    ) {
        let process = self.processes[client];
        let state = &mut self.clients[client];
        let monotonic = state.moment(self.now).monotonic.since_start().as_micros() as u64;
        let sockets = state.sockets.len() + state.dialing.len();
        let moving = state.sockets.first().is_some_and(|index| self.conns[*index].going_away);
        state.dialing.push(id);
        let (least, most) = self.plan.latency;
        let latency = state.rng.u64(least..=most);
        let luck = state.rng.u8(..100);
        let detail = state.rng.u64(..);
        self.checker.dialled(client, monotonic, attempt, sockets, moving);
        let faults = if self.calm { DialFaults::default() } else { self.plan.dial };
        // One after the other, so that each has its share.
        let shares = [faults.refused, faults.hang, faults.http, faults.other, faults.dropped];
        let total: u32 = shares.iter().map(|share| u32::from(*share)).sum::<u32>().max(100);
        let mut mark = u32::from(luck) * total / 100;
        let hit = shares.iter().position(|share| {
            let hit = mark < u32::from(*share);
            mark = mark.saturating_sub(u32::from(*share));
            hit
        });
        let error = match hit {
            Some(0) => DialError::new(DialErrorKind::Refused, ""),
            Some(1) => return,
            Some(2) => {
                let status = [400, 401, 403, 404, 429, 500, 502, 503][detail as usize % 8];
                let seconds = detail / 16 % (LONGEST_HINT + 1);
                let retry_after = (detail & 8 == 0).then(|| Duration::from_secs(seconds));
                DialError::new(DialErrorKind::Http(status), "").with_retry_after(retry_after)
            }
            Some(3) => {
                use DialErrorKind::{Certificate, Dns, NotWebSocket, Proxy, Tls, Unreachable};
                let kinds = [Certificate, Dns, NotWebSocket, Proxy, Tls, Unreachable];
                DialError::new(kinds[detail as usize % kinds.len()], "")
            }
            _ => {
                let happening = SimEvent::Accept { client, process, id, latency, token, offered };
                return self.later(latency, happening);
            }
        };
        self.later(2 * latency, SimEvent::DialEnds { client, process, id, result: Err(error) });
    }

    pub(super) fn accept(
        &mut self,
        client: usize,
        process: u64,
        id: ConnId,
        latency: Micros,
        token: Option<&Token>,
        offered: bool,
    ) {
        let node = self.balanced(client);
        let refused = match self.nodes[node].process {
            // The kernel accepts, nobody answers.
            Process::Frozen(_) => return,
            Process::Down(_) => Some(DialError::new(DialErrorKind::Refused, "")),
            // One in four was let in before the drain began.
            Process::Up
                if self.nodes[node].draining_until.is_some() && !self.conns.len().is_multiple_of(4) =>
            {
                let retry_after = Some(Duration::from_secs(2));
                Some(DialError::new(DialErrorKind::Http(503), "").with_retry_after(retry_after))
            }
            Process::Up => None,
        };
        if let Some(error) = refused {
            let result = Err(error);
            return self.later(latency, SimEvent::DialEnds { client, process, id, result });
        }
        let index = self.conns.len();
        let mut rng = Rng::with_seed(self.clients[client].rng.u64(..));
        let gateway = match self.plan.server.fleet {
            Fleet::Mixed(plain) => rng.u8(..100) >= plain,
            Fleet::Plain | Fleet::Extended => true,
        };
        let extended = offered && gateway && self.nodes[node].speaks_extended();
        let dropped = !self.calm && rng.u8(..100) < self.plan.dial.dropped;
        let lifetime = rng.u64(..2 * SECOND);
        let mute = !self.calm && extended && rng.u8(..100) < self.plan.dial.mute;
        let silence = rng.u64(..4 * SECOND);
        let other = self.plan.server.versions && rng.bool();
        let in_flight = rng.u64(1..=self.plan.server.in_flight);
        let mut conn = Conn {
            client,
            node,
            name: self.clients[client].name.clone(),
            user: self.clients[client].user,
            id,
            latency,
            rng,
            up: Pipe::default(),
            down: Pipe::default(),
            opened: 0,
            client_open: false,
            answered: false,
            server_open: true,
            extended,
            offered,
            in_flight: other.then_some(in_flight),
            rooms: BTreeSet::new(),
            unflushed: None,
            last_message: None,
            forgets: None,
            mute_until: if mute { self.now + 10 * SECOND + silence } else { 0 },
            unsaid: Vec::new(),
            cut_at_ack: false,
            going_away: false,
            draining: false,
            eats_pings: self.eats_pings && client == 0,
            heard_at: self.now,
            hides: BTreeSet::new(),
            thrown_out: false,
            tampered: false,
            expires: None,
            warned: false,
            told_to_go: false,
            bad_tokens: 0,
        };
        if let (Some((way, byte)), 0) = (self.cut, index) {
            conn.pipe(way).cut_beyond(byte);
        }
        self.conns.push(conn);
        if other && extended {
            self.checker.cover.reach(Sometimes::OtherVersion);
        }
        if mute {
            self.later(10 * SECOND + silence, SimEvent::Speaks { conn: index });
        }
        if dropped {
            self.later(lifetime, SimEvent::Dropped { conn: index });
        }
        // The upgrade's answer and what follows it arrive in this order.
        self.later(latency, SimEvent::DialEnds { client, process, id, result: Ok(index) });
        let state = &self.clients[client];
        if token == Some(&state.token(state.token_serial)) {
            let user = state.name.clone();
            let expires = self.token_end();
            self.conns[index].expires = expires.map(micros);
            self.hub(hub::Input::Connected { conn: hub::ConnId(index as u64), user, extended, expires });
            self.looks_banned(index);
            if self.nodes[node].draining_until.is_some() && self.conns[index].server_open {
                self.checker.violated(format!("2.2: connection {index} is let in by a server that drains"));
            }
        } else {
            self.write(index, Way::Down, Packet::Close(4001));
            self.conns[index].server_open = false;
        }
    }

    /// When a token that is shown now will be over.
    pub(super) fn token_end(&self) -> Option<rejoin::Timestamp> {
        let ends = self.plan.token_source.is_some() && !self.calm;
        let life = self.plan.server.token_life.filter(|_| ends)?;
        Some(Server::moment(self.now + life).monotonic)
    }

    pub(super) fn dial_ends(
        &mut self,
        client: usize,
        process: u64,
        id: ConnId,
        result: Result<usize, DialError>,
    ) {
        let same = self.processes[client] == process && self.clients[client].session.is_some();
        let awaited = same && self.clients[client].dialing.contains(&id);
        self.clients[client].dialing.retain(|dialing| !same || *dialing != id);
        match result {
            Ok(index) if awaited => {
                self.conns[index].client_open = true;
                self.conns[index].opened = self.now;
                self.clients[client].sockets.push(index);
                self.checker.conn_is(client, index);
                if self.clients[client].sockets.len() > 1 {
                    self.checker.cover.reach(Sometimes::TwoSockets);
                    self.moment(TriggerSource::Client(client), Trigger::Handover);
                    let session = self.clients[client].session.as_ref();
                    if session.is_some_and(|session| session.diagnostics().outbox_len > 0) {
                        self.checker.cover.reach(Sometimes::HandoverUnanswered);
                    }
                }
                self.input(client, Input::Opened(id));
            }
            Ok(index) => {
                // A driver that is a little behind may still report it; the machine must not care.
                let late = self.conns[index].rng.bool();
                self.write(index, Way::Up, Packet::Reset);
                if same && late {
                    self.checker.cover.reach(Sometimes::StaleOpened);
                    self.input(client, Input::Opened(id));
                }
            }
            Err(error) if same => {
                if !self.clients[client].sockets.is_empty() {
                    self.checker.cover.reach(Sometimes::HandoverDialFailed);
                }
                self.input(client, Input::DialFailed(id, error));
            }
            Err(_) => {}
        }
    }
}
