//! Sends: refused at once, transmitted when possible, answered, asked about (protocol.md §2.3).

use super::Session;
use super::wire::{Stall, Wire};
use crate::bug::{Bug, made};
use crate::cause::CauseCode;
use crate::event::{Delivery, DeliveryStatus, Event, SendFailure};
use crate::link::ConnId;
use crate::messages::{ClientMessage, Nack};
use crate::outbox::{Access, Gate, OutboundMessage, Payload, Rejoin, Transmit};
use crate::rooms::{Membership, Room};
use crate::session::Output;
use crate::time::{Nanos, Timestamp};

/// A send without an answer for so long is asked about.
const QUIET: Nanos = Nanos::from_secs(5);
/// So long after the server has shown that it is alive, what is unanswered is sent again, and then given up.
const ANSWER: Nanos = Nanos::from_secs(10);

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    pub(super) fn send(&mut self, now: Timestamp, send: OutboundMessage<P, N>) {
        let refused = if self.link.has_ended() {
            Some(SendFailure::Closed)
        } else if send.payload() > self.settings.max_content {
            Some(SendFailure::TooLarge)
        } else {
            None
        };
        if let Some(why) = refused {
            let status = DeliveryStatus::Failed(why);
            self.outcomes.push(Delivery::new(send.id, send.room, status));
        } else {
            self.note_outcomes();
            self.outbox.push(now, send, &mut self.outcomes);
            self.noted = self.outcomes.len();
        }
    }

    pub(super) fn flushed(&mut self, conn: ConnId, through: u64) {
        let Some(wire) = self.wire.as_mut().filter(|wire| wire.conn == conn) else { return };
        wire.flushed = wire.flushed.max(through);
        let plain = wire.is_plain();
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
        if !self.link.awaits_answers() && self.outbox.is_held() {
            self.outbox.release();
        }
        #[cfg(feature = "frames")]
        if !self.write_standing() {
            return;
        }
        if !self.outbox.has_work() {
            return;
        }
        let Some(wire) = &self.wire else { return };
        let gate = Gate {
            conn: wire.conn,
            in_flight: wire.peer.in_flight,
            content: wire.peer.content,
            unflushed: self.settings.max_unflushed,
        };
        match wire.mode {
            Some(crate::event::Mode::Extended) => self.transmit_extended(now, &gate),
            Some(_) => {
                if made(Bug::ResendIntoPlain) {
                    self.transmit_extended(now, &gate);
                }
                self.transmit_plain(now, &gate, false);
            }
            // Where a `hello` has been heard before, it is waited for.
            None if self.known.extended => {}
            None => self.transmit_plain(now, &gate, true),
        }
    }

    fn transmit_plain(&mut self, now: Timestamp, gate: &Gate, tagged: bool) {
        let mut stored = false;
        while let Some(wire) = &self.wire {
            let frame = wire.last_frame + 1;
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
            if self.outbox.own.is(&transmit.room) {
                self.write_send(transmit);
                // Nobody has to answer it.
                continue;
            }
            self.write_send(transmit);
            if let Some(wire) = &mut self.wire {
                wire.silent_since = wire.silent_since.min(now);
            }
        }
    }

    fn transmit_extended(&mut self, now: Timestamp, gate: &Gate) {
        // What is stored must be stored before it is used: one word for all that follows from this input.
        let mut stored = made(Bug::SaveLate);
        let late = stored;
        let mut fresh = false;
        while let Some(wire) = &self.wire {
            let frame = wire.last_frame + 1;
            let rooms = &self.rooms;
            let access = |room: &N| access(rooms.get(room));
            let out = &mut self.outcomes;
            let next = self.outbox.transmit(now, self.lived, frame, gate, &mut self.rng, access, out);
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

    fn write_send(&mut self, transmit: Transmit<P, N>) {
        let Transmit { room, content, data, tag, fresh: _ } = transmit;
        #[cfg(feature = "frames")]
        self.standing.has_sent(content.byte_len() + data.as_ref().map_or(0, Payload::byte_len));
        #[cfg(feature = "frames")]
        if self.outbox.own.is(&room) {
            self.write(ClientMessage::Custom(content));
            // A refusal that does not say what it is about may be about it.
            return self.aside();
        }
        self.write(ClientMessage::SendMessage { room, content, data, tag });
    }

    /// The server works.
    pub(super) fn answered(&mut self, conn: ConnId) {
        let Some(wire) = &mut self.wire else { return };
        wire.stall = None;
        wire.resent = false;
        if !wire.asides.is_empty()
            && let Some((frame, _)) = self.outbox.oldest_unanswered(conn, None)
        {
            // Answers come in the order of the frames.
            wire.dealt_with(frame);
        }
    }

    pub(super) fn nacked(&mut self, now: Timestamp, conn: ConnId, mut nack: Nack<P>) {
        self.answered(conn);
        if nack.reference.is_none() {
            nack.reference = self.outbox.oldest_unanswered(conn, None).map(|(_, reference)| reference);
        }
        let nack = &nack;
        let rooms = &self.rooms;
        let access = |room: &N| access(rooms.get(room));
        let rejoin = self.outbox.nacked(now, conn, nack, access, &mut self.outcomes);
        if let Some(Rejoin(room)) = rejoin
            && let Some(at) = self.rooms.position(&room)
            && self.rooms.at(at).is_some_and(|entry| entry.membership == Membership::Member)
        {
            self.join_again(now, at);
        }
    }

    /// What is given up waits for a replay that may be over already.
    pub(super) fn resolve_doomed(&mut self) {
        let rooms = &self.rooms;
        // Where nobody will join there will be no replay.
        let over = |room: &N| {
            rooms.get(room).is_none_or(|room| {
                !room.is_to_join() || room.membership == Membership::Member && room.inflow.is_caught_up()
            })
        };
        self.outbox.caught_up_where(over, &mut self.outcomes);
    }

    pub(super) fn stall_ponged(&mut self, now: Timestamp) {
        let Some(wire) = &mut self.wire else { return };
        wire.dealt_with(wire.pinged);
        if let Some(stall) = &mut wire.stall {
            stall.ponged.get_or_insert(now);
        }
    }

    pub(super) fn stall_deadline(&self, wire: &Wire) -> Timestamp {
        if !wire.is_extended() {
            return wire.silent_since + QUIET;
        }
        let oldest = self.outbox.oldest_transmission(wire.conn);
        match wire.stall {
            None if made(Bug::QuietUnnoticed) => Timestamp::NEVER,
            None => oldest + QUIET,
            // The link itself ends a connection on which nothing comes at all.
            Some(Stall { asked, ponged }) => ponged.unwrap_or(asked) + ANSWER,
        }
    }

    pub(super) fn tick_sends(&mut self, now: Timestamp) {
        let Some(wire) = &mut self.wire else { return };
        if !wire.is_extended() {
            // A plain server answers a message with the message itself, if at all.
            if wire.silent_since + QUIET <= now {
                wire.silent_since = Timestamp::NEVER;
                self.link.probe(now);
            }
            return;
        }
        let oldest = self.outbox.oldest_transmission(wire.conn);
        if oldest == Timestamp::NEVER {
            wire.stall = None;
            return;
        }
        match wire.stall {
            None if made(Bug::SilenceForgiven) => self.link.heard(now),
            None if oldest + QUIET <= now => {
                wire.stall = Some(Stall { asked: now, ponged: None });
                self.link.probe(now);
            }
            Some(Stall { asked, ponged }) if ponged.unwrap_or(asked) + ANSWER <= now => {
                wire.stall = None;
                if wire.resent {
                    self.link.give_up(now, CauseCode::Unanswered);
                } else {
                    wire.resent = true;
                    self.outbox.resend(now);
                }
            }
            _ => {}
        }
    }
}

/// How a send gets into its room.
fn access<P, N>(room: Option<&Room<P, N>>) -> Access<'_> {
    match room {
        Some(room) if room.is_to_join() => match room.inflow.epoch() {
            Some(epoch) if room.membership == Membership::Member => Access::Open(epoch),
            _ => Access::Later,
        },
        _ => Access::Closed,
    }
}
