//! The `ref`s of sends: with a state file one that is given again is the same send.

use rejoin::{DeliveryStatus, Name};
use std::collections::{HashMap, VecDeque};

/// As many outcomes as a state file remembers.
const MOST: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Refs {
    known: HashMap<String, Known>,
    /// Those with an outcome, the oldest first.
    resolved: VecDeque<String>,
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
    pub(super) fn resolved(&mut self, reference: &str, resolved: Resolved) -> usize {
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
        Resolved { room: "r".into(), status: DeliveryStatus::Written }
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
