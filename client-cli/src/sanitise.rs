//! Sanitises remote text for a terminal or a log.
//!
//! Every string from the network passes through one of these functions at the render boundary, and nothing else in this program
//! may write remote text. Nothing is dropped silently: characters that could control the terminal, reorder the line or hide in it
//! are shown as visible text.

use rejoin::is_invisible;
use std::fmt::Write as _;
use unicode_width::UnicodeWidthChar as _;

/// Most combining marks that may pile up on one character.
const MOST_MARKS: usize = 8;

/// Message content as the lines it consists of, at least one. A joiner is allowed inside an emoji.
pub(crate) fn content(text: &str) -> Vec<String> {
    let text = text.replace("\r\n", "\n");
    text.split(['\n', '\u{2028}', '\u{2029}']).map(|line| clean(line, true)).collect()
}

/// A text that has to stay on one line: an error message, a close reason. Line ends are shown as `^J`.
pub(crate) fn line(text: &str) -> String {
    clean(text, false)
}

/// A name of a user or a room, at most `width` columns wide; a longer one ends in `…`.
pub(crate) fn name(text: &str, width: usize) -> String {
    truncate(&clean(text, false), width)
}

/// Cuts a text that is already clean to `width` columns.
pub(crate) fn truncate(text: &str, width: usize) -> String {
    if display_width(text) <= width {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut used = 0;
    for c in text.chars() {
        let columns = c.width().unwrap_or(0);
        if used + columns + 1 > width {
            break;
        }
        used += columns;
        cut.push(c);
    }
    cut.push('…');
    cut
}

/// The columns a clean text takes: the sum over its characters, which is what a terminal that knows nothing of
/// grapheme clusters does. One that does needs fewer.
pub(crate) fn display_width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

fn clean(text: &str, is_content: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut marks = 0;
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let joins = is_content
            && match c {
                '\u{200d}' => {
                    before.is_some_and(continues_emoji) && chars.peek().copied().is_some_and(is_emoji)
                }
                '\u{fe0e}' | '\u{fe0f}' => before.is_some_and(|c| is_emoji(c) || is_keycap_base(c)),
                _ => false,
            };
        before = Some(c);
        if joins {
            out.push(c);
        } else if is_replaced(c) {
            out.push('\u{fffd}');
        } else if c == '\t' {
            out.push_str("    ");
        } else if is_hidden(c) {
            make_visible(c, &mut out);
        } else if c.width() == Some(0) {
            marks += 1;
            // One sign for the whole pile that is cut off.
            match marks {
                ..=MOST_MARKS => out.push(c),
                _ if marks == MOST_MARKS + 1 => out.push('\u{fffd}'),
                _ => {}
            }
            continue;
        } else {
            out.push(c);
        }
        marks = 0;
    }
    out
}

/// Caret notation for what has one, the escape of Rust and JavaScript for the rest.
fn make_visible(c: char, out: &mut String) {
    match c {
        '\0'..='\u{1f}' | '\u{7f}' => {
            out.push('^');
            // The caret's own arithmetic: bit 6 turned over.
            out.push(char::from(u8::try_from(c).unwrap_or_default() ^ 0x40));
        }
        c => {
            // Writing to a String does not fail.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
    }
}

/// Characters that act on the text around them, or are there without being seen.
pub(crate) fn is_hidden(c: char) -> bool {
    is_invisible(c)
        || matches!(c,
            '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2800}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0100}'..='\u{e0fff}')
}

/// Characters without a meaning of their own: tags, interlinear marks, private use, non-characters.
fn is_replaced(c: char) -> bool {
    matches!(c,
        '\u{e0000}'..='\u{e00ff}' | '\u{fff9}'..='\u{fffb}' | '\u{e000}'..='\u{f8ff}'
        | '\u{f0000}'..='\u{10ffff}' | '\u{fdd0}'..='\u{fdef}')
        || u32::from(c) & 0xfffe == 0xfffe
}

fn continues_emoji(c: char) -> bool {
    is_emoji(c) || matches!(c, '\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}')
}

/// Near enough to Unicode's `Extended_Pictographic`: what may stand on either side of a joiner.
fn is_emoji(c: char) -> bool {
    matches!(c,
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2190}'..='\u{21ff}'
        | '\u{2300}'..='\u{23ff}' | '\u{2460}'..='\u{24ff}' | '\u{25a0}'..='\u{27bf}' | '\u{2900}'..='\u{297f}'
        | '\u{2b00}'..='\u{2bff}' | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}' | '\u{1f000}'..='\u{1faff}')
}

