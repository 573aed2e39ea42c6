//! What the machine takes for a name.

use crate::value::{Handle, Numbered, Value};
use core::cmp::Ordering;

/// Rooms have numbers in the page's table for good, and only those that somebody here has asked for. Whom and what a
/// server names beside them the page keeps no longer than the machine does: there it is the packet that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A room; 0 for one that nobody has asked for.
    Room(Handle),
    /// Who or what is in this packet.
    Within(Value),
    /// The stream of notifications, which is no room of the table.
    Personal,
}

/// What the page is given for [`Name::Personal`]: more than its table ever counts.
const PERSONAL: Handle = Handle::MAX;

impl Name {
    fn place(&self) -> (bool, Handle) {
        (matches!(self, Self::Within(_)), self.number())
    }
}

impl Numbered for Name {
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
