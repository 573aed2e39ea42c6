//! Short identifiers of the extended protocol: message ids, epochs, producers, references (protocol.md §2.2).

use alloc::boxed::Box;
use core::fmt;
use core::ops::Deref;

/// Maximum characters an id may have (protocol.md §2.2).
pub const ID_CHARS: usize = 64;
/// What fits without an allocation: everything this project makes does.
const INLINE: usize = 22;

/// 1–64 characters of `A-Z a-z 0-9 _ -`, as somebody chose them. Up to 22 of them cost no allocation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(Repr);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Repr {
    /// Unused bytes are zero, so that equal ids are equal bytes.
    Short {
        len: u8,
        bytes: [u8; INLINE],
    },
    Long(Box<[u8]>),
}

/// Why a text is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1-64 characters of A-Z a-z 0-9 _ -")]
pub struct IdError;

impl Id {
    /// Checks a text.
    ///
    /// # Errors
    /// When it is empty, longer than 64 characters, or has others than `A-Z a-z 0-9 _ -`.
    pub fn new(text: &str) -> Result<Self, IdError> {
        Self::from_bytes(text.as_bytes())
    }

    /// Checks the bytes of a text.
    ///
    /// # Errors
    /// As with [`Id::new`].
    pub fn from_bytes(text: &[u8]) -> Result<Self, IdError> {
        // Every byte is looked at: several at once that way, where an early end would take them one by one.
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let good = text.iter().fold(true, |good, byte| good & allowed(*byte));
        if text.is_empty() || text.len() > ID_CHARS || !good {
            return Err(IdError);
        }
        let mut bytes = [0; INLINE];
        Ok(match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(text);
                Self(Repr::Short { len, bytes })
            }
            _ => Self(Repr::Long(text.into())),
        })
    }

    /// An id of 16 characters from 96 random bits.
    pub fn random(rng: &mut fastrand::Rng) -> Self {
        Self::from_bits(rng.u64(..), rng.u32(..))
    }

    /// An id of 16 characters that spells 96 bits.
    pub fn from_bits(high: u64, low: u32) -> Self {
        let mut bits = u128::from(high) << 32 | u128::from(low);
        let mut bytes = [0; INLINE];
        for place in bytes.iter_mut().take(16) {
            *place = digit(u8::try_from(bits & 63).unwrap_or(0));
            bits >>= 6;
        }
        Self(Repr::Short { len: 16, bytes })
    }

    /// A letter and up to two numbers: `s12-3`. How a client numbers its requests.
    pub fn numbered(kind: char, number: u64, part: Option<u32>) -> Self {
        let mut text = Digits { len: 0, bytes: [0; INLINE] };
        text.push(u8::try_from(kind).unwrap_or(b'x'));
        text.number(number);
        if let Some(part) = part.filter(|_| text.len <= 14) {
            text.push(b'-');
            text.number(u64::from(part % 1_000_000));
        }
        Self(Repr::Short { len: text.len, bytes: text.bytes })
    }

    /// The inverse of [`Id::numbered`].
    pub fn parse_numbered(&self, kind: char) -> Option<(u64, Option<u32>)> {
        let (first, rest) = self.as_bytes().split_first()?;
        if char::from(*first) != kind {
            return None;
        }
        match rest.iter().position(|byte| *byte == b'-') {
            None => Some((number(rest)?, None)),
            Some(at) => {
                let (text, part) = rest.split_at_checked(at)?;
                let part = number(part.get(1..)?)?;
                Some((number(text)?, Some(u32::try_from(part).ok()?)))
            }
        }
    }

    /// Its characters, each of one byte.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or(&[]),
            Repr::Long(text) => text,
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or("")
    }
}

/// A text being written into the place of a short id; what does not fit is left out, which no caller reaches:
/// a letter and a number of 20 digits fit.
struct Digits {
    len: u8,
    bytes: [u8; INLINE],
}

impl Digits {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(usize::from(self.len)) {
            *place = byte;
            self.len += 1;
        }
    }

    fn number(&mut self, mut number: u64) {
        // From the last one, because the first is not known before.
        let mut digits = [0; 20];
        let mut first = digits.len();
        for (at, digit) in digits.iter_mut().enumerate().rev() {
            *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
            first = at;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        for digit in digits.iter().skip(first) {
            self.push(*digit);
        }
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    let one = |sum: u64, byte: &u8| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, one) }
}

fn digit(six: u8) -> u8 {
    match six {
        0..=25 => b'A' + six,
        26..=51 => b'a' + (six - 26),
        52..=61 => b'0' + (six - 52),
        62 => b'-',
        _ => b'_',
    }
}

impl Deref for Id {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl core::str::FromStr for Id {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl serde::Serialize for Id {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Id {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;

        impl serde::de::Visitor<'_> for IdVisitor {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id of 1-64 characters of A-Z a-z 0-9 _ -")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Id, E> {
                Id::new(text).map_err(|_| E::custom(IdError))
            }
        }

        deserializer.deserialize_str(IdVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_id_has_up_to_64_plain_characters() {
        for good in ["a", "A-z_9", &"x".repeat(22), &"x".repeat(23), &"x".repeat(64)] {
            assert_eq!(Id::new(good).unwrap().as_str(), good);
        }
        for bad in ["", " ", "é", "a b", "a.b", &"x".repeat(65)] {
            assert_eq!(Id::new(bad), Err(IdError), "{bad}");
        }
    }

    #[test]
    fn random_ids_have_sixteen_characters_and_differ() {
        let mut rng = fastrand::Rng::with_seed(1);
        let (one, two) = (Id::random(&mut rng), Id::random(&mut rng));
        assert_ne!(one, two);
        assert_eq!(Id::new(&one).unwrap(), one);
        assert_eq!(one.len(), 16);
    }

    #[test]
    fn a_numbered_id_is_read_back() {
        for (number, part) in [(0, None), (7, Some(0)), (12_345, Some(678)), (u64::MAX, None)] {
            let id = Id::numbered('s', number, part);
            assert_eq!(Id::new(&id).unwrap(), id);
            assert_eq!(id.parse_numbered('s'), Some((number, part)), "{id}");
            assert_eq!(id.parse_numbered('j'), None);
        }
        assert_eq!(Id::numbered('s', 12, Some(3)).to_string(), "s12-3");
        assert_eq!(Id::new("s-").unwrap().parse_numbered('s'), None);
    }
}
