//! Rules for single frames of a server, which need nothing but the frame and what the world knows.

use super::World;
use crate::sim::SECOND;
use crate::sim::checker::{key, place};
use crate::sim::server::Process;
use rejoin::machine::ServerMessage;
use rejoin::messages::Code::{Internal, NotJoined, Overloaded, RateLimited, RoomFull, SequenceGap};
use rejoin_server::hub;

/// Most bytes of one frame, as the hub is told, and what a page has beside its messages.
const FRAME_BYTES: usize = (16 << 10) + (4 << 10);

impl World {
    /// A server sends a frame over a connection.
    pub(super) fn frame_is_right(&mut self, index: usize, kind: &str, text: &str) {
        let wrong = match kind {
            "pong" => (!text.contains("\"t\":0")).then_some("is no answer to a ping"),
            "history" => (text.len() > FRAME_BYTES).then_some("is larger than a frame may be"),
            "message" => self.message_is_right(index, text),
            "error" | "nack" => self.refusal_is_right(text),
            "going_away" => self.drain_is_right(index, text),
            "auth_expiring" => self.warning_is_right(index),
            _ => None,
        };
        if let Some(wrong) = wrong {
            let text: String = text.chars().take(300).collect();
            self.checker.violated(format!("2.2: a frame to connection {index} {wrong}: {text}"));
        }
    }

    /// The room that a frame is about.
    pub(super) fn room_of(&self, text: &str) -> Option<usize> {
        (0..self.plan.rooms).find(|room| text.contains(&format!("\"roomId\":\"room{room}\"")))
    }

    /// A message goes to members only, and says to its sender which send it was.
    fn message_is_right(&mut self, index: usize, text: &str) -> Option<&'static str> {
        let (conn, room) = (&self.conns[index], self.room_of(text)?);
        if !conn.rooms.contains(&room) && self.shared.is_none() && self.asking.is_none() {
            return Some("is of a room that it is not in");
        }
        let own = text.contains(&format!("\"userId\":\"{}\"", conn.name));
        let content = text.split_once("\"content\":\"")?.1.split('"').next()?;
        let is_numbered = conn.extended && own && self.checker.is_numbered_on(index, key(content)?);
        (is_numbered && !text.contains("\"pid\"")).then_some("does not say which send it was")
    }

    /// A refusal says whether it is one for now, and of limits when to come again.
    fn refusal_is_right(&mut self, text: &str) -> Option<&'static str> {
        let (code, retry, after) = match self.decoder.decode(text).ok()? {
            ServerMessage::Error { detail: Some(refusal), .. } => {
                (refusal.code, refusal.retry, refusal.retry_after_ms)
            }
            ServerMessage::Nack(nack) if !nack.dup => (nack.code, nack.retry, nack.retry_after_ms),
            _ => return None,
        };
        let for_now =
            matches!(code, RateLimited | Overloaded | Internal | NotJoined | RoomFull | SequenceGap);
        let hinted = matches!(code, RateLimited | Overloaded | RoomFull);
        if retry != for_now {
            return Some("says wrongly whether the same may be asked again");
        }
        (hinted && after.is_none()).then_some("does not say when to come again")
    }

    fn drain_is_right(&mut self, index: usize, text: &str) -> Option<&'static str> {
        let server = &self.nodes[self.conns[index].node];
        let Ok(ServerMessage::GoingAway(going)) = self.decoder.decode(text) else { return None };
        let right = server.drain_window.div_ceil(1_000);
        (server.draining_until.is_some() && going.window_ms != right).then_some("names another window")
    }

    /// There is time to fetch another token.
    fn warning_is_right(&mut self, index: usize) -> Option<&'static str> {
        let thawed = self.nodes[self.conns[index].node].thawed;
        let (end, life) = (self.conns[index].expires?, self.plan.server.token_life?);
        let left = end.saturating_sub(self.now);
        let late = left + SECOND < (life / 2).min(60 * SECOND) && thawed + 3 * SECOND < self.now;
        late.then_some("comes too late for the token")
    }

    /// Somebody of another make asks about a room over a connection that is not in it: for its past, or who is there.
    pub(super) fn stray_request(&mut self, index: usize, room: usize) {
        let node = self.conns[index].node;
        let is_in = self.conns[index].rooms.contains(&room) || self.join_waits(index);
        let limited = self.plan.server.rate.is_some();
        if is_in || limited || self.shared.is_some() || self.nodes[node].process != Process::Up {
            return;
        }
        let frames = [
            format!(r#"{{"type":"presence","roomId":"room{room}"}}"#),
            format!(
                r#"{{"type":"history","ref":"stray","roomId":"room{room}","epoch":"{}","after":0,"limit":9}}"#,
                self.checker.epoch_of_log(place(&Self::room(room), 0))
            ),
        ];
        self.straying = Some(index);
        for text in &frames {
            self.hub(hub::Input::Frame { conn: hub::ConnId(index as u64), text });
        }
        self.straying = None;
    }

    /// What a server answers to such a request is not for the client; it is a refusal.
    pub(super) fn is_stray_answer(&mut self, index: usize, kind: &str, text: &str) -> bool {
        if self.straying != Some(index) {
            return false;
        }
        if kind != "error" {
            self.checker.violated(format!("1: who is not in a room is answered {text}"));
        }
        true
    }

    /// A token that is nobody's is shown too often, or not.
    pub(super) fn token_is_judged(&mut self, index: usize, good: bool) {
        let conn = &mut self.conns[index];
        conn.bad_tokens = if good { 0 } else { conn.bad_tokens + 1 };
        let (bad, stays) = (conn.bad_tokens, conn.server_open);
        if bad >= 3 && stays {
            self.checker.violated(format!("2.5: connection {index} has shown {bad} wrong tokens, and stays"));
        }
    }
}
