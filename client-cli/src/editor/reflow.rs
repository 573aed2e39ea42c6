//! Corrects the cursor when the terminal's width changes while a line is typed. Draws nothing itself.
//!
//! A terminal that was resized rewraps the line, so that it takes fewer or more rows. rustyline moves up by the old number of
//! rows: too far, over received lines, or not far enough, and the old prompt stays. So the cursor is moved to where rustyline
//! expects it just before it redraws. Positions are counted from the prompt's row; the status line is one row above it, or more
//! if it was drawn for a wider terminal.

use super::visible_rows::VisibleRows;
use super::{clusters, terminal};
use crate::render::prompt_width;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A line that is not drawn again by then is not waited for: the program is being stopped, or does something else.
const REDRAW_TIMEOUT: Duration = Duration::from_secs(1);

/// What is being printed is not waited for longer at the end.
const PRINT_TIMEOUT: Duration = Duration::from_millis(250);

/// Follows what rustyline does about the width.
#[derive(Debug, Default)]
pub(crate) struct Reflow {
    state: Mutex<State>,
    drawn: Condvar,
}

/// What is drawn of the line.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visible {
    #[default]
    All,
    /// It is taller than the terminal.
    Rows(VisibleRows),
    /// It was taller, is finished, and is off the screen.
    Nothing,
}

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a step of its own of what rustyline does")]
struct State {
    /// The columns that the line was drawn for.
    columns: usize,
    /// Columns of the prompt, as rustyline has measured it.
    prompt: usize,
    /// Columns of the prompt before that, which is still on the screen.
    drawn_prompt: usize,
    /// Rows of the line beside the first.
    more_rows: usize,
    /// Columns of its last row.
    last_columns: usize,
    /// The row that the cursor is in.
    cursor_row: usize,
    /// What is drawn of it.
    visible: Visible,
    /// The rows that the terminal had then.
    height: usize,
    /// Columns of the status line; `None` before it is drawn.
    status: Option<usize>,
    /// Its last row was full, and was ended with a line feed.
    is_ended: bool,
    /// It is about to draw for a key.
    is_keyed: bool,
    /// `readline` has begun and has not finished its line.
    is_reading: bool,
    /// The program ends: rustyline is to draw no more.
    is_over: bool,
    /// It draws no more: its thread is held.
    is_halted: bool,
    /// `readline` has begun and measures its prompt for the first time.
    is_beginning: bool,
    /// rustyline has measured the prompt again, as it does before it draws for another width.
    is_resized: bool,
}

impl State {
    /// Rows of the line that are not drawn, above those that are.
    fn hidden_rows(&self) -> usize {
        match self.visible {
            Visible::Rows(rows) => rows.hidden(),
            Visible::All | Visible::Nothing => 0,
        }
    }

    /// Whether the line was drawn for another width, in which it takes other rows.
    fn is_outdated(&self, columns: usize) -> bool {
        let is_wrapped = self.status.is_some_and(|status| status > columns);
        self.columns != columns && (self.more_rows > 0 || self.last_columns >= columns || is_wrapped)
    }
}

impl Reflow {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `readline` is about to begin.
    pub(super) fn begin(&self) {
        *self.lock() =
            State { columns: terminal::width(), is_reading: true, is_beginning: true, ..State::default() };
    }

    /// rustyline measures the prompt: gives its width.
    pub(super) fn measured(&self) -> usize {
        let mut state = self.lock();
        state.is_resized = !std::mem::take(&mut state.is_beginning);
        state.drawn_prompt = std::mem::replace(&mut state.prompt, prompt_width(terminal::width()));
        state.prompt
    }

    /// Columns of the prompt.
    pub(super) fn prompt(&self) -> usize {
        self.lock().prompt
    }

    /// The columns that the line is drawn for.
    pub(super) fn columns(&self) -> usize {
        self.lock().columns
    }

