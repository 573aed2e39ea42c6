//! The rooms of a chat as the user sees them: states, members, unread counts and scrollback.

mod scrollback;

use crate::send_status::SendStatus;
use rejoin::messages::Code;
use rejoin::{Gap, Name, RoomState, SendId};
use scrollback::Scrollback;
pub(crate) use scrollback::{ScrollbackEntry, Speaker, Unread};
use std::collections::BTreeMap;

/// Names remembered per room.
const MOST_NAMES: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct RoomList {
    rooms: BTreeMap<String, Room>,
    /// As they were joined: a room keeps its number while those before it stay.
    order: Vec<String>,
    current: Option<String>,
}

#[derive(Debug)]
struct Room {
    state: RoomState,
    was_member: bool,
    gap: Option<Gap>,
    /// Who has been seen, the latest last. A plain server has no list of members.
    names: Vec<String>,
    /// Who is in the room, by name, where the server says so.
    members: Option<Vec<String>>,
    /// How many are, where they are too many to name.
    count: Option<u64>,
    said: Scrollback,
}

/// Who is in a room, as far as is known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Occupants<'a> {
    List(&'a [String]),
    Count(u64),
    /// The server does not say.
    Unknown,
}

/// What became of a room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Joined,
    /// Member again after a loss; messages may have been missed.
    Back(Option<Gap>),
    Left,
    /// There are too many rooms.
    Refused,
    /// The server does not let the user in.
    Failed(Code),
    /// The server threw the user out.
    Removed(Code),
    /// Nothing worth a word.
    Nothing,
}

impl RoomList {
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

    /// The rooms as they were joined.
    pub(crate) fn list(&self) -> impl Iterator<Item = (&str, RoomState)> {
        self.order.iter().filter_map(|name| Some((name.as_str(), self.rooms.get(name)?.state)))
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

    /// The server has said who is in a room.
    pub(crate) fn present(&mut self, room: &str, members: Option<&[Name]>, count: Option<u64>) {
        let Some(room) = self.rooms.get_mut(room) else { return };
        room.members = members.map(|members| members.iter().map(ToString::to_string).collect());
        room.count = count;
    }

    /// Somebody has come.
    pub(crate) fn came(&mut self, room: &str, name: &str) {
        self.seen(room, name);
        let Some(room) = self.rooms.get_mut(room) else { return };
        room.count = room.count.map(|count| count.saturating_add(1));
        if let Some(members) = &mut room.members
            && let Err(at) = members.binary_search_by(|known| known.as_str().cmp(name))
        {
            members.insert(at, name.to_owned());
        }
    }

    /// Somebody has gone.
    pub(crate) fn went(&mut self, room: &str, name: &str) {
        let Some(room) = self.rooms.get_mut(room) else { return };
        room.count = room.count.map(|count| count.saturating_sub(1));
        if let Some(members) = &mut room.members {
            members.retain(|known| known != name);
        }
    }

    pub(crate) fn who_is_in(&self, room: &str) -> Occupants<'_> {
        match self.rooms.get(room) {
            Some(Room { members: Some(members), .. }) => Occupants::List(members),
            Some(Room { count: Some(count), .. }) => Occupants::Count(*count),
            _ => Occupants::Unknown,
        }
    }

    /// Something was said in a room.
    pub(crate) fn said(&mut self, room: &str, said: ScrollbackEntry) {
        if let Some(room) = self.rooms.get_mut(room) {
            room.said.push(said);
        }
    }

    /// Something was said in a room, and not shown.
    pub(crate) fn unread(&mut self, room: &str, is_mentioned: bool) {
        let Some(Room { said: Scrollback { unread, .. }, .. }) = self.rooms.get_mut(room) else { return };
        unread.count = unread.count.saturating_add(1);
        unread.is_mentioned |= is_mentioned;
    }

    /// What is unread in a room.
    pub(crate) fn unread_in(&self, room: &str) -> Unread {
        self.rooms.get(room).map(|room| room.said.unread).unwrap_or_default()
    }

    /// What was unread in a room, which is shown now.
    pub(crate) fn read(&mut self, room: &str) -> Unread {
        self.rooms.get_mut(room).map(|room| std::mem::take(&mut room.said.unread)).unwrap_or_default()
    }

    /// The outcome of a send is known.
    pub(crate) fn settled(&mut self, room: &str, send: SendId, outcome: SendStatus) {
        if let Some(room) = self.rooms.get_mut(room) {
            room.said.settled(send, outcome);
        }
    }

    /// The last `count` things that were said in a room.
    pub(crate) fn history(&self, room: &str, count: usize) -> Vec<ScrollbackEntry> {
        self.rooms.get(room).map(|room| room.said.last(count)).unwrap_or_default()
    }

    /// What was said in a room and holds `text`: the last `most`, and how many there are.
    pub(crate) fn find(&self, room: &str, text: &str, most: usize) -> (Vec<ScrollbackEntry>, usize) {
        self.rooms.get(room).map(|room| room.said.find(text, most)).unwrap_or_default()
    }

    /// No room has a member any more, until it is joined again.
    pub(crate) fn connection_lost(&mut self) {
        for room in self.rooms.values_mut() {
            room.state = RoomState::Joining;
        }
    }

    /// Messages of a room may have been missed. Says whether to tell it at once, because no return to the room follows.
    pub(crate) fn gap(&mut self, gap: &Gap) -> bool {
        let Some(room) = self.rooms.get_mut(&*gap.room) else { return false };
        let is_member = room.state == RoomState::Joined;
        if !is_member {
            room.gap = Some(gap.clone());
        }
        is_member
    }

