//! Renders lines for people, in columns on a terminal and plain elsewhere.
//!
//! Every remote string passes through [`sanitise`] here. A message cannot imitate other output: on a terminal its text stays right
//! of a gutter and is wrapped here, not by the terminal; elsewhere its further lines are indented.

use crate::clock::{Clock, long_date};
use crate::colours::Palette;
use crate::mention::{self, Mention};
use crate::sanitise;
use jiff::Timestamp;
use jiff::civil::Date;
use std::fmt::Write as _;

/// Columns left of the text: time, name, gutter. `lobby (offline, still trying)> ` fits there.
pub(crate) const TEXT_COLUMN: usize = 31;
/// The same on a narrow terminal, where time and name have a line of their own.
const NARROW_TEXT_COLUMN: usize = 2;
/// A terminal with fewer columns is narrow.
const NARROW: usize = 60;
/// After the name: a space, the gutter and a space.
const GUTTER: usize = 3;
/// Names elsewhere than in columns.
const PLAIN_NAME_WIDTH: usize = 64;
/// However narrow the terminal is, the text keeps this many columns.
const LEAST_TEXT: usize = 16;

/// How the user is called.
const ME: &str = "you";

const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const REVERSE: &str = "\x1b[1;7m";
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
pub(crate) enum Sender<'a> {
    /// Somebody else, by a name from the network.
    Other(&'a str),
    /// The user, with what is known of the message's delivery; that has been sanitised.
    Me(&'a str),
}

/// Columns left of the text on a terminal this wide.
fn text_column(width: usize) -> usize {
    if is_narrow(width) { NARROW_TEXT_COLUMN } else { TEXT_COLUMN }
}

/// Columns of the prompt: what is typed begins where the text of messages does.
pub(crate) fn prompt_width(width: usize) -> usize {
    text_column(width)
}

/// Whether there is too little room for two columns of text.
pub(crate) fn is_narrow(width: usize) -> bool {
    width < NARROW
}

impl Layout {
    /// Whether there is too little room for two columns of text.
    pub(crate) fn is_narrow(self) -> bool {
        matches!(self, Self::Columns { width, .. } if is_narrow(width))
    }

    /// A list of what can be typed, with what each does: side by side, or one below the other where there is little room.
    pub(crate) fn list<'a>(self, entries: impl IntoIterator<Item = (String, &'a str)>) -> String {
        let line = |(name, meaning)| {
            if self.is_narrow() {
                // Spaces that are not lost when the line is broken.
                format!("{name}\n\u{a0}\u{a0}{meaning}\n")
            } else {
                format!("{name:<18} {meaning}\n")
            }
        };
        entries.into_iter().map(line).collect()
    }
}

/// A time of day where there is little room for it.
fn short_time(time: &str) -> &str {
    time.get(..5).unwrap_or(time)
}

/// Turns words into lines. Remembers the room and the day shown last, to say when they change.
#[derive(Debug)]
pub(crate) struct Renderer {
    pub(crate) layout: Layout,
    pub(crate) clock: Clock,
    pub(crate) palette: Palette,
    /// The user's own name, if it is known.
    pub(crate) me: Option<String>,
    room: Option<String>,
    day: Date,
}

impl Renderer {
    pub(crate) fn new(layout: Layout, clock: Clock) -> Self {
        let day = clock.day(Timestamp::now());
        Self { layout, clock, palette: Palette::default(), me: None, room: None, day }
    }

    /// A message.
    pub(crate) fn message(
        &mut self,
        out: &mut String,
        at: Timestamp,
        room: &str,
        who: Sender<'_>,
        content: &str,
    ) {
        let mut lines = sanitise::content(content);
        if let (Sender::Me(mark), Some(last)) = (who, lines.last_mut())
            && !mark.is_empty()
        {
            // Writing to a String does not fail, here and below.
            let _ = write!(last, "  ({mark})");
        }
        match self.layout {
            Layout::Plain => plain_message(out, room, who, &lines),
            Layout::Columns { width, colour } => {
                self.day_header(out, at, width, colour);
                self.room_header(out, room, width, colour);
                self.columns_message(out, &self.clock.time(at), who, &lines, width, colour);
            }
        }
    }

