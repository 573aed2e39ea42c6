//! A Socket.IO server's view of a hub: one member for each connected client, pending acks, and recoverable offsets. It keeps everything
//! that it has sent, so that it needs no bookkeeping of a real server.

use super::draw::SioTrigger;
use crate::sim::Micros;
use crate::sim::net::Pipe;
use rejoin::Name;
use rejoin::machine::ConnId;
use rejoin::messages::Epoch;
use rejoin::socketio::ServerPacket;
use rejoin_server::hub::RoomPosition;
use std::collections::BTreeMap;

/// A connection.
#[derive(Debug)]
pub(in crate::sim) struct SioConn {
    /// Whose it is, and its number for it.
    pub(in crate::sim) client: usize,
    pub(in crate::sim) id: ConnId,
    /// The connection over which it is had, of a namespace beside the first: its own ends are those of its time there.
    pub(in crate::sim) carrier: Option<usize>,
    pub(in crate::sim) latency: Micros,
    pub(in crate::sim) up: Pipe,
    pub(in crate::sim) down: Pipe,
    /// The server has thrown the client out.
    pub(in crate::sim) dismissed: bool,
    /// The answer of the namespace has come to the client.
    pub(in crate::sim) is_answered: bool,
    /// When the client has said goodbye to a namespace.
    pub(in crate::sim) left_at: Option<Micros>,
    /// What has come to the client before the consent.
    pub(in crate::sim) before: Vec<ServerPacket>,
    /// The client still has its end, and since when.
    pub(in crate::sim) client_open: bool,
    pub(in crate::sim) opened: Micros,
    /// The client has said goodbye on it.
    pub(in crate::sim) closing: bool,
    /// The server still has its end.
    pub(in crate::sim) server_open: bool,
    /// The engine's questions, and the last one that was answered.
    pub(in crate::sim) beats: u64,
    pub(in crate::sim) heard: u64,
    /// The namespace has let the client in.
    pub(in crate::sim) seat: Option<Member>,
    /// What is said behind the consent, while that is held back.
    pub(in crate::sim) before_consent: bool,
    /// The rooms of the session that goes on over it, as places of the checker.
    pub(in crate::sim) restored: Option<Vec<u32>>,
    /// The hub has just said whether that worked.
    pub(in crate::sim) is_restored: bool,
    /// The hub waits for its queue to be empty.
    pub(in crate::sim) draining: bool,
    /// It is cut at the next thing of this kind.
    pub(in crate::sim) cut_at: Option<(SioTrigger, u64)>,
    /// When its server has last refused a room for now.
    pub(in crate::sim) refused_at: BTreeMap<Name, Micros>,
    /// The last frame whose flush has not been reported.
    pub(in crate::sim) unflushed: Option<u64>,
}

impl SioConn {
    /// One that has just reached the server, and that the client does not have yet.
    pub(in crate::sim) fn new(client: usize, id: ConnId, now: Micros, latency: Micros) -> Self {
        Self {
            client,
            id,
            carrier: None,
            latency,
            up: Pipe::default(),
            down: Pipe::default(),
            dismissed: false,
            is_answered: false,
            left_at: None,
            before: Vec::new(),
            client_open: false,
            opened: now,
            closing: false,
            server_open: true,
            beats: 0,
            heard: 0,
            seat: None,
            before_consent: false,
            restored: None,
            is_restored: false,
            draining: false,
            cut_at: None,
            refused_at: BTreeMap::new(),
            unflushed: None,
        }
    }
}

/// What a seat makes of a frame of the hub.
#[derive(Debug)]
pub(in crate::sim) enum Delivered {
    /// This goes out.
    Packet(Box<ServerPacket>),
    /// The server goes away within this time.
    GoingAway(Micros),
    /// The client misses something that will not come.
    Missing,
    /// Nothing for such a client.
    Nothing,
}

