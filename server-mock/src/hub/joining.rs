//! Joining and leaving a room, and where a replay begins (protocol.md §2.2 and §2.4).

use super::bug::{Bug, made};
use super::log::{Log, PositionStatus};
use super::replay::Replay;
use super::rights::Right;
use super::room::Room;
use super::rules::{Asked, is_stream, locate, room_name, told};
use super::shared::{Control, StoreRequest};
use super::user::Verdict;
use super::{ConnId, Hub, Limit};
use rejoin::machine::ServerMessage;
use rejoin::messages::{Code, Epoch, JoinReason, JoinRequest, Joined, Left};
use rejoin::{Id, Name, Timestamp};
use std::ops::Bound::{Excluded, Included};

/// Why a room has no log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unopened {
    /// The server keeps as many as it can.
    Full,
    /// The user has made as many as one may.
    UserFull,
    /// The user makes rooms too fast.
    TooFast,
}

impl Unopened {
    fn words(self) -> &'static str {
        match self {
            Self::Full => "the server has as many rooms as it can keep",
            Self::UserFull => "this user has made as many rooms as one user may",
            Self::TooFast => "rate limited",
        }
    }
}

impl Hub {
    pub(super) fn join(&mut self, now: Timestamp, conn: ConnId, name: Name, request: Option<JoinRequest>) {
        let Some(state) = self.conns.get(&conn) else { return };
        let reference: Asked = request.as_ref().map(|request| request.reference.clone());
        let wanted = Some(name.clone());
        let key = match locate(&state.user, name) {
            // A personal stream has nothing for those who cannot read its frames.
            Ok(key) if is_stream(&key) && request.is_none() => {
                return self.mistake(now, conn, room_name(rejoin::RoomNameError::Reserved));
            }
            Ok(key) => key,
            Err(error) => {
                return self.turn_down(now, conn, reference, wanted, Code::BadRequest, room_name(error));
            }
        };
        let again = state.rooms.contains(&key);
        if again && request.is_none() {
            return;
        }
        let user = state.user.clone();
        match self.users.get_mut(&user).map_or(Verdict::Fine, |user| user.join(now)) {
            Verdict::Fine => {}
            Verdict::Refuse => {
                self.refused.record(Limit::JoinRate);
                if request.is_none() {
                    return self.error(conn, "rate limited");
                }
                return self.refuse(conn, reference, wanted, Code::RateLimited, "rate limited");
            }
            Verdict::Flooding => return self.close_flooding(now, conn),
        }
        if !self.may(conn, Right::Join, &key) {
            return self.deny(now, conn, reference, told(&key), Right::Join);
        }
        let Some(state) = self.conns.get(&conn) else { return };
        // The own personal stream is no room.
        let stream = state.rooms.range::<str, _>((Included("@"), Excluded("A"))).count();
        let waiting = if self.nodes.is_some() { self.joins_parked(conn) } else { 0 };
        if !again && !is_stream(&key) && state.rooms.len() - stream + waiting >= self.config.rooms_per_conn {
            let message = "too many rooms on this connection";
            self.refused.record(Limit::RoomsOfConnection);
            return self.turn_down(now, conn, reference, wanted, Code::TooManyRooms, message);
        }
        // Looked up before it is made, so that a refusal leaves no empty room behind.
        if self.is_full_for(conn, &key) {
            self.refused.record(Limit::MembersOfRoom);
            return self.turn_down(now, conn, reference, wanted, Code::RoomFull, "the room is full");
        }
        if self.nodes.is_some() && !self.is_served_from_copy(&key) {
            return self.park_join(now, conn, &key, &user, request, wanted);
        }
        if let Err(why) = self.open(now, &key, Some(&user)) {
            return self.unopened_join(now, conn, reference, wanted, why);
        }
        self.come_in(now, conn, &key, request);
    }

    /// Whether the room has as many connections as it may, without this one.
    pub(super) fn is_full_for(&self, conn: ConnId, key: &Name) -> bool {
        self.rooms
            .get(key)
            .is_some_and(|room| room.connections() >= self.config.members_per_room && !room.contains(conn))
    }

