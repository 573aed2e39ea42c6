//! Checks the contents of what applications are told: messages, notifications, signals and joins as they were sent, and `ready` only
//! when it is true.

use super::Checker;
use super::ground_truth::{Key, LogId};
use rejoin::messages::{JoinReason, Joined, Notification, Signal};
use rejoin::{JoinedRoom, Message, Name};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// What stands in a log beside a message's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// Who said it.
    pub user: Name,
    /// What was said.
    pub content: String,
    /// What came with it.
    pub data: Option<String>,
    /// When, as the wire writes it.
    pub timestamp: String,
}

/// A signal on its way.
#[derive(Debug)]
struct Sent {
    client: usize,
    user: usize,
    place: LogId,
    heard_by: BTreeSet<(usize, Option<usize>)>,
}

/// Everything said that is not a matter of order.
#[derive(Debug, Default)]
pub(super) struct AppEvents {
    /// By record.
    words: BTreeMap<usize, Rc<Words>>,
    /// What plain servers have sent, by message: one that a store has lost is appended again.
    plain: BTreeMap<Key, Vec<Words>>,
    signals: BTreeMap<u64, Sent>,
    /// Clients whose stored state another user has taken up: the join that is written before the server has said who they
    /// are still asks for the messages of the user before, which are not told.
    taken_over: BTreeSet<usize>,
    /// The user of the connection whose frame the server is dealing with.
    speaker: Option<usize>,
    /// The connection for which each client was last said to be ready, and in which mode.
    ready: BTreeMap<usize, usize>,
}

impl Checker {
    /// The server deals with a frame of this user's, or with something else.
    pub fn speaks(&mut self, user: Option<usize>) {
        self.told.speaker = user;
    }

    /// Whose frame the server deals with.
    pub(super) fn told_speaker(&self) -> Option<usize> {
        self.told.speaker
    }

    /// Whether that has happened.
    pub(super) fn is_taken_over(&self, client: usize) -> bool {
        self.told.taken_over.contains(&client)
    }

    /// Another user takes up the stored state of this client.
    pub fn taken_over(&mut self, client: usize) {
        self.told.taken_over.insert(client);
    }

    /// The number of the next signal; its sender puts it into the data.
    pub fn signalled(&mut self, client: usize, user: usize, place: LogId) -> u64 {
        let number = self.told.signals.len() as u64;
        self.told.signals.insert(number, Sent { client, user, place, heard_by: BTreeSet::new() });
        number
    }

    /// What stands in the log as this record.
    pub(super) fn words(&mut self, index: usize, words: Words) {
        let record = self.ground_truth.record(index);
        let (key, place) = (record.key, record.place);
        if let Some(sent) = self.sends.all.get(&key).filter(|_| place < super::PERSONAL) {
            // Whoever took the state up speaks for himself: a plain server never said whose it was.
            let author = self.told.speaker.unwrap_or(sent.user);
            // A store of several nodes decides when nobody speaks, and perhaps after another user has come.
            let is_of = |user: usize| *words.user == *format!("u{user}");
            let by_another = self.several
                && self.users_ever.range((key.0, 0)..(key.0 + 1, 0)).any(|(_, user)| is_of(*user));
            let faithful = words.content == sent.content && sent.may_carry(words.data.as_ref());
            if !(is_of(author) || by_another) || !faithful {
                return self.violated(format!("4: {key:?} stands in the log of place {place} as {words:?}"));
            }
        }
        if super::is_sio(place, key) {
            self.sio_words(key, &words);
        }
        if key.0 == super::POSTER && (*words.user != *"poster" || words.data.is_some()) {
            return self.violated(format!("4: a post stands in the log as {words:?}"));
        }
        if words.timestamp != super::time_of(self.now) {
            return self.violated(format!("4: {key:?} was said now, and stands in the log with {words:?}"));
        }
        self.told.words.insert(index, Rc::new(words));
    }

    /// A plain server sends a message: its words are those of the log, without the data.
    pub(super) fn plain_words(&mut self, key: Key, words: Words) {
        let copies: Vec<_> =
            self.ground_truth.by_key(key).iter().filter_map(|index| self.told.words.get(index)).collect();
        let stands = |copy: &&Rc<Words>| Words { data: None, ..Words::clone(copy) } == words;
        if !copies.is_empty() && !copies.iter().any(stands) {
            return self
                .violated(format!("4: a plain server sends {key:?} as {words:?}, its log has {copies:?}"));
        }
        let plain = self.told.plain.entry(key).or_default();
        if !plain.contains(&words) {
            plain.push(words);
        }
    }

    /// What stands in the log as this record, without the data.
    pub(super) fn plain_words_of(&self, index: usize) -> Option<Words> {
        self.told.words.get(&index).map(|words| Words { data: None, ..Words::clone(words) })
    }

