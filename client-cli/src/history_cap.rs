//! Detects that a server replayed less history than was requested although there was more.

use crate::render::plain_name;
use rejoin::messages::JoinReason;
use rejoin::{Event, Name};
use std::collections::BTreeMap;

/// What `--history` asked for, and the rooms whose first replayed message has not come yet.
#[derive(Debug, Default)]
pub(crate) struct HistoryCap {
    asked: u64,
    replaying: BTreeMap<Name, u64>,
}

impl HistoryCap {
    pub(crate) fn new(asked: Option<u64>) -> Self {
        Self { asked: asked.unwrap_or(0), replaying: BTreeMap::new() }
    }

    /// What is to be said of an event.
    pub(crate) fn of(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::Joined(joined) if joined.reason == Some(JoinReason::Fresh) => {
                if (1..self.asked).contains(&joined.replayed) {
                    self.replaying.insert(joined.room.clone(), joined.replayed);
                }
                None
            }
            Event::Message(message) => {
                let replayed = self.replaying.remove(&message.room)?;
                // The first one of all has nothing before it.
                let seq = message.entry.as_ref().filter(|stamp| stamp.replay)?.seq;
                (seq > 1).then(|| {
                    let (asked, room) = (self.asked, plain_name(&message.room));
                    format!(
                        "{replayed} of {asked} messages of {room}: the server has no more, or replays no more at once"
                    )
                })
            }
            _ => None,
        }
    }
}
