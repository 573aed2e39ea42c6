//! Writes the JSON lines of `pipe`'s stdout, one for each event. Decides nothing.

mod app_frames;
mod diagnostics;

pub(crate) use diagnostics::diagnostics;

use super::bad_line::BadLine;
use crate::describe::{self, UNANSWERED};
use crate::json_safe::write_line;
use crate::socket_io;
use rejoin::messages::{Code, EntryMeta, JoinReason};
use rejoin::{
    Cause, CauseCode, DeliveryStatus, Event, Gap, Id, JoinedRoom, Message, Mode, Name, Receipt, RoomChange,
    RoomState, SendError, SendFailure, SendReply, State, StateChange, Timestamp,
};
use serde::Serialize;
use serde_json::value::RawValue;

/// One line: every field of every event, absent where it does not apply.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct OutputLine<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#ref: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replayed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<&'a [Name]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    member_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<&'a Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<&'a Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pseq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Bound>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Bound>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_in_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<CodeField>,
    /// What the server writes where the protocol has no such code.
    #[serde(skip_serializing_if = "Option::is_none")]
    server_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// Of `gave_up`: the reason for which the last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_only: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    will_retry: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    /// What a Socket.IO server's handler answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    again: Option<bool>,
    /// Of what cannot be read: so many of its kind have come on this connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    /// The beginning of what cannot be read, as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a str>,
}

/// Prints lines with the namespace of a Socket.IO server that they are of.
pub(crate) fn in_namespace(out: &mut Vec<u8>, namespace: &str, lines: &[u8]) {
    let mut name = Vec::new();
    write_line(&mut name, &namespace);
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        // Each line is an object.
        match line.strip_suffix(b"}\n") {
            Some(object) => {
                out.extend_from_slice(object);
                out.extend_from_slice(b",\"namespace\":");
                out.extend_from_slice(name.trim_ascii_end());
                out.extend_from_slice(b"}\n");
            }
            None => out.extend_from_slice(line),
        }
    }
}

/// Where a gap begins or ends: `null` when that is not known.
#[derive(Debug, Serialize)]
struct Bound(Option<u64>);

/// A close code or HTTP status is a number, the code of an error or a delivery is a word.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum CodeField {
    Number(u16),
    Word(&'static str),
}

/// The text of any JSON, as a part of this one.
fn raw(json: Option<&(impl AsRef<str> + ?Sized)>) -> Option<&RawValue> {
    json.and_then(|json| serde_json::from_str(json.as_ref()).ok())
}

/// Prints one event; a delivery or the answer to a join needs its `ref` and goes through [`delivery`] or [`joined`].
/// `now` is the clock that the events' times are on.
pub(crate) fn event(out: &mut Vec<u8>, event: &Event, now: Timestamp) {
    let line = match event {
        Event::State(change) => state(change, now),
        Event::Mode(mode) => mode_line(*mode),
        Event::ReadOnly(is_read_only) => read_only_line(*is_read_only),
        Event::Joined(room) => return joined(out, room, None, None),
        Event::Message(message) => message_line(message),
        Event::UserJoined { room, user } => user_line("user_joined", room, user),
        Event::UserLeft { room, user } => user_line("user_left", room, user),
        Event::Presence(presence) => OutputLine {
            members: presence.members.as_deref(),
            member_count: presence.member_count,
            ..room_line("presence", &presence.room)
        },
        Event::Signal(signal) => OutputLine {
            kind: Some(&signal.kind),
            data: raw(signal.data.as_ref()),
            ..user_line("signal", &signal.room, &signal.user)
        },
        Event::Notification(notification) => OutputLine {
            r#type: "notification",
            kind: Some(&notification.kind),
            data: raw(notification.data.as_ref()),
            ..OutputLine::default()
        }
        .with_entry(notification.entry.as_ref()),
        Event::Frame(frame) => return app_frames::frame(out, frame),
        Event::NotKept { key, why } => {
            let text = format!("what was kept as \"{key}\" is not kept: {why}");
            return write_line(out, &error(why.as_str(), &text));
        }
        Event::NotAnswered { ack, why } => {
            let text = format!("the event with the ack {ack} is not answered: {why}");
            return write_line(out, &error(why.as_str(), &text));
        }
        Event::Gap(gap) => gap_line(gap),
        Event::ServerError { message, code, server_code } => OutputLine {
            server_code: server_code.as_deref(),
            ..error(code.map_or("server", |code| code.as_str()), message)
        },
        Event::Malformed { error: text, count, raw } => {
            let message = describe::malformed(text, *count);
            let line = OutputLine {
                count: Some(*count).filter(|count| *count > 0),
                raw: Some(&**raw).filter(|raw| !raw.is_empty()),
                ..error("garbled", &message)
            };
            return write_line(out, &line);
        }
        Event::StorageFailed { error: text } => error("not_stored", text),
        Event::Lagged { skipped } => {
            let text = format!("this program was too slow: {skipped} events were dropped here");
            return write_line(out, &error("lagged", &text));
        }
        Event::Room(change) => return room(out, change, None, None),
        _ => return,
    };
    write_line(out, &line);
}

