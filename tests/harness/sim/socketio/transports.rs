//! A model, beside the machine's own, of the transports that a Socket.IO client may take, written from its documentation.

use crate::sim::Micros;
use fastrand::Rng;
use rejoin::socketio::{EngineTransport, Transports};
use rejoin::{CauseCode, DialErrorKind};

/// After so many dials in a row that may have been blocked, long polling is tried.
const BLOCKED: u32 = 3;

/// What is between a client and its server.
#[derive(Debug, Clone, Copy)]
pub struct Blockade {
    /// WebSockets get through until this,
    pub from: Micros,
    /// and again from this on.
    pub until: Micros,
    /// How their dials fail.
    pub how: DialErrorKind,
}

impl Blockade {
    /// Draws one.
    pub(in crate::sim) fn draw(rng: &mut Rng, chaos: Micros) -> Self {
        use DialErrorKind::{Http, NotWebSocket, Refused, Unreachable};
        let kinds = [Http(400), Http(426), Http(502), NotWebSocket, Unreachable, Refused, Http(503)];
        let from = rng.u64(..chaos);
        Self { from, until: from + rng.u64(..chaos), how: kinds[rng.usize(..kinds.len())] }
    }

    /// Whether WebSockets do not get through now.
    pub(in crate::sim) fn is_there(&self, now: Micros) -> bool {
        (self.from..self.until).contains(&now)
    }
}

/// The choice of one client, in its current process.
#[derive(Debug, Clone, Copy)]
pub(in crate::sim) struct Choice {
    allowed: Transports,
    next: EngineTransport,
    dialled: EngineTransport,
    /// The engine has answered, or the dial is over.
    is_settled: bool,
    blocked: u32,
}

impl Choice {
    /// A process begins.
    pub(in crate::sim) fn new(allowed: Transports) -> Self {
        let polls = allowed == Transports::Polling;
        let first = if polls { EngineTransport::Polling } else { EngineTransport::WebSocket };
        Self { allowed, next: first, dialled: first, is_settled: true, blocked: 0 }
    }

    /// It dials: gives the right transport.
    pub(in crate::sim) fn dials(&mut self) -> EngineTransport {
        self.dialled = self.next;
        self.is_settled = false;
        self.dialled
    }

    /// The engine has said its first word.
    pub(in crate::sim) fn answered(&mut self) {
        self.is_settled = true;
        if self.dialled == EngineTransport::WebSocket {
            self.blocked = 0;
        }
    }

    /// The connection has moved to a WebSocket.
    pub(in crate::sim) fn upgraded(&mut self) {
        self.blocked = 0;
        self.next = EngineTransport::WebSocket;
    }

    /// It is told why there is no connection.
    pub(in crate::sim) fn told(&mut self, code: CauseCode) {
        let may_be_blocked = match code {
            CauseCode::Dial(kind) => match kind {
                DialErrorKind::Unreachable | DialErrorKind::Timeout | DialErrorKind::NotWebSocket => true,
                DialErrorKind::Http(status) => {
                    matches!(status, 400 | 405 | 426) || status >= 500 && status != 503
                }
                _ => false,
            },
            CauseCode::ConnectionLost | CauseCode::ProtocolError => true,
            CauseCode::Closed(_) => false,
            _ => return,
        };
        if self.allowed != Transports::Auto || std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        match self.dialled {
            EngineTransport::Polling => self.next = EngineTransport::WebSocket,
            EngineTransport::WebSocket if may_be_blocked => {
                self.blocked += 1;
                if self.blocked >= BLOCKED {
                    self.next = EngineTransport::Polling;
                }
            }
            EngineTransport::WebSocket => self.blocked = 0,
        }
    }
}
