//! Chooses the rows that are drawn of a line that is taller than the terminal. Draws nothing itself.
//!
//! rustyline draws every row, and those that scroll off at the top would stay in the terminal's scrollback, once for each key.
//! So it is given no more than fit. Its moves count all rows, and stop at the edge of the terminal, where the rows that are
//! drawn begin and end.

use super::clusters;
use std::ops::Range;

/// A terminal with fewer rows shows a line as it comes.
const LOWEST: usize = 3;

/// The rows of a tall line that are drawn, both included. Row 0 is the status line, row 1 begins with the prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct VisibleRows {
    first: usize,
    last: usize,
}

impl VisibleRows {
    /// The rows with the cursor of a line whose last row is `end`; `None` where all of them fit into `height`. Where rustyline
    /// `ends` a full row with a line feed, it does so behind whatever is drawn.
    pub(super) fn around(cursor: usize, end: usize, ends: bool, height: usize) -> Option<Self> {
        if end < height || height < LOWEST {
            return None;
        }
        let bottom = end + 1 - height;
        Some(if cursor >= bottom {
            Self { first: bottom, last: end }
        } else {
            Self { first: cursor, last: cursor + height - 1 - usize::from(ends) }
        })
    }

    /// Rows of prompt and text above them.
    pub(super) fn hidden(self) -> usize {
        self.first.saturating_sub(1)
    }

    pub(super) fn has_status(self) -> bool {
        self.first == 0
    }

    pub(super) fn has_prompt(self) -> bool {
        self.first <= 1
    }

    /// The part of the line in these rows, behind a prompt of so many columns.
    pub(super) fn part(self, line: &str, prompt: usize, columns: usize) -> Range<usize> {
        let (mut row, mut column, mut at) = (1, prompt, 0);
        let mut start = (self.first <= 1).then_some(0);
        for (cluster, width) in clusters::measured(line) {
            let is_end = cluster == "\n";
            column += width;
            if is_end || column > columns {
                row += 1;
                column = width;
                if row > self.last {
                    return start.unwrap_or(at)..at;
                }
                if row == self.first {
                    start = Some(if is_end { at + cluster.len() } else { at });
                }
            }
            at += cluster.len();
        }
        start.unwrap_or(line.len())..line.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(first: usize, last: usize) -> VisibleRows {
        VisibleRows { first, last }
    }

    #[test]
    fn the_last_rows_are_drawn_unless_the_cursor_is_above_them() {
        let around = |cursor, end| VisibleRows::around(cursor, end, false, 10);
        assert_eq!(around(9, 9), None);
        assert_eq!(around(10, 10), Some(rows(1, 10)));
        assert_eq!(around(20, 30), Some(rows(20, 29)));
        assert_eq!(around(21, 30), Some(rows(21, 30)));
        assert_eq!(around(30, 30), Some(rows(21, 30)));
        assert_eq!(around(1, 30), Some(rows(1, 10)));
        // The line feed that rustyline adds takes a row.
        assert_eq!(VisibleRows::around(1, 30, true, 10), Some(rows(1, 9)));
        assert_eq!(VisibleRows::around(1, 30, false, 2), None);
    }

    #[test]
    fn a_part_begins_and_ends_where_rows_do() {
        // Rows: "> abcd", "efghij", "kl", "mn".
        let line = "abcdefghijkl\nmn";
        let part = |first, last| &line[rows(first, last).part(line, 2, 6)];
        assert_eq!(part(1, 2), "abcdefghij");
        assert_eq!(part(2, 3), "efghijkl");
        assert_eq!(part(3, 4), "kl\nmn");
        assert_eq!(part(4, 4), "mn");
        // The cursor's own row, behind a last one that is full.
        assert_eq!(&"abcdefghij"[rows(3, 3).part("abcdefghij", 2, 6)], "");
        // A character of two columns is not parted.
        assert_eq!(&"abc部屋"[rows(2, 2).part("abc部屋", 2, 6)], "部屋");
    }
}
