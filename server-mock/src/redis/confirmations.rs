//! Acknowledgements that wait until enough replicas have what they acknowledge (`--durability wait=N`). Owns whose turn it is;
//! asks nobody.

use crate::hub::shared::{RequestId, StoreResponse};
use std::collections::{BTreeMap, BTreeSet};

pub(super) type Answer = (RequestId, StoreResponse);

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
        let answer = |number| (RequestId(number), StoreResponse::Failed);
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
