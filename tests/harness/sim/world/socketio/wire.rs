//! The connections of Socket.IO clients: dials, what is written and what arrives, and how they are lost. A namespace beside the first
//! has none of its own: what it writes and hears goes over its carrier's.

use super::SioEvent;
use crate::sim::SECOND;
use crate::sim::action::{Trigger, TriggerSource};
use crate::sim::net::Packet;
use crate::sim::plan::{DialFate, DialFaults};
use crate::sim::server::Process;
use crate::sim::socketio::SioConn;
use crate::sim::world::{SimEvent, World};
use rejoin::machine::{ConnId, Disconnect, Input};
use rejoin::socketio::{ClientEvent, ClientPacket, ServerPacket, Session};
use rejoin::{DialError, DialErrorKind, State};
use std::time::Duration;

impl World {
    /// The connection with this number, if the client still has it.
    pub(super) fn sio_socket(&self, client: usize, id: ConnId) -> Option<usize> {
        self.sio_conns.iter().rposition(|conn| conn.client == client && conn.id == id && conn.client_open)
    }

    /// The newest connection that a client has.
    pub(super) fn sio_newest(&self, client: usize) -> Option<usize> {
        self.sio_conns.iter().rposition(|conn| conn.client == client && conn.client_open)
    }

    pub(super) fn sio_dials(&mut self, client: usize, id: ConnId, attempt: u32) {
        let link = self.sio_link(client);
        let open = self.sio_conns.iter().filter(|conn| conn.client == client && conn.client_open).count();
        let state = &mut self.sios[client];
        let sockets = open + usize::from(state.dialing.is_some());
        state.dialing = Some(id);
        let (process, monotonic) = (state.process, state.monotonic(self.now));
        let (luck, detail) = (state.rng.u8(..100), state.rng.u32(..));
        self.checker.dialled(link, monotonic, attempt, sockets, false);
        self.moment(TriggerSource::Sio(client), Trigger::Dials);
        let blocked = self.sio_takes_transport(client);
        let faults = if self.calm { DialFaults::default() } else { self.plan.dial };
        let latency = self.plan.latency.0.midpoint(self.plan.latency.1);
        let fate =
            blocked.map_or_else(|| faults.fate(luck, detail), |how| DialFate::Fails(DialError::new(how, "")));
        let error = match fate {
            DialFate::Fails(error) => error,
            DialFate::Hangs => return,
            DialFate::Reaches => {
                return self.later(latency, SimEvent::SioEvent(SioEvent::Reaches { client, process, id }));
            }
        };
        let ends = SioEvent::DialEnds { client, process, id, result: Err(error) };
        self.later(2 * latency, SimEvent::SioEvent(ends));
    }

    pub(super) fn sio_reaches(&mut self, client: usize, process: u64, id: ConnId) {
        let (least, most) = self.plan.latency;
        let latency = self.sios[client].rng.u64(least..=most);
        let result = match self.nodes[0].process {
            Process::Frozen(_) => return,
            Process::Down(_) => Err(DialError::new(DialErrorKind::Refused, "")),
            Process::Up if self.nodes[0].draining_until.is_some() => {
                let retry_after = Some(Duration::from_secs(2));
                Err(DialError::new(DialErrorKind::Http(503), "").with_retry_after(retry_after))
            }
            Process::Up => {
                self.sio_conns.push(SioConn::new(client, id, self.now, latency));
                Ok(self.sio_conns.len() - 1)
            }
        };
        if let Ok(index) = result {
            // The upgrade's answer comes before the engine's first word.
            self.sio_conns[index].down.hold(self.now + latency + 1);
            self.sio_greets(index);
        }
        let ends = SioEvent::DialEnds { client, process, id, result };
        self.later(latency, SimEvent::SioEvent(ends));
    }

    pub(super) fn sio_dial_ends(
        &mut self,
        client: usize,
        process: u64,
        id: ConnId,
        result: Result<usize, DialError>,
    ) {
        let state = &self.sios[client];
        let same = state.process == process && state.manager.is_some();
        let awaited = same && state.dialing == Some(id);
        if awaited {
            self.sios[client].dialing = None;
        }
        match result {
            Ok(index) if awaited => {
                self.sio_conns[index].client_open = true;
                self.sio_conns[index].opened = self.now;
                self.sio_input(client, Input::Opened(id));
            }
            Ok(index) => self.sio_learns(index),
            Err(error) if awaited => self.sio_input(client, Input::DialFailed(id, error)),
            Err(_) => {}
        }
    }

