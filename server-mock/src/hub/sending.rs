//! What becomes of a send (protocol.md §2.3): found again, appended, or refused.

use super::bug::{Bug, made};
use super::lines::{Answer, Known, LineKey};
use super::log::LogEntry;
use super::rights::Right;
use super::rules::{TOO_DEEP, is_stream, locate, millis, room_name};
use super::user::Verdict;
use super::{ConnId, Hub, Limit};
use rejoin::machine::{ClockReading, ServerMessage};
use rejoin::messages::json::nesting_depth;
use rejoin::messages::{Ack, Code, MAX_DATA_LEVELS, Nack, ProducerSeq, Ref, SendTag};
use rejoin::{Id, Name, RoomNameError, Timestamp, utc};
use std::time::Duration;

/// A send on its way to a decision.
#[derive(Debug)]
pub(super) struct Send {
    pub(super) conn: ConnId,
    pub(super) room: Name,
    pub(super) user: Name,
    pub(super) content: String,
    pub(super) data: Option<String>,
    /// Its answer's name; a plain send has none, and is answered by nothing but the message itself.
    pub(super) reference: Option<Ref>,
    /// Its line and its number there.
    pub(super) line: Option<(LineKey, u64)>,
}

/// Why a send is not appended.
#[derive(Debug, Clone, Copy)]
pub(super) struct No {
    pub(super) code: Code,
    pub(super) expected: Option<u64>,
    pub(super) after: Option<Duration>,
    pub(super) message: &'static str,
}

/// What becomes of a send that was not decided before.
pub(super) enum Judgement {
    Fine,
    No(No),
    /// The user has been told too often.
    Flooding,
}

impl No {
    pub(super) fn new(code: Code, message: &'static str) -> Self {
        Self { code, expected: None, after: None, message }
    }
}

impl Hub {
    pub(super) fn send(
        &mut self,
        now: ClockReading,
        conn: ConnId,
        room: Name,
        content: String,
        data: Option<String>,
        tag: Option<Box<SendTag>>,
    ) {
        let Some(state) = self.conns.get(&conn) else { return };
        let (user, at) = (state.user.clone(), now.monotonic);
        let (reference, line) = tag.map_or((None, None), |tag| (Some(tag.reference), tag.producer));
        let epoch = line.as_ref().map(|line| line.epoch.clone());
        let line = line.map(|line| ((Some(user.clone()), line.pid), line.pseq));
        let send = Send { conn, room, user, content, data, reference, line };
        if send.line.as_ref().is_some_and(|(_, pseq)| *pseq == 0) {
            let no = No::new(Code::BadRequest, "a numbered send needs pid, pseq from 1, and epoch");
            return self.nack(at, &send, no);
        }
        if self.nodes.is_some() {
            return self.send_to_store(now, send, epoch);
        }
        if let Some((key, pseq)) = &send.line
            && !made(Bug::NoDedupe)
        {
            let current = self.store.room(&send.room).is_some_and(|log| epoch.as_ref() == Some(log.epoch()));
            let known = self.store.look(&send.room, key, *pseq, at, self.dedupe_window());
            match known.unwrap_or(Known::NoLine) {
                Known::Next => {}
                Known::NoLine if *pseq == 1 && current => {}
                Known::NoLine if made(Bug::UnknownProducerAccepted) => {}
                Known::Gap { .. } if made(Bug::GapInSequenceAccepted) => {}
                Known::Answered(answer) => return self.answer_again(at, &send, answer),
                Known::NoLine | Known::Forgotten => {
                    let no = No::new(Code::UnknownProducer, "the server does not know this line of sends");
                    return self.nack(at, &send, no);
                }
                Known::Gap { expected } => {
                    let no = No::new(Code::SequenceGap, "an earlier send of this line is missing");
                    return self.nack(
                        at,
                        &send,
                        No { expected: Some(expected + u64::from(made(Bug::ExpectsTooLate))), ..no },
                    );
                }
            }
        }
        match self.judge(at, &send) {
            Judgement::Fine => self.accept(now, send),
            Judgement::Flooding => self.close_flooding(at, conn),
            Judgement::No(no) => {
                self.nack(at, &send, no);
                if made(Bug::NackedButAppended) {
                    let (room, id) = (send.room.clone(), Id::random(&mut self.rng));
                    self.append(now, &room, send.into_entry(id, now));
                    self.deliver(&room);
                }
            }
        }
    }

    /// How long a line is remembered.
    fn dedupe_window(&self) -> Duration {
        if made(Bug::DedupeForgottenEarly) { Duration::from_secs(5) } else { self.config.dedupe_window }
    }

