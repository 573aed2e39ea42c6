//! The server of Socket.IO clients: the engine, one namespace, and a seat in the hub for each client that is let in.

use super::SioEvent;
use crate::sim::SECOND;
use crate::sim::action::{Trigger, TriggerSource};
use crate::sim::checker::{key, place};
use crate::sim::coverage::Sometimes;
use crate::sim::net::Packet;
use crate::sim::server::Process;
use crate::sim::socketio::{FIRST_USER, Lost, Member, SioTrigger};
use crate::sim::world::{SimEvent, World};
use rejoin::Name;
use rejoin::machine::{Disconnect, ServerMessage};
use rejoin::messages::json::encode_client;
use rejoin::socketio::{
    Answer, ClientEvent, ClientPacket, ConnectError, Connected, Handshake, Resume, ServerEvent, ServerPacket,
    TrailingArg,
};
use rejoin_server::hub::{self, RoomPosition};

/// The hub's numbers of these connections begin here.
pub(super) const FIRST: u64 = 1 << 33;

/// An event without a place.
pub(super) fn event(message: ServerMessage) -> ServerEvent {
    ServerEvent { ack: None, trailing: None, message, data_before_trailing: None }
}

pub(super) fn trailing(offset: String) -> TrailingArg {
    TrailingArg { text: offset.into(), follows_object: true }
}

/// The room that a join is for.
fn room_of(event: &ClientEvent) -> Name {
    match event {
        ClientEvent::Join { room } => room.clone(),
        _ => Name::from(""),
    }
}

/// The personal stream, as the hub calls it.
pub(super) fn stream(client: usize) -> Name {
    Name::from(format!("@u{}", FIRST_USER + client))
}

impl World {
    pub(super) fn sio_greets(&mut self, index: usize) {
        let plan = &self.sios[self.sio_conns[index].client].plan;
        let (interval, timeout) = plan.ping;
        let handshake = Handshake {
            ping_interval_ms: interval / 1000,
            ping_timeout_ms: timeout / 1000,
            max_payload: Some(plan.max_payload),
        };
        self.sio_says(index, ServerPacket::Open(handshake));
        self.later(interval, SimEvent::SioEvent(SioEvent::Beats { conn: index }));
    }

    pub(super) fn sio_says(&mut self, index: usize, packet: ServerPacket) {
        if self.trace.is_readable() {
            self.trace.note(self.now, "server", format_args!("to socketio's {index}: {packet:?}"));
        }
        let client = self.sio_conns[index].client;
        match &packet {
            ServerPacket::Connected(_) => self.moment(TriggerSource::Sio(client), Trigger::Opens),
            ServerPacket::Event(event) if event.trailing.is_some() => {
                self.moment(TriggerSource::Sio(client), Trigger::Message);
            }
            ServerPacket::Ack { answer, .. } => self.moment(
                TriggerSource::Sio(client),
                match &**answer {
                    Answer::Refused { .. } => Trigger::Nack,
                    Answer::Done { id: Some(_), .. } => Trigger::Ack,
                    Answer::Done { .. } => Trigger::Joined,
                },
            ),
            _ => {}
        }
        let moment = match &packet {
            ServerPacket::Ack { .. } => Some(SioTrigger::Ack),
            ServerPacket::Connected(_) => Some(SioTrigger::Consent),
            ServerPacket::Event(event) if event.trailing.is_some() => Some(SioTrigger::Message),
            _ => None,
        };
        let carrier = self.sio_carrier(index);
        let conn = &mut self.sio_conns[carrier];
        let latency = conn.latency;
        if let Some((end, at)) = conn.down.write(self.now, latency, &Packet::Ping) {
            let down = SioEvent::Down { conn: index, end, packet: Box::new(packet) };
            self.at(at, SimEvent::SioEvent(down));
        }
        let conn = &mut self.sio_conns[index];
        if let Some((_, luck)) = conn.cut_at.take_if(|(aimed, _)| Some(*aimed) == moment) {
            self.sio_cut(carrier, luck, false);
        }
    }

    /// The connection is reset.
    pub(super) fn sio_cut(&mut self, index: usize, luck: u64, unseen: bool) {
        let conn = &mut self.sio_conns[index];
        conn.up.cut(luck);
        conn.down.cut(luck >> 16);
        let latency = conn.latency;
        let lost = SioEvent::Lost { conn: index, how: Disconnect::Lost };
        self.later(latency, SimEvent::SioEvent(lost));
        if !unseen {
            self.later(latency, SimEvent::SioEvent(SioEvent::Gone { conn: index }));
        }
    }

