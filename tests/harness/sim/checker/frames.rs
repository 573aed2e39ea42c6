//! Checks that a plain connection carries plain frames only, field by field.

use super::{Checker, Words, key, place};
use serde_json::Value;

/// The frames of the base contract and their fields.
const DOWN: [(&str, &[&str]); 3] = [
    ("message", &["type", "roomId", "userId", "content", "timestamp"]),
    ("user_joined", &["type", "roomId", "userId"]),
    ("error", &["type", "message"]),
];
const UP: [&str; 3] = ["join_room", "leave_room", "send_message"];

impl Checker {
    /// A server sends this over a plain connection.
    pub fn plain_down(&mut self, text: &str) {
        let Ok(Value::Object(frame)) = serde_json::from_str(text) else {
            return self.violated(format!("2: {text} is no frame"));
        };
        if let (Some(room), Some(content)) = (frame.get("roomId"), frame.get("content"))
            && let (Some(room), Some(key)) = (room.as_str(), content.as_str().and_then(key))
        {
            self.broadcast(place(room, 0), key);
            let text = |field| frame.get(field).and_then(Value::as_str).unwrap_or("").to_owned();
            let user = text("userId").as_str().into();
            let words = Words { user, content: text("content"), data: None, timestamp: text("timestamp") };
            self.plain_words(key, words);
        }
        let kind = frame.get("type").and_then(Value::as_str).unwrap_or("");
        let Some((_, fields)) = DOWN.iter().find(|(known, _)| *known == kind) else {
            return self.violated(format!("2: a plain client is sent {kind}"));
        };
        if frame.len() != fields.len() || !fields.iter().all(|field| frame.contains_key(*field)) {
            self.violated(format!("2: a plain client is sent {text}"));
        }
    }

    /// A client that has not been greeted sends this. It may offer what plain servers ignore, but nothing that a
    /// server of the base contract would have to understand, and no producer.
    pub fn plain_up(&mut self, text: &str) {
        let Ok(Value::Object(frame)) = serde_json::from_str(text) else {
            return self.violated(format!("2.1: {text} is no frame"));
        };
        let kind = frame.get("type").and_then(Value::as_str).unwrap_or("");
        if !UP.contains(&kind) {
            self.violated(format!("2.1: a plain server is sent {kind}"));
        }
        if frame.contains_key("pid") || frame.contains_key("pseq") {
            self.violated("2.1: a plain server is sent a producer".to_owned());
        }
    }
}
