//! Migration to a replacement connection before the present one closes (protocol.md §2.2 `going_away`).
//!
//! At most two connections exist meanwhile. If the new dial fails the old connection serves on; if the old one breaks
//! first, the dial under way becomes the reconnection.

use super::{Action, ConnId, Link, Phase};
use crate::backoff::uniform;
use crate::close_code;
use crate::liveness::Liveness;
use crate::mutation::mutation;
use crate::time::{Nanos, Timestamp};
use alloc::boxed::Box;

/// How long the old connection is kept for the sake of answers on their way.
const OLD_CONNECTION_TIMEOUT: Nanos = Nanos::from_secs(5);
/// How much earlier than the end of its window a move begins at the latest, unless a quarter of the window is less: the
/// server may close the old connection at that end, and answers on their way would be lost with it.
const MARGIN: Nanos = Nanos::from_secs(5);
/// Dials before the end is waited for instead.
const MAX_DIALS: u8 = 3;

/// The connection to come.
#[derive(Debug)]
pub(super) struct Replacement {
    url: Option<Box<str>>,
    tries: u8,
    step: Step,
}

#[derive(Debug)]
enum Step {
    At(Timestamp),
    Dialing { conn: ConnId, until: Timestamp },
}

/// The connection that was moved away from.
#[derive(Debug, Clone, Copy)]
pub(super) struct OldConnection {
    pub(super) conn: ConnId,
    until: Timestamp,
    closing: bool,
}

impl Link {
    /// The server is about to go: move at a random moment in the window, early enough to be done at its end.
    pub(crate) fn going_away(&mut self, now: Timestamp, window: Nanos, url: Option<Box<str>>) {
        if matches!(self.phase, Phase::Open { .. })
            && (self.replacement.is_none() || mutation!(MoveBegunAnew))
        {
            let latest = window.minus(MARGIN.min(window.half().half()));
            let latest = if mutation!(MovesTooLate) { latest.plus(window).plus(window) } else { latest };
            let at =
                now + uniform(&mut self.rng, if mutation!(MoveAtEnd) { latest } else { Nanos::ZERO }, latest);
            self.replacement = Some(Replacement { url, tries: 0, step: Step::At(at) });
        }
    }

    pub(super) fn replacement_deadline(&self) -> Timestamp {
        let next = self.replacement.as_ref().map_or(Timestamp::NEVER, |next| match next.step {
            Step::At(at) => at,
            Step::Dialing { until, .. } => until,
        });
        self.old.map_or(next, |retiring| next.min(retiring.until))
    }

    pub(super) fn tick_replacement(&mut self, now: Timestamp) {
        if let Some(retiring) = self.old.filter(|retiring| retiring.until <= now) {
            if retiring.closing {
                self.old = None;
                if !mutation!(OldNeverAborted) {
                    self.actions.push(Action::Abort { conn: retiring.conn, code: close_code::REPLACED });
                }
            } else {
                // Whether the new one is a member yet is not known, so the server must not take this for a farewell.
                self.close_old(
                    now,
                    if mutation!(FarewellSaid) { close_code::NORMAL } else { close_code::REPLACED },
                );
            }
        }
        match self.replacement.as_ref().map(|next| &next.step) {
            Some(Step::At(at)) if *at <= now => self.dial_replacement(now),
            Some(Step::Dialing { conn, until }) if *until <= now && !mutation!(MoveWaitsEndless) => {
                let conn = *conn;
                self.actions.push(Action::Abort { conn, code: close_code::NORMAL });
                self.replacement_failed(now);
            }
            _ => {}
        }
    }

    fn dial_replacement(&mut self, now: Timestamp) {
        let earliest = self.limiter.earliest(now);
        // Two connections at most: the one moved away from before has to be gone.
        let earliest = self.old.map_or(earliest, |retiring| earliest.max(retiring.until));
        let until = now + self.config.dial_timeout;
        let Some(next) = &mut self.replacement else { return };
        if earliest > now {
            next.step = Step::At(earliest);
            return;
        }
        next.tries += 1;
        let url = if mutation!(MoveAddressForgotten) { None } else { next.url.clone() };
        if !mutation!(MoveUncounted) {
            self.limiter.count(now);
        }
        #[cfg(any(feature = "socketio", feature = "sse"))]
        self.transports.dial_replacement();
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        next.step = Step::Dialing { conn, until };
        self.actions.push(Action::Dial {
            conn,
            endpoint: self.endpoint,
            attempt: self.backoff.attempt(),
            token: self.auth.token().cloned(),
            extended: self.offer,
            url,
        });
    }