/// Where a client is in a room.
#[derive(Debug, Clone)]
struct Room {
    epoch: Epoch,
    /// Before the first event.
    after: u64,
    /// The last one that was sent.
    last: u64,
    /// No number may be left out.
    whole: bool,
}

/// One client in the namespace.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Member {
    /// What the session can be recovered under.
    pub(in crate::sim) pid: String,
    number: u64,
    rooms: BTreeMap<Name, Room>,
    events: Vec<(Name, Epoch, u64)>,
    /// The answers that are waited for, by what the hub is asked under.
    pub(in crate::sim) waiting: BTreeMap<String, u64>,
    asked: u64,
    broken: bool,
}

/// A session that was lost.
#[derive(Debug)]
pub(in crate::sim) struct Lost {
    pub(in crate::sim) client: usize,
    pub(in crate::sim) at: Micros,
    pub(in crate::sim) seat: Member,
}

impl Member {
    /// A seat whose offsets begin with this number, which no other one has.
    pub(in crate::sim) fn new(pid: String, number: u64, rooms: &[RoomPosition]) -> Self {
        let room = |position: &RoomPosition| {
            let (epoch, after) = (position.epoch.clone(), position.after);
            (position.room.clone(), Room { epoch, after, last: after, whole: true })
        };
        Self {
            pid,
            number,
            rooms: rooms.iter().map(room).collect(),
            events: Vec::new(),
            waiting: BTreeMap::new(),
            asked: 0,
            broken: false,
        }
    }

    /// The name of the next request to the hub.
    pub(in crate::sim) fn asks(&mut self, ack: Option<u64>) -> String {
        self.asked += 1;
        let name = self.asked.to_string();
        if let Some(ack) = ack {
            self.waiting.insert(name.clone(), ack);
        }
        name
    }

    /// The hub has put it into a room.
    pub(in crate::sim) fn enters(&mut self, room: &Name, epoch: &Epoch, head: u64) {
        if self.rooms.get(room).is_none_or(|known| known.epoch != *epoch) {
            let entered = Room { epoch: epoch.clone(), after: head, last: head, whole: false };
            self.rooms.insert(room.clone(), entered);
        }
    }

    /// The rooms it is in.
    pub(in crate::sim) fn rooms(&self) -> Vec<Name> {
        self.rooms.keys().cloned().collect()
    }

    /// It leaves a room.
    pub(in crate::sim) fn leaves(&mut self, room: &Name) {
        self.rooms.remove(room);
    }

    /// An entry of a log is sent. Gives its offset; an error where something before it is missing for good.
    pub(in crate::sim) fn sends(
        &mut self,
        room: &Name,
        epoch: &Epoch,
        seq: u64,
    ) -> Result<Option<String>, ()> {
        if let Some(known) = self.rooms.get_mut(room) {
            if known.epoch != *epoch {
                self.broken = true;
                return Ok(None);
            }
            if known.whole && seq > known.last + 1 {
                return Err(());
            }
            known.last = seq;
        }
        self.events.push((room.clone(), epoch.clone(), seq));
        Ok((!self.broken).then(|| format!("{}-{}", self.number, self.events.len())))
    }

    /// Where the client is that has this offset; `None` if it cannot be gone on from.
    pub(in crate::sim) fn positions(&self, offset: &str) -> Option<Vec<RoomPosition>> {
        let (number, event) = offset.split_once('-')?;
        let has = if number == self.number.to_string() { event.parse().ok()? } else { 0 };
        if self.broken || has > self.events.len() {
            return None;
        }
        let position = |(name, room): (&Name, &Room)| {
            let seen = self.events[..has].iter().filter(|(of, epoch, _)| of == name && *epoch == room.epoch);
            let after = seen.map(|(_, _, seq)| *seq).max().unwrap_or(0).max(room.after);
            RoomPosition { room: name.clone(), epoch: room.epoch.clone(), after }
        };
        Some(self.rooms.iter().map(position).collect())
    }
}
