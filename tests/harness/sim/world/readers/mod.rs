//! The readers of the world: what their driver does, and nothing more. Their streams are in `streams` and `ends`, what happens
//! to them in `actions`.

mod actions;
mod ends;
mod streams;

use super::{SimEvent, World};
use crate::sim::action::{Trigger, TriggerSource};
use crate::sim::checker::place;
use crate::sim::coverage::Sometimes;
use crate::sim::net::Packet;
use crate::sim::plan::{DialFate, DialFaults};
use crate::sim::{Micros, SECOND};
use rejoin::machine::{ConnId, FeedInput, FeedOutput};
use rejoin::{CauseCode, DialError, FeedEvent, State, StateChange, Token};

/// What will happen to a reader at some moment.
#[derive(Debug)]
pub(super) enum ReaderEvent {
    /// The process begins.
    Starts { reader: usize },
    /// The server is reached.
    Asks { reader: usize, process: u64, id: ConnId, latency: Micros, asked: Asked },
    /// It has answered, or nobody has.
    Answered { reader: usize, process: u64, id: ConnId, result: Result<usize, DialError> },
    /// A part of a stream arrives.
    Arrives { stream: usize, end: u64, packet: Packet },
    /// The server learns that the reader is gone.
    Gone { stream: usize },
    /// What the server had to say is on its way.
    Drained { stream: usize },
    /// The token source answers.
    Token { reader: usize, process: u64 },
    /// It moves again.
    Thaws { reader: usize },
    /// Its application takes again what there is.
    Takes { reader: usize },
    /// Its user begins anew.
    Reopens { reader: usize },
}

/// What a reader asks for.
#[derive(Debug)]
pub(super) struct Asked {
    token: Option<Token>,
    last_event_id: Option<String>,
    history: Option<u64>,
}

impl World {
    pub(super) fn reading(&mut self, reading: ReaderEvent) {
        match reading {
            ReaderEvent::Starts { reader } => self.reader_starts(reader),
            ReaderEvent::Asks { reader, process, id, latency, asked } => {
                self.reader_asks(reader, process, id, latency, &asked);
            }
            ReaderEvent::Answered { reader, process, id, result } => {
                self.answered(reader, process, id, result);
            }
            ReaderEvent::Arrives { stream, end, packet } => self.stream_arrives(stream, end, packet),
            ReaderEvent::Gone { stream } => self.stream_gone(stream),
            ReaderEvent::Drained { stream } => self.stream_drained(stream),
            ReaderEvent::Token { reader, process } => {
                let state = &self.readers[reader];
                if state.process == process && state.is_running() {
                    let token = state.token();
                    self.feed(reader, FeedInput::Token(Ok(token)));
                }
            }
            ReaderEvent::Thaws { reader } => self.reader_thaws(reader),
            ReaderEvent::Takes { reader } => self.reader_takes(reader),
            ReaderEvent::Reopens { reader } => self.reader_reopens(reader),
        }
    }

    pub(super) fn readers_start(&mut self) {
        for reader in 0..self.readers.len() {
            self.reader_starts(reader);
        }
    }

    fn reader_starts(&mut self, reader: usize) {
        if self.readers[reader].feed.is_some() {
            return;
        }
        let room = Self::room(self.readers[reader].plan.room);
        let since = self.readers[reader].begins(room.clone());
        if since.is_some() {
            self.checker.cover.reach(Sometimes::ReaderGoesOn);
        }
        let plan = &self.readers[reader].plan;
        self.checker.reader_begins(reader, place(&room, 0), plan.without_ids, plan.silent, since.as_deref());
        self.checker.reader_restarts(self.clients.len() + reader);
        self.feed(reader, FeedInput::Connect);
    }

    pub(super) fn reader_ticks(&mut self, reader: usize) {
        self.feed(reader, FeedInput::Tick);
        let now = self.now;
        let ticks = &mut self.readers[reader].ticks_at;
        *ticks = if ticks.0 == now { (now, ticks.1 + 1) } else { (now, 1) };
        if ticks.1 > 6 {
            self.checker.violated(format!("reader{reader} wants the tick it has been given again and again"));
        }
    }

