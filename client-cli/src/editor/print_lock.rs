//! Mutual exclusion of printing and of erasing a finished line.
//!
//! Between two `readline` calls rustyline's printer writes directly to the terminal. Text written after a line was finished and
//! before it is erased would be erased instead, and later it would overtake what waits in the editor's queue. So the lock is
//! taken inside `readline`, while printing still goes through the editor, and released when the next one has begun, or none
//! will.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A print that takes longer waits in the editor's queue, where it does no harm.
const PRINT_TIMEOUT: Duration = Duration::from_millis(10);

#[derive(Debug, Default)]
pub(super) struct PrintLock {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    /// Since when something is printed.
    printing: Option<Instant>,
}

/// Permission to print, until dropped.
pub(super) struct PrintGuard<'a>(&'a PrintLock);

impl PrintLock {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the lock is open.
    pub(super) fn lock_for_print(&self) -> PrintGuard<'_> {
        let mut state = self.lock();
        while state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.printing = Some(Instant::now());
        PrintGuard(self)
    }

    /// Lets nothing through from now on, and what is under way finish.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let Some(since) = state.printing else { return };
        let left = PRINT_TIMEOUT.saturating_sub(since.elapsed());
        let waited = self.changed.wait_timeout_while(state, left, |state| state.printing.is_some());
        drop(waited);
    }

    pub(super) fn open(&self) {
        self.lock().closed = false;
        self.changed.notify_all();
    }
}

impl Drop for PrintGuard<'_> {
    fn drop(&mut self) {
        self.0.lock().printing = None;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn what_comes_to_a_closed_gate_passes_when_it_opens() {
        let print_lock = PrintLock::default();
        print_lock.close();
        let (sender, receiver) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                drop(print_lock.lock_for_print());
                sender.send(()).unwrap();
            });
            assert!(receiver.try_recv().is_err());
            print_lock.open();
            receiver.recv().unwrap();
        });
    }

    #[test]
    fn closing_does_not_wait_for_ever_for_a_print_that_is_stuck() {
        let print_lock = PrintLock::default();
        let pass = print_lock.lock_for_print();
        print_lock.close();
        drop(pass);
    }
}
