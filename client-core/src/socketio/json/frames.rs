//! The fields of events, tolerant of the servers in use: ids and timestamps may be numbers, the timestamp may be
//! missing.

use crate::messages::Message;
use crate::messages::json::{ServerDecoder, is_number, timestamp};
use alloc::borrow::{Cow, ToOwned as _};
use alloc::string::String;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Most digits of a number that is an id.
const LONGEST_NUMBER: usize = 64;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageFields<'a> {
    #[serde(borrow)]
    room_id: IdText<'a>,
    #[serde(borrow)]
    user_id: IdText<'a>,
    content: String,
    #[serde(borrow, default)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

impl MessageFields<'_> {
    pub(super) fn message(self, names: &mut ServerDecoder) -> Result<Message, serde_json::Error> {
        let timestamp = self.timestamp.map_or(Ok(String::new()), timestamp)?;
        let (room, user) = (names.name(&self.room_id.0), names.name(&self.user_id.0));
        let data = self.data.map(|data| data.get().to_owned());
        Ok(Message { data, ..Message::plain(room, user, self.content, timestamp) })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserJoinedFields<'a> {
    #[serde(borrow)]
    pub(super) room_id: IdText<'a>,
    #[serde(borrow)]
    pub(super) user_id: IdText<'a>,
}

/// The name of a room or a user: a text, or a number digit by digit.
pub(super) struct IdText<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for IdText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?.get();
        if is_number(json) && json.len() <= LONGEST_NUMBER {
            return Ok(Self(Cow::Borrowed(json)));
        }
        serde_json::from_str(json).map(|Text(text)| Self(text)).map_err(D::Error::custom)
    }
}

/// A text that is borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn an_id_may_be_a_number_of_any_size_up_to_a_bound() {
        let id = |json: &str| serde_json::from_str::<IdText<'_>>(json).map(|IdText(id)| id.to_string()).ok();
        assert_eq!(id("\"a\\n\""), Some("a\n".to_owned()));
        assert_eq!(id("9007199254740993"), Some("9007199254740993".to_owned()));
        assert_eq!(id("-7"), Some("-7".to_owned()));
        assert_eq!(id(&"9".repeat(65)), None);
        for json in ["null", "true", "{}", "[]"] {
            assert_eq!(id(json), None, "{json}");
        }
    }
}
