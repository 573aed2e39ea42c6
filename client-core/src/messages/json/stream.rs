//! The data of server-sent events (protocol.md §4): messages, whose type may be in the event's name, and gaps. Decides
//! whether they are of this contract: the same names are used by others.

use super::DecodeError;
use super::frames::MessageFields;
use super::optional::lenient;
use super::server::ServerDecoder;
use super::tagged::repairing;
use crate::id::Id;
use crate::messages::bounded;
use crate::messages::{Gap, GapReason};
use crate::messages::{Message, ServerMessage};
use crate::name::Name;
use alloc::string::ToString as _;
use serde::Deserialize;

#[derive(Deserialize, Default)]
struct GapFields {
    #[serde(default, deserialize_with = "lenient")]
    #[serde(rename = "roomId")]
    room: Option<Name>,
    #[serde(default, deserialize_with = "lenient")]
    epoch: Option<Id>,
    #[serde(default, deserialize_with = "lenient")]
    after: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    before: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    reason: Option<GapReason>,
}

impl ServerDecoder {
    /// Reads a message; `None` for any other frame. One without a `type` is a message too: its event has announced it.
    ///
    /// # Errors
    /// When the text is not JSON, or no message.
    pub fn decode_message(&mut self, text: &str) -> Result<Option<Message>, DecodeError> {
        match self.decode(text) {
            Ok(ServerMessage::Message(message)) => Ok(Some(message)),
            Ok(_) => Ok(None),
            Err(DecodeError::NoType) => {
                repairing(text, |text| match serde_json::from_str::<MessageFields<'_>>(text) {
                    Ok(fields) => Ok(Some(fields.message(&mut self.names))),
                    Err(error) => {
                        Err(DecodeError::Field { frame: "message", detail: bounded(&error.to_string()) })
                    }
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Reads a gap in `room`; `None` if it does not say of a room that something is missing there: an event of the same
    /// name of another make.
    pub fn decode_gap(&mut self, room: Name, text: &str) -> Option<Gap> {
        let GapFields { room: named, epoch, after, before, reason } =
            serde_json::from_str(text).unwrap_or_default();
        named.and(reason).map(|reason| Gap { room, epoch, after, before, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = r#""roomId":"r","userId":"u","content":"hi","timestamp":"2026-01-01T00:00:00.000Z""#;

    #[test]
    fn a_message_is_one_with_its_type_and_without_it() {
        for text in [format!(r#"{{"type":"message",{PLAIN}}}"#), format!("{{{PLAIN}}}")] {
            let message = ServerDecoder::default().decode_message(&text).unwrap().unwrap();
            assert_eq!((&*message.room, &*message.user, &*message.content), ("r", "u", "hi"));
        }
        let mut decoder = ServerDecoder::default();
        let other = format!(r#"{{"type":"user_joined",{PLAIN}}}"#);
        assert_eq!(decoder.decode_message(&other), Ok(None));
        for text in ["{}", "[]", "hello", "", r#"{"roomId":1}"#] {
            assert!(decoder.decode_message(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_gap_says_what_it_knows_and_names_a_room_and_a_reason() {
        let mut decoder = ServerDecoder::default();
        let text = r#"{"roomId":"x","epoch":"e","after":3,"before":9,"reason":"trimmed"}"#;
        let gap = decoder.decode_gap("r".into(), text).unwrap();
        assert_eq!((&*gap.room, gap.after, gap.before), ("r", Some(3), Some(9)));
        assert_eq!((gap.epoch, gap.reason), (Id::new("e").ok(), GapReason::Trimmed));
        let text = r#"{"roomId":"x","epoch":"not an id","after":"3","before":-1,"reason":"another"}"#;
        let gap = decoder.decode_gap("r".into(), text);
        assert_eq!(gap, Some(Gap::unknown("r".into(), GapReason::Unavailable)));
        for text in
            ["", "[1]", "mind it", r#"{"road":"A7"}"#, r#"{"reason":"x"}"#, r#"{"roomId":"r","reason":7}"#]
        {
            assert_eq!(decoder.decode_gap("r".into(), text), None, "{text}");
        }
    }
}
