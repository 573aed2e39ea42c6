//! Time as the machine sees it: a number that came with the input. Nothing here reads a clock.

use core::ops::{Add, Sub};
use core::time::Duration;

/// A point on a clock that only the driver reads: the time since a start of its choosing.
///
/// std's `Instant` is no use here: it panics in browsers, has no epoch and cannot be made by a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(Duration);

impl Timestamp {
    /// The start of the driver's clock.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// The point `since_start` after the start.
    pub const fn new(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// The point `millis` milliseconds after the start.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// Time since the start.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// Time since `earlier`; zero if that lies ahead.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    /// Saturates: a deadline past the end of time is never reached.
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl Sub for Timestamp {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

/// The two clocks that come with every input.
///
/// `monotonic` drives all deadlines. It may stand still while a machine sleeps; `wall` does not, but it may
/// jump. A wall clock that ran ahead of the monotonic one is taken as a wake from sleep, and only ever causes
/// a question to the server, never a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// Never goes back. May stop during sleep.
    pub monotonic: Timestamp,
    /// Time since the Unix epoch by the wall clock. May jump either way.
    pub wall: Duration,
}

impl Moment {
    /// Both clocks at once.
    pub const fn new(monotonic: Timestamp, wall: Duration) -> Self {
        Self { monotonic, wall }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Timestamp::ZERO.since(Timestamp::from_millis(5)), Duration::ZERO);
        let end = Timestamp::new(Duration::MAX);
        assert_eq!(end + Duration::from_secs(1), end);
    }
}
