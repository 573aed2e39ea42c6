//! Sends: validation, transmission, answers, and the timeout of unanswered ones (protocol.md §2.3).

use super::ActiveConnection;
use super::Session;
use super::connection::ServerConnection;
use super::connection::Stall;
use crate::cause::CauseCode;
use crate::event::Event;
use crate::link::ConnId;
use crate::messages::{ClientMessage, Nack};
use crate::mutation::mutation;
use crate::outbox::{OutboundFrame, Readiness, Rejoin, SendWindow};
use crate::payload::Payload;
use crate::rooms::RoomEntry;
use crate::rooms::{Membership, Room};
use crate::session::Output;
use crate::time::{Nanos, Timestamp};

/// A send without an answer for this long triggers a probe.
const UNANSWERED_TIMEOUT: Nanos = Nanos::from_secs(5);
/// So long after the server has shown that it is alive, what is unanswered is sent again, and then given up.
const REPLY_TIMEOUT: Nanos = Nanos::from_secs(10);

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    pub(super) fn flushed(&mut self, through: u64) {
        let plain = self.connection.as_ref().is_some_and(ActiveConnection::is_plain);
        let outputs = &mut self.outputs;
        self.outbox.flushed(through, plain, |delivery| {
            outputs.push_back(Output::Event(Event::Delivery(delivery)));
        });
        if plain && !self.is_ready() {
            self.confirm_flushed();
            let now = self.now.monotonic;
            self.check_ready(now);
        }
    }

    /// Gives sends to the connection while it takes them.
    pub(super) fn transmit(&mut self, now: Timestamp) {
        if self.is_read_only() {
            return;
        }
        if !self.link.awaits_answers() && self.outbox.is_awaiting_old_connection() {
            self.outbox.stop_awaiting_old_connection();
        }
        #[cfg(feature = "frames")]
        if !self.write_kept_frames() {
            return;
        }
        if !self.outbox.has_work() {
            return;
        }
        let Some(connection) = &self.connection else { return };
        let gate = SendWindow {
            conn: connection.conn,
            in_flight: connection.protocol.limits.in_flight,
            content: connection.protocol.limits.content,
            unflushed: self.limits.unflushed,
        };
        match connection.protocol.mode {
            Some(crate::event::Mode::Extended) => self.transmit_extended(now, &gate),
            Some(_) => {
                if mutation!(ResendIntoPlain) {
                    self.transmit_extended(now, &gate);
                }
                self.transmit_plain(now, &gate, false);
            }
            // Where a `hello` has been received before, it is waited for.
            None if self.protocol.server.extended || self.waits_for_mode(connection) => {}
            None => self.transmit_plain(now, &gate, true),
        }
    }

    fn transmit_plain(&mut self, now: Timestamp, gate: &SendWindow, tagged: bool) {
        let mut stored = false;
        while let Some(connection) = &self.connection {
            let frame = connection.last_frame + 1;
            let rooms = &self.rooms;
            let asked = |room: &N| {
                let room = rooms.get(room).filter(|room| room.is_to_join());
                room.is_some_and(|room| matches!(room.membership, Membership::Joining { .. }))
            };
            let Some(transmit) = self.outbox.transmit_plain(now, frame, gate, tagged, asked) else { return };
            if !stored {
                // At most once: a later run must not find it and make it again.
                stored = true;
                self.outputs.push_back(Output::Save);
            }
            #[cfg(feature = "frames")]
            if self.outbox.custom.is(&transmit.room) {
                self.write_send(transmit);
                // No answer is awaited.
                continue;
            }
            self.write_send(transmit);
            if let Some(connection) = &mut self.connection {
                connection.silent_since = connection.silent_since.min(now);
            }
        }
    }

    fn transmit_extended(&mut self, now: Timestamp, gate: &SendWindow) {
        // What is stored must be stored before it is used: one save for all that follows from this input.
        let mut stored = mutation!(SaveLate);
        let late = stored;
        let mut fresh = false;
        while let Some(connection) = &self.connection {
            let frame = connection.last_frame + 1;
            let rooms = &self.rooms;
            let access = |room: &N| readiness(rooms.get(room));
            let out = &mut self.outcomes;
            let next =
                self.outbox.transmit(now, self.uptime, frame, gate, &mut self.protocol.rng, access, out);
            let Some(transmit) = next else { break };
            fresh |= transmit.fresh;
            if transmit.fresh && !stored {
                stored = true;
                self.outputs.push_back(Output::Save);
            }
            self.write_send(transmit);
        }
        if late && fresh {
            self.outputs.push_back(Output::Save);
        }
    }

    fn write_send(&mut self, transmit: OutboundFrame<P, N>) {
        let OutboundFrame { room, content, data, tag, fresh: _ } = transmit;
        #[cfg(feature = "frames")]
        self.kept_frames.record_send(content.byte_len() + data.as_ref().map_or(0, Payload::byte_len));
        #[cfg(feature = "frames")]
        if self.outbox.custom.is(&room) {
            self.write(ClientMessage::Custom(content));
            // A refusal that does not say what it is about may be about it.
            return self.add_untracked_request();
        }
        self.write(ClientMessage::SendMessage { room, content, data, tag });
    }

    /// The server works.
    pub(super) fn answered(&mut self, conn: ConnId) {
        let Some(connection) = &mut self.connection else { return };
        connection.protocol.stall = None;
        connection.protocol.resent = false;
        if !connection.protocol.untracked_requests.is_empty()
            && let Some((frame, _)) = self.outbox.oldest_unanswered(conn, None)
        {
            // Answers come in the order of the frames.
            connection.protocol.processed_through(frame);
        }
    }

    pub(super) fn nacked(&mut self, now: Timestamp, conn: ConnId, mut nack: Nack<P>) {
        self.answered(conn);
        if nack.reference.is_none() {
            nack.reference = self.outbox.oldest_unanswered(conn, None).map(|(_, reference)| reference);
        }
        let nack = &nack;
        let rooms = &self.rooms;
        let access = |room: &N| readiness(rooms.get(room));
        let rejoin = self.outbox.nacked(now, conn, nack, access, &mut self.outcomes);
        if let Some(Rejoin(room)) = rejoin
            && let Some(at) = self.rooms.position(&room)
            && self.rooms.at(at).is_some_and(|entry| entry.membership == Membership::Member)
        {
            self.join_again(now, at);
        }
    }

    /// What is given up waits for a replay that may be over already.
    pub(super) fn resolve_unrecoverable(&mut self) {
        let rooms = &self.rooms;
        // Where nobody will join there will be no replay.
        let over = |room: &N| {
            rooms.get(room).is_none_or(|room| {
                !room.is_to_join() || room.membership == Membership::Member && room.receiver.is_caught_up()
            })
        };
        self.outbox.caught_up_where(over, &mut self.outcomes);
    }

    pub(super) fn stall_pong(&mut self, now: Timestamp) {
        let Some(connection) = &mut self.connection else { return };
        let pings = &mut connection.protocol.unanswered_pings;
        *pings = pings.saturating_sub(1);
        if *pings == 0 {
            connection.protocol.processed_through(connection.protocol.last_ping_frame);
        }
        if let Some(stall) = &mut connection.protocol.stall {
            stall.pong_at.get_or_insert(now);
        }
    }

    pub(super) fn stall_deadline(&self, connection: &ActiveConnection<ServerConnection>) -> Timestamp {
        if !connection.is_extended() {
            return connection.silent_since + UNANSWERED_TIMEOUT;
        }
        let oldest = self.outbox.oldest_transmission(connection.conn);
        match connection.protocol.stall {
            None if mutation!(QuietUnnoticed) => Timestamp::NEVER,
            None => oldest + UNANSWERED_TIMEOUT,
            // The link itself ends a connection on which nothing comes at all.
            Some(Stall { probed_at: asked, pong_at: ponged }) => ponged.unwrap_or(asked) + REPLY_TIMEOUT,
        }
    }

    pub(super) fn tick_sends(&mut self, now: Timestamp) {
        let Some(connection) = &mut self.connection else { return };
        if !connection.is_extended() {
            // A plain server answers a message with the message itself, if at all.
            if connection.silent_since + UNANSWERED_TIMEOUT <= now && !mutation!(PlainSilenceUnasked) {
                connection.silent_since = Timestamp::NEVER;
                self.link.probe(now);
            }
            return;
        }
        let oldest = self.outbox.oldest_transmission(connection.conn);
        if oldest == Timestamp::NEVER {
            connection.protocol.stall = None;
            return;
        }
        match connection.protocol.stall {
            None if mutation!(SilenceForgiven) => self.link.activity(now),
            None if oldest + UNANSWERED_TIMEOUT <= now => {
                connection.protocol.stall = Some(Stall { probed_at: now, pong_at: None });
                self.link.probe(now);
            }
            Some(Stall { probed_at: asked, pong_at: ponged })
                if ponged.unwrap_or(asked) + REPLY_TIMEOUT <= now =>
            {
                connection.protocol.stall = None;
                if connection.protocol.resent {
                    self.link.give_up(now, CauseCode::Unanswered);
                } else {
                    connection.protocol.resent = true;
                    self.outbox.resend(now);
                }
            }
            _ => {}
        }
    }
}

/// How a send gets into its room.
fn readiness<P, N: Ord>(room: Option<&Room<P, N>>) -> Readiness<'_> {
    match room {
        Some(room) if room.is_to_join() => match room.receiver.epoch() {
            Some(epoch) if room.membership == Membership::Member => Readiness::Ready(epoch),
            _ => Readiness::AwaitingJoin,
        },
        _ => Readiness::NotWanted,
    }
}
