//! The prompt: the status line, and below it room and state, updated while a line is typed.
//!
//! rustyline measures the prompt once per line. So its size never changes: one row above the input, and the prompt right-aligned
//! before the column in which message text begins. It is drawn, erased and moved with the input.

use super::clusters;
use super::print_lock::PrintLock;
use super::reflow::Reflow;
use super::start_guard::StartGuard;
use super::status::Status;
use crate::command;
use crate::render::TEXT_COLUMN;
use crate::sanitise;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use unicode_width::UnicodeWidthChar as _;

/// What the editor's thread needs to know of the chat.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    known: Mutex<PromptState>,
    /// The line being typed has changed, and is the beginning of a message.
    composing: Notify,
}

#[derive(Debug, Default)]
pub(crate) struct PromptState {
    /// The room spoken in.
    pub(crate) room: Option<String>,
    /// The state's name, unless connected.
    pub(crate) state: Option<&'static str>,
    /// All rooms, in the order of their numbers.
    pub(crate) numbered: Vec<String>,
    /// Those that can be completed.
    pub(crate) rooms: Vec<String>,
    pub(crate) names: Vec<String>,
    pub(crate) status: Status,
    /// A key was pressed since this was looked at.
    pub(crate) has_typed: bool,
    /// The line being typed, as it was drawn last.
    line: String,
    /// The lines that are begun in the other rooms.
    drafts: BTreeMap<String, String>,
    /// The room that the line being typed is for, until the chat has gone there.
    going_to: Option<String>,
    /// The sequence that set the window's title last; none if the title is left alone.
    pub(crate) title: Option<String>,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, PromptState> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what is in the line being typed.
    pub(super) fn drawing(&self, line: &str) {
        let mut known = self.lock();
        known.has_typed = true;
        if known.line != line {
            line.clone_into(&mut known.line);
            if command::is_message(line) {
                self.composing.notify_one();
            }
        }
    }

    /// The user goes to the room with this number, from 1: `line` is kept for the room that it was begun in, and what was
    /// begun there is given. `None` where the line stays as it is.
    pub(super) fn change_draft(&self, number: usize, line: &str) -> Option<String> {
        let mut known = self.lock();
        let to = known.numbered.get(number.checked_sub(1)?)?.clone();
        let from = known.going_to.take().or_else(|| known.room.clone())?;
        known.going_to = Some(to.clone());
        if from == to {
            return None;
        }
        if line.is_empty() {
            known.drafts.remove(&from);
        } else {
            known.drafts.insert(from, line.to_owned());
        }
        Some(known.drafts.remove(&to).unwrap_or_default())
    }

    /// What was begun in the room spoken in, for a new line there.
    pub(super) fn take_draft(&self) -> String {
        let mut known = self.lock();
        let room = known.room.clone();
        room.and_then(|room| known.drafts.remove(&room)).unwrap_or_default()
    }

    /// The chat is in this room, of these rooms in the order of their numbers.
    pub(crate) fn set_rooms(&self, room: Option<&str>, numbered: Vec<String>) {
        let mut known = self.lock();
        known.going_to.take_if(|to| Some(to.as_str()) == room || !numbered.contains(to));
        known.room = room.map(str::to_owned);
        // What was begun in a room that is left is of no use.
        known.drafts.retain(|room, _| numbered.contains(room));
        known.numbered = numbered;
    }

    /// The line being typed is finished: nothing of it is news.
    pub(crate) fn finished(&self) {
        self.lock().line.clear();
    }

    /// Whether the line being typed is the beginning of a message.
    pub(crate) fn is_composing(&self) -> bool {
        command::is_message(&self.lock().line)
    }

    /// Resolves when the user has typed a part of a message. Cancel safe.
    pub(crate) async fn composing(&self) {
        self.composing.notified().await;
    }

    /// The status line as it is now, for a terminal so many columns wide, and its own columns.
    pub(super) fn status(&self, terminal: usize) -> (String, usize) {
        self.lock().status.line(terminal)
    }

    /// The prompt as it is now, `width` columns wide.
    pub(super) fn prompt(&self, width: usize) -> String {
        let known = self.lock();
        let end = match known.state {
            // The status line says it.
            _ if width < TEXT_COLUMN => return format!("{:>width$}", "> "),
            Some(state) => format!(" ({state})> "),
            None => "> ".to_owned(),
        };
        let room = known.room.as_deref().unwrap_or("no room");
        let room = sanitise::name(room, width.saturating_sub(end.len()));
        let padding = width.saturating_sub(sanitise::display_width(&room) + end.len());
        format!("{}{room}{end}", " ".repeat(padding))
    }
}

/// What rustyline measures: as wide as every prompt.
pub(super) struct FixedWidth {
    pub(super) reflow: Arc<Reflow>,
    pub(super) start_guard: Arc<StartGuard>,
    pub(super) print_lock: Arc<PrintLock>,
}

/// The status line's end, and as wide as the prompt.
const BLANK: &str = "\n                               ";
const _: () = assert!(BLANK.len() == TEXT_COLUMN + 1);

impl rustyline::Prompt for FixedWidth {
    fn raw(&self) -> &str {
        // The first thing that is asked for when the terminal is raw.
        self.start_guard.begun();
        self.print_lock.open();
        BLANK.get(..=self.reflow.measured()).unwrap_or(BLANK)
    }
}

