//! Checks that JSON is well-formed Unicode and not nested too deeply, so that every later reader can parse it. Readers
//! in Python and `jq` fail on anything else, at every replay again.

use crate::messages::MAX_DATA_LEVELS;
use alloc::borrow::Cow;
use alloc::string::String;
use memchr::memchr;

/// How many levels of arrays and objects a JSON text has, strings left out.
///
/// ```
/// assert_eq!(rejoin::messages::json::nesting_depth(r#"[{"a": "[[["}]"#), 2);
/// ```
pub fn nesting_depth(json: &str) -> usize {
    let (mut level, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                level += 1;
                deepest = deepest.max(level);
            }
            b']' | b'}' if !in_string => level = level.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Whether a text is JSON that may be a message's `data`: at most [`MAX_DATA_LEVELS`] deep.
pub fn is_data(text: &str) -> bool {
    nesting_depth(text) <= MAX_DATA_LEVELS
        && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
}

/// The same JSON with `\ufffd` instead of every escape that is half a surrogate pair, `"\ud83d"` for instance. Such
/// a text is no Unicode, and many parsers refuse the whole frame for it.
pub fn well_formed(json: &str) -> Cow<'_, str> {
    let mut repaired = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(step) = json.as_bytes().get(at..).and_then(|rest| memchr(b'\\', rest)) {
        at += step;
        match (unit(json, at), unit(json, at + UNIT)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at += 2 * UNIT,
            (Some(0xd800..=0xdfff), _) => {
                repaired.push_str(json.get(copied..at).unwrap_or_default());
                repaired.push_str("\\ufffd");
                at += UNIT;
                copied = at;
            }
            (Some(_), _) => at += UNIT,
            // Another escape is two bytes long.
            (None, _) => at += 2,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    repaired.push_str(json.get(copied..).unwrap_or_default());
    Cow::Owned(repaired)
}

/// Bytes of an escape `\uXXXX`.
const UNIT: usize = 6;

/// The UTF-16 unit that is written as an escape there.
fn unit(json: &str, at: usize) -> Option<u16> {
    let digits = json.get(at..at + UNIT)?.strip_prefix("\\u")?;
    let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    hexadecimal.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned as _;

    #[test]
    fn levels_are_those_of_arrays_and_objects_whatever_the_strings_say() {
        for (json, expected) in [
            ("1", 0),
            (r#""[[\"[[""#, 0),
            (r#""\\""#, 0),
            ("[]", 1),
            (r#"{"a":[],"b":{"[":1}}"#, 2),
            (r#"[[1],["\\"],[[2]]]"#, 3),
        ] {
            assert_eq!(nesting_depth(json), expected, "{json}");
        }
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(is_data(&deep(64)) && !is_data(&deep(65)) && !is_data("{"));
    }

    #[test]
    fn halves_of_a_pair_are_replaced_and_nothing_else_is_touched() {
        for (json, expected) in [
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""a\uD83Db\udE00c""#, r#""a\ufffdb\ufffdc""#),
            (r#""\ude00\ud83d\ude00\ud83d""#, r#""\ufffd\ud83d\ude00\ufffd""#),
            (r#""\\ud83d""#, r#""\\ud83d""#),
            (r#""\ud83d\u0041""#, r#""\ufffd\u0041""#),
            (r#""\ud83d\\ude00""#, r#""\ufffd\\ude00""#),
            (r#""\u00e9\n\ud83d\ude00""#, r#""\u00e9\n\ud83d\ude00""#),
            ("\\", "\\"),
            ("\\ud8é", "\\ud8é"),
        ] {
            assert_eq!(well_formed(json), expected.to_owned(), "{json}");
        }
    }
}
