//! The line being typed: rustyline on its own thread, and everything printed above it.
//!
//! `readline` blocks without limit, so the program ends without joining its thread; [`terminal`] restores the terminal. Its
//! external printer has a queue of one and may block, so it has its own thread too ([`crate::stdout_writer`]).

mod clusters;
mod emacs;
mod helper;
mod keys;
mod print_lock;
mod prompt;
mod reflow;
mod start_guard;
mod status;
mod suspend;
pub(crate) mod terminal;
mod visible_rows;

use crate::alert;
use crate::stdout_writer::StdoutWriter;
use helper::LineHelper;
use keys::{Bound, ChangedDraft, Draft, Suspended};
use print_lock::PrintLock;
use prompt::FixedWidth;
pub(crate) use prompt::Shared;
pub(crate) use reflow::Reflow;
use rustyline::config::{BellStyle, ColorMode, CompletionType, EditMode};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor, ExternalPrinter, GraphemeClusterMode};
pub(crate) use start_guard::StartGuard;
pub(crate) use status::{RoomStatus, Status};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use suspend::Suspension;
use tokio::sync::{mpsc, oneshot};

/// Lines the history keeps.
const HISTORY: usize = 1000;
/// Lines typed ahead of what the program has dealt with.
const TYPED: usize = 16;

/// What the user did.
#[derive(Debug)]
pub(crate) enum Typed {
    /// Finished a line. The next prompt comes when `done` is answered or dropped.
    Line { text: String, done: oneshot::Sender<()> },
    /// Wants to go to the room with this number, from 1.
    Room(usize),
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D, after which a prompt comes only when `stay` is answered; without it the terminal is gone.
    End { stay: Option<oneshot::Sender<()>> },
}

/// A running editor.
pub(crate) struct LineEditor {
    pub(crate) typed: mpsc::Receiver<Typed>,
    /// Prints above the line being typed. Chunks end with a line end.
    pub(crate) outlet: StdoutWriter,
    /// To be ended before the terminal is put back.
    pub(crate) start_guard: Arc<StartGuard>,
    /// Where the line being typed stands.
    pub(crate) reflow: Arc<Reflow>,
}

/// Printed above the line being typed it changes nothing, but the prompt is drawn again: a row up, and down again.
pub(crate) const REDRAW: &[u8] = b"\x1b[A\n";
/// The same without its line end.
pub(crate) const NOTHING: &str = "\x1b[A";

/// Starts reading lines. Fails when stdin and stdout are not both a terminal that rustyline can use.
pub(crate) fn start(shared: &Arc<Shared>, history: Option<PathBuf>) -> rustyline::Result<LineEditor> {
    let config = Config::builder()
        .auto_add_history(false)
        .max_history_size(HISTORY)?
        .history_ignore_dups(true)?
        .completion_type(CompletionType::List)
        // The prompt is drawn by the highlighter, which rustyline asks only when colours are on.
        .color_mode(ColorMode::Forced)
        .bell_style(BellStyle::None)
        // See `emacs`.
        .edit_mode(EditMode::Vi)
        .tab_stop(clusters::TAB)
        // What it says of a terminal that shows each cluster as `clusters` has it.
        .grapheme_cluster_mode(GraphemeClusterMode::Unicode)
        .build();
    let mut editor: Editor<LineHelper, FileHistory> = Editor::with_config(config)?;
    let mut printer = editor.create_external_printer()?;
    let (print_lock, reflow) = (Arc::new(PrintLock::default()), Arc::new(Reflow::default()));
    editor.set_helper(Some(LineHelper::new(
        Arc::clone(shared),
        Arc::clone(&print_lock),
        Arc::clone(&reflow),
    )));
    let (suspended, changed) = (Suspended::default(), ChangedDraft::default());
    let (sender, typed) = mpsc::channel(TYPED);
    let bound =
        Bound { suspended: &suspended, changed: &changed, typed: &sender, shared, print_lock: &print_lock };
    for (key, handler) in emacs::bindings().into_iter().chain(keys::bindings(&bound)) {
        editor.bind_sequence(key, handler);
    }
    if let Some(history) = &history
        && let Err(error) = editor.load_history(history)
    {
        tracing::debug!(%error, "no history yet");
    }
    let printing = Arc::clone(&print_lock);
    let drawn = Arc::clone(&reflow);
    let outlet = StdoutWriter::spawn(move |chunk| {
        drawn.settle();
        let _pass = printing.lock_for_print();
        printer.print(String::from_utf8_lossy(&chunk).into_owned()).map_err(io::Error::other)
    });
    let suspension = Arc::new(Suspension::default());
    #[cfg(unix)]
    follow_continuing(Arc::clone(&suspension), Arc::clone(&reflow), outlet.line_sender());
    let start_guard = Arc::new(StartGuard::default());
    let beginning = Arc::clone(&start_guard);
    let standing = Arc::clone(&reflow);
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        let mut reader = Reader {
            editor,
            print_lock,
            reflow,
            start_guard: beginning,
            suspended,
            changed,
            suspension,
            history,
            shared,
        };
        // One last thing and no prompt after it, which would make the terminal raw again when it has been put in order.
        if let Some(typed) = reader.run(&sender) {
            // The program may have ended by itself meanwhile.
            let _ = sender.blocking_send(typed);
        }
    });
    Ok(LineEditor { typed, outlet, start_guard, reflow: standing })
}

