//! The JSON fields of the frequent frames, borrowed in both directions.

use super::interner::Interner;
use super::optional::{OptionalField, lenient};
use super::timestamp::any_timestamp;
use super::user_id::text_or_integer;
use super::validate::well_formed;
use crate::id::Id;
use crate::messages::extended::{int, or_default};
use crate::messages::{
    Ack, Code, EntryMeta, ErrorDetail, History, JoinRequest, Left, Message, Nack, Notification, Position,
    ProducerSeq, ProducerTag, Ref, SendTag, ServerCode, Signal,
};
use crate::name::Name;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Any JSON, as its text, well-formed.
fn raw(value: Option<&RawValue>) -> Option<String> {
    value.map(|value| well_formed(value.get()).into_owned())
}

/// The text of any JSON; one that is none is left out, which a caller that checks never meets.
pub(super) fn as_raw(text: Option<&String>) -> Option<&RawValue> {
    text.and_then(|text| serde_json::from_str(text).ok())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageFields<'a> {
    #[serde(borrow, deserialize_with = "text_or_integer")]
    room_id: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text_or_integer")]
    user_id: Cow<'a, str>,
    content: String,
    #[serde(default, deserialize_with = "any_timestamp")]
    timestamp: String,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    id: Option<Id>,
    #[serde(default, deserialize_with = "lenient")]
    epoch: Option<Id>,
    #[serde(default, deserialize_with = "lenient")]
    seq: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    replay: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    pid: Option<Id>,
    #[serde(default, deserialize_with = "lenient")]
    pseq: Option<u64>,
}

fn origin(pid: Option<Id>, pseq: Option<u64>) -> Option<Box<ProducerSeq>> {
    pid.zip(pseq).map(|(pid, pseq)| Box::new(ProducerSeq { pid, pseq }))
}

impl MessageFields<'_> {
    pub(super) fn message(self, names: &mut Interner) -> Message {
        let meta = match (self.id, self.epoch, self.seq) {
            (Some(id), Some(epoch), Some(seq)) => {
                let origin = origin(self.pid, self.pseq);
                Some(Box::new(EntryMeta {
                    id,
                    epoch,
                    seq,
                    replay: self.replay.unwrap_or(false),
                    producer: origin,
                }))
            }
            _ => None,
        };
        let (room, user) = (names.get(&self.room_id), names.get(&self.user_id));
        Message::plain(room, user, self.content, self.timestamp).with_data(raw(self.data)).with_entry(meta)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoomUserFields<'a> {
    #[serde(borrow, deserialize_with = "text_or_integer")]
    pub(super) room_id: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text_or_integer")]
    pub(super) user_id: Cow<'a, str>,
}

/// Maximum characters of a server's own code.
const MAX_CODE_CHARS: usize = 64;

/// A code, and how it is written where the contract has none such.
struct WrittenCode {
    code: Code,
    own: ServerCode,
}

impl<'de> Deserialize<'de> for WrittenCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer).map(|text| Self::read(&text))
    }
}

impl WrittenCode {
    fn read(text: &str) -> Self {
        let code = Code::from_wire(text);
        let is_own = code == Code::Other && text != code.as_str() && !text.trim().is_empty();
        Self { code, own: is_own.then(|| text.chars().take(MAX_CODE_CHARS).collect::<String>().into()) }
    }
}

impl OptionalField for WrittenCode {
    fn text(text: &str) -> Option<Self> {
        Some(Self::read(text))
    }
}

