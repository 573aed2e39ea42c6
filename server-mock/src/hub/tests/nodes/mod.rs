//! The rules of a hub that is one node of several. The store's answers are written by hand.

mod attendance;
mod joins;
mod live;
mod orders;
mod outages;
mod parked;
mod posts;
mod restores;
mod sends;
mod usage;

use super::{ADA, BOB, CYD, World, heard};
use crate::hub::shared::{
    Decision, KnownHead, RemoteMember, RequestId, RoomState, StoreNotice, StoreRequest, StoreResponse,
    UserPresence,
};
use crate::hub::{ConnId, HubConfig, Input, LogEntry, Output};
use rejoin::{Id, Name};
use serde_json::{Value, json};

/// The life of the log.
const LIFE: &str = "e1";

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

fn entry(seq: u64, user: &str) -> LogEntry {
    LogEntry {
        id: id(&format!("m{seq}")),
        seq,
        user: Name::from(user),
        content: format!("c{seq}"),
        data: None,
        timestamp: "2025-11-22T21:19:19.123Z".into(),
        origin: None,
        kind: None,
    }
}

fn entries(seqs: std::ops::RangeInclusive<u64>) -> Vec<LogEntry> {
    seqs.map(|seq| entry(seq, "eve")).collect()
}

/// A room with these entries, all that there ever were.
fn room(entries: Vec<LogEntry>) -> RoomState {
    let head = entries.last().map_or(0, |entry| entry.seq);
    RoomState { epoch: id(LIFE), head, entries, preceding: (0, None), remote_members: Vec::new() }
}

/// What is behind the entry that the node has.
fn behind(seq: u64, entries: Vec<LogEntry>) -> RoomState {
    let gone = if seq == 0 { (0, None) } else { (seq, Some(id(&format!("m{seq}")))) };
    let head = entries.last().map_or(seq, |entry| entry.seq);
    RoomState { epoch: id(LIFE), head, entries, preceding: gone, remote_members: Vec::new() }
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with what a request has")]
fn held(seq: u64) -> Option<KnownHead> {
    Some(KnownHead { epoch: id(LIFE), head: seq, id: (seq > 0).then(|| id(&format!("m{seq}"))) })
}

/// What the hub asks of the store.
fn asked(outputs: &[Output]) -> Vec<&StoreRequest> {
    let asked = outputs.iter().filter_map(|output| match output {
        Output::Store(request) => Some(request),
        _ => None,
    });
    asked.collect()
}

/// The reads among it.
fn reads(outputs: &[Output]) -> Vec<(RequestId, String, Option<KnownHead>)> {
    let reads = asked(outputs).into_iter().filter_map(|request| match request {
        StoreRequest::Open { request_id, room, known_head: held, .. } => {
            Some((*request_id, room.to_string(), held.clone()))
        }
        _ => None,
    });
    reads.collect()
}

/// The sends among it.
fn appends(outputs: &[Output]) -> Vec<(RequestId, Decision)> {
    let appends = asked(outputs).into_iter().filter_map(|request| match request {
        StoreRequest::Append { request_id, decision, .. } => Some((*request_id, decision.clone())),
        _ => None,
    });
    appends.collect()
}

/// The one read among it.
fn read(outputs: &[Output]) -> RequestId {
    let reads = reads(outputs);
    assert_eq!(reads.len(), 1, "{outputs:?}");
    reads[0].0
}

/// What this connection is sent, by type.
fn types(outputs: &[Output], conn: ConnId) -> Vec<String> {
    let frames = heard(outputs).into_iter().filter(|(to, _)| *to == conn);
    frames.map(|(_, frame)| frame["type"].as_str().unwrap().to_owned()).collect()
}

/// The contents that this connection is sent.
fn contents(outputs: &[Output], conn: ConnId) -> Vec<String> {
    let frames = heard(outputs).into_iter().filter(|(to, _)| *to == conn);
    frames.filter_map(|(_, frame)| frame["content"].as_str().map(str::to_owned)).collect()
}

/// The frames of this type that this connection is sent.
fn frames(outputs: &[Output], conn: ConnId, kind: &str) -> Vec<Value> {
    let frames = heard(outputs).into_iter().filter(|(to, frame)| *to == conn && frame["type"] == kind);
    frames.map(|(_, frame)| frame).collect()
}

fn join(room: &str) -> Value {
    json!({"type": "join_room", "roomId": room, "ref": "j"})
}

fn number(pseq: u64) -> Value {
    json!({
        "type": "send_message", "roomId": "lobby", "content": format!("n{pseq}"),
        "ref": format!("s{pseq}"), "pid": "p", "pseq": pseq, "epoch": LIFE,
    })
}

fn appended(entry: LogEntry, dup: bool) -> StoreResponse {
    let (id, seq) = (entry.id.clone(), entry.seq);
    StoreResponse::Appended { epoch: id_of_life(), entry: Some(Box::new(entry)), id, seq, dup }
}

fn id_of_life() -> Id {
    id(LIFE)
}

impl World {
    fn node(change: impl FnOnce(&mut HubConfig)) -> Self {
        Self::new(|config| {
            config.node = Some(id("here"));
            change(config);
        })
    }

    /// Ada, extended, and Bob, plain, are in `lobby`, whose log has so many entries.
    fn shared_lobby(head: u64) -> Self {
        let mut world = Self::node(|_| {});
        world.extend(ADA, "ada");
        world.connect(BOB, "bob");
        let outputs = world.frame(ADA, &join("lobby"));
        world.answer(read(&outputs), StoreResponse::Opened(room(entries(1..=head))));
        let outputs = world.join(BOB, "lobby");
        world.answer(read(&outputs), StoreResponse::Opened(behind(head, Vec::new())));
        world
    }

    fn frame(&mut self, conn: ConnId, frame: &Value) -> Vec<Output> {
        self.say(conn, &frame.to_string())
    }

    fn answer(&mut self, request_id: RequestId, answer: StoreResponse) -> Vec<Output> {
        self.handle(Input::StoreResponse { request_id, response: answer })
    }

    fn notice(&mut self, notice: StoreNotice) -> Vec<Output> {
        self.handle(Input::StoreNotice(notice))
    }

    /// The store says that this entry is in `lobby`.
    fn logged_there(&mut self, entry: LogEntry) -> Vec<Output> {
        let (room, epoch) = (Name::from("lobby"), id(LIFE));
        self.notice(StoreNotice::Appended { room, epoch, entry: Box::new(entry) })
    }

    /// Another node says who is in `lobby` there.
    fn attendance(&mut self, node: &str, users: &[(&str, bool)], whole: bool) -> Vec<Output> {
        let users =
            users.iter().map(|(user, here)| UserPresence { user: Name::from(*user), is_present: *here });
        let (room, users) = (Name::from("lobby"), users.collect());
        self.notice(StoreNotice::Presence { room, node: id(node), users, is_snapshot: whole })
    }

    /// Ticks until so much time has passed, while everybody shows life; gives what came of it.
    fn after(&mut self, ms: u64) -> Vec<Output> {
        let (end, mut outputs) = (self.ms + ms, Vec::new());
        while self.hub.next_deadline().is_some_and(|at| at.since_start().as_millis() <= u128::from(end)) {
            outputs.extend(self.tick());
            for conn in [ADA, BOB, CYD] {
                outputs.extend(self.handle(Input::Activity { conn }));
            }
        }
        self.ms = end;
        outputs
    }
}
