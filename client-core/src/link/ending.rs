//! The end of an open connection: asked for by the application, reported by the driver, or decided here.

use super::{Action, ConnId, Link, Phase, State, retry};
use crate::backoff::RetryTrigger;
use crate::cause::{Cause, CauseCode, Disconnect};
use crate::close_code;
use crate::mutation::mutation;
use crate::time::{Nanos, Timestamp};

impl Link {
    /// The user requests a fresh connection.
    pub(crate) fn reconnect(&mut self, now: Timestamp) {
        #[cfg(feature = "sse")]
        self.transports.prefer_websocket();
        match self.phase {
            Phase::Open { .. } => self.replace(now, CauseCode::Requested),
            _ => self.connect(now),
        }
    }

    /// Returns the open connection up for a reason on this side and dials again.
    pub(super) fn replace(&mut self, now: Timestamp, code: CauseCode) {
        let Phase::Open { conn, since, .. } = self.phase else { return };
        let wire_code = if code == CauseCode::DeadPeer {
            close_code::DEAD_PEER
        } else if mutation!(ReplacedAsLeaving) {
            close_code::NORMAL
        } else {
            close_code::REPLACED
        };
        self.actions.push(Action::Abort { conn, code: wire_code });
        self.down(now, since);
        self.retry(now, RetryTrigger::Local, Cause::bare(code));
    }

    pub(crate) fn close(&mut self, now: Timestamp) {
        match self.phase {
            Phase::Open { conn, .. } => {
                if !mutation!(CloseLeavesOther) {
                    self.drop_others();
                }
                self.refreshing = None;
                self.phase = Phase::AwaitingClose {
                    conn,
                    until: if mutation!(CloseWaitEndless) {
                        Timestamp::NEVER
                    } else {
                        now + self.config.close_timeout
                    },
                };
                self.actions.push(Action::Close { conn, code: close_code::NORMAL });
                let cause = Cause { will_retry: false, ..Cause::bare(CauseCode::Requested) };
                self.changed(State::Closing, Some(cause));
                self.actions.push(Action::Down);
            }
            Phase::AwaitingOpen { conn, .. } => {
                if !mutation!(CloseLeavesDial) {
                    self.actions.push(Action::Abort { conn, code: close_code::NORMAL });
                }
                self.end();
            }
            Phase::Idle | Phase::AwaitingToken { .. } | Phase::AwaitingRetry { .. } | Phase::Failed => {
                self.end();
            }
            Phase::AwaitingClose { .. } | Phase::Closed => {}
        }
    }

    pub(super) fn end(&mut self) {
        self.phase = Phase::Closed;
        if !mutation!(TimerAfterClose) {
            self.outage = None;
        }
        self.changed(State::Closed, Some(Cause { will_retry: false, ..Cause::bare(CauseCode::Requested) }));
    }

    pub(crate) fn closed(&mut self, now: Timestamp, closed: ConnId, how: Disconnect) {
        if self.old_closed(closed) {
            return;
        }
        match self.phase {
            Phase::Open { conn, since, .. } if conn == closed || mutation!(StaleEndCounts) => {
                let verdict = self.close_action(&how);
                self.down(now, since);
                let cause = retry::cause(how);
                #[cfg(feature = "native")]
                let cause = match cause.code {
                    CauseCode::ConnectionLost => {
                        Cause { idle_timeout: self.idle.lost(now, conn).map(Nanos::duration), ..cause }
                    }
                    _ => cause,
                };
                self.apply_close_action(now, verdict, cause, None);
            }
            Phase::AwaitingClose { conn, .. } if conn == closed => self.end(),
            _ => {}
        }
    }

    /// What the end of a connection means.
    pub(super) fn close_action(&self, how: &Disconnect) -> close_code::CloseAction {
        #[cfg(feature = "socketio")]
        if self.is_carried() {
            // It is the other link that judges it.
            return close_code::CloseAction::Retry;
        }
        self.config.close_codes.disconnect(how)
    }

    /// Whether a connection ended because a frame of ours was too large for the server.
    pub(crate) fn is_frame_too_large(&self, how: &Disconnect) -> bool {
        matches!(how, Disconnect::Closed { .. })
            && self.config.close_codes.disconnect(how) == close_code::CloseAction::TooLarge
    }

    /// The connection in use is given up because the server does not do its work on it.
    pub(crate) fn give_up(&mut self, now: Timestamp, code: CauseCode) {
        let Phase::Open { conn, since, .. } = self.phase else { return };
        self.actions.push(Action::Abort { conn, code: close_code::DEAD_PEER });
        self.down(now, since);
        self.retry(now, RetryTrigger::Remote, Cause::bare(code));
    }

    pub(super) fn down(&mut self, now: Timestamp, since: Timestamp) {
        if !mutation!(RefreshOutlives) {
            self.refreshing = None;
        }
        if let Some(retiring) = self.old.take() {
            // Not the end of a stay: the next connection continues with it.
            let code = if mutation!(OldAsLeaving) { close_code::NORMAL } else { close_code::REPLACED };
            self.actions.push(Action::Abort { conn: retiring.conn, code });
        }
        self.backoff.lost(if mutation!(StabilityUnnoticed) { Nanos::ZERO } else { now.after(since) });
        self.actions.push(Action::Down);
    }
}
