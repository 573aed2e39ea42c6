//! The application's own events: sent as messages are, without a room; the kept ones, which are written first on each
//! connection; and the application's answers.

use super::Session;
use crate::event::{DeliveryStatus, Event, SendFailure, SendReply};
use crate::messages::ServerMessage;
use crate::mutation::mutation;
use crate::payload::Payload;
use crate::socketio::messages::{Answer, ClientPacket};
use alloc::collections::VecDeque;

/// Maximum events of the server's that wait for the application's answer; those beyond get an empty one at once.
const MAX_OPEN_ACKS: usize = 256;
/// Maximum bytes of answers that the connection has not taken yet. Each is as large as a message at most.
const MAX_ANSWER_BYTES: usize = 4 << 20;

#[derive(Debug)]
pub(super) struct CustomEvents<P> {
    manual_acks: bool,
    /// The last number given to an event: they are never used again, unlike the server's.
    last_ack: u64,
    /// The events that wait for the application's answer: our number and the server's.
    open: VecDeque<(u64, u64)>,
    /// Answers that the connection has not taken yet, with the server's number.
    answers: VecDeque<(u64, P)>,
}

impl<P> Default for CustomEvents<P> {
    fn default() -> Self {
        Self { manual_acks: false, last_ack: 0, open: VecDeque::new(), answers: VecDeque::new() }
    }
}

impl<P> CustomEvents<P> {
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
        self.protocol.custom.manual_acks = true;
    }

    /// Writes the answers and the kept events that this connection has not. Returns whether all of them are written: what waits
    /// goes after them.
    pub(super) fn write_kept_frames(&mut self) -> bool {
        let Some(most) = self
            .connection
            .as_ref()
            .filter(|connection| connection.is_up())
            .map(|connection| connection.protocol.max_payload)
        else {
            return true;
        };
        while let Some((_, arguments)) = self.protocol.custom.answers.front() {
            let size = arguments.byte_len();
            if !self.outbox.takes(size, self.limits.unflushed) {
                return false;
            }
            if let Some((id, arguments)) = self.protocol.custom.answers.pop_front() {
                self.write_beside(ClientPacket::Answer { id, arguments }, size);
            }
        }
        while let Some(event) = self.kept_frames.next().cloned() {
            let size = event.byte_len();
            if !self.outbox.takes(size, self.limits.unflushed) {
                return false;
            }
            self.kept_frames.mark_next_written();
            if size > most {
                // The server has announced that it would end the connection by it.
                self.drop_oversized_kept_frame();
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

    /// Whether an event that wants an answer is given one by the application. It gets a number of ours then.
    pub(super) fn open_ack(&mut self, id: u64, message: &mut ServerMessage<P, N>) -> bool {
        let ServerMessage::Custom(frame) = message else { return false };
        if !self.protocol.custom.manual_acks
            || self.protocol.custom.open.len() >= MAX_OPEN_ACKS && !mutation!(SioOpenUnbounded)
        {
            return false;
        }
        self.protocol.custom.last_ack += 1;
        frame.set_ack(self.protocol.custom.last_ack);
        self.protocol.custom.open.push_back((self.protocol.custom.last_ack, id));
        true
    }

    pub(super) fn answer(&mut self, ack: u64, arguments: P) {
        let Some(at) = self.protocol.custom.open.iter().position(|(ours, _)| *ours == ack) else {
            return self.event(Event::NotAnswered { ack, why: SendFailure::UnknownAck });
        };
        let at = if mutation!(SioAnswersOldest) { 0 } else { at };
        let waiting: usize =
            self.protocol.custom.answers.iter().map(|(_, arguments)| arguments.byte_len()).sum();
        let most = self.connection.as_ref().map_or(usize::MAX, |connection| connection.protocol.max_payload);
        let why = if arguments.byte_len() > self.limits.content.min(most) {
            SendFailure::TooLarge
        } else if waiting.saturating_add(arguments.byte_len()) > MAX_ANSWER_BYTES {
            SendFailure::QueueFull
        } else {
            let open = if mutation!(SioAnswersTwice) {
                self.protocol.custom.open.get(at).copied()
            } else {
                self.protocol.custom.open.remove(at)
            };
            if let Some((_, id)) = open {
                self.protocol.custom.answers.push_back((id, arguments));
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
