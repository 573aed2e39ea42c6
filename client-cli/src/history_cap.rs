//! Detects that a server replayed less history than was requested, or none, although there was more.

use crate::render::plain_name;
use rejoin::messages::JoinReason;
use rejoin::{Event, Mode, Name};
use std::collections::BTreeMap;

/// What `--history` asked for, and the rooms whose first replayed message has not come yet.
#[derive(Debug, Default)]
pub(crate) struct HistoryCap {
    asked: u64,
    replaying: BTreeMap<Name, u64>,
    /// It has been said that there is no history at all.
    is_told: bool,
}

impl HistoryCap {
    pub(crate) fn new(asked: Option<u64>) -> Self {
        Self { asked: asked.unwrap_or(0), replaying: BTreeMap::new(), is_told: false }
    }

    /// What is to be said of an event.
    pub(crate) fn of(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::Joined(joined) if joined.reason == Some(JoinReason::Fresh) => {
                if (1..self.asked).contains(&joined.replayed) {
                    self.replaying.insert(joined.room.clone(), joined.replayed);
                }
                let is_withheld = self.asked > 0 && joined.replayed == 0 && joined.head > Some(0);
                is_withheld.then(|| {
                    let room = plain_name(&joined.room);
                    format!(
                        "no earlier messages of {room}: the server keeps none, or this token has no right to its history"
                    )
                })
            }
            Event::Mode(Mode::Plain) if self.asked > 0 && !std::mem::replace(&mut self.is_told, true) => {
                Some("no earlier messages: a plain server keeps none to ask for".to_owned())
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
