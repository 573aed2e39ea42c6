//! Timestamps as servers of others write them: numbers, or none.

use crate::utc::utc;
use alloc::borrow::ToOwned as _;
use alloc::string::String;
use core::time::Duration;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Whether a JSON value is a number.
pub(crate) fn is_number(json: &str) -> bool {
    json.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// A timestamp as the contract writes it, from a text as it is or from the time since 1970; empty for `null`.
pub(crate) fn timestamp(json: &RawValue) -> Result<String, serde_json::Error> {
    let json = json.get();
    if json == "null" {
        return Ok(String::new());
    }
    if !is_number(json) {
        return serde_json::from_str(json);
    }
    let since_epoch =
        json.parse().ok().map(since_epoch).or_else(|| json.parse().ok().and_then(since_epoch_of_fraction));
    // What is no time is shown as it was written.
    Ok(since_epoch.map_or_else(|| json.to_owned(), utc))
}

/// Seconds, or thousandths, millionths or milliardths of them, whichever is a time that people live in.
fn since_epoch(number: u64) -> Duration {
    match number {
        0..100_000_000_000 => Duration::from_secs(number),
        100_000_000_000..100_000_000_000_000 => Duration::from_millis(number),
        100_000_000_000_000..100_000_000_000_000_000 => Duration::from_micros(number),
        _ => Duration::from_nanos(number),
    }
}

/// The same of what is no whole number, or is not written as one.
fn since_epoch_of_fraction(number: f64) -> Option<Duration> {
    let in_a_second = match number {
        ..1e11 => 1.0,
        1e11..1e14 => 1e3,
        1e14..1e17 => 1e6,
        1e17..18_446_744_073_709_551_616.0 => 1e9,
        _ => return None,
    };
    // Half a millisecond, so that what cannot be written exactly in base 2 is rounded.
    Duration::try_from_secs_f64(number / in_a_second).ok()?.checked_add(Duration::from_micros(500))
}

/// For `deserialize_with`, with `default`: a timestamp that may be missing.
pub(super) fn any_timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    timestamp(<&RawValue>::deserialize(deserializer)?).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_may_be_a_text_or_a_number_of_seconds_milliseconds_or_less() {
        for (json, expected) in [
            ("\"2026-11-28T08:00:00.123Z\"", "2026-11-28T08:00:00.123Z"),
            ("\"noon\"", "noon"),
            ("null", ""),
            ("1795852800", "2026-11-28T08:00:00.000Z"),
            ("1795852800123", "2026-11-28T08:00:00.123Z"),
            ("1795852800.123", "2026-11-28T08:00:00.123Z"),
            ("1795852800123.5", "2026-11-28T08:00:00.124Z"),
            ("1.795852800e9", "2026-11-28T08:00:00.000Z"),
            ("1795852800123456", "2026-11-28T08:00:00.123Z"),
            ("1795852800123456789", "2026-11-28T08:00:00.123Z"),
            ("0", "1970-01-01T00:00:00.000Z"),
            ("-1", "-1"),
            ("1e300", "1e300"),
        ] {
            let json: &RawValue = serde_json::from_str(json).unwrap();
            assert_eq!(timestamp(json).unwrap(), expected);
        }
        for json in ["true", "{}", "[1]"] {
            let json: &RawValue = serde_json::from_str(json).unwrap();
            assert!(timestamp(json).is_err(), "{json}");
        }
    }
}