    /// The server ends a connection.
    pub(super) fn sio_ends(&mut self, index: usize, how: Disconnect, for_good: bool) {
        let index = self.sio_carrier(index);
        self.sio_gone(index, for_good);
        let conn = &mut self.sio_conns[index];
        let latency = conn.latency;
        if let Some((_, at)) = conn.down.write(self.now, latency, &Packet::Reset) {
            self.at(at, SimEvent::SioEvent(SioEvent::Lost { conn: index, how }));
        }
    }

    /// The server learns that a connection is gone.
    pub(super) fn sio_gone(&mut self, index: usize, for_good: bool) {
        if !std::mem::take(&mut self.sio_conns[index].server_open) {
            return;
        }
        self.sio_vacates(index, for_good);
        for carried in 0..self.sio_conns.len() {
            if self.sio_conns[carried].carrier == Some(index) {
                self.sio_gone(carried, for_good);
            }
        }
    }

    /// A seat is left: for good, or its session may be recovered.
    fn sio_vacates(&mut self, index: usize, for_good: bool) {
        let Some(seat) = self.sio_conns[index].seat.take() else { return };
        let client = self.sio_conns[index].client;
        let name = self.sios[client].name.clone();
        for room in 0..self.plan.rooms {
            let room = Self::room(room);
            let is_in = self.nodes[0].hub.members(&room).any(|(conn, _)| conn.0 == FIRST + index as u64);
            if is_in && !for_good {
                self.checker.member_lost(place(&room, 0), &name);
            }
        }
        self.hub(hub::Input::Disconnected { conn: hub::ConnId(FIRST + index as u64), clean: for_good });
        if self.sios[client].plan.recovers.is_some() && !for_good {
            self.sio_lost.insert(seat.pid.clone(), Lost { client, at: self.now, seat });
        }
    }

    /// The server process is gone, and all connections and sessions with it.
    pub(in crate::sim::world) fn sios_break(&mut self) {
        self.sio_lost.clear();
        for index in 0..self.sio_conns.len() {
            if std::mem::take(&mut self.sio_conns[index].server_open) {
                self.sio_conns[index].seat = None;
                if self.sio_conns[index].carrier.is_some() {
                    continue;
                }
                let luck = self.rng.u64(..);
                self.sio_cut(index, luck, true);
            }
        }
    }

    pub(super) fn sio_beats(&mut self, index: usize) {
        if !self.sio_conns[index].server_open {
            return;
        }
        self.sio_conns[index].beats += 1;
        let beat = self.sio_conns[index].beats;
        self.sio_says(index, ServerPacket::Ping);
        let (interval, timeout) = self.sios[self.sio_conns[index].client].plan.ping;
        self.later(timeout, SimEvent::SioEvent(SioEvent::Silent { conn: index, beat }));
        self.later(interval.max(timeout), SimEvent::SioEvent(SioEvent::Beats { conn: index }));
    }

    pub(super) fn sio_silent(&mut self, index: usize, beat: u64) {
        let conn = &self.sio_conns[index];
        let stood_still =
            self.nodes[0].process != Process::Up || self.nodes[0].thawed + 3 * SECOND > self.now;
        if conn.server_open && conn.heard < beat && !stood_still {
            let reached = conn.up.queued() == 0 && conn.down.queued() == 0;
            if reached && conn.client_open && !self.sio_is_frozen(index) {
                self.checker
                    .violated(format!("S: the engine of socketio's {index} has asked and got no answer"));
            }
            self.sio_ends(index, Disconnect::Lost, false);
        }
    }

    fn sio_is_frozen(&self, index: usize) -> bool {
        self.sios[self.sio_conns[index].client].frozen_until.is_some()
    }

