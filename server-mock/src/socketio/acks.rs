//! Acknowledgements that a client asked for and that are not sent yet.

use rejoin::messages::{Ack, Code, ErrorDetail, JoinReason, Joined, Nack, Position, Ref};
use rejoin::{Id, Name};
use serde::Serialize;
use std::collections::BTreeMap;

/// Most at a time. The hub answers at once, so this many wait only in the queue of a client that does not read.
const MOST: usize = 1_024;

/// Who waits for the hub's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    /// The number that the client gave.
    pub(super) ack: u64,
    /// It wants to know where in the room's log it is.
    pub(super) wants_replay: bool,
}

#[derive(Debug, Default)]
pub(super) struct PendingAcks {
    waiting: BTreeMap<u64, Waiting>,
    last: u64,
}

impl PendingAcks {
    /// The number under which the hub is asked next; `None` while too many wait.
    pub(super) fn next(&self) -> Option<u64> {
        (self.waiting.len() < MOST).then_some(self.last + 1)
    }

    /// The hub has been asked under the number that [`next`](Self::next) gave.
    pub(super) fn wait(&mut self, waiting: Waiting) {
        self.last += 1;
        self.waiting.insert(self.last, waiting);
    }

    /// Who waits for the answer to `reference`, and not any more.
    pub(super) fn take(&mut self, reference: &Ref) -> Option<Waiting> {
        self.waiting.remove(&reference.as_str().parse().ok()?)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sent<'a> {
    ok: bool,
    id: &'a Id,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<&'a Id>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entered<'a> {
    ok: bool,
    room_id: &'a Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<&'a [Name]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    member_count: Option<u64>,
    #[serde(flatten)]
    place: Option<ReplayRange<'a>>,
}

/// What a join that asked for history is told of it.
#[derive(Serialize)]
struct ReplayRange<'a> {
    epoch: &'a Id,
    seq: u64,
    replay: u64,
    recovered: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Refused<'a> {
    ok: bool,
    code: Code,
    retry: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    message: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Renewed {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in_ms: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Gone<'a> {
    ok: bool,
    room_id: &'a Name,
}

fn json(answer: &impl Serialize) -> String {
    // Structures of texts and numbers are always JSON.
    serde_json::to_string(answer).unwrap_or_default()
}

/// A message is in the room's log. With `positions` its place can be gone on from.
pub(super) fn sent(ack: &Ack, positions: bool) -> String {
    let epoch = positions.then_some(&ack.epoch);
    json(&Sent { ok: true, id: &ack.id, seq: ack.seq, timestamp: ack.timestamp.as_deref(), epoch })
}

pub(super) fn joined(joined: &Joined, wants_replay: bool) -> String {
    let Joined { room, epoch, seq, replay, recovered, reason, members, member_count, .. } = joined;
    let place = wants_replay.then(|| ReplayRange {
        epoch,
        seq: *seq,
        replay: *replay,
        recovered: *recovered,
        reason: reason.map(JoinReason::as_str),
    });
    let members = members.as_deref();
    json(&Entered { ok: true, room_id: room, members, member_count: *member_count, place })
}

pub(super) fn left(room: &Name) -> String {
    json(&Gone { ok: true, room_id: room })
}

pub(super) fn renewed(expires_in_ms: Option<u64>) -> String {
    json(&Renewed { ok: true, expires_in_ms })
}

pub(super) fn nack(nack: &Nack) -> String {
    let Nack { code, retry, retry_after_ms, message, .. } = nack;
    json(&Refused { ok: false, code: *code, retry: *retry, retry_after_ms: *retry_after_ms, message })
}

pub(super) fn refusal(refusal: &ErrorDetail, message: &str) -> String {
    let ErrorDetail { code, retry, retry_after_ms, .. } = refusal;
    json(&Refused { ok: false, code: *code, retry: *retry, retry_after_ms: *retry_after_ms, message })
}

/// Something that the hub was not asked.
pub(super) fn no(code: Code, message: &str) -> String {
    let retry = matches!(code, Code::Overloaded | Code::NotJoined);
    json(&Refused { ok: false, code, retry, retry_after_ms: None, message })
}

/// What an error of CONNECT says (`err.message` and `err.data` of the JavaScript client).
pub(super) fn connect_error(message: &str, data: Option<(&str, bool)>) -> String {
    #[derive(Serialize)]
    struct Data<'a> {
        code: &'a str,
        retry: bool,
    }
    #[derive(Serialize)]
    struct Error<'a> {
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<Data<'a>>,
    }
    json(&Error { message, data: data.map(|(code, retry)| Data { code, retry }) })
}

/// The argument of an `error` that the hub did not say.
pub(super) fn message(message: &str) -> String {
    #[derive(Serialize)]
    struct Message<'a> {
        message: &'a str,
    }
    json(&Message { message })
}

/// A message's place, as a `since` takes it.
pub(super) fn position(position: &Position) -> String {
    json(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_finds_who_waits_for_it_once() {
        let mut answers = PendingAcks::default();
        let waiting = Waiting { ack: 5, wants_replay: false };
        assert_eq!(answers.next(), Some(1));
        answers.wait(waiting);
        assert_eq!(answers.next(), Some(2));
        let first = Ref::new("1").unwrap();
        assert_eq!(answers.take(&first), Some(waiting));
        assert_eq!(answers.take(&first), None);
        assert_eq!(answers.take(&Ref::new("x").unwrap()), None);
        // A number is never used again.
        assert_eq!(answers.next(), Some(2));
    }

    #[test]
    fn only_so_many_wait_at_a_time() {
        let mut answers = PendingAcks::default();
        for ack in 0..MOST as u64 {
            assert!(answers.next().is_some());
            answers.wait(Waiting { ack, wants_replay: false });
        }
        assert_eq!(answers.next(), None);
        answers.take(&Ref::new("9").unwrap());
        assert!(answers.next().is_some());
    }
}
