//! The `ref`s of sends: with a state file a repeated `ref` is the same send.

use rejoin::{DeliveryStatus, Name, SendFailure, SendReply};
use std::collections::{HashMap, VecDeque};

/// As many outcomes as a state file remembers.
const MOST: usize = 10_000;
/// So many of them with the server's answer, of up to so many bytes: as a state file keeps them.
const MOST_REPLIES: usize = 256;
const LARGEST_REPLY: usize = 4 << 10;

#[derive(Debug)]
pub(super) struct Refs {
    known: HashMap<Key, RefState>,
    /// Those with an outcome, the oldest first.
    resolved: VecDeque<Key>,
    /// Those with an answer, the oldest first.
    replied: VecDeque<Key>,
    /// The first is whoever is here before a server has said who that is.
    users: Vec<Option<Name>>,
    /// Who left what is restored.
    earlier: User,
    present: User,
}

/// A `ref` is its user's alone.
type Key = (User, String);

/// Whose a `ref` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct User(usize);

#[derive(Debug)]
enum RefState {
    /// It is on its way to a room, and so many lines have asked for it again.
    InFlight { asked: usize, room: Name, what: ContentHash },
    /// What it said is not known of what an earlier version has stored.
    Resolved(Resolved, Option<ContentHash>),
}

/// What a send says, as a number: enough to tell two apart that have the same `ref` by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentHash(pub(super) u64);

impl ContentHash {
    pub(super) fn of(content: &String, data: Option<&String>) -> Self {
        Self(rejoin::machine::digest(content, data))
    }
}

/// What became of a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) room: Name,
    pub(super) status: DeliveryStatus,
    /// Socket.IO: what the server's handler answered.
    pub(super) reply: Option<Box<SendReply>>,
}

/// What a `ref` that is given means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RefLookup {
    /// A send to be made.
    New,
    /// One whose outcome will come.
    InFlight,
    /// One whose outcome is known.
    Resolved(Resolved),
    /// Another send has this `ref`.
    Taken,
}

impl Refs {
    /// A server has announced in an earlier run that the state file is `stored`'s.
    pub(super) fn of_file(stored: Option<Name>) -> Self {
        let mut refs = Self {
            known: HashMap::new(),
            resolved: VecDeque::new(),
            replied: VecDeque::new(),
            users: vec![None],
            earlier: User::default(),
            present: User::default(),
        };
        if let Some(stored) = stored {
            refs.earlier = refs.user(&stored);
        }
        refs
    }

    /// Who is here.
    pub(super) fn present(&self) -> User {
        self.present
    }

    /// Who left what is restored.
    pub(super) fn before(&self) -> User {
        self.earlier
    }

    fn user(&mut self, name: &Name) -> User {
        let known = self.users.iter().position(|user| user.as_ref() == Some(name));
        User(known.unwrap_or_else(|| {
            self.users.push(Some(name.clone()));
            self.users.len() - 1
        }))
    }

    /// It is known who is here, as far as it ever will be. Gives who that is if what was given so far turns out to be theirs.
    pub(super) fn named(&mut self, name: Option<&Name>) -> Option<User> {
        let unnamed = User::default();
        let is_first = self.present == unnamed;
        let user = match name {
            // As nobody says otherwise.
            None if is_first => self.earlier,
            None => return None,
            Some(name) => self.user(name),
        };
        self.present = user;
        if !is_first || user == unnamed {
            return None;
        }
        if self.earlier == unnamed {
            self.earlier = user;
        }
        self.known = std::mem::take(&mut self.known)
            .into_iter()
            .map(|((of, reference), state)| ((if of == unnamed { user } else { of }, reference), state))
            .collect();
        for (of, _) in self.resolved.iter_mut().chain(&mut self.replied) {
            if *of == unnamed {
                *of = user;
            }
        }
        Some(user)
    }