/// The rows that a finished line and its prompt take, without the status line; `None` when terminals may disagree about it.
pub(super) fn rows(text: &str, prompt: usize, columns: usize) -> Option<usize> {
    let text = &*clusters::shown(text);
    if columns <= prompt || text.chars().any(|c| c != '\n' && c.is_control()) {
        return None;
    }
    if !text.chars().any(has_ambiguous_width) {
        return Some(laid_out(text, prompt, columns, |c| c.width().unwrap_or(0)));
    }
    // What is joined to something else may take no room, or as much as anything does. Often that makes no difference.
    let bounds =
        [0, 2].map(|width| laid_out(text, prompt, columns, |c| if c.is_ascii() { 1 } else { width }));
    let [least, most] = bounds;
    (least == most).then_some(least)
}

/// Marks, joiners, flags and skin tones: how much room they and their neighbours take differs from terminal to terminal.
fn has_ambiguous_width(c: char) -> bool {
    let is_shaped = matches!(c, '\u{1f1e6}'..='\u{1f1ff}' | '\u{1f3fb}'..='\u{1f3ff}');
    is_shaped || c != '\n' && c.width().is_none_or(|width| width == 0)
}

/// The rows of a text behind a prompt, where each character has this width.
fn laid_out(text: &str, prompt: usize, columns: usize, width: impl Fn(char) -> usize) -> usize {
    let (mut row, mut column) = (1, prompt);
    for c in text.chars() {
        if c == '\n' {
            (row, column) = (row + 1, 0);
            continue;
        }
        let width = width(c);
        column += width;
        if column > columns {
            (row, column) = (row + 1, width);
        }
    }
    // A row filled to its end: the cursor is on the next one already.
    if column == columns { row + 1 } else { row }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_room_has_a_draft_of_its_own() {
        let shared = Shared::default();
        let rooms = || ["a", "b", "c"].map(str::to_owned).to_vec();
        shared.set_rooms(Some("a"), rooms());
        assert_eq!(shared.change_draft(2, "for a").as_deref(), Some(""));
        // Faster than the chat goes there.
        assert_eq!(shared.change_draft(3, "for b").as_deref(), Some(""));
        shared.set_rooms(Some("b"), rooms());
        shared.set_rooms(Some("c"), rooms());
        assert_eq!(shared.change_draft(3, "for c"), None);
        assert_eq!(shared.change_draft(9, "for c"), None);
        assert_eq!(shared.change_draft(1, "").as_deref(), Some("for a"));
        shared.set_rooms(Some("a"), rooms());
        shared.set_rooms(Some("b"), rooms());
        assert_eq!((&*shared.take_draft(), &*shared.take_draft()), ("for b", ""));
        // A room that is left takes its draft along.
        assert_eq!(shared.change_draft(2, ""), None);
        assert_eq!(shared.change_draft(1, "for b").as_deref(), Some(""));
        shared.set_rooms(Some("a"), vec!["a".to_owned()]);
        shared.set_rooms(Some("a"), rooms());
        assert_eq!(shared.change_draft(2, "").as_deref(), Some(""));
    }

    fn prompt(room: Option<&str>, state: Option<&'static str>) -> String {
        let shared = Shared::default();
        *shared.lock() = PromptState { room: room.map(str::to_owned), state, ..PromptState::default() };
        shared.prompt(TEXT_COLUMN)
    }

    #[test]
    fn the_prompt_says_room_and_state_and_never_changes_its_width() {
        assert!(prompt(Some("lobby"), None).ends_with(" lobby> "));
        assert!(prompt(Some("lobby"), Some("reconnecting")).ends_with(" lobby (reconnecting)> "));
        assert!(prompt(None, None).ends_with(" no room> "));
        assert!(
            prompt(Some("lobby"), Some("offline, still trying"))
                .starts_with("lobby (offline, still trying)> ")
        );
        for room in
            ["lobby", "a room with a very long name indeed", "部屋部屋部屋部屋部屋部屋部屋", "x\u{1b}[2J"]
        {
            for state in [None, Some("connecting"), Some("reconnecting"), Some("offline, still trying")] {
                let prompt = prompt(Some(room), state);
                assert_eq!(sanitise::display_width(&prompt), TEXT_COLUMN, "{prompt:?}");
                assert!(state.is_none_or(|state| prompt.contains(state)));
                assert!(!prompt.contains('\u{1b}'));
            }
        }
    }

    #[test]
    fn rows_are_counted_as_the_editor_lays_them_out() {
        assert_eq!(rows("hello", 26, 80), Some(1));
        assert_eq!(rows(&"x".repeat(53), 26, 80), Some(1));
        assert_eq!(rows(&"x".repeat(54), 26, 80), Some(2));
        assert_eq!(rows(&"x".repeat(55), 26, 80), Some(2));
        assert_eq!(rows(&"x".repeat(134), 26, 80), Some(3));
        assert_eq!(rows("a\nb", 26, 80), Some(2));
        assert_eq!(rows("部屋", 26, 28), Some(2));
        assert_eq!(rows("部屋", 26, 29), Some(2));
        assert_eq!(rows("x", 26, 10), None);
        assert_eq!(rows("a\tb", 26, 80), Some(1));
        assert_eq!(rows("a\u{1}b", 26, 80), None);
    }

    #[test]
    fn what_terminals_disagree_about_counts_only_where_it_makes_a_difference() {
        assert_eq!(rows(&("x".repeat(51) + "👨‍👩‍👧‍👦"), 26, 80), Some(1));
        assert_eq!(rows(&("x".repeat(52) + "👨‍👩‍👧‍👦"), 26, 80), Some(2));
        for text in ["e\u{301}", "🇩🇪"] {
            assert_eq!(rows(text, 26, 80), Some(1), "{text}");
            let long = "x".repeat(53 - text.chars().filter(char::is_ascii).count());
            assert_eq!(rows(&(long + text), 26, 80), None, "{text}");
        }
    }
}
