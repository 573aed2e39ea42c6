//! Room membership: joins, their answers, leaves.

use super::Session;
use crate::backoff::{MIN_REQUEST_PAUSE, pause, retry_delay};
use crate::event::{Event, JoinedRoom, Mode, RoomChange, RoomState, SendReply};
use crate::messages::{Code, JoinReason};
use crate::mutation::mutation;
use crate::outbox::SendQueue;
use crate::payload::Payload;
use crate::rooms::{DesiredMembership, RoomEntry};
use crate::session::Join;
use crate::socketio::messages::{Answer, ClientEvent};
use crate::socketio::rooms::{Membership, Room};
use crate::time::Timestamp;
use alloc::boxed::Box;
use alloc::vec::Vec;

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    pub(super) fn join(&mut self, now: Timestamp, join: Join<N>) {
        if join.personal {
            // What is for this user alone comes unasked: only what is reported of it changes.
            self.protocol.personal.is_followed = true;
            return;
        }
        let room = join.room;
        let is_up = self.connection.as_ref().is_some_and(super::ActiveConnection::is_up);
        let Some(at) = self.rooms.entry(room.clone()) else {
            return self.room_changed(room, RoomState::Refused);
        };
        let Some(entry) = self.rooms.at_mut(at) else { return };
        if entry.desired == DesiredMembership::Left {
            // Left on this connection, or still in the session that may be recovered: requested anew.
            entry.membership = Membership::Absent;
            entry.confirmed = false;
            entry.was_left = is_up;
        }
        // Not left yet: it simply stays.
        entry.desired = DesiredMembership::Joined;
        if entry.membership == Membership::Member {
            return self.room_changed(room, RoomState::Joined);
        }
        // Refused for now: it is requested again in time.
        let waits = matches!(entry.membership, Membership::Later { .. });
        if !entry.is_joining() && !waits {
            self.room_changed(room, RoomState::Joining);
            self.write_join(now, at);
        }
    }

    pub(super) fn join_all(&mut self, now: Timestamp) {
        for at in usize::from(mutation!(SioJoinsAllButOne))..self.rooms.len() {
            self.write_join(now, at);
        }
    }

    fn write_join(&mut self, now: Timestamp, at: usize) {
        let ack = self.next_ack(now);
        let Some(connection) = self.connection.as_mut().filter(|connection| connection.is_up()) else {
            return;
        };
        let Some(room) = self.rooms.at_mut(at) else { return };
        if !room.is_to_join() || room.is_joining() || room.membership == Membership::Member {
            return;
        }
        connection.ready = false;
        room.overdue = None;
        room.membership = match ack {
            Some((ack, until)) => Membership::Joining { ack, until },
            None => Membership::Written { frame: connection.last_frame + 1 },
        };
        let event = ClientEvent::Join { room: room.name.clone() };
        self.emit(ack, event);
    }

    /// Deals with an answer if it is that to a join; gives it back if it is not.
    pub(super) fn answers_join(
        &mut self,
        now: Timestamp,
        id: u64,
        answer: Answer<P, N>,
    ) -> Option<Answer<P, N>> {
        let is_asked = |membership| matches!(membership, Membership::Joining { ack, .. } if ack == id);
        let asked = |room: &Room<N>| is_asked(room.membership) || room.overdue == Some(id);
        let Some(at) = self.rooms.iter().position(asked) else {
            return Some(answer);
        };
        let is_overdue = self.rooms.at_mut(at).is_some_and(|room| room.overdue.take().is_some());
        match answer {
            // It has counted as done; only the handler's answer is news.
            Answer::Done { answer, .. } if is_overdue => {
                let name = self.rooms.at_mut(at).map(|room| room.name.clone())?;
                self.join_reply(&name, SendReply::new(answer, None));
                return None;
            }
            Answer::Done { members, answer, .. } => {
                self.join_done(at, members, answer);
            }
            Answer::Refused { code, retry, retry_after_ms, message, answer } => {
                let reply = SendReply::new(answer, message);
                if retry {
                    self.join_later(at, now, code, retry_after_ms, reply);
                } else {
                    self.join_failed(at, code, reply);
                }
            }
        }
        self.check_ready();
        // A user may have asked to leave it meanwhile.
        self.leaving = true;
        None
    }

    fn join_done(&mut self, at: usize, members: Option<Vec<N>>, answer: Option<P>) {
        let certain = self.recovers_as_it_is();
        let Some(room) = self.rooms.at_mut(at) else { return };
        let reason = (!room.joined_before).then_some(JoinReason::Fresh);
        room.confirmed |= certain;
        room.was_left = false;
        let name = room.name.clone();
        self.join_reply(&name, SendReply::new(answer, None));
        self.is_member(at);
        self.event(Event::Joined(JoinedRoom {
            room: name,
            recovered: false,
            replayed: 0,
            reason,
            members: members.filter(|_| !mutation!(SioMembersLost)),
            member_count: None,
            #[cfg(feature = "native")]
            head: None,
        }));
    }

    fn join_failed(&mut self, at: usize, code: Code, reply: SendReply<P>) {
        let Some(name) = self.rooms.at_mut(at).map(|room| room.name.clone()) else { return };
        let message = reply.message.clone();
        self.join_reply(&name, reply);
        self.rooms.remove(at);
        let change = RoomChange::new(name, RoomState::Failed(code));
        self.event(Event::Room(RoomChange { message, ..change }));
    }

    /// The server refuses the room for now: it is asked again by itself. Each reason is reported once.
    fn join_later(
        &mut self,
        at: usize,
        now: Timestamp,
        code: Code,
        retry_after_ms: Option<u64>,
        reply: SendReply<P>,
    ) {
        let Some(room) = self.rooms.at_mut(at) else { return };
        let hint = if mutation!(SioHintIgnored) { Some(0) } else { retry_after_ms };
        let delay = retry_delay(room.refusals, pause(hint, MIN_REQUEST_PAUSE));
        room.membership = Membership::Later { at: now + delay };
        room.refusals = room.refusals.saturating_add(1);
        if room.told.replace(code) == Some(code) || mutation!(SioRefusalUntold) {
            return;
        }
        let (name, message) = (room.name.clone(), reply.message.clone());
        self.join_reply(&name, reply);
        let change = RoomChange::new(name, RoomState::Joining);
        self.event(Event::Room(RoomChange { refused: Some(code), message, ..change }));
    }

    fn join_reply(&mut self, room: &N, reply: SendReply<P>) {
        if reply.answer.is_some() {
            self.event(Event::JoinReply { room: room.clone(), reply: Box::new(reply) });
        }
    }

    /// Whether a recovery would bring the session back as it is now. One that has been recovered before may come back as
    /// it was then: the reference server keeps that until it has noticed the next loss.
    fn recovers_as_it_is(&self) -> bool {
        self.connection
            .as_ref()
            .is_some_and(|connection| !connection.protocol.recovered || mutation!(SioRecoveredTwice))
    }

    /// The room there is joined, as far as anybody can tell.
    fn is_member(&mut self, at: usize) {
        let Some(room) = self.rooms.at_mut(at) else { return };
        room.membership = Membership::Member;
        room.seen_before = true;
        room.joined_before = true;
        (room.refusals, room.told) = (0, None);
        let name = room.name.clone();
        self.room_changed(name, RoomState::Joined);
    }

    /// A client that has received something in a room is in it, and can miss something there.
    pub(super) fn mark_received(&mut self, room: &N) {
        let certain = self.recovers_as_it_is();
        if let Some(room) = self.rooms.get_mut(room) {
            room.seen_before = true;
            room.confirmed |= certain && !room.was_left;
        }
    }

    /// A server that does not implement leaving continues sending; rooms never requested are its own choice.
    pub(super) fn is_left(&self, room: &N) -> bool {
        self.rooms.get(room).is_some_and(|room| room.desired == DesiredMembership::Left)
            && !mutation!(SioHearsAfterLeaving)
    }

    pub(super) fn leave(&mut self, room: &N) {
        let send_no = self.outbox.last_send_no();
        let Some(entry) = self.rooms.get_mut(room).filter(|entry| entry.is_wanted()) else { return };
        entry.desired = DesiredMembership::Leaving { send_no };
        self.leaving = true;
    }

    /// Leaves the rooms whose earlier sends have become final.
    pub(super) fn finish_leaving(&mut self) {
        self.leaving = false;
        let is_up = self.connection.as_ref().is_some_and(super::ActiveConnection::is_up);
        // A session that is recovered may be in rooms whose joins it was never seen to answer.
        let may_return = !is_up && self.may_recover();
        let mut at = 0;
        while let Some(room) = self.rooms.at_mut(at) {
            at += 1;
            // Left already, but the session that was recovered may still be in it.
            let again = room.desired == DesiredMembership::Left
                && room.membership == Membership::Suspended
                && is_up
                && !mutation!(SioRecoveredNotLeft);
            match room.desired {
                DesiredMembership::Leaving { send_no }
                    if self.outbox.is_pending(&room.name, send_no) && !mutation!(SioLeavesTooEarly) =>
                {
                    self.leaving = true;
                    continue;
                }
                DesiredMembership::Joined | DesiredMembership::Left if !again => continue,
                _ => {}
            }
            let known_there = room.membership != Membership::Absent || may_return;
            room.desired = DesiredMembership::Left;
            if !mutation!(SioLateRefusalHeard) {
                // A refusal that still comes is of no room that anybody wants.
                room.overdue = None;
            }
            if is_up {
                room.membership = Membership::Absent;
            } else if may_return {
                room.membership = Membership::Suspended;
            }
            let name = room.name.clone();
            if is_up && known_there {
                if !mutation!(SioLeaveUnsaid) {
                    self.emit(None, ClientEvent::Leave { room: name.clone() });
                }
            } else if !known_there {
                at -= 1;
                self.rooms.remove(at);
            }
            if !again {
                self.room_changed(name, RoomState::Left);
            }
        }
        self.check_ready();
    }

    /// Without answers the joins that the operating system has taken are as good as done.
    pub(super) fn confirm_flushed(&mut self) {
        let Some(flushed) = self.connection.as_ref().map(|connection| connection.flushed) else { return };
        self.confirm(|membership| matches!(membership, Membership::Written { frame } if frame <= flushed));
    }

    fn confirm(&mut self, is_confirmed: impl Fn(Membership) -> bool) {
        for at in 0..self.rooms.len() {
            let Some(room) = self.rooms.at_mut(at).filter(|room| is_confirmed(room.membership)) else {
                continue;
            };
            if let Membership::Joining { ack, .. } = room.membership {
                room.overdue = Some(ack);
            }
            self.is_member(at);
        }
        self.check_ready();
    }

    pub(super) fn rooms_deadline(&self) -> Timestamp {
        self.rooms.iter().fold(Timestamp::NEVER, |earliest, room| match room.membership {
            Membership::Joining { until: at, .. } | Membership::Later { at } => earliest.min(at),
            _ => earliest,
        })
    }

    /// Not every server answers a join: after a while it counts as done. What was refused for now is requested again.
    pub(super) fn tick_rooms(&mut self, now: Timestamp) {
        if self.rooms_deadline() > now {
            return;
        }
        self.confirm(|membership| matches!(membership, Membership::Joining { until, .. } if until <= now && !mutation!(SioJoinWaitsEndless)));
        for at in 0..self.rooms.len() {
            if self
                .rooms
                .at_mut(at)
                .is_some_and(|room| matches!(room.membership, Membership::Later { at } if at <= now))
                && !mutation!(SioLaterForgotten)
            {
                self.write_join(now, at);
            }
        }
    }

    /// Reports once that every wanted room is joined.
    pub(super) fn check_ready(&mut self) {
        let Some(connection) =
            self.connection.as_mut().filter(|connection| connection.is_up() && !connection.ready)
        else {
            return;
        };
        let early = mutation!(SioReadyTooEarly);
        if self.rooms.iter().all(|room| early || !room.is_wanted() || room.membership == Membership::Member) {
            connection.ready = true;
            if !mutation!(SioReadyUntold) {
                self.event(Event::Ready(Mode::SocketIo));
            }
        }
    }
}