    fn own(&self, reference: &str) -> Key {
        (self.present, reference.to_owned())
    }

    /// A line has this `ref`.
    pub(super) fn given(&mut self, reference: &str, what: ContentHash, room: &str) -> RefLookup {
        let key = self.own(reference);
        match self.known.get_mut(&key) {
            None => RefLookup::New,
            Some(RefState::InFlight { room: other, what: said, .. }) if **other != *room || *said != what => {
                RefLookup::Taken
            }
            Some(RefState::InFlight { asked, .. }) => {
                *asked += 1;
                RefLookup::InFlight
            }
            Some(RefState::Resolved(resolved, said))
                if *resolved.room != *room || said.is_some_and(|said| said != what) =>
            {
                RefLookup::Taken
            }
            Some(RefState::Resolved(resolved, _)) => RefLookup::Resolved(resolved.clone()),
        }
    }

    /// Whether a send with this `ref` was left by an earlier run.
    pub(super) fn was_left(&self, reference: &str) -> bool {
        self.known.contains_key(&(self.earlier, reference.to_owned()))
    }

    /// A send with this `ref` is on its way.
    pub(super) fn sent(&mut self, reference: &str, room: &str, what: ContentHash) {
        self.in_flight(self.own(reference), room, what);
    }

    /// A send of an earlier run goes on.
    pub(super) fn restored(&mut self, reference: &str, room: &str, what: ContentHash) {
        self.in_flight((self.earlier, reference.to_owned()), room, what);
    }

    fn in_flight(&mut self, key: Key, room: &str, what: ContentHash) {
        self.known.entry(key).or_insert(RefState::InFlight { asked: 0, room: Name::from(room), what });
    }

    /// An outcome of an earlier run, whose, and what was sent then.
    pub(super) fn earlier(
        &mut self,
        user: Option<&Name>,
        reference: &str,
        resolved: Resolved,
        what: Option<ContentHash>,
    ) {
        let user = user.map_or(self.present, |user| self.user(user));
        let key = (user, reference.to_owned());
        // What was free has been given again, and goes on.
        if let Some(RefState::InFlight { .. }) = self.known.get(&key) {
            return;
        }
        self.resolved(user, reference, resolved);
        if let (Some(RefState::Resolved(_, said)), Some(_)) = (self.known.get_mut(&key), what) {
            *said = what;
        }
    }

    /// The outcome is known. Gives how many lines have asked for it again. A `ref` under which nothing was sent, and may be
    /// later, is free again.
    pub(super) fn resolved(&mut self, user: User, reference: &str, mut resolved: Resolved) -> usize {
        let key = (user, reference.to_owned());
        if is_free(&resolved.status) {
            return match self.known.remove(&key) {
                Some(RefState::InFlight { asked, .. }) => asked,
                _ => 0,
            };
        }
        resolved.reply = resolved.reply.filter(|reply| {
            let texts = [&reply.answer, &reply.message];
            texts.iter().all(|text| text.as_ref().is_none_or(|text| text.len() <= LARGEST_REPLY))
        });
        if resolved.reply.is_some() {
            self.replied.push_back(key.clone());
        }
        if self.replied.len() > MOST_REPLIES
            && let Some(oldest) = self.replied.pop_front()
            && let Some(RefState::Resolved(oldest, _)) = self.known.get_mut(&oldest)
        {
            oldest.reply = None;
        }
        let what = match self.known.get(&key) {
            Some(RefState::InFlight { what, .. }) => Some(*what),
            Some(RefState::Resolved(_, what)) => *what,
            None => None,
        };
        let before = self.known.insert(key.clone(), RefState::Resolved(resolved, what));
        if !matches!(before, Some(RefState::Resolved(..))) {
            self.resolved.push_back(key);
        }
        if self.resolved.len() > MOST
            && let Some(oldest) = self.resolved.pop_front()
        {
            self.known.remove(&oldest);
        }
        match before {
            Some(RefState::InFlight { asked, .. }) => asked,
            _ => 0,
        }
    }
}

