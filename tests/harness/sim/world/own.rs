//! Users, clients and servers have frames of their own.

use super::World;
use crate::sim::net::{Packet, Way};
use crate::sim::own::{AppFrameAction, number};
use rejoin::machine::{Command, OutboundMessage, ServerMessage};
use rejoin::{Event, Frame, SendId};
use std::collections::BTreeMap;

/// What their sends have in the place of a room.
pub(super) const LANE: &str = "";

impl World {
    pub(super) fn act_own(&mut self, client: usize, what: AppFrameAction) {
        match what {
            AppFrameAction::Send { count, padding } => {
                for _ in 0..count {
                    self.send_own(client, padding, false);
                }
            }
            AppFrameAction::Volatile => self.send_own(client, 0, true),
            AppFrameAction::Keep { key, padding } => self.keep_own(client, &format!("key{key}"), padding),
            AppFrameAction::Drop { key } => self.drop_own(client, &format!("key{key}")),
            AppFrameAction::KeepMany => {
                for key in 0..=rejoin::MAX_KEPT_FRAMES {
                    self.keep_own(client, &format!("many{key}"), 0);
                }
                for key in 0..=rejoin::MAX_KEPT_FRAMES {
                    self.drop_own(client, &format!("many{key}"));
                }
            }
        }
    }

    fn send_own(&mut self, client: usize, padding: u16, is_volatile: bool) {
        if !self.clients[client].is_running() {
            return;
        }
        let number = self.own.next();
        let text = self.own.sends(client, number, padding);
        self.checker.own_comes(client, SendId(number), &text);
        let send = OutboundMessage::new(SendId(number), LANE.into(), text);
        let process = self.processes[client];
        self.command(client, if is_volatile { Command::SendVolatile(send) } else { Command::Send(send) });
        let lives = self.clients[client].session.is_some() && self.processes[client] == process;
        if is_volatile && lives && !self.own.is_decided(client, number) {
            self.checker.violated(format!("own: u{client} waits with {number}, which is volatile"));
        }
    }

    fn keep_own(&mut self, client: usize, key: &str, padding: u16) {
        if !self.clients[client].is_running() {
            return;
        }
        let number = self.own.next();
        let frame = format!(r#"{{"type":"own_kept","n":{number},"pad":"{}"}}"#, " ".repeat(padding.into()));
        let before = self.own.kept(client, key);
        self.own.keeps(client, key, &frame);
        self.not_kept = None;
        self.command(client, Command::Keep { key: key.into(), frame });
        if self.not_kept.take().as_deref() == Some(key) {
            // It stays as it was.
            match before {
                Some(before) => self.own.keeps(client, key, &before),
                None => self.own.drops(client, key),
            }
        }
        if self.own.keeps_too_many(client) {
            self.checker.violated(format!("8: u{client} keeps more frames than it may"));
        }
    }

    fn drop_own(&mut self, client: usize, key: &str) {
        // It may have died over the one before.
        if self.clients[client].is_running() {
            self.own.drops(client, key);
            self.command(client, Command::DropKept(key.into()));
        }
    }

    /// What a client writes.
    pub(super) fn observe_own(&mut self, client: usize, index: usize, content: &str, is_own: bool) {
        let plain = !self.conns[index].extended;
        if let Err(what) = self.own.written(client, self.now, index, content, is_own, plain) {
            self.checker.violated(format!("own: {what}"));
        }
    }

    pub(super) fn observe_kept(&mut self, client: usize, index: usize, frame: &str) {
        if let Err(what) = self.own.kept_written(client, index, frame) {
            self.checker.violated(format!("own: {what}"));
        }
    }

    /// The server takes a frame that is not of the protocol, and answers it. Says whether it is one.
    pub(super) fn answers_own(&mut self, index: usize, text: &str) -> bool {
        let is_own = text.starts_with(r#"{"type":"own_"#);
        if let Some(number) = number(text).filter(|_| is_own) {
            let answer = format!(r#"{{"type":"own_answer","n":{number}}}"#);
            self.write(index, Way::Down, Packet::Text(answer.into()));
        }
        is_own
    }

    /// A text that arrives, as a driver that was asked for such frames reads it.
    pub(super) fn read_own(message: ServerMessage, text: &str) -> ServerMessage {
        match message {
            ServerMessage::Unknown if text.starts_with(r#"{"type":"own_answer""#) => {
                ServerMessage::Custom(Frame::new(Some("own_answer".into()), text.to_owned()))
            }
            other => other,
        }
    }

    /// Whether an event is about frames of the application's own.
    pub(super) fn told_own(&mut self, client: usize, event: &Event) -> bool {
        let result = match event {
            Event::Frame(_) => {
                self.frames_told += 1;
                Ok(())
            }
            Event::NotKept { key, .. } => {
                self.own.drops(client, key);
                self.not_kept = Some(key.to_string());
                Ok(())
            }
            Event::Restored(restored) if *restored.room == *LANE => {
                self.checker.own_comes(client, restored.id, &restored.content);
                self.own.restored(client, restored.id.0, &restored.content)
            }
            Event::Delivery(delivery) if *delivery.room == *LANE => {
                self.checker.own_goes(client, delivery.id);
                self.own.resolved(client, delivery.id.0, &delivery.status)
            }
            _ => return false,
        };
        if let Err(what) = result {
            self.checker.violated(format!("own: {what}"));
        }
        true
    }

    /// A process has died.
    pub(super) fn own_died(&mut self, client: usize) {
        let disk = self.clients[client].disk.as_ref().map(|disk| disk.saved()).unwrap_or_default();
        let sends: Vec<String> =
            disk.sends.into_iter().filter(|send| *send.room == *LANE).map(|send| send.content).collect();
        let kept: BTreeMap<String, String> =
            disk.kept.into_iter().map(|kept| (kept.key.to_string(), kept.frame)).collect();
        self.own.died(client, &sends, kept);
    }

    /// Long after everything has calmed down.
    pub(super) fn own_is_settled(&mut self, client: usize) {
        let open = self.own.open(client);
        if !open.is_empty() {
            self.checker.violated(format!("own: u{client} is back and knows nothing of {open:?}"));
        }
        let Some(index) = self.clients[client].newest() else { return };
        if let Err(what) = self.own.has_all_kept(client, index) {
            self.checker.violated(format!("own: {what}"));
        }
    }
}
