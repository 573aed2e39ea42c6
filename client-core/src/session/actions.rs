//! Turns what the link wants, and what has become possible, into outputs.

use super::protocol::Protocol;
use super::{Output, ProtocolSession};
use crate::event::Event;
use crate::link::{Action, ConnId, State};
use crate::mutation::mutation;
use crate::outbox::SendQueue;
use crate::time::Timestamp;

impl<R: Protocol> ProtocolSession<R> {
    /// What follows from an input.
    pub(crate) fn process_actions(&mut self) {
        let now = self.now.monotonic;
        self.perform_actions(now);
        R::before_sends(self, now);
        self.send_and_report(now);
        // That a room is left is reported after the last outcome of what was sent to it.
        while self.leaving {
            let any_left = R::finish_leaving(self);
            if !mutation!(OldClosedLate) {
                // Without the rooms that are being left the connection that was moved away from may be useless.
                self.perform_actions(now);
            }
            if !any_left || mutation!(SentSinceFailsLate) {
                break;
            }
            // What was sent to it since fails.
            self.send_and_report(now);
        }
    }

    fn send_and_report(&mut self, now: Timestamp) {
        R::transmit(self, now);
        #[cfg(feature = "frames")]
        self.drop_volatile();
        self.emit_deliveries();
    }

    /// Does what the link wants.
    fn perform_actions(&mut self, now: Timestamp) {
        while let Some(action) = self.link.next_action() {
            self.perform(now, action);
        }
    }

    fn perform(&mut self, now: Timestamp, action: Action) {
        let output = match action {
            Action::FetchToken { rejected } => Output::FetchToken { rejected },
            Action::Dial { conn, endpoint, attempt, token, extended, url } => {
                self.diagnostics.dials += 1;
                let token = R::dial_token(self, token);
                Output::Dial { conn, endpoint, attempt, token, extended, url }
            }
            Action::Authenticate(token) => return R::authenticate(self, token),
            Action::Ping(conn) => {
                if R::ping(self, conn) {
                    return;
                }
                Output::Ping { conn }
            }
            Action::Close { conn, code } => {
                R::closing(self);
                Output::Close { conn, code }
            }
            Action::Abort { conn, code } => {
                R::dropped(self, conn);
                Output::Abort { conn, code }
            }
            Action::Up { conn, offered } => return self.connected(now, conn, offered),
            Action::Down => return self.connection_lost(),
            Action::Moved { conn, offered } => {
                R::migrating(self);
                self.leaving = true;
                return self.connected(now, conn, offered);
            }
            Action::Changed(change) => {
                match change.state {
                    State::Closing | State::Closed | State::Failed => self.end(),
                    State::Suspended { .. } => R::suspended(self),
                    _ => {
                        #[cfg(feature = "stored")]
                        self.reopen();
                    }
                }
                Output::Event(Event::State(change))
            }
        };
        self.outputs.push_back(output);
    }

    fn connected(&mut self, now: Timestamp, conn: ConnId, offered: bool) {
        self.diagnostics.connections += 1;
        #[cfg(feature = "stored")]
        self.mark_reachable();
        #[cfg(feature = "sse")]
        if let Some(is_read_only) = self.link.read_only_change() {
            self.event(Event::ReadOnly(is_read_only));
        }
        R::opened(self, now, conn, offered);
    }

    fn connection_lost(&mut self) {
        self.connection = None;
        self.outbox.connection_lost(&mut self.outcomes);
        R::lost(self);
        self.leaving = true;
    }

    /// Gives a frame to the connection in use.
    pub(crate) fn write(&mut self, message: R::ClientFrame) {
        let Some(connection) = &mut self.connection else { return };
        connection.last_frame += 1;
        self.diagnostics.frames_out += 1;
        let (conn, frame) = (connection.conn, connection.last_frame);
        #[cfg(feature = "native")]
        self.link.traffic(self.now.monotonic);
        self.outputs.push_back(Output::Send { conn, frame, message });
    }
}
