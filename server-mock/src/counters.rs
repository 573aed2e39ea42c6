//! Counts events by kind and decides which of them are logged: the first of a kind at once, the others together, once a
//! minute. Writes no log itself.

use crate::log_throttle::LOG_INTERVAL;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The kinds that are counted: an enum whose variants have names in `/metrics` and in the log.
macro_rules! kinds {
    ($(#[$attribute:meta])* $visibility:vis enum $name:ident { $($(#[$about:meta])* $kind:ident = $label:literal,)* }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $visibility enum $name {
            $($(#[$about])* $kind,)*
        }

        impl $name {
            /// All of them.
            $visibility const ALL: [Self; [$($label),*].len()] = [$(Self::$kind),*];

            /// Its name in `/metrics` and in the log.
            $visibility fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $label,)*
                }
            }
        }
    };
}
pub(crate) use kinds;

#[derive(Debug)]
pub(crate) struct KindCounters<const KINDS: usize>([Count; KINDS]);

#[derive(Debug, Default)]
struct Count {
    all: AtomicU64,
    /// When it was last told, and how many there were then.
    told: Mutex<Option<(Instant, u64)>>,
}

impl<const KINDS: usize> Default for KindCounters<KINDS> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Count::default()))
    }
}

impl<const KINDS: usize> KindCounters<KINDS> {
    /// Counts some more of a kind. Gives how many there were since it was last told, if it is to be told now.
    pub(crate) fn count(&self, kind: usize, more: u64, now: Instant) -> Option<u64> {
        let count = self.0.get(kind)?;
        let all = count.all.fetch_add(more, Ordering::Relaxed) + more;
        let mut told = count.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|(at, _)| now.saturating_duration_since(at) < LOG_INTERVAL) {
            return None;
        }
        let before = told.replace((now, all)).map_or(0, |(_, before)| before);
        Some(all.saturating_sub(before))
    }

    /// How many there are of each kind.
    pub(crate) fn counts(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|count| count.all.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_one_is_counted_and_few_are_told() {
        let (counters, now) = (KindCounters::<2>::default(), Instant::now());
        assert_eq!(counters.count(0, 1, now), Some(1));
        assert_eq!(counters.count(0, 1, now), None);
        assert_eq!(counters.count(1, 3, now), Some(3));
        assert_eq!(counters.count(0, 1, now + LOG_INTERVAL), Some(2));
        assert_eq!(counters.count(2, 1, now), None);
        assert_eq!(counters.counts().collect::<Vec<_>>(), [3, 3]);
    }
}