    pub(super) fn sio_writes(&mut self, main: usize, carrier: usize, frame: u64, message: ClientPacket) {
        let Some((client, index, message)) = self.sio_unwraps(main, carrier, message) else { return };
        if let ClientPacket::Emit { event: ClientEvent::Send { content, .. }, .. } = &message {
            let disk = self.sios[client].disk.as_ref().filter(|_| self.sios[client].plan.stores);
            let on_disk =
                disk.is_some_and(|disk| disk.saved().sends.iter().any(|send| send.content == *content));
            let clock = self.sios[client].monotonic(self.now);
            self.checker.sio_writes(client, index, clock, content, on_disk);
            self.sio_observe_own(client, index, content, false);
        }
        match &message {
            ClientPacket::Custom { event, .. } => self.sio_observe_own(client, index, event, true),
            ClientPacket::Kept(event) => self.sio_observe_kept(client, index, event),
            _ => {}
        }
        self.sio_writes_rightly(client, index, &message);
        if let ClientPacket::Emit { event, .. } = &message {
            match event {
                ClientEvent::Send { .. } => self.moment(TriggerSource::Sio(client), Trigger::Transmits),
                ClientEvent::Join { .. } => self.moment(TriggerSource::Sio(client), Trigger::Asks),
                ClientEvent::Leave { .. } => self.moment(TriggerSource::Sio(client), Trigger::Leaves),
            }
        }
        if self.trace.is_readable() {
            self.trace.note(self.now, "socketio", format_args!("{client} writes {message:?} to {index}"));
        }
        let says_goodbye = index != carrier && matches!(message, ClientPacket::Disconnect);
        let conn = &mut self.sio_conns[carrier];
        let latency = conn.latency;
        if let Some((end, at)) = conn.up.write(self.now, latency, &Packet::Ping) {
            let up = SioEvent::Up { conn: index, end, packet: Box::new(message) };
            self.at(at, SimEvent::SioEvent(up));
        }
        if says_goodbye {
            // The server does not answer it.
            self.sio_conns[index].client_open = false;
            self.sio_conns[index].left_at = Some(self.now);
        }
        if self.sio_conns[carrier].unflushed.replace(frame).is_none() {
            let late = !self.calm && self.sios[client].rng.u8(..100) < self.plan.late_flush;
            let wait = if late { self.sios[client].rng.u64(..SECOND / 5) } else { 0 };
            self.later(wait, SimEvent::SioEvent(SioEvent::Flushed { conn: carrier }));
        }
    }

    pub(super) fn sio_arrives(&mut self, index: usize, end: u64, packet: ServerPacket) {
        let carrier = self.sio_carrier(index);
        if !self.sio_conns[carrier].down.take(end) || !self.sio_conns[carrier].client_open {
            return;
        }
        let (client, id) = (self.sio_conns[index].client, self.sio_conns[index].id);
        let answers = matches!(packet, ServerPacket::Connected(_) | ServerPacket::ConnectError(_));
        self.sio_conns[index].is_answered |= answers;
        if !self.sio_conns[index].client_open {
            // Its session has given the namespace up.
            return self.sio_receives(client, id, packet);
        }
        if index != carrier && matches!(packet, ServerPacket::Disconnected | ServerPacket::ConnectError(_)) {
            self.sio_conns[index].client_open = false;
        }
        if matches!(packet, ServerPacket::Connected(_)) {
            let restored = self.sio_conns[index].restored.clone();
            self.checker.sio_consent(client, restored.as_deref());
        }
        let own = Self::own_event_of(&packet);
        let engine = matches!(packet, ServerPacket::Open(_));
        let is_up = self.sio_session(client).map(Session::state) == Some(State::Connected);
        // Before the consent it is not known yet what an event belongs to.
        if matches!(packet, ServerPacket::Connected(_)) {
            let held = std::mem::take(&mut self.sio_conns[index].before);
            let goes_on = self.sio_conns[index].restored.is_some();
            self.sio_may_resume(client, &packet);
            for event in held.iter().filter(|_| goes_on) {
                self.sio_may_resume(client, event);
            }
        } else if is_up {
            self.sio_may_resume(client, &packet);
        } else if matches!(packet, ServerPacket::Event(_)) {
            self.sio_conns[index].before.push(packet.clone());
        }
        let is_dismissed = matches!(packet, ServerPacket::Disconnected) && is_up;
        self.sio_receives(client, id, packet);
        let state = self.sio_session(client).map(Session::state);
        if is_dismissed && !matches!(state, Some(State::Failed | State::Closing | State::Closed)) {
            self.checker.violated(format!("S: sio{client} was thrown out, and is {state:?}"));
        }
        if engine && self.sio_conns[index].client_open {
            self.sio_engine_answers(client, id);
        }
        let is_in = self.sio_conns[index].client_open
            && self.sio_session(client).map(Session::state) == Some(State::Connected);
        if let Some(number) = own.filter(|_| is_in) {
            self.sio_has_heard_own(client, number);
        }
    }

    /// The client's end of a connection is gone.
    pub(super) fn sio_hangs_up(&mut self, index: usize) {
        if std::mem::take(&mut self.sio_conns[index].client_open) {
            for conn in self.sio_conns.iter_mut().filter(|conn| conn.carrier == Some(index)) {
                conn.client_open = false;
            }
            let (client, opened) = (self.sio_conns[index].client, self.sio_conns[index].opened);
            self.checker.lost(self.sio_link(client), self.now - opened);
        }
    }

    /// The client learns that a connection is gone.
    pub(super) fn sio_loses(&mut self, index: usize, how: Disconnect) {
        if !self.sio_conns[index].client_open {
            return;
        }
        let (client, id) = (self.sio_conns[index].client, self.sio_conns[index].id);
        self.sio_hangs_up(index);
        self.sio_input(client, Input::Closed(id, how));
    }

    /// The server is about to learn that the client's end is gone, unless nothing reaches it.
    pub(super) fn sio_learns(&mut self, index: usize) {
        let conn = &mut self.sio_conns[index];
        let latency = conn.latency;
        if let Some((_, at)) = conn.up.write(self.now, latency, &Packet::Reset) {
            self.at(at, SimEvent::SioEvent(SioEvent::Gone { conn: index }));
        }
    }
}
