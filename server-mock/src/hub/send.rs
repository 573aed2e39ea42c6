//! Handles sends (protocol.md §2.3): recognised as a repetition, appended, or refused.

use super::dispatch::{TOO_DEEP, millis};
use super::log::LogEntry;
use super::mutation::mutation;
use super::names::{describe_room_name_error, is_stream, resolve_room};
use super::permissions::PERMISSION_UNKNOWN;
use super::producers::{Answer, ProducerKey, SendStatus};
use super::rights::{Permission, Right};
use super::user::RateDecision;
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
    pub(super) line: Option<(ProducerKey, u64)>,
}

/// Why a send is not appended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rejection {
    pub(super) code: Code,
    pub(super) expected: Option<u64>,
    pub(super) after: Option<Duration>,
    pub(super) message: &'static str,
}

/// What becomes of a send that was not decided before.
pub(super) enum Admission {
    Accept,
    Reject(Rejection),
    /// The user has been told too often.
    Disconnect,
}

/// When to send again what it is not known of now whether it is allowed.
const ASK_AGAIN: Duration = Duration::from_secs(1);

impl Rejection {
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
            let rejection =
                Rejection::new(Code::BadRequest, "a numbered send needs pid, pseq from 1, and epoch");
            return self.nack(at, &send, rejection);
        }
        if self.nodes.is_some() {
            return self.send_to_store(now, send, epoch);
        }
        if let Some((key, pseq)) = &send.line
            && !mutation!(NoDedupe)
        {
            let current = self.store.room(&send.room).is_some_and(|log| epoch.as_ref() == Some(log.epoch()));
            let known = self.store.lookup(&send.room, key, *pseq, at, self.dedupe_window());
            match known.unwrap_or(SendStatus::UnknownProducer) {
                SendStatus::Next => {}
                SendStatus::UnknownProducer if *pseq == 1 && (current || mutation!(EpochUnchecked)) => {}
                SendStatus::UnknownProducer if mutation!(UnknownProducerAccepted) => {}
                SendStatus::Gap { .. } if mutation!(GapInSequenceAccepted) => {}
                SendStatus::Answered(answer) => return self.repeat_answer(at, &send, answer),
                SendStatus::UnknownProducer | SendStatus::AnswerExpired => {
                    let rejection =
                        Rejection::new(Code::UnknownProducer, "the server does not know this line of sends");
                    return self.nack(at, &send, rejection);
                }
                SendStatus::Gap { expected } => {
                    let rejection =
                        Rejection::new(Code::SequenceGap, "an earlier send of this line is missing");
                    return self.nack(
                        at,
                        &send,
                        Rejection {
                            expected: Some(expected + u64::from(mutation!(ExpectsTooLate))),
                            ..rejection
                        },
                    );
                }
            }
        }
        match self.check_send(at, &send) {
            Admission::Accept => self.accept(now, send),
            Admission::Disconnect => self.close_flooding(at, conn),
            Admission::Reject(rejection) => {
                self.nack(at, &send, rejection);
                if mutation!(NackedButAppended) {
                    let (room, id) = (send.room.clone(), Id::random(&mut self.rng));
                    self.append(now, &room, send.into_entry(id, now));
                    self.deliver(&room);
                }
            }
        }
    }

    /// How long a line is remembered.
    fn dedupe_window(&self) -> Duration {
        if mutation!(DedupeForgottenEarly) { Duration::from_secs(5) } else { self.config.dedupe_window }
    }

    /// Whether a send that was not decided before may be appended.
    pub(super) fn check_send(&mut self, now: Timestamp, send: &Send) -> Admission {
        let rejection = |code, message| Admission::Reject(Rejection::new(code, message));
        let Some(state) = self.conns.get(&send.conn) else { return Admission::Accept };
        match resolve_room(&send.user, send.room.clone()) {
            Ok(key) if is_stream(&key) => {
                return rejection(Code::BadRequest, describe_room_name_error(RoomNameError::Reserved));
            }
            Ok(_) => {}
            Err(error) => return rejection(Code::BadRequest, describe_room_name_error(error)),
        }
        match state.permission(Right::Send, &send.room) {
            Permission::Granted => {}
            Permission::Denied => return rejection(Code::Forbidden, Right::Send.denied_message()),
            Permission::Unknown => {
                let rejection = Rejection::new(Code::Overloaded, PERMISSION_UNKNOWN);
                return Admission::Reject(Rejection { after: Some(ASK_AGAIN), ..rejection });
            }
        }
        if !state.rooms.contains(&send.room) && !mutation!(StrangerSends) {
            return rejection(Code::NotJoined, "join the room before sending to it");
        }
        if send.content.len()
            + send.data.as_ref().filter(|_| !mutation!(DataUnlimited)).map_or(0, String::len)
            > self.config.content_bytes
            && !mutation!(ContentUnbounded)
        {
            self.refusal_counts.record(Limit::ContentBytes);
            return rejection(Code::TooLarge, "content is too long");
        }
        if send.data.as_ref().is_some_and(|data| nesting_depth(data) > MAX_DATA_LEVELS) {
            self.refusal_counts.record(Limit::DataLevels);
            return rejection(Code::BadRequest, TOO_DEEP);
        }
        // Where the store is shared, its lines are not this hub's.
        if let Some((key, _)) = send.line.as_ref().filter(|_| self.nodes.is_none())
            && let Err(limit) = self.store.check_producer_quota(&send.room, key, &self.config)
        {
            self.refusal_counts.record(limit);
            let rejection =
                Rejection::new(Code::Overloaded, "too many lines of sends within the dedupe window");
            return Admission::Reject(Rejection { after: Some(self.config.dedupe_window / 10), ..rejection });
        }
        let Some(user) = self.users.get_mut(&send.user) else { return Admission::Accept };
        match if mutation!(RateUnkept) { RateDecision::Allow } else { user.send(now) } {
            RateDecision::Allow => {
                self.note_consumption(now, &send.user);
                Admission::Accept
            }
            RateDecision::Reject => {
                self.refusal_counts.record(Limit::SendRate);
                let after = Some(user.send_retry_after()).filter(|_| !mutation!(NoRetryAfter));
                Admission::Reject(Rejection { after, ..Rejection::new(Code::RateLimited, "rate limited") })
            }
            RateDecision::Disconnect => Admission::Disconnect,
        }
    }

    fn accept(&mut self, now: ClockReading, mut send: Send) {
        let (room, at) = (send.room.clone(), now.monotonic);
        let (reference, line, conn) = (send.reference.take(), send.line.clone(), send.conn);
        let id = Id::random(&mut self.rng);
        let dropped = mutation!(AckBeforeAppend) && self.rng.u8(..) < 64;
        let seq = if dropped {
            self.store.room(&room).map_or(0, |log| log.head() + 1)
        } else {
            self.append(now, &room, send.into_entry(id.clone(), now))
        };
        if let Some((key, pseq)) = line {
            self.store.record_answer(&room, key, pseq, Answer::Ack { id: id.clone(), seq }, at);
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
        self.send_frame(conn, &ServerMessage::Ack(ack));
    }

    /// The send was decided before.
    pub(super) fn repeat_answer(&mut self, now: Timestamp, send: &Send, answer: Answer) {
        let Some(reference) = send.reference.clone() else { return };
        let Some((key, _)) = &send.line else { return };
        let other =
            if mutation!(AnswerOfAnotherSend) { self.store.oldest_answer(&send.room, key) } else { None };
        self.store.touch_producer(&send.room, key, now);
        match other.unwrap_or(answer) {
            Answer::Ack { id, seq } => {
                self.ack(send.conn, &send.room, reference, id, seq, !mutation!(DupUnsaid));
            }
            Answer::Nack(code) => self.repeat_nack(send.conn, reference, code),
        }
    }

    /// A send that was refused for good before.
    pub(super) fn repeat_nack(&mut self, conn: ConnId, reference: Ref, code: Code) {
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
        self.send_frame(conn, &ServerMessage::Nack(Box::new(nack)));
    }

    /// Refuses a send, in the way it was asked.
    pub(super) fn nack(&mut self, now: Timestamp, send: &Send, rejection: Rejection) {
        // A missing earlier one was refused itself, and what follows it in the same burst is no further mistake;
        // nor is a rate limit, which has been counted already.
        let counted = matches!(rejection.code, Code::SequenceGap | Code::RateLimited);
        if !counted && !self.tolerates(now, send.conn) {
            return self.close_flooding(now, send.conn);
        }
        let Some(reference) = send.reference.clone() else {
            return self.send_error(send.conn, rejection.message);
        };
        let retry = rejection.code.is_temporary();
        let consumed = match rejection.code {
            Code::UnknownProducer | Code::SequenceGap => false,
            _ => !retry || mutation!(RefusalConsumes),
        };
        if let Some((key, pseq)) = send.line.clone().filter(|(_, pseq)| consumed && *pseq > 0) {
            self.store.record_answer(&send.room, key, pseq, Answer::Nack(rejection.code), now);
        }
        let nack = Nack {
            reference: Some(reference),
            code: rejection.code,
            retry,
            retry_after_ms: rejection.after.map(millis),
            expected: rejection.expected,
            dup: false,
            message: rejection.message.into(),
            server_code: None,
        };
        self.send_frame(send.conn, &ServerMessage::Nack(Box::new(nack)));
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
            origin: self
                .line
                .filter(|_| !mutation!(OriginLost))
                .map(|((_, pid), pseq)| Box::new(ProducerSeq { pid, pseq })),
            kind: None,
        }
    }
}
