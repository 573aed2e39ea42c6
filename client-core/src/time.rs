//! Time as a number that comes with each input. Reads no clock.

use core::ops::{Add, AddAssign, Sub};
use core::time::Duration;

/// The nanoseconds of a duration, as far as they go: 584 years.
const fn nanos(duration: Duration) -> u64 {
    // Not by `as_nanos`: 128 bits cost a page more than anything else here.
    const LAST: u64 = u64::MAX / 1_000_000_000;
    let secs = duration.as_secs();
    if secs >= LAST { u64::MAX } else { secs * 1_000_000_000 + duration.subsec_nanos() as u64 }
}

const fn millis_to_nanos(millis: u64) -> u64 {
    const LAST: u64 = u64::MAX / 1_000_000;
    if millis > LAST { u64::MAX } else { millis * 1_000_000 }
}

/// A point on a clock that only the driver reads: the time since a start of its choosing. Up to 584 years of it.
///
/// std's `Instant` is no use here: it panics in browsers, has no epoch and cannot be made by a test.
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The start of the driver's clock.
    pub const ZERO: Self = Self(0);

    /// What is not waited for. Sums end here too.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// The point `since_start` after the start.
    pub const fn new(since_start: Duration) -> Self {
        Self(nanos(since_start))
    }

    /// The point `millis` milliseconds after the start.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis_to_nanos(millis))
    }

    /// Time since the start.
    pub const fn since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// `None` for what is not waited for.
    pub(crate) fn into_option(self) -> Option<Self> {
        (self != Self::NEVER).then_some(self)
    }

    /// Whole milliseconds since the start.
    pub const fn millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Milliseconds since the start, rounded up: a timer set so is never early.
    pub const fn millis_up(self) -> u64 {
        self.0.div_ceil(1_000_000)
    }

    /// Time since `earlier`; zero if that lies ahead.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.after(earlier).0)
    }

    /// Time since `earlier`; zero if that lies ahead.
    pub(crate) const fn after(self, earlier: Self) -> Nanos {
        Nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    /// Saturates: a deadline past the end of time is never reached.
    fn add(self, duration: Duration) -> Self {
        self + Nanos::from(duration)
    }
}

impl AddAssign<Duration> for Timestamp {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub for Timestamp {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

impl Add<Nanos> for Timestamp {
    type Output = Self;
    fn add(self, Nanos(span): Nanos) -> Self {
        Self(self.0.saturating_add(span))
    }
}

impl Sub<Nanos> for Timestamp {
    type Output = Self;
    fn sub(self, Nanos(span): Nanos) -> Self {
        Self(self.0.saturating_sub(span))
    }
}

/// A time that passes. What a [`Duration`] is outside: inside it is one number, because its two parts cost a page
/// kilobytes. Saturates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Nanos(u64);

impl Nanos {
    pub(crate) const ZERO: Self = Self(0);
    pub(crate) const MAX: Self = Self(u64::MAX);

    pub(crate) const fn from_secs(secs: u64) -> Self {
        Self::from_millis(secs * 1000)
    }

    pub(crate) const fn from_millis(millis: u64) -> Self {
        Self(millis_to_nanos(millis))
    }

    /// Whole milliseconds.
    pub(crate) const fn millis(self) -> u64 {
        self.0 / 1_000_000
    }

    pub(crate) const fn duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// Twice as long, so many times over.
    pub(crate) fn doubled(self, times: u32) -> Self {
        (0..times).fold(self, |span, _| span.plus(span))
    }

    pub(crate) const fn half(self) -> Self {
        Self(self.0 / 2)
    }

    pub(crate) const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    pub(crate) const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl From<Duration> for Nanos {
    fn from(duration: Duration) -> Self {
        Self(nanos(duration))
    }
}

/// The two clocks that come with every input.
///
/// `monotonic` drives all deadlines. It may stand still while a machine sleeps; `wall` does not, but it may
/// jump. A wall clock that ran ahead of the monotonic one is taken as a wake from sleep, and only ever causes
/// a question to the server, never a decision.
#[cfg_attr(feature = "recording", derive(serde::Serialize, serde::Deserialize))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClockReading {
    /// Never goes back. May stop during sleep.
    pub monotonic: Timestamp,
    /// The wall clock, whose start is the Unix epoch. May jump either way.
    pub wall: Timestamp,
}

impl ClockReading {
    /// Both clocks at once; `wall` is the time since the Unix epoch.
    pub const fn new(monotonic: Timestamp, wall: Duration) -> Self {
        Self { monotonic, wall: Timestamp::new(wall) }
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
        assert_eq!(Timestamp::from_millis(u64::MAX), end);
        assert_eq!(Nanos::from(Duration::MAX), Nanos::MAX);
        assert_eq!(Timestamp::ZERO - Nanos::MAX, Timestamp::ZERO);
        assert_eq!(Nanos::MAX.plus(Nanos::MAX), Nanos::MAX);
    }

    #[test]
    fn a_duration_comes_back_as_it_was() {
        for duration in [Duration::ZERO, Duration::new(1, 1), Duration::new(1_763_846_359, 999_999_999)] {
            assert_eq!(Timestamp::new(duration).since_start(), duration);
            assert_eq!(Nanos::from(duration).duration(), duration);
        }
        let point = Timestamp::new(Duration::from_nanos(1_000_001));
        assert_eq!((point.millis(), point.millis_up()), (1, 2));
    }
}
