//! Producers: recognise a repeated send (protocol.md §2.3).

use super::mutation::mutation;
use rejoin::messages::Code;
use rejoin::{Id, Name, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::time::Duration;

/// Answers remembered per line; a client has at most as many sends in flight.
const ANSWERS: usize = 64;

/// A line within its room: whose it is, and its producer. `None` are the posts of the admin listener, so that no
/// user's producer can be mistaken for one of their keys.
pub(super) type ProducerKey = (Option<Name>, Id);

/// What a send was answered. Only what consumes its number is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Ack { id: Id, seq: u64 },
    Nack(Code),
}

/// One line.
#[derive(Debug, Clone)]
struct Producer {
    /// The number of its last consumed send.
    last: u64,
    /// The answers to the last sends, that to `last` at the end.
    answers: VecDeque<Answer>,
    last_used: Timestamp,
}

/// What is known about a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SendStatus {
    /// Its line is not known.
    UnknownProducer,
    /// It is the next one of its line.
    Next,
    /// It was decided before.
    Answered(Answer),
    /// It was decided so long ago that the answer is not remembered.
    AnswerExpired,
    /// The line goes on with an earlier number.
    Gap {
        /// That number.
        expected: u64,
    },
}

/// The lines of one room.
#[derive(Debug, Clone, Default)]
pub(super) struct Producers(BTreeMap<ProducerKey, Producer>);

impl Producers {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Looks a send up. A line that nobody used for `window` is not known any more.
    pub(super) fn lookup(
        &self,
        key: &ProducerKey,
        pseq: u64,
        now: Timestamp,
        window: Duration,
    ) -> SendStatus {
        let Some(line) = self.0.get(key).filter(|line| now.since(line.last_used) < window) else {
            return SendStatus::UnknownProducer;
        };
        if pseq > line.last {
            return if pseq - 1 == line.last {
                SendStatus::Next
            } else {
                SendStatus::Gap { expected: line.last + 1 }
            };
        }
        let back = usize::try_from(line.last - pseq).unwrap_or(usize::MAX);
        let place = line.answers.len().checked_sub(1).and_then(|newest| newest.checked_sub(back));
        place
            .and_then(|place| line.answers.get(place))
            .map_or(SendStatus::AnswerExpired, |answer| SendStatus::Answered(answer.clone()))
    }

    /// Another answer that the line of `key` was given.
    pub(super) fn oldest_answer(&self, key: &ProducerKey) -> Option<Answer> {
        self.0.get(key)?.answers.front().cloned()
    }

    pub(super) fn contains(&self, key: &ProducerKey) -> bool {
        self.0.contains_key(key)
    }

    /// Remembers the answer to `pseq`, and that the line is in use. Makes the line if it is an acknowledgement; a
    /// refusal makes none.
    pub(super) fn record_answer(&mut self, key: ProducerKey, pseq: u64, answer: Answer, now: Timestamp) {
        if let Answer::Nack(_) = answer
            && !self.0.contains_key(&key)
        {
            return;
        }
        let line = self.0.entry(key).or_insert_with(|| Producer {
            last: 0,
            answers: VecDeque::new(),
            last_used: now,
        });
        if pseq != line.last + 1 {
            line.answers.clear();
        }
        if mutation!(AnswersShift) && matches!(answer, Answer::Nack(_)) {
            line.answers.push_back(answer.clone());
        }
        line.last = pseq;
        line.last_used = now;
        line.answers.push_back(answer);
        if line.answers.len() > if mutation!(FewAnswers) { 2 } else { ANSWERS } {
            line.answers.pop_front();
        }
    }

    /// The line is in use.
    pub(super) fn touch(&mut self, key: &ProducerKey, now: Timestamp) {
        if let Some(line) = self.0.get_mut(key) {
            line.last_used = now;
        }
    }

    /// Nobody could use a line for so long.
    pub(super) fn extend_lifetimes(&mut self, time: Duration) {
        for line in self.0.values_mut() {
            line.last_used += time;
        }
    }

    /// Looks at `most` lines behind `after`, forgets those that nobody used for `window`, and says whose they were. Gives
    /// how many it has looked at, and the last of them unless that was the end.
    pub(super) fn expire(
        &mut self,
        now: Timestamp,
        window: Duration,
        after: Option<&ProducerKey>,
        most: usize,
        mut gone: impl FnMut(Option<&Name>),
    ) -> (usize, Option<ProducerKey>) {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut behind = self.0.range::<ProducerKey, _>((start, Bound::Unbounded));
        let (mut looked, mut last, mut dead) = (0, None, Vec::new());
        for (key, line) in behind.by_ref().take(most) {
            (looked, last) = (looked + 1, Some(key));
            if now.since(line.last_used) >= window {
                dead.push(key.clone());
            }
        }
        let more = if behind.next().is_some() { last.cloned() } else { None };
        for key in dead {
            self.0.remove(&key);
            gone(key.0.as_ref());
        }
        (looked, more)
    }

    /// Forgets all, and says whose they were.
    pub(super) fn clear(&mut self, mut gone: impl FnMut(Option<&Name>)) {
        for (user, _) in std::mem::take(&mut self.0).into_keys() {
            gone(user.as_ref());
        }
    }

    /// Forgets the acknowledgements of messages beyond `head`, and every answer after the first of them.
    pub(super) fn truncate_after(&mut self, head: u64, mut gone: impl FnMut(Option<&Name>)) {
        self.0.retain(|(user, _), line| {
            let lost = |answer: &Answer| matches!(answer, Answer::Ack { seq, .. } if *seq > head);
            if let Some(first) = line.answers.iter().position(lost) {
                line.last = line.last.saturating_sub((line.answers.len() - first) as u64);
                if !mutation!(LostAcksKept) {
                    line.answers.truncate(first);
                }
            }
            if line.last == 0 {
                gone(user.as_ref());
            }
            line.last > 0
        });
    }
}
