//! rustyline's callbacks while a line is edited: prompt, completion, validation. Prints nothing.

use super::clusters;
use super::print_lock::PrintLock;
use super::prompt::Shared;
use super::reflow::{Reflow, Visible};
use crate::command;
use rustyline::completion::Completer;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};
use std::borrow::Cow;
use std::sync::Arc;

pub(super) struct LineHelper {
    shared: Arc<Shared>,
    print_lock: Arc<PrintLock>,
    reflow: Arc<Reflow>,
}

impl LineHelper {
    pub(super) fn new(shared: Arc<Shared>, print_lock: Arc<PrintLock>, reflow: Arc<Reflow>) -> Self {
        Self { shared, print_lock, reflow }
    }
}

impl Helper for LineHelper {}

impl Highlighter for LineHelper {
    /// The only place that is asked again at every redrawing, so the prompt follows the connection.
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, default: bool) -> Cow<'b, str> {
        if !default {
            self.reflow.show_all();
            return Cow::Borrowed(prompt);
        }
        self.reflow.halt_at_the_end();
        let (status, columns) = self.shared.status(self.reflow.columns());
        let prompt = self.shared.prompt(self.reflow.prompt());
        self.reflow.status_drawn(columns);
        Cow::Owned(match self.reflow.visible() {
            Visible::Rows(rows) if rows.has_status() => format!("{status}\r\n{prompt}"),
            Visible::Rows(rows) if rows.has_prompt() => prompt,
            Visible::All => format!("{status}\r\n{prompt}"),
            Visible::Rows(_) | Visible::Nothing => String::new(),
        })
    }

    /// Colours nothing.
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        clusters::shown(self.reflow.visible_part(line))
    }

    /// It is called each time before the line is drawn. `true`: it is to be drawn as a whole, and not what was typed alone.
    fn highlight_char(&self, line: &str, position: usize, _: CmdKind) -> bool {
        self.shared.drawing(line);
        self.reflow.drawing(line, position) || clusters::has_composed(line)
    }
}

impl Validator for LineHelper {
    /// Every line is valid; this is the last moment at which printing is known to go through the editor.
    fn validate(&self, _: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        self.print_lock.close();
        self.reflow.accept();
        Ok(ValidationResult::Valid(None))
    }
}

impl Hinter for LineHelper {
    type Hint = String;
}

impl Completer for LineHelper {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let known = self.shared.lock();
        Ok(command::complete(line.get(..position).unwrap_or(line), &known.rooms, &known.names))
    }
}