    pub(super) fn sio_reaches_server(&mut self, index: usize, end: u64, packet: ClientPacket) {
        let carrier = self.sio_carrier(index);
        if !self.sio_conns[carrier].up.take(end) || !self.sio_conns[index].server_open {
            return;
        }
        if self.sio_conns[index].dismissed {
            return;
        }
        self.sio_conns[carrier].heard = self.sio_conns[carrier].beats;
        match packet {
            ClientPacket::Connect { token, resume } => {
                let client = self.sio_conns[index].client;
                if token == Some(self.sios[client].token()) {
                    self.sio_lets_in(index, resume.as_deref());
                } else {
                    self.sio_says(index, ServerPacket::ConnectError(ConnectError::from("Unauthorized")));
                }
            }
            ClientPacket::Emit { ack, event } => self.sio_serves(index, ack, event),
            ClientPacket::Disconnect if carrier != index => self.sio_gone(index, true),
            ClientPacket::Disconnect => self.sio_vacates(index, true),
            ClientPacket::Ack { id }
                if !self.sio_asked.remove(&id) && !self.sio_takes_answer(index, id, None) =>
            {
                self.checker.violated(format!("S: answer {id} was not asked for"));
            }
            ClientPacket::Answer { id, arguments } => {
                self.sio_takes_answer(index, id, Some(&arguments));
            }
            ClientPacket::Custom { ack, event } => self.sio_serves_own(index, ack, &event),
            _ => {}
        }
    }

    /// The server throws a client out.
    pub(super) fn sio_dismisses(&mut self, index: usize) {
        if self.sio_conns[index].server_open && self.sio_conns[index].seat.is_some() {
            self.sio_says(index, ServerPacket::Disconnected);
            self.sio_conns[index].dismissed = true;
            self.sio_vacates(index, true);
        }
    }

    /// Where the session is that is asked for, if it can be gone on with.
    fn sio_claims(&mut self, index: usize, resume: &Resume) -> Option<Vec<RoomPosition>> {
        let client = self.sio_conns[index].client;
        let keeps = self.sios[client].plan.recovers?;
        let open = |conn: &crate::sim::socketio::SioConn| {
            conn.server_open && conn.seat.as_ref().is_some_and(|seat| *seat.pid == *resume.pid)
        };
        if let Some(open) = self.sio_conns.iter().position(open) {
            // What carries it is gone, which the server has not noticed.
            self.sio_ends(open, Disconnect::Lost, false);
        }
        let lost = self.sio_lost.remove(&*resume.pid)?;
        if lost.client != client || lost.at + keeps < self.now {
            return None;
        }
        lost.seat.positions(&resume.offset)
    }

    fn sio_lets_in(&mut self, index: usize, resume: Option<&Resume>) {
        let client = self.sio_conns[index].client;
        let claimed =
            resume.and_then(|resume| Some((self.sio_claims(index, resume)?, resume.pid.to_string())));
        let conn = hub::ConnId(FIRST + index as u64);
        let user = self.sios[client].name.clone();
        self.sio_pids += 1;
        let (rooms, pid) = claimed.unwrap_or_else(|| (Vec::new(), format!("p{}", self.sio_pids)));
        let is_claimed = !rooms.is_empty();
        self.sio_conns[index].seat = Some(Member::new(pid, self.sio_pids, &rooms));
        self.sio_conns[index].before_consent = true;
        self.hub(hub::Input::Connected { conn, user, extended: true, expires: None });
        let missed_first = self.sios[client].plan.missed_first;
        if is_claimed {
            if !missed_first {
                // It is known only below whether the session goes on; that decides what the consent says.
                self.sio_conns[index].before_consent = false;
            }
            self.sio_restores(index, conn, &rooms);
        }
        if !self.sio_conns[index].is_restored {
            if is_claimed {
                let pid = format!("q{}", self.sio_pids);
                self.sio_conns[index].seat = Some(Member::new(pid, self.sio_pids, &[]));
            }
            self.sio_consents(index);
            let frame = r#"{"type":"join_room","roomId":"@me","ref":"me"}"#;
            self.hub(hub::Input::Frame { conn, text: frame });
        } else if missed_first {
            self.sio_consents(index);
        }
        self.sio_conns[index].before_consent = false;
    }

    /// The hub goes on with a session, or does not.
    fn sio_restores(&mut self, index: usize, conn: hub::ConnId, rooms: &[RoomPosition]) {
        self.sio_presence_of = None;
        self.hub(hub::Input::Restore { conn, rooms });
        if !self.sio_conns[index].is_restored {
            return;
        }
        let said = self.sio_presence_of.take().unwrap_or_default();
        let untold =
            rooms.iter().find(|position| !position.room.starts_with('@') && !said.contains(&position.room));
        if let Some(untold) = untold {
            self.checker
                .violated(format!("S: connection {index} goes on, and is not told who is in {untold:?}"));
        }
        let client = self.sio_conns[index].client;
        let name = self.sios[client].name.clone();
        for position in rooms {
            self.checker.member_back(place(&position.room, FIRST_USER + client), &name);
        }
        self.checker.cover.reach(Sometimes::SioRestored);
        // All that was missed comes before the consent.
        while self.sios[client].plan.missed_first
            && std::mem::take(&mut self.sio_conns[index].draining)
            && self.sio_conns[index].server_open
        {
            self.hub(hub::Input::QueueDrained { conn });
        }
    }

