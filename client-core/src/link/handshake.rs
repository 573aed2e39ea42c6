//! Protocols with a handshake above the WebSocket's: for the link the dial lasts until that handshake is done. Only
//! Socket.IO has one.

use super::retry::cause;
use super::{Action, ConnId, Link, Phase};
use crate::cause::{Cause, Disconnect};
use crate::close_code::{self, CloseAction};
use crate::time::{Nanos, Timestamp};

impl Link {
    /// Whether `conn` is the dial under way.
    pub(crate) fn is_dialling(&self, conn: ConnId) -> bool {
        matches!(self.phase, Phase::AwaitingOpen { conn: current, .. } if current == conn)
    }

    /// The socket of the dial under way was open and is closed.
    pub(crate) fn closed_in_handshake(&mut self, now: Timestamp, conn: ConnId, how: Disconnect) {
        if self.is_dialling(conn) {
            self.transports.closed_in_handshake(&how);
            self.next_endpoint();
            let verdict = self.close_action(&how);
            self.apply_close_action(now, verdict, cause(how), None);
        }
    }

    /// The server ends the connection, or refuses the dial under way, as text of its own protocol.
    pub(crate) fn closed_by_server(
        &mut self,
        now: Timestamp,
        conn: ConnId,
        verdict: CloseAction,
        cause: Cause,
    ) {
        let since = match self.phase {
            Phase::Open { conn: current, since, .. } if current == conn => Some(since),
            _ if self.is_dialling(conn) => None,
            _ => return,
        };
        self.actions.push(Action::Abort { conn, code: close_code::NORMAL });
        match since {
            Some(since) => self.down(now, since),
            None => self.next_endpoint(),
        }
        self.apply_close_action(now, verdict, cause, None);
    }

    /// The server sends something unasked at least this often: a longer silence means a dead connection.
    pub(crate) fn set_idle_timeout(&mut self, silence: Nanos) {
        if self.is_carried() {
            return;
        }
        if let Phase::Open { liveness, .. } = &mut self.phase {
            liveness.set_idle_timeout(silence);
        }
    }
}
