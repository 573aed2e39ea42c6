//! The log on stderr, or above the prompt while a line is typed.

use crate::args::{LogArgs, LogFormat};
use crate::error::eprint_line;
use crate::sanitise;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Mutex, OnceLock, PoisonError};
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Where a line of the log goes while stderr would break the line that is being typed.
type Divert = Box<dyn Fn(String) + Send>;

static DIVERT: OnceLock<Mutex<Option<Divert>>> = OnceLock::new();

/// What the log is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Process {
    /// A client alone.
    Client,
    /// A client that may have a server beside it.
    Embedding,
    /// A server.
    Server,
}

/// Starts the log. Where there is a server it is written while the answer is held, and nobody waits for it. Without `-v` only
/// warnings and errors are written; of a server, which nobody watches, also who came and went, with the time of each line.
#[must_use]
pub(crate) fn start(arguments: &LogArgs, process: Process) -> Option<WorkerGuard> {
    let of_server = process == Process::Server;
    let (queue, guard) = (process != Process::Client).then(rejoin_server::log::stderr).unzip();
    let level = match arguments.verbose + u8::from(of_server) {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    // The log of the server that a chat has beside it is nothing to read between messages, unless it is asked for.
    let is_chat = process == Process::Embedding && arguments.verbose == 0 && io::stderr().is_terminal();
    let filter = if is_chat { format!("{level},rejoin_server=off") } else { level.to_owned() };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(false)
        .with_target(arguments.verbose > 1)
        .with_writer(Lines { queue });
    // A second start in the same process would be a bug that costs nothing but the second log.
    let _ = match arguments.log {
        LogFormat::Text if of_server => builder.try_init(),
        LogFormat::Text => builder.without_time().try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    guard
}

/// Sends the log elsewhere, or back to stderr with `None`. A stderr that is no terminal keeps it: nothing there breaks a
/// line that is being typed.
pub(crate) fn divert(to: Option<Divert>) {
    let to = to.filter(|_| io::stderr().is_terminal());
    let slot = DIVERT.get_or_init(Mutex::default);
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = to;
}

/// A line of ours on stderr, which a line that is being typed there is not broken by.
pub(crate) fn write_line(line: &str) {
    let slot = DIVERT.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    match &*slot {
        Some(divert) => divert(line.to_owned()),
        None => eprint_line(line),
    }
}

/// Makes a writer per event.
struct Lines {
    /// Where the log goes beside a server, unless it is diverted.
    queue: Option<NonBlocking>,
}

impl MakeWriter<'_> for Lines {
    type Writer = Event;
    fn make_writer(&self) -> Event {
        Event { text: Vec::new(), queue: self.queue.clone() }
    }
}

/// One event's text; written when it is complete, because half a line cannot be shown above a prompt.
struct Event {
    text: Vec<u8>,
    queue: Option<NonBlocking>,
}

impl Write for Event {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.text);
        // A field may quote what a server said.
        let text = sanitise::line(text.trim_end());
        if text.is_empty() {
            return;
        }
        let slot = DIVERT.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        match (&*slot, &mut self.queue) {
            (Some(divert), _) => divert(text),
            // One that is full counts what it drops.
            (None, Some(queue)) => drop(queue.write_all(format!("{text}\n").as_bytes())),
            // Stderr may be closed; there is nowhere left to say so.
            (None, None) => drop(writeln!(io::stderr().lock(), "{text}")),
        }
    }
}