    pub(super) fn sio_consents(&mut self, index: usize) {
        if !self.sio_conns[index].server_open {
            return;
        }
        let client = self.sio_conns[index].client;
        let recovers = self.sios[client].plan.recovers.is_some();
        let pid =
            self.sio_conns[index].seat.as_ref().filter(|_| recovers).map(|seat| seat.pid.clone().into());
        self.sio_says(index, ServerPacket::Connected(Connected { has_sid: true, pid }));
    }

    fn sio_serves(&mut self, index: usize, ack: Option<u64>, event: ClientEvent) {
        let client = self.sio_conns[index].client;
        let plan = &self.sios[client].plan;
        let mut ack = ack.filter(|_| plan.answers);
        if ack.is_some() && self.sios[client].forgets_answers > 0 {
            self.sios[client].forgets_answers -= 1;
            ack = None;
        }
        if self.sio_conns[index].seat.is_none() {
            return self.checker.violated(format!("S: sio{client} speaks before the consent: {event:?}"));
        }
        if let ClientEvent::Join { .. } = &event
            && let Some(at) = self.sio_conns[index].refused_at.remove(&room_of(&event))
            && self.now < at + 700_000
            // What was asked before the refusal was there is on its way.
            && self.now >= at + 2 * self.sio_conns[index].latency
        {
            self.checker.violated(format!(
                "5: sio{client} asks for a room again {} µs after it was refused",
                self.now - at
            ));
        }
        let mut says = None;
        if let (ClientEvent::Join { .. }, Some(id)) = (&event, ack)
            && let Some(code) = self.sios[client].refuses_joins.pop()
        {
            self.sio_conns[index].refused_at.insert(room_of(&event), self.now);
            let answer = Answer::Refused {
                code,
                retry: true,
                retry_after_ms: Some(700),
                message: Some(String::from("no")),
                answer: None,
            };
            return self.sio_says(index, ServerPacket::Ack { id, answer: Box::new(answer) });
        }
        if let ClientEvent::Send { content, .. } = &event {
            if content.len() as u64 > self.sios[client].plan.max_payload {
                self.checker.violated(format!("8: sio{client} sends {} bytes", content.len()));
            }
            says = key(content);
        }
        let Some(seat) = self.sio_conns[index].seat.as_mut() else { return };
        let name = seat.asks(ack);
        if let (Some(ack), Some(key)) = (ack, says) {
            self.sio_numbers.insert((index, ack), key.1);
        }
        let text = match event {
            ClientEvent::Join { room } => {
                format!(r#"{{"type":"join_room","roomId":"{room}","ref":"{name}"}}"#)
            }
            ClientEvent::Leave { room } => {
                seat.leaves(&room);
                self.checker.sio_is_out(client, place(&room, 0));
                encode_client(&rejoin::machine::ClientMessage::LeaveRoom { room, reference: None })
            }
            ClientEvent::Send { room, content, data } => {
                let data = data.map_or(String::new(), |data| format!(r#","data":{data}"#));
                format!(
                    r#"{{"type":"send_message","roomId":"{room}","content":"{content}"{data},"ref":"{name}"}}"#
                )
            }
        };
        self.checker.sio_speaks = says.map(|_| index);
        self.hub(hub::Input::Frame { conn: hub::ConnId(FIRST + index as u64), text: &text });
        self.checker.sio_speaks = None;
    }

    pub(super) fn sio_drained(&mut self, index: usize) {
        if std::mem::take(&mut self.sio_conns[index].draining) && self.sio_conns[index].server_open {
            self.hub(hub::Input::QueueDrained { conn: hub::ConnId(FIRST + index as u64) });
        }
    }

    /// The server says something that wants an answer.
    pub(super) fn sio_asks(&mut self, index: usize) -> Option<u64> {
        let conn = &self.sio_conns[index];
        let is_up = conn.server_open && self.nodes[0].process == Process::Up;
        if !is_up || conn.seat.is_none() {
            return None;
        }
        self.sio_pids += 1;
        let id = self.sio_pids;
        self.sio_asked.insert(id);
        let message = ServerMessage::Error { message: String::from("are you well?"), detail: None };
        self.sio_says(index, ServerPacket::Event(ServerEvent { ack: Some(id), ..event(message) }));
        Some(id)
    }
}
