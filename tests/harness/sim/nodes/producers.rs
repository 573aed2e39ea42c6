//! Decided sends of a room by producer: the store's deduplication (protocol.md §2.3).

use crate::sim::{Micros, SECOND};
use rejoin::messages::Code;
use rejoin::{Id, Name};
use rejoin_server::hub::shared::SendKey;
use std::collections::{BTreeMap, VecDeque};

/// Answers remembered of one producer.
const ANSWERS: usize = 64;
/// A store forgets no producer before its time, and may do so somewhat later.
const LATER: Micros = 20 * SECOND;

/// What a send was answered for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Logged { id: Id, seq: u64 },
    Refused(Code),
}

/// What is known of a send.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It comes next, and has not been decided.
    Next,
    /// It was decided.
    Decided(Answer),
    /// Its producer is not known, or not under this epoch, or it was decided too long ago.
    Stranger,
    /// This number comes first.
    Missing(u64),
}

#[derive(Debug)]
struct Producer {
    last: u64,
    answers: VecDeque<Answer>,
    used: Micros,
}

/// All producers of one room.
#[derive(Debug, Default)]
pub(super) struct Producers(BTreeMap<(Option<Name>, Id), Producer>);

impl Producers {
    /// What is known of a send. A producer that is known is in use.
    pub(super) fn look(&mut self, now: Micros, window: Micros, send: &SendKey, epoch: &Id) -> Known {
        let key = (send.user.clone(), send.pid.clone());
        if self.0.get(&key).is_some_and(|line| now >= line.used + window + LATER) {
            self.0.remove(&key);
        }
        let Some(line) = self.0.get_mut(&key) else {
            let here = send.epoch.as_ref().is_none_or(|named| named == epoch);
            return if here && send.pseq == 1 { Known::Next } else { Known::Stranger };
        };
        if send.pseq == line.last + 1 {
            return Known::Next;
        }
        if send.pseq > line.last {
            return Known::Missing(line.last + 1);
        }
        line.used = now;
        let back = usize::try_from(line.last - send.pseq).unwrap_or(usize::MAX);
        let answer = line.answers.iter().rev().nth(back).cloned();
        answer.map_or(Known::Stranger, Known::Decided)
    }

    /// A send was decided. A refusal makes no producer known.
    pub(super) fn decided(&mut self, now: Micros, send: &SendKey, answer: Answer) {
        let key = (send.user.clone(), send.pid.clone());
        if matches!(answer, Answer::Refused(_)) && !self.0.contains_key(&key) {
            return;
        }
        let line =
            self.0.entry(key).or_insert_with(|| Producer { last: 0, answers: VecDeque::new(), used: now });
        (line.last, line.used) = (send.pseq, now);
        line.answers.push_back(answer);
        if line.answers.len() > ANSWERS {
            line.answers.pop_front();
        }
    }

    /// What was decided with entries beyond `head`, and since, was not.
    pub(super) fn lose_after(&mut self, head: u64) {
        for line in self.0.values_mut() {
            let lost = |answer: &Answer| matches!(answer, Answer::Logged { seq, .. } if *seq > head);
            if let Some(first) = line.answers.iter().position(lost) {
                line.last -= (line.answers.len() - first) as u64;
                line.answers.truncate(first);
            }
        }
        self.0.retain(|_, line| line.last > 0);
    }
}