/// Whether nothing was sent, and may be later. What another user's run found waiting was not sent either.
fn is_free(status: &DeliveryStatus) -> bool {
    matches!(status, DeliveryStatus::Failed(why) if why.is_temporary() || *why == SendFailure::UserChanged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin::messages::Code;

    fn given(refs: &mut Refs, reference: &str, room: &str, content: &str) -> RefLookup {
        refs.given(reference, what(content), room)
    }

    fn what(content: &str) -> ContentHash {
        ContentHash::of(&content.to_owned(), None)
    }

    fn written() -> Resolved {
        Resolved { room: "r".into(), status: DeliveryStatus::Written, reply: None }
    }

    #[test]
    fn the_last_answers_are_remembered_unless_they_are_large() {
        let with = |answer: String| {
            let reply = Some(Box::new(SendReply::new(Some(answer), None)));
            Resolved { reply, ..written() }
        };
        let mut refs = Refs::of_file(None);
        for number in 0..=MOST_REPLIES {
            refs.resolved(User::default(), &number.to_string(), with(number.to_string()));
        }
        assert_eq!(given(&mut refs, "0", "r", "hi"), RefLookup::Resolved(written()));
        assert_eq!(given(&mut refs, "1", "r", "hi"), RefLookup::Resolved(with("1".to_owned())));
        refs.resolved(User::default(), "large", with("x".repeat(LARGEST_REPLY + 1)));
        assert_eq!(given(&mut refs, "large", "r", "hi"), RefLookup::Resolved(written()));
    }

    #[test]
    fn a_ref_given_again_is_the_send_it_was() {
        let mut refs = Refs::of_file(None);
        assert_eq!(given(&mut refs, "a", "r", "hi"), RefLookup::New);
        refs.sent("a", "r", what("hi"));
        assert_eq!(
            (given(&mut refs, "a", "r", "hi"), given(&mut refs, "a", "r", "hi")),
            (RefLookup::InFlight, RefLookup::InFlight)
        );
        assert_eq!(refs.resolved(User::default(), "a", written()), 2);
        assert_eq!(given(&mut refs, "a", "r", "hi"), RefLookup::Resolved(written()));
        assert_eq!(given(&mut refs, "b", "r", "hi"), RefLookup::New);
    }

    #[test]
    fn a_ref_with_another_content_or_another_room_is_no_repetition() {
        let mut refs = Refs::of_file(None);
        refs.sent("a", "r", what("hi"));
        for _ in 0..2 {
            assert_eq!(given(&mut refs, "a", "r", "ho"), RefLookup::Taken);
            assert_eq!(given(&mut refs, "a", "s", "hi"), RefLookup::Taken);
            refs.resolved(User::default(), "a", written());
        }
        let data = "{}".to_owned();
        assert_eq!(refs.given("a", ContentHash::of(&"hi".to_owned(), Some(&data)), "r"), RefLookup::Taken);
    }

    #[test]
    fn a_ref_of_an_earlier_run_is_told_from_another_send_by_what_it_said_and_where() {
        let mut refs = Refs::of_file(None);
        refs.earlier(None, "b", written(), Some(what("hi")));
        assert_eq!(given(&mut refs, "b", "r", "hi"), RefLookup::Resolved(written()));
        assert_eq!(given(&mut refs, "b", "r", "ho"), RefLookup::Taken);
        assert_eq!(given(&mut refs, "b", "s", "hi"), RefLookup::Taken);
        // Stored by an earlier version.
        refs.earlier(None, "c", written(), None);
        assert_eq!(given(&mut refs, "c", "r", "whatever"), RefLookup::Resolved(written()));
        assert_eq!(given(&mut refs, "c", "s", "whatever"), RefLookup::Taken);
    }

    #[test]
    fn a_ref_under_which_nothing_was_sent_yet_may_be_given_again() {
        for why in [SendFailure::Refused(Code::NotJoined), SendFailure::Expired] {
            let failed = Resolved { status: DeliveryStatus::Failed(why), ..written() };
            let mut refs = Refs::of_file(None);
            refs.sent("a", "r", what("hi"));
            assert_eq!(given(&mut refs, "a", "r", "hi"), RefLookup::InFlight);
            assert_eq!(refs.resolved(User::default(), "a", failed.clone()), 1);
            assert_eq!(given(&mut refs, "a", "r", "hi"), RefLookup::New);
            refs.earlier(None, "b", failed, Some(what("hi")));
            assert_eq!(given(&mut refs, "b", "s", "ho"), RefLookup::New);
        }
        let mut refs = Refs::of_file(None);
        let status = DeliveryStatus::Failed(SendFailure::Refused(Code::Forbidden));
        refs.resolved(User::default(), "a", Resolved { status: status.clone(), ..written() });
        assert_eq!(given(&mut refs, "a", "r", "hi"), RefLookup::Resolved(Resolved { status, ..written() }));
    }

    #[test]
    fn a_ref_is_its_users_alone_who_may_come_back() {
        let (ada, bob) = (Name::from("ada"), Name::from("bob"));
        let mut refs = Refs::of_file(Some(ada.clone()));
        refs.restored("b", "r", what("hi"));
        assert!(refs.was_left("b"));
        refs.sent("c", "r", what("hi"));
        assert_eq!(refs.named(Some(&bob)), Some(refs.present()));
        refs.earlier(Some(&ada), "a", written(), Some(what("hi")));
        assert_eq!(given(&mut refs, "a", "r", "hi"), RefLookup::New);
        assert_eq!(given(&mut refs, "b", "r", "hi"), RefLookup::New);
        assert_eq!(given(&mut refs, "c", "r", "hi"), RefLookup::InFlight);
        let status = DeliveryStatus::Failed(SendFailure::UserChanged);
        refs.resolved(refs.before(), "b", Resolved { status, ..written() });
        assert_eq!(refs.named(Some(&ada)), None);
        assert_eq!(given(&mut refs, "a", "r", "hi"), RefLookup::Resolved(written()));
        assert_eq!(given(&mut refs, "b", "r", "hi"), RefLookup::New);
        assert_eq!(given(&mut refs, "c", "r", "hi"), RefLookup::New);
    }

    #[test]
    fn where_nobody_says_who_is_here_the_file_is_its_last_users() {
        let ada = Name::from("ada");
        let mut refs = Refs::of_file(Some(ada.clone()));
        refs.sent("b", "r", what("hi"));
        refs.named(None);
        refs.earlier(Some(&ada), "a", written(), None);
        assert_eq!(given(&mut refs, "a", "r", "hi"), RefLookup::Resolved(written()));
        assert_eq!(given(&mut refs, "b", "r", "hi"), RefLookup::InFlight);
    }

    #[test]
    fn a_ref_that_was_free_and_was_given_again_is_the_later_send() {
        let mut refs = Refs::of_file(None);
        refs.restored("a", "r", what("hi"));
        let status = DeliveryStatus::Failed(SendFailure::Expired);
        refs.earlier(None, "a", Resolved { status, ..written() }, None);
        assert_eq!(given(&mut refs, "a", "r", "hi"), RefLookup::InFlight);
    }

    #[test]
    fn the_last_ten_thousand_are_remembered() {
        let mut refs = Refs::of_file(None);
        for number in 0..=MOST {
            refs.resolved(User::default(), &number.to_string(), written());
        }
        assert_eq!(given(&mut refs, "0", "r", "hi"), RefLookup::New);
        assert_eq!(given(&mut refs, "1", "r", "hi"), RefLookup::Resolved(written()));
        assert_eq!(refs.known.len(), MOST);
    }
}
