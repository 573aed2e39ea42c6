//! Parses a message's data into the application's type, and serialises a message. Does not write the frames of the
//! wire.

use crate::messages::{Message, Notification, Signal};
use alloc::string::String;
use serde::de::DeserializeOwned;
use serde::ser::{Error as _, SerializeStruct as _};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

fn read<T: DeserializeOwned>(data: Option<&String>) -> Result<Option<T>, serde_json::Error> {
    data.map(|data| serde_json::from_str(data)).transpose()
}

macro_rules! data_as {
    ($of:ident) => {
        impl<N> $of<String, N> {
            /// The data as a type of the application's; `None` where there is no data.
            ///
            /// # Errors
            /// When the data has another shape.
            pub fn data_as<T: DeserializeOwned>(&self) -> Result<Option<T>, serde_json::Error> {
                read(self.data.as_ref())
            }
        }
    };
}

data_as!(Message);
data_as!(Notification);
data_as!(Signal);

/// Under the names of the wire, without the frame's `type`: `roomId`, `userId`, `content`, `timestamp`, and on an extended
/// connection `data`, `id`, `epoch`, `seq`.
impl<N: Serialize> Serialize for Message<String, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = 4 + usize::from(self.data.is_some()) + if self.entry.is_some() { 3 } else { 0 };
        let mut message = serializer.serialize_struct("Message", fields)?;
        message.serialize_field("roomId", &self.room)?;
        message.serialize_field("userId", &self.user)?;
        message.serialize_field("content", &self.content)?;
        message.serialize_field("timestamp", &self.timestamp)?;
        if let Some(data) = &self.data {
            let data: &RawValue = serde_json::from_str(data).map_err(S::Error::custom)?;
            message.serialize_field("data", data)?;
        }
        if let Some(meta) = &self.entry {
            message.serialize_field("id", &meta.id)?;
            message.serialize_field("epoch", &meta.epoch)?;
            message.serialize_field("seq", &meta.seq)?;
        }
        message.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::ServerMessage;
    use crate::messages::json::ServerDecoder;
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    #[test]
    fn a_message_is_written_as_it_came_and_its_data_is_read_into_a_type() {
        let fields = r#"{"roomId":"r","userId":"u","content":"c","timestamp":"t","data":{"n":1},"id":"i","epoch":"e","seq":7}"#;
        let frame = fields.replacen('{', r#"{"type":"message","#, 1);
        let Ok(ServerMessage::Message(message)) = ServerDecoder::default().decode(&frame) else {
            panic!("{frame}")
        };
        assert_eq!(serde_json::to_string(&message).unwrap(), fields);
        assert_eq!(message.data_as::<BTreeMap<String, u32>>().unwrap().unwrap()["n"], 1);
        assert!(message.data_as::<Vec<u32>>().is_err());
        let plain = Message::plain("r", "u", String::from("c"), String::from("t"));
        assert_eq!(
            serde_json::to_string(&plain).unwrap(),
            r#"{"roomId":"r","userId":"u","content":"c","timestamp":"t"}"#
        );
        assert_eq!(plain.data_as::<u32>().unwrap(), None);
    }
}
