//! The fields of events. Ids and timestamps may be numbers, and the timestamp may be missing, as in plain frames.

use crate::messages::Message;
use crate::messages::json::{IdText, ServerDecoder, timestamp};
use alloc::borrow::ToOwned as _;
use alloc::string::String;
use serde::Deserialize;
use serde_json::value::RawValue;

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
