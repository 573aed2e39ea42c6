//! Keeps printing and the erasing of a finished line apart.
//!
//! Between two `readline`s rustyline's printer writes straight to the terminal. What it wrote after the line was
//! finished and before it is erased would be erased in its place. So the gate closes inside `readline`, while
//! printing still goes through the editor, and opens when the line is gone.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A print that takes longer waits in the editor's queue, where it does no harm.
const LONGEST_PRINT: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    printing: bool,
}

/// Permission to print, until dropped.
pub(super) struct Pass<'a>(&'a Gate);

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the gate is open.
    pub(super) fn pass(&self) -> Pass<'_> {
        let mut state = self.lock();
        while state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.printing = true;
        Pass(self)
    }

    /// Lets nothing through from now on, and what is under way finish.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let waited = self.changed.wait_timeout_while(state, LONGEST_PRINT, |state| state.printing);
        drop(waited);
    }

    pub(super) fn open(&self) {
        self.lock().closed = false;
        self.changed.notify_all();
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.lock().printing = false;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn what_comes_to_a_closed_gate_passes_when_it_opens() {
        let gate = Gate::default();
        gate.close();
        let (sender, receiver) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                drop(gate.pass());
                sender.send(()).unwrap();
            });
            assert!(receiver.try_recv().is_err());
            gate.open();
            receiver.recv().unwrap();
        });
    }

    #[test]
    fn closing_does_not_wait_for_ever_for_a_print_that_is_stuck() {
        let gate = Gate::default();
        let pass = gate.pass();
        gate.close();
        drop(pass);
    }
}
