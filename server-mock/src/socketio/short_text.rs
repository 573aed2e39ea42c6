//! A text of a client that is known to be short. Anything else is read as none, and takes no memory.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Most bytes of one.
const LONGEST: usize = 256;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ShortText(Option<String>);

impl ShortText {
    pub(super) fn as_deref(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl<'de> Deserialize<'de> for ShortText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

/// Takes whatever JSON has.
struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = ShortText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<ShortText, E> {
        Ok(ShortText((text.len() <= LONGEST).then(|| String::from(text))))
    }

    fn visit_bool<E>(self, _: bool) -> Result<ShortText, E> {
        Ok(ShortText(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<ShortText, E> {
        Ok(ShortText(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<ShortText, E> {
        Ok(ShortText(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<ShortText, E> {
        Ok(ShortText(None))
    }

    fn visit_unit<E>(self) -> Result<ShortText, E> {
        Ok(ShortText(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<ShortText, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(ShortText(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<ShortText, A::Error> {
        while pairs.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(ShortText(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<String> {
        serde_json::from_str::<ShortText>(json).unwrap().0
    }

    #[test]
    fn a_short_text_is_read_and_everything_else_is_none() {
        assert_eq!(read(r#""p-1""#).as_deref(), Some("p-1"));
        assert_eq!(read(&format!("\"{}\"", "x".repeat(LONGEST))).map(|text| text.len()), Some(LONGEST));
        let long = format!("\"{}\"", "x".repeat(LONGEST + 1));
        let list = format!("[{}0]", "0,".repeat(32_000));
        for json in [&*long, &*list, "null", "true", "1", "-1", "1.5", "{\"a\":[{}]}", "[]"] {
            assert_eq!(read(json), None, "{json:.40}");
        }
    }
}