    pub(crate) fn change(&mut self, name: &str, state: RoomState) -> Change {
        match state {
            RoomState::Joining | RoomState::Joined => {}
            gone => {
                self.rooms.remove(name);
                self.order.retain(|known| known != name);
                if self.current.as_deref() == Some(name) {
                    self.current = self.order.first().cloned();
                }
                return match gone {
                    RoomState::Refused => Change::Refused,
                    RoomState::Failed(code) => Change::Failed(code),
                    RoomState::Removed(code) => Change::Removed(code),
                    _ => Change::Left,
                };
            }
        }
        let room = self.rooms.entry(name.to_owned()).or_insert_with(|| {
            self.order.push(name.to_owned());
            Room {
                state,
                was_member: false,
                gap: None,
                names: Vec::new(),
                members: None,
                count: None,
                said: Scrollback::default(),
            }
        });
        room.state = state;
        if self.current.is_none() {
            self.current = Some(name.to_owned());
        }
        if state != RoomState::Joined {
            return Change::Nothing;
        }
        let gap = room.gap.take();
        if std::mem::replace(&mut room.was_member, true) { Change::Back(gap) } else { Change::Joined }
    }
}

#[cfg(test)]
mod tests {
    use super::scrollback::{MAX_ENTRIES, MAX_ENTRY_BYTES};
    use super::*;
    use jiff::Timestamp;
    use rejoin::GapReason;

    #[test]
    fn coming_back_is_told_from_joining_and_says_whether_messages_may_be_missing() {
        let mut book = RoomList::default();
        assert_eq!(book.change("a", RoomState::Joining), Change::Nothing);
        assert_eq!(book.change("a", RoomState::Joined), Change::Joined);
        book.connection_lost();
        let gap = Gap::unknown("a".into(), GapReason::Reconnected);
        assert!(!book.gap(&gap), "it will be said when the room is back");
        assert_eq!(book.change("a", RoomState::Joined), Change::Back(Some(gap.clone())));
        assert_eq!(book.change("a", RoomState::Joined), Change::Back(None));
        assert!(book.gap(&gap), "nothing else will say it");
        assert_eq!(book.change("a", RoomState::Joined), Change::Back(None));
    }

    #[test]
    fn members_come_and_go_where_the_server_names_them() {
        let mut book = RoomList::default();
        book.change("a", RoomState::Joined);
        assert_eq!(book.who_is_in("a"), Occupants::Unknown);
        book.came("a", "zoe");
        assert_eq!(book.who_is_in("a"), Occupants::Unknown);
        book.present("a", Some(&["ada".into(), "bob".into()]), None);
        book.came("a", "ada");
        book.came("a", "al");
        book.went("a", "bob");
        assert_eq!(book.who_is_in("a"), Occupants::List(&["ada".to_owned(), "al".to_owned()]));
        book.present("a", None, Some(1000));
        book.came("a", "zoe");
        assert_eq!(book.who_is_in("a"), Occupants::Count(1001));
    }

    #[test]
    fn what_was_said_is_remembered_within_bounds() {
        let mut book = RoomList::default();
        book.change("a", RoomState::Joined);
        let who = Speaker::Other("bob".to_owned());
        let said = |content: String| ScrollbackEntry { at: Timestamp::UNIX_EPOCH, who: who.clone(), content };
        for number in 0..1000 {
            book.said("a", said(number.to_string()));
        }
        let last: Vec<String> = book.history("a", 2).into_iter().map(|said| said.content).collect();
        assert_eq!(last, ["998", "999"]);
        assert_eq!(book.history("a", 5000).len(), MAX_ENTRIES);
        book.said("a", said("x".repeat(MAX_ENTRY_BYTES)));
        assert_eq!(book.history("a", 5000).len(), 1);
        assert!(book.history("b", 1).is_empty());
    }

    #[test]
    fn what_is_remembered_of_an_own_message_follows_its_outcome() {
        let mut book = RoomList::default();
        book.change("a", RoomState::Joined);
        for id in [1, 2] {
            let who = Speaker::Me(Some(SendId(id)), SendStatus::Pending);
            book.said("a", ScrollbackEntry { at: Timestamp::UNIX_EPOCH, who, content: "x".to_owned() });
        }
        book.settled("a", SendId(1), SendStatus::Delivered);
        let speakers: Vec<Speaker> = book.history("a", 2).into_iter().map(|said| said.who).collect();
        let me = |id, fate| Speaker::Me(Some(SendId(id)), fate);
        assert_eq!(speakers, [me(1, SendStatus::Delivered), me(2, SendStatus::Pending)]);
    }

    #[test]
    fn what_came_unseen_is_counted_until_it_is_shown_and_can_be_found() {
        let mut book = RoomList::default();
        book.change("b", RoomState::Joined);
        book.change("a", RoomState::Joined);
        for content in ["Tea is ready", "coffee", "more TEA"] {
            let who = Speaker::Other("bob".to_owned());
            book.said("b", ScrollbackEntry { at: Timestamp::UNIX_EPOCH, who, content: content.to_owned() });
            book.unread("b", content == "coffee");
        }
        book.unread("nowhere", true);
        assert_eq!(book.unread_in("b"), Unread { count: 3, is_mentioned: true });
        assert_eq!(book.read("b").count, 3);
        assert_eq!((book.unread_in("b"), book.unread_in("a")), (Unread::default(), Unread::default()));
        let (found, count) = book.find("b", "tea", 1);
        assert_eq!((found[0].content.as_str(), found.len(), count), ("more TEA", 1, 2));
        let order: Vec<&str> = book.list().map(|(room, _)| room).collect();
        assert_eq!(order, ["b", "a"], "as they were joined");
    }

    #[test]
    fn leaving_the_current_room_moves_to_another() {
        let mut book = RoomList::default();
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
        let mut book = RoomList::default();
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
