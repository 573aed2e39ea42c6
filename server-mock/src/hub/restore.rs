//! A connection that takes the place of one that was lost: back in its rooms at once, with what was missed, in the order
//! in which it was said, and with who is there now. Decides no
//! identity: whoever feeds the hub has found out that both are of the same client.

use super::mutation::mutation;
use super::names::{is_stream, stream_of};
use super::replay::Replay;
use super::rights::Right;
use super::room::Room;
use super::user::RateDecision;
use super::{ConnId, Hub, Output, RoomPosition};
use rejoin::machine::ServerMessage;
use rejoin::messages::Presence;
use rejoin::{Timestamp, check_room_name};

impl Hub {
    /// Puts the connection into all of these rooms, or into none if one of them cannot be gone on with.
    pub(super) fn restore(&mut self, now: Timestamp, conn: ConnId, rooms: &[RoomPosition]) {
        let done = self.can_restore(now, conn, rooms);
        self.outputs.push_back(Output::Restored { conn, restored: done });
        if !done {
            return;
        }
        for RoomPosition { room, after, .. } in rooms {
            self.store.touch(room, now);
            let Some(head) = self.store.room(room).map(super::Log::head) else { continue };
            let arrival = self.add_member(now, conn, room);
            // To its end, as with a personal stream: this client cannot page.
            let replay = Replay {
                room: room.clone(),
                next: after + u64::from(!mutation!(RestoreOneTooMany)),
                until: head,
                resume: head + 1,
                by_time: true,
            };
            self.count_replay(now, conn, room, replay.next, replay.until);
            self.begin_replay(conn, replay);
            if let Some(arrival) = arrival.filter(|_| !mutation!(RestoreUnannounced)) {
                self.announce(room, conn, arrival);
            }
        }
        self.send_replay(conn);
        // Who came and who went meanwhile is in no log: who is there now is what can be told.
        for RoomPosition { room, .. } in rooms.iter().filter(|position| !is_stream(&position.room)) {
            if !self.has_right(conn, Right::Presence, room) {
                continue;
            }
            if mutation!(RestorePresenceUntold) {
                continue;
            }
            let (members, member_count) = self.member_list(room);
            self.send_frame(
                conn,
                &ServerMessage::Presence(Presence { room: room.clone(), members, member_count }),
            );
        }
    }

    fn can_restore(&mut self, now: Timestamp, conn: ConnId, rooms: &[RoomPosition]) -> bool {
        let Some(state) = self.conns.get(&conn).filter(|state| state.extended.is_some()) else {
            return false;
        };
        // Before anything else it is in none.
        if !state.rooms.is_empty() || rooms.len() > self.config.rooms_per_conn + 1 {
            return false;
        }
        let (user, own) = (state.user.clone(), stream_of(&state.user));
        for RoomPosition { room, epoch, after } in rooms {
            let may = if is_stream(room) { *room == own } else { check_room_name(room).is_ok() };
            let may = may && self.has_right(conn, Right::Join, room);
            let has_space = self.rooms.get(room).map_or(0, Room::connections) < self.config.members_per_room;
            let is_held = self.store.room(room).is_some_and(|log| {
                (log.epoch() == epoch || mutation!(RestoreWrongEpoch))
                    && (log.reaches(*after) || mutation!(RestoreUnreached))
            });
            if !(may && has_space && is_held) {
                return false;
            }
            if self.count_join(now, &user) != RateDecision::Allow {
                return false;
            }
        }
        true
    }
}
