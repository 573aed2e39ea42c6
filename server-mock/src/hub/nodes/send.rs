//! Passes sends to the store (protocol.md §2.3). This node checks what it can by itself first; dedupe, numbers and the
//! outcome are the store's.

use super::super::Hub;
use super::super::log::LogEntry;
use super::super::names::resolve_room;
use super::super::producers::{Answer, SendStatus};
use super::super::send::{Admission, Rejection, Send};
use super::super::shared::{Decision, SendKey, StoreRequest, StoreResponse};
use super::mutation::mutation;
use super::parked::TRY_AGAIN_LATER;
use super::requests::{PendingSend, RequestKind};
use rejoin::machine::{ClockReading, ServerMessage};
use rejoin::messages::{Ack, Code, Epoch, ProducerSeq};
use rejoin::{Id, Name};
use std::time::Duration;

/// After this time a send for which there was no capacity is made again.
const RETRY_DELAY: Duration = Duration::from_secs(2);

/// Lines of one connection whose refused number is remembered.
const MAX_TOO_FAST: usize = 64;

const FULL: &str = "too many requests wait for the store";

impl Hub {
    /// Asks the store to append a send, or refuses it at once.
    pub(in super::super) fn send_to_store(
        &mut self,
        now: ClockReading,
        mut send: Send,
        epoch: Option<Epoch>,
    ) {
        let at = now.monotonic;
        if mutation!(DedupePerNode)
            && let Some((key, pseq)) = &send.line
            && let Some(SendStatus::Answered(answer)) =
                self.store.lookup(&send.room, key, *pseq, at, self.config.dedupe_window)
        {
            return self.repeat_answer(at, &send, answer);
        }
        let behind = self.behind_too_fast(&send);
        let admission = behind.map_or_else(|| self.check_send(at, &send), Admission::Reject);
        if behind.is_none() {
            self.note_too_fast(&send, &admission);
        }
        let rejection = match admission {
            Admission::Accept => None,
            Admission::Disconnect => return self.close_flooding(at, send.conn),
            Admission::Reject(rejection) => {
                // It may be one that was carried out before. An invalid room has no numbers.
                let is_numbered = send.line.is_some()
                    && resolve_room(&send.user, send.room.clone()).is_ok_and(|key| key == send.room);
                if !is_numbered || mutation!(RefusalUnremembered) {
                    return self.nack(at, &send, rejection);
                }
                Some(rejection)
            }
        };
        let bytes = send.room.len()
            + if rejection.is_some() {
                0
            } else {
                send.content.len() + send.data.as_ref().map_or(0, String::len)
            };
        let place = self
            .nodes
            .as_ref()
            .map(|nodes| nodes.requests.check_quota(&self.config, Some(&send.user), bytes));
        if let Some(Err(limit)) = place {
            self.refusal_counts.record(limit);
            return self.nack(
                at,
                &send,
                Rejection { after: Some(RETRY_DELAY), ..Rejection::new(Code::Overloaded, FULL) },
            );
        }
        let (content, data) = (std::mem::take(&mut send.content), send.data.take());
        let id = Id::random(&mut self.rng);
        let decision = match rejection {
            Some(rejection) => Decision::Refuse(rejection.code),
            None => Decision::Append(Box::new(LogEntry {
                id: id.clone(),
                seq: 0,
                user: send.user.clone(),
                content,
                data,
                timestamp: String::new(),
                origin: send
                    .line
                    .as_ref()
                    .map(|((_, pid), pseq)| Box::new(ProducerSeq { pid: pid.clone(), pseq: *pseq })),
                kind: None,
            })),
        };
        let numbered = send.line.as_ref().filter(|_| !mutation!(DedupePerNode));
        let numbered = numbered.map(|((user, pid), pseq)| SendKey {
            user: user.clone(),
            pid: pid.clone(),
            pseq: *pseq,
            epoch,
        });
        if mutation!(AckBeforeStore)
            && let (Some(reference), Some(log)) = (send.reference.take(), self.store.room(&send.room))
        {
            let (room, epoch, seq) = (send.room.clone(), log.epoch().clone(), log.head() + 1);
            let ack = Ack { reference, room, id, epoch, seq, timestamp: None, dup: false };
            self.send_frame(send.conn, &ServerMessage::Ack(ack));
        }
        let (held, fresh) = (self.known_head(&send.room), self.new_epoch());
        let (room, user) = (send.room.clone(), send.user.clone());
        let generation = self.conns.get(&send.conn).map_or(0, |state| state.generation);
        let kind = RequestKind::Send(Box::new(PendingSend { send, generation, rejection }));
        if let Some(request_id) = self.begin_request(at, Some(user), bytes, kind) {
            self.request_store(StoreRequest::Append {
                request_id,
                room,
                known_head: held,
                new_epoch: fresh,
                send: numbered,
                decision,
            });
        }
    }

