//! Times for people: parsed from a server's timestamps, shown in one time zone. Independent of the connection's clocks.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// From here on a number is one of milliseconds; in seconds it would be the year 5138.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// The zone in which times are shown.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    zone: TimeZone,
    is_utc: bool,
}

impl Clock {
    /// UTC, or the zone of `TZ` or of the system.
    pub(crate) fn new(is_utc: bool) -> Self {
        Self { zone: if is_utc { TimeZone::UTC } else { TimeZone::system() }, is_utc }
    }

    /// `12:03:01`
    pub(crate) fn time(&self, at: Timestamp) -> String {
        self.zone.to_datetime(at).strftime("%H:%M:%S").to_string()
    }

    /// The day in this zone.
    pub(crate) fn day(&self, at: Timestamp) -> Date {
        self.zone.to_datetime(at).date()
    }

    /// What the times are, for the user.
    pub(crate) fn description(&self) -> String {
        match self.zone.iana_name() {
            _ if self.is_utc => "times are UTC".to_owned(),
            Some(name) => format!("times are local ({}); --utc shows UTC", crate::sanitise::line(name)),
            None => "times are local; --utc shows UTC".to_owned(),
        }
    }
}

/// `Saturday, 28 November 2026`
pub(crate) fn long_date(day: Date) -> String {
    day.strftime("%A, %-d %B %Y").to_string()
}

/// The time of a server's timestamp; now if it is none.
pub(crate) fn read(timestamp: &str) -> Timestamp {
    let number = || {
        let number: i64 = timestamp.parse().ok()?;
        let from =
            if number < MILLISECONDS_FROM { Timestamp::from_second } else { Timestamp::from_millisecond };
        from(number).ok()
    };
    // Without a zone it is UTC, as all timestamps of the protocol are.
    let civil = || TimeZone::UTC.to_timestamp(timestamp.parse::<DateTime>().ok()?).ok();
    timestamp.parse().ok().or_else(number).or_else(civil).unwrap_or_else(Timestamp::now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_zone(name: &str) -> Clock {
        Clock { zone: TimeZone::posix(name).unwrap(), is_utc: false }
    }

    #[test]
    fn a_time_is_shown_in_the_zone_with_its_day_and_summer_time() {
        let berlin = in_zone("CET-1CEST,M3.5.0,M10.5.0/3");
        let late = read("2026-11-22T23:30:01.123Z");
        assert_eq!(berlin.time(late), "00:30:01");
        assert_eq!(long_date(berlin.day(late)), "Monday, 23 November 2026");
        assert_eq!(berlin.time(read("2026-07-01T12:00:00Z")), "14:00:00");
        let utc = Clock::new(true);
        assert_eq!((utc.time(late), utc.day(late).day()), ("23:30:01".to_owned(), 22));
    }

    #[test]
    fn other_forms_of_timestamps_are_understood() {
        let wanted = read("2026-11-22T12:03:01Z");
        for text in ["2026-11-22T13:03:01+01:00", "2026-11-22T12:03:01", "1795348981", "1795348981000"] {
            assert_eq!(read(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_no_timestamp_is_now() {
        let before = Timestamp::now();
        for text in ["", "soon", "2026-11-22T\u{1b}[2J:03:01", "99999999999999999999", "-9223372036854775808"]
        {
            assert!(read(text) >= before, "{text:?}");
        }
    }
}
