//! Reports each frame that a server sends, and each request that it has processed, to the checker.

use super::World;
use crate::sim::SECOND;
use crate::sim::checker::{Limits, LogId, PERSONAL, Words, place};
use crate::sim::server::Process;
use rejoin::Name;
use rejoin::machine::ServerMessage;
use rejoin_server::hub;
use std::collections::BTreeSet;

impl World {
    /// What the hub was told to keep.
    pub(super) fn limits(&self) -> Limits {
        let plan = &self.plan.server;
        Limits {
            history: plan.history as u64,
            history_bytes: self.plan.limits.history_bytes.unwrap_or(usize::MAX),
            replay: plan.replay,
            content: plan.content_bytes,
            rate: plan.rate,
            in_flight: plan.in_flight,
            dedupe_window: plan.dedupe_window,
            heartbeat: plan.heartbeat,
        }
    }

    /// Gives a frame to the hub. What asks for an answer gets one, or its connection is closed.
    pub(super) fn ask_hub(&mut self, index: usize, text: &str) {
        self.asking = if self.conns[index].extended {
            reference(text).map(|name| (index, name.to_owned()))
        } else {
            None
        };
        self.speaking = Some(index);
        self.conns[index].heard_at = self.now;
        self.checker.speaks(Some(self.conns[index].user));
        let before = self.conns[index].rooms.clone();
        self.signals = false;
        self.hub(hub::Input::Frame { conn: hub::ConnId(index as u64), text });
        if std::mem::take(&mut self.signals) && text.starts_with("{\"type\":\"signal\"") {
            self.checker.signal_passes(self.conns[index].user);
        }
        self.others_know(index, &before);
        self.speaking = None;
        self.checker.speaks(None);
        let asked = self.asking.take();
        let up = self.nodes[self.conns[index].node].process == Process::Up;
        if let Some((_, name)) = asked.filter(|_| self.conns[index].server_open && up) {
            self.waits_for_answer(index, name, text);
        }
    }

    /// A server sends a frame.
    pub(super) fn hears(&mut self, index: usize, kind: &str, text: &str) {
        if self.asking.as_ref().is_some_and(|(asked, name)| *asked == index && reference(text) == Some(name))
        {
            self.asking = None;
        }
        self.is_answered(index, reference(text));
        if !self.conns[index].extended {
            if kind == "user_joined" {
                self.hears_plainly(text);
            }
            return;
        }
        match kind {
            "auth_expiring" => self.conns[index].warned = true,
            "auth_ok" => self.conns[index].warned = false,
            "going_away" => self.conns[index].told_to_go = true,
            "hello" | "presence" | "user_joined" | "user_left" => {}
            _ => return,
        }
        let Ok(message) = self.decoder.decode(text) else { return };
        match message {
            ServerMessage::Hello(hello) => {
                let user = format!("u{}", self.conns[index].user);
                self.checker.greets(&user, &hello);
            }
            ServerMessage::Presence(presence) => {
                self.checker.list_said(index, place(&presence.room, 0), presence.members.as_deref());
            }
            ServerMessage::UserJoined { room, user } => {
                self.checker.change_said(index, place(&room, 0), &user, true);
            }
            ServerMessage::UserLeft { room, user } => {
                self.checker.change_said(index, place(&room, 0), &user, false);
            }
            _ => {}
        }
    }

    /// A plain connection is told that somebody came: it is the user's only connection there.
    fn hears_plainly(&mut self, text: &str) {
        let Ok(ServerMessage::UserJoined { room, user }) = self.decoder.decode(text) else { return };
        let count = self.connections_in(&room, &user);
        // With several nodes two may have come at once.
        if count > 1 && self.shared.is_none() {
            self.checker.violated(format!(
                "15: a plain client is told that {user} has come with {count} connections"
            ));
        }
    }

    fn connections_in(&self, room: &Name, user: &Name) -> usize {
        let there = |conn: &&crate::sim::net::Conn| {
            conn.server_open && conn.name == *user && conn.rooms.iter().any(|at| Self::room(*at) == *room)
        };
        self.conns.iter().filter(there).count()
    }

    /// A connection has joined a room: the others know.
    fn others_know(&mut self, index: usize, before: &BTreeSet<usize>) {
        if self.shared.is_some() {
            // Those on other nodes know a little later.
            return;
        }
        let user = self.conns[index].name.clone();
        let new: Vec<usize> = self.conns[index].rooms.difference(before).copied().collect();
        for room in new {
            let others = self.conns.iter().enumerate().filter(|(other, conn)| {
                *other != index && conn.server_open && conn.extended && conn.rooms.contains(&room)
            });
            let others = others.map(|(other, _)| other);
            self.checker.has_come(place(&Self::room(room), 0), &user, others);
        }
    }

    /// A hub closes a connection.
    pub(super) fn hears_close(&mut self, index: usize, code: u16) {
        let conn = &self.conns[index];
        if code == 4002 && conn.expires.is_some_and(|end| self.now < end) {
            self.checker.violated(format!("2.2: connection {index} is closed before its token ends"));
        }
        if code == 4002 && conn.extended && !conn.warned {
            self.checker.violated(format!("2.2: nobody warned connection {index} that its token ends"));
        }
    }

    /// Something comes over a connection: its token is good.
    pub(super) fn outlives_token(&mut self, index: usize) {
        let thawed = self.nodes[self.conns[index].node].thawed;
        let over = |end| end + 2 * SECOND < self.now && thawed + 2 * SECOND < self.now;
        if self.conns[index].expires.is_some_and(over) {
            self.checker.violated(format!("2.2: connection {index} outlives its token"));
        }
    }

    /// A drain has begun: everybody who understands it has been told.
    pub(super) fn all_are_told_to_go(&mut self, node: usize) {
        let untold = self
            .conns
            .iter()
            .position(|conn| conn.node == node && conn.server_open && conn.extended && !conn.told_to_go);
        if let Some(index) = untold {
            self.checker.violated(format!("2.2: connection {index} is not told of the drain"));
        }
    }

    /// A server that drains has to be ended by force.
    pub(super) fn drain_is_over(&mut self, node: usize) {
        let left = self.nodes[node].hub.connections();
        if left > 0 && self.nodes[node].thawed + 30 * SECOND < self.now {
            self.checker.violated(format!("2.2: {left} connections are left long after the drain"));
        }
    }

    /// What a message in a log says; `at` is where, `author` who sent it.
    pub(super) fn appends(&mut self, at: LogId, author: super::super::checker::Key, words: &Words) {
        let Some(client) = self.clients.get(author.0).filter(|_| at < PERSONAL) else { return };
        let bytes = words.content.len() + words.data.as_ref().map_or(0, String::len);
        let user = self.speaking.map_or(client.user, |index| self.conns[index].user);
        let member = self.speaking.is_none_or(|index| self.conns[index].rooms.contains(&(at as usize)));
        self.checker.allows(user, author, bytes, member);
    }
}

/// The name of a request or an answer.
fn reference(text: &str) -> Option<&str> {
    text.split_once("\"ref\":\"")?.1.split('"').next()
}
