//! Handles each event and each typed line of a chat: output lines, and commands for the client.

use super::namespaces::Namespaces;
use super::pending::{Display, MessageSource};
use crate::clock::Clock;
use crate::command::{self, COMMANDS, Command};
use crate::editor::{REDRAW, Shared};
use crate::error::Exit;
use crate::event_printer::{EventPrinter, moved};
use crate::lines::BadText;
use crate::render::{Layout, plain_name};
use crate::rooms::Occupants;
use crate::send_status::SendStatus;
use crate::typing::{self, Typing};
use crate::{alert, describe, sanitise};
use jiff::Timestamp;
use rejoin::{Client, Event, Join, RoomState, State, Transition};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use tokio::time::Instant;

/// Messages of a room that are asked for at a first join, and so many of them are shown at once.
pub(super) const HISTORY: u64 = 200;
const SHOWN_HISTORY: u64 = 20;
/// Messages that `/history` shows without a number.
const DEFAULT_HISTORY: usize = 20;
/// Changes of state that `/status` shows.
const STATUS_TRANSITIONS: usize = 5;
/// What begins the part of a command's meaning that is about keys of the line editor.
const KEYS: &str = "; Alt-";
/// Columns of a message that is quoted in a notice.
const QUOTED: usize = 40;

pub(super) struct Controller {
    pub(super) namespaces: Namespaces,
    pub(super) printer: EventPrinter,
    pub(super) exit: Exit,
    pub(super) typing: Typing,
    shared: Arc<Shared>,
    /// The window's title as it was set last, if it is set.
    title: Option<String>,
}

impl Controller {
    pub(super) fn new(
        namespaces: Namespaces,
        shared: Arc<Shared>,
        layout: Layout,
        clock: Clock,
        rooms: &[String],
    ) -> Self {
        let mut printer = EventPrinter::new(layout, clock, rooms);
        printer.shorten_history(SHOWN_HISTORY);
        let talk =
            Self { namespaces, printer, exit: Exit::Success, typing: Typing::default(), shared, title: None };
        talk.update_shared();
        talk
    }

    /// The client of the first namespace: the connection is its own.
    pub(super) fn client(&self) -> &Client {
        &self.namespaces.first().client
    }

    pub(super) fn notice(&mut self, text: &str) {
        self.printer.notice(text);
    }

    /// Lets the editor's thread know what it may offer and show. `true`: the status line is not what it was.
    fn update_shared(&self) -> bool {
        let status = self.summary();
        let numbered = self.printer.rooms.list().map(|(room, _)| room.to_owned()).collect();
        self.shared.set_rooms(self.printer.rooms.current(), numbered);
        let mut known = self.shared.lock();
        known.state = describe::state(self.printer.state, self.printer.has_connected);
        known.rooms = self
            .printer
            .rooms
            .list()
            .map(|(room, _)| room.to_owned())
            .filter(|room| is_typable(room))
            .collect();
        let names = self.printer.rooms.current().map_or(&[][..], |room| self.printer.rooms.names(room));
        known.names = names.iter().rev().filter(|name| is_typable(name)).cloned().collect();
        let has_changed = known.status != status;
        known.status = status;
        has_changed
    }

    /// Looks after what is beside the lines: draws the status line again if it has changed, with what is printed if there is
    /// anything, and the window's title.
    pub(super) fn refresh(&mut self) {
        if std::mem::take(&mut self.shared.lock().has_typed) {
            self.printer.focus.unseen = 0;
        }
        self.printer.set_me(self.me());
        let has_changed = self.update_shared();
        // What is beside the lines at the end is put in order by those who close the terminal.
        let is_ending = matches!(self.printer.state, State::Closing | State::Closed | State::Failed);
        if is_ending || !matches!(self.printer.layout(), Layout::Columns { .. }) {
            return;
        }
        if let Some(shown) = &mut self.title {
            let title = alert::title(self.printer.rooms.current(), self.printer.unread());
            if *shown != title {
                self.printer.printed.extend_from_slice(title.as_bytes());
                self.shared.lock().title = Some(title.clone());
                *shown = title;
            }
        }
        let printed = &mut self.printer.printed;
        if printed.last().map_or(has_changed, |last| *last != b'\n') {
            printed.extend_from_slice(REDRAW);
        }
    }

