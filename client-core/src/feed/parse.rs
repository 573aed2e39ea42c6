//! Parses the items of an event stream with `serde_json`.

use super::{FeedItem, StreamEvent, StreamItem};
use crate::messages::json::ServerDecoder;
use crate::name::Name;
use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use core::time::Duration;

impl FeedItem {
    /// Reads an item of a stream of `room`. An event is a message or a gap when its data is one of the contract; any
    /// other event is reported as it is.
    pub fn read(item: StreamItem, room: &Name, decoder: &mut ServerDecoder) -> Self {
        let event = match item {
            StreamItem::Event(event) => event,
            StreamItem::Id(id) => return Self::Id(id.into()),
            StreamItem::Retry(millis) => return Self::Retry(Duration::from_millis(millis)),
            StreamItem::TooLarge => {
                return Self::Oversized { error: "an event is larger than the limit".into() };
            }
        };
        let StreamEvent { kind, data, id } = event;
        let id = id.map(String::into_boxed_str);
        let error = match &*kind {
            "gap" => match decoder.decode_gap(room.clone(), &data) {
                Some(gap) => return Self::Gap { id, gap },
                None => Some(Box::from("a gap without `roomId` and `reason`")),
            },
            "message" => match decoder.decode_message(&data) {
                Ok(Some(message)) => return Self::Message { id, message },
                Ok(None) => None,
                Err(error) => Some(Box::from(error.to_string())),
            },
            _ => None,
        };
        Self::Event { id, name: kind.into(), data, error }
    }
}
