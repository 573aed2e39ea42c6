//! `rejoin tail`: prints the messages of rooms.

pub(crate) mod sse;

use crate::args::TailArgs;
use crate::clock::Clock;
use crate::commits::Commits;
use crate::editor::terminal;
use crate::error::{Exit, Failure, eprint_line};
use crate::event_printer::EventPrinter;
use crate::history_cap::HistoryCap;
use crate::other_namespaces::OtherNamespaces;
use crate::pipe::output::JoinAnswers;
use crate::render::{Layout, plain_name};
use crate::settings::{Settings, Sources, named};
use crate::signals::{Signal, Signals};
use crate::stdout_writer::StdoutWriter;
use crate::token_notices::TokenNotices;
use crate::{describe, pipe};
use rejoin::{Event, RoomChange, RoomState, State, Timestamp};
use std::collections::BTreeMap;
use std::io::{IsTerminal as _, stdout};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Bytes to print at which nothing more is read.
pub(crate) const MOST_UNPRINTED: usize = 64 << 10;

/// After a SIGTERM the connection is closed at the latest after this: until then what was printed last can still be stored as
/// read, so that the next run does not print it again.
const LAST_COMMITS: Duration = Duration::from_secs(1);

/// From a SIGTERM until the connection is closed.
#[derive(Debug, Default)]
struct Closing {
    begun: bool,
    by: Option<Instant>,
}

impl Closing {
    fn begin(&mut self) {
        if !std::mem::replace(&mut self.begun, true) {
            self.by = Some(Instant::now() + LAST_COMMITS);
        }
    }

    /// Whether the connection is closed now: once, when everything is told or the time is over.
    fn is_due(&mut self, is_told: bool) -> bool {
        self.by.take_if(|by| is_told || *by <= Instant::now()).is_some()
    }
}

/// What is asked for, if that is something to follow.
async fn settings(arguments: &TailArgs, token_notices: &TokenNotices) -> Result<Settings, Failure> {
    let (url, connection) = named(arguments.url.as_deref(), &arguments.connection);
    let sources = Sources::read(&connection)?;
    let url = sources.require_url(url)?;
    let settings = sources.at(url.clone()).settings(&arguments.rooms).await;
    let mut settings = settings.map_err(|failure| or_stream(failure, &url.text))?;
    settings.history = arguments.history;
    settings.notifications = arguments.display.notifications.unwrap_or(false);
    if !arguments.json {
        settings.show_events_elsewhere();
    }
    settings.keep_in(arguments.state.state.as_ref());
    settings.record_in(&arguments.record);
    settings.manual_commit = true;
    settings.token_notices = Some(token_notices.clone());
    if settings.rooms.is_empty() && settings.namespaces.is_empty() && !follows_notifications(&settings) {
        return Err(
            Failure::usage("room", "no room to follow").hint("name one with -r ROOM, or add --notifications")
        );
    }
    Ok(settings)
}

/// Says beside what a refused URL may become that it may be a stream's.
fn or_stream(failure: Failure, url: &str) -> Failure {
    match &failure.hint {
        Some(hint) if failure.code == "url" && url.trim().to_ascii_lowercase().starts_with("http") => {
            let hint = format!("{hint}, or, to read server-sent events, add --sse");
            failure.hint(hint)
        }
        _ => failure,
    }
}

fn follows_notifications(settings: &Settings) -> bool {
    settings.notifications || settings.follows_notifications()
}