/// Prints what became of a room that is not joined, with the `ref` of the line that asked for it and what a Socket.IO server
/// answered.
pub(crate) fn room(out: &mut Vec<u8>, change: &RoomChange, reference: Option<&str>, answer: Option<&str>) {
    let line = match change.state {
        RoomState::Refused => error("too_many_rooms", "the room is not joined: there are too many"),
        RoomState::Failed(code) => error(code.as_str(), "the server refused the join for good"),
        RoomState::Removed(code) => error(code.as_str(), "the server removed you from the room"),
        RoomState::Joining => match change.refused {
            Some(code) => OutputLine {
                will_retry: Some(true),
                ..error(code.as_str(), "the server does not let you into the room now; trying again")
            },
            None => return,
        },
        RoomState::Left => return reference.into_iter().for_each(|own| left(out, &change.room, own)),
        _ => return,
    };
    // What the server says of it is worth more than what can be said here.
    let message = change.message.as_deref().or(line.message);
    let (room_id, server_code) = (Some(&*change.room), change.server_code.as_deref());
    let answer = raw(answer);
    write_line(out, &OutputLine { room_id, r#ref: reference, answer, message, server_code, ..line });
}

/// What a Socket.IO server answers to a join is told before the event on whose line it is printed.
#[derive(Debug, Default)]
pub(crate) struct JoinAnswers(Option<(Name, String)>);

impl JoinAnswers {
    /// The answer that belongs to an event, as JSON.
    pub(crate) fn of(&mut self, event: &Event) -> Option<String> {
        let room = match event {
            Event::JoinReply { room, reply } => {
                self.0 = reply.answer.clone().map(|answer| (room.clone(), answer));
                return None;
            }
            Event::Joined(joined) => &joined.room,
            Event::Room(change) if change.state != RoomState::Joined => &change.room,
            _ => return None,
        };
        self.0.take_if(|(answered, _)| answered == room).map(|(_, answer)| answer)
    }
}

impl<'a> OutputLine<'a> {
    fn with_entry(mut self, entry: Option<&'a EntryMeta>) -> Self {
        if let Some(entry) = entry {
            self.id = Some(&entry.id);
            self.epoch = Some(&entry.epoch);
            self.seq = Some(entry.seq);
            self.replay = entry.replay.then_some(true);
            if let Some(producer) = &entry.producer {
                self.pid = Some(&producer.pid);
                self.pseq = Some(producer.pseq);
            }
        }
        self
    }
}

fn room_line<'a>(kind: &'static str, room: &'a str) -> OutputLine<'a> {
    OutputLine { r#type: kind, room_id: Some(room), ..OutputLine::default() }
}

fn user_line<'a>(kind: &'static str, room: &'a str, user: &'a str) -> OutputLine<'a> {
    OutputLine { user_id: Some(user), ..room_line(kind, room) }
}

fn message_line(message: &Message) -> OutputLine<'_> {
    OutputLine {
        content: Some(&message.content),
        timestamp: Some(&*message.timestamp).filter(|timestamp| !timestamp.is_empty()),
        data: raw(message.data.as_ref()),
        ..user_line("message", &message.room, &message.user)
    }
    .with_entry(message.entry.as_deref())
}

