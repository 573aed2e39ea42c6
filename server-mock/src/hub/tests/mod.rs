//! The hub's rules as sentences, frames compared to the byte where they are plain.

mod plain;

use super::{ConnId, Hub, HubConfig, Input, Output};
use rejoin::{Moment, Name, Timestamp};
use std::time::Duration;

const ADA: ConnId = ConnId(1);
const BOB: ConnId = ConnId(2);
const CYD: ConnId = ConnId(3);

/// A hub and its clock; the wall says 2025-11-22T21:19:19.123Z when the monotonic clock says zero.
struct World {
    hub: Hub,
    ms: u64,
}

impl World {
    fn new(change: impl FnOnce(&mut HubConfig)) -> Self {
        let mut config = HubConfig::default();
        change(&mut config);
        Self { hub: Hub::new(config, 1), ms: 0 }
    }

    /// Ada and Bob are connected and in `lobby`, and all about that has been said.
    fn lobby(change: impl FnOnce(&mut HubConfig)) -> Self {
        let mut world = Self::new(change);
        for (conn, user) in [(ADA, "ada"), (BOB, "bob")] {
            world.connect(conn, user);
            world.join(conn, "lobby");
        }
        world
    }

    fn now(&self) -> Moment {
        Moment::new(Timestamp::from_millis(self.ms), Duration::from_millis(1_763_846_359_123 + self.ms))
    }

    fn handle(&mut self, input: Input<'_>) -> Vec<Output> {
        self.hub.handle(self.now(), input);
        std::iter::from_fn(|| self.hub.poll()).collect()
    }

    fn connect(&mut self, conn: ConnId, user: &str) -> Vec<Output> {
        self.handle(Input::Connected { conn, user: Name::from(user), extended: false, expires: None })
    }

    fn say(&mut self, conn: ConnId, text: &str) -> Vec<Output> {
        self.handle(Input::Frame { conn, text })
    }

    fn join(&mut self, conn: ConnId, room: &str) -> Vec<Output> {
        self.say(conn, &format!(r#"{{"type":"join_room","roomId":"{room}"}}"#))
    }

    fn send(&mut self, conn: ConnId, room: &str, content: &str) -> Vec<Output> {
        self.say(conn, &format!(r#"{{"type":"send_message","roomId":"{room}","content":"{content}"}}"#))
    }

    /// Goes to the next deadline and ticks.
    fn tick(&mut self) -> Vec<Output> {
        let at = self.hub.next_deadline().unwrap().since_start();
        self.ms = u64::try_from(at.as_millis()).unwrap();
        self.handle(Input::Tick)
    }

    /// Goes to the next deadline at which something is to be done, and does it.
    fn next_tick(&mut self) -> Vec<Output> {
        loop {
            let outputs = self.tick();
            if !outputs.is_empty() {
                return outputs;
            }
        }
    }

    fn hang_up(&mut self, conn: ConnId) -> Vec<Output> {
        self.handle(Input::Disconnected { conn, clean: false })
    }
}

fn sent(conn: ConnId, text: &str) -> Output {
    Output::Send { conn, text: String::from(text).into() }
}

fn error(conn: ConnId, message: &str) -> Vec<Output> {
    vec![sent(conn, &format!(r#"{{"type":"error","message":"{message}"}}"#))]
}

fn closed(conn: ConnId, code: u16, reason: &'static str) -> Vec<Output> {
    vec![Output::Close { conn, code, reason }]
}
