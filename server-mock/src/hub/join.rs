//! Joins and leaves rooms, and decides where a replay begins (protocol.md §2.2 and §2.4).

use super::dispatch::RequestRef;
use super::log::{Log, PositionStatus};
use super::mutation::mutation;
use super::names::{describe_room_name_error, is_stream, resolve_room, wire_name};
use super::replay::Replay;
use super::rights::{Permission, Right};
use super::room::Room;
use super::shared::{Control, StoreRequest};
use super::user::RateDecision;
use super::{ConnId, Hub, Limit};
use rejoin::machine::ServerMessage;
use rejoin::messages::{Code, Epoch, JoinReason, JoinRequest, Joined, Left};
use rejoin::{Id, Name, Timestamp};
use std::ops::Bound::{Excluded, Included};

/// Why a room has no log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenError {
    /// The server keeps as many as it can.
    Full,
    /// The user has made as many as one may.
    UserFull,
    /// The user makes rooms too fast.
    TooFast,
}

impl OpenError {
    fn message(self) -> &'static str {
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
        let reference: RequestRef = request.as_ref().map(|request| request.reference.clone());
        let wanted = Some(name.clone());
        let key = match resolve_room(&state.user, name) {
            // A personal stream has nothing for those who cannot read its frames.
            Ok(key) if is_stream(&key) && request.is_none() => {
                return self.protocol_error(
                    now,
                    conn,
                    describe_room_name_error(rejoin::RoomNameError::Reserved),
                );
            }
            Ok(key) => key,
            Err(error) => {
                return self.reject(
                    now,
                    conn,
                    reference,
                    wanted,
                    Code::BadRequest,
                    describe_room_name_error(error),
                );
            }
        };
        let again = state.rooms.contains(&key);
        if again && request.is_none() {
            return;
        }
        let user = state.user.clone();
        match self.count_join(now, &user) {
            RateDecision::Allow => {}
            RateDecision::Reject => {
                self.refusal_counts.record(Limit::JoinRate);
                if request.is_none() {
                    return self.send_error(conn, "rate limited");
                }
                return self.send_refusal(conn, reference, wanted, Code::RateLimited, "rate limited");
            }
            RateDecision::Disconnect => return self.close_flooding(now, conn),
        }
        let permission = self.join_permission(conn, &key);
        if permission != Permission::Granted {
            if again && permission == Permission::Denied {
                self.remove_from_room(now, conn, &key);
            }
            return self.reject_not_granted(now, conn, reference, wire_name(&key), (Right::Join, permission));
        }
        let Some(state) = self.conns.get(&conn) else { return };
        // The own personal stream is no room.
        let stream = state.rooms.range::<str, _>((Included("@"), Excluded("A"))).count();
        let waiting = if self.nodes.is_some() { self.joins_parked(conn) } else { 0 };
        if !again
            && !is_stream(&key)
            && state.rooms.len() - stream + waiting
                >= self.config.rooms_per_conn + usize::from(mutation!(RoomsOneMore))
        {
            let message = "too many rooms on this connection";
            self.refusal_counts.record(Limit::RoomsOfConnection);
            return self.reject(now, conn, reference, wanted, Code::TooManyRooms, message);
        }
        // Looked up before it is made, so that a refusal leaves no empty room behind.
        if self.is_full_for(conn, &key) {
            self.refusal_counts.record(Limit::MembersOfRoom);
            return self.reject(now, conn, reference, wanted, Code::RoomFull, "the room is full");
        }
        if self.nodes.is_some() && !self.is_served_from_copy(&key) {
            return self.park_join(now, conn, &key, &user, request, wanted);
        }
        if let Err(why) = self.ensure_room(now, &key, Some(&user)) {
            return self.reject_join(now, conn, reference, wanted, why);
        }
        self.complete_join(now, conn, &key, request);
    }

    /// Whether the room has as many connections as it may, without this one.
    pub(super) fn is_full_for(&self, conn: ConnId, key: &Name) -> bool {
        self.rooms.get(key).is_some_and(|room| {
            room.connections() >= self.config.members_per_room + usize::from(mutation!(MembersOneMore))
                && !room.contains(conn)
        })
    }

    /// Answers a join of a room that has no log.
    pub(super) fn reject_join(
        &mut self,
        now: Timestamp,
        conn: ConnId,
        reference: RequestRef,
        room: Option<Name>,
        why: OpenError,
    ) {
        match why {
            OpenError::TooFast if reference.is_none() => self.send_error(conn, why.message()),
            OpenError::TooFast => self.send_refusal(conn, reference, room, Code::RateLimited, why.message()),
            _ => self.reject(now, conn, reference, room, Code::Overloaded, why.message()),
        }
    }

    /// Makes the connection a member of a room that has a log, and answers.
    pub(super) fn complete_join(
        &mut self,
        now: Timestamp,
        conn: ConnId,
        key: &Name,
        request: Option<JoinRequest>,
    ) {
        let again = self.conns.get(&conn).is_some_and(|state| state.rooms.contains(key));
        let arrival = if again { None } else { self.add_member(now, conn, key) };
        if let Some(request) = request {
            self.answer_join(now, conn, key, request);
        }
        if let Some(arrival) = arrival {
            self.announce(key, conn, arrival);
        }
        self.send_replay(conn);
    }

    /// Makes sure that the room has a log. `user` makes the room, if it has none; nobody, if a backend does.
    pub(super) fn ensure_room(
        &mut self,
        now: Timestamp,
        key: &Name,
        user: Option<&Name>,
    ) -> Result<(), OpenError> {
        if self.store.room(key).is_some() {
            self.store.touch(key, now);
            return Ok(());
        }
        // Everybody has a personal stream.
        let creator = user.filter(|_| !is_stream(key));
        self.check_room_quota(now, creator)?;
        let epoch = self.new_epoch();
        self.store.open(key.clone(), creator.cloned(), epoch, now);
        Ok(())
    }

    /// Whether one more room fits, with this user as its creator.
    pub(super) fn check_room_quota(
        &mut self,
        now: Timestamp,
        creator: Option<&Name>,
    ) -> Result<(), OpenError> {
        if let Some(user) = creator {
            if !self.store.make_space_for_user(now, &self.config, user) {
                self.refusal_counts.record(Limit::RoomsOfUser);
                return Err(OpenError::UserFull);
            }
            if self.users.get_mut(user).is_some_and(|user| !user.make_room(now)) {
                self.refusal_counts.record(Limit::RoomRate);
                return Err(OpenError::TooFast);
            }
        }
        if !self.store.make_space(now, &self.config) {
            self.refusal_counts.record(Limit::Rooms);
            return Err(OpenError::Full);
        }
        Ok(())
    }

    pub(super) fn new_epoch(&mut self) -> Epoch {
        if mutation!(EpochKeptAfterLoss) {
            return Id::numbered('e', 0, None);
        }
        Id::random(&mut self.rng)
    }

    fn answer_join(&mut self, now: Timestamp, conn: ConnId, key: &Name, request: JoinRequest) {
        let Some(log) = self.store.room(key) else { return };
        let (epoch, head) = (log.epoch().clone(), log.head());
        let request =
            if self.has_right(conn, Right::History, key) { request } else { without_history(request) };
        let (start, reason) = self.replay_start(key, log, &request);
        // A personal stream cannot be paged, so it is replayed to its end.
        let most = if is_stream(key) { u64::MAX } else { self.replay_limit() };
        let most = if mutation!(ReplayUnbounded) { u64::MAX } else { most };
        let replay = match reason {
            None => log.from(start).take(usize::try_from(most).unwrap_or(usize::MAX)).count() as u64,
            Some(_) => head.saturating_sub(start.saturating_sub(1)),
        };
        let until = start.saturating_sub(1) + replay;
        let told_who = !is_stream(key) && self.has_right(conn, Right::Presence, key);
        let (members, member_count) = if told_who { self.member_list(key) } else { (None, None) };
        let joined = ServerMessage::Joined(Box::new(Joined {
            reference: request.reference,
            room: wire_name(key),
            epoch,
            seq: head,
            replay,
            recovered: reason.is_none(),
            reason,
            members,
            member_count,
        }));
        self.send_frame(conn, &joined);
        self.count_replay(now, conn, key, start, until);
        let resume = head + 1 + u64::from(mutation!(ResumesTooLate));
        self.begin_replay(conn, Replay { room: key.clone(), next: start, until, resume, by_time: false });
    }

    /// The first message of the replay, and why it is not the one after `since`.
    fn replay_start(&self, key: &Name, log: &Log, request: &JoinRequest) -> (u64, Option<JoinReason>) {
        let most = if is_stream(key) { u64::MAX } else { self.replay_limit() };
        let last = request
            .history
            .filter(|_| !mutation!(HistoryUnasked))
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
        match log.position_status(since.seq, &since.id) {
            PositionStatus::Available if mutation!(SinceOffByOne) => (next + 1, None),
            PositionStatus::Available if mutation!(SinceInclusive) => (since.seq, None),
            PositionStatus::Available => (next, None),
            PositionStatus::Forked if mutation!(ForkUnchecked) => (next.min(log.head() + 1), None),
            PositionStatus::Forked => (fresh, Some(JoinReason::Forked)),
            PositionStatus::Trimmed if mutation!(TrimmedSaidRecovered) => (next, None),
            PositionStatus::Trimmed => (fresh, Some(JoinReason::Trimmed)),
        }
    }

    pub(super) fn replay_limit(&self) -> u64 {
        u64::try_from(self.config.replay).unwrap_or(u64::MAX)
    }

    pub(super) fn leave(&mut self, now: Timestamp, conn: ConnId, name: Name, reference: RequestRef) {
        let Some(state) = self.conns.get_mut(&conn) else { return };
        // Leaving a room one is not in, or that cannot be, is what one wanted: no error.
        if let Ok(key) = resolve_room(&state.user, name.clone())
            && state.rooms.remove(&key)
        {
            if let Some(extended) = &mut state.extended
                && !mutation!(LeaveKeepsReplay)
            {
                extended.replays.end(&key);
            }
            if !mutation!(LeaveUnheard) {
                self.remove_member(now, &key, conn, true);
            }
        }
        if reference.is_some() && !mutation!(LeaveUnanswered) {
            self.send_frame(
                conn,
                &ServerMessage::Left(Left { reference, room: name, code: None, server_code: None }),
            );
        }
    }

    /// Takes a user out of a room, on every node.
    pub(super) fn remove(&mut self, now: Timestamp, room: &Name, user: &Name) {
        if self.nodes.is_some() {
            let (room, user) = (room.clone(), user.clone());
            self.request_store(StoreRequest::Control(Control::Remove { room, user }));
        }
        self.remove_user(now, room, user);
    }

    /// Takes a user out of a room on this node.
    pub(super) fn remove_user(&mut self, now: Timestamp, room: &Name, user: &Name) {
        let members = self.rooms.get(room).into_iter().flat_map(Room::members);
        let conns: Vec<ConnId> =
            members.filter(|member| member.user == *user).map(|member| member.conn).collect();
        for conn in conns {
            self.remove_from_room(now, conn, room);
        }
        // Somebody who was expected back is not any more.
        self.member_left(now, room, user);
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
