//! `rejoin tail --sse`: rooms read by server-sent events, each over its own connection.

use crate::args::TailArgs;
use crate::clock::Clock;
use crate::commits::{Commits, ReadMark};
use crate::error::{Exit, Failure, eprint_line};
use crate::event_printer::EventPrinter;
use crate::feed_state::FeedState;
use crate::hints::Hints;
use crate::pipe;
use crate::settings::{Settings, Sources, named};
use crate::signals::{Signal, Signals};
use crate::stdout_writer::{StdoutWriter, WriteFailure};
use crate::suggested_urls;
use crate::tail::{MOST_UNPRINTED, layout, token_notices};
use rejoin::{Event, FeedEvent, FeedStream, Name, Position, State, StateError};
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// How long the end waits for the store.
const SAVE_TIMEOUT: Duration = Duration::from_secs(3);

/// A room that is being read.
struct RoomFeed {
    room: Name,
    events: FeedStream,
}

pub(crate) async fn run(arguments: &TailArgs, mut signals: Signals) -> Result<Exit, Failure> {
    if arguments.display.notifications == Some(true) {
        return Err(Failure::usage("notifications", "server-sent events carry rooms, and no notifications")
            .hint("leave out --sse, or --notifications"));
    }
    let (url, connection) = named(arguments.url.as_deref(), &arguments.connection);
    let sources = Sources::read(&connection)?;
    let url = sources.require_url(url)?;
    let mut settings = sources.at(url).feed_settings(&arguments.rooms).await?;
    settings.history = arguments.history;
    settings.keep_in(arguments.state.state.as_ref());
    let token_notices = token_notices(arguments.json);
    settings.token_notices = Some(token_notices.clone());
    if settings.rooms.is_empty() {
        // The URL is the stream's own.
        settings.is_stream_url = true;
        settings.rooms.push(stream_name(&settings));
    }
    // Twice the same would be two readers of one place.
    settings.rooms.sort();
    settings.rooms.dedup();
    let mut positions = match &settings.state {
        Some(path) => Some(FeedState::open(path, &settings.endpoint.to_string())?),
        None => None,
    };
    let mut readings = start(&settings, positions.as_ref())?;
    let outlet = StdoutWriter::stdout();
    let mut printer = EventPrinter::new(layout(), Clock::new(arguments.display.utc), &settings.rooms);
    // Streams have an address of their own kind.
    printer.advice = Hints { socket_io: None, ..settings.hints("tail") };
    let mut commits = Commits::default();
    let mut turn = 0;
    // It has been said that the state cannot be stored.
    let mut unsaved = false;
    let mut ended = false;
    while !ended || !printer.printed.is_empty() {
        let awaited = positions.as_ref().and_then(|_| commits.pending_chunk());
        let due = printer.next_due();
        tokio::select! {
            biased;
            signal = signals.next() => match signal {
                Signal::Interrupt => return Ok(Exit::Interrupted),
                // Nothing is on its way to the server: there is nothing to wait for.
                Signal::Terminate => {
                    readings.clear();
                    ended = true;
                }
            },
            result = outlet.write(&mut printer.printed), if !printer.printed.is_empty() => match result {
                Ok(chunk) => commits.chunk_written(chunk),
                Err(why) => return Failure::write_failed(why).map_or(Ok(Exit::Success), Err),
            },
            result = outlet.flushed(awaited.unwrap_or_default()), if awaited.is_some() => match result {
                Ok(through) => commit(&mut commits, positions.as_mut(), through),
                Err(why) => return Failure::write_failed(why).map_or(Ok(Exit::Success), Err),
            },
            why = outlet.failed() => return Failure::write_failed(why).map_or(Ok(Exit::Success), Err),
            result = saved(positions.as_mut()), if positions.as_ref().is_some_and(FeedState::is_unsaved) => {
                match result {
                    Ok(()) => unsaved = false,
                    Err(error) => {
                        if !std::mem::replace(&mut unsaved, true) {
                            report_unsaved(&mut printer, arguments.json, &error);
                        }
                    }
                }
            }
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => printer.print_repeats(false),
            event = next(&mut readings, &mut turn), if !ended && printer.printed.len() < MOST_UNPRINTED => {
                printer.set_layout(layout());
                if let Some((reading, event)) = event {
                    match &event {
                        FeedEvent::Message(message) => {
                            if let Some(position) = message.position() {
                                commits.read_to(reading.room.clone(), position);
                            }
                        }
                        FeedEvent::State(change) => token_notices.look(change),
                        FeedEvent::Started => began(reading, positions.as_mut()),
                        _ => {}
                    }
                    print_event(&mut printer, arguments.json, reading, event);
                    ended = printer.failed.is_some();
                    if ended {
                        printer.print_repeats(true);
                    }
                }
            }
        }
    }
    tokio::select! {
        biased;
        result = finish(outlet, &mut commits, positions) => {
            if let Some(failure) = result? {
                return Err(failure);
            }
        }
        () = signals.interrupted() => return Ok(Exit::Interrupted),
    }
    match printer.failed {
        Some(failure) => Err(failure),
        None => Ok(Exit::Success),
    }
}

