//! The connection in use: what has been written to it, what it can promise, and what its server takes.

use crate::event::Mode;
use crate::link::ConnId;
use crate::messages::Hello;
use crate::time::{Span, Timestamp};

/// The present connection. Its frames are numbered from 1.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) conn: ConnId,
    pub(super) last_frame: u64,
    /// The last frame that the operating system has taken.
    pub(super) flushed: u64,
    pub(super) ready: bool,
    /// `None`: not decided yet.
    pub(super) mode: Option<Mode>,
    /// Silence until then means a plain server.
    pub(super) decide_at: Timestamp,
    pub(super) ponged: bool,
    pub(super) peer: Peer,
    /// The server has left sends without an answer for a while.
    pub(super) stall: Option<Stall>,
    /// What is unanswered has been transmitted twice on this connection.
    pub(super) resent: bool,
    /// Rooms joined again on this connection.
    pub(super) rejoins: u32,
}

/// A question about sends without an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stall {
    /// When the server answered the ping.
    pub(super) ponged: Option<Timestamp>,
}

/// What the server takes. Its claims, clamped (protocol.md §2.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub(super) in_flight: usize,
    pub(super) content: usize,
    pub(super) replay: u64,
}

impl Wire {
    pub(super) fn new(conn: ConnId, decide_at: Timestamp) -> Self {
        Self {
            conn,
            last_frame: 0,
            flushed: 0,
            ready: false,
            mode: None,
            decide_at,
            ponged: false,
            peer: Peer { in_flight: 1, content: usize::MAX, replay: 100 },
            stall: None,
            resent: false,
            rejoins: 0,
        }
    }

    pub(super) fn is_extended(&self) -> bool {
        self.mode == Some(Mode::Extended)
    }

    pub(super) fn is_plain(&self) -> bool {
        self.mode == Some(Mode::Plain)
    }
}

/// The times a server names, within what a client accepts (protocol.md §2.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) heartbeat: Span,
    pub(super) window: Span,
    pub(super) dedupe: Span,
}

impl Times {
    /// The shortest dedupe window that is any use.
    const SHORTEST_DEDUPE: u64 = 10_000;

    pub(super) fn of<N>(hello: &Hello<N>) -> Self {
        Self {
            heartbeat: Span::from_millis(hello.heartbeat_ms.clamp(5_000, 120_000)),
            window: Span::from_millis(hello.reconnect.window_ms.min(600_000)),
            dedupe: Span::from_millis(hello.dedupe_window_ms.clamp(Self::SHORTEST_DEDUPE, 3_600_000)),
        }
    }
}

impl Peer {
    pub(super) fn of<N>(hello: &Hello<N>) -> Self {
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let limits = &hello.limits;
        // A frame has room for its content only beside the rest of it, and escaped at worst sixfold; what is
        // surely too large for it is not sent.
        let frame = size(limits.frame_bytes.clamp(1 << 10, 16 << 20));
        Self {
            in_flight: size(limits.in_flight.clamp(1, 64)),
            content: size(limits.content_bytes.max(1)).min(frame),
            replay: limits.replay.clamp(1, 10_000),
        }
    }
}
