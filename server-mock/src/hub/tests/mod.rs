//! The hub's rules as sentences, frames compared to the byte where they are plain.

mod drains;
mod feeds;
mod joins;
mod kicks;
mod nodes;
mod plain;
mod presence;
mod published;
mod quotas;
mod replays;
mod restores;
mod rights;
mod sends;
mod stores;
mod strangers;
mod tokens;

use super::{ConnId, DrainReason, Hub, HubConfig, Input, Output};
use rejoin::machine::ClockReading;
use rejoin::{Name, Timestamp};
use serde_json::{Value, json};
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

    fn now(&self) -> ClockReading {
        ClockReading::new(Timestamp::from_millis(self.ms), Duration::from_millis(1_763_846_359_123 + self.ms))
    }

    fn handle(&mut self, input: Input<'_>) -> Vec<Output> {
        self.hub.handle(self.now(), input);
        std::iter::from_fn(|| self.hub.poll()).collect()
    }

    fn connect(&mut self, conn: ConnId, user: &str) -> Vec<Output> {
        self.handle(Input::Connected { conn, user: Name::from(user), extended: false, expires: None })
    }

    /// Connects one that speaks the extended protocol.
    fn extend(&mut self, conn: ConnId, user: &str) -> Vec<Output> {
        self.handle(Input::Connected { conn, user: Name::from(user), extended: true, expires: None })
    }

    /// Says a frame and gives what comes of it, as JSON.
    fn ask(&mut self, conn: ConnId, frame: &Value) -> Vec<(ConnId, Value)> {
        heard(&self.say(conn, &frame.to_string()))
    }

    /// The extended join, and its answer.
    fn enter(&mut self, conn: ConnId, room: &str) -> Value {
        let frame = json!({"type": "join_room", "roomId": room, "ref": "j"});
        let (to, joined) = self.ask(conn, &frame).remove(0);
        assert_eq!((to, &joined["type"]), (conn, &json!("joined")), "{joined}");
        joined
    }

    /// The extended join from a position, and all that comes to the one who joins.
    fn rejoin(&mut self, conn: ConnId, room: &str, since: &Value) -> Vec<Value> {
        let frame = json!({"type": "join_room", "roomId": room, "ref": "j", "since": since});
        self.ask(conn, &frame).into_iter().filter(|(to, _)| *to == conn).map(|(_, frame)| frame).collect()
    }

    /// A numbered send into `lobby`, and the answer to it.
    fn number(&mut self, conn: ConnId, pid: &str, pseq: u64, content: &str) -> Value {
        let epoch = self.epoch("lobby");
        self.number_in(conn, &epoch, pid, pseq, content)
    }

    fn number_in(&mut self, conn: ConnId, epoch: &str, pid: &str, pseq: u64, content: &str) -> Value {
        let frame = json!({
            "type": "send_message", "roomId": "lobby", "content": content,
            "ref": format!("s{pseq}"), "pid": pid, "pseq": pseq, "epoch": epoch,
        });
        let mut answers = self.ask(conn, &frame);
        answers.retain(|(to, frame)| *to == conn && (frame["type"] == "ack" || frame["type"] == "nack"));
        assert_eq!(answers.len(), 1, "one answer to {frame}");
        answers.remove(0).1
    }

    fn epoch(&self, room: &str) -> String {
        self.hub.store().room(room).unwrap().epoch().to_string()
    }

    /// What is in a room's log.
    fn logged(&self, room: &str) -> Vec<&str> {
        self.hub.store().room(room).unwrap().messages().map(|entry| entry.content.as_str()).collect()
    }

    /// The position of the newest message.
    fn position(&self, room: &str) -> Value {
        let log = self.hub.store().room(room).unwrap();
        let entry = log.messages().next_back().unwrap();
        json!({"epoch": log.epoch(), "seq": entry.seq, "id": entry.id})
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
        self.ms = u64::try_from(at.as_nanos().div_ceil(1_000_000)).unwrap();
        self.handle(Input::Tick)
    }

    /// Time passes until then, while everybody shows life.
    fn pass_until(&mut self, ms: u64) {
        while self.hub.next_deadline().is_some_and(|at| at.since_start() <= Duration::from_millis(ms)) {
            self.tick();
            for conn in [ADA, BOB] {
                self.handle(Input::Activity { conn });
            }
        }
        self.ms = ms;
    }

    /// Ticks until there is nothing more to wait for, and nothing is said any more.
    fn rests(&mut self) {
        while self.hub.next_deadline().is_some() {
            assert_eq!(self.tick(), []);
        }
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

/// The frames among the outputs.
fn heard(outputs: &[Output]) -> Vec<(ConnId, Value)> {
    let frames = outputs.iter().filter_map(|output| match output {
        Output::Send { conn, text } | Output::SendVolatile { conn, text } => Some((*conn, text)),
        _ => None,
    });
    frames.map(|(conn, text)| (conn, serde_json::from_str(text).unwrap())).collect()
}

/// The contents of the messages among the frames.
fn contents(frames: &[Value]) -> Vec<&str> {
    frames.iter().filter_map(|frame| frame["content"].as_str()).collect()
}

fn error(conn: ConnId, message: &str) -> Vec<Output> {
    vec![sent(conn, &format!(r#"{{"type":"error","message":"{message}"}}"#))]
}

/// The same on a connection that speaks the extended protocol.
fn bad_request(conn: ConnId, message: &str) -> Vec<Output> {
    vec![sent(
        conn,
        &format!(r#"{{"type":"error","code":"bad_request","retry":false,"message":"{message}"}}"#),
    )]
}

fn closed(conn: ConnId, code: u16, reason: &'static str) -> Vec<Output> {
    vec![Output::Close { conn, code, reason }]
}
