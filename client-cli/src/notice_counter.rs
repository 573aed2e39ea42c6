//! Counts repeated notices instead of printing them. Prints nothing itself.

use std::time::Duration;
use tokio::time::Instant;

/// A first count is said after this long, and each later one after twice the time of the one before.
const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(60);

/// The last notice, and how often it has come.
#[derive(Debug, Default)]
pub(crate) struct NoticeCounter {
    text: String,
    count: u64,
    /// As often as this it has been said to have come.
    said: u64,
    wait: Duration,
    due: Option<Instant>,
}

impl NoticeCounter {
    /// A new notice has been printed.
    pub(crate) fn begin(&mut self, text: &str) {
        *self = Self { text: text.to_owned(), count: 1, said: 1, wait: FIRST, due: None };
    }

    /// Counts a notice that is the same as the last one; `false` for another.
    pub(crate) fn is_repeated(&mut self, text: &str, now: Instant) -> bool {
        if self.count == 0 || self.text != text {
            return false;
        }
        self.count += 1;
        self.due.get_or_insert(now + self.wait);
        true
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The notice with its count, if that is due, or with `all` if it has not been said.
    pub(crate) fn take(&mut self, all: bool, now: Instant) -> Option<String> {
        if self.count == self.said || (!all && self.due.is_none_or(|due| due > now)) {
            return None;
        }
        (self.said, self.due) = (self.count, None);
        self.wait = (2 * self.wait).min(LONGEST);
        Some(format!("{} ({} times)", self.text, self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_said_when_it_is_due_and_each_time_later() {
        let start = Instant::now();
        let mut repeats = NoticeCounter::default();
        assert!(!repeats.is_repeated("", start));
        repeats.begin("a");
        assert!(!repeats.is_repeated("b", start));
        assert!(repeats.is_repeated("a", start) && repeats.is_repeated("a", start));
        assert_eq!(repeats.due(), Some(start + FIRST));
        assert_eq!(repeats.take(false, start), None);
        assert_eq!(repeats.take(false, start + FIRST).as_deref(), Some("a (3 times)"));
        assert_eq!((repeats.due(), repeats.take(true, start)), (None, None));
        assert!(repeats.is_repeated("a", start));
        assert_eq!(repeats.due(), Some(start + 2 * FIRST));
        assert_eq!(repeats.take(true, start).as_deref(), Some("a (4 times)"));
    }
}