    /// What is behind a send that was refused as too fast is one refusal with it, and uses no budget of its own: a client may
    /// have given a whole pipeline to the connection. Whether the store really misses the other, only the store knows.
    fn behind_too_fast(&self, send: &Send) -> Option<Rejection> {
        let (key, pseq) = send.line.as_ref()?;
        let refused = self.conns.get(&send.conn)?.extended.as_ref()?.too_fast.get(key)?;
        let after = self.users.get(&send.user).map(super::super::user::User::send_retry_after);
        (pseq > refused).then(|| Rejection { after, ..Rejection::new(Code::RateLimited, "rate limited") })
    }

    fn note_too_fast(&mut self, send: &Send, admission: &Admission) {
        let extended = self.conns.get_mut(&send.conn).and_then(|state| state.extended.as_mut());
        let (Some(extended), Some((key, pseq))) = (extended, &send.line) else { return };
        match admission {
            Admission::Reject(rejection) if rejection.code == Code::RateLimited => {
                if extended.too_fast.len() >= MAX_TOO_FAST {
                    extended.too_fast.pop_first();
                }
                extended.too_fast.insert(key.clone(), *pseq);
            }
            _ => {
                extended.too_fast.remove(key);
            }
        }
    }

    /// What the store has made of a send.
    pub(super) fn send_response(&mut self, now: ClockReading, asked: PendingSend, answer: StoreResponse) {
        let PendingSend { mut send, generation, rejection } = asked;
        // The number may be another connection's by now.
        let is_here = self.conns.get(&send.conn).is_some_and(|state| state.generation == generation);
        let at = now.monotonic;
        match answer {
            StoreResponse::Appended { epoch, entry, id, seq, dup } => {
                if mutation!(DedupePerNode)
                    && let Some((key, pseq)) = send.line.clone()
                {
                    self.store.record_answer(&send.room, key, pseq, Answer::Ack { id: id.clone(), seq }, at);
                }
                if let Some(reference) = send.reference.take().filter(|_| is_here) {
                    let (room, epoch) = (send.room.clone(), epoch.clone());
                    let timestamp = entry.as_ref().map(|entry| entry.timestamp.as_str().into());
                    let ack = Ack { reference, room, id, epoch, seq, timestamp, dup };
                    self.send_frame(send.conn, &ServerMessage::Ack(ack));
                }
                match entry {
                    Some(entry) => self.apply_entry(at, &send.room, &epoch, entry),
                    // It is not kept, so that it is not new; the epoch may be.
                    None => self.compare_epochs(at, &send.room, &epoch, seq),
                }
            }
            StoreResponse::Refused { code, expected, dup } => {
                if !is_here {
                    return;
                }
                if dup {
                    let Some(reference) = send.reference else { return };
                    return self.repeat_nack(send.conn, reference, code);
                }
                let known = rejection.filter(|rejection| rejection.code == code);
                let rejection = known.unwrap_or_else(|| Rejection {
                    after: (code == Code::Overloaded).then_some(RETRY_DELAY),
                    ..Rejection::new(code, rejection_message(code))
                });
                self.nack(at, &send, Rejection { expected, ..rejection });
            }
            StoreResponse::Failed | StoreResponse::Opened(_) => {
                if !is_here {
                    return;
                }
                if mutation!(FailureAcked)
                    && let (Some(reference), Some(log)) = (send.reference.take(), self.store.room(&send.room))
                {
                    let (room, epoch, seq) = (send.room.clone(), log.epoch().clone(), log.head() + 1);
                    let id = Id::random(&mut self.rng);
                    let ack = Ack { reference, room, id, epoch, seq, timestamp: None, dup: false };
                    return self.send_frame(send.conn, &ServerMessage::Ack(ack));
                }
                // A refusal would say that it is not in the log. On its next connection the client asks by the number,
                // if it has one.
                let (code, reason) = TRY_AGAIN_LATER;
                self.close(at, send.conn, code, reason);
            }
        }
    }

    fn compare_epochs(&mut self, now: rejoin::Timestamp, room: &Name, epoch: &Epoch, seq: u64) {
        let is_other = |log: &super::super::Log| log.epoch() != epoch || seq > log.head();
        if self.store.room(room).is_some_and(is_other) {
            self.reread(now, room);
        }
    }
}

/// Why the store refuses a send.
fn rejection_message(code: Code) -> &'static str {
    match code {
        Code::UnknownProducer => "the server does not know this line of sends",
        Code::SequenceGap => "an earlier send of this line is missing",
        Code::Overloaded => "the store cannot take messages now",
        _ => "refused",
    }
}
