//! Grapheme clusters of the line being typed: how they are shown and measured. Changes nothing that is sent.
//!
//! Terminals disagree about the width of composed emoji. While a line is typed only the first character of such a cluster is
//! shown, padded to the width that the whole is counted for, so that every terminal lays the line out as it was measured. A tab,
//! which each terminal takes as far as it likes, is shown as a sign of one column.

use std::borrow::Cow;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr;

/// Columns of a tab, for rustyline too.
pub(super) const TAB: u8 = 1;
/// What a tab is shown as.
const TAB_SIGN: &str = "␉";

/// The clusters of a text, each with its columns; a line end has none.
pub(super) fn measured(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let columns = |cluster| match cluster {
        "\n" => 0,
        "\t" => usize::from(TAB),
        cluster => UnicodeWidthStr::width(cluster),
    };
    text.graphemes(true).map(move |cluster| (cluster, columns(cluster)))
}

/// A line as it is shown.
pub(super) fn shown(line: &str) -> Cow<'_, str> {
    if !has_composed(line) {
        return Cow::Borrowed(line);
    }
    let mut shown = String::with_capacity(line.len());
    for (cluster, columns) in measured(line) {
        let mut characters = cluster.chars();
        match characters.next() {
            Some(first) if characters.any(composes) => {
                let first = first.encode_utf8(&mut [0; 4]).to_owned();
                let rest = columns.saturating_sub(first.width());
                shown.push_str(&first);
                shown.extend(std::iter::repeat_n(' ', rest));
            }
            Some('\t') => shown.push_str(TAB_SIGN),
            _ => shown.push_str(cluster),
        }
    }
    Cow::Owned(shown)
}

/// Whether a part of the line is not shown as it is.
pub(super) fn has_composed(line: &str) -> bool {
    line.contains(|c| c == '\t' || composes(c))
}

/// Joiners, emoji presentation, keycaps, skin tones and tags: what changes the picture of the character before it.
fn composes(c: char) -> bool {
    matches!(
        c,
        '\u{200d}' | '\u{fe0f}' | '\u{20e3}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_picture_made_of_several_the_first_is_shown_in_the_room_of_the_whole() {
        for (line, expected) in [
            ("a family 👨\u{200d}👩\u{200d}👧\u{200d}👦 of four", "a family 👨 of four"),
            ("👍🏽!", "👍!"),
            ("I \u{2764}\u{fe0f} it", "I \u{2764}  it"),
            ("1\u{fe0f}\u{20e3}", "1 "),
            ("a\tb", "a␉b"),
            ("🇩🇪 e\u{301} 部屋", "🇩🇪 e\u{301} 部屋"),
        ] {
            assert_eq!(shown(line), expected);
            let columns: usize = measured(line).map(|(_, columns)| columns).sum();
            assert_eq!(columns, measured(expected).map(|(_, columns)| columns).sum::<usize>(), "{line}");
        }
    }
}