    /// Tells a feed something, and does what it wants.
    pub(super) fn feed(&mut self, reader: usize, input: FeedInput) {
        if self.trace.is_readable() && !matches!(input, FeedInput::Activity(_)) {
            self.trace.note(self.now, "reader", format_args!("{reader} {input:?}"));
        }
        let state = &mut self.readers[reader];
        let now = state.moment(self.now);
        let Some(feed) = &mut state.feed else { return };
        feed.handle(now, input);
        while let Some(output) = self.readers[reader].feed.as_mut().and_then(rejoin::machine::Feed::poll) {
            self.reader_output(reader, output);
        }
        let Some(feed) = &self.readers[reader].feed else { return };
        let ended = matches!(feed.state(), State::Closed | State::Failed);
        if ended && feed.next_deadline().is_some() {
            self.checker.violated(format!("14: reader{reader} has ended and has a timer"));
        }
        if ended {
            self.checker.reader_over(reader);
        }
        self.readers[reader].look_at_deadline();
    }

    fn reader_output(&mut self, reader: usize, output: FeedOutput) {
        let process = self.readers[reader].process;
        match output {
            FeedOutput::FetchToken { .. } => {
                self.later(SECOND / 10, SimEvent::ReaderEvent(ReaderEvent::Token { reader, process }));
            }
            FeedOutput::Dial { conn, attempt, token, last_event_id, history } => {
                let asked = Asked { token, last_event_id: last_event_id.map(|id| id.to_string()), history };
                self.reader_dials(reader, conn, attempt, asked);
            }
            FeedOutput::Abort { conn } => {
                self.readers[reader].dialing.take_if(|dialing| *dialing == conn);
                if let Some(stream) = self.readers[reader].stream
                    && self.streams[stream].id == conn
                {
                    self.reader_hangs_up(stream);
                }
            }
            FeedOutput::Event { event, last_event_id } => {
                self.trace.note(self.now, "told", format_args!("reader{reader} {event:?} {last_event_id:?}"));
                self.reader_told(reader, &event, last_event_id.as_deref());
                if !matches!(event, FeedEvent::State(_)) {
                    self.trace.mix_text(&format!("{event:?}"));
                    // Its application deals with everything at once.
                    self.readers[reader].disk = last_event_id.map(|id| Box::from(&*id));
                    self.moment(TriggerSource::Reader(reader), Trigger::Save);
                }
            }
            other => self.checker.violated(format!("reader{reader} wants {other:?}, which nobody knows")),
        }
    }

    fn reader_told(&mut self, reader: usize, event: &FeedEvent, last: Option<&str>) {
        match event {
            FeedEvent::State(change) => self.reader_state(reader, change),
            FeedEvent::Started => self.checker.reader_began(reader, last),
            FeedEvent::Message(message) => self.checker.reader_message(reader, message, last),
            FeedEvent::Gap(gap) => {
                self.checker.reader_gap(reader, gap, last);
                self.moment(TriggerSource::Reader(reader), Trigger::Gap);
            }
            FeedEvent::Event { name, data, id } => {
                let strays = id.as_ref().is_none_or(|id| id.ends_with(":stray"));
                if !strays || **name != *"weather" || data != streams::WEATHER {
                    self.checker.violated(format!("4: reader{reader} is told of {name}: {data}"));
                }
                self.checker.reader_is_told(reader, last);
            }
            FeedEvent::Malformed { .. } => {
                if !self.readers[reader].plan.tampered {
                    self.checker.violated(format!("4: reader{reader} is told that something is damaged"));
                }
                self.checker.reader_is_told(reader, last);
            }
            _ => {}
        }
    }

