//! JSON output whose text is safe in a terminal: hidden characters are escaped.

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use std::io;

/// Appends `value` as one line. Strings keep their value; control, bidirectional and zero-width characters are
/// written as `\uXXXX`.
pub(crate) fn write_line(out: &mut Vec<u8>, value: &impl Serialize) {
    let mut serializer = Serializer::with_formatter(&mut *out, Visible);
    // Structures of strings and numbers into a Vec: there is nothing to fail on.
    let written = value.serialize(&mut serializer);
    debug_assert!(written.is_ok());
    out.push(b'\n');
}

/// `serde_json` escapes the quotes, the backslash and C0; this adds what else a terminal would act on.
struct Visible;

impl Formatter for Visible {
    /// JSON from elsewhere. Outside of its strings there are no hidden characters but line breaks and tabs, and inside
    /// none of those.
    fn write_raw_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, json: &str) -> io::Result<()> {
        for (number, part) in json.split(['\n', '\r', '\t']).enumerate() {
            if number > 0 {
                writer.write_all(b" ")?;
            }
            self.write_string_fragment(writer, part)?;
        }
        Ok(())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        let mut rest = text;
        // Most text is plain: one pass over the bytes without decoding settles it.
        while let Some(at) = rest.find(|c: char| c >= '\u{7f}' && crate::sanitise::is_hidden(c)) {
            let (before, from) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            let mut chars = from.chars();
            if let Some(c) = chars.next() {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write_line(&mut out, &text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn hidden_characters_are_escaped_and_read_back_the_same() {
        let nasty = "a\u{1b}[2J\u{7f}\u{9b}\u{202e}\u{200b}\u{e0041}\n\"\\é部🚀";
        let text = written(nasty);
        assert_eq!(text.trim_end(), r#""a\u001b[2J\u007f\u009b\u202e\u200b\udb40\udc41\n\"\\é部🚀""#);
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), nasty);
    }

    #[test]
    fn json_from_elsewhere_stays_on_its_line_and_is_as_harmless() {
        let data: Box<serde_json::value::RawValue> =
            serde_json::from_str("{\n\t\"a\": [1,\r\n\"\u{9b}2J\\n\"]}").unwrap();
        let mut out = Vec::new();
        write_line(&mut out, &data);
        assert_eq!(String::from_utf8(out).unwrap(), "{  \"a\": [1,  \"\\u009b2J\\n\"]}\n");
    }

    #[test]
    fn every_hidden_character_survives_the_way_there_and_back() {
        for c in ('\0'..=char::MAX).filter(|c| crate::sanitise::is_hidden(*c)) {
            let text = written(&c.to_string());
            assert!(text.trim_end().chars().all(|c| c.is_ascii_graphic()), "{text:?}");
            assert_eq!(serde_json::from_str::<String>(&text).unwrap(), c.to_string());
        }
    }
}
