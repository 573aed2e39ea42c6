//! Executes the actions of users.

use super::World;
use crate::sim::Micros;
use crate::sim::action::Action;
use crate::sim::checker::{Key, NewSend, place};
use crate::sim::coverage::Sometimes;
use rejoin::machine::{Command, OutboundMessage};
use rejoin::{Join, Name, SendId, State};
use std::time::Duration;

impl World {
    pub(super) fn room(room: usize) -> Name {
        Name::from(format!("room{room}"))
    }

    /// Plays an act of the schedule.
    pub(super) fn act(&mut self, act: &Action) {
        self.trace.note(self.now, "act", format_args!("{act:?}"));
        match *act {
            Action::Join { client, room, history, own_position } if self.runs(client) => {
                if self.clients[client].wanted.insert(room) {
                    let history = history.or(self.clients[client].plan.history);
                    self.join(client, room, history, own_position);
                }
            }
            Action::Leave { client, room } if self.runs(client) => {
                if self.clients[client].wanted.remove(&room) {
                    self.checker.leaves(client, place(&Self::room(room), 0));
                    self.command(client, Command::Leave(Self::room(room)));
                }
            }
            Action::Send { client, room, count, padding, data, timeout } if self.runs(client) => {
                // It may die over any of them.
                for _ in 0..count {
                    if self.runs(client) {
                        self.send(client, room, padding, data, timeout);
                    }
                }
            }
            Action::Cancel { client, back } if self.runs(client) => {
                let number = self.clients[client].sends.saturating_sub(back);
                let key = (client, number);
                self.checker.cancelled(key);
                self.command(client, Command::Cancel(SendId(number)));
            }
            Action::Signal { client, room, count } if self.runs(client) => {
                for _ in 0..count {
                    let (room, kind) = (Self::room(room), Name::from("typing"));
                    let number = self.checker.signalled(client, self.clients[client].user, place(&room, 0));
                    self.command(client, Command::Signal { room, kind, data: Some(number.to_string()) });
                }
            }
            Action::AskPresence { client, room } if self.runs(client) => {
                self.command(client, Command::Presence(Self::room(room)));
            }
            Action::Own { client, what } if self.runs(client) => self.act_own(client, what),
            Action::Connect { client } if self.runs(client) => {
                self.checker.revived(client);
                self.command(client, Command::Connect);
            }
            Action::Reconnect { client } if self.runs(client) => {
                self.checker.revived(client);
                self.command(client, Command::Reconnect);
            }
            Action::Close { client } if self.runs(client) => self.command(client, Command::Close),
            Action::SetToken { client, good } if self.runs(client) => {
                let serial = self.clients[client].token_serial.wrapping_sub(u64::from(!good));
                let token = self.clients[client].token(serial);
                self.checker.revived(client);
                self.command(client, Command::SetToken(token));
            }
            Action::SlowApp { client, time, pace } => {
                let app = &mut self.clients[client].app;
                app.slow_until = app.slow_until.max(self.now + time);
                app.pace = pace;
            }
            Action::Reader { reader, what } => self.reader_act(reader, what),
            Action::Sio { client, what } => self.sio_act(client, what),
            _ => self.fault(act),
        }
    }

    fn runs(&self, client: usize) -> bool {
        client < self.clients.len() && self.clients[client].is_running()
    }

    pub(super) fn join(&mut self, client: usize, room: usize, history: Option<u64>, own_position: bool) {
        let (name, user) = (Self::room(room), self.clients[client].user);
        let since = self.clients[client].positions.get(&name).filter(|_| own_position).cloned();
        let known = since.as_ref().map(|position| (position.epoch.clone(), position.seq));
        self.checker.asked(client, place(&name, user), known, history.is_some());
        self.command(client, Command::Join(Join::from(name).since(since).history(history)));
    }

    pub(super) fn send(
        &mut self,
        client: usize,
        room: usize,
        padding: u32,
        with_data: bool,
        timeout: Option<Micros>,
    ) -> Key {
        self.clients[client].sends += 1;
        let number = self.clients[client].sends;
        let key = (client, number);
        // Now and then it is the data that is large.
        let (padding, more) = if with_data && number.is_multiple_of(2) { (0, padding) } else { (padding, 0) };
        let content = format!("{}u{client}-{number}", " ".repeat(padding as usize));
        let data = with_data.then(|| format!("{{\"n\":{number},\"pad\":\"{}\"}}", "-".repeat(more as usize)));
        let room = Self::room(room);
        let session = self.clients[client].session.as_ref();
        let state = session.map(rejoin::machine::Session::state);
        let offline = !matches!(state, Some(State::Connected));
        if matches!(state, Some(State::Closed | State::Failed | State::Closing)) {
            self.checker.cover.reach(Sometimes::SentWhileFailed);
        }
        let (at, user) = (place(&room, 0), self.clients[client].user);
        let made = NewSend { place: at, user, content: content.clone(), data: data.clone(), offline };
        self.checker.sent(key, SendId(number), made);
        let timeout = timeout.map(Duration::from_micros);
        let reference = Some(format!("ref-{client}-{number}").into());
        let send = OutboundMessage {
            timeout,
            data,
            reference,
            ..OutboundMessage::new(SendId(number), room, content)
        };
        self.command(client, Command::Send(send));
        key
    }
}
