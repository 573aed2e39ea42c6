//! The log, on stderr, or above the prompt while a line is being edited.

use crate::args::{LogArgs, LogFormat};
use crate::sanitise;
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Mutex, OnceLock, PoisonError};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Where a line of the log goes while stderr would break the line that is being typed.
type Divert = Box<dyn Fn(String) + Send>;

static DIVERT: OnceLock<Mutex<Option<Divert>>> = OnceLock::new();

/// Starts the log. Without `-v` only warnings and errors are written; of a server, which nobody watches, also who came
/// and went, with the time of each line.
pub(crate) fn start(arguments: &LogArgs, of_server: bool) {
    let level = match arguments.verbose + u8::from(of_server) {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(level))
        .with_ansi(false)
        .with_target(arguments.verbose > 1)
        .with_writer(Lines);
    // A second start in the same process would be a bug that costs nothing but the second log.
    let _ = match arguments.log {
        LogFormat::Text if of_server => builder.try_init(),
        LogFormat::Text => builder.without_time().try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

/// Sends the log elsewhere, or back to stderr with `None`. A stderr that is no terminal keeps it: nothing there breaks a
/// line that is being typed.
pub(crate) fn divert(to: Option<Divert>) {
    let to = to.filter(|_| io::stderr().is_terminal());
    let slot = DIVERT.get_or_init(Mutex::default);
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = to;
}

/// Makes a writer per event.
struct Lines;

impl MakeWriter<'_> for Lines {
    type Writer = Event;
    fn make_writer(&self) -> Event {
        Event(Vec::new())
    }
}

/// One event's text; written when it is complete, because half a line cannot be shown above a prompt.
struct Event(Vec<u8>);

impl Write for Event {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.0);
        // A field may quote what a server said.
        let text = sanitise::line(text.trim_end());
        if text.is_empty() {
            return;
        }
        let slot = DIVERT.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        match &*slot {
            Some(divert) => divert(text),
            // Stderr may be closed; there is nowhere left to say so.
            None => drop(writeln!(io::stderr().lock(), "{text}")),
        }
    }
}
