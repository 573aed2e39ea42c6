//! Prevents a new line from starting while the program ends. `readline` puts the terminal into raw mode on its own thread: a line
//! that started after the terminal was restored would leave it raw. Touches no terminal itself.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A line that takes longer to begin is not waited for: the terminal is stuck.
const START_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct StartGuard {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_over: bool,
    is_beginning: bool,
}

impl StartGuard {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `readline` is about to make the terminal raw; `false` if it must not any more.
    pub(super) fn begin(&self) -> bool {
        let mut state = self.lock();
        state.is_beginning = !state.is_over;
        state.is_beginning
    }

    /// The terminal is raw, or will not be.
    pub(super) fn begun(&self) {
        self.lock().is_beginning = false;
        self.changed.notify_all();
    }

    /// No line begins from here on; waits for one that is beginning.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.is_over = true;
        drop(self.changed.wait_timeout_while(state, START_TIMEOUT, |state| state.is_beginning));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn the_end_waits_for_a_line_that_is_beginning_and_none_begins_after_it() {
        let start_guard = StartGuard::default();
        assert!(start_guard.begin());
        let (ended, end) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                start_guard.end();
                ended.send(()).unwrap();
            });
            assert!(end.try_recv().is_err());
            start_guard.begun();
            end.recv().unwrap();
        });
        assert!(!start_guard.begin());
        start_guard.end();
    }
}
