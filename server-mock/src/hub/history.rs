//! Answers `history` requests from the log, and empties it for an operator.

use super::mutation::mutation;
use super::names::{describe_room_name_error, is_stream, resolve_room};
use super::rights::{Permission, Right};
use super::user::RateDecision;
use super::{ConnId, Hub, Limit};
use rejoin::machine::ServerMessage;
use rejoin::messages::{Code, History, HistoryRequest};
use rejoin::{Name, RoomNameError, Timestamp};

impl Hub {
    /// Begins a room anew, empty. With several nodes the store does, and tells all of them.
    pub(super) fn empty_room(&mut self, room: &Name) {
        if self.nodes.is_some() || self.store.room(room).is_none() {
            return;
        }
        let epoch = self.new_epoch();
        self.store.begin_epoch(room, epoch);
        self.restart(room);
        self.feed_readers(room);
    }

    pub(super) fn history(&mut self, now: Timestamp, conn: ConnId, request: HistoryRequest) {
        let Some(state) = self.conns.get(&conn) else { return };
        let HistoryRequest { reference, room, epoch, after, limit } = request;
        let asked = Some(reference.clone());
        let key = match resolve_room(&state.user, room.clone()) {
            Ok(key) if !is_stream(&key) => key,
            // A personal stream is always replayed to its end, and its entries are no messages.
            Ok(_) => {
                let message = describe_room_name_error(RoomNameError::Reserved);
                return self.reject(now, conn, asked, Some(room), Code::BadRequest, message);
            }
            Err(error) => {
                return self.reject(
                    now,
                    conn,
                    asked,
                    Some(room),
                    Code::BadRequest,
                    describe_room_name_error(error),
                );
            }
        };
        let permission = state.permission(Right::History, &key);
        if permission != Permission::Granted {
            return self.reject_not_granted(now, conn, asked, room, (Right::History, permission));
        }
        if !state.rooms.contains(&key) && !mutation!(PageOfStranger) {
            return self.reject(now, conn, asked, Some(room), Code::NotJoined, "join the room first");
        }
        // The most expensive frame there is for its size.
        let user = state.user.clone();
        match self.count_join(now, &user) {
            RateDecision::Allow => {}
            RateDecision::Reject => {
                self.refusal_counts.record(Limit::JoinRate);
                return self.send_refusal(conn, asked, Some(room), Code::RateLimited, "rate limited");
            }
            RateDecision::Disconnect => return self.close_flooding(now, conn),
        }
        let Some(log) = self.store.room(&key) else { return };
        // Of another life nothing is held.
        let same = epoch == *log.epoch() || mutation!(HistoryOfOtherLife);
        let mut bytes = 0;
        let most = if same {
            limit.min(self.replay_limit()) + 5 * u64::from(mutation!(HistoryUnbounded))
        } else {
            0
        };
        let messages: Vec<_> = log
            .from(after.saturating_add(1))
            .take(usize::try_from(most).unwrap_or(usize::MAX))
            .take_while(|entry| {
                let first = bytes == 0;
                bytes += entry.bytes();
                first || bytes <= self.config.frame_bytes || mutation!(PageBytesUnbounded)
            })
            .map(|entry| entry.message(&key, log.epoch(), !mutation!(PageSaysLive), entry.user == user))
            .collect();
        let complete = same && log.reaches(after) || mutation!(HistorySaidComplete);
        let epoch = log.epoch().clone();
        let history = History { reference, room, epoch, messages, complete };
        self.send_frame(conn, &ServerMessage::History(Box::new(history)));
    }
}
