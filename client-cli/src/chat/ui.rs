//! Input and output of a chat: the line editor on a terminal, plain streams elsewhere. Interprets no line.

use crate::editor::terminal::{self, Before};
use crate::editor::{self, Reflow, Shared, StartGuard, Typed};
use crate::lines::{self, BadText, Line};
use crate::render::Layout;
use crate::stdout_writer::StdoutWriter;
use crate::{alert, folders, logging};
use std::collections::VecDeque;
use std::io::{IsTerminal as _, stdin, stdout};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// The outlet's thread has that long to take its last chunk.
const HANDOVER_TIMEOUT: Duration = Duration::from_millis(250);

/// What came from the user.
#[derive(Debug)]
pub(super) enum UiEvent {
    /// A line. On a terminal the next prompt comes when `done` is answered, and none comes if it is dropped.
    Line {
        text: String,
        done: Option<oneshot::Sender<()>>,
    },
    /// A key that goes to the room with this number.
    Room(usize),
    /// A line that cannot be read.
    Bad(BadText),
    Interrupt,
    /// The user leaves, unless `stay` is answered, where there is one.
    End {
        stay: Option<oneshot::Sender<()>>,
    },
}

pub(super) struct Ui {
    pub(super) input: Input,
    pub(super) stdout: StdoutWriter,
    before: Option<(Before, Arc<StartGuard>, Arc<Reflow>)>,
    colour: bool,
}

/// Where lines come from.
pub(super) enum Input {
    Editor(mpsc::Receiver<Typed>),
    Lines(mpsc::Receiver<Vec<Line>>, VecDeque<Line>),
}

impl Ui {
    /// An editor if stdin and stdout are a terminal that can have one, plain streams otherwise.
    /// Typed lines are kept for the next chat if `keeps_history`, and in any case for this one.
    pub(super) fn open(shared: &Arc<Shared>, keeps_history: bool) -> Self {
        let before = Before::remember();
        if stdin().is_terminal() && stdout().is_terminal() {
            match editor::start(shared, keeps_history.then(history).flatten()) {
                Ok(editor) => {
                    logging::divert(Some(Box::new(editor.outlet.line_sender())));
                    return Self {
                        input: Input::Editor(editor.typed),
                        stdout: editor.outlet,
                        before: Some((before, editor.start_guard, editor.reflow)),
                        colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
                    };
                }
                Err(error) => tracing::debug!(%error, "no line editor on this terminal"),
            }
        }
        let input = Input::Lines(lines::stdin(), VecDeque::new());
        Self { input, stdout: StdoutWriter::stdout(), before: None, colour: false }
    }

    /// The layout for the terminal as wide as it is now.
    pub(super) fn layout(&self) -> Layout {
        match self.before {
            Some(_) => Layout::Columns { width: terminal::width(), colour: self.colour },
            None => Layout::Plain,
        }
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.before.is_some()
    }

    /// Waits until what was handed over is on its way to the screen, as long as that takes no time.
    pub(super) async fn settle(&self, chunk: u64) {
        if self.before.is_some() {
            // A terminal that is stuck, or gone, is left as it is.
            let _ = timeout(HANDOVER_TIMEOUT, self.stdout.flushed(chunk)).await;
        }
    }

    /// The user is leaving: what is typed from here on is not shown. Ctrl-C is a signal.
    pub(super) fn hush(&self) {
        if self.before.is_some() {
            terminal::hush();
        }
    }

    /// Puts the terminal back in order, and its title if that was set. What is printed after this goes straight to it.
    /// `discards`: what was typed and not read was meant for the chat, and is not for the shell to run.
    pub(super) fn close(&self, has_title: bool, discards: bool) {
        logging::divert(None);
        if let Some((before, start_guard, reflow)) = &self.before {
            start_guard.end();
            if reflow.end() {
                // Changes nothing on the screen.
                (self.stdout.line_sender())(editor::NOTHING.to_owned());
            }
            reflow.stop_drawing();
            before.restore(reflow.rows_above(), if has_title { alert::TITLE_BACK } else { "" }, discards);
        }
    }
}

impl Input {
    /// The next thing from the user. Cancel safe.
    pub(super) async fn next(&mut self) -> UiEvent {
        match self {
            Self::Editor(typed) => match typed.recv().await {
                Some(Typed::Line { text, done }) => UiEvent::Line { text, done: Some(done) },
                Some(Typed::Room(number)) => UiEvent::Room(number),
                Some(Typed::Interrupt) => UiEvent::Interrupt,
                Some(Typed::End { stay }) => UiEvent::End { stay },
                None => UiEvent::End { stay: None },
            },
            Self::Lines(batches, lines) => loop {
                if let Some(line) = lines.pop_front() {
                    return match line.text {
                        Ok(text) => UiEvent::Line { text, done: None },
                        Err(bad) => UiEvent::Bad(bad),
                    };
                }
                match batches.recv().await {
                    Some(batch) => lines.extend(batch),
                    None => return UiEvent::End { stay: None },
                }
            },
        }
    }
}

/// The file that typed lines are kept in. Only its owner may read it.
fn history() -> Option<PathBuf> {
    let folder = folders::ours()?.data_dir().to_owned();
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}
