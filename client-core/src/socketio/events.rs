//! The names of the contract's events on a given server.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// An event of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// Up: become a member of a room.
    JoinRoom,
    /// Up: leave it.
    LeaveRoom,
    /// Up: say something in it.
    SendMessage,
    /// Down: somebody said something.
    Message,
    /// Down: somebody joined.
    UserJoined,
    /// Down: something went wrong.
    Error,
    /// Down: something for this user alone.
    Notification,
}

impl EventKind {
    const ALL: [(Self, &'static str); 7] = [
        (Self::JoinRoom, "join_room"),
        (Self::LeaveRoom, "leave_room"),
        (Self::SendMessage, "send_message"),
        (Self::Message, "message"),
        (Self::UserJoined, "user_joined"),
        (Self::Error, "error"),
        (Self::Notification, "notification"),
    ];

    /// Its name in the contract.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    fn is_up(self) -> bool {
        matches!(self, Self::JoinRoom | Self::LeaveRoom | Self::SendMessage)
    }
}

/// Names that no event may have: the libraries keep them for themselves, and end the connection of a peer that uses one.
pub const RESERVED_EVENTS: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];
/// Most names of one map.
const MAX_NAME_CHARS: usize = 64;

/// Why an event cannot be called so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventMapError {
    /// The left side is no event of the contract.
    #[error(
        "\"{0}\" is no event: there are join_room, leave_room, send_message, message, user_joined, error and \
         notification"
    )]
    Unknown(Box<str>),
    /// Socket.IO keeps the name for itself, or it is empty.
    #[error("no event can be called \"{0}\" in Socket.IO: choose the name that the server's code uses")]
    Reserved(Box<str>),
    /// The server's name stands for another event already.
    #[error("\"{0}\" stands for two events: name it once")]
    Twice(Box<str>),
    /// More than 64.
    #[error("more than 64 events are renamed: leave some out")]
    TooMany,
}

/// What the server calls the events of the contract. By default: as the contract does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventMap {
    names: Vec<(EventKind, Box<str>)>,
}

impl EventMap {
    /// The server calls the contract's `name` so: `("message", "chat:message")`. What comes down may have several
    /// names, and each event that is no room's business can be a notification: `("notification", "order_shipped")`.
    ///
    /// # Errors
    /// When there is no such event, or none can be called that.
    pub fn set(&mut self, name: &str, called: &str) -> Result<(), EventMapError> {
        let known = EventKind::ALL.iter().find(|(_, known)| *known == name);
        let &(kind, _) = known.ok_or_else(|| EventMapError::Unknown(shortened(name)))?;
        if called.is_empty() || RESERVED_EVENTS.contains(&called) {
            return Err(EventMapError::Reserved(shortened(called)));
        }
        if kind.is_up() {
            self.names.retain(|(known, _)| *known != kind);
        } else if self.names.iter().any(|(known, taken)| !known.is_up() && **taken == *called) {
            return Err(EventMapError::Twice(shortened(called)));
        }
        if self.names.len() >= MAX_NAME_CHARS {
            return Err(EventMapError::TooMany);
        }
        self.names.push((kind, called.into()));
        Ok(())
    }

    /// Whether an event has been given a name.
    pub fn has_name(&self, kind: EventKind) -> bool {
        self.names.iter().any(|(known, _)| *known == kind)
    }

    /// What an event that goes up is called.
    pub fn name(&self, kind: EventKind) -> &str {
        self.names.iter().find(|(known, _)| *known == kind).map_or(kind.as_str(), |(_, name)| name)
    }

    /// Whether a custom event cannot be called so: Socket.IO keeps the name for itself, it is empty, or
    /// this server calls an event of the contract so.
    pub fn is_taken(&self, name: &str) -> bool {
        let goes_up = EventKind::ALL.iter().any(|(kind, _)| kind.is_up() && self.name(*kind) == name);
        name.is_empty() || RESERVED_EVENTS.contains(&name) || goes_up || self.kind(name).is_some()
    }

    /// What an event that came down is; `None` for one that this contract does not have.
    pub fn kind(&self, name: &str) -> Option<EventKind> {
        let named = self.names.iter().find(|(kind, known)| !kind.is_up() && **known == *name);
        if let Some((kind, _)) = named {
            return Some(*kind);
        }
        let (kind, _) = EventKind::ALL.iter().find(|(kind, known)| !kind.is_up() && *known == name)?;
        // Its own name counts as long as it has no other.
        (!self.names.iter().any(|(renamed, _)| renamed == kind) || *kind == EventKind::Notification)
            .then_some(*kind)
    }
}

fn shortened(text: &str) -> Box<str> {
    text.chars().take(64).flat_map(char::escape_debug).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_map_events_are_called_as_in_the_contract() {
        let map = EventMap::default();
        assert_eq!(map.name(EventKind::JoinRoom), "join_room");
        assert_eq!(map.kind("message"), Some(EventKind::Message));
        assert_eq!(map.kind("notification"), Some(EventKind::Notification));
        assert_eq!(map.kind("join_room"), None);
        assert_eq!(map.kind("typing"), None);
    }

    #[test]
    fn a_renamed_event_goes_by_its_new_name_alone_and_notifications_by_all_of_theirs() {
        let mut map = EventMap::default();
        map.set("send_message", "say").unwrap();
        map.set("send_message", "chat:send").unwrap();
        map.set("message", "chat:message").unwrap();
        map.set("notification", "badge").unwrap();
        map.set("notification", "order").unwrap();
        assert_eq!(map.name(EventKind::SendMessage), "chat:send");
        assert_eq!(map.kind("chat:message"), Some(EventKind::Message));
        assert_eq!(map.kind("message"), None);
        for name in ["badge", "order", "notification"] {
            assert_eq!(map.kind(name), Some(EventKind::Notification), "{name}");
        }
    }

    #[test]
    fn the_contracts_names_and_those_that_socket_io_keeps_are_not_for_the_applications_events() {
        let mut map = EventMap::default();
        for name in
            ["", "connect", "disconnect", "connect_error", "newListener", "join_room", "message", "error"]
        {
            assert!(map.is_taken(name), "{name}");
        }
        assert!(!map.is_taken("price") && !map.is_taken("say"));
        map.set("send_message", "say").unwrap();
        map.set("message", "chat:message").unwrap();
        assert!(map.is_taken("say") && map.is_taken("chat:message"));
        assert!(!map.is_taken("send_message") && !map.is_taken("message"));
    }

    #[test]
    fn the_same_word_may_go_up_and_come_down() {
        let mut map = EventMap::default();
        map.set("send_message", "message").unwrap();
        assert_eq!(map.name(EventKind::SendMessage), "message");
        assert_eq!(map.kind("message"), Some(EventKind::Message));
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        let mut map = EventMap::default();
        assert_eq!(map.set("mesage", "m"), Err(EventMapError::Unknown("mesage".into())));
        assert_eq!(map.set("message", "disconnect"), Err(EventMapError::Reserved("disconnect".into())));
        assert_eq!(map.set("message", ""), Err(EventMapError::Reserved("".into())));
        map.set("message", "m").unwrap();
        assert_eq!(map.set("error", "m"), Err(EventMapError::Twice("m".into())));
        for n in 1..MAX_NAME_CHARS {
            map.set("notification", &alloc::format!("n{n}")).unwrap();
        }
        assert_eq!(map.set("notification", "one more"), Err(EventMapError::TooMany));
    }
}
