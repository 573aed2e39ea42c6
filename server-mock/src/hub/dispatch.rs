//! Dispatches each frame to its handler, and forms refusals (protocol.md §1 and §2.2).

use super::mutation::mutation;
use super::user::{JOIN_RETRY, RateDecision, User};
use super::{ConnId, Hub, Limit, Text};
use rejoin::machine::{ClientMessage, ClockReading, ServerMessage};
use rejoin::messages::json::{self, DecodeError};
use rejoin::messages::{Code, ErrorDetail, Ref};
use rejoin::{Name, Timestamp};
use std::time::Duration;

/// When to try again what the server has no room for.
const OVERLOADED_RETRY: Duration = Duration::from_secs(5);

/// Said of data with more than [`rejoin::messages::MAX_DATA_LEVELS`] levels.
pub(super) const TOO_DEEP: &str = "data has more than 64 levels of arrays and objects";

/// The frames of the plain protocol.
const PLAIN: [&str; 3] = ["join_room", "leave_room", "send_message"];

/// A request whose answer is identified by its name; `None` for one that expects none, as all plain ones do.
pub(super) type RequestRef = Option<Ref>;

impl Hub {
    pub(super) fn handle_frame(&mut self, now: ClockReading, conn: ConnId, text: &str) {
        // One that only reads says nothing.
        let speaker = self.conns.get_mut(&conn).filter(|state| state.reader.is_none());
        let Some(state) = speaker else { return };
        state.is_active |= !mutation!(FrameIsNoLife);
        let extended = state.extended.is_some();
        if !self.count_frames(now.monotonic, conn, 1) {
            return;
        }
        match json::decode_client(text) {
            Ok(Some(message)) => self.handle_message(now, conn, extended, message, text.len()),
            // A type of a later version.
            Ok(None) => {}
            // Nor does it judge one by the rules of the version it comes from.
            Err(DecodeError::Field { frame, .. }) if !extended && !PLAIN.contains(&frame) => {}
            Err(error) => {
                let (reference, room) = json::envelope(text);
                self.protocol_error_with(now.monotonic, conn, reference, room, describe_decode_error(&error));
            }
        }
    }

    /// Carries out a frame of so many bytes, or has it wait.
    pub(super) fn handle_message(
        &mut self,
        now: ClockReading,
        conn: ConnId,
        extended: bool,
        message: ClientMessage,
        bytes: usize,
    ) {
        let message = if self.nodes.is_some() {
            let Some(message) = self.park_frame(conn, message, bytes) else { return };
            message
        } else {
            message
        };
        match message {
            message if extended => self.extended_frame(now, conn, message),
            // Whatever a plain connection writes beside the plain fields says nothing here.
            ClientMessage::JoinRoom { room, .. } => self.join(now.monotonic, conn, room, None),
            ClientMessage::LeaveRoom { room, .. } => self.leave(now.monotonic, conn, room, None),
            ClientMessage::SendMessage { room, content, .. } => {
                self.send(now, conn, room, content, None, None);
            }
            // Somebody's extension: a plain server ignores it.
            _ => {}
        }
    }

    /// Something came from a connection that cannot be refused.
    pub(super) fn activity(&mut self, now: Timestamp, conn: ConnId) {
        let Some(state) = self.conns.get_mut(&conn) else { return };
        state.is_active |= !mutation!(PongUnheard);
        self.count_frames(now, conn, 1);
    }

    /// Counts a join of the user, or something else that is limited like joins.
    pub(super) fn count_join(&mut self, now: Timestamp, user: &Name) -> RateDecision {
        let decision = self.users.get_mut(user).map_or(RateDecision::Allow, |user| user.join(now));
        self.note_consumption(now, user);
        decision
    }

    /// Counts what came against the user's rate; `false` if it was too much, and the connection is closed.
    pub(super) fn count_frames(&mut self, now: Timestamp, conn: ConnId, count: u32) -> bool {
        let Some(state) = self.conns.get(&conn) else { return false };
        let fine = self.users.get_mut(&state.user).is_none_or(|user| user.frames(now, count));
        if !fine {
            self.refusal_counts.record(Limit::FrameRate);
            self.close(now, conn, 4008, "Rate limited");
        }
        fine
    }

    fn extended_frame(&mut self, now: ClockReading, conn: ConnId, message: ClientMessage) {
        match message {
            ClientMessage::JoinRoom { room, request } => self.join(now.monotonic, conn, room, request),
            ClientMessage::LeaveRoom { room, reference } => self.leave(now.monotonic, conn, room, reference),
            ClientMessage::SendMessage { room, content, data, tag } => {
                self.send(now, conn, room, content, data, tag);
            }
            ClientMessage::History(request) => self.history(now.monotonic, conn, request),
            ClientMessage::Presence { room } => self.send_presence(now.monotonic, conn, room),
            ClientMessage::Signal { room, kind, data } => self.signal(now.monotonic, conn, room, kind, data),
            ClientMessage::Ping { t } => self.send_frame(
                conn,
                &ServerMessage::Pong { t: if mutation!(PongTimeLost) { t + 1 } else { t } },
            ),
            ClientMessage::Auth { reference, token } => {
                self.request_authentication(now.monotonic, conn, reference, token);
            }
            // A type of a later version.
            _ => {}
        }
    }

