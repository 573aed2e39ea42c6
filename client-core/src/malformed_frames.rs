//! Counts what a connection brings that cannot be read, by its kind, and decides which of it is reported.

#[cfg(feature = "native")]
use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
#[cfg(feature = "native")]
use alloc::string::String;
use alloc::vec::Vec;

/// Kinds that are told apart; all others count as one.
const MAX_KINDS: usize = 16;

/// Something that came and is no frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedFrame {
    /// What is wrong with it.
    pub error: Box<str>,
    /// As it came, or the first [`MAX_KEPT_BYTES`] of it.
    #[cfg(feature = "native")]
    pub(crate) raw: Box<str>,
}

/// Bytes that are kept of a frame until the tokens in it are masked.
#[cfg(feature = "native")]
const MAX_KEPT_BYTES: usize = 16 << 10;
/// Characters of a frame that an application is given.
#[cfg(feature = "native")]
const MAX_SHOWN_CHARS: usize = 200;

impl<T: Into<Box<str>>> From<T> for MalformedFrame {
    fn from(error: T) -> Self {
        Self {
            error: error.into(),
            #[cfg(feature = "native")]
            raw: Box::default(),
        }
    }
}

#[cfg(feature = "native")]
impl MalformedFrame {
    /// The same, with the text that came.
    pub(crate) fn with_raw(self, raw: &str) -> Self {
        let most = MAX_KEPT_BYTES.min(raw.len());
        let end = (0..=most).rev().find(|at| raw.is_char_boundary(*at)).unwrap_or_default();
        let kept = raw.get(..end).unwrap_or_default();
        Self { raw: kept.to_owned().into(), ..self }
    }

    /// The same, with the bytes that came.
    pub(crate) fn with_raw_bytes(self, raw: &[u8]) -> Self {
        let kept = raw.get(..MAX_KEPT_BYTES).unwrap_or(raw);
        self.with_raw(&String::from_utf8_lossy(kept))
    }
}

/// The beginning of a frame, as an application is given it.
#[cfg(feature = "native")]
pub(crate) fn beginning(raw: &str) -> Box<str> {
    raw.char_indices().nth(MAX_SHOWN_CHARS).and_then(|(end, _)| raw.get(..end)).unwrap_or(raw).into()
}

/// What could not be read on one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct MalformedFrames {
    kinds: Vec<(Box<str>, u64)>,
    others: u64,
}

impl MalformedFrames {
    /// Takes one with its error. Gives how many of its kind there have been, where that is to be reported: of the first, and of
    /// every tenth, hundredth and so on, because some servers send such things all the time.
    pub(crate) fn add(&mut self, error: &str) -> Option<u64> {
        let count = self.of(kind(error));
        *count = count.saturating_add(1);
        is_power_of_ten(*count).then_some(*count)
    }

    fn of(&mut self, kind: &str) -> &mut u64 {
        let known = self.kinds.iter().position(|(known, _)| **known == *kind);
        let place = known.unwrap_or(self.kinds.len());
        if known.is_none() && place < MAX_KINDS {
            self.kinds.push((kind.into(), 0));
        }
        self.kinds.get_mut(place).map_or(&mut self.others, |(_, count)| count)
    }
}

/// An error names what it is about, such as the type of the frame, before its first colon; where in it and what is wrong follows.
pub(crate) fn kind(error: &str) -> &str {
    error.split_once(':').map_or(error, |(kind, _)| kind)
}

fn is_power_of_ten(count: u64) -> bool {
    count.checked_ilog10().is_some_and(|digits| 10_u64.checked_pow(digits) == Some(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn each_kind_is_reported_once_and_again_at_each_power_of_ten() {
        let mut frames = MalformedFrames::default();
        let bad_message = |column: u64| format!("the message frame is malformed: at column {column}");
        let reported: Vec<u64> = (1..=1_000).filter_map(|column| frames.add(&bad_message(column))).collect();
        assert_eq!(reported, [1, 10, 100, 1_000]);
        assert_eq!(frames.add("the error frame is malformed: x"), Some(1));
        assert_eq!(frames.add("the error frame is malformed: y"), None);
        assert_eq!(frames.add(""), Some(1));
    }

    #[test]
    fn no_more_kinds_are_kept_than_the_bound() {
        let mut frames = MalformedFrames::default();
        let reported = (0..100).filter_map(|kind| frames.add(&format!("kind {kind}"))).count();
        assert_eq!(frames.kinds.len(), MAX_KINDS);
        assert_eq!(reported, MAX_KINDS + 2, "of the others the first and the tenth");
        assert_eq!(frames.add("kind 0"), None);
    }
}
