//! From what a stream holds to what it means, for drivers that have `serde_json`.

use super::{Arrival, StreamItem};
use crate::messages::json::ServerDecoder;
use crate::name::Name;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::time::Duration;

impl Arrival {
    /// Reads an item of a stream of `room`.
    pub fn read(item: StreamItem, room: &Name, decoder: &mut ServerDecoder) -> Self {
        let event = match item {
            StreamItem::Event(event) => event,
            StreamItem::Id(id) => return Self::Other { id: Some(id.into()) },
            StreamItem::Retry(millis) => return Self::Retry(Duration::from_millis(millis)),
            StreamItem::TooLarge => {
                let error = "an event is larger than the limit".into();
                return Self::Unreadable { id: None, error };
            }
        };
        let id = event.id.map(String::into_boxed_str);
        match &*event.kind {
            "gap" => Self::Gap { id, gap: decoder.decode_gap(room.clone(), &event.data) },
            "message" => match decoder.decode_message(&event.data) {
                Ok(Some(message)) => Self::Message { id, message },
                Ok(None) => Self::Other { id },
                Err(error) => Self::Unreadable { id, error: Box::from(error.to_string()) },
            },
            _ => Self::Other { id },
        }
    }
}
