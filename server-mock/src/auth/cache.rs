//! A cache of authentication results, bounded in number and bytes. What would expire first is evicted first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const MOST: usize = 10_000;
const MOST_BYTES: usize = 16 << 20;

/// What an answer costs beside its texts.
const ANSWER: usize = 256;

#[derive(Debug)]
pub(super) struct Answers<K, V> {
    entries: BTreeMap<K, Entry<V>>,
    ends: BTreeSet<(Instant, K)>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    until: Instant,
    bytes: usize,
}

impl<K, V> Default for Answers<K, V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), ends: BTreeSet::new(), bytes: 0 }
    }
}

impl<K: Ord + Copy, V: Clone> Answers<K, V> {
    /// The answer that counts now, if there is one.
    pub(super) fn get(&self, key: &K, now: Instant) -> Option<V> {
        self.entries.get(key).filter(|entry| now < entry.until).map(|entry| entry.value.clone())
    }

    pub(super) fn keep(&mut self, key: K, value: V, bytes: usize, lasts: Duration, now: Instant) {
        self.forget(&key);
        let bytes = bytes + ANSWER;
        while let Some((until, first)) = self.ends.first().copied()
            && (until <= now || self.entries.len() >= MOST || self.bytes + bytes > MOST_BYTES)
        {
            self.forget(&first);
        }
        let until = now + lasts;
        self.bytes += bytes;
        self.ends.insert((until, key));
        self.entries.insert(key, Entry { value, until, bytes });
    }

    fn forget(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.ends.remove(&(entry.until, *key));
            self.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn an_answer_counts_for_its_time() {
        let (mut answers, now) = (Answers::default(), Instant::now());
        answers.keep(1, "one", 0, MINUTE, now);
        assert_eq!(answers.get(&1, now + MINUTE / 2), Some("one"));
        assert_eq!(answers.get(&1, now + MINUTE), None);
        answers.keep(2, "two", 0, MINUTE, now + MINUTE);
        assert_eq!((answers.entries.len(), answers.ends.len()), (1, 1), "what is over is forgotten");
    }

    #[test]
    fn answers_are_bounded_in_number_and_bytes() {
        let (mut answers, now) = (Answers::default(), Instant::now());
        for key in 0..=MOST {
            answers.keep(key, (), 0, MINUTE + Duration::from_millis(key as u64), now);
        }
        assert_eq!(
            (answers.entries.len(), answers.get(&0, now), answers.get(&MOST, now)),
            (MOST, None, Some(()))
        );
        for key in 0..40 {
            answers.keep(key, (), MOST_BYTES / 8, MINUTE, now);
        }
        assert!(answers.bytes <= MOST_BYTES);
        assert_eq!(answers.ends.len(), answers.entries.len());
    }
}
