//! Holds requests until a room has been read: joins and what their connections ask of the room meanwhile, feeds, restored
//! connections.
//!
//! A connection's frames about a room are carried out in the order in which they came: they wait for the join. Those
//! about other rooms do not.

use super::super::dispatch::RequestRef;
use super::super::names::{is_stream, resolve_room, wire_name};
use super::super::rights::{Permission, Right};
use super::super::{ConnId, FeedRequest, Hub, Limit, Output, RoomPosition};
use super::mutation::mutation;
use super::replica::ParkedRef;
use rejoin::machine::{ClientMessage, ClockReading, ServerMessage};
use rejoin::messages::{Code, JoinRequest, Nack};
use rejoin::{Name, Timestamp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Frames of one connection that may wait, and bytes of them.
const MAX_FRAMES: usize = 64;
const MAX_FRAME_BYTES: usize = 256 << 10;

/// A join of the plain protocol, which nobody would try again, is tried for so long.
const PLAIN_JOIN_TIMEOUT: Duration = Duration::from_secs(30);

/// The close code of a connection that is to come again later.
pub(super) const TRY_AGAIN_LATER: (u16, &str) = (1013, "Try again later");

const NO_ANSWER: &str = "the store does not answer now: join again in a moment";
const FULL: &str = "too many requests wait for the store: join again in a moment";
const TOO_MANY: &str = "too much waits for a join: say it again when the room is joined";

/// What of one connection waits.
#[derive(Debug, Default)]
pub(super) struct Parked {
    joins: BTreeMap<Name, ParkedJoin>,
    /// Frames in all of them, and bytes.
    frames: usize,
    bytes: usize,
    feed: Option<(u64, FeedRequest)>,
    restore: Option<ParkedRestore>,
}

#[derive(Debug)]
struct ParkedJoin {
    serial: u64,
    request: Option<JoinRequest>,
    since: Timestamp,
    frames: VecDeque<(ClientMessage, usize)>,
}

/// A connection that is put back into its rooms.
#[derive(Debug)]
struct ParkedRestore {
    serial: u64,
    rooms: Vec<RoomPosition>,
    unread: BTreeSet<Name>,
}

impl Parked {
    fn is_empty(&self) -> bool {
        self.joins.is_empty() && self.feed.is_none() && self.restore.is_none()
    }
}

impl Hub {
    /// A mistake on purpose.
    pub(in super::super) fn is_served_from_copy(&self, room: &Name) -> bool {
        mutation!(SinceFromCopy) && self.store.room(room).is_some()
    }

    /// So many joins of the connection wait.
    pub(in super::super) fn joins_parked(&self, conn: ConnId) -> usize {
        let parked = self.nodes.as_ref().and_then(|nodes| nodes.parked.get(&conn));
        parked.map_or(0, |parked| parked.joins.keys().filter(|room| !room.starts_with('@')).count())
    }

    /// Has the room read, and joins it when that is done.
    pub(in super::super) fn park_join(
        &mut self,
        now: Timestamp,
        conn: ConnId,
        room: &Name,
        user: &Name,
        request: Option<JoinRequest>,
        wanted: Option<Name>,
    ) {
        let is_known = self.nodes.as_ref().is_some_and(|nodes| nodes.replicas.contains_key(room));
        let creator = Some(user).filter(|_| !is_stream(room));
        if !is_known && let Err(why) = self.check_room_quota(now, creator) {
            return self.reject_join(now, conn, request.map(|request| request.reference), wanted, why);
        }
        let Some(nodes) = &mut self.nodes else { return };
        let waiting = ParkedRef { conn, serial: nodes.serial() };
        if self.read_room(now, room, Some(waiting), Some(user)).is_err() {
            self.drop_if_idle(room);
            let reference = request.map(|request| request.reference);
            return self.refuse_join(conn, reference, wanted, FULL);
        }
        if let Some(copy) = self.copy_mut(room).filter(|_| !is_known) {
            copy.creator = creator.cloned();
        }
        let join = ParkedJoin { serial: waiting.serial, request, since: now, frames: VecDeque::new() };
        if let Some(nodes) = &mut self.nodes {
            nodes.parked.entry(conn).or_default().joins.insert(room.clone(), join);
        }
    }

    /// Keeps a frame about a room whose join waits; gives it back if none does.
    pub(in super::super) fn park_frame(
        &mut self,
        conn: ConnId,
        message: ClientMessage,
        bytes: usize,
    ) -> Option<ClientMessage> {
        let (Some(nodes), Some(state)) = (&mut self.nodes, self.conns.get(&conn)) else {
            return Some(message);
        };
        let Some(parked) = nodes.parked.get_mut(&conn) else { return Some(message) };
        let room = match &message {
            ClientMessage::JoinRoom { room, .. }
            | ClientMessage::LeaveRoom { room, .. }
            | ClientMessage::SendMessage { room, .. }
            | ClientMessage::Presence { room }
            | ClientMessage::Signal { room, .. } => room,
            ClientMessage::History(request) => &request.room,
            _ => return Some(message),
        };
        let Ok(key) = resolve_room(&state.user, room.clone()) else { return Some(message) };
        let Some(join) = parked.joins.get_mut(&key) else { return Some(message) };
        // A plain leave is never said again, and whoever stays a member would be one for as long as it is connected. What comes
        // behind it is refused as well, so that there is one at most.
        let is_last =
            |message: &ClientMessage| matches!(message, ClientMessage::LeaveRoom { reference: None, .. });
        let is_left = is_last(&message);
        if is_left && join.frames.back().is_some_and(|(last, _)| is_last(last)) {
            return None;
        }
        if !is_left && (parked.frames >= MAX_FRAMES || parked.bytes + bytes > MAX_FRAME_BYTES) {
            self.refusal_counts.record(Limit::ParkedFrames);
            self.refuse_frame(conn, message);
            return None;
        }
        if !mutation!(ParkedLost) {
            (parked.frames, parked.bytes) = (parked.frames + 1, parked.bytes + bytes);
            join.frames.push_back((message, bytes));
        }
        None
    }

    /// There is no room for one more frame to wait.
    fn refuse_frame(&mut self, conn: ConnId, message: ClientMessage) {
        let extended = self.conns.get(&conn).is_some_and(|state| state.extended.is_some());
        let (reference, room): (RequestRef, _) = match message {
            ClientMessage::SendMessage { tag: Some(tag), .. } if extended => {
                let nack = Nack {
                    reference: Some(tag.reference),
                    code: Code::Overloaded,
                    retry: true,
                    retry_after_ms: Some(1_000),
                    expected: None,
                    dup: false,
                    message: TOO_MANY.into(),
                    server_code: None,
                };
                return self.send_frame(conn, &ServerMessage::Nack(Box::new(nack)));
            }
            ClientMessage::JoinRoom { room, request: Some(request) } => (Some(request.reference), Some(room)),
            ClientMessage::LeaveRoom { room, reference } => (reference, Some(room)),
            ClientMessage::History(request) => (Some(request.reference), Some(request.room)),
            // What is worth something only now.
            ClientMessage::Signal { .. } => return,
            _ => (None, None),
        };
        if reference.is_none() {
            return self.send_error(conn, TOO_MANY);
        }
        self.send_refusal(conn, reference, room, Code::Overloaded, TOO_MANY);
    }

    fn refuse_join(&mut self, conn: ConnId, reference: RequestRef, room: Option<Name>, why: &'static str) {
        if reference.is_none() {
            return self.send_error(conn, why);
        }
        self.send_refusal(conn, reference, room, Code::Overloaded, why);
    }

    /// Begins a feed when the room was read.
    pub(in super::super) fn park_feed(
        &mut self,
        now: Timestamp,
        conn: ConnId,
        user: &Name,
        ready: FeedRequest,
    ) {
        let room = ready.room.clone();
        let is_known = self.nodes.as_ref().is_some_and(|nodes| nodes.replicas.contains_key(&room));
        if !is_known && let Err(why) = self.check_room_quota(now, Some(user)) {
            return self.reject_feed(now, conn, why);
        }
        let Some(nodes) = &mut self.nodes else { return };
        let waiting = ParkedRef { conn, serial: nodes.serial() };
        if self.read_room(now, &room, Some(waiting), Some(user)).is_err() {
            let (code, reason) = TRY_AGAIN_LATER;
            self.close(now, conn, code, reason);
            return self.drop_if_idle(&room);
        }
        if let Some(nodes) = &mut self.nodes {
            nodes.parked.entry(conn).or_default().feed = Some((waiting.serial, ready));
        }
    }

    /// Puts the connection back into its rooms when they were read.
    pub(in super::super) fn park_restore(&mut self, now: ClockReading, conn: ConnId, rooms: &[RoomPosition]) {
        let Some(state) = self.conns.get(&conn).filter(|_| rooms.len() <= self.config.rooms_per_conn + 1)
        else {
            return self.outputs.push_back(Output::Restored { conn, restored: false });
        };
        let user = state.user.clone();
        let Some(nodes) = &mut self.nodes else { return };
        let waiting = ParkedRef { conn, serial: nodes.serial() };
        let unread: BTreeSet<Name> = rooms.iter().map(|position| position.room.clone()).collect();
        let restore = ParkedRestore { serial: waiting.serial, rooms: rooms.to_vec(), unread: unread.clone() };
        nodes.parked.entry(conn).or_default().restore = Some(restore);
        let mut fits = true;
        for room in &unread {
            fits = fits && self.read_room(now.monotonic, room, Some(waiting), Some(&user)).is_ok();
            if let Some(nodes) = &mut self.nodes {
                nodes.replicas.entry(room.clone()).or_default().pins += 1;
            }
        }
        if !fits {
            return self.fail_restore(now.monotonic, conn);
        }
        if unread.is_empty() {
            self.end_restore(conn);
            self.restore(now.monotonic, conn, rooms);
        }
    }

    /// It cannot be found out now whether the connection can be put back. It ends, so that its client asks again: to begin anew
    /// would lose what it has missed.
    fn fail_restore(&mut self, now: Timestamp, conn: ConnId) {
        let rooms = self.end_restore(conn).unwrap_or_default();
        let (code, reason) = TRY_AGAIN_LATER;
        self.close(now, conn, code, reason);
        self.drop_unused_rooms(&rooms);
    }

    /// A restore does not wait any more: gives it and lets go of its rooms.
    fn end_restore(&mut self, conn: ConnId) -> Option<Vec<RoomPosition>> {
        let nodes = self.nodes.as_mut()?;
        let parked = nodes.parked.get_mut(&conn)?;
        let restore = parked.restore.take()?;
        if parked.is_empty() {
            nodes.parked.remove(&conn);
        }
        let rooms: BTreeSet<&Name> = restore.rooms.iter().map(|position| &position.room).collect();
        for room in rooms {
            if let Some(copy) = nodes.replicas.get_mut(room) {
                copy.pins = copy.pins.saturating_sub(1);
            }
        }
        Some(restore.rooms)
    }

    /// The rooms of a restore that nobody has come into.
    fn drop_unused_rooms(&mut self, rooms: &[RoomPosition]) {
        for position in rooms {
            self.drop_if_idle(&position.room);
        }
    }

    /// The connection is gone.
    pub(in super::super) fn unpark(&mut self, conn: ConnId) {
        let restored = self.end_restore(conn).unwrap_or_default();
        let Some(nodes) = &mut self.nodes else { return };
        let parked = nodes.parked.remove(&conn).unwrap_or_default();
        // Whoever waited for a read is passed over when it comes.
        let rooms = parked.joins.into_keys().chain(parked.feed.map(|(_, ready)| ready.room.clone()));
        let rooms: Vec<Name> = rooms.collect();
        for room in &rooms {
            self.drop_if_idle(room);
        }
        self.drop_unused_rooms(&restored);
    }

    /// Passes those over that do not wait any more.
    pub(super) fn is_waiting(&self, waiting: &ParkedRef, room: &Name) -> bool {
        let Some(parked) = self.nodes.as_ref().and_then(|nodes| nodes.parked.get(&waiting.conn)) else {
            return false;
        };
        parked.joins.get(room).is_some_and(|join| join.serial == waiting.serial)
            || parked.feed.as_ref().is_some_and(|(serial, _)| *serial == waiting.serial)
            || parked.restore.as_ref().is_some_and(|restore| restore.serial == waiting.serial)
    }

    /// The room was read for this one.
    pub(super) fn resume(&mut self, now: ClockReading, waiting: ParkedRef, room: &Name) {
        let ParkedRef { conn, serial } = waiting;
        if let Some((join, frames)) = self.take_join(conn, serial, room) {
            // What it may do can have changed meanwhile, and many may have waited for the last place.
            let permission = self.join_permission(conn, room);
            if permission != Permission::Granted {
                let reference = join.request.map(|request| request.reference);
                let what = (Right::Join, permission);
                self.reject_not_granted(now.monotonic, conn, reference, wire_name(room), what);
            } else if self.is_full_for(conn, room) {
                let reference = join.request.map(|request| request.reference);
                let (name, code) = (wire_name(room), Code::RoomFull);
                self.refusal_counts.record(Limit::MembersOfRoom);
                self.reject(now.monotonic, conn, reference, Some(name), code, "the room is full");
            } else {
                self.complete_join(now.monotonic, conn, room, join.request);
            }
            return self.handle_frames(now, conn, frames);
        }
        let Some(parked) = self.nodes.as_mut().and_then(|nodes| nodes.parked.get_mut(&conn)) else { return };
        if let Some((_, ready)) = parked.feed.take_if(|(own, _)| *own == serial) {
            if let Some(nodes) = &mut self.nodes {
                nodes.parked.remove(&conn);
            }
            return self.start_feed(now.monotonic, conn, ready);
        }
        let Some(restore) = parked.restore.as_mut().filter(|restore| restore.serial == serial) else {
            return;
        };
        restore.unread.remove(room);
        if restore.unread.is_empty()
            && let Some(rooms) = self.end_restore(conn)
        {
            self.restore(now.monotonic, conn, &rooms);
            self.drop_unused_rooms(&rooms);
        }
    }

    /// The room could not be read for this one; whether it goes on waiting.
    pub(super) fn fail_parked(&mut self, now: ClockReading, waiting: ParkedRef, room: &Name) -> bool {
        let (ParkedRef { conn, serial }, at) = (waiting, now.monotonic);
        let (code, reason) = TRY_AGAIN_LATER;
        let Some(parked) = self.nodes.as_mut().and_then(|nodes| nodes.parked.get_mut(&conn)) else {
            return false;
        };
        if let Some(join) = parked.joins.get(room).filter(|join| join.serial == serial) {
            let leaves =
                |(message, _): &(ClientMessage, usize)| matches!(message, ClientMessage::LeaveRoom { .. });
            let is_plain = join.request.is_none();
            let is_over = at.since(join.since) >= PLAIN_JOIN_TIMEOUT;
            let is_left = join.frames.iter().any(leaves);
            if is_plain && !is_left && !is_over {
                return true;
            }
            let Some((join, frames)) = self.take_join(conn, serial, room) else { return false };
            if is_plain && !is_left {
                self.close(at, conn, code, reason);
                return false;
            }
            if let Some(request) = join.request {
                let name = wire_name(room);
                self.send_refusal(conn, Some(request.reference), Some(name), Code::Overloaded, NO_ANSWER);
            }
            self.handle_frames(now, conn, frames);
            return false;
        }
        if parked.feed.as_ref().is_some_and(|(own, _)| *own == serial) {
            self.close(at, conn, code, reason);
            return false;
        }
        if parked.restore.as_ref().is_some_and(|restore| restore.serial == serial) {
            self.fail_restore(at, conn);
        }
        false
    }

    fn take_join(
        &mut self,
        conn: ConnId,
        serial: u64,
        room: &Name,
    ) -> Option<(ParkedJoin, VecDeque<(ClientMessage, usize)>)> {
        let nodes = self.nodes.as_mut()?;
        let parked = nodes.parked.get_mut(&conn)?;
        parked.joins.get(room).filter(|join| join.serial == serial)?;
        let mut join = parked.joins.remove(room)?;
        let frames = std::mem::take(&mut join.frames);
        parked.frames = parked.frames.saturating_sub(frames.len());
        parked.bytes = parked.bytes.saturating_sub(frames.iter().map(|(_, bytes)| bytes).sum());
        if parked.is_empty() {
            nodes.parked.remove(&conn);
        }
        Some((join, frames))
    }

    /// The frames that have waited, in their order. Another join among them makes the rest wait again.
    fn handle_frames(
        &mut self,
        now: ClockReading,
        conn: ConnId,
        mut frames: VecDeque<(ClientMessage, usize)>,
    ) {
        if mutation!(ParkedReordered) {
            frames.make_contiguous().reverse();
        }
        for (message, bytes) in frames {
            let Some(state) = self.conns.get(&conn) else { return };
            let extended = state.extended.is_some();
            self.handle_message(now, conn, extended, message, bytes);
        }
    }
}
