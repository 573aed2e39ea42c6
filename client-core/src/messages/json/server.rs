//! Server frames as JSON.

use super::frames::{
    AckFields, ErrorFields, ExpiringFields, HistoryFields, LeftFields, MessageFields, NackFields,
    NotificationFields, Out, PongFields, RoomUserFields, SignalFields, as_raw,
};
use super::interner::Interner;
use super::tagged::{TaggedEnum, decode, repairing};
use super::{DecodeError, Tagged, fast_path, write};
use crate::messages::{AuthOk, GoingAway, Hello, Joined, Presence, ServerMessage};
use alloc::boxed::Box;
use alloc::string::String;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

enum ServerFrame<'a> {
    Message(MessageFields<'a>),
    UserJoined(RoomUserFields<'a>),
    UserLeft(RoomUserFields<'a>),
    Error(ErrorFields, String),
    Ack(AckFields<'a>),
    History(HistoryFields<'a>),
    Signal(SignalFields<'a>),
    Notification(NotificationFields<'a>),
    Pong(PongFields),
    Expiring(ExpiringFields),
    /// Read as it is.
    Complete(ServerMessage),
}

impl<'de> TaggedEnum<'de> for ServerFrame<'de> {
    const KINDS: &'static [&'static str] = &[
        "message",
        "ack",
        "user_joined",
        "error",
        "user_left",
        "signal",
        "presence",
        "joined",
        "history",
        "nack",
        "pong",
        "hello",
        "left",
        "notification",
        "auth_expiring",
        "auth_ok",
        "going_away",
    ];

    fn fields<D: Deserializer<'de>>(kind: &'static str, rest: D) -> Result<Self, D::Error> {
        use ServerMessage as M;
        match kind {
            "message" => MessageFields::deserialize(rest).map(Self::Message),
            "ack" => AckFields::deserialize(rest).map(Self::Ack),
            "user_joined" => RoomUserFields::deserialize(rest).map(Self::UserJoined),
            "user_left" => RoomUserFields::deserialize(rest).map(Self::UserLeft),
            "signal" => SignalFields::deserialize(rest).map(Self::Signal),
            "history" => HistoryFields::deserialize(rest).map(Self::History),
            "notification" => NotificationFields::deserialize(rest).map(Self::Notification),
            "pong" => PongFields::deserialize(rest).map(Self::Pong),
            "auth_expiring" => ExpiringFields::deserialize(rest).map(Self::Expiring),
            "presence" => Presence::deserialize(rest).map(M::Presence).map(Self::Complete),
            "joined" => Joined::deserialize(rest).map(|it| Self::Complete(M::Joined(Box::new(it)))),
            "nack" => NackFields::deserialize(rest).map(|it| Self::Complete(M::Nack(Box::new(it.nack())))),
            "hello" => Hello::deserialize(rest).map(|it| Self::Complete(M::Hello(Box::new(it)))),
            "left" => LeftFields::deserialize(rest).map(|it| Self::Complete(M::Left(it.left()))),
            "auth_ok" => AuthOk::deserialize(rest).map(M::AuthOk).map(Self::Complete),
            "going_away" => GoingAway::deserialize(rest).map(|it| Self::Complete(M::GoingAway(Box::new(it)))),
            _ => {
                let mut fields = ErrorFields::deserialize(rest)?;
                let message = fields.take_message().ok_or_else(|| D::Error::missing_field("message"))?;
                Ok(Self::Error(fields, message))
            }
        }
    }

    fn unknown() -> Self {
        Self::Complete(ServerMessage::Unknown)
    }
}

/// Reads server frames; keeps the names it has seen, because the same few come again and again.
#[derive(Debug, Default)]
pub struct ServerDecoder {
    pub(super) names: Interner,
}

impl ServerDecoder {
    /// Reads one frame.
    ///
    /// # Errors
    /// When the text is not JSON, has no string `type`, or has a known type with a missing or mistyped field.
    /// Unknown types and unknown fields are no error.
    pub fn decode(&mut self, text: &str) -> Result<ServerMessage, DecodeError> {
        match fast_path::read(text, &mut self.names) {
            Some(message) => Ok(message),
            None => repairing(text, |text| read_by_library(text, &mut self.names)),
        }
    }

    /// Reads a frame whose type is said elsewhere, from its other fields.
    #[cfg(feature = "socketio")]
    pub(crate) fn decode_fields(&mut self, kind: &str, json: &str) -> Result<ServerMessage, DecodeError> {
        repairing(json, |json| Ok(typed(super::tagged::decode_fields(kind, json)?, &mut self.names)))
    }

    /// A name, shared with those that were read before.
    #[cfg(feature = "socketio")]
    pub(crate) fn name(&mut self, text: &str) -> crate::name::Name {
        self.names.get(text)
    }
}

pub(super) fn read_by_library(text: &str, names: &mut Interner) -> Result<ServerMessage, DecodeError> {
    decode(text).map(|frame| typed(frame, names))
}

#[cfg(feature = "native")]
pub(super) fn is_server_kind(kind: &str) -> bool {
    ServerFrame::known(kind).is_some()
}

fn typed(frame: ServerFrame<'_>, names: &mut Interner) -> ServerMessage {
    match frame {
        ServerFrame::Message(fields) => ServerMessage::Message(fields.message(names)),
        ServerFrame::UserJoined(fields) => {
            ServerMessage::UserJoined { room: names.get(&fields.room_id), user: names.get(&fields.user_id) }
        }
        ServerFrame::UserLeft(fields) => {
            ServerMessage::UserLeft { room: names.get(&fields.room_id), user: names.get(&fields.user_id) }
        }
        ServerFrame::Error(mut fields, mut message) => {
            let detail = fields.refusal(&mut message);
            ServerMessage::Error { message, detail }
        }
        ServerFrame::Ack(fields) => ServerMessage::Ack(fields.ack(names)),
        ServerFrame::History(fields) => ServerMessage::History(Box::new(fields.history(names))),
        ServerFrame::Signal(fields) => ServerMessage::Signal(Box::new(fields.signal(names))),
        ServerFrame::Notification(fields) => {
            ServerMessage::Notification(Box::new(fields.notification(names)))
        }
        ServerFrame::Pong(fields) => ServerMessage::Pong { t: fields.t },
        ServerFrame::Expiring(fields) => ServerMessage::AuthExpiring { in_ms: fields.in_ms },
        ServerFrame::Complete(message) => message,
    }
}

/// Writes one server frame; [`ServerMessage::Unknown`] has no text and gives `None`.
pub fn encode_server(message: &ServerMessage) -> Option<String> {
    use ServerMessage as M;
    let mut capacity = 96;
    let frame = match message {
        M::Message(message) => {
            capacity += 96 + message.room.len() + message.user.len() + message.content.len();
            capacity += message.data.as_ref().map_or(0, String::len);
            Out::message(message)
        }
        M::UserJoined { room, user } => Out { user_id: Some(user), ..Out::room("user_joined", room) },
        M::UserLeft { room, user } => Out { user_id: Some(user), ..Out::room("user_left", room) },
        M::Error { message, detail: None } => Out { message: Some(message), ..Out::new("error") },
        M::Error { message, detail: Some(refusal) } => Out {
            reference: refusal.reference.as_ref(),
            room_id: refusal.room.as_deref(),
            code: Some(refusal.code),
            retry: Some(refusal.retry),
            retry_after_ms: refusal.retry_after_ms,
            message: Some(message),
            ..Out::new("error")
        },
        M::Ack(ack) => Out {
            reference: Some(&ack.reference),
            id: Some(&ack.id),
            epoch: Some(&ack.epoch),
            seq: Some(ack.seq),
            timestamp: ack.timestamp.as_deref(),
            dup: ack.dup.then_some(true),
            ..Out::room("ack", &ack.room)
        },
        M::History(history) => Out {
            reference: Some(&history.reference),
            epoch: Some(&history.epoch),
            messages: Some(history.messages.iter().map(Out::message).collect()),
            complete: Some(history.complete),
            ..Out::room("history", &history.room)
        },
        M::Signal(signal) => Out {
            user_id: Some(&signal.user),
            kind: Some(&signal.kind),
            data: as_raw(signal.data.as_ref()),
            ..Out::room("signal", &signal.room)
        },
        M::Notification(notification) => Out {
            kind: Some(&notification.kind),
            data: as_raw(notification.data.as_ref()),
            ..Out::new("notification")
        }
        .stamped(notification.entry.as_ref()),
        M::Pong { t } => Out { t: Some(*t), ..Out::new("pong") },
        M::AuthExpiring { in_ms } => Out { in_ms: Some(*in_ms), ..Out::new("auth_expiring") },
        M::Hello(fields) => return Some(write(&Tagged { r#type: "hello", fields }, 512)),
        M::Joined(fields) => return Some(write(&Tagged { r#type: "joined", fields }, 256)),
        M::Left(fields) => return Some(write(&Tagged { r#type: "left", fields }, 96)),
        M::Nack(fields) => return Some(write(&Tagged { r#type: "nack", fields }, 160)),
        M::Presence(fields) => return Some(write(&Tagged { r#type: "presence", fields }, 256)),
        M::AuthOk(fields) => return Some(write(&Tagged { r#type: "auth_ok", fields }, 96)),
        M::GoingAway(fields) => return Some(write(&Tagged { r#type: "going_away", fields }, 96)),
        #[cfg(feature = "frames")]
        M::Custom(frame) => return frame.payload().cloned(),
        M::Unknown => return None,
    };
    Some(write(&frame, capacity))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::Code;
    use alloc::format;

    #[test]
    fn a_timestamp_may_be_a_number_or_missing() {
        let mut decoder = ServerDecoder::default();
        let mut timestamp = |fields: &str| {
            let frame = format!(r#"{{"type":"message","roomId":"r","content":"hi",{fields}}}"#);
            match decoder.decode(&frame)? {
                ServerMessage::Message(message) => Ok(message.timestamp),
                other => panic!("{other:?}"),
            }
        };
        for (fields, expected) in [
            (r#""userId":"u","timestamp":1795852800123"#, "2026-11-28T08:00:00.123Z"),
            (r#""timestamp":1795852800,"userId":"u""#, "2026-11-28T08:00:00.000Z"),
            (r#""userId":"u","timestamp":"noon""#, "noon"),
            (r#""userId":"u","timestamp":null"#, ""),
            (r#""userId":"u""#, ""),
        ] {
            assert_eq!(timestamp(fields), Ok(expected.into()), "{fields}");
        }
        for fields in
            [r#""userId":7.5,"timestamp":"T""#, r#""userId":"u","timestamp":{}"#, r#""timestamp":1"#]
        {
            let error = timestamp(fields);
            assert!(matches!(error, Err(DecodeError::Field { frame: "message", .. })), "{fields}: {error:?}");
        }
    }

    #[test]
    fn the_message_of_an_error_may_be_in_error_or_reason() {
        let mut decoder = ServerDecoder::default();
        let mut told = |fields: &str| match decoder.decode(&format!(r#"{{"type":"error",{fields}}}"#))? {
            ServerMessage::Error { message, .. } => Ok(message),
            other => panic!("{other:?}"),
        };
        for (fields, expected) in [
            (r#""message":"no""#, "no"),
            (r#""error":"no""#, "no"),
            (r#""reason":"no""#, "no"),
            (r#""message":"no","error":"Forbidden","reason":"x""#, "no"),
            (r#""error":{"a":1},"reason":"no""#, "no"),
            (r#""error":"no","code":"E42""#, "E42: no"),
        ] {
            assert_eq!(told(fields).as_deref(), Ok(expected), "{fields}");
        }
        for fields in [r#""text":"no""#, r#""message":7"#, r#""error":7"#] {
            assert!(matches!(told(fields), Err(DecodeError::Field { frame: "error", .. })), "{fields}");
        }
    }

    #[test]
    fn a_code_of_the_servers_own_is_told_with_its_words() {
        let long = "x".repeat(100);
        for (code, words, told) in [
            ("ROOM_FULL", "no more chairs", "ROOM_FULL: no more chairs"),
            ("E42", "", "E42"),
            (&*long, "", &long[..64]),
            ("other", "no", "no"),
            ("forbidden", "no", "no"),
        ] {
            let fields = format!(r#""ref":"s1","code":"{code}","message":"{words}""#);
            let mut decoder = ServerDecoder::default();
            let ServerMessage::Nack(nack) =
                decoder.decode(&format!(r#"{{"type":"nack",{fields}}}"#)).unwrap()
            else {
                panic!("no nack")
            };
            assert_eq!((nack.code, &*nack.message), (Code::from_wire(code), told));
            let own =
                (!["other", "forbidden"].contains(&code)).then(|| code.chars().take(64).collect::<String>());
            assert_eq!(nack.server_code.as_deref(), own.as_deref());
            let error = decoder.decode(&format!(r#"{{"type":"error",{fields}}}"#)).unwrap();
            let ServerMessage::Error { message, detail: Some(refusal) } = error else { panic!("no refusal") };
            assert_eq!((refusal.code, &*message), (Code::from_wire(code), told));
            assert_eq!(refusal.server_code.as_deref(), own.as_deref());
            let ServerMessage::Left(left) =
                decoder.decode(&format!(r#"{{"type":"left","roomId":"r","code":"{code}"}}"#)).unwrap()
            else {
                panic!("not left")
            };
            assert_eq!(
                (left.code, left.server_code.as_deref()),
                (Some(Code::from_wire(code)), own.as_deref())
            );
        }
    }
}