fn gap_line(gap: &Gap) -> OutputLine<'_> {
    OutputLine {
        epoch: gap.epoch.as_ref(),
        after: Some(Bound(gap.after)),
        before: Some(Bound(gap.before)),
        reason: Some(gap.reason.as_str()),
        ..room_line("gap", &gap.room)
    }
}

/// Prints the answer to a join; `answer` is what a Socket.IO server's handler gave to its ack.
pub(crate) fn joined(out: &mut Vec<u8>, room: &JoinedRoom, reference: Option<&str>, answer: Option<&str>) {
    write_line(
        out,
        &OutputLine {
            r#ref: reference,
            recovered: Some(room.recovered),
            replayed: Some(room.replayed),
            reason: room.reason.map(JoinReason::as_str),
            members: room.members.as_deref(),
            member_count: room.member_count,
            answer: raw(answer),
            ..room_line("joined", &room.room)
        },
    );
}

fn error<'a>(code: &'static str, message: &'a str) -> OutputLine<'a> {
    OutputLine {
        r#type: "error",
        code: Some(CodeField::Word(code)),
        message: Some(message),
        ..OutputLine::default()
    }
}

fn state(change: &StateChange, now: Timestamp) -> OutputLine<'_> {
    let mut line =
        OutputLine { r#type: "state", state: Some(change.state.as_str()), ..OutputLine::default() };
    if let State::Reconnecting { attempt, retry_at } | State::Suspended { attempt, retry_at } = change.state {
        line.attempt = Some(attempt);
        line.retry_in_ms = retry_at.map(|at| u64::try_from((at - now).as_millis()).unwrap_or(u64::MAX));
    }
    if let Some(Cause { code, text, data, last, .. }) = &change.cause {
        line.code = last.unwrap_or(*code).number().map(CodeField::Number);
        line.reason = Some(code.as_str());
        line.last_reason = last.map(CauseCode::as_str);
        line.message = Some(&**text).filter(|text| !text.is_empty());
        line.data = raw(data.as_ref());
    }
    line
}

/// Prints a change of the connection that one room is read over.
pub(crate) fn feed_state(out: &mut Vec<u8>, room: &Name, change: &StateChange, now: Timestamp) {
    write_line(out, &OutputLine { room_id: Some(room), ..state(change, now) });
}

/// An event of a stream that is no message of the contract.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StreamEvent<'a> {
    r#type: &'static str,
    room_id: &'a str,
    event: &'a str,
    data: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
}

/// Prints an event of a room's stream that is no message of the contract: its name, its data as text, and its id.
pub(crate) fn stream_event(out: &mut Vec<u8>, room: &Name, event: &str, data: &str, id: Option<&str>) {
    write_line(out, &StreamEvent { r#type: "event", room_id: room, event, data, id });
}

fn read_only_line(is_read_only: bool) -> OutputLine<'static> {
    OutputLine {
        r#type: "state",
        state: Some(State::Connected.as_str()),
        read_only: Some(is_read_only),
        ..OutputLine::default()
    }
}

fn mode_line(mode: Mode) -> OutputLine<'static> {
    OutputLine {
        r#type: "state",
        state: Some(State::Connected.as_str()),
        mode: Some(mode.as_str()),
        ..OutputLine::default()
    }
}