/// Goes on with the line after the program was stopped from outside (`kill -STOP`), with the terminal as the shell left it.
/// The task ends with the program.
#[cfg(unix)]
fn follow_continuing(
    suspension: Arc<Suspension>,
    reflow: Arc<Reflow>,
    print: impl Fn(String) + Send + 'static,
) {
    use tokio::signal::unix::{SignalKind, signal};
    let continued = rustix::process::Signal::CONT.as_raw();
    let Ok(mut continued) = signal(SignalKind::from_raw(continued)) else { return };
    tokio::spawn(async move {
        while continued.recv().await.is_some() {
            if suspension.has_continued() && terminal::make_raw() {
                reflow.leave_room();
                // An empty line, and below it rustyline draws its own again.
                print(String::new());
            }
        }
    });
}

struct Reader {
    editor: Editor<LineHelper, FileHistory>,
    print_lock: Arc<PrintLock>,
    reflow: Arc<Reflow>,
    start_guard: Arc<StartGuard>,
    suspended: Suspended,
    changed: ChangedDraft,
    suspension: Arc<Suspension>,
    history: Option<PathBuf>,
    shared: Arc<Shared>,
}

impl Reader {
    /// Reads lines, and waits each time until the program has dealt with it. The last thing there is to say is
    /// returned.
    fn run(&mut self, sender: &mpsc::Sender<Typed>) -> Option<Typed> {
        let last = self.read_lines(sender);
        // There is no next line: what is printed goes to the terminal.
        self.print_lock.open();
        last
    }

    fn read_lines(&mut self, sender: &mpsc::Sender<Typed>) -> Option<Typed> {
        let prompt = FixedWidth {
            reflow: Arc::clone(&self.reflow),
            start_guard: Arc::clone(&self.start_guard),
            print_lock: Arc::clone(&self.print_lock),
        };
        let mut draft = Draft::default();
        loop {
            let Draft { left, right } = std::mem::take(&mut draft);
            if !self.start_guard.begin() {
                return None;
            }
            self.reflow.begin();
            let line = self.editor.readline_with_initial(&prompt, (&left, &right));
            self.start_guard.begun();
            match line {
                Ok(text) => {
                    self.erase_line(&text);
                    self.remember(&text);
                    let (done, answered) = oneshot::channel();
                    if sender.blocking_send(Typed::Line { text, done }).is_err() {
                        return None;
                    }
                    // Dropped unanswered: there is no next prompt.
                    answered.blocking_recv().ok()?;
                    draft.left = self.shared.take_draft();
                }
                Err(ReadlineError::Interrupted) => match (self.changed.take(), self.suspended.take()) {
                    (Some((line, next)), _) => {
                        self.erase_line(&line);
                        draft = next;
                    }
                    (None, Some(kept)) => {
                        // The terminal is as it was found, its title too, and the draft stays above the shell's own line.
                        self.retitle(|_| alert::TITLE_BACK.to_owned());
                        self.suspension.stop();
                        self.retitle(|title| format!("{}{title}", alert::KEEP_TITLE));
                        draft = kept;
                    }
                    (None, None) => return Some(self.left(Typed::Interrupt)),
                },
                Err(ReadlineError::Eof) => {
                    let (stay, answered) = oneshot::channel();
                    if sender.blocking_send(self.left(Typed::End { stay: Some(stay) })).is_err() {
                        return None;
                    }
                    answered.blocking_recv().ok()?;
                }
                Err(error) => {
                    tracing::warn!(%error, "the terminal cannot be read any more");
                    return Some(Typed::End { stay: None });
                }
            }
        }
    }

    /// Takes a line off the screen that `readline` has ended with.
    fn erase_line(&mut self, text: &str) {
        let columns = self.editor.dimensions().map(|(columns, _)| usize::from(columns));
        erase(text, self.reflow.prompt(), columns);
        self.reflow.finished();
    }

    /// Writes a sequence about the window's title, if the chat has set one.
    fn retitle(&self, sequence: impl FnOnce(&str) -> String) {
        let Some(sequence) = self.shared.lock().title.as_deref().map(sequence) else { return };
        print_now(&sequence);
    }

    /// The user leaves on an empty line, which goes off the screen with its status line.
    fn left(&self, typed: Typed) -> Typed {
        erase("", self.reflow.prompt(), Some(terminal::width()));
        self.reflow.finished();
        typed
    }

    /// Keeps a line, unless it begins with a space or looks as if a token were in it.
    fn remember(&mut self, line: &str) {
        if line.trim().is_empty() || line.starts_with(' ') || line.to_lowercase().contains("token=") {
            return;
        }
        let kept = self.editor.add_history_entry(line).and_then(|added| match &self.history {
            Some(path) if added => self.editor.append_history(path),
            _ => Ok(()),
        });
        if let Err(error) = kept {
            tracing::debug!(%error, "the history cannot be kept");
        }
    }
}

/// Takes the finished line off the screen with its status line: it comes back as a message once it is known what became of it.
/// Where the line's height is not certain it stays, rather than take a line of others with it.
fn erase(text: &str, prompt: usize, columns: Option<usize>) {
    let Some(rows) = columns.and_then(|columns| prompt::rows(text, prompt, columns)) else { return };
    print_now(&terminal::erased(rows + 1));
}

/// Writes past the editor, which draws nothing now.
fn print_now(sequence: &str) {
    let mut stdout = io::stdout().lock();
    // A terminal that is gone is noticed by the next read.
    drop(stdout.write_all(sequence.as_bytes()).and_then(|()| stdout.flush()));
}
