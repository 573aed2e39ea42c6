//! The facts about the connection in use: its mode, and the limits of its server.

use crate::event::Mode;
use crate::messages::Hello;
use crate::mutation::mutation;
use crate::session::ActiveConnection;
use crate::time::{Nanos, Timestamp};
use alloc::vec::Vec;

/// Asides that are remembered.
const MAX_UNTRACKED_REQUESTS: usize = 32;

/// What is known of the connection in use beside its frames.
#[derive(Debug)]
pub(crate) struct ServerConnection {
    /// `None`: not decided yet.
    pub(super) mode: Option<Mode>,
    pub(super) opened_at: Timestamp,
    /// Silence until then means a plain server.
    pub(super) mode_deadline: Timestamp,
    pub(super) ponged: bool,
    pub(super) limits: ServerLimits,
    /// The server has left sends without an answer for a while.
    pub(super) stall: Option<Stall>,
    /// What is unanswered has been transmitted twice on this connection.
    pub(super) resent: bool,
    /// The frames of requests without an answer of their own, or whose answer changes nothing, as far as the server may not
    /// have processed them yet: a refusal that does not say what it is about may be about one of them.
    pub(super) untracked_requests: Vec<u64>,
    /// The frame of the last ping.
    pub(super) last_ping_frame: u64,
    /// Pings that the server has not answered: it answers them in their order.
    pub(super) unanswered_pings: usize,
    /// Rooms joined again on this connection.
    pub(super) rejoins: u32,
}

/// A question about sends without an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stall {
    pub(super) probed_at: Timestamp,
    /// When the server answered the ping.
    pub(super) pong_at: Option<Timestamp>,
}

/// What the server takes. Its claims, clamped (protocol.md §2.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct ServerLimits {
    pub(super) in_flight: usize,
    pub(super) content: usize,
    pub(super) replay: u64,
}

impl ServerConnection {
    pub(super) fn new(now: Timestamp, silence: Nanos) -> Self {
        Self {
            mode: None,
            opened_at: now,
            mode_deadline: now + silence,
            ponged: false,
            limits: ServerLimits { in_flight: 1, content: usize::MAX, replay: 100 },
            stall: None,
            resent: false,
            untracked_requests: Vec::new(),
            last_ping_frame: 0,
            unanswered_pings: 0,
            rejoins: 0,
        }
    }

    /// The server has processed everything before this frame.
    pub(super) fn processed_through(&mut self, frame: u64) {
        self.untracked_requests.retain(|aside| *aside > frame);
    }
}

impl ActiveConnection<ServerConnection> {
    /// A request has been written in the last frame that no answer is awaited for.
    pub(super) fn add_untracked_request(&mut self) {
        let requests = &mut self.protocol.untracked_requests;
        if requests.len() == MAX_UNTRACKED_REQUESTS {
            requests.remove(0);
        }
        requests.push(self.last_frame);
    }

    pub(super) fn is_extended(&self) -> bool {
        self.protocol.mode == Some(Mode::Extended)
    }

    pub(super) fn is_plain(&self) -> bool {
        self.protocol.mode == Some(Mode::Plain)
    }
}

/// The times a server names, within what a client accepts (protocol.md §2.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct ServerTimings {
    pub(super) heartbeat: Nanos,
    pub(super) window: Nanos,
    pub(super) dedupe: Nanos,
}

impl ServerTimings {
    /// The shortest dedupe window that is any use.
    const MIN_DEDUPE_MS: u64 = 10_000;

    pub(super) fn of<N>(hello: &Hello<N>) -> Self {
        Self {
            heartbeat: Nanos::from_millis(
                hello.heartbeat_ms.clamp(if mutation!(HeartbeatUnclamped) { 0 } else { 5_000 }, 120_000),
            ),
            window: Nanos::from_millis(hello.reconnect.window_ms.min(600_000)),
            dedupe: Nanos::from_millis(hello.dedupe_window_ms.clamp(Self::MIN_DEDUPE_MS, 3_600_000)),
        }
    }
}

impl ServerLimits {
    pub(super) fn of<N>(hello: &Hello<N>) -> Self {
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let limits = &hello.limits;
        // A frame has room for its content only beside the rest of it, and escaped at worst sixfold; what is
        // surely too large for it is not sent.
        let frame = size(limits.frame_bytes.clamp(1 << 10, 16 << 20));
        Self {
            in_flight: size(limits.in_flight.min(64)),
            content: size(limits.content_bytes.max(1)).min(frame),
            replay: limits.replay.clamp(1, 10_000),
        }
    }
}
