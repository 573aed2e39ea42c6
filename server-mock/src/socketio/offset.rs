//! The text that stands behind each event that can be recovered: which session it was in, its number there, and, where
//! several servers may have to understand it, how far its client is in the rooms that have said something lately. Knows no
//! session.
//!
//! Clients know it by its form, digits and `-` and digits, which is that of the adapter for Redis Streams. Before the `-`
//! come twelve digits of the session, then pairs of a room's slot and a message's number, each behind a digit that says how
//! long it is. A server that is alone has smaller numbers for its sessions, and no pairs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Sessions that several servers may go on with have numbers from here on, and ten times as many digits tell them.
const SESSION_DIGITS: usize = 12;
const FIRST_SHARED: u64 = 10_u64.pow(11);

/// Most digits of the pairs. Clients take offsets of 256 characters.
const MOST_PAIR_DIGITS: usize = 200;

/// Instead of pairs: there would be too many.
const TOO_MANY: &str = "0";

/// An offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offset {
    pub(super) session: u64,
    pub(super) event: u64,
    /// How far the client is in rooms, by their slots, beyond what is kept of the session; `None` if that is not said.
    pub(super) places: Option<BTreeMap<u32, u64>>,
}

/// A number of a session that no other one of its client has, on whichever server.
pub(super) fn shared_session() -> u64 {
    fastrand::u64(FIRST_SHARED..10 * FIRST_SHARED)
}

pub(super) fn write(session: u64, event: u64, places: &BTreeMap<u32, u64>) -> String {
    let mut text = session.to_string();
    if session >= FIRST_SHARED {
        let mut fits = true;
        for number in places.iter().flat_map(|(slot, seq)| [u64::from(*slot), *seq]) {
            let digits = number.to_string();
            // Writing to a String does not fail.
            let _ = write!(text, "{}{digits}", digits.len());
            fits = digits.len() <= 9 && text.len() <= SESSION_DIGITS + MOST_PAIR_DIGITS;
            if !fits {
                break;
            }
        }
        if !fits {
            text.truncate(SESSION_DIGITS);
            text.push_str(TOO_MANY);
        }
    }
    let _ = write!(text, "-{event}");
    text
}

/// What a client says. `None`: it is no offset.
pub(super) fn read(text: &str) -> Option<Offset> {
    let (session, event) = text.split_once('-')?;
    let event = number(event)?;
    let Some((session, pairs)) = session.split_at_checked(SESSION_DIGITS) else {
        return Some(Offset { session: number(session)?, event, places: Some(BTreeMap::new()) });
    };
    let session = number(session)?;
    if pairs == TOO_MANY {
        return Some(Offset { session, event, places: None });
    }
    let (mut places, mut rest) = (BTreeMap::new(), pairs);
    while !rest.is_empty() {
        let (slot, behind) = counted(rest)?;
        let (seq, behind) = counted(behind)?;
        places.insert(u32::try_from(slot).ok()?, seq);
        rest = behind;
    }
    Some(Offset { session, event, places: Some(places) })
}

/// A number behind the digit that says its length, and what follows.
fn counted(text: &str) -> Option<(u64, &str)> {
    let (length, rest) = text.split_at_checked(1)?;
    let length = usize::try_from(number(length)?).ok().filter(|length| *length > 0)?;
    let (digits, rest) = rest.split_at_checked(length)?;
    Some((number(digits)?, rest))
}

fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: u64 = 123_456_789_012;

    fn places(of: &[(u32, u64)]) -> BTreeMap<u32, u64> {
        of.iter().copied().collect()
    }

    #[test]
    fn an_offset_is_read_as_it_is_written() {
        for (session, event, pairs) in [
            (7, 1, &[][..]),
            (SHARED, 44, &[]),
            (SHARED, 1, &[(1, 5)]),
            (SHARED, 9, &[(12, 34_567), (300, 999_999_999)]),
        ] {
            let text = write(session, event, &places(pairs));
            let offset = Offset { session, event, places: Some(places(pairs)) };
            assert_eq!(read(&text), Some(offset), "{text}");
        }
        assert_eq!(write(7, 1, &places(&[(1, 5)])), "7-1", "a server that is alone knows it by itself");
        assert_eq!(write(SHARED, 8, &places(&[(1, 57), (20, 3)])), "1234567890121125722013-8");
    }

    #[test]
    fn it_is_never_too_long_for_a_client_and_says_when_it_leaves_something_out() {
        for pairs in [places(&[(1, 1_000_000_000)]), (1..=100).map(|slot| (slot, 12_345)).collect()] {
            let text = write(SHARED, u64::MAX, &pairs);
            assert!(text.len() <= 256, "{text}");
            assert_eq!(read(&text), Some(Offset { session: SHARED, event: u64::MAX, places: None }));
        }
        let most = (1..=20).map(|slot| (slot, 12_345)).collect();
        assert!(read(&write(SHARED, 1, &most)).is_some_and(|offset| offset.places == Some(most)));
    }

    #[test]
    fn what_is_no_offset_is_none() {
        for text in [
            "",
            "-",
            "7",
            "7-",
            "-7",
            "x-1",
            "7-x",
            "+7-1",
            "7-+1",
            "7-99999999999999999999",
            "1234567890121-1",
            "12345678901211-1",
            "12345678901200-1",
            "1234567890129é-1",
            "12345678901\u{e9}1-1",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        let random = shared_session();
        assert_eq!(random.to_string().len(), SESSION_DIGITS);
    }
}