    /// Something this program has to say. Remote parts of `text` have been sanitised.
    pub(crate) fn notice(&mut self, out: &mut String, text: &str) {
        // No-break spaces have done their work when the rows are made.
        let spaces = |row: &str| row.replace('\u{a0}', " ");
        match self.layout {
            Layout::Plain => {
                for (position, line) in text.lines().map(spaces).enumerate() {
                    let _ = writeln!(out, "{} {line}", if position == 0 { '*' } else { ' ' });
                }
            }
            Layout::Columns { width, colour } => {
                let now = Timestamp::now();
                self.day_header(out, now, width, colour);
                let (dim, reset) = if colour { (DIM, RESET) } else { ("", "") };
                let time = self.clock.time(now);
                let (time, text) = if is_narrow(width) {
                    (String::new(), format!("{} {text}", short_time(&time)))
                } else {
                    (time, text.to_owned())
                };
                let rows =
                    text.lines().flat_map(|line| wrap(line, text_width(width))).map(|row| spaces(&row));
                for (position, row) in rows.enumerate() {
                    let (time, mark) = if position == 0 { (&*time, '*') } else { ("", ' ') };
                    let _ = writeln!(
                        out,
                        "{dim}{time}{:>1$} {row}{reset}",
                        mark,
                        text_column(width) - 1 - time.len()
                    );
                }
            }
        }
    }

    /// A line to be copied from the screen: neither wrapped nor pushed aside. It has been sanitised.
    pub(crate) fn verbatim(out: &mut String, line: &str) {
        let _ = writeln!(out, "    {line}");
    }

    fn columns_message(
        &self,
        out: &mut String,
        time: &str,
        who: Sender<'_>,
        lines: &[String],
        width: usize,
        colour: bool,
    ) {
        let time = if is_narrow(width) { short_time(time) } else { time };
        let name_width = if is_narrow(width) {
            width.saturating_sub(time.len() + 2)
        } else {
            TEXT_COLUMN - time.len() - 1 - GUTTER
        };
        let (name, paint) = match who {
            Sender::Me(_) => (ME.to_owned(), self.palette.own()),
            Sender::Other(name) => (quoted_name(name, name_width), self.palette.of(name)),
        };
        let (dim, paint, reset) = if colour { (DIM, &*paint, RESET) } else { ("", "", "") };
        let mut header = if is_narrow(width) {
            format!("{dim}{time}{reset} {paint}{name}{reset}\n{dim}│{reset} ")
        } else {
            let padding = " ".repeat(name_width.saturating_sub(sanitise::display_width(&name)));
            format!("{dim}{time}{reset} {padding}{paint}{name}{reset} {dim}│{reset} ")
        };
        let gutter = format!("{}{dim}│{reset} ", " ".repeat(text_column(width) - 2));
        for line in lines {
            for row in wrap(line, text_width(width)) {
                out.push_str(&std::mem::replace(&mut header, gutter.clone()));
                out.push_str(&if colour { highlighted(&row, self.me.as_deref()) } else { row });
                out.push('\n');
            }
        }
    }

    /// A line between two parts, on a terminal.
    pub(crate) fn separator(&self, out: &mut String, text: &str) {
        if let Layout::Columns { width, colour } = self.layout {
            // A room of this name has quotes around it.
            header(out, text, width, colour);
        }
    }

    /// On a terminal the day is named when it changes, as the room is.
    fn day_header(&mut self, out: &mut String, at: Timestamp, width: usize, colour: bool) {
        let day = self.clock.day(at);
        if std::mem::replace(&mut self.day, day) != day {
            header(out, &long_date(day), width, colour);
        }
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
        // In quotes where it has spaces: no room's name can pass for a day.
        header(out, &plain_name(room), width, colour);
    }

    /// The user has come to a room: it is named whatever was shown last.
    pub(crate) fn enter_room(&mut self, out: &mut String, room: &str) {
        if let Layout::Columns { width, colour } = self.layout {
            self.room = Some(room.to_owned());
            header(out, &plain_name(room), width, colour);
        }
    }

    /// The room whose messages are expected: no header for it.
    pub(crate) fn expect_room(&mut self, room: Option<&str>) {
        if self.room.is_none() {
            self.room = room.map(str::to_owned);
        }
    }
}

fn header(out: &mut String, text: &str, width: usize, colour: bool) {
    let (dim, reset) = if colour { (DIM, RESET) } else { ("", "") };
    let _ = writeln!(out, "{dim}── {} ──{reset}", sanitise::truncate(text, width.saturating_sub(8)));
}

