//! Turns answers of Redis into the outcomes of requests: what it has answered, what replicas have confirmed, what a refusal means.

use super::{Done, MAX_CONTROLS, REPLICAS, Requests};
use crate::hub::shared::{Decision, RequestId, StoreRequest, StoreResponse};
use crate::redis::commands::Commands;
use crate::redis::config::Durability;
use crate::redis::confirmations::{Answer, newest};
use crate::redis::encode::millis;
use crate::redis::error::shown;
use crate::redis::reconcile::has_tail;
use crate::redis::replies;
use crate::redis::shards::ask;
use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};
use rejoin::Name;
use rejoin::messages::{Code, Epoch};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Requests {
    /// `connection`: the number of the one that has carried it out.
    pub(super) async fn replied(&mut self, connection: u64, request: &StoreRequest, value: &Value) {
        match request {
            StoreRequest::Open { request_id, room, .. } => {
                let answer = replies::opened(value).map_or(StoreResponse::Failed, |(state, is_whole)| {
                    if !is_whole {
                        self.health.stray(room, &self.commands.room_keys(room).log());
                    }
                    self.positions.opened(room, state.epoch.clone(), state.head);
                    StoreResponse::Opened(state)
                });
                self.answer(*request_id, answer);
            }
            StoreRequest::Append { request_id, room, decision, .. } => {
                let sent = if let Decision::Append(entry) = decision { Some(&**entry) } else { None };
                let answer = replies::appended(value, sent).unwrap_or(StoreResponse::Failed);
                if sent.is_some() && matches!(answer, StoreResponse::Refused { code: Code::Overloaded, .. }) {
                    self.health.refused("too few replicas are there for messages to be taken (--durability)");
                }
                match &answer {
                    StoreResponse::Appended { epoch, seq, .. } if self.waits() => {
                        let (epoch, seq) = (epoch.clone(), *seq);
                        let sender = Some((*request_id, answer));
                        let waiting = Answer { room: room.clone(), epoch, seq, sender };
                        self.confirm_later(connection, waiting).await;
                    }
                    _ => self.tell_sender(room, *request_id, answer),
                }
            }
            StoreRequest::ReportUsage(report) => match replies::usage(&report.user, value) {
                Some(notice) => self.peer.on_notices(vec![notice]),
                None => self.health.refused("an answer is not one of our scripts"),
            },
            _ => {}
        }
    }

    pub(super) fn answer(&self, request_id: RequestId, answer: StoreResponse) {
        if answer == StoreResponse::Failed {
            self.health.refused("an answer is not one of our scripts");
        }
        self.peer.on_response(request_id, answer);
    }

    fn waits(&self) -> bool {
        matches!(self.durability, Durability::Wait(_))
    }

    fn tell_sender(&self, room: &Name, request_id: RequestId, answer: StoreResponse) {
        if let StoreResponse::Appended { epoch, seq, dup: false, .. } = &answer {
            self.positions.logged(room, epoch, *seq);
        }
        self.answer(request_id, answer);
    }

    /// Has an entry confirmed that Redis has written on this connection.
    async fn confirm_later(&mut self, connection: u64, answer: Answer) {
        let Some(connection) = self.connection.as_ref().filter(|_| connection == self.number) else {
            if let Some((request_id, _)) = answer.sender {
                self.answer(request_id, StoreResponse::Failed);
            }
            return;
        };
        let shard = connection.shards.shard_of(&self.commands.room_keys(&answer.room).room());
        self.confirmations.push(shard, answer);
        self.confirm().await;
    }

    /// Asks whether enough replicas have what was appended, and has it shown if they do.
    pub(super) async fn confirm(&mut self) {
        let Durability::Wait(wanted) = self.durability else { return };
        while let Some((shard, answers)) = self.confirmations.next() {
            let Some(connection) = &self.connection else { return };
            let mut conn = connection.shards.number(shard);
            let commands = Arc::clone(&self.commands);
            let mut cmd = redis::cmd("WAIT");
            cmd.arg(wanted).arg(millis(REPLICAS));
            self.start(Box::pin(async move {
                let reply = ask(&mut conn, &cmd).await;
                let enough = reply.is_ok_and(|count| replies::number(&count) >= Some(u64::from(wanted)));
                let shown = if enough { show(&mut conn, &commands, &answers).await } else { BTreeSet::new() };
                let is_shown = |answer: &Answer| shown.contains(&(answer.room.clone(), answer.epoch.clone()));
                let confirmed = answers.into_iter().map(|answer| {
                    let is_shown = is_shown(&answer);
                    (answer, is_shown)
                });
                Done::Replicated { shard, confirmed: confirmed.collect() }
            }))
            .await;
        }
    }

    pub(super) fn replicated(&self, confirmed: Vec<(Answer, bool)>) {
        if confirmed.iter().any(|(_, is_shown)| !is_shown) {
            self.health.refused("too few replicas have confirmed a message in time (--durability)");
        }
        for (Answer { room, sender, .. }, is_shown) in confirmed {
            let Some((request_id, answer)) = sender else { continue };
            if is_shown {
                self.tell_sender(&room, request_id, answer);
            } else {
                self.peer.on_response(request_id, StoreResponse::Failed);
            }
        }
    }

    /// Looks after entries whose sender has not lived to see them confirmed.
    pub(super) async fn ask_tails(&mut self, rooms: &[Name], heads: &[Value]) {
        if !self.waits() {
            return;
        }
        for (room, _) in rooms.iter().zip(heads).filter(|(_, head)| has_tail(head)) {
            let Some(connection) = &self.connection else { return };
            let (asked, connection) = (self.commands.tail(room).ask(&connection.shards), self.number);
            let room = room.clone();
            self.start(Box::pin(async move { Done::Tail { room, connection, reply: asked.await } })).await;
        }
    }

    pub(super) async fn tail_found(&mut self, room: Name, connection: u64, reply: RedisResult<Value>) {
        match reply {
            Ok(Value::Array(parts)) => {
                if let [epoch, head] = parts.as_slice()
                    && let (Some(epoch), Some(seq)) = (replies::id(epoch), replies::number(head))
                {
                    self.confirm_later(connection, Answer { room, epoch, seq, sender: None }).await;
                }
            }
            Ok(_) => {}
            Err(error) => self.refused(connection, &error),
        }
    }

    /// Says why Redis has not done something, and gives up the connection if it is of no use.
    pub(super) fn refused(&mut self, connection: u64, error: &RedisError) {
        let detail = error.detail().unwrap_or_default();
        let useless = match (error.kind(), error.code()) {
            (_, Some("REJOIN" | "WRONGTYPE")) => {
                let key = detail.split_whitespace().nth(1).unwrap_or("unknown");
                self.health.foreign(&shown(key));
                false
            }
            (_, Some("OOM")) => {
                self.health.refused("its memory is used up (OOM): raise maxmemory, or keep less with --history and --retention");
                false
            }
            // Nothing was carried out. Where the slot is now is learnt by connecting again.
            (ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask), _) => {
                self.health.refused("a slot of the cluster is moved to another node");
                self.has_moved |= connection == self.number;
                false
            }
            // It was the primary.
            (ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::BusyLoading), _) => true,
            (ErrorKind::Server(_) | ErrorKind::Extension, code) => {
                self.health.refused(&shown(&format!("{} {detail}", code.unwrap_or_default())));
                false
            }
            _ => true,
        };
        if useless && connection == self.number {
            self.disconnect(if error.is_timeout() {
                "Redis does not answer within 5 s"
            } else {
                "the connection for requests is lost, or what answers cannot be written to"
            });
        }
    }

    /// It is not known whether the request was carried out, or it was not.
    pub(super) fn fail(&mut self, request: StoreRequest) {
        match request {
            StoreRequest::Open { request_id, .. } | StoreRequest::Append { request_id, .. } => {
                self.peer.on_response(request_id, StoreResponse::Failed);
            }
            // Nobody makes it again.
            StoreRequest::Control(_) if self.controls.len() < MAX_CONTROLS => {
                self.controls.push_back(request);
            }
            StoreRequest::Control(_) => {
                self.health.refused(
                    "too much waits for it: a kick or a removal counts on this server only, ask again",
                );
            }
            _ => {}
        }
    }
}

/// Lets entries be shown that enough replicas have; gives the rooms and epochs of those that now are.
async fn show(
    conn: &mut MultiplexedConnection,
    commands: &Commands,
    answers: &[Answer],
) -> BTreeSet<(Name, Epoch)> {
    let newest = newest(answers);
    let mut replies = Vec::new();
    // The second time with the text of the script, if Redis has forgotten it.
    for whole in [false, true] {
        let mut pipeline = redis::pipe();
        for ((room, epoch), seq) in &newest {
            pipeline.add_command(commands.confirm(room, epoch, *seq, whole).cmd);
        }
        replies = conn.send_packed_commands(&pipeline, 0, newest.len()).await.unwrap_or_default();
        if !replies.iter().any(|reply| matches!(reply, Value::ServerError(_))) {
            break;
        }
    }
    let shown = newest.into_keys().zip(replies).filter(|(_, reply)| replies::number(reply) == Some(1));
    shown.map(|((room, epoch), _)| (room.clone(), epoch.clone())).collect()
}