/// Whether an outcome has been told before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repetition {
    First,
    /// Or may have been, by an earlier run.
    Again,
}

/// What became of a send, for this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Final(DeliveryStatus),
    /// Without an outcome, and in the state file for the next run.
    Kept,
}

/// Prints the outcome of a send, with what a Socket.IO server answered; `unknown` is why nobody can say whether it arrived.
pub(crate) fn delivery(
    out: &mut Vec<u8>,
    reference: Option<&str>,
    room: &str,
    outcome: &Outcome,
    reply: Option<&SendReply>,
    told: Repetition,
    unknown: Option<&(&'static str, String)>,
) {
    let answer = raw(reply.and_then(|reply| reply.answer.as_ref()));
    let again = (told == Repetition::Again).then_some(true);
    let line = OutputLine { r#ref: reference, answer, again, ..room_line("delivery", room) };
    // A frame of the application's own goes to no room.
    let line = OutputLine { room_id: line.room_id.filter(|room| !room.is_empty()), ..line };
    let line = match outcome {
        Outcome::Kept => OutputLine { status: Some("kept"), ..line },
        Outcome::Final(DeliveryStatus::Written) => OutputLine { status: Some("written"), ..line },
        Outcome::Final(DeliveryStatus::Acked { id, seq }) => {
            OutputLine { status: Some("acked"), id: Some(id), seq: Some(*seq), ..line }
        }
        Outcome::Final(DeliveryStatus::Answered { id, seq }) => {
            OutputLine { status: Some("acked"), id: id.as_ref(), seq: *seq, ..line }
        }
        Outcome::Final(DeliveryStatus::Failed(why)) => OutputLine {
            status: Some("failed"),
            code: Some(CodeField::Word(why.as_str())),
            server_code: reply.and_then(|reply| reply.server_code.as_deref()),
            message: Some(match why {
                // What to do is known better here than there.
                SendFailure::Refused(Code::NotJoined) if socket_io::is_room_in(room) => OTHER_NAMESPACE,
                SendFailure::Refused(Code::NotJoined) => hint(*why),
                _ => reply.and_then(|reply| reply.message.as_deref()).unwrap_or_else(|| hint(*why)),
            }),
            ..line
        },
        Outcome::Final(_) => {
            let (code, why) = unknown.map_or((UNANSWERED, NO_ANSWER), |(code, why)| (*code, why));
            unknown_line(code, why, line)
        }
    };
    write_line(out, &line);
}

/// Said of a message of an earlier run, of which no more is known.
const NO_ANSWER: &str = "no answer to it has come: nobody can say whether it arrived";

fn unknown_line<'a>(code: &'static str, message: &'a str, line: OutputLine<'a>) -> OutputLine<'a> {
    let (status, code) = (Some("unknown"), Some(CodeField::Word(code)));
    OutputLine { status, code, message: Some(message), ..line }
}

