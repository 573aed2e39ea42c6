//! Makes the frames that stand for a server's answers on streams: `hello`, `left`, `auth_ok` and refusals.

use crate::messages::{
    AuthOk, Code, ErrorDetail, Hello, Left, Limits, MAX_INT, ReconnectHint, Ref, ServerMessage,
};
use crate::name::Name;
use std::time::Duration;

/// When a session is to ask again for what needs a WebSocket.
const LATER: Duration = Duration::from_secs(60);
/// The silence after which a session pings. The answer is made here: what the streams bring is what shows that they live.
const HEARTBEAT_MS: u64 = 60_000;
/// The session keeps what it knows of the server instead of this and of the window; the limits bind nobody, as nothing is sent.
const DEDUPE_WINDOW_MS: u64 = 120_000;
const NO_LIMIT: u64 = 16 << 20;
/// Connections that were lost together come back within this time.
const RECONNECT_WINDOW_MS: u64 = 1000;

/// The first frame.
pub(super) fn hello(user: Name) -> ServerMessage {
    ServerMessage::Hello(Box::new(Hello {
        v: 1,
        user_id: user,
        server_time: 0,
        heartbeat_ms: HEARTBEAT_MS,
        dedupe_window_ms: DEDUPE_WINDOW_MS,
        limits: Limits {
            frame_bytes: NO_LIMIT,
            content_bytes: NO_LIMIT,
            rooms: 256,
            in_flight: 0,
            replay: 200,
            send_per_sec: 0,
        },
        reconnect: ReconnectHint { window_ms: RECONNECT_WINDOW_MS },
        auth: None,
    }))
}

/// The room's stream is closed.
pub(super) fn left(room: Name, reference: Ref) -> ServerMessage {
    ServerMessage::Left(Left { reference: Some(reference), room, code: None, server_code: None })
}

/// The token is taken for the streams to come.
pub(super) fn auth_ok(reference: Ref) -> ServerMessage {
    ServerMessage::AuthOk(AuthOk { reference, expires_in_ms: None })
}

/// A stream begins where it begins; what is before that is reported as missed.
pub(super) fn no_history(reference: Ref, room: Name) -> ServerMessage {
    let refusal = Refusal { code: Code::Forbidden, retry_after: None };
    refusal.frame(reference, room, "a stream of events has no history")
}

/// The user's own stream is not among the streams.
pub(super) fn no_notifications(reference: Ref, room: Name) -> ServerMessage {
    let refusal = Refusal { code: Code::Overloaded, retry_after: Some(LATER) };
    refusal.frame(reference, room, "notifications need a WebSocket, and none opens now")
}

pub(super) fn too_many_rooms(reference: Ref, room: Name) -> ServerMessage {
    let refusal = Refusal { code: Code::Overloaded, retry_after: Some(LATER) };
    refusal.frame(reference, room, "so many rooms need a WebSocket, and none opens now")
}

/// Why a room is not read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal {
    pub(super) code: Code,
    /// When it may be asked for again; `None`: never.
    pub(super) retry_after: Option<Duration>,
}

impl Refusal {
    pub(super) fn frame(self, reference: Ref, room: Name, message: &str) -> ServerMessage {
        let millis = |pause: Duration| u64::try_from(pause.as_millis()).unwrap_or(MAX_INT).min(MAX_INT);
        ServerMessage::Error {
            message: message.to_owned(),
            detail: Some(Box::new(ErrorDetail {
                reference: Some(reference),
                room: Some(room),
                code: self.code,
                retry: self.retry_after.is_some(),
                retry_after_ms: self.retry_after.map(millis),
                server_code: None,
            })),
        }
    }
}
