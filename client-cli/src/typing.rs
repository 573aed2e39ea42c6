//! The users who are typing in each room, and the rate at which the user's own typing is announced. Is given the time and reads no
//! clock.

use std::time::Duration;
use tokio::time::Instant;

/// The kind of the signal.
pub(crate) const KIND: &str = "typing";
/// Somebody who is not heard of for this long has stopped.
const EXPIRY: Duration = Duration::from_secs(5);
/// The user's own typing is told again after this time: before the others have forgotten it.
const SEND_INTERVAL: Duration = Duration::from_secs(3);
/// So many are remembered: the status line names two.
const MOST: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Typing {
    others: Vec<Typist>,
    /// Where and when the user's own typing was told last.
    told: Option<(String, Instant)>,
}

#[derive(Debug)]
struct Typist {
    room: String,
    name: String,
    until: Instant,
}

impl Typing {
    /// Somebody is typing.
    pub(crate) fn began(&mut self, now: Instant, room: &str, name: &str) {
        let until = now + EXPIRY;
        self.forget(now);
        if let Some(known) = self.others.iter_mut().find(|other| other.room == room && other.name == name) {
            known.until = until;
        } else if self.others.len() < MOST {
            self.others.push(Typist { room: room.to_owned(), name: name.to_owned(), until });
        }
    }

    /// What somebody was typing has come, or they have gone.
    pub(crate) fn ended(&mut self, room: &str, name: &str) {
        self.others.retain(|other| other.room != room || other.name != name);
    }

    /// Who is typing in a room, the first first.
    pub(crate) fn names(&self, now: Instant, room: &str) -> Vec<String> {
        let here = self.others.iter().filter(|other| other.room == room && other.until > now);
        here.map(|other| other.name.clone()).collect()
    }

    /// When the next of them is to be forgotten.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.others.iter().map(|other| other.until).min()
    }

    /// Forgets whose time is over.
    pub(crate) fn forget(&mut self, now: Instant) {
        self.others.retain(|other| other.until > now);
    }

    /// The user is typing in a room: whether to tell it now.
    pub(crate) fn tell(&mut self, now: Instant, room: &str) -> bool {
        let is_known = matches!(&self.told, Some((told, at)) if told == room && now < *at + SEND_INTERVAL);
        if !is_known {
            self.told = Some((room.to_owned(), now));
        }
        !is_known
    }

    /// The user has sent what he was typing: the next letter is news.
    pub(crate) fn sent(&mut self) {
        self.told = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_typing_is_forgotten_after_a_while_and_when_the_message_comes() {
        let now = Instant::now();
        let mut typing = Typing::default();
        assert_eq!(typing.next_due(), None);
        typing.began(now, "lobby", "bob");
        typing.began(now + Duration::from_secs(1), "lobby", "carol");
        typing.began(now, "kitchen", "bob");
        assert_eq!(typing.names(now, "lobby"), ["bob", "carol"]);
        typing.ended("lobby", "bob");
        assert_eq!((typing.names(now, "lobby").len(), typing.names(now, "kitchen").len()), (1, 1));
        assert_eq!(typing.next_due(), Some(now + EXPIRY));
        typing.forget(now + EXPIRY);
        assert_eq!(typing.next_due(), Some(now + EXPIRY + Duration::from_secs(1)));
        typing.began(now + EXPIRY, "lobby", "carol");
        assert_eq!(typing.names(now + EXPIRY + EXPIRY / 2, "lobby"), ["carol"]);
        assert!(typing.names(now + EXPIRY * 2, "lobby").is_empty());
    }

    #[test]
    fn the_number_of_typists_is_bounded() {
        let now = Instant::now();
        let mut typing = Typing::default();
        for number in 0..10_000 {
            typing.began(now, "lobby", &number.to_string());
        }
        assert_eq!(typing.others.len(), MOST);
        typing.began(now + EXPIRY, "lobby", "bob");
        assert_eq!(typing.names(now + EXPIRY, "lobby"), ["bob"]);
    }

    #[test]
    fn own_typing_is_told_at_most_every_few_seconds_in_each_room_and_anew_after_a_message() {
        let now = Instant::now();
        let mut typing = Typing::default();
        assert!(typing.tell(now, "lobby"));
        assert!(!typing.tell(now + SEND_INTERVAL / 2, "lobby"));
        assert!(typing.tell(now + SEND_INTERVAL / 2, "kitchen"));
        assert!(typing.tell(now + SEND_INTERVAL * 2, "kitchen"));
        typing.sent();
        assert!(typing.tell(now + SEND_INTERVAL * 2, "kitchen"));
    }
}
