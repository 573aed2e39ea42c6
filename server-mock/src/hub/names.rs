//! Names of rooms in the hub and on the wire. A personal stream is called `@me` by its user, and `@` and the user's name
//! in the hub.

use rejoin::{Name, RoomNameError, check_room_name};
use std::ops::Bound;

/// The name by which every user joins the own personal stream (protocol.md §2.2).
pub(crate) const PERSONAL_ROOM: &str = "@me";

/// A room's name in the hub for the one that a user's frame has.
pub(super) fn resolve_room(user: &Name, name: Name) -> Result<Name, RoomNameError> {
    if &*name == PERSONAL_ROOM {
        return Ok(stream_of(user));
    }
    check_room_name(&name).map(|()| name)
}

/// The name in the hub of a user's personal stream.
pub(crate) fn stream_of(user: &Name) -> Name {
    Name::from(format!("@{user}"))
}

/// Whether the name in the hub is that of a personal stream.
pub(super) fn is_stream(room: &Name) -> bool {
    room.starts_with('@')
}

/// A room's name on the wire for the one in the hub.
pub(super) fn wire_name(room: &Name) -> Name {
    if is_stream(room) { Name::from(PERSONAL_ROOM) } else { room.clone() }
}

pub(super) fn describe_room_name_error(error: RoomNameError) -> &'static str {
    match error {
        RoomNameError::Empty => "roomId is empty",
        RoomNameError::TooLong => "roomId is longer than 128 characters",
        RoomNameError::Invisible => "roomId has control, bidirectional or zero-width characters",
        RoomNameError::Reserved => "roomId starts with the reserved @",
        _ => "roomId is not a room name",
    }
}

/// Where a page of names in alphabetical order begins that follows this one.
pub(super) fn beyond(after: Option<&str>) -> Bound<&str> {
    after.map_or(Bound::Unbounded, Bound::Excluded)
}
