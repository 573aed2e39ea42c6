//! Room membership: joins, refusals, leaves.

use super::ActiveConnection;
use super::connection::ServerConnection;
use super::unreferenced::is_of_a_send;
use super::{Join, Session};
use crate::backoff::{MIN_REQUEST_PAUSE, pause, retry_delay};
use crate::cause::CauseCode;
use crate::change_log::record;
use crate::event::{Event, JoinedRoom, RoomChange, RoomState};
use crate::id::Id;
use crate::link::ConnId;
use crate::messages::Gap;
use crate::messages::{
    ClientMessage, Code, ErrorDetail, JoinReason, JoinRequest, Joined, Left, MAX_INT, Nack, Position,
    ServerCode,
};
use crate::mutation::mutation;
use crate::outbox::SendQueue;
use crate::payload::Payload;
use crate::rooms::RoomEntry;
use crate::rooms::{DesiredMembership, LogGap, Membership, Room};
use crate::time::{Nanos, Timestamp};

/// How long a server that answers may leave a join without an answer.
const JOIN_TIMEOUT: Nanos = Nanos::from_secs(20);

/// Rooms joined again on one connection before it is given up. A personal stream is paged by joining again.
const MAX_REJOINS: u32 = 64;

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    pub(super) fn join(&mut self, now: Timestamp, join: Join<N>) {
        let Join { room, since, history, personal } = join;
        let stored = self.protocol.stored.iter().position(|saved| saved.room == room);
        let Some(at) = self.rooms.entry(room.clone()) else {
            self.room_changed(room, RoomState::Refused);
            return;
        };
        let Some(entry) = self.rooms.at_mut(at) else { return };
        let fresh = entry.desired == DesiredMembership::Left || entry.membership == Membership::NotRequested;
        entry.personal = personal;
        entry.history = history;
        if entry.receiver.seq().is_none() {
            let stored = stored.map(|at| self.protocol.stored.swap_remove(at).position);
            let place = if mutation!(StoredBeforeGiven) {
                stored.clone().or(since)
            } else {
                since.or_else(|| stored.clone())
            };
            if let Some(position) = place {
                entry.receiver.start_from(position);
            }
            if entry.committed.is_none() {
                entry.committed = stored;
            }
        }
        // Not left yet: it simply stays.
        entry.desired = DesiredMembership::Joined;
        if !fresh {
            let joined = entry.membership == Membership::Member;
            if joined {
                self.room_changed(room, RoomState::Joined);
            }
            return;
        }
        // What was told of an earlier stay is not known of this one.
        entry.reported_refusal = None;
        self.room_changed(room, RoomState::Joining);
        self.write_join(now, at);
    }

    /// Requests every room that is to be joined.
    pub(super) fn join_all(&mut self, now: Timestamp) {
        for at in 0..self.rooms.len() {
            self.write_join(now, at);
        }
    }

    /// The user's own stream exists only on an extended server.
    pub(super) fn join_personal(&mut self, now: Timestamp) {
        if let Some(at) = self.rooms.personal() {
            self.write_join(now, at);
        }
    }

    /// Requests the room there, if it is to be joined.
    fn write_join(&mut self, now: Timestamp, at: usize) {
        let Some(connection) = &mut self.connection else { return };
        let (mode, frame, replay) =
            (connection.protocol.mode, connection.last_frame + 1, connection.protocol.limits.replay);
        let Some(entry) = self.rooms.at_mut(at).filter(|entry| entry.is_to_join()) else { return };
        if entry.personal && !connection.is_extended() && !mutation!(StreamAskedEarly) {
            return;
        }
        connection.ready = false;
        self.protocol.requests += 1;
        let request = self.protocol.requests;
        entry.membership = Membership::Joining { frame, request, at: now };
        entry.has_received = false;
        let message = if mode == Some(crate::event::Mode::Plain) {
            ClientMessage::join(entry.name.clone())
        } else {
            let since = entry.receiver.since();
            let history = match (&since, entry.receiver.seq()) {
                // Where it was is known, but not by which message: a replay that begins early enough connects. A stream
                // cannot be paged, so all of it is requested.
                (None, Some(_)) if entry.personal => Some(MAX_INT),
                (None, Some(_)) => Some(replay),
                // The last message alone, for its id: what a later join continues from.
                (None, None) => Some(entry.history.filter(|_| !mutation!(PastUnasked)).unwrap_or(1)),
                // Where that cannot be recovered, the last one's id again: a stream cannot be paged without.
                (Some(_), _) => entry.history.or(entry.personal.then_some(1)),
            };
            let history = history.filter(|_| self.protocol.server.extended || entry.history.is_some());
            let reference = Id::numbered('j', request, None);
            ClientMessage::JoinRoom {
                room: entry.name.clone(),
                request: Some(JoinRequest { reference, since, history }),
            }
        };
        self.write(message);
    }

    /// Joins a room of the current connection once more: something about it is not as it should be. At once the first time,
    /// later and later while nothing comes of it.
    pub(super) fn join_again(&mut self, now: Timestamp, at: usize) {
        let Some(connection) = &mut self.connection else { return };
        connection.protocol.rejoins += 1;
        if connection.protocol.rejoins > MAX_REJOINS {
            // A server that contradicts itself for ever is not talked to for ever.
            self.link.give_up(now, CauseCode::ProtocolError);
        } else if let Some(entry) = self.rooms.at_mut(at) {
            entry.receiver.connection_lost();
            self.diagnostics.rejoins += 1;
            let delay = retry_delay(entry.refusals, Nanos::ZERO);
            entry.refusals = entry.refusals.saturating_add(1);
            if delay == Nanos::ZERO {
                return self.write_join(now, at);
            }
            entry.membership = Membership::RetryAt { at: now + delay };
            connection.ready = false;
        }
    }

    /// Extended: the server has confirmed a join.
    pub(super) fn joined(&mut self, now: Timestamp, joined: Joined<N>) {
        let request = joined.reference.parse_numbered('j').map(|(request, _)| request);
        let Some(at) = self.rooms.position(&joined.room) else { return };
        let Some(entry) = self.rooms.at_mut(at) else { return };
        match entry.membership {
            Membership::Joining { request: awaited, .. }
                if Some(awaited) == request || mutation!(EarlierJoinCounts) => {}
            // The answer to a question that has been asked anew since.
            _ => return,
        }
        entry.membership = Membership::Member;
        entry.reported_refusal = None;
        entry.had_messages = true;
        let asked = entry.history.is_some();
        let resumed = entry.receiver.joined(now, &joined, asked, !entry.personal);
        entry.set_members(joined.members.clone());
        if entry.committed.is_none() {
            entry.committed = entry.receiver.start_position();
            self.changes += 1;
            #[cfg(feature = "journal")]
            self.record_committed(at);
        }
        // Whatever the server has recovered, another user than the one whose place that was begins at the end of the room.
        let begins = joined.recovered && !resumed.connects && resumed.gap.is_none();
        let room = joined.room.clone();
        self.room_changed(room.clone(), RoomState::Joined);
        self.event(Event::Joined(JoinedRoom {
            room: joined.room,
            recovered: joined.recovered && !begins || resumed.connects || mutation!(JoinedRecoveredSaid),
            replayed: resumed.replayed,
            reason: if begins {
                Some(JoinReason::Fresh)
            } else {
                joined.reason.filter(|_| !resumed.connects)
            },
            members: joined.members,
            member_count: joined.member_count,
            #[cfg(feature = "native")]
            head: Some(joined.seq),
        }));
        if let Some(gap) = resumed.gap {
            self.gap(room.clone(), gap);
        }
        self.outbox.join_decided(&room, resumed.new_epoch);
        self.check_receiver(now, at);
        self.check_ready(now);
    }

    pub(super) fn gap(&mut self, room: N, gap: LogGap) {
        if mutation!(NoGap) {
            return;
        }
        let LogGap { epoch, after, before, reason } = gap;
        self.event(Event::Gap(Gap { room, epoch: Some(epoch), after: Some(after), before, reason }));
    }

    /// Extended: the server refuses a request.
    pub(super) fn refused(&mut self, now: Timestamp, conn: ConnId, message: P, refusal: ErrorDetail<N>) {
        if refusal.reference.is_none() {
            return self.refused_without_ref(now, conn, message, refusal);
        }
        let ErrorDetail { reference, code, retry, retry_after_ms, server_code, .. } = refusal;
        if reference.as_ref().is_some_and(|id| id.parse_numbered('s').is_some()) {
            let (dup, expected) = (false, None);
            let nack = Nack { reference, code, retry, retry_after_ms, expected, dup, message, server_code };
            return self.nacked(now, conn, nack);
        }
        let request =
            |kind| reference.as_ref().and_then(|id| id.parse_numbered(kind)).map(|(number, _)| number);
        let least = pause(retry_after_ms, MIN_REQUEST_PAUSE);
        let (join, history) = (request('j'), request('h'));
        if join.or(history).is_none() {
            return self.event(Event::ServerError { message, code: Some(code), server_code });
        }
        // The reference says which room it is, whether it is named or not.
        let is_it = |entry: &Room<P, N>| match entry.membership {
            Membership::Joining { request, .. } => Some(request) == join,
            _ => history.is_some() && entry.receiver.awaited().map(|(request, _)| request) == history,
        };
        let Some(place) = self.rooms.iter().position(is_it) else { return };
        let Some(entry) = self.rooms.at_mut(place) else { return };
        let room = entry.name.clone();
        match entry.membership {
            Membership::Joining { .. } => {
                if retry {
                    entry.membership = Membership::RetryAt {
                        at: if mutation!(JoinPauseIgnored) {
                            now
                        } else {
                            now + retry_delay(entry.refusals, least)
                        },
                    };
                    entry.refusals = entry.refusals.saturating_add(1);
                    if (entry.reported_refusal != Some(code) || mutation!(RefusalToldEachTime))
                        && !mutation!(RefusedJoinUntold)
                    {
                        entry.reported_refusal = Some(code);
                        let change = RoomChange::new(room, RoomState::Joining);
                        let (refused, message) = (Some(code), message.into_error_text());
                        self.event(Event::Room(RoomChange { refused, message, server_code, ..change }));
                    }
                } else {
                    if mutation!(JoinRefusalUntold) {
                        self.rooms.remove(place);
                    } else {
                        self.remove(
                            place,
                            room,
                            RoomState::Failed(code),
                            message.into_error_text(),
                            server_code,
                        );
                    }
                    self.check_ready(now);
                }
            }
            Membership::Member if history.is_some_and(|request| entry.receiver.fetched(now, request)) => {
                if retry {
                    entry
                        .receiver
                        .fetch_later(now, if mutation!(PageHintIgnored) { Nanos::ZERO } else { least });
                } else {
                    self.give_up_gap(now, place);
                }
            }
            _ => {}
        }
    }

    /// Extended: a leave is done, or the server has removed the user.
    pub(super) fn server_left(&mut self, now: Timestamp, left: Left<N>) {
        let Some(at) = self.rooms.position(&left.room) else { return };
        let Some(room) = self.rooms.at(at) else { return };
        if left.reference.is_some() {
            // Ours; a room requested again meanwhile is waiting for its own answer.
            if !room.is_to_join() || mutation!(LeaveAnswerRemoves) {
                self.rooms.remove(at);
            }
        } else if room.membership == Membership::Member {
            if mutation!(RemovalUntold) {
                return self.rooms.remove(at);
            }
            let state = RoomState::Removed(left.code.unwrap_or(Code::Other));
            self.remove(at, left.room, state, None, left.server_code);
            self.check_ready(now);
        }
    }

    /// Plain: an error with a code about a room that has been requested, and of which nothing has come since, is a refusal
    /// permanently. Returns whether it was that; `message` are its words.
    pub(super) fn plain_join_refused(&mut self, message: &P, refusal: &ErrorDetail<N>) -> bool {
        let Some(at) = refusal.room.as_ref().and_then(|room| self.rooms.position(room)) else { return false };
        let is_asked = |entry: &&Room<P, N>| !entry.has_received && entry.is_to_join();
        let Some(entry) = self.rooms.at(at).filter(is_asked).filter(|_| !is_of_a_send(refusal.code)) else {
            return false;
        };
        let room = entry.name.clone();
        let server_code = refusal.server_code.clone();
        self.remove(
            at,
            room,
            RoomState::Failed(refusal.code),
            message.clone().into_error_text(),
            server_code,
        );
        true
    }

    fn remove(&mut self, at: usize, room: N, state: RoomState, message: Option<P>, server_code: ServerCode) {
        self.rooms.remove(at);
        #[cfg(feature = "journal")]
        self.record_position_cleared(&room);
        self.outbox.join_decided(&room, false);
        self.event(Event::Room(RoomChange { message, server_code, ..RoomChange::new(room, state) }));
    }

    pub(super) fn leave(&mut self, room: &N) {
        let send_no = self.outbox.last_send_no();
        let Some(entry) = self.rooms.get_mut(room).filter(|entry| entry.is_wanted()) else { return };
        entry.desired = DesiredMembership::Leaving { send_no };
        self.leaving = true;
    }

    /// Leaves the rooms whose earlier sends have become final; says whether there was one.
    pub(super) fn finish_leaving(&mut self) -> bool {
        let mut any_left = false;
        self.leaving = false;
        let extended = self.connection.as_ref().map(ActiveConnection::is_extended);
        let mut at = 0;
        while let Some(room) = self.rooms.at_mut(at) {
            at += 1;
            let DesiredMembership::Leaving { send_no } = room.desired else { continue };
            if self.outbox.is_pending(&room.name, send_no) {
                self.leaving = true;
                continue;
            }
            any_left = true;
            room.desired = DesiredMembership::Left;
            room.members.take_if(|_| !mutation!(MembersOutliveLeaving));
            room.committed.take_if(|_| !mutation!(PlaceOutlivesLeaving));
            room.receiver.forget();
            let asked = room.membership != Membership::NotRequested;
            room.membership = Membership::NotRequested;
            let room = room.name.clone();
            if let Some(extended) = extended.filter(|_| asked) {
                let reference = extended.then(|| Id::numbered('l', self.next_request(), None));
                if !mutation!(LeaveUnsaid) {
                    self.write(ClientMessage::LeaveRoom { room: room.clone(), reference });
                }
            } else {
                at -= 1;
                self.rooms.remove(at);
            }
            self.changes += 1;
            #[cfg(feature = "journal")]
            self.record_position_cleared(&room);
            self.outbox.left(&room);
            if !mutation!(LeftUntold) {
                self.room_changed(room, RoomState::Left);
            }
        }
        let now = self.now.monotonic;
        self.check_ready(now);
        any_left
    }

    /// Plain: the joins that the operating system has taken are as good as done.
    pub(super) fn confirm_flushed(&mut self) {
        let Some(connection) = self.connection.as_ref().filter(|connection| connection.is_plain()) else {
            return;
        };
        let flushed = connection.flushed;
        for at in 0..self.rooms.len() {
            if let Some(room) = self.rooms.at_mut(at)
                && let Membership::Joining { frame, .. } = room.membership
                && frame <= flushed
            {
                room.membership = Membership::Member;
                room.reported_refusal = None;
                room.had_messages = !mutation!(StayForgotten);
                let room = room.name.clone();
                self.room_changed(room, RoomState::Joined);
            }
        }
    }

    /// Reports once that the mode is decided and every wanted room joined.
    pub(super) fn check_ready(&mut self, now: Timestamp) {
        let Some(connection) = &self.connection else { return };
        let Some(mode) = connection.protocol.mode.filter(|_| !connection.ready) else { return };
        let extended = connection.is_extended();
        let joined = self.rooms.iter().all(|room| {
            !room.is_wanted()
                || room.membership == Membership::Member
                || mutation!(ReadyTooEarly)
                || (room.personal && !extended)
        });
        if joined {
            if let Some(connection) = &mut self.connection {
                connection.ready = true;
            }
            self.close_old_connection(now);
            if !mutation!(ReadyUntold) {
                self.event(Event::Ready(mode));
            }
        }
    }

    /// The connection that was moved away from is not needed once everything is joined on the new one and every send on the
    /// old one is answered.
    pub(super) fn close_old_connection(&mut self, now: Timestamp) {
        if self.is_ready() && !self.outbox.is_awaiting_old_connection() {
            self.link.close_old_now(now);
        }
    }

    pub(super) fn commit(&mut self, room: &N, position: Position) {
        // One that has been left has no position to continue from.
        let Some(entry) = self.rooms.get_mut(room).filter(|entry| entry.is_to_join()) else { return };
        let back = entry
            .committed
            .as_ref()
            .is_some_and(|committed| committed.epoch == position.epoch && committed.seq >= position.seq);
        if !back || mutation!(CommitsBackwards) {
            record!(
                self.outbox.change_log,
                Committed(crate::persisted::SavedPosition { room: room.clone(), position: position.clone() })
            );
            entry.committed = Some(position);
            self.changes += 1;
        }
    }

    /// Says something about a room that is joined on an extended connection; elsewhere it is nothing.
    pub(super) fn send_to_room(&mut self, room: &N, message: impl FnOnce(N) -> ClientMessage<P, N>) {
        let joined = self.rooms.get(room).is_some_and(|entry| entry.membership == Membership::Member);
        if joined && self.connection.as_ref().is_some_and(ActiveConnection::is_extended) {
            self.write(message(room.clone()));
            self.add_untracked_request();
        }
    }

    /// When some room wants to be looked at.
    pub(super) fn rooms_deadline(&self, connection: &ActiveConnection<ServerConnection>) -> Timestamp {
        let extended = connection.is_extended();
        self.rooms.iter().fold(Timestamp::NEVER, |earliest, room| {
            earliest.min(match room.membership {
                Membership::RetryAt { .. } if mutation!(LaterUnnoticed) => Timestamp::NEVER,
                Membership::RetryAt { at } => at,
                Membership::Joining { at, .. } if extended => at + JOIN_TIMEOUT,
                Membership::Member if extended => room.receiver.deadline(self.protocol.backpressured),
                _ => Timestamp::NEVER,
            })
        })
    }

    pub(super) fn tick_rooms(&mut self, now: Timestamp) {
        let Some(connection) = &self.connection else { return };
        if self.rooms_deadline(connection) > now {
            return;
        }
        let mut unanswered = false;
        for at in 0..self.rooms.len() {
            match self.rooms.at(at).map(|room| room.membership) {
                Some(Membership::RetryAt { at: then }) if then <= now => self.write_join(now, at),
                Some(Membership::Joining { at: then, .. }) => {
                    unanswered |= then + JOIN_TIMEOUT <= now && !mutation!(JoinWaitsEndless);
                }
                _ => {}
            }
        }
        for at in 0..self.rooms.len() {
            if self.rooms.at(at).is_some_and(|room| room.membership == Membership::Member) {
                self.tick_receiver(now, at);
            }
        }
        if unanswered && self.connection.as_ref().is_some_and(ActiveConnection::is_extended) {
            self.link.give_up(now, CauseCode::Unanswered);
        }
    }
}
