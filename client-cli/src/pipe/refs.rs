//! The `ref`s of sends: with a state file a repeated `ref` is the same send.

use rejoin::{DeliveryStatus, Name, SendReply};
use std::collections::{HashMap, VecDeque};

/// As many outcomes as a state file remembers.
const MOST: usize = 10_000;
/// So many of them with the server's answer, of up to so many bytes: as a state file keeps them.
const MOST_REPLIES: usize = 256;
const LARGEST_REPLY: usize = 4 << 10;

#[derive(Debug, Default)]
pub(super) struct Refs {
    known: HashMap<String, RefState>,
    /// Those with an outcome, the oldest first.
    resolved: VecDeque<String>,
    /// Those with an answer, the oldest first.
    replied: VecDeque<String>,
}

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
    /// A line has this `ref`.
    pub(super) fn given(&mut self, reference: &str, what: ContentHash, room: &str) -> RefLookup {
        match self.known.get_mut(reference) {
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

    /// Whether there is a send with this `ref`.
    pub(super) fn knows(&self, reference: &str) -> bool {
        self.known.contains_key(reference)
    }

    /// A send with this `ref` is on its way.
    pub(super) fn sent(&mut self, reference: &str, room: &str, what: ContentHash) {
        let known = RefState::InFlight { asked: 0, room: Name::from(room), what };
        self.known.entry(reference.to_owned()).or_insert(known);
    }

    /// An outcome of an earlier run, and what was sent then.
    pub(super) fn earlier(&mut self, reference: &str, resolved: Resolved, what: Option<ContentHash>) {
        self.resolved(reference, resolved);
        if let (Some(RefState::Resolved(_, said)), Some(_)) = (self.known.get_mut(reference), what) {
            *said = what;
        }
    }

    /// The outcome is known. Gives how many lines have asked for it again. A `ref` under which nothing was sent, and may be
    /// later, is free again.
    pub(super) fn resolved(&mut self, reference: &str, mut resolved: Resolved) -> usize {
        if matches!(resolved.status, DeliveryStatus::Failed(why) if why.is_temporary()) {
            return match self.known.remove(reference) {
                Some(RefState::InFlight { asked, .. }) => asked,
                _ => 0,
            };
        }
        resolved.reply = resolved.reply.filter(|reply| {
            let texts = [&reply.answer, &reply.message];
            texts.iter().all(|text| text.as_ref().is_none_or(|text| text.len() <= LARGEST_REPLY))
        });
        if resolved.reply.is_some() {
            self.replied.push_back(reference.to_owned());
        }
        if self.replied.len() > MOST_REPLIES
            && let Some(oldest) = self.replied.pop_front()
            && let Some(RefState::Resolved(oldest, _)) = self.known.get_mut(&oldest)
        {
            oldest.reply = None;
        }
        let what = match self.known.get(reference) {
            Some(RefState::InFlight { what, .. }) => Some(*what),
            Some(RefState::Resolved(_, what)) => *what,
            None => None,
        };
        let before = self.known.insert(reference.to_owned(), RefState::Resolved(resolved, what));
        if !matches!(before, Some(RefState::Resolved(..))) {
            self.resolved.push_back(reference.to_owned());
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

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin::SendFailure;
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
        let mut refs = Refs::default();
        for number in 0..=MOST_REPLIES {
            refs.resolved(&number.to_string(), with(number.to_string()));
        }
        assert_eq!(given(&mut refs, "0", "r", "hi"), RefLookup::Resolved(written()));
        assert_eq!(given(&mut refs, "1", "r", "hi"), RefLookup::Resolved(with("1".to_owned())));
        refs.resolved("large", with("x".repeat(LARGEST_REPLY + 1)));
        assert_eq!(given(&mut refs, "large", "r", "hi"), RefLookup::Resolved(written()));
    }

    #[test]
    fn a_ref_given_again_is_the_send_it_was() {
        let mut refs = Refs::default();
        assert_eq!(given(&mut refs, "a", "r", "hi"), RefLookup::New);
        refs.sent("a", "r", what("hi"));
        assert_eq!(
            (given(&mut refs, "a", "r", "hi"), given(&mut refs, "a", "r", "hi")),
            (RefLookup::InFlight, RefLookup::InFlight)
        );
        assert_eq!(refs.resolved("a", written()), 2);
        assert_eq!(given(&mut refs, "a", "r", "hi"), RefLookup::Resolved(written()));
        assert_eq!(given(&mut refs, "b", "r", "hi"), RefLookup::New);
    }

    #[test]
    fn a_ref_with_another_content_or_another_room_is_no_repetition() {
        let mut refs = Refs::default();
        refs.sent("a", "r", what("hi"));
        for _ in 0..2 {
            assert_eq!(given(&mut refs, "a", "r", "ho"), RefLookup::Taken);
            assert_eq!(given(&mut refs, "a", "s", "hi"), RefLookup::Taken);
            refs.resolved("a", written());
        }
        let data = "{}".to_owned();
        assert_eq!(refs.given("a", ContentHash::of(&"hi".to_owned(), Some(&data)), "r"), RefLookup::Taken);
    }

    #[test]
    fn a_ref_of_an_earlier_run_is_told_from_another_send_by_what_it_said_and_where() {
        let mut refs = Refs::default();
        refs.earlier("b", written(), Some(what("hi")));
        assert_eq!(given(&mut refs, "b", "r", "hi"), RefLookup::Resolved(written()));
        assert_eq!(given(&mut refs, "b", "r", "ho"), RefLookup::Taken);
        assert_eq!(given(&mut refs, "b", "s", "hi"), RefLookup::Taken);
        // Stored by an earlier version.
        refs.earlier("c", written(), None);
        assert_eq!(given(&mut refs, "c", "r", "whatever"), RefLookup::Resolved(written()));
        assert_eq!(given(&mut refs, "c", "s", "whatever"), RefLookup::Taken);
    }

    #[test]
    fn a_ref_under_which_nothing_was_sent_yet_may_be_given_again() {
        for why in [SendFailure::Refused(Code::NotJoined), SendFailure::Expired] {
            let failed = Resolved { status: DeliveryStatus::Failed(why), ..written() };
            let mut refs = Refs::default();
            refs.sent("a", "r", what("hi"));
            assert_eq!(given(&mut refs, "a", "r", "hi"), RefLookup::InFlight);
            assert_eq!(refs.resolved("a", failed.clone()), 1);
            assert_eq!(given(&mut refs, "a", "r", "hi"), RefLookup::New);
            refs.earlier("b", failed, Some(what("hi")));
            assert_eq!(given(&mut refs, "b", "s", "ho"), RefLookup::New);
        }
        let mut refs = Refs::default();
        let status = DeliveryStatus::Failed(SendFailure::Refused(Code::Forbidden));
        refs.resolved("a", Resolved { status: status.clone(), ..written() });
        assert_eq!(given(&mut refs, "a", "r", "hi"), RefLookup::Resolved(Resolved { status, ..written() }));
    }

    #[test]
    fn the_last_ten_thousand_are_remembered() {
        let mut refs = Refs::default();
        for number in 0..=MOST {
            refs.resolved(&number.to_string(), written());
        }
        assert_eq!(given(&mut refs, "0", "r", "hi"), RefLookup::New);
        assert_eq!(given(&mut refs, "1", "r", "hi"), RefLookup::Resolved(written()));
        assert_eq!(refs.known.len(), MOST);
    }
}
