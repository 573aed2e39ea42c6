//! Clients that speak Socket.IO and their servers have events of their own.

use crate::sim::coverage::Sometimes;
use crate::sim::own::number;
use crate::sim::server::Process;
use crate::sim::socketio::{SioAction, answer_to};
use crate::sim::world::World;
use crate::sim::world::own::LANE;
use rejoin::machine::{Command, OutboundMessage, ServerMessage};
use rejoin::socketio::{Answer, ServerEvent, ServerPacket, Session};
use rejoin::{DeliveryStatus, Event, Frame, SendFailure, SendId, State};
use std::collections::BTreeMap;
use std::time::Duration;

/// Where the numbers of these clients and their connections begin, for the observer of what is said of the own.
const APART: usize = 1 << 20;

/// The number for the observer.
fn who(client: usize) -> usize {
    APART + client
}

/// The event that a text names, as a server says it.
fn event(number: u64) -> ServerMessage {
    ServerMessage::Custom(Frame::event("/".into(), "own_event".into(), format!(r#"[{{"n":{number}}}]"#)))
}

impl World {
    pub(super) fn sio_act_own(&mut self, client: usize, act: SioAction) {
        if !self.sios[client].plan.own || !self.sio_runs(client) {
            return;
        }
        match act {
            SioAction::OwnSend { count, padding, asks, timeout } => {
                for _ in 0..count {
                    self.sio_sends_own(client, padding, asks, timeout, false);
                }
            }
            SioAction::OwnVolatile => self.sio_sends_own(client, 0, false, None, true),
            SioAction::OwnKeep { key } => {
                let number = self.own.next();
                let (name, event) = (format!("key{key}"), format!(r#"["own_kept",{{"n":{number}}}]"#));
                self.own.keeps(who(client), &name, &event);
                self.sio_command(client, Command::Keep { key: name.into(), frame: event });
            }
            SioAction::OwnDrop { key } => {
                let name = format!("key{key}");
                self.own.drops(who(client), &name);
                self.sio_command(client, Command::DropKept(name.into()));
            }
            SioAction::OwnEvent { count, asks } => {
                for _ in 0..count {
                    self.sio_says_own(client, asks);
                }
            }
            SioAction::OwnAnswer { luck, again } => {
                if let Some((ack, number)) = self.sio_own.next_open(client, luck) {
                    self.sio_answers_own(client, ack, number);
                    if again {
                        self.sio_command(client, Command::Answer { ack, arguments: answer_to(number) });
                    }
                }
            }
            _ => {}
        }
    }

    /// The faults stop: what waits for an application's answer gets it.
    pub(super) fn sio_answers_all(&mut self, client: usize) {
        while self.sio_runs(client)
            && let Some((ack, number)) = self.sio_own.next_open(client, 0)
        {
            self.sio_answers_own(client, ack, number);
        }
    }

    /// An application answers an event. Over a connection that is one that counts.
    fn sio_answers_own(&mut self, client: usize, ack: u64, number: u64) {
        let connected = self.sio_session(client).map(Session::state) == Some(State::Connected);
        let here = self.sio_newest(client).filter(|_| connected);
        self.sio_own.counts = (here.is_some() && here == self.sio_own.conn_of(number)).then_some(ack);
        self.sio_command(client, Command::Answer { ack, arguments: answer_to(number) });
        self.sio_own.counts = None;
    }

    fn sio_sends_own(
        &mut self,
        client: usize,
        padding: u16,
        asks: bool,
        timeout: Option<u64>,
        is_volatile: bool,
    ) {
        let id = self.own.next();
        let text = format!(r#"["own_send",{{"n":{id},"pad":"{}"}}]"#, " ".repeat(padding.into()));
        let idempotent = asks && !is_volatile && self.sios[client].plan.idempotent && id.is_multiple_of(2);
        self.own.asked(who(client), &text);
        let data = asks.then(|| String::from("true"));
        let timeout = timeout.map(Duration::from_micros);
        let send = OutboundMessage {
            data,
            timeout,
            idempotent,
            ..OutboundMessage::new(SendId(id), LANE.into(), text)
        };
        self.own.sends_as(who(client), self.now, &send);
        self.sio_command(client, if is_volatile { Command::SendVolatile(send) } else { Command::Send(send) });
        if is_volatile && !self.own.is_decided(who(client), id) {
            self.checker.violated(format!("own: sio{client} waits with {id}, which is volatile"));
        }
    }

    /// A message of the contract is asked for: it keeps its place among what is of the own.
    pub(super) fn sio_orders(&mut self, client: usize, content: &str) {
        self.own.asked(who(client), content);
    }

    /// What a client writes.
    pub(super) fn sio_observe_own(&mut self, client: usize, index: usize, content: &str, is_own: bool) {
        if is_own && self.own.is_made_again(who(client), content) {
            self.checker.cover.reach(Sometimes::SioMadeAgain);
        }
        if let Err(what) = self.own.written(who(client), self.now, APART + index, content, is_own, true) {
            self.checker.violated(format!("own: {what}"));
        }
    }

    pub(super) fn sio_observe_kept(&mut self, client: usize, index: usize, event: &str) {
        if let Err(what) = self.own.kept_written(who(client), APART + index, event) {
            self.checker.violated(format!("own: {what}"));
        }
    }

    /// The server takes an event of the application's own.
    pub(super) fn sio_serves_own(&mut self, index: usize, ack: Option<u64>, event: &str) {
        let client = self.sio_conns[index].client;
        let mut ack = ack.filter(|_| self.sios[client].plan.answers);
        if ack.is_some() && self.sios[client].forgets_answers > 0 {
            self.sios[client].forgets_answers -= 1;
            ack = None;
        }
        if let (Some(id), Some(number)) = (ack, number(event)) {
            self.own.answers(who(client), number);
            let answer =
                Answer::Done { id: None, seq: None, members: None, answer: Some(number.to_string()) };
            self.sio_says(index, ServerPacket::Ack { id, answer: Box::new(answer) });
        }
    }

    fn sio_says_own(&mut self, client: usize, asks: bool) {
        let Some(index) = self.sio_newest(client) else { return };
        let conn = &self.sio_conns[index];
        if !conn.server_open || conn.seat.is_none() || self.nodes[0].process != Process::Up {
            return;
        }
        let number = self.own.next();
        self.sio_pids += 1;
        let ack = asks.then_some(self.sio_pids);
        self.sio_own.says(number, client, index, ack);
        let event = ServerEvent { ack, trailing: None, message: event(number), data_before_trailing: None };
        self.sio_says(index, ServerPacket::Event(event));
    }

    /// The server is given an answer. Says whether it is to an event of the application's own.
    pub(super) fn sio_takes_answer(&mut self, index: usize, asked: u64, arguments: Option<&str>) -> bool {
        let manual = self.sios[self.sio_conns[index].client].plan.manual;
        match self.sio_own.answered(index, asked, arguments, manual) {
            Ok(is_own) => {
                if is_own && arguments.is_some() {
                    self.checker.cover.reach(Sometimes::SioAnswersOwn);
                }
                is_own
            }
            Err(what) => {
                self.checker.violated(format!("own: {what}"));
                true
            }
        }
    }

    /// The number of the event of the application's own that a packet brings.
    pub(super) fn own_event_of(packet: &ServerPacket) -> Option<u64> {
        match packet {
            ServerPacket::Event(ServerEvent { message: ServerMessage::Custom(frame), .. }) => {
                number(frame.text()?)
            }
            _ => None,
        }
    }

    /// An event has come to a client that is let in: its application was told.
    pub(super) fn sio_has_heard_own(&mut self, client: usize, number: u64) {
        if !self.sio_own.was_told(number) {
            self.checker.violated(format!("own: sio{client} was not told the event {number}"));
        }
    }

    /// Whether an application is told something about events of its own.
    pub(super) fn sio_told_own(&mut self, client: usize, event: &Event) -> bool {
        let result = match event {
            Event::Frame(frame) => {
                let manual = self.sios[client].plan.manual;
                let conns = &self.sio_conns;
                let is_open = |conn: usize| conns.get(conn).is_some_and(|conn| conn.client_open);
                match frame.text().and_then(number) {
                    Some(number) => self.sio_own.told(client, number, frame.ack(), manual, is_open),
                    None => Err(format!("sio{client} is told {frame:?}")),
                }
            }
            Event::NotKept { key, .. } => {
                self.own.drops(who(client), key);
                Ok(())
            }
            Event::NotAnswered { ack, why: SendFailure::UnknownAck } if self.sio_own.counts != Some(*ack) => {
                Ok(())
            }
            Event::NotAnswered { ack, why } => Err(format!("sio{client} cannot answer {ack}: {why}")),
            Event::Restored(restored) if *restored.room == *LANE => {
                self.own.restored(who(client), restored.id.0, &restored.content)
            }
            Event::Delivery(delivery) if *delivery.room == *LANE => {
                let conns = &self.sio_conns;
                let is_open = |conn: usize| conns.get(conn - APART).is_some_and(|conn| conn.client_open);
                if delivery.status == DeliveryStatus::Unknown
                    && !self.checker.sio_is_ending(client)
                    && self.own.is_given_up(who(client), self.now, delivery.id.0, is_open)
                {
                    let id = delivery.id.0;
                    self.checker.violated(format!("own: sio{client} does not make {id:#x} again"));
                }
                if matches!(delivery.status, DeliveryStatus::Answered { .. }) {
                    self.checker.cover.reach(Sometimes::SioOwnAnswered);
                }
                let answer = delivery.reply.as_ref().and_then(|reply| reply.answer.as_deref());
                self.own.resolved_with(who(client), delivery.id.0, &delivery.status, answer)
            }
            _ => return false,
        };
        if let Err(what) = result {
            self.checker.violated(format!("own: {what}"));
        }
        true
    }

    /// A process has died.
    pub(super) fn sio_own_died(&mut self, client: usize) {
        let stores = self.sios[client].plan.stores;
        let disk = self.sios[client].disk.as_ref().filter(|_| stores);
        let disk = disk.map(|disk| disk.saved()).unwrap_or_default();
        let sends: Vec<String> =
            disk.sends.into_iter().filter(|send| *send.room == *LANE).map(|send| send.content).collect();
        let kept: BTreeMap<String, String> =
            disk.kept.into_iter().map(|kept| (kept.key.to_string(), kept.frame)).collect();
        self.own.died(who(client), &sends, kept);
        self.sio_own.died(client);
    }

    /// Long after everything has calmed down.
    pub(super) fn sio_own_is_settled(&mut self, client: usize) {
        let open = self.own.open(who(client));
        if !open.is_empty() {
            self.checker.violated(format!("own: sio{client} is back and knows nothing of {open:?}"));
        }
        let Some(index) = self.sio_newest(client) else { return };
        if let Err(what) = self.own.has_all_kept(who(client), APART + index) {
            self.checker.violated(format!("own: {what}"));
        }
        let conns = &self.sio_conns;
        let is_well = |at: usize| {
            at == index
                && conns.get(at).is_some_and(|conn| {
                    conn.client_open && conn.server_open && !conn.up.vanishing && !conn.down.vanishing
                })
        };
        if let Some(number) = self.sio_own.lacks(is_well, |client| self.sios[client].plan.manual) {
            self.checker.violated(format!("own: nobody has answered the event {number}"));
        }
    }
}
