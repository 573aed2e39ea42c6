//! A small Socket.IO server in typed packets: rooms, acks, recovery. One client and somebody who talks in every room.

use super::rig::{HANDSHAKE, connected, event, said};
use crate::socketio::{Answer, ClientEvent, ClientPacket, ServerEvent, ServerPacket, TrailingArg};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

/// How the server behaves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ways {
    pub(super) recovers: bool,
    pub(super) answers: bool,
}

/// What one client is to the server: alive, or kept for its return.
#[derive(Debug, Clone, Default)]
struct Member {
    pid: String,
    rooms: BTreeSet<String>,
}

#[derive(Debug)]
pub(super) struct Server {
    ways: Ways,
    /// The client's connection, once it is in.
    member: Option<Member>,
    /// As they were when their loss was noticed, and not forgotten. As in the reference server, one that has come back
    /// stays there until the next loss is noticed.
    lost: BTreeMap<String, Member>,
    pids: u64,
    /// Everything that was said: where, and what.
    log: Vec<(String, String)>,
    /// Left on the connection in use, and not joined again: what is said there is not missed.
    left: BTreeSet<String>,
    /// What the client has sent, as it came.
    pub(super) taken: Vec<String>,
}

impl Server {
    pub(super) fn new(ways: Ways) -> Self {
        Self {
            ways,
            member: None,
            lost: BTreeMap::new(),
            pids: 0,
            log: Vec::new(),
            left: BTreeSet::new(),
            taken: Vec::new(),
        }
    }

    /// The first word on a new connection.
    pub(super) fn greet() -> ServerPacket {
        ServerPacket::Open(HANDSHAKE)
    }

    /// Whether the client is in.
    pub(super) fn has_client(&self) -> bool {
        self.member.is_some()
    }

    pub(super) fn log(&self) -> &[(String, String)] {
        &self.log
    }

    pub(super) fn is_left(&self, room: &str) -> bool {
        self.left.contains(room)
    }

    /// The connection is gone, which the server notices or does not.
    pub(super) fn connection_lost(&mut self, notices: bool) {
        self.left.clear();
        let member = self.member.take().filter(|_| notices && self.ways.recovers);
        self.lost.extend(member.map(|member| (member.pid.clone(), member)));
    }

    /// It forgets whoever is away.
    pub(super) fn forget(&mut self) {
        self.lost.clear();
    }

    fn placed(&self, at: usize) -> ServerPacket {
        let Some((room, content)) = self.log.get(at) else { panic!("no such message") };
        let trailing = TrailingArg { text: format!("1-{at}").into(), follows_object: true };
        let trailing = self.ways.recovers.then_some(trailing);
        ServerPacket::Event(ServerEvent { trailing, ..event(said(room, content)) })
    }

    /// Somebody says something in a room.
    pub(super) fn say(&mut self, room: &str) -> Option<ServerPacket> {
        let content = format!("{room} {}", self.log.len());
        self.append(room, content)
    }

    fn append(&mut self, room: &str, content: String) -> Option<ServerPacket> {
        self.log.push((room.to_owned(), content));
        let hears = self.member.as_ref().is_some_and(|member| member.rooms.contains(room));
        hears.then(|| self.placed(self.log.len() - 1))
    }

    /// What it says to a packet.
    pub(super) fn receive(&mut self, packet: ClientPacket) -> Vec<ServerPacket> {
        match packet {
            ClientPacket::Connect { resume, .. } => {
                assert!(self.member.is_none(), "asked twice");
                let known = resume.and_then(|resume| {
                    let member = self.lost.get(&*resume.pid)?.clone();
                    let seen: usize = resume.offset.strip_prefix("1-")?.parse().ok()?;
                    Some((member, seen))
                });
                let mut said = Vec::new();
                let member = if let Some((member, seen)) = known {
                    let missed = seen + 1..self.log.len();
                    let hears =
                        |at: &usize| self.log.get(*at).is_some_and(|(room, _)| member.rooms.contains(room));
                    said.extend(missed.filter(hears).map(|at| self.placed(at)));
                    member
                } else {
                    self.pids += 1;
                    Member { pid: format!("p{}", self.pids), rooms: BTreeSet::new() }
                };
                said.push(connected(self.ways.recovers.then_some(&member.pid)));
                self.member = Some(member);
                said
            }
            ClientPacket::Emit { ack, event } => {
                let Some(member) = &mut self.member else { panic!("an event before the consent") };
                let answers = self.ways.answers;
                let done = |seq| {
                    let answer = Box::new(Answer::Done { id: None, seq, members: None, answer: None });
                    ack.filter(|_| answers).map(|id| ServerPacket::Ack { id, answer })
                };
                match event {
                    ClientEvent::Join { room } => {
                        member.rooms.insert(room.to_string());
                        self.left.remove(room.as_str());
                        done(None).into_iter().collect()
                    }
                    ClientEvent::Leave { room } => {
                        member.rooms.remove(room.as_str());
                        self.left.insert(room.to_string());
                        Vec::new()
                    }
                    ClientEvent::Send { room, content, .. } => {
                        self.taken.push(content.clone());
                        let echo = self.append(&room, content);
                        echo.into_iter().chain(done(Some(self.taken.len() as u64))).collect()
                    }
                }
            }
            _ => Vec::new(),
        }
    }
}
