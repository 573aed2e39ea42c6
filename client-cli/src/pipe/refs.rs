//! The `ref`s of sends: with a state file one that is given again is the same send.

use rejoin::{DeliveryStatus, Name, SendReply};
use std::collections::{HashMap, VecDeque};

/// As many outcomes as a state file remembers.
const MOST: usize = 10_000;
/// So many of them with the server's answer, of up to so many bytes: as a state file keeps them.
const MOST_REPLIES: usize = 256;
const LARGEST_REPLY: usize = 4 << 10;

#[derive(Debug, Default)]
pub(super) struct Refs {
    known: HashMap<String, Known>,
    /// Those with an outcome, the oldest first.
    resolved: VecDeque<String>,
    /// Those with an answer, the oldest first.
    replied: VecDeque<String>,
}

#[derive(Debug)]
enum Known {
    /// It is on its way, and so many lines have asked for it again.
    OnItsWay(usize),
    Resolved(Resolved),
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
pub(super) enum Given {
    /// A send to be made.
    New,
    /// One whose outcome will come.
    OnItsWay,
    /// One whose outcome is known.
    Resolved(Resolved),
}

impl Refs {
    /// A line has this `ref`.
    pub(super) fn given(&mut self, reference: &str) -> Given {
        match self.known.get_mut(reference) {
            None => Given::New,
            Some(Known::OnItsWay(asked)) => {
                *asked += 1;
                Given::OnItsWay
            }
            Some(Known::Resolved(resolved)) => Given::Resolved(resolved.clone()),
        }
    }

    /// A send with this `ref` is on its way.
    pub(super) fn sent(&mut self, reference: &str) {
        self.known.entry(reference.to_owned()).or_insert(Known::OnItsWay(0));
    }

    /// The outcome is known. Gives how many lines have asked for it again.
    pub(super) fn resolved(&mut self, reference: &str, mut resolved: Resolved) -> usize {
        resolved.reply = resolved.reply.filter(|reply| {
            let texts = [&reply.answer, &reply.message];
            texts.iter().all(|text| text.as_ref().is_none_or(|text| text.len() <= LARGEST_REPLY))
        });
        if resolved.reply.is_some() {
            self.replied.push_back(reference.to_owned());
        }
        if self.replied.len() > MOST_REPLIES
            && let Some(oldest) = self.replied.pop_front()
            && let Some(Known::Resolved(oldest)) = self.known.get_mut(&oldest)
        {
            oldest.reply = None;
        }
        let before = self.known.insert(reference.to_owned(), Known::Resolved(resolved));
        if !matches!(before, Some(Known::Resolved(_))) {
            self.resolved.push_back(reference.to_owned());
        }
        if self.resolved.len() > MOST
            && let Some(oldest) = self.resolved.pop_front()
        {
            self.known.remove(&oldest);
        }
        match before {
            Some(Known::OnItsWay(asked)) => asked,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Resolved {
        Resolved { room: "r".into(), status: DeliveryStatus::Written, reply: None }
    }

    #[test]
    fn the_last_answers_are_remembered_unless_they_are_large() {
        let with = |answer: String| {
            let reply = Some(Box::new(SendReply { answer: Some(answer), message: None }));
            Resolved { reply, ..written() }
        };
        let mut refs = Refs::default();
        for number in 0..=MOST_REPLIES {
            refs.resolved(&number.to_string(), with(number.to_string()));
        }
        assert_eq!(refs.given("0"), Given::Resolved(written()));
        assert_eq!(refs.given("1"), Given::Resolved(with("1".to_owned())));
        refs.resolved("large", with("x".repeat(LARGEST_REPLY + 1)));
        assert_eq!(refs.given("large"), Given::Resolved(written()));
    }

    #[test]
    fn a_ref_given_again_is_the_send_it_was() {
        let mut refs = Refs::default();
        assert_eq!(refs.given("a"), Given::New);
        refs.sent("a");
        assert_eq!((refs.given("a"), refs.given("a")), (Given::OnItsWay, Given::OnItsWay));
        assert_eq!(refs.resolved("a", written()), 2);
        assert_eq!(refs.given("a"), Given::Resolved(written()));
        assert_eq!(refs.given("b"), Given::New);
    }

    #[test]
    fn the_last_ten_thousand_are_remembered() {
        let mut refs = Refs::default();
        for number in 0..=MOST {
            refs.resolved(&number.to_string(), written());
        }
        assert_eq!(refs.given("0"), Given::New);
        assert_eq!(refs.given("1"), Given::Resolved(written()));
        assert_eq!(refs.known.len(), MOST);
    }
}
