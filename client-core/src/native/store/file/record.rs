//! The records of changes in a state file: short, because each message costs four of them.

use crate::change::Change;
use crate::event::SendReply;
use crate::id::Id;
use crate::journal::JournalState;
use crate::messages::Epoch;
use crate::name::Name;
use crate::persisted::{Saved, SavedPosition, SavedSend, SavedStatus, Transmitted};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    Add(SavedSend),
    /// A line begins, or continues from this number: its producer, its epoch.
    Line(Id, Epoch, u64),
    /// A send is the next one of a line: its key, when, which line of this file.
    Sent(u64, u64, usize),
    Wait(u64),
    Give(u64),
    /// The most frequent outcome.
    Ack(u64, Id, u64),
    End(u64, SavedStatus),
    Reply(u64, Box<SendReply>),
    Told(u64),
    LineEnd(Name),
    At(SavedPosition),
    Forget(Name),
    ForgetAll,
    Server {
        user: Option<Name>,
        extended: bool,
        #[serde(default, skip_serializing_if = "is_false")]
        worked: bool,
        window_ms: u64,
        dedupe_window_ms: u64,
    },
    SetBack(u64),
    /// A key, and the frame that is kept under it.
    Keep(Name, String),
    DropKept(Name),
    All(Box<Saved>),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// The producers that a file has named so far, so that each send need not name its own.
#[derive(Debug, Default)]
pub(super) struct ProducerNames {
    named: Vec<NamedProducer>,
}

#[derive(Debug)]
struct NamedProducer {
    pid: Id,
    epoch: Epoch,
    next: u64,
}

/// More are not looked through for each send.
const MAX_SEARCHED: usize = 64;

impl ProducerNames {
    /// The body of a group with these changes.
    pub(super) fn write(&mut self, changes: Vec<Change>) -> serde_json::Result<Vec<u8>> {
        let mut records = Vec::with_capacity(changes.len());
        for change in changes {
            let record = match change {
                Change::Added { key, send } => Record::Add(SavedSend { number: key, ..send }),
                Change::Transmitted { key, transmitted } => {
                    let Transmitted { pid, pseq, epoch, at_ms } = transmitted;
                    let line = self.line(pid, epoch, pseq, &mut records);
                    Record::Sent(key, at_ms, line)
                }
                Change::Requeued { key } => Record::Wait(key),
                Change::SentOnce { key } => Record::Give(key),
                Change::Resolved { key, status } => match status.into() {
                    SavedStatus::Acked(id, seq) => Record::Ack(key, id, seq),
                    status => Record::End(key, status),
                },
                Change::Replied { key, reply } => Record::Reply(key, reply),
                Change::Confirmed { key } => Record::Told(key),
                Change::ProducerEnded { room } => Record::LineEnd(room),
                Change::Committed(position) => Record::At(position),
                Change::PositionCleared { room } => Record::Forget(room),
                Change::UserChanged => Record::ForgetAll,
                Change::Server { user, extended, worked, window_ms, dedupe_window_ms } => {
                    Record::Server { user, extended, worked, window_ms, dedupe_window_ms }
                }
                Change::ClockSetBack { ms } => Record::SetBack(ms),
                Change::Kept { key, frame } => Record::Keep(key, frame),
                Change::KeptDropped { key } => Record::DropKept(key),
                Change::Replaced(saved) => Record::All(saved),
            };
            records.push(record);
        }
        serde_json::to_vec(&records)
    }

    /// The place of the line whose next number this is; it is named where it is not known.
    fn line(&mut self, pid: Id, epoch: Epoch, pseq: u64, records: &mut Vec<Record>) -> usize {
        let first = self.named.len().saturating_sub(MAX_SEARCHED);
        let known = self.named.iter_mut().enumerate().skip(first);
        for (at, line) in known.rev() {
            if line.pid == pid && line.epoch == epoch && line.next == pseq {
                line.next += 1;
                return at;
            }
        }
        records.push(Record::Line(pid.clone(), epoch.clone(), pseq));
        self.named.push(NamedProducer { pid, epoch, next: pseq + 1 });
        self.named.len() - 1
    }

    /// Does the changes of a group again.
    pub(super) fn read(&mut self, body: &[u8], journal: &mut JournalState) -> Result<(), Garbled> {
        let records: Vec<Record> = serde_json::from_slice(body).map_err(|_| Garbled)?;
        for record in records {
            journal.apply(match record {
                Record::Add(send) => Change::Added { key: send.number, send },
                Record::Line(pid, epoch, next) => {
                    self.named.push(NamedProducer { pid, epoch, next });
                    continue;
                }
                Record::Sent(key, at_ms, line) => {
                    let line = self.named.get_mut(line).ok_or(Garbled)?;
                    let (pid, pseq, epoch) = (line.pid.clone(), line.next, line.epoch.clone());
                    line.next = line.next.saturating_add(1);
                    Change::Transmitted { key, transmitted: Transmitted { pid, pseq, epoch, at_ms } }
                }
                Record::Wait(key) => Change::Requeued { key },
                Record::Give(key) => Change::SentOnce { key },
                Record::Ack(key, id, seq) => {
                    Change::Resolved { key, status: SavedStatus::Acked(id, seq).into() }
                }
                Record::End(key, status) => Change::Resolved { key, status: status.into() },
                Record::Reply(key, reply) => Change::Replied { key, reply },
                Record::Told(key) => Change::Confirmed { key },
                Record::LineEnd(room) => Change::ProducerEnded { room },
                Record::At(position) => Change::Committed(position),
                Record::Forget(room) => Change::PositionCleared { room },
                Record::ForgetAll => Change::UserChanged,
                Record::Server { user, extended, worked, window_ms, dedupe_window_ms } => {
                    Change::Server { user, extended, worked, window_ms, dedupe_window_ms }
                }
                Record::SetBack(ms) => Change::ClockSetBack { ms },
                Record::Keep(key, frame) => Change::Kept { key, frame },
                Record::DropKept(key) => Change::KeptDropped { key },
                Record::All(saved) => Change::Replaced(saved),
            });
        }
        Ok(())
    }
}

/// A group is complete, and is not what a version like this one writes.
#[derive(Debug)]
pub(super) struct Garbled;
