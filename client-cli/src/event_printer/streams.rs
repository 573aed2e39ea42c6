//! Prints the events of a room's event stream. Reads nothing from the network.

use super::EventPrinter;
use crate::render::plain_name;
use crate::sanitise;
use rejoin::{Event, FeedEvent, Name, RoomChange, RoomState, State, Timestamp};

/// The name of a stream's event to which its server gives none.
const UNNAMED: &str = "message";

impl EventPrinter {
    /// Tells what happened to the stream of a room; at `at`, the stream's clock.
    pub(crate) fn feed_event(&mut self, room: &Name, event: FeedEvent, at: Timestamp) {
        let event = match event {
            FeedEvent::Message(message) => Event::Message(message),
            FeedEvent::Gap(gap) => Event::Gap(gap),
            FeedEvent::Malformed { error } => Event::Malformed { error, count: 1, raw: Box::default() },
            // Some servers keep a stream open with it.
            FeedEvent::Event { name, data, .. } if data.is_empty() && *name == *UNNAMED => return,
            FeedEvent::Event { name, data, .. } => {
                let data = sanitise::content(&data).join("\n");
                let text =
                    if *name == *UNNAMED { data } else { format!("{}: {data}", sanitise::line(&name)) };
                return self.notice(&(self.whose(room) + &text));
            }
            FeedEvent::State(change) if change.state == State::Connected => {
                Event::Room(RoomChange::new(room.clone(), RoomState::Joined))
            }
            FeedEvent::State(change) => {
                self.rooms.change(room, RoomState::Joining);
                self.told_gap = None;
                let whose = self.whose(room);
                return self.connection_trouble(&change, &whose, at);
            }
            _ => return,
        };
        self.event(&event, at);
    }

    /// Of several rooms each has a stream of its own: the beginning of a line that is about one of them.
    fn whose(&self, room: &Name) -> String {
        if self.rooms.list().nth(1).is_some() { plain_name(room) + ": " } else { String::new() }
    }
}