    /// Answers a join of a room that has no log.
    pub(super) fn unopened_join(
        &mut self,
        now: Timestamp,
        conn: ConnId,
        reference: Asked,
        room: Option<Name>,
        why: Unopened,
    ) {
        match why {
            Unopened::TooFast if reference.is_none() => self.error(conn, why.words()),
            Unopened::TooFast => self.refuse(conn, reference, room, Code::RateLimited, why.words()),
            _ => self.turn_down(now, conn, reference, room, Code::Overloaded, why.words()),
        }
    }

    /// Makes the connection a member of a room that has a log, and answers.
    pub(super) fn come_in(&mut self, now: Timestamp, conn: ConnId, key: &Name, request: Option<JoinRequest>) {
        let again = self.conns.get(&conn).is_some_and(|state| state.rooms.contains(key));
        let arrival = if again { None } else { self.enter(now, conn, key) };
        if let Some(request) = request {
            self.answer_join(conn, key, request);
        }
        if let Some(arrival) = arrival {
            self.announce(key, conn, arrival);
        }
        self.pump(conn);
    }

    /// Makes sure that the room has a log. `user` makes the room, if it has none; nobody, if a backend does.
    pub(super) fn open(&mut self, now: Timestamp, key: &Name, user: Option<&Name>) -> Result<(), Unopened> {
        if self.store.room(key).is_some() {
            self.store.touch(key, now);
            return Ok(());
        }
        // Everybody has a personal stream.
        let maker = user.filter(|_| !is_stream(key));
        self.has_place_for(now, maker)?;
        let epoch = self.new_epoch();
        self.store.open(key.clone(), maker.cloned(), epoch, now);
        Ok(())
    }

    /// Whether one more room fits, with this user as its maker.
    pub(super) fn has_place_for(&mut self, now: Timestamp, maker: Option<&Name>) -> Result<(), Unopened> {
        if let Some(user) = maker {
            if !self.store.has_place_of(now, &self.config, user) {
                self.refused.record(Limit::RoomsOfUser);
                return Err(Unopened::UserFull);
            }
            if self.users.get_mut(user).is_some_and(|user| !user.make_room(now)) {
                self.refused.record(Limit::RoomRate);
                return Err(Unopened::TooFast);
            }
        }
        if !self.store.has_place(now, &self.config) {
            self.refused.record(Limit::Rooms);
            return Err(Unopened::Full);
        }
        Ok(())
    }

    pub(super) fn new_epoch(&mut self) -> Epoch {
        if made(Bug::EpochKeptAfterLoss) {
            return Id::numbered('e', 0, None);
        }
        Id::random(&mut self.rng)
    }

    fn answer_join(&mut self, conn: ConnId, key: &Name, request: JoinRequest) {
        let Some(log) = self.store.room(key) else { return };
        let (epoch, head) = (log.epoch().clone(), log.head());
        let request = if self.may(conn, Right::History, key) { request } else { without_history(request) };
        let (start, reason) = self.start(key, log, &request);
        // A personal stream cannot be paged, so it is replayed to its end.
        let most = if is_stream(key) { u64::MAX } else { self.replay_limit() };
        let most = if made(Bug::ReplayUnbounded) { u64::MAX } else { most };
        let replay = match reason {
            None => log.from(start).take(usize::try_from(most).unwrap_or(usize::MAX)).count() as u64,
            Some(_) => head.saturating_sub(start.saturating_sub(1)),
        };
        let until = start.saturating_sub(1) + replay;
        let told_who = !is_stream(key) && self.may(conn, Right::Presence, key);
        let (members, member_count) = if told_who { self.who(key) } else { (None, None) };
        let joined = ServerMessage::Joined(Box::new(Joined {
            reference: request.reference,
            room: told(key),
            epoch,
            seq: head,
            replay,
            recovered: reason.is_none(),
            reason,
            members,
            member_count,
        }));
        self.tell(conn, &joined);
        let resume = head + 1 + u64::from(made(Bug::ResumesTooLate));
        self.begin_replay(conn, Replay { room: key.clone(), next: start, until, resume, by_time: false });
    }

