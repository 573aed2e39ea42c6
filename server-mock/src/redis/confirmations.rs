//! Entries that wait until enough replicas have them (`--durability wait=N`), and their acknowledgements. Owns whose turn it is;
//! asks nobody.

use crate::hub::shared::{RequestId, StoreResponse};
use rejoin::Name;
use rejoin::messages::Epoch;
use std::collections::{BTreeMap, BTreeSet};

/// An entry that nobody is shown yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) room: Name,
    pub(super) epoch: Epoch,
    pub(super) seq: u64,
    /// What its sender is told then, if there is one.
    pub(super) sender: Option<(RequestId, StoreResponse)>,
}

/// The newest entry of each room among these, which stands for those before it.
pub(super) fn newest(answers: &[Answer]) -> BTreeMap<(&Name, &Epoch), u64> {
    let mut newest = BTreeMap::<_, u64>::new();
    for answer in answers {
        let seq = newest.entry((&answer.room, &answer.epoch)).or_default();
        *seq = answer.seq.max(*seq);
    }
    newest
}

/// What is not confirmed yet, by the shard that has it. One question to a shard is enough for everything before it.
#[derive(Debug, Default)]
pub(super) struct Confirmations {
    waiting: BTreeMap<usize, Vec<Answer>>,
    asked: BTreeSet<usize>,
}

impl Confirmations {
    pub(super) fn push(&mut self, shard: usize, answer: Answer) {
        self.waiting.entry(shard).or_default().push(answer);
    }

    /// A shard to ask for the replicas of these. It is not asked again before [`done`](Self::done).
    pub(super) fn next(&mut self) -> Option<(usize, Vec<Answer>)> {
        let shard = *self.waiting.keys().find(|shard| !self.asked.contains(shard))?;
        self.asked.insert(shard);
        Some((shard, self.waiting.remove(&shard)?))
    }

    pub(super) fn done(&mut self, shard: usize) {
        self.asked.remove(&shard);
    }

    /// All that nobody was asked for: another connection cannot say anything about them.
    pub(super) fn give_up(&mut self) -> impl Iterator<Item = Answer> + use<> {
        std::mem::take(&mut self.waiting).into_values().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_asked_once_at_a_time_for_all_that_waits_on_it() {
        let answer = |number| Answer {
            room: Name::from("lobby"),
            epoch: Epoch::new("e").unwrap(),
            seq: number,
            sender: Some((RequestId(number), StoreResponse::Failed)),
        };
        let mut confirmations = Confirmations::default();
        confirmations.push(0, answer(1));
        confirmations.push(1, answer(2));
        assert_eq!(confirmations.next(), Some((0, vec![answer(1)])));
        assert_eq!(confirmations.next(), Some((1, vec![answer(2)])));
        confirmations.push(0, answer(3));
        confirmations.push(0, answer(4));
        assert_eq!(confirmations.next(), None);
        confirmations.done(0);
        assert_eq!(confirmations.next(), Some((0, vec![answer(3), answer(4)])));
        confirmations.push(1, answer(5));
        assert!(confirmations.give_up().eq([answer(5)]));
    }
}
