//! Key bindings that rustyline lacks: Ctrl-C, Ctrl-Z and the keys that select a room. Decides, and executes nothing.

use super::print_lock::PrintLock;
use super::{Shared, Typed};
use rustyline::{
    Cmd, ConditionalEventHandler, Event, EventContext, EventHandler, KeyEvent, Modifiers, Movement,
    RepeatCount,
};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// The line being typed: what is left of the cursor, and what is right of it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) left: String,
    pub(super) right: String,
}

/// Holds the draft after Ctrl-Z, until it is taken.
#[derive(Debug, Default, Clone)]
pub(super) struct Suspended(Arc<Mutex<Option<Draft>>>);

impl Suspended {
    /// The draft, if `readline` was interrupted by Ctrl-Z and not by Ctrl-C.
    pub(super) fn take(&self) -> Option<Draft> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The line that another room's draft takes the place of, and that draft, until they are taken.
#[derive(Debug, Default, Clone)]
pub(super) struct ChangedDraft(Arc<Mutex<Option<(String, Draft)>>>);

impl ChangedDraft {
    /// Both, if `readline` was interrupted for them.
    pub(super) fn take(&self) -> Option<(String, Draft)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What the keys act on.
pub(super) struct Bound<'a> {
    pub(super) suspended: &'a Suspended,
    pub(super) changed: &'a ChangedDraft,
    pub(super) typed: &'a mpsc::Sender<Typed>,
    pub(super) shared: &'a Arc<Shared>,
    pub(super) print_lock: &'a Arc<PrintLock>,
}

/// The keys with their handlers. A key that the terminal does not have is left out.
pub(super) fn bindings(bound: &Bound<'_>) -> Vec<(Event, EventHandler)> {
    let keys = Keys::of_terminal();
    let mut bindings = Vec::new();
    for (digit, number) in ('1'..='9').zip(1..) {
        let switch = GoToRoom {
            number,
            typed: bound.typed.clone(),
            shared: Arc::clone(bound.shared),
            changed: bound.changed.clone(),
            print_lock: Arc::clone(bound.print_lock),
        };
        bindings.push((KeyEvent::alt(digit).into(), EventHandler::Conditional(Box::new(switch))));
    }
    if let Some(key) = keys.interrupt {
        bindings.push((event(key), EventHandler::Conditional(Box::new(ClearOrLeave))));
    }
    if let Some(key) = keys.suspend {
        bindings.push((event(key), EventHandler::Conditional(Box::new(bound.suspended.clone()))));
    }
    bindings
}

fn event(key: char) -> Event {
    KeyEvent::new(key, Modifiers::NONE).into()
}

/// Ctrl-C: throws a draft away, where it can be fetched back with Ctrl-Y, and ends the chat when there is none.
struct ClearOrLeave;

impl ConditionalEventHandler for ClearOrLeave {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        Some(if context.line().is_empty() { Cmd::Interrupt } else { Cmd::Kill(Movement::WholeBuffer) })
    }
}

/// Alt and a digit: the draft stays in the room that it was begun in.
struct GoToRoom {
    number: usize,
    typed: mpsc::Sender<Typed>,
    shared: Arc<Shared>,
    changed: ChangedDraft,
    print_lock: Arc<PrintLock>,
}

impl ConditionalEventHandler for GoToRoom {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let Ok(permit) = self.typed.try_reserve() else {
            // Too many keys ahead of the program: the key can be pressed again.
            return Some(Cmd::Noop);
        };
        let line = context.line();
        let draft = self.shared.change_draft(self.number, line);
        permit.send(Typed::Room(self.number));
        Some(match draft {
            Some(draft) if draft.is_empty() => Cmd::Kill(Movement::WholeBuffer),
            Some(draft) if line.is_empty() => Cmd::Insert(1, draft),
            Some(draft) => {
                // rustyline's own `Cmd::Replace` leaves the cursor in front of the text.
                let change = (line.to_owned(), Draft { left: draft, right: String::new() });
                *self.changed.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(change);
                self.print_lock.close();
                Cmd::Interrupt
            }
            None => Cmd::Noop,
        })
    }
}

/// Ctrl-Z: leaves `readline`. rustyline's own `Cmd::Suspend` makes the terminal raw again before the process has stopped.
impl ConditionalEventHandler for Suspended {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let (left, right) = context.line().split_at_checked(context.pos()).unwrap_or((context.line(), ""));
        let draft = Draft { left: left.to_owned(), right: right.to_owned() };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(draft);
        Some(Cmd::Interrupt)
    }
}

/// The characters that the terminal has for these keys (`stty intr`, `stty susp`).
struct Keys {
    interrupt: Option<char>,
    suspend: Option<char>,
}

impl Keys {
    #[cfg(unix)]
    fn of_terminal() -> Self {
        use rustix::termios::{SpecialCodeIndex, tcgetattr};
        let Ok(attributes) = tcgetattr(std::io::stdin()) else {
            return Self { interrupt: Some('\u{3}'), suspend: Some('\u{1a}') };
        };
        // 0 is `stty susp undef`.
        let key = |index| Some(char::from(attributes.special_codes[index])).filter(|key| *key != '\0');
        Self { interrupt: key(SpecialCodeIndex::VINTR), suspend: key(SpecialCodeIndex::VSUSP) }
    }

    #[cfg(not(unix))]
    fn of_terminal() -> Self {
        Self { interrupt: Some('\u{3}'), suspend: None }
    }
}