/// Prints what became of a message of `send`, which has the number of its line instead of a `ref`. `None`: it is kept for
/// the next run.
pub(crate) fn sent(
    out: &mut Vec<u8>,
    line: Option<u64>,
    room: &str,
    outcome: Option<Result<&Receipt, &SendError>>,
    unknown: Option<&(&'static str, String)>,
) {
    let line = OutputLine { line, ..room_line("delivery", room) };
    let words;
    let line = match outcome {
        None => OutputLine { status: Some("kept"), ..line },
        Some(Ok(Receipt::Written)) => OutputLine { status: Some("written"), ..line },
        Some(Ok(receipt)) => {
            let (status, id, seq) = (Some("acked"), receipt.id(), receipt.seq());
            OutputLine { status, id, seq, answer: raw(receipt.answer()), ..line }
        }
        Some(Err(SendError::Unknown)) => {
            let (code, why) = unknown.map_or((UNANSWERED, NO_ANSWER), |(code, why)| (*code, why));
            unknown_line(code, why, line)
        }
        Some(Err(error)) => {
            words = error.to_string();
            let (status, code, message) =
                (Some("failed"), Some(CodeField::Word(error.code())), Some(words.as_str()));
            let server_code = match error {
                SendError::Refused { server_code, .. } => server_code.as_deref(),
                _ => None,
            };
            OutputLine { status, code, message, server_code, answer: raw(error.answer()), ..line }
        }
    };
    write_line(out, &line);
}

/// Prints that a line of `send`'s input is no message.
pub(crate) fn unsent(out: &mut Vec<u8>, line: u64, room: &str, code: &'static str, why: &str) {
    let (status, code) = (Some("failed"), Some(CodeField::Word(code)));
    write_line(
        out,
        &OutputLine { line: Some(line), status, code, message: Some(why), ..room_line("delivery", room) },
    );
}

/// Said where a line names a room as the command line names one of another namespace.
const OTHER_NAMESPACE: &str = "you are not in a room of this name: a room of another namespace is given as -r /NS,ROOM with --namespace /NS, and in a line \
     as \"namespace\":\"/NS\" and \"roomId\":\"ROOM\"";

fn hint(why: SendFailure) -> &'static str {
    match why {
        SendFailure::Empty => "it has no text and no data: there is nothing to send",
        SendFailure::Refused(Code::NotJoined) => {
            "you are not in this room: join it with -r ROOM or a join_room line, and give the line again (its ref, too)"
        }
        SendFailure::TooLarge => "the message is larger than this client or the server takes; split it",
        SendFailure::QueueFull => "too many messages are waiting; wait for deliveries",
        SendFailure::Expired | SendFailure::Timeout => "it could not be sent in time; send it again",
        SendFailure::BadData => {
            "its data has more than 64 levels, bytes that are no base64, or as an event no name; write it otherwise"
        }
        SendFailure::BadKey => "\"idempotent\" is a key of 1 to 128 characters: give another one",
        SendFailure::NeedsAck => {
            "\"idempotent\" needs \"ack\":true, by which it is known that it has arrived"
        }
        SendFailure::Reserved => {
            "its type is the name of a frame of the protocol; give it another one, or add --protocol plain if the server means its own by it"
        }
        SendFailure::Unsupported => {
            "events with a name, and \"idempotent\", are for Socket.IO servers (--protocol socketio)"
        }
        SendFailure::Dropped => "the connection could not take it at once, and it is volatile",
        SendFailure::Closed => "the connection has ended, and it was not sent",
        SendFailure::Refused(code) if code.is_temporary() => {
            "the server refused it for now; send it again later (its ref, too)"
        }
        SendFailure::Refused(Code::Other) => "the server refused it and gave no reason that is known here",
        SendFailure::Refused(_) => "the server refused it for good; sending it again changes nothing",
        SendFailure::UserChanged => "the token is another user's than the message was written by",
        SendFailure::NotStored => "the state file could not be written, and nothing is sent before it is",
        _ => "it was taken back",
    }
}

/// Answers the line of a join that will not be answered any more.
pub(super) fn join_given_up(out: &mut Vec<u8>, room: &str, reference: &str) {
    let message = "the connection has ended before the room was joined";
    write_line(out, &OutputLine { room_id: Some(room), r#ref: Some(reference), ..error("closed", message) });
}

/// Answers a line that leaves a room.
pub(super) fn left(out: &mut Vec<u8>, room: &str, reference: &str) {
    write_line(out, &OutputLine { r#ref: Some(reference), ..room_line("left", room) });
}

/// Answers a line that is no frame.
pub(super) fn bad_line(out: &mut Vec<u8>, number: u64, bad: &BadLine) {
    let line =
        OutputLine { line: Some(number), r#ref: bad.reference.as_deref(), ..error(bad.code, &bad.message) };
    write_line(out, &line);
}

#[cfg(test)]
mod tests;
