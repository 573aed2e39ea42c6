//! A virtual screen: enough of a terminal to follow rustyline, on a real terminal's parser.

use vte::{Params, Perform};

/// A grid of characters and a cursor.
#[derive(Debug)]
pub struct Screen {
    rows: Vec<Vec<char>>,
    /// What has left the screen at its top.
    scrolled: Vec<Vec<char>>,
    /// Whether a row goes on in the next one, because it was full.
    goes_on: Vec<bool>,
    row: usize,
    column: usize,
    columns: usize,
    /// The window's title, as a chat sets it.
    pub title: String,
    /// Bells and notifications of the desktop.
    pub alerts: Vec<String>,
    /// Sequences that a chat has no business with: titles of others, clipboard, device queries, alternate screens.
    pub suspicious: Vec<String>,
}

impl Screen {
    /// An empty screen.
    pub fn new(rows: usize, columns: usize) -> Self {
        Self {
            rows: vec![vec![' '; columns]; rows],
            scrolled: Vec::new(),
            goes_on: vec![false; rows],
            row: 0,
            column: 0,
            columns,
            title: String::new(),
            alerts: Vec::new(),
            suspicious: Vec::new(),
        }
    }

    /// Makes the screen wider or narrower, and breaks lines anew that were longer than a row, as most terminals do.
    pub fn resize(&mut self, columns: usize) {
        let height = self.rows.len();
        let (mut rows, mut goes_on, mut cursor) = (Vec::new(), Vec::new(), (0, 0));
        let mut line: Vec<char> = Vec::new();
        let mut cursor_in_line = None;
        for (at, row) in self.rows.iter().enumerate() {
            if at == self.row {
                cursor_in_line = Some(line.len() + self.column);
            }
            line.extend(row);
            if self.goes_on[at] && at + 1 < height {
                continue;
            }
            let used = line.iter().rposition(|c| *c != ' ').map_or(0, |last| last + 1);
            let parts = used.div_ceil(columns).max(1);
            if let Some(at) = cursor_in_line.take() {
                let part = (at / columns).min(parts - 1);
                cursor = (rows.len() + part, (at - part * columns).min(columns));
            }
            for part in 0..parts {
                let mut row: Vec<char> =
                    line[..used].iter().copied().skip(part * columns).take(columns).collect();
                row.resize(columns, ' ');
                rows.push(row);
                goes_on.push(part + 1 < parts);
            }
            line.clear();
        }
        // Blank rows below the cursor go first, then what is at the top.
        while rows.len() > height {
            if rows.len() > cursor.0 + 1 && rows.last().is_some_and(|row| row.iter().all(|c| *c == ' ')) {
                rows.pop();
                goes_on.pop();
            } else {
                self.scrolled.push(rows.remove(0));
                goes_on.remove(0);
                cursor.0 -= 1;
            }
        }
        rows.resize(height, vec![' '; columns]);
        goes_on.resize(height, false);
        (self.rows, self.goes_on, self.columns) = (rows, goes_on, columns);
        (self.row, self.column) = cursor;
    }

    /// The lines, without the blanks at their ends.
    pub fn lines(&self) -> Vec<String> {
        texts(&self.rows)
    }

    /// The lines that have left the screen at its top, the oldest first.
    pub fn scrollback(&self) -> Vec<String> {
        texts(&self.scrolled)
    }

    /// The line the cursor is in.
    pub fn current_line(&self) -> String {
        self.lines().swap_remove(self.row)
    }

    /// The line above that.
    pub fn line_above(&self) -> Option<String> {
        self.row.checked_sub(1).map(|above| self.lines().swap_remove(above))
    }

    fn line_feed(&mut self) {
        if self.row + 1 < self.rows.len() {
            self.row += 1;
        } else {
            self.scrolled.push(self.rows.remove(0));
            self.rows.push(vec![' '; self.columns]);
            self.goes_on.remove(0);
            self.goes_on.push(false);
        }
    }

    fn erase_in_line(&mut self, mode: u16) {
        let (from, to) = match mode {
            0 => (self.column, self.columns),
            1 => (0, self.column + 1),
            _ => (0, self.columns),
        };
        self.rows[self.row][from..to.min(self.columns)].fill(' ');
        self.goes_on[self.row] = false;
    }
}

fn texts(rows: &[Vec<char>]) -> Vec<String> {
    rows.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned()).collect()
}

impl Perform for Screen {
    fn print(&mut self, c: char) {
        if self.column == self.columns {
            self.goes_on[self.row] = true;
            self.column = 0;
            self.line_feed();
        }
        self.rows[self.row][self.column] = c;
        self.column += 1;
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\n' => self.line_feed(),
            b'\r' => self.column = 0,
            8 => self.column = self.column.saturating_sub(1),
            7 => self.alerts.push("bell".to_owned()),
            other => self.suspicious.push(format!("control {other:#04x}")),
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], _ignore: bool, action: char) {
        let first = params.iter().next().and_then(|param| param.first().copied()).unwrap_or(0);
        let count = usize::from(first.max(1));
        match action {
            'A' => self.row = self.row.saturating_sub(count),
            'B' => self.row = (self.row + count).min(self.rows.len() - 1),
            'C' => self.column = (self.column + count).min(self.columns - 1),
            'D' => self.column = self.column.saturating_sub(count),
            'G' => self.column = (count - 1).min(self.columns - 1),
            'K' => self.erase_in_line(first),
            'J' => {
                // As in tmux: what is erased as a whole is kept.
                if (first, self.row, self.column) == (0, 0, 0) {
                    let used = self.rows.iter().rposition(|row| row.iter().any(|c| *c != ' '));
                    let kept = self.rows.iter().take(used.map_or(0, |last| last + 1)).cloned();
                    self.scrolled.extend(kept);
                }
                self.erase_in_line(first);
                for row in self.row + 1..self.rows.len() {
                    self.rows[row].fill(' ');
                    self.goes_on[row] = false;
                }
            }
            // Colours, and the modes a line editor sets.
            'm' => {}
            // The title is kept, and comes back.
            't' if matches!(first, 22 | 23) => {}
            'h' | 'l' if intermediates == b"?" && matches!(first, 25 | 2004 | 2026) => {}
            other => self.suspicious.push(format!("CSI {first} {other}")),
        }
    }

    fn osc_dispatch(&mut self, params: &[&[u8]], _bell: bool) {
        let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
        match params {
            [b"2", title] if title.is_empty() || title.ends_with(b" - rejoin") => self.title = text(title),
            [b"9" | b"777", rest @ ..] => {
                self.alerts.push(rest.iter().map(|part| text(part)).collect::<Vec<_>>().join(";"));
            }
            _ => self.suspicious.push(format!("OSC {params:?}")),
        }
    }

    fn esc_dispatch(&mut self, intermediates: &[u8], _ignore: bool, byte: u8) {
        self.suspicious.push(format!("ESC {intermediates:?} {byte}"));
    }

    fn hook(&mut self, _params: &Params, _intermediates: &[u8], _ignore: bool, action: char) {
        self.suspicious.push(format!("DCS {action}"));
    }
}