    /// Answers a request that cannot be carried out. One that did not ask for an answer gets the plain error.
    pub(super) fn reject(
        &mut self,
        now: Timestamp,
        conn: ConnId,
        reference: RequestRef,
        room: Option<Name>,
        code: Code,
        message: &'static str,
    ) {
        if reference.is_none() {
            return self.protocol_error(now, conn, message);
        }
        if !self.tolerates(now, conn) {
            return self.close_flooding(now, conn);
        }
        self.send_refusal(conn, reference, room, code, message);
    }

    /// Says no, whatever it costs the other's patience.
    pub(super) fn send_refusal(
        &mut self,
        conn: ConnId,
        reference: RequestRef,
        room: Option<Name>,
        code: Code,
        message: &'static str,
    ) {
        let retry_after_ms = match code {
            _ if mutation!(RefusalUnhinted) => None,
            Code::Overloaded | Code::RoomFull => Some(millis(OVERLOADED_RETRY)),
            Code::RateLimited => Some(millis(JOIN_RETRY)),
            _ => None,
        };
        let refusal = ErrorDetail {
            reference,
            room,
            code,
            retry: code.is_temporary() && !mutation!(RetryUnsaid),
            retry_after_ms,
            server_code: None,
        };
        self.send_frame(
            conn,
            &ServerMessage::Error { message: String::from(message), detail: Some(Box::new(refusal)) },
        );
    }

    /// Answers a frame that cannot be carried out; the connection stays open, unless it does nothing else.
    pub(super) fn protocol_error(&mut self, now: Timestamp, conn: ConnId, message: &'static str) {
        self.protocol_error_with(now, conn, None, None, message);
    }

    /// The same, with what the frame said of itself. Only the extended protocol has a place for that and for a code.
    fn protocol_error_with(
        &mut self,
        now: Timestamp,
        conn: ConnId,
        reference: RequestRef,
        room: Option<Name>,
        message: &'static str,
    ) {
        if !self.tolerates(now, conn) {
            self.close_flooding(now, conn);
        } else if self.conns.get(&conn).is_some_and(|state| state.extended.is_some()) {
            self.send_refusal(conn, reference, room, Code::BadRequest, message);
        } else {
            self.send_error(conn, message);
        }
    }

    /// Whether one more mistake of this connection's user can be borne.
    pub(super) fn tolerates(&mut self, now: Timestamp, conn: ConnId) -> bool {
        let Some(state) = self.conns.get(&conn) else { return true };
        self.users
            .get_mut(&state.user)
            .map_or(RateDecision::Allow, |user: &mut User| user.protocol_error(now))
            != RateDecision::Disconnect
    }

    pub(super) fn send_error(&mut self, conn: ConnId, message: &'static str) {
        self.send_frame(conn, &ServerMessage::Error { message: String::from(message), detail: None });
    }

    /// The rate in force, if there is one.
    pub(super) fn rate(&self) -> Option<f64> {
        self.config.rate.filter(|rate| rate.is_finite() && *rate > 0.0)
    }
}

pub(super) fn encode(message: &ServerMessage) -> Option<Text> {
    json::encode_server(message).map(Text::from)
}

/// Whole milliseconds, rounded up, so that a reported moment is never before the real one.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).min(rejoin::messages::MAX_INT)
}

/// Constant texts: what the peer sent is not repeated to it.
pub(crate) fn describe_decode_error(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::NoType => "a frame is an object with a string type",
        DecodeError::Field { frame: "send_message", .. } => {
            "send_message needs a string roomId and a string content"
        }
        DecodeError::Field { frame: "join_room", .. } => "join_room needs a string roomId",
        DecodeError::Field { frame: "leave_room", .. } => "leave_room needs a string roomId",
        DecodeError::Field { frame: "history", .. } => "history needs ref, roomId, epoch, after and limit",
        DecodeError::Field { frame: "presence", .. } => "presence needs a string roomId",
        DecodeError::Field { frame: "signal", .. } => "signal needs a string roomId and a string kind",
        DecodeError::Field { frame: "ping", .. } => "ping needs a number t",
        DecodeError::Field { frame: "auth", .. } => "auth needs ref and a string token",
        // The contract's own words.
        _ => "Invalid JSON",
    }
}
