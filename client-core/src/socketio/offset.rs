//! Recognises the offset for connection state recovery among the trailing texts of events.
//!
//! A server that recovers appends one to every event but volatile ones and those that want an answer, and does not say
//! which it was: a volatile `["status", {…}, "busy"]` looks the same. So the first text behind an object, in one of the
//! forms that the adapters write, teaches the form, and from then on only texts of that form count.

use super::messages::TrailingArg;
use crate::time::{ClockReading, Timestamp};
use alloc::boxed::Box;

/// The forms of the adapters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Redis Streams: `1700000000000-0`.
    Stream,
    /// `MongoDB`: 24 hexadecimal digits.
    ObjectId,
    /// In memory: the milliseconds of the server's clock in base 64, and `.n` if there were several in one.
    Clock(u64),
}

/// The longest text that is looked at: our own servers say in it how far a client is in several rooms.
const MAX_LEN: usize = 256;
/// A server's clock that ran faster than ours by more than this was no clock, but a word that looks like one.
const MAX_DRIFT_MS: u64 = 3_600_000;

impl Form {
    fn of(text: &str) -> Option<Self> {
        let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if text.len() > MAX_LEN {
            return None;
        }
        if text.split_once('-').is_some_and(|(time, count)| number(time) && number(count)) {
            return Some(Self::Stream);
        }
        if text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Some(Self::ObjectId);
        }
        let clock = match text.split_once('.') {
            Some((clock, count)) if !count.is_empty() && count.bytes().all(|byte| digit(byte).is_some()) => {
                clock
            }
            Some(_) => return None,
            None => text,
        };
        // Seven digits are the years 2004 to 2109.
        if clock.len() != 7 {
            return None;
        }
        clock.bytes().try_fold(0, |sum, byte| Some(sum << 6 | digit(byte)?)).map(Self::Clock)
    }
}

/// The alphabet of the in-memory adapter.
fn digit(byte: u8) -> Option<u64> {
    let digit = match byte {
        b'0'..=b'9' => byte - b'0',
        b'A'..=b'Z' => byte - b'A' + 10,
        b'a'..=b'z' => byte - b'a' + 36,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    };
    Some(digit.into())
}

/// The last place of one session.
#[derive(Debug, Clone, Default)]
pub(super) struct Offset {
    last: Option<LastOffset>,
}

#[derive(Debug, Clone)]
struct LastOffset {
    text: Box<str>,
    form: Form,
    /// Our own clocks then.
    at: ClockReading,
}

impl Offset {
    pub(super) fn last(&self) -> Option<&str> {
        self.last.as_ref().map(|place| &*place.text)
    }

    /// Looks at the last text of an event that wants no answer. Returns whether it is a place.
    pub(super) fn take(&mut self, now: ClockReading, trailing: TrailingArg) -> bool {
        let Some(form) = Form::of(&trailing.text) else { return false };
        let is_place = match &self.last {
            None => trailing.follows_object,
            Some(last) => match (last.form, form) {
                (Form::Clock(before), Form::Clock(this)) => {
                    let passed = elapsed(last.at, now);
                    (before..=before.saturating_add(passed + MAX_DRIFT_MS)).contains(&this)
                }
                (learned, this) => learned == this,
            },
        };
        if is_place {
            self.last = Some(LastOffset { text: trailing.text, form, at: now });
        }
        is_place
    }
}

/// Milliseconds between two moments, by the clock that went further: the machine may have slept.
fn elapsed(from: ClockReading, to: ClockReading) -> u64 {
    let by = |from: Timestamp, to: Timestamp| to.after(from).millis();
    by(from.monotonic, to.monotonic).max(by(from.wall, to.wall))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use core::time::Duration;

    fn at(seconds: u64) -> ClockReading {
        ClockReading::new(Timestamp::from_millis(seconds * 1000), Duration::from_secs(seconds))
    }

    fn trailing(text: &str) -> TrailingArg {
        TrailingArg { text: text.into(), follows_object: true }
    }

    /// Takes each text a second after the one before, and gives those that count.
    fn counted<'a>(texts: &[&'a str]) -> Vec<&'a str> {
        let mut offset = Offset::default();
        let mut now = 0;
        let mut counts = |text: &str| {
            now += 1;
            offset.take(at(now), trailing(text))
        };
        texts.iter().copied().filter(|text| counts(text)).collect()
    }

    #[test]
    fn the_form_is_learned_from_the_first_place_and_other_texts_do_not_count() {
        for (first, next) in [
            ("Pe0aaaa", "Pe0abbb.1"),
            ("1700000000000-0", "1700000000001-12"),
            ("507f1f77bcf86cd799439011", "507f1f77bcf86cd799439012"),
        ] {
            let words = ["busy", "offline now", "2024-01-01T00:00", "", "é", "12-", "-"];
            let mut texts = alloc::vec![first];
            texts.extend(words);
            texts.push(next);
            assert_eq!(counted(&texts), [first, next]);
        }
        assert_eq!(counted(&["busy", "1-1", "Pe0aaaa", "2-0"]), ["1-1", "2-0"]);
    }

    #[test]
    fn a_word_that_could_be_a_clock_is_no_place_if_that_clock_would_have_jumped() {
        // `Pending` would be days later, `Offline` years earlier.
        assert_eq!(counted(&["Pe0aaaa", "Pending", "Offline", "goodbye", "Pe0aaab"]), ["Pe0aaaa", "Pe0aaab"]);
    }

    #[test]
    fn a_quiet_time_or_a_sleep_is_no_jump() {
        let mut offset = Offset::default();
        assert!(offset.take(at(0), trailing("Pe00000")));
        // 64³ s and a little: three days of sleep, which the wall clock alone has counted.
        let slept = ClockReading::new(Timestamp::from_millis(1000), Duration::from_secs(262_144));
        assert!(offset.take(slept, trailing("PeF0000")));
    }

    #[test]
    fn nothing_is_learned_from_a_text_that_follows_no_object() {
        let mut offset = Offset::default();
        let alone = TrailingArg { text: "Pe0aaaa".into(), follows_object: false };
        assert!(!offset.take(at(0), alone.clone()));
        assert!(offset.take(at(0), trailing("Pe0aaaa")));
        assert!(offset.take(at(1), alone));
    }
}
