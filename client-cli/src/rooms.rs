//! The rooms as the user sees them.

use rejoin::RoomState;
use std::collections::BTreeMap;

/// Names remembered per room.
const MOST_NAMES: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct RoomBook {
    rooms: BTreeMap<String, Room>,
    current: Option<String>,
}

#[derive(Debug)]
struct Room {
    state: RoomState,
    was_member: bool,
    has_gap: bool,
    /// Who has been seen, the latest last. A plain server has no list of members.
    names: Vec<String>,
}

/// What became of a room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Joined,
    /// Member again after a loss; with `true`, messages may have been missed.
    Back(bool),
    Left,
    Refused,
    /// Nothing worth a word.
    Nothing,
}

impl RoomBook {
    /// The room that is spoken in.
    pub(crate) fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    pub(crate) fn select(&mut self, room: &str) {
        self.current = Some(room.to_owned());
    }

    pub(crate) fn contains(&self, room: &str) -> bool {
        self.rooms.contains_key(room)
    }

    pub(crate) fn list(&self) -> impl Iterator<Item = (&str, RoomState)> {
        self.rooms.iter().map(|(name, room)| (name.as_str(), room.state))
    }

    pub(crate) fn names(&self, room: &str) -> &[String] {
        self.rooms.get(room).map_or(&[], |room| &room.names)
    }

    /// Somebody was seen in a room.
    pub(crate) fn seen(&mut self, room: &str, name: &str) {
        let Some(room) = self.rooms.get_mut(room) else { return };
        if room.names.last().is_some_and(|last| last == name) {
            return;
        }
        room.names.retain(|known| known != name);
        if room.names.len() >= MOST_NAMES {
            room.names.remove(0);
        }
        room.names.push(name.to_owned());
    }

    /// Messages of a room may have been missed.
    pub(crate) fn gap(&mut self, room: &str) {
        if let Some(room) = self.rooms.get_mut(room) {
            room.has_gap = true;
        }
    }

    pub(crate) fn change(&mut self, name: &str, state: RoomState) -> Change {
        match state {
            RoomState::Left | RoomState::Refused => {
                self.rooms.remove(name);
                if self.current.as_deref() == Some(name) {
                    self.current = self.rooms.keys().next().cloned();
                }
                return if state == RoomState::Left { Change::Left } else { Change::Refused };
            }
            _ => {}
        }
        let room = self.rooms.entry(name.to_owned()).or_insert(Room {
            state,
            was_member: false,
            has_gap: false,
            names: Vec::new(),
        });
        room.state = state;
        if self.current.is_none() {
            self.current = Some(name.to_owned());
        }
        if state != RoomState::Joined {
            return Change::Nothing;
        }
        let has_gap = std::mem::take(&mut room.has_gap);
        if std::mem::replace(&mut room.was_member, true) { Change::Back(has_gap) } else { Change::Joined }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coming_back_is_told_from_joining_and_says_whether_messages_may_be_missing() {
        let mut book = RoomBook::default();
        assert_eq!(book.change("a", RoomState::Joining), Change::Nothing);
        assert_eq!(book.change("a", RoomState::Joined), Change::Joined);
        book.gap("a");
        assert_eq!(book.change("a", RoomState::Joining), Change::Nothing);
        assert_eq!(book.change("a", RoomState::Joined), Change::Back(true));
        assert_eq!(book.change("a", RoomState::Joined), Change::Back(false));
    }

    #[test]
    fn leaving_the_current_room_moves_to_another() {
        let mut book = RoomBook::default();
        book.change("b", RoomState::Joined);
        book.change("a", RoomState::Joined);
        assert_eq!(book.current(), Some("b"));
        assert_eq!(book.change("b", RoomState::Left), Change::Left);
        assert_eq!(book.current(), Some("a"));
        book.change("a", RoomState::Left);
        assert_eq!(book.current(), None);
    }

    #[test]
    fn names_are_bounded_and_the_latest_is_last() {
        let mut book = RoomBook::default();
        book.change("a", RoomState::Joined);
        for number in 0..300 {
            book.seen("a", &format!("user{number}"));
        }
        book.seen("a", "user290");
        assert_eq!(book.names("a").len(), MOST_NAMES);
        assert_eq!(book.names("a").last().unwrap(), "user290");
        assert!(!book.names("a").contains(&"user1".to_owned()));
        book.seen("elsewhere", "x");
        assert!(book.names("elsewhere").is_empty());
    }
}