    /// The status line is drawn, this wide.
    pub(super) fn status_drawn(&self, columns: usize) {
        let mut state = self.lock();
        state.status = Some(columns);
        state.is_keyed = false;
    }

    /// rustyline is about to draw. At the end its thread stays here for good: what it drew would come after the terminal was
    /// put in order.
    pub(super) fn halt_at_the_end(&self) {
        let mut state = self.lock();
        if !state.is_over {
            return;
        }
        if !state.is_keyed {
            // It has taken its rows off the screen, to print something above them.
            (state.status, state.cursor_row) = (None, 0);
        }
        state.is_halted = true;
        drop(state);
        self.drawn.notify_all();
        loop {
            std::thread::park();
        }
    }

    /// Nothing is drawn from here on. `true`: a line is being read. Something has to be printed then, which makes rustyline
    /// take its rows off the screen, and [`Reflow::stop_drawing`] waits for it.
    pub(crate) fn end(&self) -> bool {
        let mut state = self.lock();
        (state.is_over, state.is_keyed) = (true, false);
        state.is_reading
    }

    /// Waits until rustyline draws no more.
    pub(crate) fn stop_drawing(&self) {
        let is_busy = |state: &mut State| state.is_reading && !state.is_halted;
        drop(self.drawn.wait_timeout_while(self.lock(), PRINT_TIMEOUT, is_busy));
    }

    /// The line is finished, and will be taken off the screen where it should be.
    pub(super) fn finished(&self) {
        let mut state = self.lock();
        (state.status, state.is_reading) = (None, false);
        drop(state);
        self.drawn.notify_all();
    }

    /// The rows above the cursor that the status line and the line being typed take now.
    pub(crate) fn rows_above(&self) -> usize {
        let state = self.lock();
        state.status.map_or(0, |status| status_rows(status, terminal::width()) + state.cursor_row)
    }

    /// rustyline is about to draw `line` with its cursor before the byte `position`. Gives whether it has to draw all of it:
    /// a full row at the end is ended with a line feed, and what is typed after it would not be joined to it when the
    /// terminal breaks lines anew; and of a line that is taller than the terminal other rows may be drawn.
    pub(super) fn drawing(&self, line: &str, position: usize) -> bool {
        let mut state = self.lock();
        state.is_keyed = true;
        let is_resized = std::mem::take(&mut state.is_resized);
        // A key that comes before rustyline has heard of another width is drawn for the width before.
        let columns = match terminal::width() {
            columns if !is_resized && state.is_outdated(columns) => state.columns,
            columns => columns,
        };
        let before = std::mem::replace(&mut state.columns, columns);
        let is_rewrapped = is_resized && before != columns && breaks_lines_anew();
        let end = drawn_place(state.prompt, line, columns);
        (state.more_rows, state.last_columns) = (end.row, end.column);
        let shown_before = state.cursor_row.saturating_sub(state.hidden_rows());
        state.cursor_row = drawn_place(state.prompt, line.get(..position).unwrap_or(line), columns).row;
        let is_ended = place(state.prompt, line, columns) != end;
        let was_ended = std::mem::replace(&mut state.is_ended, is_ended);
        let height = terminal::height();
        let height_before = std::mem::replace(&mut state.height, height);
        let drawn = state.visible;
        if drawn != Visible::Nothing {
            state.visible = VisibleRows::around(state.cursor_row + 1, end.row + 1, is_ended, height)
                .map_or(Visible::All, Visible::Rows);
        }
        let is_cut = matches!(state.visible, Visible::Rows(_));
        let status = status_rows(state.status.unwrap_or(0), columns);
        match drawn {
            Visible::All if is_rewrapped => {
                write(&correction(state.drawn_prompt, line, position, (before, columns), status));
            }
            Visible::Rows(rows) if is_rewrapped => {
                let start = rows.part(line, state.drawn_prompt, before).start;
                let prompt = if rows.has_prompt() { state.drawn_prompt } else { 0 };
                let left = line.get(start..position).unwrap_or_default();
                let status = if rows.has_status() { status } else { 0 };
                write(&cleared(status + place(prompt, left, columns).row, height));
            }
            // Rows of others may have come back from the scrollback, and rustyline would take them for its own.
            Visible::Rows(_) if height > height_before => write(&cleared(shown_before, height)),
            Visible::All | Visible::Rows(_) | Visible::Nothing => {}
        }
        drop(state);
        self.drawn.notify_all();
        is_ended || was_ended || is_cut
    }