fn is_keycap_base(c: char) -> bool {
    matches!(c, '0'..='9' | '#' | '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_in_any_script_is_untouched() {
        for text in ["hello, world", "Grüße", "部屋で話す", "привет", "e\u{301}te\u{301}", "שלום", "🚀👍🏽"]
        {
            assert_eq!(content(text), [text]);
            assert_eq!(line(text), text);
        }
    }

    #[test]
    fn controls_become_visible_text() {
        assert_eq!(line("a\u{1b}[2Jb"), "a^[[2Jb");
        assert_eq!(line("\u{7}\u{7f}\0\n\r"), "^G^?^@^J^M");
        assert_eq!(line("\u{9b}31m\u{85}"), "\\u{9b}31m\\u{85}");
        assert_eq!(line("a\tb"), "a    b");
    }

    #[test]
    fn bidirectional_and_zero_width_controls_become_visible_text() {
        assert_eq!(line("\u{202e}evil\u{2066}\u{200f}\u{61c}"), "\\u{202e}evil\\u{2066}\\u{200f}\\u{61c}");
        assert_eq!(line("bo\u{200b}b\u{feff}\u{2060}"), "bo\\u{200b}b\\u{feff}\\u{2060}");
        assert_eq!(name("bob\u{fe0f}\u{3164}", 40), "bob\\u{fe0f}\\u{3164}");
    }

    #[test]
    fn a_joiner_lives_inside_an_emoji_in_content_only() {
        let family = "👩\u{200d}👩\u{200d}👧";
        let heart = "❤\u{fe0f}\u{200d}🔥";
        assert_eq!(content(family), [family]);
        assert_eq!(content(heart), [heart]);
        assert_eq!(content("1\u{fe0f}\u{20e3}"), ["1\u{fe0f}\u{20e3}"]);
        assert_eq!(name(family, 40), "👩\\u{200d}👩\\u{200d}👧");
        assert_eq!(content("a\u{200d}b"), ["a\\u{200d}b"]);
        assert_eq!(content("👩\u{200d}"), ["👩\\u{200d}"]);
    }

    #[test]
    fn tags_private_use_and_interlinear_marks_are_replaced() {
        assert_eq!(line("\u{e0041}\u{fff9}\u{e000}\u{f0000}\u{10ffff}\u{fdd0}"), "\u{fffd}".repeat(6));
    }

    #[test]
    fn combining_marks_pile_up_to_eight_and_no_further() {
        let pile = format!("a{}b", "\u{301}".repeat(50));
        assert_eq!(line(&pile), format!("a{}\u{fffd}b", "\u{301}".repeat(8)));
        let two = format!("a{0}b{0}", "\u{301}".repeat(8));
        assert_eq!(line(&two), two);
    }

    #[test]
    fn content_splits_at_every_kind_of_line_end() {
        assert_eq!(content("a\nb\r\nc\u{2028}d\u{2029}e"), ["a", "b", "c", "d", "e"]);
        assert_eq!(content("a\rb"), ["a^Mb"]);
        assert_eq!(content(""), [""]);
    }

    #[test]
    fn names_are_cut_by_columns_not_by_characters() {
        assert_eq!(name("alexandra", 9), "alexandra");
        assert_eq!(name("alexandra", 5), "alex…");
        assert_eq!(name("部屋部屋", 5), "部屋…");
        assert_eq!(display_width(&name("部屋部屋部屋", 6)), 5);
    }
}