pub(crate) async fn run(arguments: &TailArgs, mut signals: Signals) -> Result<Exit, Failure> {
    let token_notices = token_notices(arguments.json);
    let settings = settings(arguments, &token_notices).await?;
    let follows = follows_notifications(&settings);
    let mut wanted = settings.rooms.clone();
    let (client, mut events) = settings.connect()?;
    let mut elsewhere = OtherNamespaces::open(&client, &settings)?;
    let outlet = StdoutWriter::stdout();
    let mut printer = EventPrinter::new(layout(), Clock::new(arguments.display.utc), &settings.rooms);
    printer.advice = settings.hints("tail");
    printer.shows_notifications = follows;
    let mut commits = settings.state.is_some().then(Commits::default);
    let mut join_answers = JoinAnswers::default();
    let mut join_answers_in: BTreeMap<String, JoinAnswers> = BTreeMap::new();
    let mut cap = HistoryCap::new(arguments.history);
    let mut ended = false;
    let mut closing = Closing::default();
    while !ended || !printer.printed.is_empty() {
        let is_told = printer.printed.is_empty() && commits.as_ref().is_none_or(Commits::is_empty);
        if closing.is_due(is_told) {
            // Ends by itself: the library closes within its own time limit.
            tokio::spawn(client.close());
        }
        let awaited = commits.as_ref().and_then(Commits::pending_chunk);
        let due = printer.next_due();
        tokio::select! {
            biased;
            signal = signals.next() => match signal {
                Signal::Interrupt => return Ok(Exit::Interrupted),
                Signal::Terminate => closing.begin(),
            },
            result = outlet.write(&mut printer.printed), if !printer.printed.is_empty() => match result {
                Ok(chunk) => {
                    if let Some(commits) = &mut commits {
                        commits.chunk_written(chunk);
                    }
                }
                Err(why) => return Failure::write_failed(why).map_or(Ok(Exit::Success), Err),
            },
            result = outlet.flushed(awaited.unwrap_or_default()), if awaited.is_some() => match result {
                Ok(through) => {
                    if let Some(commits) = &mut commits {
                        commits.flushed_to(&client, through);
                    }
                }
                Err(why) => return Failure::write_failed(why).map_or(Ok(Exit::Success), Err),
            },
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => printer.print_repeats(false),
            () = sleep_until(closing.by.unwrap_or_else(Instant::now)), if closing.by.is_some() => {}
            why = outlet.failed() => return Failure::write_failed(why).map_or(Ok(Exit::Success), Err),
            (namespace, batch) = elsewhere.next(), if !ended && printer.printed.len() < MOST_UNPRINTED => {
                printer.set_layout(layout());
                let first_has_failed = client.status().state == State::Failed;
                let mut answers = arguments.json.then(|| join_answers_in.entry(namespace.to_owned()).or_default());
                for event in &batch {
                    let at = client.now();
                    print_namespace_event(&mut printer, answers.as_deref_mut(), namespace, event, at, first_has_failed);
                }
            }
            batch = events.next_batch(), if !ended && printer.printed.len() < MOST_UNPRINTED => {
                printer.set_layout(layout());
                ended = batch.is_empty();
                for event in &batch {
                    if let Some(commits) = &mut commits {
                        commits.printed(event);
                    }
                    let is_told = print_notices(event, &token_notices, &mut cap);
                    if arguments.json {
                        print_json(&mut printer, &mut join_answers, event, client.now());
                    } else if !is_told {
                        printer.event(event, client.now());
                    }
                }
                if !follows && elsewhere.is_empty() && printer.failed.is_none() {
                    printer.failed = all_rooms_lost(&mut wanted, &batch);
                }
                ended |= printer.failed.is_some();
                if ended {
                    printer.print_repeats(true);
                }
            }
        }
    }
    tokio::select! {
        biased;
        result = outlet.finish() => if let Some(failure) = result.err().and_then(Failure::write_failed) {
            return Err(failure);
        },
        () = signals.interrupted() => return Ok(Exit::Interrupted),
    }
    if let Some(count) = describe::unreadable(&client) {
        eprint_line(&count);
    }
    match printer.failed {
        Some(failure) => Err(failure),
        None => Ok(Exit::Success),
    }
}

/// Says on stderr what is nothing to follow: what goes to stdout is the rooms'. Gives whether that is all there is to say of an
/// event.
fn print_notices(event: &Event, token_notices: &TokenNotices, cap: &mut HistoryCap) -> bool {
    if let Event::Room(RoomChange { room, refused: Some(code), message, .. }) = event {
        eprint_line(&format!("rejoin: {}", describe::not_yet(room, *code, message.as_deref())));
        return true;
    }
    if let Event::State(change) = event {
        token_notices.look(change);
    }
    if let Some(what) = cap.of(event) {
        eprint_line(&format!("rejoin: {what}"));
    }
    false
}

/// Takes out the rooms that the server does not let us into, or no longer; fails when none is left.
fn all_rooms_lost(wanted: &mut Vec<String>, batch: &[Event]) -> Option<Failure> {
    batch.iter().find_map(|event| {
        let Event::Room(RoomChange { room, state, message, .. }) = event else { return None };
        let (RoomState::Failed(code) | RoomState::Removed(code)) = state else { return None };
        wanted.retain(|wanted| **wanted != **room);
        let text = "the server lets this user into none of the rooms: nothing is left to follow";
        let failure = wanted.is_empty().then(|| Failure::terminal(code.as_str(), text))?;
        let why = format!("{}: {}", plain_name(room), describe::refusal(*code, message.as_deref()));
        Some(failure.hint(why))
    })
}

/// Prints what `pipe` prints.
fn print_json(printer: &mut EventPrinter, join_answers: &mut JoinAnswers, event: &Event, now: Timestamp) {
    json_line(&mut printer.printed, join_answers, event, now);
    if let Event::State(change) = event {
        if change.state == State::Failed {
            printer.fail(change.cause.as_ref());
        }
        if let Some(text) = printer.idle_timeout(change) {
            eprint_line(&format!("rejoin: {text}"));
        }
    }
}

/// Prints what happened in another namespace; with `join_answers` as JSON.
fn print_namespace_event(
    printer: &mut EventPrinter,
    join_answers: Option<&mut JoinAnswers>,
    namespace: &str,
    event: &Event,
    now: Timestamp,
    first_has_failed: bool,
) {
    if let Some(answers) = join_answers {
        let mut line = Vec::new();
        json_line(&mut line, answers, event, now);
        pipe::output::in_namespace(&mut printer.printed, namespace, &line);
    } else {
        printer.event_in(namespace, event, now, first_has_failed);
    }
}

fn json_line(out: &mut Vec<u8>, join_answers: &mut JoinAnswers, event: &Event, now: Timestamp) {
    let answer = join_answers.of(event);
    match event {
        Event::Joined(room) => pipe::output::joined(out, room, None, answer.as_deref()),
        Event::Room(change) => pipe::output::room(out, change, None, answer.as_deref()),
        _ => pipe::output::event(out, event, now),
    }
}

/// What tells of a token that cannot be had: a terminal shows most of it among the rest.
pub(crate) fn token_notices(as_json: bool) -> TokenNotices {
    if as_json || !stdout().is_terminal() { TokenNotices::default() } else { TokenNotices::while_connected() }
}

/// How lines are laid out where they go now.
pub(crate) fn layout() -> Layout {
    if stdout().is_terminal() {
        let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Layout::Columns { width: terminal::width(), colour }
    } else {
        Layout::Plain
    }
}