    /// What is drawn of the line.
    pub(super) fn visible(&self) -> Visible {
        self.lock().visible
    }

    /// The part of the line that is drawn.
    pub(super) fn visible_part<'l>(&self, line: &'l str) -> &'l str {
        let state = self.lock();
        match state.visible {
            Visible::All => line,
            Visible::Rows(rows) => line.get(rows.part(line, state.prompt, state.columns)).unwrap_or(line),
            Visible::Nothing => "",
        }
    }

    /// Another prompt is drawn, with all of its line.
    pub(super) fn show_all(&self) {
        self.lock().visible = Visible::All;
    }

    /// The line is finished. One that is taller than the terminal goes off the screen now: the next row would push its first one
    /// into the scrollback.
    pub(super) fn accept(&self) {
        let mut state = self.lock();
        if matches!(state.visible, Visible::Rows(_)) {
            state.visible = Visible::Nothing;
            write(&terminal::erased(terminal::height()));
        }
    }

    /// Waits until the line stands as it would be drawn for the width that the terminal has now. rustyline erases it before
    /// it prints something above it, by the rows that it has drawn: for another width these are too few, and a part of the
    /// line stays, or too many, and something received goes. It hears of the new width by a signal, which may come after
    /// what is to be printed.
    pub(super) fn settle(&self) {
        let until = Instant::now() + REDRAW_TIMEOUT;
        let mut state = self.lock();
        while state.is_outdated(terminal::width())
            && let Some(left) = until.checked_duration_since(Instant::now())
        {
            state = self.drawn.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Others have written to the terminal: goes down by as many rows as rustyline will go up, so that it erases none of
    /// theirs.
    #[cfg(unix)]
    pub(super) fn leave_room(&self) {
        let rows = self.lock().more_rows + 1;
        write(&"\n".repeat(rows.min(terminal::height())));
    }
}

fn write(text: &str) {
    let mut stdout = io::stdout().lock();
    // A terminal that is gone is noticed by the next read.
    drop(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()));
}

/// As [`terminal::erased`], and what is left moves off the screen, which rustyline erases from its top.
fn cleared(up: usize, height: usize) -> String {
    terminal::erased(up) + &"\n".repeat(height.saturating_sub(1))
}

/// Whether the terminal breaks long lines anew when its width changes. Most do; the oldest cut them off or leave them.
fn breaks_lines_anew() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some();
    if is_set("TMUX") {
        return true;
    }
    let name = std::env::var("TERM").unwrap_or_default();
    !(is_set("XTERM_VERSION") || is_set("STY") || name == "linux" || name.starts_with("vt"))
}

/// A place below the prompt's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ScreenPosition {
    row: usize,
    column: usize,
}

/// Where a text ends that follows a prompt of so many columns, as every terminal lays it out. A row that is filled to its last column is
/// not left before there is more.
fn place(prompt: usize, text: &str, columns: usize) -> ScreenPosition {
    let mut place = ScreenPosition { row: 0, column: 0 };
    let prompt = std::iter::repeat_n((" ", 1), prompt);
    for (cluster, width) in prompt.chain(clusters::measured(text)) {
        if cluster == "\n" {
            place = ScreenPosition { row: place.row + 1, column: 0 };
            continue;
        }
        place.column += width;
        if place.column > columns {
            place = ScreenPosition { row: place.row + 1, column: width };
        }
    }
    place
}

