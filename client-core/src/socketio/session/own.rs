//! Events of the application's own: sent as messages are, without a room; the kept ones, which each connection begins with;
//! and what the application answers.

use super::Session;
use crate::bug::{Bug, made};
use crate::change_log::note;
use crate::event::{Delivery, DeliveryStatus, Event, SendFailure, SendId, SendReply};
use crate::kept_frames::Standing;
use crate::messages::ServerMessage;
use crate::outbox::{OutboundMessage, Payload};
use crate::socketio::messages::{Answer, ClientPacket};
use crate::time::Timestamp;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Most events of the server's that wait for the application's answer; those beyond get an empty one at once.
const MOST_OPEN: usize = 256;
/// Most bytes of answers that the connection has not taken yet. Each is as large as a message at most.
const MOST_ANSWERS: usize = 4 << 20;

#[derive(Debug)]
pub(super) struct Own<P, N> {
    pub(super) standing: Standing<P, N>,
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

impl<P, N> Default for Own<P, N> {
    fn default() -> Self {
        Self {
            standing: Standing::default(),
            volatile: Vec::new(),
            manual_acks: false,
            last_ack: 0,
            open: VecDeque::new(),
            answers: VecDeque::new(),
        }
    }
}

impl<P: Payload, N: Clone + Ord> Own<P, N> {
    /// A send of so many bytes has been given to the connection.
    pub(super) fn has_sent(&mut self, weight: usize) {
        self.standing.has_sent(weight);
    }

    /// Nobody waits for the answers any more.
    pub(super) fn connection_lost(&mut self) {
        if !made(Bug::SioOpenOutlivesLoss) {
            self.open = VecDeque::new();
        }
        self.answers = VecDeque::new();
    }
}

impl<P: Payload, N: Clone + Ord> Session<P, N> {
    /// From here on sends to `room`, which no room can have as its name, are events of the application's own: their content is
    /// written as it is, and an answer is wanted of those with data. Before the first input.
    pub fn custom_events(&mut self, room: N) {
        self.sends.own_events(room);
    }

    /// Leaves the answers to events of the application's own that want one to the application ([`Command::Answer`]). By default
    /// they get an empty one at once. Before the first input.
    ///
    /// [`Command::Answer`]: crate::machine::Command::Answer
    pub fn manual_acks(&mut self) {
        self.own.manual_acks = true;
    }

    pub(super) fn send_volatile(&mut self, now: Timestamp, mut send: OutboundMessage<P, N>) {
        // Nothing that is worth anything later.
        send.idempotent = false;
        let is_up = self.wire.as_ref().is_some_and(super::wire::Wire::is_up);
        let may_go = is_up
            && self.own.standing.next().is_none()
            && self.sends.may_go(&send, self.settings.max_unflushed);
        let waits = made(Bug::SioVolatileWaits);
        if self.link.has_ended() || send.payload() > self.settings.max_content || waits {
            self.send(now, send);
        } else if may_go {
            self.own.volatile.push(send.id);
            self.send(now, send);
        } else {
            let status = DeliveryStatus::Failed(SendFailure::Dropped);
            self.outcomes.push(Delivery::new(send.id, send.room, status));
        }
    }

    /// What did not go at once is dropped.
    pub(super) fn drop_volatile(&mut self) {
        for id in core::mem::take(&mut self.own.volatile) {
            self.sends.drop_waiting(id, &mut self.outcomes);
        }
    }

    pub(super) fn keep_event(&mut self, key: N, event: P) {
        #[cfg(feature = "journal")]
        let noted = event.clone();
        match self.own.standing.keep(key.clone(), event, self.settings.max_content) {
            Ok(()) => {
                #[cfg(feature = "stored")]
                self.sends.changed();
                note!(self.sends.notes, Kept { key, frame: noted });
            }
            Err(why) => self.event(Event::NotKept { key, why }),
        }
    }

    pub(super) fn drop_kept(&mut self, key: &N) {
        if self.own.standing.drop_kept(key) {
            #[cfg(feature = "stored")]
            self.sends.changed();
            note!(self.sends.notes, KeptDropped { key: key.clone() });
        }
    }