    /// Sets the window's title from now on.
    pub(super) fn set_titles(&mut self) {
        self.title = Some(String::new());
        self.printer.printed.extend_from_slice(alert::KEEP_TITLE.as_bytes());
    }

    /// Handles what has happened in a namespace; in the first one without a name.
    pub(super) fn take_events(&mut self, namespace: Option<&str>, batch: &[Event]) {
        for event in batch {
            match namespace {
                None => self.event(None, event, event),
                Some(name) => self.event(namespace, event, &moved(event.clone(), name)),
            }
        }
        // Before anything is printed: the prompt is drawn again with it.
        self.refresh();
    }

    /// The user is typing, which is told where he is.
    pub(super) fn composing(&mut self) {
        if self.shared.is_composing()
            && let Some(room) = self.printer.rooms.current()
            && self.typing.tell(Instant::now(), room)
        {
            // A room that the user is in has a good name, and whoever cannot be told now is told by the next letter.
            let (namespace, room) = self.namespaces.of(room);
            let _ = namespace.client.signal(room, typing::KIND, &());
        }
    }

    /// Handles an event; `moved` is the same with the room as it is shown.
    fn event(&mut self, namespace: Option<&str>, event: &Event, moved: &Event) {
        match moved {
            Event::Signal(signal)
                if &*signal.kind == typing::KIND && self.client().user().as_ref() != Some(&signal.user) =>
            {
                self.typing.began(Instant::now(), &signal.room, &signal.user);
            }
            Event::Message(message) => match self.namespaces.named(namespace).own.echo(message) {
                MessageSource::Other => {
                    self.typing.ended(&message.room, &message.user);
                    self.printer.event(moved, self.client().now());
                }
                MessageSource::OtherSession => {
                    let is_replay = message.entry.as_ref().is_some_and(|stamp| stamp.replay);
                    let fate =
                        if is_replay { SendStatus::RestoredOutcomes } else { SendStatus::OtherSession };
                    self.printer.received(message, Some(fate));
                }
                MessageSource::Own(show) => {
                    self.printer.rooms.seen(&message.room, &message.user);
                    if let Some(show) = show {
                        self.show(show);
                    }
                }
            },
            Event::Delivery(delivery) => {
                // What has come back has arrived, whether or not anybody answers for it.
                let own = &mut self.namespaces.named(namespace).own;
                if !describe::is_success(&delivery.status) && !own.is_echoed(delivery.id) {
                    self.exit = self.exit.max(Exit::Incomplete);
                }
                let answer = delivery.reply.as_ref().and_then(|reply| reply.answer.as_deref());
                let said = delivery.reply.as_ref().and_then(|reply| reply.message.as_deref());
                let outcome = own.outcome(Instant::now(), delivery.id, &delivery.status, said);
                if let Some(show) = outcome {
                    self.show(show);
                }
                // The words of a refusal stand at the message.
                if let Some(answer) =
                    answer.filter(|answer| said.is_none() && describe::is_informative(answer))
                {
                    self.notice(&describe::answer(answer));
                }
            }
            Event::Restored(restored) => {
                self.namespaces.named(namespace).own.add(
                    Instant::now(),
                    Timestamp::now(),
                    restored.id,
                    &restored.room,
                    restored.content.clone(),
                );
            }
            moved => {
                if let Event::UserLeft { room, user, .. } = moved {
                    self.typing.ended(room, user);
                }
                let at = self.client().now();
                match namespace {
                    None => self.printer.event(event, at),
                    Some(name) => self.printer.event_in(name, event, at, self.printer.failed.is_some()),
                }
            }
        }
    }

    pub(super) fn show_overdue(&mut self, now: Instant, all: bool) {
        for show in self.namespaces.overdue(now, all) {
            self.show(show);
        }
    }

