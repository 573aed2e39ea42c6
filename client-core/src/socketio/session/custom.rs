//! The application's own events: sent as messages are, without a room; the kept ones, which are written first on each
//! connection; and the application's answers.

use super::Session;
use crate::change_log::record;
use crate::event::{Delivery, DeliveryStatus, Event, SendFailure, SendId, SendReply};
use crate::kept_frames::KeptFrames;
use crate::messages::ServerMessage;
use crate::mutation::mutation;
use crate::outbound::OutboundMessage;
use crate::payload::Payload;
use crate::socketio::messages::{Answer, ClientPacket};
use crate::time::Timestamp;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Maximum events of the server's that wait for the application's answer; those beyond get an empty one at once.
const MAX_OPEN_ACKS: usize = 256;
/// Maximum bytes of answers that the connection has not taken yet. Each is as large as a message at most.
const MAX_ANSWER_BYTES: usize = 4 << 20;

#[derive(Debug)]
pub(super) struct CustomEvents<P, N> {
    pub(super) kept_frames: KeptFrames<P, N>,
    /// Sends that are dropped unless they go now.
    volatile: Vec<SendId>,
    manual_acks: bool,
    /// The last number given to an event: they are never used again, unlike the server's.
    last_ack: u64,
    /// The events that wait for the application's answer: our number and the server's.
    open: VecDeque<(u64, u64)>,
    /// Answers that the connection has not taken yet, with the server's number.
    answers: VecDeque<(u64, P)>,
}

impl<P, N> Default for CustomEvents<P, N> {
    fn default() -> Self {
        Self {
            kept_frames: KeptFrames::default(),
            volatile: Vec::new(),
            manual_acks: false,
            last_ack: 0,
            open: VecDeque::new(),
            answers: VecDeque::new(),
        }
    }
}

impl<P: Payload, N: Clone + Ord> CustomEvents<P, N> {
    /// A send of so many bytes has been given to the connection.
    pub(super) fn record_send(&mut self, size: usize) {
        self.kept_frames.record_send(size);
    }

