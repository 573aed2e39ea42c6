//! Decides the mode of each connection: by its first frame, or by a timeout (protocol.md §2.1).

use super::ActiveConnection;
use super::Session;
use super::connection::{ServerConnection, ServerLimits, ServerTimings};
use crate::cause::Disconnect;
use crate::change_log::record;
use crate::event::{Event, Mode};
use crate::link::ConnId;
use crate::messages::Hello;
use crate::messages::{Gap, GapReason};
use crate::mutation::mutation;
#[cfg(feature = "native")]
use crate::outbox::SendQueue as _;
use crate::payload::Payload;
use crate::rooms::DesiredMembership;
use crate::rooms::RoomEntry;
use crate::time::{Nanos, Timestamp};

/// How long the `hello` of an extended server may take, where none has been received before and pings are answered. What
/// is sent meanwhile is sent all the same, but with a store; only its outcome waits.
const HELLO_TIMEOUT: Nanos = Nanos::from_secs(1);

/// How long it may take elsewhere, unless a whole dial may not take that long. The limit of a dial is larger for servers
/// that are slow to let a client in, which says nothing about their `hello`.
const MAX_HELLO_TIMEOUT: Nanos = Nanos::from_secs(10);

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    /// A connection is open: request every wanted room at once.
    pub(super) fn connection_opened(&mut self, now: Timestamp, conn: ConnId, offered: bool) {
        // Where no `hello` has been received before, a pong and a moment of silence are enough: most servers are plain.
        let first = self.protocol.can_ping && !self.protocol.server.extended;
        let silence = if first { HELLO_TIMEOUT } else { self.protocol.dial_timeout.min(MAX_HELLO_TIMEOUT) };
        self.connection = Some(ActiveConnection::new(conn, ServerConnection::new(now, silence)));
        #[cfg(feature = "frames")]
        self.reset_kept_frames();
        if offered {
            self.join_all(now);
        } else {
            self.set_plain_mode();
            self.join_all(now);
        }
        self.check_ready(now);
    }

    /// Whether a connection ended as one does whose token is refused (protocol.md §1), before the server read anything: a
    /// ping is written before the first send, and would have been answered before the close. Where none is possible, nothing
    /// shows that.
    pub(super) fn is_refused(&self, conn: ConnId, how: &Disconnect) -> bool {
        let unread = self.protocol.can_ping
            && self.connection.as_ref().is_some_and(|connection| {
                let is_silent = connection.protocol.mode.is_none() && !connection.protocol.ponged;
                connection.conn == conn && is_silent
            });
        unread && matches!(how, Disconnect::Closed { code: 4001 | 4401 | 4403, .. })
    }

    pub(super) fn closed(&mut self, now: Timestamp, conn: ConnId, how: Disconnect) {
        if self.link.is_current(conn) && self.link.is_frame_too_large(&how) {
            #[cfg(feature = "frames")]
            let is_kept = self.drop_oversized_kept_frame();
            #[cfg(not(feature = "frames"))]
            let is_kept = false;
            if !is_kept {
                self.outbox.too_large(now, conn, &mut self.outcomes);
            }
        }
        if self.is_refused(conn, &how) {
            self.outbox.connection_refused(conn);
        }
        self.link.closed(now, conn, how);
    }

    pub(super) fn connection_closed(&mut self) {
        if mutation!(LeavingForgotten) {
            self.rooms.iter_mut().for_each(|room| room.desired = DesiredMembership::Joined);
        }
        self.rooms.connection_lost();
    }

    /// The connection in use is about to be another one.
    pub(super) fn connection_migrating(&mut self) {
        self.outbox.connection_migrated();
        #[cfg(feature = "frames")]
        self.outbox.custom_migrated(&mut self.outcomes);
        self.rooms.connection_lost();
    }

    /// A frame that is no `hello` has come.
    pub(super) fn first_frame(&mut self, now: Timestamp) {
        if self.connection.as_ref().is_some_and(|connection| connection.protocol.mode.is_none()) {
            self.set_plain_mode();
            self.check_ready(now);
        }
    }

    /// Whether sends wait until it is known what the server is. Once a connection of this run was plain, the next ones are
    /// taken to be, too.
    pub(super) fn waits_for_mode(&self, connection: &ActiveConnection<ServerConnection>) -> bool {
        // With a store a send is worth a wait: without a number it cannot be sent again, and a later run finds it without
        // an outcome.
        #[cfg(feature = "journal")]
        let waits = self.outbox.change_log.is_enabled();
        #[cfg(not(feature = "journal"))]
        let waits = false;
        // A frame that is too large ends the connection, and leaves without an outcome what was sent on it without numbers.
        #[cfg(feature = "native")]
        let is_risky = self.outbox.bytes() > FIRST_CONTACT_BYTES;
        #[cfg(not(feature = "native"))]
        let is_risky = false;
        // Where no ping shows that a refused token was refused before anything was read, it has a moment to be refused.
        let has_moment =
            (!self.protocol.can_ping || is_risky) && self.now.monotonic < first_send_at(connection);
        !self.protocol.was_plain && (waits || has_moment)
    }

    pub(super) fn ponged(&mut self, now: Timestamp) {
        let Some(connection) = &mut self.connection else { return };
        if connection.protocol.mode.is_some() {
            return;
        }
        connection.protocol.ponged = true;
        // The first frame of an extended server is its `hello`, but a proxy may have answered in its place.
        if now >= connection.protocol.mode_deadline {
            self.first_frame(now);
        }
    }

    /// When silence decides the mode.
    pub(super) fn mode_deadline(
        &self,
        now: Timestamp,
        connection: &ActiveConnection<ServerConnection>,
    ) -> Timestamp {
        let ServerConnection { mode, mode_deadline, .. } = connection.protocol;
        let undecided = mode.is_none() && (mode_deadline > now || self.may_decide(connection));
        let decided = if undecided { mode_deadline } else { Timestamp::NEVER };
        let waits = mode.is_none() && self.waits_for_mode(connection) && self.outbox.has_work();
        if waits && first_send_at(connection) > now && !mutation!(MomentUnnoticed) {
            decided.min(first_send_at(connection))
        } else {
            decided
        }
    }

    fn may_decide(&self, connection: &ActiveConnection<ServerConnection>) -> bool {
        connection.protocol.ponged || !self.protocol.can_ping || mutation!(DecidedUnanswered)
    }

    pub(super) fn apply_mode_deadline(&mut self, now: Timestamp) {
        let silent = |connection: &ActiveConnection<ServerConnection>| {
            connection.protocol.mode.is_none()
                && connection.protocol.mode_deadline <= now
                && self.may_decide(connection)
        };
        if self.connection.as_ref().is_some_and(silent) {
            self.first_frame(now);
        }
    }

    /// The server is a plain one: what was missed is gone, and where rooms were means nothing here.
    fn set_plain_mode(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        connection.protocol.mode = Some(Mode::Plain);
        self.protocol.was_plain = true;
        self.event(Event::Mode(Mode::Plain));
        for at in 0..self.rooms.len() {
            let Some(room) = self.rooms.at_mut(at) else { break };
            if !room.is_to_join() || room.personal {
                continue;
            }
            let (epoch, after) = (room.receiver.epoch().cloned(), room.receiver.seq());
            let missed = room.had_messages || after.is_some();
            let gap = Gap { epoch, after, ..Gap::unknown(room.name.clone(), GapReason::Reconnected) };
            // Messages of this connection have no position: continuing from the old one would deliver them again.
            room.receiver.forget();
            if missed && !mutation!(PlainGapUntold) {
                self.event(Event::Gap(gap));
            }
        }
        self.outbox.confirm_plain(&mut self.outcomes);
        self.confirm_flushed();
    }

    /// The server supports the extended protocol.
    pub(super) fn hello(&mut self, now: Timestamp, hello: Hello<N>) {
        let Some(connection) = &mut self.connection else { return };
        let before = connection.protocol.mode.replace(Mode::Extended);
        if !mutation!(LimitsUnlearnt) {
            connection.protocol.limits = ServerLimits::of(&hello);
        }
        let times = ServerTimings::of(&hello);
        if before == Some(Mode::Extended) {
            // Said again, because there are many more clients now than there were, or less time.
            return self.apply_timings(times);
        }
        connection.ready = false;
        #[cfg(feature = "native")]
        let conn = connection.conn;
        #[cfg(feature = "native")]
        let content = usize::try_from(hello.limits.content_bytes).unwrap_or(usize::MAX).max(1);
        if self.protocol.server.user.as_ref().is_some_and(|user| *user != hello.user_id)
            && !mutation!(OtherUserUnheard)
        {
            self.user_changed();
        }
        #[cfg(feature = "native")]
        {
            self.diagnostics.content_limit = content;
            self.outbox.apply_content_limit(conn, content, &mut self.outcomes);
        }
        self.protocol.server.from_store = false;
        self.protocol.server.extended = true;
        self.link.offer_always();
        self.protocol.server.user = Some(hello.user_id);
        self.apply_timings(times);
        if before.is_none() || !mutation!(LateHelloUntold) {
            self.event(Event::Mode(Mode::Extended));
        }
        #[cfg(feature = "frames")]
        self.write_kept_frames();
        if before == Some(Mode::Plain) {
            // Late: nothing requested so far is sure to be answered.
            self.join_all(now);
        } else {
            self.join_personal(now);
        }
        self.check_ready(now);
    }

    /// Whether the connection takes no sends: it is by streams of events, or its server says so.
    pub(super) fn is_read_only(&self) -> bool {
        #[cfg(feature = "sse")]
        if self.link.is_read_only() {
            return true;
        }
        self.connection.as_ref().is_some_and(|connection| connection.protocol.limits.in_flight == 0)
    }

    fn apply_timings(&mut self, times: ServerTimings) {
        // Streams do not tell how long the server remembers a send, nor when to come back: what is known of it stays.
        let times = if self.is_read_only() {
            ServerTimings {
                window: self.protocol.server.window,
                dedupe: self.protocol.server.dedupe,
                ..times
            }
        } else {
            times
        };
        self.protocol.server.window = times.window;
        self.protocol.server.dedupe =
            if mutation!(DedupeUnlearnt) { self.protocol.server.dedupe } else { times.dedupe };
        self.changes += 1;
        #[cfg(feature = "journal")]
        self.record_server();
        self.link.apply_hello(times.heartbeat, times.window, self.protocol.server.horizon());
    }

    /// The stored state is another user's.
    fn user_changed(&mut self) {
        if self.protocol.server.from_store {
            // What has been requested in this run was requested by the one who is here.
            #[cfg(feature = "stored")]
            self.outbox.fail_restored(&mut self.outcomes);
            #[cfg(all(feature = "frames", feature = "stored"))]
            self.drop_foreign_kept_frames();
        } else {
            self.outbox.user_changed(&mut self.outcomes);
        }
        // What ends so is the earlier user's, as the outcomes before it.
        #[cfg(feature = "journal")]
        self.record_outcomes();
        self.protocol.stored.clear();
        record!(self.outbox.change_log, UserChanged);
        for room in self.rooms.iter_mut() {
            if !mutation!(PlacesOutliveUser) {
                room.receiver.forget();
            }
            room.committed = None;
        }
    }
}

/// More than this is not sent to a server that may still say how much it takes: servers of this protocol take messages of
/// 8 KiB by default.
#[cfg(feature = "native")]
const FIRST_CONTACT_BYTES: usize = 8 << 10;

/// When a first send may go to a server that is not known yet, and that cannot be pinged or may take less.
fn first_send_at(connection: &ActiveConnection<ServerConnection>) -> Timestamp {
    connection.protocol.opened_at + HELLO_TIMEOUT
}
