//! Answers from the log on request.

use super::bug::{Bug, made};
use super::rights::Right;
use super::rules::{is_stream, locate, room_name};
use super::user::Verdict;
use super::{ConnId, Hub, Limit};
use rejoin::machine::ServerMessage;
use rejoin::messages::{Code, History, HistoryRequest};
use rejoin::{RoomNameError, Timestamp};

impl Hub {
    pub(super) fn history(&mut self, now: Timestamp, conn: ConnId, request: HistoryRequest) {
        let Some(state) = self.conns.get(&conn) else { return };
        let HistoryRequest { reference, room, epoch, after, limit } = request;
        let asked = Some(reference.clone());
        let key = match locate(&state.user, room.clone()) {
            Ok(key) if !is_stream(&key) => key,
            // A personal stream is always replayed to its end, and its entries are no messages.
            Ok(_) => {
                let message = room_name(RoomNameError::Reserved);
                return self.turn_down(now, conn, asked, Some(room), Code::BadRequest, message);
            }
            Err(error) => {
                return self.turn_down(now, conn, asked, Some(room), Code::BadRequest, room_name(error));
            }
        };
        if !state.may(Right::History, &key) {
            return self.deny(now, conn, asked, room, Right::History);
        }
        if !state.rooms.contains(&key) {
            return self.turn_down(now, conn, asked, Some(room), Code::NotJoined, "join the room first");
        }
        // The most expensive frame there is for its size.
        match self.users.get_mut(&state.user).map_or(Verdict::Fine, |user| user.join(now)) {
            Verdict::Fine => {}
            Verdict::Refuse => {
                self.refused.record(Limit::JoinRate);
                return self.refuse(conn, asked, Some(room), Code::RateLimited, "rate limited");
            }
            Verdict::Flooding => return self.close_flooding(now, conn),
        }
        let Some(log) = self.store.room(&key) else { return };
        // Of another life nothing is held.
        let same = epoch == *log.epoch() || made(Bug::HistoryOfOtherLife);
        let mut bytes = 0;
        let most = if same {
            limit.min(self.replay_limit()) + 5 * u64::from(made(Bug::HistoryUnbounded))
        } else {
            0
        };
        let messages = log
            .from(after.saturating_add(1))
            .take(usize::try_from(most).unwrap_or(usize::MAX))
            .take_while(|entry| {
                let first = bytes == 0;
                bytes += entry.bytes();
                first || bytes <= self.config.frame_bytes
            })
            .map(|entry| entry.message(&key, log.epoch(), true, entry.user == state.user))
            .collect();
        let complete = same && log.reaches(after) || made(Bug::HistorySaidComplete);
        let epoch = log.epoch().clone();
        let history = History { reference, room, epoch, messages, complete };
        self.tell(conn, &ServerMessage::History(Box::new(history)));
    }
}
