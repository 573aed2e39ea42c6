//! Suspending and resuming the program: Ctrl-Z, and signals from outside.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A signal to the own process takes effect when the system gets round to it. A process group that nobody could wake
/// is not stopped at all, and then this is how long Ctrl-Z takes.
const STOP_TIMEOUT: Duration = Duration::from_millis(500);

/// Knows whether the program is stopping by its own wish.
#[derive(Debug, Default)]
pub(super) struct Suspension {
    is_stopping: Mutex<bool>,
    continued: Condvar,
}

impl Suspension {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.is_stopping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the process group, as the terminal would, and returns when it has been continued.
    #[cfg(unix)]
    pub(super) fn stop(&self) {
        let mut stopping = self.lock();
        *stopping = true;
        let stopped = rustix::process::kill_current_process_group(rustix::process::Signal::TSTP);
        if let Err(error) = stopped {
            tracing::debug!(%error, "the program cannot stop");
        } else {
            let waited = self.continued.wait_timeout_while(stopping, STOP_TIMEOUT, |stopping| *stopping);
            stopping = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *stopping = false;
    }

    #[cfg(not(unix))]
    pub(super) fn stop(&self) {
        *self.lock() = false;
        self.continued.notify_all();
    }

    /// The process has been continued. `true`: it was stopped from outside, while a line was being edited perhaps.
    pub(super) fn has_continued(&self) -> bool {
        let was_stopping = std::mem::take(&mut *self.lock());
        self.continued.notify_all();
        !was_stopping
    }
}