/// As [`place`], as rustyline draws it: it goes on to the next row when one is full.
fn drawn_place(prompt: usize, text: &str, columns: usize) -> ScreenPosition {
    let place = place(prompt, text, columns);
    if place.column == columns { ScreenPosition { row: place.row + 1, column: 0 } } else { place }
}

/// The rows that a status line takes which was drawn in one.
fn status_rows(status: usize, columns: usize) -> usize {
    status.div_ceil(columns.max(1)).max(1)
}

/// Erases the line as it stands now with its `status` rows, and moves to where rustyline believes that the cursor is.
fn correction(
    prompt: usize,
    line: &str,
    position: usize,
    (before, now): (usize, usize),
    status: usize,
) -> String {
    let left = line.get(..position).unwrap_or(line);
    let (cursor, end) = (drawn_place(prompt, left, before), drawn_place(prompt, line, before));
    // A full row was ended with a line feed, which is kept when lines are broken anew.
    let is_ended = place(prompt, line, before) != end;
    let up = status
        + if is_ended && cursor == end {
            place(prompt, line, now).row + 1
        } else {
            place(prompt, left, now).row
        };
    let mut text = terminal::erased(up);
    text.extend(std::iter::repeat_n('\n', end.row + 1));
    if end.row > cursor.row {
        // Writing to a String does not fail.
        let _ = write!(text, "\x1b[{}A", end.row - cursor.row);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMPT: usize = 26;

    fn draft(columns: usize) -> String {
        "x".repeat(columns - PROMPT)
    }

    #[test]
    fn a_wider_terminal_is_not_gone_up_further_than_the_line_reaches() {
        // 100 columns: two rows of 80, one of 120.
        assert_eq!(correction(PROMPT, &draft(100), 74, (80, 120), 1), format!("{}\n\n", terminal::erased(1)));
        // The cursor on the first row, the end on the second.
        assert_eq!(
            correction(PROMPT, &draft(100), 10, (80, 120), 1),
            format!("{}\n\n\x1b[1A", terminal::erased(1))
        );
    }

    #[test]
    fn in_a_narrower_terminal_the_whole_line_is_erased() {
        // 100 columns: one row of 120, three of 45.
        assert_eq!(correction(PROMPT, &draft(100), 74, (120, 45), 1), format!("{}\n", terminal::erased(3)));
        // And a status line of 80 columns with it.
        assert_eq!(status_rows(80, 45), 2);
        assert_eq!(correction(PROMPT, &draft(100), 74, (120, 45), 2), format!("{}\n", terminal::erased(4)));
    }

    #[test]
    fn a_row_that_was_full_has_an_empty_one_after_it() {
        assert_eq!(correction(PROMPT, &draft(80), 54, (80, 120), 1), format!("{}\n\n", terminal::erased(2)));
        assert_eq!(correction(PROMPT, &draft(80), 54, (80, 40), 1), format!("{}\n\n", terminal::erased(3)));
    }

    #[test]
    fn printing_waits_for_a_line_that_takes_other_rows_now() {
        let drawn =
            |more_rows, last_columns| State { columns: 80, more_rows, last_columns, ..State::default() };
        assert!(drawn(1, 5).is_outdated(120) && drawn(0, 60).is_outdated(60));
        assert!(!drawn(1, 5).is_outdated(80) && !drawn(0, 60).is_outdated(120));
    }

    #[test]
    fn lines_of_a_draft_are_broken_each_for_itself() {
        let text = format!("{}\n{}", draft(60), "y".repeat(60));
        assert_eq!(place(PROMPT, &text, 80), ScreenPosition { row: 1, column: 60 });
        assert_eq!(place(PROMPT, &text, 40), ScreenPosition { row: 3, column: 20 });
        assert_eq!(place(PROMPT, "部屋", 28), ScreenPosition { row: 1, column: 2 });
        let family = "👨\u{200d}👩\u{200d}👧\u{200d}👦";
        assert_eq!(place(PROMPT, &family.repeat(2), 29), ScreenPosition { row: 1, column: 2 });
    }
}