    /// A connection is there that has none of what is kept.
    pub(super) fn begin_standing(&mut self) {
        self.own.standing.begin();
        self.write_own();
    }

    /// Writes the answers and the kept events that this connection has not. Says whether all of them are written: what waits
    /// goes after them.
    pub(super) fn write_own(&mut self) -> bool {
        let Some(most) = self.wire.as_ref().filter(|wire| wire.is_up()).map(|wire| wire.max_payload) else {
            return true;
        };
        while let Some((_, arguments)) = self.own.answers.front() {
            let weight = arguments.byte_len();
            if !self.sends.takes(weight, self.settings.max_unflushed) {
                return false;
            }
            if let Some((id, arguments)) = self.own.answers.pop_front() {
                self.write_beside(ClientPacket::Answer { id, arguments }, weight);
            }
        }
        while let Some(event) = self.own.standing.next().cloned() {
            let weight = event.byte_len();
            if !self.sends.takes(weight, self.settings.max_unflushed) {
                return false;
            }
            self.own.standing.wrote_next();
            if weight > most {
                // The server has said that it would end the connection by it.
                self.blame_kept();
            } else {
                self.write_beside(ClientPacket::Kept(event), weight);
            }
        }
        true
    }

    fn write_beside(&mut self, packet: ClientPacket<P, N>, weight: usize) {
        self.write(packet);
        if let Some(wire) = &self.wire {
            self.sends.handed_over(wire.last_frame, weight);
        }
    }

    /// A frame was too large for the server. If it was a kept one, each connection would end by it: it is kept no longer.
    pub(super) fn blame_kept(&mut self) {
        let Some(key) = self.own.standing.blamed() else { return };
        self.drop_kept(&key);
        self.event(Event::NotKept { key, why: SendFailure::TooLarge });
    }

    /// Whether an event that wants an answer is given one by the application. It gets a number of ours then.
    pub(super) fn opens(&mut self, id: u64, message: &mut ServerMessage<P, N>) -> bool {
        let ServerMessage::Custom(frame) = message else { return false };
        if !self.own.manual_acks || self.own.open.len() >= MOST_OPEN && !made(Bug::SioOpenUnbounded) {
            return false;
        }
        self.own.last_ack += 1;
        frame.set_ack(self.own.last_ack);
        self.own.open.push_back((self.own.last_ack, id));
        true
    }

    pub(super) fn answer(&mut self, ack: u64, arguments: P) {
        let Some(at) = self.own.open.iter().position(|(ours, _)| *ours == ack) else {
            return self.event(Event::NotAnswered { ack, why: SendFailure::UnknownAck });
        };
        let at = if made(Bug::SioAnswersOldest) { 0 } else { at };
        let waiting: usize = self.own.answers.iter().map(|(_, arguments)| arguments.byte_len()).sum();
        let most = self.wire.as_ref().map_or(usize::MAX, |wire| wire.max_payload);
        let why = if arguments.byte_len() > self.settings.max_content.min(most) {
            SendFailure::TooLarge
        } else if waiting.saturating_add(arguments.byte_len()) > MOST_ANSWERS {
            SendFailure::QueueFull
        } else {
            let open = if made(Bug::SioAnswersTwice) {
                self.own.open.get(at).copied()
            } else {
                self.own.open.remove(at)
            };
            if let Some((_, id)) = open {
                self.own.answers.push_back((id, arguments));
            }
            return;
        };
        // The event waits on: it can be answered otherwise.
        self.event(Event::NotAnswered { ack, why });
    }

    /// The answer to an event of the application's own: what it means is the application's to say.
    pub(super) fn own_answered(&mut self, id: u64, answer: Answer<P, N>, whole: Option<P>) {
        let (Answer::Done { answer, .. } | Answer::Refused { answer, .. }) = answer;
        let answer = whole.or(answer).filter(|_| !made(Bug::SioOwnAnswerLost));
        let reply = SendReply::new(answer, None);
        let status = DeliveryStatus::Answered { id: None, seq: None };
        self.sends.answered(id, status, reply, &mut self.outcomes);
    }
}