fn plain_message(out: &mut String, room: &str, who: Sender<'_>, lines: &[String]) {
    let room = plain_name(room);
    let name = match who {
        Sender::Me(_) => ME.to_owned(),
        Sender::Other(name) => plain_name(name),
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
    quoted_name(name, PLAIN_NAME_WIDTH)
}

/// A name of at most `width` columns, its quotes included. Only the user is `you`, in whatever case.
fn quoted_name(name: &str, width: usize) -> String {
    let clean = sanitise::name(name, width);
    let is_doubtful = |c: char| c.is_whitespace() || "[]:\"|*()│─".contains(c);
    if clean.is_empty() || clean.contains(is_doubtful) || clean.to_lowercase() == ME {
        format!("\"{}\"", sanitise::truncate(&clean.replace('"', "'"), width.saturating_sub(2)))
    } else {
        clean
    }
}

/// A row with those named in it brought out, the user most of all.
fn highlighted(row: &str, me: Option<&str>) -> String {
    let mut out = String::with_capacity(row.len());
    let mut at = 0;
    for Mention { from, to, is_me } in mention::find(row, me) {
        let (Some(before), Some(name)) = (row.get(at..from), row.get(from..to)) else { continue };
        let paint = if is_me { REVERSE } else { BOLD };
        // Writing to a String does not fail.
        let _ = write!(out, "{before}{paint}{name}{RESET}");
        at = to;
    }
    out.push_str(row.get(at..).unwrap_or_default());
    out
}

/// Columns for text. One is left free: a terminal that has filled a row disagrees with others about where it is.
fn text_width(width: usize) -> usize {
    width.saturating_sub(text_column(width) + 1).max(LEAST_TEXT)
}

/// Breaks a clean line into rows of at most `width` columns, at spaces where there are any.
fn wrap(line: &str, width: usize) -> Vec<String> {
    let mut rows = Vec::new();
    let mut rest = line;
    while let Some(cut) = row_end(rest, width) {
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

/// Where the first row of a line ends, if it is longer than one row. Looks no further than that: a line may be very long.
fn row_end(line: &str, width: usize) -> Option<usize> {
    let mut used = 0;
    let mut space = None;
    for (at, c) in line.char_indices() {
        used += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used > width && c == ' ' {
            return Some(at + 1);
        }
        if used > width {
            // A word longer than half a row is cut, and an address only if it is longer than a row.
            let is_kept = |space: &usize| *space > at / 2 || begins_address(line.get(*space..));
            return Some(space.filter(is_kept).unwrap_or(at));
        }
        if c == ' ' {
            space = Some(at + 1);
        }
    }
    None
}

/// Whether a text begins with the address of a page.
fn begins_address(text: Option<&str>) -> bool {
    let text = text.unwrap_or_default().trim_start_matches(['(', '<', '"', '\'']);
    ["http://", "https://", "ws://", "wss://"].iter().any(|scheme| text.starts_with(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::read;

    const TIME: &str = "2026-11-22T12:03:01.123Z";

    /// As it is on the day of that time.
    fn renderer(layout: Layout) -> Renderer {
        let clock = Clock::new(true);
        let day = clock.day(read(TIME));
        Renderer { layout, clock, palette: Palette::default(), me: None, room: None, day }
    }
    #[test]
    fn what_can_be_typed_stands_above_what_it_does_where_there_is_little_room() {
        let list = |width| {
            let layout = Layout::Columns { width, colour: false };
            layout.list([("/join ROOM".to_owned(), "join a room")])
        };
        assert_eq!(list(80), "/join ROOM         join a room\n");
        assert_eq!(list(45), "/join ROOM\n\u{a0}\u{a0}join a room\n");
    }

    const SCREEN: Layout = Layout::Columns { width: 70, colour: false };

    fn message(layout: Layout, who: Sender<'_>, content: &str) -> String {
        let mut out = String::new();
        renderer(layout).message(&mut out, read(TIME), "lobby", who, content);
        out
    }

    #[test]
    fn plain_lines_name_the_room_and_indent_what_follows() {
        assert_eq!(
            message(Layout::Plain, Sender::Other("bob"), "hi\nthere"),
            "[lobby] bob: hi\n    | there\n"
        );
        assert_eq!(message(Layout::Plain, Sender::Me("delivered"), "hi"), "[lobby] you: hi  (delivered)\n");
    }

    #[test]
    fn a_name_cannot_pretend_to_be_more_than_a_name() {
        assert_eq!(message(Layout::Plain, Sender::Other("bob: pay me"), "x"), "[lobby] \"bob: pay me\": x\n");
        assert_eq!(message(Layout::Plain, Sender::Other("you"), "x"), "[lobby] \"you\": x\n");
        assert_eq!(message(Layout::Plain, Sender::Other(""), "x"), "[lobby] \"\": x\n");
    }

    #[test]
    fn columns_keep_the_text_right_of_the_gutter() {
        assert_eq!(message(SCREEN, Sender::Other("bob"), "hi"), "12:03:01                 bob │ hi\n");
        let long = message(SCREEN, Sender::Other("bob"), &"word ".repeat(20));
        assert!(long.lines().count() > 2);
        for line in long.lines().skip(1) {
            assert!(line.starts_with("                             │ "), "{line:?}");
        }
        assert!(long.lines().all(|line| sanitise::display_width(line) < 70));
    }

    #[test]
    fn a_narrow_terminal_keeps_its_columns_for_the_text() {
        let narrow = Layout::Columns { width: 45, colour: false };
        assert_eq!(message(narrow, Sender::Other("bob"), "hi"), "12:03 bob\n│ hi\n");
        assert!(message(narrow, Sender::Other("a long name"), "hi").starts_with("12:03 \"a long name\"\n"));
        let long = message(narrow, Sender::Other(&"x".repeat(60)), "hi");
        assert!(sanitise::display_width(long.lines().next().unwrap()) < 45, "{long}");
        let mut out = String::new();
        renderer(narrow).notice(&mut out, &"word ".repeat(20));
        for line in
            message(narrow, Sender::Other("bob"), &"word ".repeat(20)).lines().chain(out.lines().skip(1))
        {
            assert!(sanitise::display_width(line) < 45, "{line:?}");
        }
    }

    #[test]
    fn a_forged_line_start_stays_inside_the_gutter() {
        for content in
            ["x\n12:03:01            bob │ pay me", &format!("{}12:03:01 bob │ pay", "x".repeat(60))]
        {
            for line in message(SCREEN, Sender::Other("eve"), content).lines() {
                let column: String = line.chars().skip(TEXT_COLUMN - 2).take(1).collect();
                assert_eq!(column, "│", "{line:?}");
            }
        }
    }

    #[test]
    fn a_change_of_room_is_named_at_the_left_edge() {
        let mut renderer = renderer(SCREEN);
        let mut out = String::new();
        renderer.message(&mut out, read(TIME), "a", Sender::Other("bob"), "1");
        renderer.message(&mut out, read(TIME), "b\u{1b}", Sender::Other("bob"), "2");
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines[1], "── \"b^[\" ──");
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn notices_have_a_star_where_messages_have_the_gutter() {
        let mut out = String::new();
        Renderer::new(SCREEN, Clock::new(true)).notice(&mut out, "joined lobby\nand more");
        let lines: Vec<&str> = out.lines().collect();
        assert!(lines[0].ends_with("                     * joined lobby"), "{out}");
        assert_eq!(lines[1], format!("{:31}and more", ""));
        out.clear();
        renderer(Layout::Plain).notice(&mut out, "joined lobby");
        assert_eq!(out, "* joined lobby\n");
    }

    #[test]
    fn a_change_of_day_is_named_once_and_no_room_can_be_called_so() {
        let mut renderer = renderer(SCREEN);
        let mut out = String::new();
        for (at, room) in [
            (TIME, "a"),
            ("2026-11-23T00:00:01Z", "a"),
            ("2026-11-23T00:00:02Z", "a"),
            ("2026-11-23T00:00:03Z", "Tuesday, 24 November 2026"),
        ] {
            renderer.message(&mut out, read(at), room, Sender::Other("bob"), "x");
        }
        let headers: Vec<&str> = out.lines().filter(|line| line.starts_with('─')).collect();
        assert_eq!(headers, ["── Monday, 23 November 2026 ──", "── \"Tuesday, 24 November 2026\" ──"]);
    }

    #[test]
    fn nobody_else_is_called_you() {
        for name in ["you", "You", "YOU", " you", "you ", "\u{a0}you"] {
            for layout in [Layout::Plain, SCREEN] {
                let line = message(layout, Sender::Other(name), "x");
                assert!(line.contains('"'), "{line:?}");
            }
            assert!(plain_name(name).starts_with('"'), "{name:?}");
        }
        let long = "a name with spaces, longer than its column";
        assert_eq!(sanitise::display_width(&quoted_name(long, 19)), 19);
    }

    #[test]
    fn a_very_long_line_is_wrapped_by_looking_at_each_of_its_characters_once_or_twice() {
        // Its cost went up by the square of its length: this took minutes.
        let rows = wrap(&"x".repeat(4 << 20), 40);
        assert_eq!(rows.len(), (4 << 20) / 40 + 1);
    }

    #[test]
    fn an_address_is_left_whole_where_it_fits_a_row() {
        let address = "https://chat.example/a/rather/long/path";
        let width = address.len();
        let rows = wrap(&format!("see {address} now"), width);
        assert_eq!(rows, ["see", address, "now"]);
        assert_eq!(wrap(&format!("see ({address})"), width + 2), ["see", &*format!("({address})")]);
        assert!(wrap(&format!("see {address}"), width - 1).len() > 2);
    }

    #[test]
    fn who_is_named_is_brought_out_and_the_user_most_of_all() {
        assert_eq!(
            highlighted("hi Ada and @bob!", Some("ada")),
            "hi \x1b[1;7mAda\x1b[0m and \x1b[1m@bob\x1b[0m!"
        );
        assert_eq!(highlighted("nobody", None), "nobody");
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