    fn show(&mut self, show: Display) {
        match show {
            Display::Message { id, at, room, content, fate } => {
                let is_too_large = is_too_large(&fate);
                self.printer.own_message(&room, at, id, fate, &content);
                self.show_size_limit(is_too_large, content.len());
            }
            Display::Update { id, room, content, fate } => {
                let first = sanitise::content(&content).into_iter().next().unwrap_or_default();
                self.notice(&fate.update_line(&sanitise::truncate(&first, QUOTED)));
                self.show_size_limit(is_too_large(&fate), content.len());
                self.printer.rooms.settled(&room, id, fate);
            }
        }
    }

    /// How long a message may be, to whom one was too long.
    fn show_size_limit(&mut self, is_too_large: bool, size: usize) {
        if is_too_large {
            self.notice(&describe::content_limit(self.client(), Some(size)));
        }
    }

    pub(super) fn bad_line(&mut self, bad: BadText) {
        self.exit = self.exit.max(Exit::Incomplete);
        match bad {
            BadText::TooLong => self.notice("that line is longer than 1 MiB and was not sent"),
            BadText::NotUtf8 => self.notice("that line is not UTF-8 and was not sent"),
            BadText::Unreadable(why) => self.notice(&format!("stdin cannot be read: {why}")),
        }
    }

