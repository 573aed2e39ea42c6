//! The type of names in a Socket.IO session.

use crate::handles::{Handle, HasHandle, Value};
use core::cmp::Ordering;

/// Joined rooms have permanent handles in the page's table. Other names of a server live no longer than the packet that
/// contains them: such a name is the packet's handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A room; 0 for one that was not joined.
    Room(Handle),
    /// A name inside this packet.
    Within(Value),
    /// The notification stream, which is not in the table.
    Personal,
}

/// The handle of [`Name::Personal`] in the page: above every handle of its table.
const PERSONAL: Handle = Handle::MAX;

/// The room of an event of the application's own: the page's table has no name with this handle.
#[cfg(feature = "socketio-frames")]
pub(super) const NO_ROOM: Name = Name::Room(0);

impl Name {
    fn place(&self) -> (bool, Handle) {
        (matches!(self, Self::Within(_)), self.number())
    }
}

impl HasHandle for Name {
    fn number(&self) -> Handle {
        match self {
            Self::Room(room) => *room,
            Self::Within(packet) => packet.handle(),
            Self::Personal => PERSONAL,
        }
    }
}

impl From<Handle> for Name {
    fn from(room: Handle) -> Self {
        Self::Room(room)
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