/// The message of a refusal for a reason of the server's own, which they begin with.
fn with_own(own: &str, words: &str) -> String {
    if words.is_empty() { own.into() } else { alloc::format!("{own}: {words}") }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NackFields {
    #[serde(rename = "ref", default)]
    reference: Option<Id>,
    code: WrittenCode,
    #[serde(default, deserialize_with = "or_default")]
    retry: bool,
    #[serde(default)]
    retry_after_ms: Option<u64>,
    #[serde(default)]
    expected: Option<u64>,
    #[serde(default, deserialize_with = "or_default")]
    dup: bool,
    #[serde(default, deserialize_with = "or_default")]
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LeftFields {
    #[serde(rename = "ref", default)]
    reference: Option<Id>,
    room_id: Name,
    #[serde(default)]
    code: Option<WrittenCode>,
}

impl LeftFields {
    pub(super) fn left(self) -> Left {
        let Self { reference, room_id: room, code } = self;
        let (code, server_code) = code.map_or((None, None), |code| (Some(code.code), code.own));
        Left { reference, room, code, server_code }
    }
}

impl NackFields {
    pub(super) fn nack(self) -> Nack {
        let Self {
            reference,
            code: WrittenCode { code, own },
            retry,
            retry_after_ms,
            expected,
            dup,
            message,
        } = self;
        let message = own.as_deref().map_or(message.clone(), |own| with_own(own, &message));
        Nack { reference, code, retry, retry_after_ms, expected, dup, message, server_code: own }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorFields {
    #[serde(default)]
    message: Option<String>,
    /// Where servers of other makes have the message.
    #[serde(default, deserialize_with = "lenient")]
    error: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    reason: Option<String>,
    #[serde(rename = "ref", default, deserialize_with = "lenient")]
    reference: Option<Id>,
    #[serde(default, deserialize_with = "lenient")]
    room_id: Option<Name>,
    #[serde(default, deserialize_with = "lenient")]
    code: Option<WrittenCode>,
    #[serde(default, deserialize_with = "lenient")]
    retry: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    retry_after_ms: Option<u64>,
}

impl ErrorFields {
    /// The message; `None` where there is none in any place.
    pub(super) fn take_message(&mut self) -> Option<String> {
        self.message.take().or_else(|| self.error.take()).or_else(|| self.reason.take())
    }

    /// The code and what belongs to it; a code of the server's own is put before the message.
    pub(super) fn refusal(&mut self, message: &mut String) -> Option<Box<ErrorDetail>> {
        let WrittenCode { code, own } = self.code.take()?;
        if let Some(own) = &own {
            *message = with_own(own, message);
        }
        Some(Box::new(ErrorDetail {
            reference: self.reference.take(),
            room: self.room_id.take(),
            code,
            retry: self.retry.unwrap_or(false),
            retry_after_ms: self.retry_after_ms,
            server_code: own,
        }))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AckFields<'a> {
    #[serde(rename = "ref")]
    reference: Id,
    #[serde(borrow)]
    room_id: Cow<'a, str>,
    id: Id,
    epoch: Id,
    #[serde(deserialize_with = "int")]
    seq: u64,
    #[serde(default)]
    timestamp: Option<Box<str>>,
    #[serde(default, deserialize_with = "or_default")]
    dup: bool,
}

impl AckFields<'_> {
    pub(super) fn ack(self, names: &mut Interner) -> Ack {
        Ack {
            reference: self.reference,
            room: names.get(&self.room_id),
            id: self.id,
            epoch: self.epoch,
            seq: self.seq,
            timestamp: self.timestamp,
            dup: self.dup,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HistoryFields<'a> {
    #[serde(rename = "ref")]
    reference: Id,
    #[serde(borrow)]
    room_id: Cow<'a, str>,
    epoch: Id,
    #[serde(borrow)]
    messages: Vec<MessageFields<'a>>,
    complete: bool,
}

impl HistoryFields<'_> {
    pub(super) fn history(self, names: &mut Interner) -> History {
        History {
            reference: self.reference,
            room: names.get(&self.room_id),
            epoch: self.epoch,
            messages: self.messages.into_iter().map(|fields| fields.message(names)).collect(),
            complete: self.complete,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignalFields<'a> {
    #[serde(borrow)]
    room_id: Cow<'a, str>,
    #[serde(borrow)]
    user_id: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

impl SignalFields<'_> {
    pub(super) fn signal(self, names: &mut Interner) -> Signal {
        Signal {
            room: names.get(&self.room_id),
            user: names.get(&self.user_id),
            kind: names.get(&self.kind),
            data: raw(self.data),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct NotificationFields<'a> {
    id: Id,
    epoch: Id,
    #[serde(deserialize_with = "int")]
    seq: u64,
    #[serde(default, deserialize_with = "or_default")]
    replay: bool,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

impl NotificationFields<'_> {
    pub(super) fn notification(self, names: &mut Interner) -> Notification {
        let (id, epoch, seq) = (self.id, self.epoch, self.seq);
        Notification {
            entry: Some(EntryMeta { id, epoch, seq, replay: self.replay, producer: None }),
            kind: names.get(&self.kind),
            data: raw(self.data),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct JoinFields<'a> {
    #[serde(borrow)]
    pub(super) room_id: Cow<'a, str>,
    #[serde(rename = "ref", default, deserialize_with = "lenient")]
    pub(super) reference: Option<Id>,
    #[serde(borrow, default)]
    since: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    history: Option<u64>,
}

impl JoinFields<'_> {
    /// A `since` or `history` without a `ref` requests an answer that cannot be told apart: it is ignored.
    pub(super) fn request(self) -> Option<JoinRequest> {
        let since = self.since.and_then(|since| serde_json::from_str(since.get()).ok());
        let history = self.history;
        self.reference.map(|reference| JoinRequest { reference, since, history })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LeaveFields<'a> {
    #[serde(borrow)]
    pub(super) room_id: Cow<'a, str>,
    #[serde(rename = "ref", default, deserialize_with = "lenient")]
    pub(super) reference: Option<Id>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SendFields<'a> {
    #[serde(borrow)]
    pub(super) room_id: Cow<'a, str>,
    pub(super) content: String,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(rename = "ref", default, deserialize_with = "lenient")]
    reference: Option<Id>,
    #[serde(default, deserialize_with = "lenient")]
    pid: Option<Id>,
    #[serde(default, deserialize_with = "lenient")]
    pseq: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    epoch: Option<Id>,
}

impl SendFields<'_> {
    pub(super) fn data(&self) -> Option<String> {
        raw(self.data)
    }

    pub(super) fn tag(&mut self) -> Option<Box<SendTag>> {
        let reference = self.reference.take()?;
        let line = match (self.pid.take(), self.pseq, self.epoch.take()) {
            (None, None, None) => None,
            (Some(pid), Some(pseq), Some(epoch)) => Some(ProducerTag { pid, pseq, epoch }),
            (pid, _, epoch) => {
                let nobody = || Id::numbered('x', 0, None);
                let (pid, epoch) = (pid.unwrap_or_else(nobody), epoch.unwrap_or_else(nobody));
                Some(ProducerTag { pid, pseq: 0, epoch })
            }
        };
        Some(Box::new(SendTag { reference, producer: line }))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoomFields<'a> {
    #[serde(borrow)]
    pub(super) room_id: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClientSignalFields<'a> {
    #[serde(borrow)]
    pub(super) room_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

impl ClientSignalFields<'_> {
    pub(super) fn data(&self) -> Option<String> {
        raw(self.data)
    }
}

/// What a frame says of itself even where it cannot be read as what its type promises.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EnvelopeFields {
    #[serde(rename = "ref", default, deserialize_with = "lenient")]
    reference: Option<Id>,
    #[serde(default, deserialize_with = "lenient")]
    room_id: Option<Name>,
}

/// The `ref` and the room of a frame that is malformed otherwise, for the refusal.
pub fn envelope(text: &str) -> (Option<Ref>, Option<Name>) {
    let EnvelopeFields { reference, room_id } = serde_json::from_str(text).unwrap_or_default();
    (reference, room_id)
}

#[derive(Deserialize)]
pub(super) struct PingFields {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) t: u64,
}

/// Without its `t` it answers nothing: it is a frame of the application's that is called so.
#[derive(Deserialize)]
pub(super) struct PongFields {
    pub(super) t: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExpiringFields {
    #[serde(deserialize_with = "int")]
    pub(super) in_ms: u64,
}

#[derive(Deserialize)]
pub(super) struct AuthFields<'a> {
    #[serde(rename = "ref")]
    pub(super) reference: Id,
    #[serde(borrow)]
    pub(super) token: Cow<'a, str>,
}

/// Every field of the frames written by hand; absent where it does not apply.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Out<'a> {
    pub(super) r#type: &'static str,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<&'a Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) room_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timestamp: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<&'a Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) history: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) epoch: Option<&'a Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) replay: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pid: Option<&'a Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pseq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dup: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) t: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) in_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) messages: Option<Vec<Self>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) complete: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<&'a str>,
}

impl<'a> Out<'a> {
    pub(super) fn new(r#type: &'static str) -> Self {
        Self { r#type, ..Self::default() }
    }

    pub(super) fn room(r#type: &'static str, room: &'a Name) -> Self {
        Self { room_id: Some(room), ..Self::new(r#type) }
    }

    pub(super) fn stamped(mut self, meta: Option<&'a EntryMeta>) -> Self {
        if let Some(meta) = meta {
            self.id = Some(&meta.id);
            self.epoch = Some(&meta.epoch);
            self.seq = Some(meta.seq);
            self.replay = meta.replay.then_some(true);
            if let Some(origin) = &meta.producer {
                self.pid = Some(&origin.pid);
                self.pseq = Some(origin.pseq);
            }
        }
        self
    }

    pub(super) fn message(message: &'a Message) -> Self {
        Self {
            user_id: Some(&message.user),
            content: Some(&message.content),
            timestamp: Some(&message.timestamp),
            data: as_raw(message.data.as_ref()),
            ..Self::room("message", &message.room)
        }
        .stamped(message.entry.as_deref())
    }
}
