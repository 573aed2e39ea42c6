//! What people see: words to lines, in columns on a terminal and plain elsewhere.
//!
//! Every remote string passes through [`sanitise`] here. A message cannot look like anything but a message: on a
//! terminal its text stays right of a gutter, wrapped by us and not by the terminal; elsewhere its further
//! lines are indented.

use crate::sanitise;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Columns left of the text: time, name, gutter.
pub(crate) const TEXT_COLUMN: usize = 26;
/// After the time and a space; before a space, the gutter and a space.
const NAME_WIDTH: usize = TEXT_COLUMN - 9 - 3;
/// Names elsewhere than in columns.
const PLAIN_NAME_WIDTH: usize = 64;
/// However narrow the terminal is, the text keeps this many columns.
const LEAST_TEXT: usize = 16;

const DIM: &str = "\x1b[2m";
const OTHER: &str = "\x1b[36m";
const OWN: &str = "\x1b[32m";
const RESET: &str = "\x1b[0m";

/// How lines are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// For pipes and files: no columns, no control sequences.
    Plain,
    /// For a terminal this many columns wide.
    Columns { width: usize, colour: bool },
}

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who<'a> {
    /// Somebody else, by a name from the network.
    Other(&'a str),
    /// The user, with what is known of the message's delivery.
    Me(&'static str),
}

/// Turns words into lines. Remembers the room shown last, to say when it changes.
#[derive(Debug)]
pub(crate) struct Renderer {
    pub(crate) layout: Layout,
    room: Option<String>,
}

impl Renderer {
    pub(crate) fn new(layout: Layout) -> Self {
        Self { layout, room: None }
    }

    /// A message.
    pub(crate) fn message(&mut self, out: &mut String, time: &str, room: &str, who: Who<'_>, content: &str) {
        let mut lines = sanitise::content(content);
        if let (Who::Me(mark), Some(last)) = (who, lines.last_mut())
            && !mark.is_empty()
        {
            // Writing to a String does not fail, here and below.
            let _ = write!(last, "  ({mark})");
        }
        match self.layout {
            Layout::Plain => plain_message(out, room, who, &lines),
            Layout::Columns { width, colour } => {
                self.room_header(out, room, width, colour);
                columns_message(out, time, who, &lines, width, colour);
            }
        }
    }

    /// Something this program has to say. Remote parts of `text` have been sanitised.
    pub(crate) fn notice(&self, out: &mut String, text: &str) {
        // No-break spaces have done their work when the rows are made.
        let spaces = |row: &str| row.replace('\u{a0}', " ");
        match self.layout {
            Layout::Plain => {
                for (position, line) in text.lines().map(spaces).enumerate() {
                    let _ = writeln!(out, "{} {line}", if position == 0 { '*' } else { ' ' });
                }
            }
            Layout::Columns { width, colour } => {
                let (dim, reset) = if colour { (DIM, RESET) } else { ("", "") };
                let rows =
                    text.lines().flat_map(|line| wrap(line, text_width(width))).map(|row| spaces(&row));
                for (position, row) in rows.enumerate() {
                    let time = if position == 0 { now() } else { String::new() };
                    let mark = if position == 0 { '*' } else { ' ' };
                    let _ = writeln!(out, "{dim}{time:<8}{:>1$} {row}{reset}", mark, TEXT_COLUMN - 1 - 8);
                }
            }
        }
    }

    /// A line to be copied from the screen: neither wrapped nor pushed aside. It has been sanitised.
    pub(crate) fn verbatim(out: &mut String, line: &str) {
        let _ = writeln!(out, "    {line}");
    }

    /// On a terminal the room is named when it changes. No message can look like this: it begins at the left edge.
    fn room_header(&mut self, out: &mut String, room: &str, width: usize, colour: bool) {
        if self.room.as_deref() == Some(room) {
            return;
        }
        let is_first = self.room.replace(room.to_owned()).is_none();
        if is_first {
            return;
        }
        let (dim, reset) = if colour { (DIM, RESET) } else { ("", "") };
        let _ = writeln!(out, "{dim}── {} ──{reset}", sanitise::name(room, width.saturating_sub(8)));
    }

    /// The room whose messages are expected: no header for it.
    pub(crate) fn expect_room(&mut self, room: Option<&str>) {
        if self.room.is_none() {
            self.room = room.map(str::to_owned);
        }
    }
}

fn plain_message(out: &mut String, room: &str, who: Who<'_>, lines: &[String]) {
    let room = plain_name(room);
    let name = match who {
        Who::Me(_) => "you".to_owned(),
        // Only the user is `you`.
        Who::Other("you") => "\"you\"".to_owned(),
        Who::Other(name) => plain_name(name),
    };
    for (position, line) in lines.iter().enumerate() {
        let _ = if position == 0 {
            writeln!(out, "[{room}] {name}: {line}")
        } else {
            writeln!(out, "    | {line}")
        };
    }
}

/// A name in running text: in quotes when it could be taken for something else.
pub(crate) fn plain_name(name: &str) -> String {
    let clean = sanitise::name(name, PLAIN_NAME_WIDTH);
    if clean.is_empty() || clean.contains(|c: char| c.is_whitespace() || "[]:\"|*()".contains(c)) {
        format!("\"{}\"", clean.replace('"', "'"))
    } else {
        clean
    }
}

fn columns_message(out: &mut String, time: &str, who: Who<'_>, lines: &[String], width: usize, colour: bool) {
    let (name, paint) = match who {
        Who::Me(_) => ("you".to_owned(), OWN),
        Who::Other("you") => ("\"you\"".to_owned(), OTHER),
        Who::Other(name) => (sanitise::name(name, NAME_WIDTH), OTHER),
    };
    let padding = " ".repeat(NAME_WIDTH.saturating_sub(sanitise::display_width(&name)));
    let (dim, paint, reset) = if colour { (DIM, paint, RESET) } else { ("", "", "") };
    let mut header = format!("{dim}{}{reset} {padding}{paint}{name}{reset} {dim}│{reset} ", clock(time));
    let gutter = format!("{}{dim}│{reset} ", " ".repeat(TEXT_COLUMN - 2));
    for line in lines {
        for row in wrap(line, text_width(width)) {
            out.push_str(&std::mem::replace(&mut header, gutter.clone()));
            out.push_str(&row);
            out.push('\n');
        }
    }
}

/// Columns for text. One is left free: a terminal that has filled a row disagrees with others about where it is.
fn text_width(width: usize) -> usize {
    width.saturating_sub(TEXT_COLUMN + 1).max(LEAST_TEXT)
}

/// Breaks a clean line into rows of at most `width` columns, at spaces where there are any.
fn wrap(line: &str, width: usize) -> Vec<String> {
    let mut rows = Vec::new();
    let mut rest = line;
    while sanitise::display_width(rest) > width {
        let mut used = 0;
        let mut cut = rest.len();
        let mut space = None;
        for (at, c) in rest.char_indices() {
            used += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
            if used > width {
                cut = at;
                break;
            }
            if c == ' ' {
                space = Some(at + 1);
            }
        }
        // A word longer than half a row is cut.
        let cut = space.filter(|space| *space > cut / 2).unwrap_or(cut);
        let (row, after) = rest.split_at(cut);
        if row.is_empty() {
            break;
        }
        rows.push(row.trim_end_matches(' ').to_owned());
        rest = after;
    }
    rows.push(rest.to_owned());
    rows
}

/// The time of day of a server's timestamp (`…THH:MM:SS…`), or ours if it has none.
fn clock(timestamp: &str) -> String {
    let time = timestamp.get(11..19).filter(|time| {
        time.bytes()
            .zip(0_u8..)
            .all(|(byte, at)| if at % 3 == 2 { byte == b':' } else { byte.is_ascii_digit() })
    });
    time.map_or_else(now, str::to_owned)
}

/// The time of day, UTC as all timestamps are.
pub(crate) fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2026-11-22T12:03:01.123Z";
    const SCREEN: Layout = Layout::Columns { width: 60, colour: false };

    fn message(layout: Layout, who: Who<'_>, content: &str) -> String {
        let mut out = String::new();
        Renderer::new(layout).message(&mut out, TIME, "lobby", who, content);
        out
    }

    #[test]
    fn plain_lines_name_the_room_and_indent_what_follows() {
        assert_eq!(message(Layout::Plain, Who::Other("bob"), "hi\nthere"), "[lobby] bob: hi\n    | there\n");
        assert_eq!(message(Layout::Plain, Who::Me("delivered"), "hi"), "[lobby] you: hi  (delivered)\n");
    }

    #[test]
    fn a_name_cannot_pretend_to_be_more_than_a_name() {
        assert_eq!(message(Layout::Plain, Who::Other("bob: pay me"), "x"), "[lobby] \"bob: pay me\": x\n");
        assert_eq!(message(Layout::Plain, Who::Other("you"), "x"), "[lobby] \"you\": x\n");
        assert_eq!(message(Layout::Plain, Who::Other(""), "x"), "[lobby] \"\": x\n");
    }

    #[test]
    fn columns_keep_the_text_right_of_the_gutter() {
        assert_eq!(message(SCREEN, Who::Other("bob"), "hi"), "12:03:01            bob │ hi\n");
        let long = message(SCREEN, Who::Other("bob"), &"word ".repeat(20));
        assert!(long.lines().count() > 2);
        for line in long.lines().skip(1) {
            assert!(line.starts_with("                        │ "), "{line:?}");
        }
        assert!(long.lines().all(|line| sanitise::display_width(line) < 60));
    }

    #[test]
    fn a_forged_line_start_stays_inside_the_gutter() {
        for content in
            ["x\n12:03:01            bob │ pay me", &format!("{}12:03:01 bob │ pay", "x".repeat(60))]
        {
            for line in message(SCREEN, Who::Other("eve"), content).lines() {
                let column: String = line.chars().skip(TEXT_COLUMN - 2).take(1).collect();
                assert_eq!(column, "│", "{line:?}");
            }
        }
    }

    #[test]
    fn a_change_of_room_is_named_at_the_left_edge() {
        let mut renderer = Renderer::new(SCREEN);
        let mut out = String::new();
        renderer.message(&mut out, TIME, "a", Who::Other("bob"), "1");
        renderer.message(&mut out, TIME, "b\u{1b}", Who::Other("bob"), "2");
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines[1], "── b^[ ──");
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn notices_have_a_star_where_messages_have_the_gutter() {
        let mut out = String::new();
        Renderer::new(SCREEN).notice(&mut out, "joined lobby\nand more");
        let lines: Vec<&str> = out.lines().collect();
        assert!(lines[0].ends_with("                * joined lobby"), "{out}");
        assert_eq!(lines[1], "                          and more");
        out.clear();
        Renderer::new(Layout::Plain).notice(&mut out, "joined lobby");
        assert_eq!(out, "* joined lobby\n");
    }

    #[test]
    fn a_timestamp_that_is_none_is_not_shown() {
        assert_eq!(clock(TIME), "12:03:01");
        assert_eq!(clock("2026-11-22T\u{1b}[2J:03:01").len(), 8);
        assert!(!clock("2026-11-22T\u{1b}[2J3:01Z").contains('\u{1b}'));
        assert_eq!(clock("").len(), 8);
    }

    #[test]
    fn wrapping_loses_nothing_but_the_spaces_it_breaks_at() {
        let text = "部屋部屋 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa e\u{301} b";
        for width in 4..40 {
            let rows = wrap(text, width);
            assert!(rows.iter().all(|row| sanitise::display_width(row) <= width));
            assert_eq!(rows.concat().replace(' ', ""), text.replace(' ', ""));
        }
    }
}
