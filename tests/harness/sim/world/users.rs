//! What users do.

use super::{Happening, World};
use crate::sim::SECOND;
use rejoin::{Command, Name, Outgoing, SendId};
use std::time::Duration;

impl World {
    pub(super) fn room(room: usize) -> Name {
        Name::from(format!("room{room}"))
    }

    pub(super) fn user_joins(&mut self, client: usize) {
        let room = self.rng.usize(..self.plan.rooms);
        if self.clients[client].wanted.insert(room) {
            let name = Self::room(room);
            self.checker.joined(client, &name);
            self.command(client, Command::Join(name.into()));
        }
    }

    pub(super) fn user_sends(&mut self, client: usize) {
        let room = self.rng.usize(..self.plan.rooms);
        self.send_to(client, room);
    }

    pub(super) fn send_to(&mut self, client: usize, room: usize) -> String {
        self.clients[client].sends += 1;
        let number = self.clients[client].sends;
        let padding = if self.rng.u8(..20) == 0 { " ".repeat(self.rng.usize(..3000)) } else { String::new() };
        let content = format!("{padding}u{client}-{number}");
        self.checker.sent(client, number, &content);
        let timeout = (self.rng.u8(..10) == 0).then(|| Duration::from_micros(self.rng.u64(..10 * SECOND)));
        let room = Self::room(room);
        let send = Outgoing { timeout, ..Outgoing::new(SendId(number), room, content.clone()) };
        self.command(client, Command::Send(send));
        content
    }

    pub(super) fn user_acts(&mut self) {
        if self.calm {
            return;
        }
        let client = self.rng.usize(..self.clients.len());
        if self.clients[client].frozen_until.is_none() {
            match self.rng.u8(..20) {
                0 => self.user_joins(client),
                1 => {
                    let wanted: Vec<usize> = self.clients[client].wanted.iter().copied().collect();
                    if let Some(room) = self.rng.choice(wanted) {
                        self.clients[client].wanted.remove(&room);
                        let name = Self::room(room);
                        self.command(client, Command::Leave(name));
                    }
                }
                2 => {
                    let number = self.rng.u64(..=self.clients[client].sends);
                    self.command(client, Command::Cancel(SendId(number)));
                }
                3 => {
                    for _ in 0..self.rng.u8(..30) {
                        self.user_sends(client);
                    }
                }
                _ => self.user_sends(client),
            }
        }
        let delay = self.rng.u64(..=2 * self.plan.user_every);
        self.later(delay, Happening::UserActs);
    }

    pub(super) fn user_interferes(&mut self, client: usize) {
        if self.clients[client].frozen_until.is_some() {
            return;
        }
        match self.rng.u8(..6) {
            0 => self.command(client, Command::Close),
            1 => {
                // Some users give the right token, some an old one.
                let serial = self.clients[client].token_serial.wrapping_sub(u64::from(self.rng.bool()));
                let token = self.clients[client].token(serial);
                self.checker.revived(client);
                self.command(client, Command::SetToken(token));
            }
            2 | 3 => {
                self.checker.revived(client);
                self.command(client, Command::Connect);
            }
            _ => {
                self.checker.revived(client);
                self.command(client, Command::Reconnect);
            }
        }
    }
}
