//! A session in one more namespace, on the connection of another session: the interface for the manager of both.

use super::Session;
use crate::cause::{Cause, Disconnect};
use crate::config::Config;
use crate::link::ConnId;
use crate::payload::Payload;
use crate::socketio::Options;
use crate::time::ClockReading;

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    /// A session that makes no connection: it dials when there is one.
    pub(in crate::socketio) fn carried(
        mut config: Config,
        options: Options,
        personal: N,
        seed: u64,
        is_up: bool,
    ) -> Self {
        // How long to continue trying is the other session's to know, and whether the server is there, too.
        config.link.policy = crate::backoff::Policy::default();
        config.link.max_attempts = None;
        config.link.max_elapsed = None;
        config.link.liveness.can_ping = false;
        config.link.liveness.idle_timeout = None;
        let mut session = Self::new(config, options, personal, seed);
        session.link.attach_to_carrier(is_up);
        session
    }

    /// There is a connection.
    pub(in crate::socketio) fn carrier_up(&mut self, now: ClockReading) {
        self.begin(now);
        self.link.carrier_up(now.monotonic);
        self.process_actions();
    }

    /// There is none any more.
    pub(in crate::socketio) fn carrier_lost(&mut self, now: ClockReading, how: &Disconnect) {
        self.begin(now);
        self.link.carrier_lost();
        if let Some(conn) = self.conn() {
            self.closed(now.monotonic, conn, how.clone());
        }
        self.process_actions();
    }

    /// There will be none.
    pub(in crate::socketio) fn carrier_failed(&mut self, now: ClockReading, cause: Cause) {
        self.begin(now);
        self.link.carrier_failed(now.monotonic, cause);
        self.connection.take_if(|connection| !connection.is_up());
        self.process_actions();
    }

    /// Asks the server for activity.
    pub(in crate::socketio) fn probe(&mut self, now: ClockReading) {
        self.begin(now);
        self.link.probe(now.monotonic);
        self.process_actions();
    }

    /// The connection that it has, or is being let in on.
    pub(in crate::socketio) fn conn(&self) -> Option<ConnId> {
        self.connection.as_ref().map(|connection| connection.conn)
    }

    /// The connection on which the namespace has let us in.
    pub(in crate::socketio) fn conn_up(&self) -> Option<ConnId> {
        self.connection.as_ref().filter(|connection| connection.is_up()).map(|connection| connection.conn)
    }

    /// Whether it has ended, by the application or permanently.
    pub(in crate::socketio) fn has_ended(&self) -> bool {
        self.link.has_ended()
    }

    /// The number of the last frame of the connection.
    pub(in crate::socketio) fn last_frame(&self) -> u64 {
        self.connection.as_ref().map_or(0, |connection| connection.last_frame)
    }

    /// Frames are counted over all namespaces of the connection.
    pub(in crate::socketio) fn set_last_frame(&mut self, frame: u64) {
        if let Some(connection) = &mut self.connection {
            connection.last_frame = frame;
        }
    }

    /// Bytes that the operating system has not taken.
    pub(in crate::socketio) fn unflushed(&self) -> usize {
        self.outbox.unflushed()
    }

    /// The other namespaces have so many.
    pub(in crate::socketio) fn set_elsewhere(&mut self, bytes: usize) {
        self.outbox.set_elsewhere(bytes);
    }

    /// A packet that belongs to no session.
    pub(in crate::socketio) fn mark_unknown(&mut self) {
        self.diagnostics.unknown_frames += 1;
    }

    /// Whether a connection ended because a frame of ours was too large for the server.
    #[cfg(feature = "frames")]
    pub(in crate::socketio) fn is_frame_too_large(&self, how: &Disconnect) -> bool {
        self.link.is_frame_too_large(how)
    }

    /// Bytes of the largest frame that the connection has been given here.
    #[cfg(feature = "frames")]
    pub(in crate::socketio) fn largest_frame(&self) -> usize {
        self.kept_frames.largest()
    }

    /// The connection has been given a frame of so many bytes in another namespace.
    #[cfg(feature = "frames")]
    pub(in crate::socketio) fn record_send_elsewhere(&mut self, bytes: usize) {
        self.kept_frames.record_send(bytes);
    }
}
