//! Delivers packets to clients.

use super::{SimEvent, World};
use crate::sim::SECOND;
use crate::sim::checker::place;
use crate::sim::coverage::Sometimes;
use crate::sim::net::{Packet, Way};
use rejoin::machine::{Disconnect, Input, ServerMessage};
use rejoin::messages::EntryMeta;

impl World {
    pub(super) fn arrive_down(&mut self, index: usize, end: u64, packet: Packet) {
        if !self.conns[index].down.take(end) {
            return self.broken(index, Way::Down);
        }
        self.look_drained(index);
        if !self.conns[index].client_open {
            return;
        }
        let (client, id) = (self.conns[index].client, self.conns[index].id);
        let input = match packet {
            Packet::Text(text) => match self.decoder.decode(&text) {
                Ok(message) => {
                    let message = Self::read_own(message, &text);
                    self.conns[index].answered = true;
                    self.observe_down(client, index, &message);
                    Input::Received(id, message)
                }
                Err(error) => Input::Malformed(id, error.to_string().into()),
            },
            Packet::Ping => {
                self.write(index, Way::Up, Packet::Pong);
                Input::Activity(id)
            }
            Packet::Pong => {
                // The server has read so far, and may have read what was written next.
                self.conns[index].answered = true;
                Input::Pong(id)
            }
            Packet::Close(code) => {
                self.write(index, Way::Up, Packet::Close(code));
                if code == 4001 && !self.conns[index].answered {
                    self.checker.connection_refused(client, index);
                }
                self.closed_by_server(client, index, code);
                self.is_thrown_out(client, index);
                self.hang_up(index);
                Input::Closed(id, Disconnect::Closed { code, reason: "bye".into() })
            }
            Packet::Reset => {
                self.hang_up(index);
                Input::Closed(id, Disconnect::Lost)
            }
        };
        let acked = match &input {
            Input::Received(_, ServerMessage::Ack(ack)) => Some(ack.reference.clone()),
            _ => None,
        };
        let state = self.clients[client].session.as_ref().map(rejoin::machine::Session::state);
        let own = matches!(&input, Input::Received(_, ServerMessage::Custom(_)))
            && state == Some(rejoin::State::Connected);
        let (told, is_newest) = (self.frames_told, self.clients[client].newest() == Some(index));
        self.input(client, input);
        let lives = self.clients[client].session.is_some();
        if own && is_newest && lives && self.frames_told == told {
            self.checker.violated(format!("own: u{client} is not told of a frame on connection {index}"));
        }
        if let Some(reference) = acked.filter(|_| self.clients[client].session.is_some()) {
            self.checker.ack_counts(index, &reference);
        }
    }

    /// A client learns that it took too little. What its application is told of it, and that it will be tried again, is a
    /// duty; nothing of what was said meanwhile is lost, as the end shows.
    fn is_thrown_out(&mut self, client: usize, index: usize) {
        if self.conns[index].thrown_out && self.clients[client].newest() == Some(index) {
            self.checker.cover.reach(if self.plan.drop_oldest {
                Sometimes::ThrownOutDropping
            } else {
                Sometimes::ThrownOutRefusing
            });
        }
    }

    fn closed_by_server(&mut self, client: usize, index: usize, code: u16) {
        let newest = self.clients[client].newest() == Some(index);
        if newest && matches!(code, 1000 | 4003 | 4004 | 4009 | 4014 | 4403 | 4500..=4899) {
            self.checker.terminal_code(client);
        }
        let outbox =
            self.clients[client].session.as_ref().map_or(0, |session| session.diagnostics().outbox_len);
        if code == 1009 && outbox > 0 {
            self.checker.cover.reach(Sometimes::TooLargeClose);
        }
    }

    fn observe_down(&mut self, client: usize, index: usize, message: &ServerMessage) {
        let user = self.clients[client].user;
        match message {
            ServerMessage::Message(message) => {
                let Some(stamp) = &message.entry else { return };
                if stamp.producer.is_some() && message.user != self.clients[client].name {
                    let (who, name) = (&self.clients[client].name, &message.user);
                    self.checker.violated(format!("2.2: {who} is told which send of {name} a message is"));
                }
                self.observe_stamp(client, index, place(&message.room, user), stamp);
            }
            ServerMessage::Notification(notification) => {
                let Some(stamp) = &notification.entry else { return };
                self.observe_stamp(client, index, place("@me", user), stamp);
            }
            ServerMessage::Joined(joined) => {
                self.checker.join_answered(index, place(&joined.room, user), joined);
                self.clients[client].joined.insert(joined.room.clone(), joined.clone());
            }
            ServerMessage::History(history) => {
                self.checker.page_given(index, place(&history.room, user));
                if !self.conns[index].tampered {
                    self.checker.history_answered(index, history);
                }
                if !history.complete {
                    self.checker.cover.reach(Sometimes::HistoryIncomplete);
                }
                let paged = self.clients[client]
                    .joined
                    .get(&history.room)
                    .is_some_and(|joined| joined.recovered && joined.replay >= self.plan.server.replay);
                if paged && !history.messages.is_empty() {
                    self.checker.cover.reach(Sometimes::HistoryPaged);
                }
            }
            ServerMessage::Ack(ack) => {
                let moved = self.clients[client].newest() != Some(index);
                self.checker.ack_received(index, ack, moved);
            }
            ServerMessage::Nack(nack) => self.checker.nack_received(index, nack),
            ServerMessage::Error { detail: Some(refusal), .. } => {
                if let Some(room) = &refusal.room {
                    self.checker.turned_down(client, index, place(room, user), refusal);
                }
            }
            ServerMessage::AuthOk(_) => self.checker.cover.reach(Sometimes::RefreshedInBand),
            ServerMessage::GoingAway(going) => {
                self.conns[index].going_away = true;
                let now = self.clients[client].moment(self.now).monotonic.since_start().as_micros() as u64;
                self.checker.going_away(client, now, going.window_ms * 1000);
            }
            _ => {}
        }
    }

    fn observe_stamp(&mut self, client: usize, index: usize, at: u32, stamp: &EntryMeta) {
        if !self.conns[index].tampered {
            self.checker.message_arrives(index, at, stamp);
        }
        self.checker.ahead(client, at, stamp);
    }

    /// The client's end of a connection is gone.
    pub(super) fn hang_up(&mut self, index: usize) {
        self.conns[index].client_open = false;
        let client = self.conns[index].client;
        let sockets = &mut self.clients[client].sockets;
        let had = sockets.len();
        sockets.retain(|socket| *socket != index);
        if sockets.len() < had {
            self.checker.lost(client, self.now - self.conns[index].opened);
        }
    }

    pub(super) fn flush(&mut self, index: usize) {
        if !self.conns[index].up.is_flushed() {
            return;
        }
        let Some(frame) = self.conns[index].unflushed.take() else { return };
        let rng = &mut self.conns[index].rng;
        let late = !self.calm && rng.u8(..100) < self.plan.late_flush;
        let delay = if late { rng.u64(..SECOND / 5) } else { 0 };
        self.later(delay, SimEvent::Flush { conn: index, frame });
    }

    pub(super) fn flush_reported(&mut self, index: usize, frame: u64) {
        if self.conns[index].client_open {
            let (client, id) = (self.conns[index].client, self.conns[index].id);
            self.checker.flushed(index, frame);
            self.input(client, Input::Flushed(id, frame));
        }
    }
}