    /// The first message of the replay, and why it is not the one after `since`.
    fn start(&self, key: &Name, log: &Log, request: &JoinRequest) -> (u64, Option<JoinReason>) {
        let most = if is_stream(key) { u64::MAX } else { self.replay_limit() };
        let last = request
            .history
            .filter(|_| !made(Bug::HistoryUnasked))
            .unwrap_or(0)
            .min(most)
            .min(log.messages().len() as u64);
        // Counted back from the head by entries, of which the log has exactly one for each number.
        let fresh = log.head().saturating_sub(last) + 1;
        let Some(since) = &request.since else { return (fresh, Some(JoinReason::Fresh)) };
        if since.epoch != *log.epoch() {
            return (fresh, Some(JoinReason::EpochChanged));
        }
        let next = since.seq.saturating_add(1);
        match log.standing(since.seq, &since.id) {
            PositionStatus::Available if made(Bug::SinceOffByOne) => (next + 1, None),
            PositionStatus::Available if made(Bug::SinceInclusive) => (since.seq, None),
            PositionStatus::Available => (next, None),
            PositionStatus::Forked if made(Bug::ForkUnchecked) => (next.min(log.head() + 1), None),
            PositionStatus::Forked => (fresh, Some(JoinReason::Forked)),
            PositionStatus::Trimmed if made(Bug::TrimmedSaidRecovered) => (next, None),
            PositionStatus::Trimmed => (fresh, Some(JoinReason::Trimmed)),
        }
    }

    pub(super) fn replay_limit(&self) -> u64 {
        u64::try_from(self.config.replay).unwrap_or(u64::MAX)
    }

    pub(super) fn leave(&mut self, now: Timestamp, conn: ConnId, name: Name, reference: Asked) {
        let Some(state) = self.conns.get_mut(&conn) else { return };
        // Leaving a room one is not in, or that cannot be, is what one wanted: no error.
        if let Ok(key) = locate(&state.user, name.clone())
            && state.rooms.remove(&key)
        {
            if let Some(extended) = &mut state.extended {
                extended.replays.end(&key);
            }
            if !made(Bug::LeaveUnheard) {
                self.remove_member(now, &key, conn, true);
            }
        }
        if reference.is_some() && !made(Bug::LeaveUnanswered) {
            self.tell(
                conn,
                &ServerMessage::Left(Left { reference, room: name, code: None, server_code: None }),
            );
        }
    }

    /// Takes a user out of a room, on every node.
    pub(super) fn remove(&mut self, now: Timestamp, room: &Name, user: &Name) {
        if self.nodes.is_some() {
            let (room, user) = (room.clone(), user.clone());
            self.ask(StoreRequest::Control(Control::Remove { room, user }));
        }
        self.expel(now, room, user);
    }

    /// Takes a user out of a room on this node.
    pub(super) fn expel(&mut self, now: Timestamp, room: &Name, user: &Name) {
        let members = self.rooms.get(room).into_iter().flat_map(Room::members);
        let conns: Vec<ConnId> =
            members.filter(|member| member.user == *user).map(|member| member.conn).collect();
        for conn in conns {
            self.put_out(now, conn, room);
        }
        // Somebody who was expected back is not any more.
        self.departed(now, room, user);
        let readers = self.rooms.get(room).map(Room::readers).unwrap_or_default();
        let reads = |conn: &&ConnId| self.conns.get(conn).is_some_and(|state| state.user == *user);
        for conn in readers.iter().filter(reads).copied().collect::<Vec<_>>() {
            self.close(now, conn, 4003, "Removed from the room");
        }
    }
}

/// A join of somebody who may not have what was said before: only a message that was received says where it goes on.
fn without_history(request: JoinRequest) -> JoinRequest {
    JoinRequest { history: None, since: request.since.filter(|since| since.seq > 0), ..request }
}
