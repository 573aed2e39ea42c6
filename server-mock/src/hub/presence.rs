//! Who is in a room, counted per user, and who is told of it.
//!
//! Plain connections are told by the plain contract: whenever a user's connections go from none to one, and never of
//! a departure. Extended ones see somebody whose connection was lost stay for a grace, so that a reconnect does not
//! flicker.

use super::bug::{Bug, made};
use super::rights::Right;
use super::room::{Arrival, Room};
use super::rules::{Asked, encode, is_stream, locate, room_name};
use super::{ConnId, Due, Hub, nodes};
use rejoin::machine::ServerMessage;
use rejoin::messages::{Code, Presence};
use rejoin::{Name, Timestamp};
use std::time::Duration;

impl Hub {
    /// Makes a connection a member.
    pub(super) fn enter(&mut self, now: Timestamp, conn: ConnId, key: &Name) -> Option<Arrival> {
        let state = self.conns.get_mut(&conn)?;
        state.rooms.insert(key.clone());
        let (user, extended) = (state.user.clone(), state.extended.is_some());
        self.store.occupy(key);
        if self.nodes.is_some() {
            self.meet(key);
        }
        let room = self.rooms.entry(key.clone()).or_default();
        let was_empty = room.connections() == 0;
        let arrival = room.add(conn, &user, extended);
        self.occupied += usize::from(was_empty && !is_stream(key));
        match arrival {
            Arrival::Back(until) if !made(Bug::GraceGoesOn) => {
                self.due.remove(&(until, Due::Gone(key.clone(), user)));
            }
            Arrival::New if self.nodes.is_some() => self.say_attendance(now, key, &user, true),
            _ => {}
        }
        Some(arrival)
    }

    /// Tells the others who came.
    pub(super) fn announce(&mut self, key: &Name, conn: ConnId, arrival: Arrival) {
        let Some(state) = self.conns.get(&conn) else { return };
        let Some(room) = self.rooms.get(key) else { return };
        if arrival == Arrival::Another && !made(Bug::JoinAnnouncedAgain) || room.connections() == 1 {
            return;
        }
        if room.is_elsewhere(&state.user) {
            // For the others nothing has changed.
            return;
        }
        let joined = ServerMessage::UserJoined { room: key.clone(), user: state.user.clone() };
        let Some(text) = encode(&joined) else { return };
        let user = state.user.clone();
        let all = arrival == Arrival::New && !made(Bug::ArrivalUntold) || made(Bug::ReturnAnnounced);
        self.tell_who(key, &text, |member| member.user != user && (all || !member.extended));
    }

    /// Ends a connection's membership. The others are told at once if it was said and no other connection of the user was
    /// just lost, after the grace otherwise.
    pub(super) fn remove_member(&mut self, now: Timestamp, key: &Name, conn: ConnId, said: bool) {
        let lost = !said && !is_stream(key) && !made(Bug::UserLeftWithoutGrace);
        let grace = lost.then(|| now + self.config.presence_grace);
        let Some(room) = self.rooms.get_mut(key) else { return };
        let grace =
            if made(Bug::GraceTooShort) { grace.map(|until| now + until.since(now) / 2) } else { grace };
        let longer = Duration::from_secs(600);
        let grace = if made(Bug::GraceTooLong) { grace.map(|until| until + longer) } else { grace };
        let Some((user, grace)) = room.remove(now, conn, grace) else { return };
        if room.connections() == 0 {
            self.occupied -= usize::from(!is_stream(key));
            self.store.touch(key, now);
        }
        match grace {
            Some(until) => {
                if self.nodes.is_some() && nodes::bug::made(nodes::bug::Bug::MoveFlickers) {
                    self.say_attendance(now, key, &user, false);
                }
                self.due.insert((until, Due::Gone(key.clone(), user)));
            }
            None => self.departed(now, key, &user),
        }
    }

    /// Nobody expects the user back: the others are told.
    pub(super) fn departed(&mut self, now: Timestamp, key: &Name, user: &Name) {
        if made(Bug::MemberNeverLeaves) {
            return;
        }
        let Some(room) = self.rooms.get_mut(key) else { return };
        let Some(attendance) = room.lapse(user) else { return };
        if let Some(until) = attendance.grace {
            // Otherwise it would end the next grace of the same user before its time.
            self.due.remove(&(until, Due::Gone(key.clone(), user.clone())));
        }
        let stays = room.is_elsewhere(user) && !nodes::bug::made(nodes::bug::Bug::DepartureOfOneNode);
        let is_deserted = room.is_deserted();
        if self.nodes.is_some() {
            self.say_attendance(now, key, user, false);
        }
        if is_deserted {
            return self.desert(now, key);
        }
        if stays || made(Bug::DepartureUntold) {
            return;
        }
        let left = ServerMessage::UserLeft { room: key.clone(), user: user.clone() };
        let Some(text) = encode(&left) else { return };
        self.tell_who(key, &text, |member| member.extended);
    }

    /// Nobody on this node is in the room any more.
    pub(super) fn desert(&mut self, now: Timestamp, key: &Name) {
        self.rooms.remove(key);
        self.store.vacate(key, now);
        if self.nodes.is_some() {
            self.abandon_if_idle(key);
        }
    }

    /// A list of the users in a room, or only their number if they are many.
    pub(super) fn who(&self, key: &Name) -> (Option<Vec<Name>>, Option<u64>) {
        let users = self.rooms.get(key).map(Room::users);
        let count = users.as_ref().map_or(0, ExactSizeIterator::len);
        if count > self.config.members_listed || made(Bug::CountInstead) && count > 1 {
            (None, Some(count as u64))
        } else {
            (Some(users.into_iter().flatten().cloned().collect()), None)
        }
    }

    pub(super) fn presence(&mut self, now: Timestamp, conn: ConnId, name: Name) {
        let Some(state) = self.conns.get(&conn) else { return };
        let key = match locate(&state.user, name.clone()) {
            Ok(key) if !is_stream(&key) => key,
            Ok(_) => return self.mistake(now, conn, room_name(rejoin::RoomNameError::Reserved)),
            Err(error) => return self.mistake(now, conn, room_name(error)),
        };
        if !state.may(Right::Presence, &key) {
            return self.deny(now, conn, None, name, Right::Presence);
        }
        if !state.rooms.contains(&key) {
            if !self.bears(now, conn) {
                return self.close(now, conn, 4008, "Rate limited");
            }
            let reference: Asked = None;
            return self.refuse(conn, reference, Some(name), Code::NotJoined, "join the room first");
        }
        let (members, member_count) = self.who(&key);
        self.tell(conn, &ServerMessage::Presence(Presence { room: key, members, member_count }));
    }
}