    /// An application is told a message: all of it is as it stands in the log.
    pub(super) fn message_told(&mut self, client: usize, key: Option<Key>, message: &Message) {
        let Some(key) = key else { return };
        let told = Words {
            user: message.user.clone(),
            content: message.content.clone(),
            data: message.data.clone(),
            timestamp: message.timestamp.clone(),
        };
        let (stands, known) = if let Some(stamp) = message.entry.as_deref() {
            let words = self.ground_truth.by_id(&stamp.id).and_then(|index| self.told.words.get(&index));
            (words.is_some_and(|words| **words == told), words.is_some())
        } else {
            let copies = self.told.plain.get(&key);
            (copies.is_some_and(|copies| copies.contains(&told)), copies.is_some())
        };
        if known && !stands {
            self.violated(format!("4: u{client} is told {told:?}, which is not what stands in the log"));
        }
    }

    /// What stands in the log as this record.
    pub(super) fn words_of(&self, index: usize) -> Option<&Words> {
        self.told.words.get(&index).map(|words| &**words)
    }

    /// The copies of a message that were appended at that time, all of them where it is not known.
    pub(super) fn copies_of(&self, key: Key, timestamp: &str) -> Vec<usize> {
        let copies = self.ground_truth.by_key(key);
        let is_then =
            |index: &usize| self.told.words.get(index).is_some_and(|words| words.timestamp == timestamp);
        let then: Vec<usize> = copies.iter().copied().filter(is_then).collect();
        if then.is_empty() { copies.to_vec() } else { then }
    }

    /// The same for a notification.
    pub(super) fn notification_told(&mut self, client: usize, notification: &Notification) {
        let Some(stamp) = &notification.entry else { return };
        let stands =
            self.ground_truth.by_id(&stamp.id).and_then(|index| self.told.words.get(&index)).cloned();
        if stands.is_some_and(|stands| stands.data != notification.data) || *notification.kind != *"note" {
            self.violated(format!("4: u{client} is notified of {notification:?}"));
        }
    }

    /// An application is told a signal.
    pub(super) fn signal_told(&mut self, client: usize, place: LogId, user: usize, signal: &Signal) {
        let number = signal.data.as_deref().and_then(|data| data.parse().ok());
        let Some(sent) = number.and_then(|number: u64| self.told.signals.get_mut(&number)) else {
            return self.violated(format!("2.2: u{client} is told {signal:?}, which nobody has sent"));
        };
        let faithful =
            sent.place == place && *signal.user == *format!("u{}", sent.user) && *signal.kind == *"typing";
        // A store that is slow brings it to the node that the client has moved to meanwhile, too.
        let conn = self.conns.get(&client).copied().filter(|_| self.several);
        let (own, again) = (sent.user == user, !sent.heard_by.insert((client, conn)));
        let stranger = !self.feeds.all.get(&(client, place)).is_some_and(|feed| feed.joined);
        let sender = sent.client;
        if !faithful || own || again || stranger {
            self.violated(format!(
                "2.2: u{client} is told {signal:?} of u{sender} in place {place}, again: {again}"
            ));
        }
    }

    /// An application is told that a room is joined; `frame` is what the server said.
    pub fn join_told(&mut self, client: usize, place: LogId, told: &JoinedRoom, frame: &Joined) {
        let silent = self.feeds.all.get(&(client, place)).and_then(|feed| feed.silent);
        let replayed = match silent {
            Some(true) => 0,
            Some(false) => frame.replay,
            None => told.replayed.min(frame.replay),
        };
        // The server is not always told where the client is, and its replay goes back far enough: what is lost then shows itself
        // as a loss.
        let connects = told.recovered && told.reason.is_none() && frame.reason == Some(JoinReason::Fresh);
        // Another user than the one whose place was recovered begins at the end of the room.
        let is_fresh = !told.recovered && told.reason == Some(JoinReason::Fresh);
        let begins = frame.recovered && is_fresh && self.told.taken_over.contains(&client);
        let same = (connects || begins || told.recovered == frame.recovered && told.reason == frame.reason)
            && (told.replayed == replayed
                // What another user had seen of the room is forgotten or not, by who comes in the end.
                || [0, frame.replay].contains(&told.replayed) && self.told.taken_over.contains(&client))
            && told.members == frame.members
            && told.member_count == frame.member_count;
        if !same {
            self.violated(format!("2.2: u{client} is told {told:?}, and the server said {frame:?}"));
        }
    }

    /// An application is told that it is ready on a connection; `waits` is a room that it wants and that is not joined.
    pub fn ready(&mut self, client: usize, conn: usize, mode_told: bool, waits: Option<LogId>) {
        if !mode_told {
            self.violated(format!("u{client} is ready, and the mode of connection {conn} was not told"));
        }
        if let Some(place) = waits {
            self.violated(format!("u{client} is ready, and place {place} is not joined"));
        }
        self.told.ready.insert(client, conn);
    }

    /// Long after everything calmed down, the application knows that it is ready on its connection.
    pub fn was_told_ready(&mut self, client: usize, conn: usize) {
        if self.told.ready.get(&client) != Some(&conn) {
            self.violated(format!("9: u{client} was never told that it is ready on connection {conn}"));
        }
    }

    /// Whether the application of a client has been told that a room is joined on its connection.
    pub fn is_joined(&self, client: usize, place: LogId) -> bool {
        self.feeds.all.get(&(client, place)).is_some_and(|feed| feed.joined)
    }
}