    /// Nobody waits for the answers any more.
    pub(super) fn connection_lost(&mut self) {
        if !mutation!(SioOpenOutlivesLoss) {
            self.open = VecDeque::new();
        }
        self.answers = VecDeque::new();
    }
}

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    /// From here on sends to `room`, which no room can have as its name, are custom events: their content is
    /// written as it is, and an answer is wanted of those with data. Before the first input.
    pub fn custom_events(&mut self, room: N) {
        self.outbox.custom_events(room);
    }

    /// Leaves the answers to custom events that want one to the application ([`Command::Answer`]). By default
    /// they get an empty one at once. Before the first input.
    ///
    /// [`Command::Answer`]: crate::machine::Command::Answer
    pub fn manual_acks(&mut self) {
        self.custom.manual_acks = true;
    }

    pub(super) fn send_volatile(&mut self, now: Timestamp, mut send: OutboundMessage<P, N>) {
        // Nothing that is worth anything later.
        send.idempotent = false;
        let is_up = self.connection.as_ref().is_some_and(super::connection::ActiveConnection::is_up);
        let may_go = is_up
            && self.custom.kept_frames.next().is_none()
            && self.outbox.may_go(&send, self.settings.max_unflushed);
        let waits = mutation!(SioVolatileWaits);
        if self.link.has_ended() || send.payload_len() > self.settings.max_content || waits {
            self.send(now, send);
        } else if may_go {
            self.custom.volatile.push(send.id);
            self.send(now, send);
        } else {
            let status = DeliveryStatus::Failed(SendFailure::Dropped);
            self.outcomes.push(Delivery::new(send.id, send.room, status));
        }
    }

    /// What did not go at once is dropped.
    pub(super) fn drop_volatile(&mut self) {
        for id in core::mem::take(&mut self.custom.volatile) {
            self.outbox.drop_queued(id, &mut self.outcomes);
        }
    }

    pub(super) fn keep_event(&mut self, key: N, event: P) {
        #[cfg(feature = "journal")]
        let noted = event.clone();
        match self.custom.kept_frames.keep(key.clone(), event, self.settings.max_content) {
            Ok(()) => {
                #[cfg(feature = "stored")]
                self.outbox.changed();
                record!(self.outbox.change_log, Kept { key, frame: noted });
            }
            Err(why) => self.event(Event::NotKept { key, why }),
        }
    }

    pub(super) fn drop_kept(&mut self, key: &N) {
        if self.custom.kept_frames.drop_kept(key) {
            #[cfg(feature = "stored")]
            self.outbox.changed();
            record!(self.outbox.change_log, KeptDropped { key: key.clone() });
        }
    }

    /// A connection is there that has none of what is kept.
    pub(super) fn reset_kept_events(&mut self) {
        self.custom.kept_frames.connection_opened();
        self.write_custom();
    }

    /// Writes the answers and the kept events that this connection has not. Returns whether all of them are written: what waits
    /// goes after them.
    pub(super) fn write_custom(&mut self) -> bool {
        let Some(most) = self
            .connection
            .as_ref()
            .filter(|connection| connection.is_up())
            .map(|connection| connection.max_payload)
        else {
            return true;
        };
        while let Some((_, arguments)) = self.custom.answers.front() {
            let size = arguments.byte_len();
            if !self.outbox.takes(size, self.settings.max_unflushed) {
                return false;
            }
            if let Some((id, arguments)) = self.custom.answers.pop_front() {
                self.write_beside(ClientPacket::Answer { id, arguments }, size);
            }
        }
        while let Some(event) = self.custom.kept_frames.next().cloned() {
            let size = event.byte_len();
            if !self.outbox.takes(size, self.settings.max_unflushed) {
                return false;
            }
            self.custom.kept_frames.mark_next_written();
            if size > most {
                // The server has announced that it would end the connection by it.
                self.drop_oversized_kept_event();
            } else {
                self.write_beside(ClientPacket::Kept(event), size);
            }
        }
        true
    }

    fn write_beside(&mut self, packet: ClientPacket<P, N>, size: usize) {
        self.write(packet);
        if let Some(connection) = &self.connection {
            self.outbox.frame_written(connection.last_frame, size);
        }
    }

    /// A frame was too large for the server. If it was a kept one, each connection would end by it: it is kept no longer.
    pub(super) fn drop_oversized_kept_event(&mut self) {
        let Some(key) = self.custom.kept_frames.oversized_key() else { return };
        self.drop_kept(&key);
        self.event(Event::NotKept { key, why: SendFailure::TooLarge });
    }

    /// Whether an event that wants an answer is given one by the application. It gets a number of ours then.
    pub(super) fn open_ack(&mut self, id: u64, message: &mut ServerMessage<P, N>) -> bool {
        let ServerMessage::Custom(frame) = message else { return false };
        if !self.custom.manual_acks || self.custom.open.len() >= MAX_OPEN_ACKS && !mutation!(SioOpenUnbounded)
        {
            return false;
        }
        self.custom.last_ack += 1;
        frame.set_ack(self.custom.last_ack);
        self.custom.open.push_back((self.custom.last_ack, id));
        true
    }

    pub(super) fn answer(&mut self, ack: u64, arguments: P) {
        let Some(at) = self.custom.open.iter().position(|(ours, _)| *ours == ack) else {
            return self.event(Event::NotAnswered { ack, why: SendFailure::UnknownAck });
        };
        let at = if mutation!(SioAnswersOldest) { 0 } else { at };
        let waiting: usize = self.custom.answers.iter().map(|(_, arguments)| arguments.byte_len()).sum();
        let most = self.connection.as_ref().map_or(usize::MAX, |connection| connection.max_payload);
        let why = if arguments.byte_len() > self.settings.max_content.min(most) {
            SendFailure::TooLarge
        } else if waiting.saturating_add(arguments.byte_len()) > MAX_ANSWER_BYTES {
            SendFailure::QueueFull
        } else {
            let open = if mutation!(SioAnswersTwice) {
                self.custom.open.get(at).copied()
            } else {
                self.custom.open.remove(at)
            };
            if let Some((_, id)) = open {
                self.custom.answers.push_back((id, arguments));
            }
            return;
        };
        // The event waits on: it can be answered otherwise.
        self.event(Event::NotAnswered { ack, why });
    }

    /// The answer to a custom event: what it means is the application's to say.
    pub(super) fn custom_ack(&mut self, id: u64, answer: Answer<P, N>, whole: Option<P>) {
        let (Answer::Done { answer, .. } | Answer::Refused { answer, .. }) = answer;
        let answer = whole.or(answer).filter(|_| !mutation!(SioOwnAnswerLost));
        let reply = SendReply::new(answer, None);
        let status = DeliveryStatus::Answered { id: None, seq: None };
        self.outbox.answered(id, status, reply, &mut self.outcomes);
    }
}