    fn reader_state(&mut self, reader: usize, change: &StateChange) {
        if change.cause.as_ref().is_some_and(|cause| cause.code == CauseCode::DeadPeer) {
            let monotonic = self.readers[reader].monotonic(self.now);
            self.checker.reader_finds_it_dead(reader, monotonic);
        }
        if change.cause.as_ref().is_some_and(|cause| cause.code == CauseCode::NetworkChanged) {
            self.checker.reader_stirred(reader);
        }
        if change.state == State::Failed && change.cause.as_ref().is_none_or(|cause| cause.will_retry) {
            self.checker.violated(format!("reader{reader} failed and says that it will retry, or not why"));
        }
    }

    fn reader_dials(&mut self, reader: usize, id: ConnId, attempt: u32, asked: Asked) {
        let state = &mut self.readers[reader];
        let (process, monotonic) = (state.process, state.monotonic(self.now));
        if asked.history != state.plan.history {
            self.checker.violated(format!("4: reader{reader} asks for a history of {:?}", asked.history));
        }
        let sockets = usize::from(state.stream.is_some()) + usize::from(state.dialing.is_some());
        state.dialing = Some(id);
        self.moment(TriggerSource::Reader(reader), Trigger::Dials);
        let state = &mut self.readers[reader];
        let (least, most) = self.plan.latency;
        let latency = state.rng.u64(least..=most);
        let (luck, detail) = (state.rng.u8(..100), state.rng.u32(..));
        self.checker.dialled(self.clients.len() + reader, monotonic, attempt, sockets, false);
        self.checker.reader_asks(reader, monotonic, asked.last_event_id.as_deref());
        let faults = if self.calm { DialFaults::default() } else { self.plan.dial };
        let error = match faults.fate(luck, detail) {
            DialFate::Fails(error) => error,
            DialFate::Hangs => return,
            DialFate::Reaches => {
                let asks = ReaderEvent::Asks { reader, process, id, latency, asked };
                return self.later(latency, SimEvent::ReaderEvent(asks));
            }
        };
        let answered = ReaderEvent::Answered { reader, process, id, result: Err(error) };
        self.later(2 * latency, SimEvent::ReaderEvent(answered));
    }

    /// The answer to a request has begun, or there is none.
    fn answered(&mut self, reader: usize, process: u64, id: ConnId, result: Result<usize, DialError>) {
        let state = &self.readers[reader];
        let same = state.process == process && state.feed.is_some();
        if same && state.frozen_until.is_some() {
            let until = state.frozen_until.unwrap_or(self.now) + 1;
            return self
                .at(until, SimEvent::ReaderEvent(ReaderEvent::Answered { reader, process, id, result }));
        }
        let awaited = same && state.dialing == Some(id);
        if awaited {
            self.readers[reader].dialing = None;
        }
        match result {
            Ok(stream) if awaited => {
                self.streams[stream].client_open = true;
                self.readers[reader].stream = Some(stream);
                let monotonic = self.readers[reader].monotonic(self.now);
                let begins = self.streams[stream].begins.clone();
                self.checker.reader_opens(reader, monotonic, begins);
                self.feed(reader, FeedInput::Opened(id));
                self.stream_reads_on(reader);
            }
            Ok(stream) => self.reader_hangs_up(stream),
            Err(error) if awaited => self.feed(reader, FeedInput::DialFailed(id, error)),
            Err(_) => {}
        }
    }

    /// The reader has lost its stream.
    pub(super) fn reader_loses(&mut self, stream: usize, how: rejoin::machine::Disconnect) {
        let (reader, id) = (self.streams[stream].reader, self.streams[stream].id);
        let opened = self.streams[stream].opened;
        (self.streams[stream].client_open, self.streams[stream].closed) = (false, true);
        self.streams[stream].unread.clear();
        self.readers[reader].stream = None;
        self.readers[reader].before = Some(id);
        let monotonic = self.readers[reader].monotonic(self.now);
        self.checker.lost(self.clients.len() + reader, self.now - opened);
        self.checker.reader_loses(reader, monotonic);
        self.feed(reader, FeedInput::Closed(id, how));
    }
}