    /// Does what a typed line asks for. `true`: the user wants to leave.
    pub(super) fn typed(&mut self, line: &str) -> bool {
        self.printer.end_repeats();
        self.shared.finished();
        match command::parse(line) {
            Ok(None) => {}
            Ok(Some(Command::Quit)) => return true,
            Ok(Some(command)) => self.command(command),
            Err(complaint) => self.notice(&complaint),
        }
        self.refresh();
        false
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Say(text) => match self.printer.rooms.current().map(str::to_owned) {
                Some(room) => self.send(&room, text),
                None => self.notice("you are in no room: /join ROOM first"),
            },
            Command::Message { room, text } => {
                let Some(room) = self.named_room(&room) else { return };
                if let Err(error) = rejoin::check_room_name(self.namespaces.of(&room).1) {
                    self.notice(&error.to_string());
                } else {
                    self.send(&room, text);
                }
            }
            Command::Join(room) => {
                if let Some(room) = self.named_room(&room) {
                    self.join(&room);
                }
            }
            Command::Room(room) => {
                if let Some(room) = self.named_room(&room) {
                    self.go_to(&room);
                }
            }
            Command::Leave(room) => match self.room_or_current(room) {
                Some(room) if self.printer.rooms.contains(&room) => {
                    let (namespace, room) = self.namespaces.of(&room);
                    namespace.client.leave(room);
                }
                Some(room) => self.notice(&format!("you are not in {}", plain_name(&room))),
                None => self.notice("you are in no room"),
            },
            Command::Rooms => self.list_rooms(),
            Command::Who(room) => self.list_names(room),
            Command::History(count) => {
                self.in_current_room(|printer, room| printer.history(room, count.unwrap_or(DEFAULT_HISTORY)));
            }
            Command::Search(text) => self.in_current_room(|printer, room| printer.search(room, &text)),
            Command::Export(file) => self.in_current_room(|printer, room| printer.export(room, &file)),
            Command::Status => self.status(),
            Command::Reconnect => {
                self.notice("reconnecting, as you asked");
                self.client().reconnect();
                self.namespaces.reopen();
            }
            Command::Help(Some((name, arguments, meaning))) => {
                self.notice(format!("{name} {arguments}").trim_end());
                self.notice(&format!("  {meaning}"));
            }
            Command::Help(None) => {
                let has_keys = matches!(self.printer.layout(), Layout::Columns { .. });
                let commands = COMMANDS.map(|(name, arguments, meaning)| {
                    let meaning =
                        if has_keys { meaning } else { meaning.split(KEYS).next().unwrap_or(meaning) };
                    (format!("{name} {arguments}"), meaning)
                });
                let mut text = self.printer.layout().list(commands);
                if has_keys {
                    text.push_str("Ctrl-C clears what you have typed (Ctrl-Y brings it back); on an empty line it leaves at once\n");
                    text.push_str("Ctrl-D is /quit; Alt-Enter begins another line of the same message\n");
                } else {
                    text.push_str("Ctrl-C leaves at once; Ctrl-D is /quit\n");
                }
                text.push_str("// at the start of a line says a /\n");
                text.push_str(&self.printer.clock_description());
                self.notice(&text);
            }
            Command::Quit => {}
        }
    }

    /// A room as it is shown, from how the user has named it; says what is wrong where it is in no namespace of this chat.
    fn named_room(&mut self, room: &str) -> Option<String> {
        match self.namespaces.shown(room) {
            Ok(room) => Some(room.to_owned()),
            Err(place) => {
                let place = plain_name(place);
                self.notice(&format!("this chat is not in {place}; begin it with --namespace {place}, too"));
                None
            }
        }
    }

    /// The room that the user has named, or else the current one.
    fn room_or_current(&self, room: Option<String>) -> Option<String> {
        match room {
            Some(room) => Some(self.namespaces.shown(&room).unwrap_or(&room).to_owned()),
            None => self.printer.rooms.current().map(str::to_owned),
        }
    }

    fn in_current_room(&mut self, act: impl FnOnce(&mut EventPrinter, &str)) {
        match self.printer.rooms.current().map(str::to_owned) {
            Some(room) => act(&mut self.printer, &room),
            None => self.notice("you are in no room"),
        }
    }

    /// The user's name, as far as it is known.
    fn me(&self) -> Option<String> {
        self.client().user().map(|name| name.to_string()).or_else(|| self.namespaces.user())
    }

    fn join(&mut self, room: &str) {
        let (namespace, inside) = self.namespaces.of(room);
        if let Err(error) = namespace.client.join_with(Join::room(inside).history(HISTORY)) {
            self.notice(&error.to_string());
            return;
        }
        if !self.printer.rooms.contains(room) {
            self.printer.rooms.change(room, RoomState::Joining);
            self.printer.rooms.select(room);
        } else if self.printer.rooms.current() != Some(room) {
            self.printer.rooms.select(room);
            self.printer.show_room();
        } else {
            self.notice(&format!("now talking in {}", plain_name(room)));
        }
    }

    /// How many others are known to be in the user's rooms.
    pub(super) fn others(&self) -> usize {
        let me = self.me();
        let rooms = &self.printer.rooms;
        let mut others = BTreeSet::new();
        for (room, _) in rooms.list() {
            if let Occupants::List(members) = rooms.who_is_in(room) {
                others.extend(members.iter().filter(|name| Some(*name) != me.as_ref()));
            }
        }
        others.len()
    }

    /// Goes to a room that the user is in, by its name or its number.
    fn go_to(&mut self, wanted: &str) {
        if self.printer.rooms.contains(wanted) {
            return self.select(wanted);
        }
        if let Ok(number) = wanted.parse() {
            self.go_to_number(number);
        } else {
            let room = plain_name(wanted);
            self.notice(&format!("you are not in {room}; /join {room} takes you there"));
        }
    }

    /// Goes to the room with this number, from 1.
    pub(super) fn go_to_number(&mut self, number: usize) {
        let room = number.checked_sub(1).and_then(|at| self.printer.rooms.list().nth(at));
        match room.map(|(room, _)| room.to_owned()) {
            Some(room) => self.select(&room),
            None => self.notice(&format!("you have no room {number}; /rooms lists them")),
        }
        self.refresh();
    }

    fn select(&mut self, room: &str) {
        if self.printer.rooms.current() != Some(room) {
            self.printer.rooms.select(room);
            self.printer.show_room();
        }
    }

    fn send(&mut self, room: &str, text: String) {
        self.typing.sent();
        let (namespace, inside) = self.namespaces.of(room);
        match namespace.client.submit(inside, text.clone()) {
            Ok(id) => namespace.own.add(Instant::now(), Timestamp::now(), id, room, text),
            Err(why) => {
                self.exit = self.exit.max(Exit::Incomplete);
                self.notice(&format!("not sent: {}", describe::send_failure(why)));
            }
        }
    }

    fn list_rooms(&mut self) {
        let mut text = String::new();
        for (at, (room, state)) in self.printer.rooms.list().enumerate() {
            let unread = self.printer.rooms.unread_in(room).count;
            let unread = if unread > 0 { format!(", {unread} unread") } else { String::new() };
            let here = if self.printer.rooms.current() == Some(room) { " (here)" } else { "" };
            let state = if state == RoomState::Joined { "" } else { " (joining)" };
            let _ = writeln!(text, "{} {}{here}{state}{unread}", at + 1, plain_name(room));
        }
        self.notice(if text.is_empty() { "you are in no room" } else { text.trim_end() });
    }

    fn list_names(&mut self, room: Option<String>) {
        let Some(room) = self.room_or_current(room) else {
            self.notice("you are in no room");
            return;
        };
        let list = |names: &mut dyn Iterator<Item = &String>| {
            names.map(|name| plain_name(name)).collect::<Vec<_>>().join(", ")
        };
        let shown = plain_name(&room);
        let seen = list(&mut self.printer.rooms.names(&room).iter().rev());
        if !self.printer.rooms.contains(&room) {
            self.notice(&format!("you are not in {shown}"));
            return;
        }
        let text = match self.printer.rooms.who_is_in(&room) {
            Occupants::List(members) => format!("in {shown}: {}", list(&mut members.iter())),
            Occupants::Count(count) if seen.is_empty() => format!("{count} in {shown}"),
            Occupants::Count(count) => format!("{count} in {shown}; seen, the latest first: {seen}"),
            Occupants::Unknown if seen.is_empty() => format!("nobody has been seen in {shown} yet"),
            Occupants::Unknown => format!("seen in {shown}, the latest first: {seen}"),
        };
        if self.printer.state == State::Connected {
            self.notice(&text);
        } else {
            self.notice(&format!("you are offline; before that: {text}"));
        }
    }

    fn status(&mut self) {
        let snapshot = self.client().status();
        let diagnostics = self.client().diagnostics();
        let mut text = snapshot.state.as_str().to_owned();
        if let Some(mode) = snapshot.ready {
            let _ = write!(text, ", {} protocol", mode.as_str());
        }
        if let Some(cause) = &snapshot.cause {
            let _ = write!(text, ": {}", describe::cause(cause));
        }
        if let State::Reconnecting { retry_at: Some(at), .. } | State::Suspended { retry_at: Some(at), .. } =
            snapshot.state
        {
            let _ = write!(text, "; {}", describe::retry(at, self.client().now()));
        }
        let _ = write!(
            text,
            "\ndials {}, connections {}, frames in {}, out {}; messages waiting: {}",
            diagnostics.dials,
            diagnostics.connections,
            diagnostics.frames_in,
            diagnostics.frames_out,
            self.namespaces.pending(),
        );
        if let Some(rtt) = diagnostics.rtt {
            let _ = write!(text, "\nround trip {} ms", rtt.as_millis().max(1));
        }
        let (transitions, now) = (self.client().transitions(), self.client().now());
        for Transition { at, change, .. } in transitions.iter().rev().take(STATUS_TRANSITIONS).rev() {
            let _ = write!(text, "\n{} s ago: {}", (now - *at).as_secs(), change.state.as_str());
            if let Some(cause) = &change.cause {
                let _ = write!(text, ": {}", describe::cause(cause));
            }
        }
        for (name, client) in self.namespaces.others() {
            let status = client.status();
            let _ = write!(text, "\n{}: {}", sanitise::line(name), status.state.as_str());
            if let Some(cause) = &status.cause {
                let _ = write!(text, ": {}", describe::cause(cause));
            }
        }
        self.notice(&text);
    }
}

fn is_too_large(fate: &SendStatus) -> bool {
    matches!(fate, SendStatus::Failed(why, _) if why.is_too_large())
}

/// Whether a name is offered for completion: typing it gives that very name and nothing else.
fn is_typable(name: &str) -> bool {
    !name.is_empty() && !name.contains(char::is_whitespace) && sanitise::line(name) == name
}
