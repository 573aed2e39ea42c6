//! Turns answers of Redis into the outcomes of requests: what it has answered, how many replicas have confirmed, what a refusal means.

use super::{Done, MAX_CONTROLS, REPLICAS, Requests};
use crate::hub::shared::{Decision, RequestId, StoreRequest, StoreResponse};
use crate::redis::config::Durability;
use crate::redis::confirmations::Answer;
use crate::redis::encode::millis;
use crate::redis::error::shown;
use crate::redis::replies;
use crate::redis::shards::ask;
use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};

impl Requests {
    /// `connection`: the number of the one that has carried it out.
    pub(super) async fn replied(&mut self, connection: u64, request: &StoreRequest, value: &Value) {
        match request {
            StoreRequest::Open { request_id, room, .. } => {
                let answer = replies::opened(value).map_or(StoreResponse::Failed, |state| {
                    self.positions.opened(room, state.epoch.clone(), state.head);
                    StoreResponse::Opened(state)
                });
                self.answer(*request_id, answer);
            }
            StoreRequest::Append { request_id, room, decision, .. } => {
                let sent = if let Decision::Append(entry) = decision { Some(&**entry) } else { None };
                let answer = replies::appended(value, sent).unwrap_or(StoreResponse::Failed);
                if let StoreResponse::Appended { epoch, seq, dup: false, .. } = &answer {
                    self.positions.logged(room, epoch, *seq);
                }
                let is_appended = matches!(answer, StoreResponse::Appended { .. });
                if is_appended && matches!(self.durability, Durability::Wait(_)) {
                    let Some(connection) = self.connection.as_ref().filter(|_| connection == self.number)
                    else {
                        return self.answer(*request_id, StoreResponse::Failed);
                    };
                    let shard = connection.shards.shard_of(&self.commands.room_keys(room).room());
                    self.confirmations.push(shard, (*request_id, answer));
                    self.confirm().await;
                } else {
                    self.answer(*request_id, answer);
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

    /// Asks whether enough replicas have what was appended.
    pub(super) async fn confirm(&mut self) {
        let Durability::Wait(replicas) = self.durability else { return };
        while let Some((shard, answers)) = self.confirmations.next() {
            let Some(connection) = &self.connection else { return };
            let mut conn = connection.shards.number(shard);
            let mut cmd = redis::cmd("WAIT");
            cmd.arg(replicas).arg(millis(REPLICAS));
            self.start(Box::pin(async move {
                let reply = ask(&mut conn, &cmd).await;
                Done::Replicated { shard, answers, reply }
            }))
            .await;
        }
    }

    pub(super) fn replicated(&self, answers: Vec<Answer>, reply: &RedisResult<Value>) {
        let Durability::Wait(wanted) = self.durability else { return };
        let enough = reply.as_ref().is_ok_and(|count| replies::number(count) >= Some(u64::from(wanted)));
        if !enough {
            self.health.refused("too few replicas have confirmed a message in time (--durability)");
        }
        for (request_id, answer) in answers {
            self.peer.on_response(request_id, if enough { answer } else { StoreResponse::Failed });
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
