//! Presence: the members of a room, counted per user, and who is told of a change.
//!
//! Plain connections are told by the plain contract: whenever a user's connections go from none to one, and never of
//! a departure. Extended ones see somebody whose connection was lost stay for a grace, so that a reconnect does not
//! flicker.

use super::dispatch::{RequestRef, encode};
use super::mutation::mutation;
use super::names::{describe_room_name_error, is_stream, resolve_room};
use super::rights::{Permission, Right};
use super::room::{Arrival, Room};
use super::{ConnId, Hub, Timer, nodes};
use rejoin::machine::ServerMessage;
use rejoin::messages::{Code, Presence};
use rejoin::{Name, Timestamp};
use std::time::Duration;

impl Hub {
    /// Makes a connection a member.
    pub(super) fn add_member(&mut self, now: Timestamp, conn: ConnId, key: &Name) -> Option<Arrival> {
        let state = self.conns.get_mut(&conn)?;
        state.rooms.insert(key.clone());
        let (user, extended) = (state.user.clone(), state.extended.is_some());
        self.store.occupy(key);
        if self.nodes.is_some() {
            self.init_remote_presence(key);
        }
        let room = self.rooms.entry(key.clone()).or_default();
        let was_empty = room.connections() == 0;
        let arrival = room.add(conn, &user, extended);
        self.occupied_rooms += usize::from(was_empty && !is_stream(key));
        match arrival {
            Arrival::Returned(until) if !mutation!(GraceGoesOn) => {
                self.due.remove(&(until, Timer::GraceEnd(key.clone(), user)));
            }
            Arrival::New if self.nodes.is_some() => self.publish_presence(now, key, &user, true),
            _ => {}
        }
        Some(arrival)
    }

    /// Tells the others who came.
    pub(super) fn announce(&mut self, key: &Name, conn: ConnId, arrival: Arrival) {
        let Some(state) = self.conns.get(&conn) else { return };
        let Some(room) = self.rooms.get(key) else { return };
        if arrival == Arrival::AlreadyPresent && !mutation!(JoinAnnouncedAgain) || room.connections() == 1 {
            return;
        }
        if room.is_remote(&state.user) {
            // For the others nothing has changed.
            return;
        }
        let joined = ServerMessage::UserJoined { room: key.clone(), user: state.user.clone() };
        let Some(text) = encode(&joined) else { return };
        let user = state.user.clone();
        let all = arrival == Arrival::New && !mutation!(ArrivalUntold) || mutation!(ReturnAnnounced);
        self.announce_presence(key, &text, |member| member.user != user && (all || !member.extended));
    }

    /// Ends a connection's membership. The others are told at once if it was said and no other connection of the user was
    /// just lost, after the grace otherwise.
    pub(super) fn remove_member(&mut self, now: Timestamp, key: &Name, conn: ConnId, said: bool) {
        let lost = !said && !is_stream(key) && !mutation!(UserLeftWithoutGrace);
        let grace = lost.then(|| now + self.config.presence_grace);
        let Some(room) = self.rooms.get_mut(key) else { return };
        let grace =
            if mutation!(GraceTooShort) { grace.map(|until| now + until.since(now) / 2) } else { grace };
        let longer = Duration::from_secs(600);
        let grace = if mutation!(GraceTooLong) { grace.map(|until| until + longer) } else { grace };
        let Some((user, grace)) = room.remove(now, conn, grace) else { return };
        if room.connections() == 0 {
            self.occupied_rooms -= usize::from(!is_stream(key));
            self.store.touch(key, now);
        }
        match grace {
            Some(until) => {
                if self.nodes.is_some() && nodes::mutation::mutation!(MoveFlickers) {
                    self.publish_presence(now, key, &user, false);
                }
                self.due.insert((until, Timer::GraceEnd(key.clone(), user)));
            }
            None => self.member_left(now, key, &user),
        }
    }

    /// Nobody expects the user back: the others are told.
    pub(super) fn member_left(&mut self, now: Timestamp, key: &Name, user: &Name) {
        if mutation!(MemberNeverLeaves) {
            return;
        }
        let Some(room) = self.rooms.get_mut(key) else { return };
        let Some(presence) = room.expire_user(user) else { return };
        if let Some(until) = presence.grace {
            // Otherwise it would end the next grace of the same user before its time.
            self.due.remove(&(until, Timer::GraceEnd(key.clone(), user.clone())));
        }
        let stays = room.is_remote(user) && !nodes::mutation::mutation!(DepartureOfOneNode);
        let is_empty = room.is_empty();
        if self.nodes.is_some() {
            self.publish_presence(now, key, user, false);
        }
        if is_empty {
            return self.drop_room(now, key);
        }
        if stays || mutation!(DepartureUntold) {
            return;
        }
        let left = ServerMessage::UserLeft { room: key.clone(), user: user.clone() };
        let Some(text) = encode(&left) else { return };
        self.announce_presence(key, &text, |member| member.extended || mutation!(PlainToldOfLeaving));
    }

    /// Nobody on this node is in the room any more.
    pub(super) fn drop_room(&mut self, now: Timestamp, key: &Name) {
        self.rooms.remove(key);
        self.store.vacate(key, now);
        if self.nodes.is_some() {
            self.drop_if_idle(key);
        }
    }

    /// A list of the users in a room, or only their number if they are many.
    pub(super) fn member_list(&self, key: &Name) -> (Option<Vec<Name>>, Option<u64>) {
        let users = self.rooms.get(key).map(Room::users);
        let count = users.as_ref().map_or(0, ExactSizeIterator::len);
        if count + usize::from(mutation!(MembersMiscounted)) > self.config.members_listed
            || mutation!(CountInstead) && count > 1
        {
            (None, Some(count as u64))
        } else {
            (Some(users.into_iter().flatten().cloned().collect()), None)
        }
    }

    pub(super) fn send_presence(&mut self, now: Timestamp, conn: ConnId, name: Name) {
        let Some(state) = self.conns.get(&conn) else { return };
        let key = match resolve_room(&state.user, name.clone()) {
            Ok(key) if !is_stream(&key) => key,
            Ok(_) => {
                return self.protocol_error(
                    now,
                    conn,
                    describe_room_name_error(rejoin::RoomNameError::Reserved),
                );
            }
            Err(error) => return self.protocol_error(now, conn, describe_room_name_error(error)),
        };
        let permission = state.permission(Right::Presence, &key);
        if permission != Permission::Granted {
            return self.reject_not_granted(now, conn, None, name, (Right::Presence, permission));
        }
        if !state.rooms.contains(&key) && !mutation!(PresenceOfStranger) {
            if !self.tolerates(now, conn) {
                return self.close(now, conn, 4008, "Rate limited");
            }
            let reference: RequestRef = None;
            return self.send_refusal(conn, reference, Some(name), Code::NotJoined, "join the room first");
        }
        let (members, member_count) = self.member_list(&key);
        self.send_frame(conn, &ServerMessage::Presence(Presence { room: key, members, member_count }));
    }
}
