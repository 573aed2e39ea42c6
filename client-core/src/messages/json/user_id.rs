//! Users and rooms as plain servers of others name them: by a text, or by the number of a row in a table.

use crate::messages::MAX_INT;
use alloc::borrow::{Cow, ToOwned as _};
use alloc::string::{String, ToString as _};
use core::fmt;
use serde::Deserializer;
use serde::de::{Error, Unexpected, Visitor};

/// For `deserialize_with`: a text, or the decimal digits of a whole number that every reader of JSON can hold.
pub(super) fn text_or_integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    deserializer.deserialize_any(UserIdVisitor)
}

struct UserIdVisitor;

impl<'de> Visitor<'de> for UserIdVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a whole number")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        if number > MAX_INT {
            return Err(E::invalid_value(Unexpected::Unsigned(number), &self));
        }
        Ok(Cow::Owned(number.to_string()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        if number.unsigned_abs() > MAX_INT {
            return Err(E::invalid_value(Unexpected::Signed(number), &self));
        }
        Ok(Cow::Owned(number.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<String> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        text_or_integer(&mut deserializer).ok().map(Cow::into_owned)
    }

    #[test]
    fn a_user_is_named_by_a_text_or_by_a_whole_number() {
        for (json, user) in [
            ("\"ada\"", "ada"),
            ("\"\\u0061da\"", "ada"),
            ("42", "42"),
            ("0", "0"),
            ("-7", "-7"),
            ("9007199254740991", "9007199254740991"),
        ] {
            assert_eq!(read(json).as_deref(), Some(user), "{json}");
        }
        let large = ["9007199254740992", "-9007199254740992", "18446744073709551616", "1e300"];
        for json in ["1.5", "null", "true", "[]", "{}"].into_iter().chain(large) {
            assert_eq!(read(json), None, "{json}");
        }
    }
}
