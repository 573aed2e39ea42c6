//! Writes the log to standard error behind a bounded queue, so that a reader that stops blocks nobody. What does not fit is
//! dropped and counted. Panics are log lines too.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io;
use std::sync::OnceLock;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

/// Lines that may wait: some hundred kilobytes.
const MOST_LINES: usize = 4_096;

static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// The writer for the lines of the log. What waits is written while the other part of the pair is held, and for a moment
/// when it is dropped. A panic is logged from here on: written by the thread that panics, it could stop that thread for good.
pub fn stderr() -> (NonBlocking, WorkerGuard) {
    let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(MOST_LINES);
    let (writer, guard) = builder.thread_name("log").finish(io::stderr());
    // There is one log; a second one would only not be counted.
    let _ = DROPPED.set(writer.error_counter());
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
        tracing::error!(backtrace = backtrace.map(tracing::field::display), "{panic}");
    }));
    (writer, guard)
}

/// How many lines were dropped.
pub(crate) fn dropped() -> u64 {
    let count = DROPPED.get().map_or(0, ErrorCounter::dropped_lines);
    u64::try_from(count).unwrap_or(u64::MAX)
}
