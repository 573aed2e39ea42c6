//! Fields that servers of others write in another way than the contract: ids and timestamps that are numbers.

use crate::utc::utc;
use alloc::borrow::{Cow, ToOwned as _};
use alloc::string::String;
use core::time::Duration;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Most digits of a number that is an id.
const LONGEST_NUMBER: usize = 64;

/// The name of a room or a user: a text, or a number digit by digit.
pub(crate) struct IdText<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for IdText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?.get();
        if is_number(json) && json.len() <= LONGEST_NUMBER {
            return Ok(Self(Cow::Borrowed(json)));
        }
        serde_json::from_str(json).map(|Text(text)| Self(text)).map_err(D::Error::custom)
    }
}

/// A text that is borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn is_number(json: &str) -> bool {
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
    let since_epoch = json.parse().ok().map(since_epoch).or_else(|| {
        // Half a millisecond, so that what cannot be written exactly in base 2 is rounded.
        let seconds = json.parse().ok().filter(|seconds| *seconds < 1e11)?;
        Duration::try_from_secs_f64(seconds).ok()?.checked_add(Duration::from_micros(500))
    });
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

/// For `deserialize_with`, with `default`: a timestamp that may be missing.
pub(super) fn any_timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    timestamp(<&RawValue>::deserialize(deserializer)?).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn a_timestamp_may_be_a_text_or_a_number_of_seconds_milliseconds_or_less() {
        for (json, expected) in [
            ("\"2026-11-28T08:00:00.123Z\"", "2026-11-28T08:00:00.123Z"),
            ("\"noon\"", "noon"),
            ("null", ""),
            ("1795852800", "2026-11-28T08:00:00.000Z"),
            ("1795852800123", "2026-11-28T08:00:00.123Z"),
            ("1795852800.123", "2026-11-28T08:00:00.123Z"),
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

    #[test]
    fn an_id_may_be_a_number_of_any_size_up_to_a_bound() {
        let id = |json: &str| serde_json::from_str::<IdText<'_>>(json).map(|IdText(id)| id.to_string()).ok();
        assert_eq!(id("\"a\\n\""), Some("a\n".to_owned()));
        assert_eq!(id("9007199254740993"), Some("9007199254740993".to_owned()));
        assert_eq!(id("-7"), Some("-7".to_owned()));
        assert_eq!(id(&"9".repeat(65)), None);
        for json in ["null", "true", "{}", "[]"] {
            assert_eq!(id(json), None, "{json}");
        }
    }
}
