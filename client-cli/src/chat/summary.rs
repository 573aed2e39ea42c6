//! The summary of rooms and connection for the status line. Draws nothing.

use super::controller::Controller;
use crate::describe;
use crate::editor::{RoomStatus, Status};
use crate::render::Layout;
use crate::rooms::{Occupants, Unread};
use tokio::time::Instant;

impl Controller {
    /// The status as it is now.
    pub(super) fn summary(&self) -> Status {
        let rooms = &self.printer.rooms;
        let current = rooms.current();
        let people = current.and_then(|room| match rooms.who_is_in(room) {
            Occupants::List(members) => u64::try_from(members.len()).ok(),
            Occupants::Count(count) => Some(count),
            Occupants::Unknown => None,
        });
        let list = rooms.list().map(|(room, _)| {
            let Unread { count, is_mentioned } = rooms.unread_in(room);
            RoomStatus {
                name: room.to_owned(),
                unread: count,
                is_mentioned,
                is_current: current == Some(room),
            }
        });
        Status {
            colour: matches!(self.printer.layout(), Layout::Columns { colour: true, .. }),
            state: describe::state(self.printer.state, self.printer.has_connected),
            rooms: list.collect(),
            people,
            round_trip: self.client().rtt(),
            typing: current.map(|room| self.typing.names(Instant::now(), room)).unwrap_or_default(),
        }
    }
}