    /// Whether a send that was not decided before may be appended.
    pub(super) fn judge(&mut self, now: Timestamp, send: &Send) -> Judgement {
        let no = |code, message| Judgement::No(No::new(code, message));
        let Some(state) = self.conns.get(&send.conn) else { return Judgement::Fine };
        match locate(&send.user, send.room.clone()) {
            Ok(key) if is_stream(&key) => return no(Code::BadRequest, room_name(RoomNameError::Reserved)),
            Ok(_) => {}
            Err(error) => return no(Code::BadRequest, room_name(error)),
        }
        if !state.may(Right::Send, &send.room) {
            return no(Code::Forbidden, Right::Send.denied_message());
        }
        if !state.rooms.contains(&send.room) && !made(Bug::StrangerSends) {
            return no(Code::NotJoined, "join the room before sending to it");
        }
        if send.content.len() + send.data.as_ref().map_or(0, String::len) > self.config.content_bytes
            && !made(Bug::ContentUnbounded)
        {
            self.refused.record(Limit::ContentBytes);
            return no(Code::TooLarge, "content is too long");
        }
        if send.data.as_ref().is_some_and(|data| nesting_depth(data) > MAX_DATA_LEVELS) {
            self.refused.record(Limit::DataLevels);
            return no(Code::BadRequest, TOO_DEEP);
        }
        // Where the store is shared, its lines are not this hub's.
        if let Some((key, _)) = send.line.as_ref().filter(|_| self.nodes.is_none())
            && let Err(limit) = self.store.line_place(&send.room, key, &self.config)
        {
            self.refused.record(limit);
            let no = No::new(Code::Overloaded, "too many lines of sends within the dedupe window");
            return Judgement::No(No { after: Some(self.config.dedupe_window / 10), ..no });
        }
        let Some(user) = self.users.get_mut(&send.user) else { return Judgement::Fine };
        match if made(Bug::RateUnkept) { Verdict::Fine } else { user.send(now) } {
            Verdict::Fine => Judgement::Fine,
            Verdict::Refuse => {
                self.refused.record(Limit::SendRate);
                let after = Some(user.sends_again()).filter(|_| !made(Bug::NoRetryAfter));
                Judgement::No(No { after, ..No::new(Code::RateLimited, "rate limited") })
            }
            Verdict::Flooding => Judgement::Flooding,
        }
    }

    fn accept(&mut self, now: ClockReading, mut send: Send) {
        let (room, at) = (send.room.clone(), now.monotonic);
        let (reference, line, conn) = (send.reference.take(), send.line.clone(), send.conn);
        let id = Id::random(&mut self.rng);
        let dropped = made(Bug::AckBeforeAppend) && self.rng.u8(..) < 64;
        let seq = if dropped {
            self.store.room(&room).map_or(0, |log| log.head() + 1)
        } else {
            self.append(now, &room, send.into_entry(id.clone(), now))
        };
        if let Some((key, pseq)) = line {
            self.store.answered(&room, key, pseq, Answer::Ack { id: id.clone(), seq }, at);
        }
        if let Some(reference) = reference {
            self.ack(conn, &room, reference, id, seq, false);
        }
        if !dropped {
            self.deliver(&room);
        }
    }

    fn ack(&mut self, conn: ConnId, room: &Name, reference: Ref, id: Id, seq: u64, dup: bool) {
        let Some(log) = self.store.room(room) else { return };
        let timestamp =
            log.from(seq).next().filter(|entry| entry.id == id).map(|entry| entry.timestamp.as_str().into());
        let (room, epoch) = (room.clone(), log.epoch().clone());
        let ack = Ack { reference, room, id, epoch, seq, timestamp, dup };
        self.tell(conn, &ServerMessage::Ack(ack));
    }

    /// The send was decided before.
    pub(super) fn answer_again(&mut self, now: Timestamp, send: &Send, answer: Answer) {
        let Some(reference) = send.reference.clone() else { return };
        let Some((key, _)) = &send.line else { return };
        let other =
            if made(Bug::AnswerOfAnotherSend) { self.store.another_answer(&send.room, key) } else { None };
        self.store.touch_line(&send.room, key, now);
        match other.unwrap_or(answer) {
            Answer::Ack { id, seq } => {
                self.ack(send.conn, &send.room, reference, id, seq, !made(Bug::DupUnsaid));
            }
            Answer::Nack(code) => self.refuse_again(send.conn, reference, code),
        }
    }

    /// A send that was refused for good before.
    pub(super) fn refuse_again(&mut self, conn: ConnId, reference: Ref, code: Code) {
        let nack = Nack {
            reference: Some(reference),
            code,
            retry: false,
            retry_after_ms: None,
            expected: None,
            dup: true,
            message: "refused before".into(),
            server_code: None,
        };
        self.tell(conn, &ServerMessage::Nack(Box::new(nack)));
    }

    /// Refuses a send, in the way it was asked.
    pub(super) fn nack(&mut self, now: Timestamp, send: &Send, no: No) {
        // A missing earlier one was refused itself, and what follows it in the same burst is no further mistake;
        // nor is a rate limit, which has been counted already.
        let counted = matches!(no.code, Code::SequenceGap | Code::RateLimited);
        if !counted && !self.bears(now, send.conn) {
            return self.close_flooding(now, send.conn);
        }
        let Some(reference) = send.reference.clone() else { return self.error(send.conn, no.message) };
        let retry = no.code.is_temporary();
        let consumed = match no.code {
            Code::UnknownProducer | Code::SequenceGap => false,
            _ => !retry || made(Bug::RefusalConsumes),
        };
        if let Some((key, pseq)) = send.line.clone().filter(|(_, pseq)| consumed && *pseq > 0) {
            self.store.answered(&send.room, key, pseq, Answer::Nack(no.code), now);
        }
        let nack = Nack {
            reference: Some(reference),
            code: no.code,
            retry,
            retry_after_ms: no.after.map(millis),
            expected: no.expected,
            dup: false,
            message: no.message.into(),
            server_code: None,
        };
        self.tell(send.conn, &ServerMessage::Nack(Box::new(nack)));
    }
}

impl Send {
    fn into_entry(self, id: Id, now: ClockReading) -> LogEntry {
        LogEntry {
            id,
            seq: 0,
            user: self.user,
            content: self.content,
            data: self.data,
            timestamp: utc(now.wall.since_start()),
            origin: self.line.map(|((_, pid), pseq)| Box::new(ProducerSeq { pid, pseq })),
            kind: None,
        }
    }
}