/// What a stream is called that is no room's: the last part of its path, or its host.
fn stream_name(settings: &Settings) -> String {
    let path = suggested_urls::path_of(&settings.endpoint);
    let last = path.rsplit('/').find(|part| !part.is_empty());
    let name = last.filter(|name| rejoin::check_room_name(name).is_ok());
    name.unwrap_or_else(|| settings.endpoint.host()).to_owned()
}

fn start(settings: &Settings, positions: Option<&FeedState>) -> Result<Vec<RoomFeed>, Failure> {
    let start = |room: &String| {
        let since = positions.and_then(|positions| positions.get(room)).map(Position::to_event_id);
        Ok(RoomFeed { room: Name::from(room.as_str()), events: settings.follow(room, since)? })
    };
    settings.rooms.iter().map(start).collect()
}

/// The next event of whichever room has one, each in its turn.
///
/// Cancel safe.
async fn next<'a>(readings: &'a mut [RoomFeed], turn: &mut usize) -> Option<(&'a RoomFeed, FeedEvent)> {
    let count = readings.len();
    let (at, event) = poll_fn(|cx| {
        for step in 0..count {
            let at = (*turn + step) % count;
            let Some(reading) = readings.get_mut(at) else { continue };
            if let Poll::Ready(Some(event)) = pin!(reading.events.next()).poll(cx) {
                *turn = at + 1;
                return Poll::Ready((at, event));
            }
        }
        Poll::Pending
    })
    .await;
    readings.get(at).map(|reading| (reading, event))
}

/// There is a place to go on from, and nothing behind it to be printed first.
fn began(reading: &RoomFeed, positions: Option<&mut FeedState>) {
    let position = reading.events.last_event_id().and_then(Position::from_event_id);
    if let (Some(positions), Some(position)) = (positions, position) {
        positions.commit(reading.room.clone(), position);
    }
}

fn print_event(printer: &mut EventPrinter, as_json: bool, reading: &RoomFeed, event: FeedEvent) {
    let now = reading.events.now();
    if !as_json {
        return printer.feed_event(&reading.room, event, now);
    }
    let out = &mut printer.printed;
    match event {
        FeedEvent::State(change) => {
            pipe::output::feed_state(out, &reading.room, &change, now);
            if let Some(text) = printer.idle_timeout(&change) {
                eprint_line(&format!("rejoin: {text}"));
            }
            if change.state == State::Failed {
                printer.fail(change.cause.as_ref());
            }
        }
        FeedEvent::Message(message) => pipe::output::event(out, &Event::Message(message), now),
        FeedEvent::Event { name, data, id } => {
            pipe::output::stream_event(out, &reading.room, &name, &data, id.as_deref());
        }
        FeedEvent::Gap(gap) => pipe::output::event(out, &Event::Gap(gap), now),
        FeedEvent::Malformed { error } => {
            // Of streams they are not counted.
            let event = Event::Malformed { error, count: 0, raw: Box::default() };
            pipe::output::event(out, &event, now);
        }
        _ => {}
    }
}

fn report_unsaved(printer: &mut EventPrinter, as_json: bool, error: &StateError) {
    let event = Event::StorageFailed { error: error.to_string().into() };
    let now = rejoin::Timestamp::ZERO;
    if as_json {
        pipe::output::event(&mut printer.printed, &event, now);
    } else {
        printer.event(&event, now);
    }
}

fn commit(commits: &mut Commits, positions: Option<&mut FeedState>, through: u64) {
    if let Some(positions) = positions {
        commits.flushed(through, |read| match read {
            ReadMark::Position(room, position) => positions.commit(room, position),
            // Nothing is sent here.
            ReadMark::Outcome(_) => {}
        });
    }
}

async fn saved(positions: Option<&mut FeedState>) -> Result<(), StateError> {
    match positions {
        Some(positions) => positions.saved().await,
        None => std::future::pending().await,
    }
}

/// Waits until everything is written, and then until that is stored. Gives what was not written.
async fn finish(
    outlet: StdoutWriter,
    commits: &mut Commits,
    mut positions: Option<FeedState>,
) -> Result<Option<Failure>, Failure> {
    while let Some(chunk) = commits.pending_chunk().filter(|_| positions.is_some()) {
        match outlet.flushed(chunk).await {
            Ok(through) => commit(commits, positions.as_mut(), through),
            Err(WriteFailure::BrokenPipe | WriteFailure::Failed(_)) => break,
        }
    }
    let unprinted = outlet.finish().await.err().and_then(Failure::write_failed);
    if let Some(positions) = &mut positions {
        let stored = async {
            while positions.is_unsaved() {
                positions.saved().await?;
            }
            Ok(())
        };
        let stored = timeout(SAVE_TIMEOUT, stored).await.unwrap_or(Err(StateError::Stalled));
        stored.map_err(|error| Failure::incomplete("not_stored", error.to_string()))?;
    }
    Ok(unprinted)
}
