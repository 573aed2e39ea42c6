//! Emacs key bindings on rustyline's vi insert mode: in its own Emacs mode Alt and a digit start a repeat count before any binding is
//! consulted, and here Alt and a digit select a room.

use rustyline::{
    At, Cmd, ConditionalEventHandler, Event, EventContext, EventHandler, KeyCode, KeyEvent, Modifiers,
    Movement, RepeatCount, Word,
};

/// The keys with what they do.
pub(super) fn bindings() -> Vec<(Event, EventHandler)> {
    let (ctrl, alt, none) = (Modifiers::CTRL, Modifiers::ALT, Modifiers::NONE);
    let forward_word = Movement::ForwardWord(1, At::AfterEnd, Word::Emacs);
    let backward_word = Movement::BackwardWord(1, Word::Emacs);
    let mut bindings: Vec<(Event, EventHandler)> = Vec::new();
    let mut bind = |key: KeyEvent, cmd: Cmd| bindings.push((key.into(), cmd.into()));
    for (key, cmd) in [
        ('A', Cmd::Move(Movement::BeginningOfLine)),
        ('B', Cmd::Move(Movement::BackwardChar(1))),
        ('E', Cmd::Move(Movement::EndOfLine)),
        ('F', Cmd::Move(Movement::ForwardChar(1))),
        ('G', Cmd::Abort),
        ('K', Cmd::Kill(Movement::EndOfLine)),
        ('L', Cmd::ClearScreen),
        ('N', Cmd::NextHistory),
        ('P', Cmd::PreviousHistory),
    ] {
        bind(KeyEvent(KeyCode::Char(key), ctrl), cmd);
    }
    for (key, cmd) in [
        ('b', Cmd::Move(backward_word.clone())),
        ('c', Cmd::CapitalizeWord),
        ('d', Cmd::Kill(forward_word.clone())),
        ('f', Cmd::Move(forward_word.clone())),
        ('l', Cmd::DowncaseWord),
        ('t', Cmd::TransposeWords(1)),
        ('u', Cmd::UpcaseWord),
        ('y', Cmd::YankPop),
    ] {
        bind(KeyEvent(KeyCode::Char(key), alt), cmd.clone());
        bind(KeyEvent(KeyCode::Char(key.to_ascii_uppercase()), alt), cmd);
    }
    bind(KeyEvent(KeyCode::Char('<'), alt), Cmd::BeginningOfHistory);
    bind(KeyEvent(KeyCode::Char('>'), alt), Cmd::EndOfHistory);
    bind(KeyEvent(KeyCode::Backspace, alt), Cmd::Kill(backward_word.clone()));
    // Alt-Enter, as the terminals send it.
    for key in [KeyCode::Enter, KeyCode::Char('\r'), KeyCode::Char('\n')] {
        bind(KeyEvent(key, alt), Cmd::Insert(1, "\n".to_owned()));
    }
    for modifier in [ctrl, alt] {
        bind(KeyEvent(KeyCode::Left, modifier), Cmd::Move(backward_word.clone()));
        bind(KeyEvent(KeyCode::Right, modifier), Cmd::Move(forward_word.clone()));
    }
    bind(KeyEvent(KeyCode::Esc, none), Cmd::Abort);
    bindings.push((KeyEvent(KeyCode::Char('D'), ctrl).into(), EventHandler::Conditional(Box::new(Delete))));
    let undo = Event::KeySeq(vec![KeyEvent::ctrl('X'), KeyEvent::ctrl('U')]);
    bindings.push((undo, Cmd::Undo(1).into()));
    bindings.push((Event::Any, EventHandler::Conditional(Box::new(Unknown))));
    bindings
}

/// Ctrl-D in a draft; on an empty line it is the end, which rustyline sees to.
struct Delete;

impl ConditionalEventHandler for Delete {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        (!context.line().is_empty()).then_some(Cmd::Kill(Movement::ForwardChar(1)))
    }
}

/// Alt with anything else: it would change to the other set's commands.
struct Unknown;

impl ConditionalEventHandler for Unknown {
    fn handle(&self, event: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        let Some(KeyEvent(KeyCode::Char(_), modifiers)) = event.get(0) else { return None };
        modifiers.contains(Modifiers::ALT).then_some(Cmd::Noop)
    }
}