    pub(super) fn is_replacement(&self, conn: ConnId) -> bool {
        matches!(self.replacement, Some(Replacement { step: Step::Dialing { conn: next, .. }, .. }) if next == conn)
    }

    /// The dial of the new connection failed: the old one serves on.
    pub(super) fn replacement_failed(&mut self, now: Timestamp) {
        let pause = uniform(&mut self.rng, Nanos::from_secs(1), Nanos::from_secs(5));
        match &mut self.replacement {
            Some(next) if next.tries < MAX_DIALS + u8::from(mutation!(MoveOneMore)) => {
                // The other server may be the wrong one; the own address is not.
                if !mutation!(MoveAddressKept) {
                    next.url = None;
                }
                next.step = Step::At(if mutation!(MovesAgainAtOnce) { now } else { now + pause });
            }
            _ => self.replacement = None,
        }
    }

    /// Whether this failure is about the connection to come.
    pub(super) fn is_replacement_failure(&mut self, now: Timestamp, conn: ConnId) -> bool {
        let is_next = self.is_replacement(conn);
        if is_next {
            self.replacement_failed(now);
        }
        is_next
    }

    /// The new connection is open: it is the connection from now on.
    pub(super) fn replacement_opened(&mut self, now: Timestamp, opened: ConnId) {
        let Phase::Open { conn: old, .. } = self.phase else { return };
        self.replacement = None;
        #[cfg(any(feature = "socketio", feature = "sse"))]
        self.transports.opened();
        let farewell = if mutation!(OldKeptForLong) { Nanos::from_secs(120) } else { OLD_CONNECTION_TIMEOUT };
        self.old = Some(OldConnection { conn: old, until: now + farewell, closing: false });
        let liveness = Liveness::new(self.config.liveness, now);
        self.phase = Phase::Open { conn: opened, since: now, liveness };
        #[cfg(feature = "native")]
        self.traffic(now);
        self.actions.push(Action::Moved { conn: opened, offered: self.offer });
        if self.offer {
            self.probe_for_hello(now);
        }
        if mutation!(OldClosedAtOnce) {
            self.close_old_now(now);
        }
    }

    /// Nothing more is expected of the old connection, and the new one is a member wherever it was.
    pub(crate) fn close_old_now(&mut self, now: Timestamp) {
        self.close_old(now, close_code::NORMAL);
    }

    fn close_old(&mut self, now: Timestamp, code: u16) {
        if let Some(retiring) = &mut self.old
            && !retiring.closing
        {
            retiring.closing = true;
            retiring.until = now + self.config.close_timeout;
            self.actions.push(Action::Close { conn: retiring.conn, code });
        }
    }

    /// Whether answers may still come on the connection that was moved away from.
    pub(crate) fn awaits_answers(&self) -> bool {
        self.old.is_some_and(|retiring| !retiring.closing)
    }

    /// Whether `conn` is the connection that was moved away from.
    pub(crate) fn is_old(&self, conn: ConnId) -> bool {
        self.old.is_some_and(|retiring| retiring.conn == conn)
    }

    /// The old connection is gone, as was to be.
    pub(super) fn old_closed(&mut self, conn: ConnId) -> bool {
        self.old.take_if(|retiring| retiring.conn == conn).is_some()
    }

    /// The current connection is lost while the next is being dialled: that dial is the reconnection.
    pub(super) fn take_replacement_dial(&mut self) -> Option<(ConnId, Timestamp)> {
        match self.replacement.take() {
            Some(Replacement { step: Step::Dialing { conn, until }, .. })
                if !mutation!(MoveDialForgotten) =>
            {
                Some((conn, until))
            }
            _ => None,
        }
    }

    /// Only one connection is left, or none.
    pub(super) fn drop_others(&mut self) {
        if let Some(retiring) = self.old.take() {
            self.actions.push(Action::Abort { conn: retiring.conn, code: close_code::NORMAL });
        }
        if let Some((conn, _)) = self.take_replacement_dial() {
            self.actions.push(Action::Abort { conn, code: close_code::NORMAL });
        }
    }
}
