//! `rejoin pipe`: JSON lines for programs.
//!
//! One loop owns everything. It reads events and input only while what it has to print is on its way out, so a
//! reader of stdout that is slow stops the input, and the library's bounded queue takes the rest. A reader that has gone
//! stops nothing: what is to be sent is sent, and the exit status tells what became of it.

mod earlier;
mod flight;
mod input;
pub(crate) mod output;
mod refs;

use crate::args::PipeArgs;
use crate::commits::{self, Commits};
use crate::error::{Exit, Failure, eprint_line};
use crate::idle_timeout::IdleNotice;
use crate::lines::{self, Line};
use crate::outlet::{Outlet, Unprinted};
use crate::settings::Sources;
use crate::signals::{Signal, Signals};
use crate::token_trouble::TokenTrouble;
use crate::words::{content_limit, went_well};
use earlier::Earlier;
use flight::Flight;
use input::{BadLine, Frame, OwnMessage, Request, Slip};
use output::{JoinAnswers, Outcome, Told};
use refs::{Given, Refs, Resolved, What};
use rejoin::{
    Client, Delivery, DeliveryStatus, EarlierOutcome, Event, Events, Join, Mode, PERSONAL_ROOM, RoomChange,
    RoomState, SendFailure, SendId, SendReply, State,
};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// A plain server refuses a token only after it has let the client in, and what was written to it by then counts as
/// written. So the first connection is not closed before it has had this long to do so, unless it has proven
/// itself by sending something.
const REFUSAL: Duration = Duration::from_millis(500);
/// Bytes to print at which nothing more is read.
const MOST_UNPRINTED: usize = 64 << 10;
/// After the connection has failed for good, lines are still answered while another one comes within this time, and for no
/// longer than that in all: whoever wrote them learns that nothing came of them.
const NEXT_LINE: Duration = Duration::from_millis(500);
const LAST_LINES: Duration = Duration::from_secs(5);
/// Time for the outcomes of a pipe that is interrupted.
const LAST_OUTCOMES: Duration = Duration::from_secs(1);
/// Misspelt fields that are told; a name each.
const MOST_SLIPS: usize = 16;

pub(crate) async fn run(arguments: &PipeArgs, mut signals: Signals) -> Result<Exit, Failure> {
    let sources = Sources::read(&arguments.connection)?;
    let url = sources.needed_url(arguments.url.as_deref())?;
    let mut settings = sources.at(&url).settings(&arguments.rooms).await?;
    settings.keep_in(arguments.state.state.as_ref());
    settings.manual_commit = true;
    settings.frames = arguments.frames;
    settings.token_trouble = Some(TokenTrouble::default());
    if arguments.manual_acks {
        let Some(server) = settings.socket_io.as_mut().filter(|_| arguments.frames) else {
            return Err(Failure::usage("frames", "--manual-acks is for the events of a Socket.IO server")
                .hint("add --protocol socketio and --frames, or leave it out"));
        };
        server.manual_acks = true;
    }
    let (client, events) = settings.connect()?;
    let stdout = Outlet::stdout();
    let mut pipe = Pipe {
        client,
        events,
        input: Some(lines::stdin()),
        lines: VecDeque::new(),
        flight: Flight::default(),
        joins: BTreeMap::new(),
        join_answers: JoinAnswers::default(),
        unanswered: settings.rooms.iter().cloned().collect(),
        slips: BTreeSet::new(),
        commits: settings.state.is_some().then(Commits::default),
        refs: settings.state.is_some().then(Refs::default),
        earlier: None,
        unprinted: None,
        has_begun: false,
        has_ended: false,
        state: State::Connecting,
        connected_at: None,
        unproven_since: None,
        has_sent: false,
        mode: None,
        namespace: settings.socket_io.as_ref().map(|server| server.namespace.as_str().to_owned()),
        idle_notice: IdleNotice::default(),
        token_trouble: settings.token_trouble.clone().unwrap_or_default(),
        printed: Vec::new(),
        phase: Phase::Open,
        interrupted: None,
        exit: Exit::Success,
        drain_timeout: Duration::from_secs(arguments.drain_timeout.into()),
        linger: Duration::from_secs(arguments.linger.into()),
    };
    if pipe.run(&stdout, &mut signals).await == End::Abandoned {
        return Ok(Exit::Interrupted);
    }
    tokio::select! {
        biased;
        result = stdout.finish() => pipe.unprinted = pipe.unprinted.or(result.err()),
        () = signals.interrupted() => return Ok(Exit::Interrupted),
        () = sleep_until(pipe.interrupted), if pipe.interrupted.is_some() => return Ok(Exit::Interrupted),
    }
    match pipe.unprinted.and_then(Failure::unprinted) {
        Some(failure) => Err(Failure { exit: failure.exit.max(pipe.exit), ..failure }),
        None => Ok(pipe.exit),
    }
}

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Input may come.
    Open,
    /// Input has ended; waiting for outcomes until then, and longer with each of them.
    Draining(Instant),
    /// All outcomes are there; the server may still refuse the token until then.
    Settling(Instant),
    /// Receiving until then.
    Lingering(Instant),
    /// What has been printed is to be flushed and committed before the end; with `true` because outcomes took too
    /// long.
    Flushing(bool),
    /// The connection is being closed; with `true` because outcomes took too long.
    Closing(bool),
    /// The connection has failed for good; lines are answered until then, if another one comes in time.
    Failed(Instant),
    /// Nothing will come any more.
    Ended,
}

/// A line that asks for a room, and waits for its answer.
#[derive(Debug)]
struct AskedJoin {
    reference: String,
    /// We are in the room: where the server says more of it, that comes at once, and elsewhere this is all.
    is_member: bool,
}

/// How the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Everything has been told.
    Done,
    /// Interrupted, and what was left could not be told in time.
    Abandoned,
}

struct Pipe {
    client: Client,
    events: Events,
    input: Option<mpsc::Receiver<Vec<Line>>>,
    /// Lines read and not acted upon, because too many sends are under way.
    lines: VecDeque<Line>,
    flight: Flight,
    /// The last join of each room that has a `ref`.
    joins: BTreeMap<String, AskedJoin>,
    join_answers: JoinAnswers,
    /// The rooms of `-r` that the server has said nothing about yet.
    unanswered: BTreeSet<String>,
    /// Misspelt fields that have been told.
    slips: BTreeSet<Slip>,
    /// With a state file: how far the reader has come.
    commits: Option<Commits>,
    /// With a state file: what became of the sends that have a `ref`.
    refs: Option<Refs>,
    /// What earlier runs left, until it is known whether they were the same user's.
    earlier: Option<Earlier>,
    /// Why nothing can be printed any more.
    unprinted: Option<Unprinted>,
    /// The first state has come; what an earlier run left comes before it.
    has_begun: bool,
    /// The connection is closing or has failed: what resolves from here on resolves because of that.
    has_ended: bool,
    state: State,
    /// When the connection was opened.
    connected_at: Option<Instant>,
    /// When a connection that has been sent something and has not answered yet was opened.
    unproven_since: Option<Instant>,
    has_sent: bool,
    /// What the last connection could promise.
    mode: Option<Mode>,
    /// Of a Socket.IO server.
    namespace: Option<String>,
    idle_notice: IdleNotice,
    token_trouble: TokenTrouble,
    printed: Vec<u8>,
    phase: Phase,
    /// Until when an interrupted pipe may still tell outcomes.
    interrupted: Option<Instant>,
    exit: Exit,
    drain_timeout: Duration,
    linger: Duration,
}

impl Pipe {
    async fn run(&mut self, stdout: &Outlet, signals: &mut Signals) -> End {
        loop {
            self.take_lines();
            if self.unprinted.is_some() {
                // It stays unread: with a state file the next run tells it.
                self.printed.clear();
                self.commits = None;
            }
            self.move_on();
            let unprinted = !self.printed.is_empty();
            let keeps_up = self.printed.len() < MOST_UNPRINTED;
            if self.phase == Phase::Ended && !unprinted {
                return End::Done;
            }
            let awaited = self.commits.as_ref().and_then(Commits::awaited);
            let listens = keeps_up
                && match self.phase {
                    Phase::Ended | Phase::Flushing(_) => false,
                    // The events are over, but for the outcomes of what is given still.
                    Phase::Failed(_) => self.input.is_none() || !self.flight.is_empty(),
                    _ => true,
                };
            let deadline = match self.phase {
                Phase::Draining(at) | Phase::Settling(at) | Phase::Lingering(at) => Some(at),
                Phase::Failed(end) if self.input.is_some() => Some(end.min(Instant::now() + NEXT_LINE)),
                _ => None,
            };
            tokio::select! {
                biased;
                signal = signals.next() => match signal {
                    Signal::Interrupt if self.interrupted.is_some() => return End::Abandoned,
                    Signal::Interrupt => self.interrupt(),
                    // What has been read is still dealt with.
                    Signal::Terminate => self.stop_reading(),
                },
                result = stdout.write(&mut self.printed), if unprinted => match result {
                    Ok(chunk) => {
                        if let Some(commits) = &mut self.commits {
                            commits.handed_over(chunk);
                        }
                    }
                    Err(why) => self.cannot_print(why),
                },
                result = stdout.flushed(awaited.unwrap_or_default()), if awaited.is_some() => match result {
                    Ok(through) => {
                        if let Some(commits) = &mut self.commits {
                            commits.flushed_to(&self.client, through);
                        }
                    }
                    Err(why) => self.cannot_print(why),
                },
                why = stdout.ended(), if self.unprinted.is_none() => self.cannot_print(why),
                batch = self.events.next_batch(), if listens => {
                    self.take_events(&batch);
                }
                batch = next_lines(&mut self.input), if keeps_up && self.lines.is_empty() => match batch {
                    Some(batch) => self.lines.extend(batch),
                    None => self.input = None,
                },
                () = sleep_until(deadline), if deadline.is_some() => self.deadline_passed(),
                () = sleep_until(self.interrupted), if self.interrupted.is_some() => return End::Abandoned,
            }
        }
    }

    /// Ctrl-C: the end of it all, with an outcome for each send that had none.
    fn interrupt(&mut self) {
        self.exit = Exit::Interrupted;
        self.interrupted = Some(Instant::now() + LAST_OUTCOMES);
        self.stop_reading();
        if !matches!(self.phase, Phase::Failed(_) | Phase::Flushing(_) | Phase::Closing(_) | Phase::Ended) {
            self.close(false);
        }
    }

    /// Takes no more lines than those that have been read.
    fn stop_reading(&mut self) {
        let Some(mut input) = self.input.take() else { return };
        input.close();
        while let Ok(batch) = input.try_recv() {
            self.lines.extend(batch);
        }
    }

    fn cannot_print(&mut self, why: Unprinted) {
        if let Unprinted::Failed(_) = why {
            // What has been taken is sent; nothing more is taken from who would not learn what becomes of it.
            self.input = None;
        }
        self.unprinted = Some(why);
        if let Phase::Lingering(_) = self.phase {
            self.close(false);
        }
    }

    fn take_events(&mut self, batch: &[Event]) {
        if batch.is_empty() {
            self.phase = Phase::Ended;
        }
        for event in batch {
            self.event(event);
        }
    }

    fn event(&mut self, event: &Event) {
        let answer = self.join_answers.of(event);
        match event {
            Event::Delivery(delivery) => return self.delivered(delivery),
            Event::Restored(restored) => {
                let reference = restored.reference.as_deref().map(str::to_owned);
                if let (Some(refs), Some(reference)) = (&mut self.refs, &reference) {
                    let what = What::of(&restored.content, restored.data.as_ref());
                    refs.sent(reference, &restored.room, what);
                }
                self.flight.add(restored.id, reference, restored.content.len());
            }
            Event::Joined(room) => {
                let reference = self.joins.remove(&*room.room).map(|join| join.reference);
                return output::joined(&mut self.printed, room, reference.as_deref(), answer.as_deref());
            }
            Event::Room(change) => {
                let reference = self.room_changed(change);
                let printed = &mut self.printed;
                return output::room(printed, change, reference.as_deref(), answer.as_deref());
            }
            Event::State(change) => {
                output::event(&mut self.printed, event, self.client.now());
                if let Some(text) = self.idle_notice.of(change) {
                    eprint_line(&format!("rejoin: {text}"));
                }
                self.token_trouble.look(change);
                return self.state_changed(change.state);
            }
            Event::Mode(mode) => {
                self.unproven_since = None;
                self.mode = Some(*mode);
                self.user_known();
            }
            Event::Message(_) | Event::UserJoined { .. } | Event::Frame(_) => self.unproven_since = None,
            Event::NotKept { .. } | Event::NotAnswered { .. } => self.exit = self.exit.max(Exit::Incomplete),
            _ => {}
        }
        if let Some(commits) = &mut self.commits {
            // Too late to be committed, so it comes again in the next run, and belongs there.
            if self.has_ended && commits::position(event).is_some() {
                return;
            }
            commits.printed(event);
        }
        output::event(&mut self.printed, event, self.client.now());
    }

    fn state_changed(&mut self, state: State) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.earlier = Some(Earlier::of(&self.client));
            if self.client.earlier_user().is_none() {
                self.user_known();
            }
        }
        self.has_ended = matches!(state, State::Closing | State::Closed | State::Failed);
        match state {
            State::Connected => {
                self.connected_at = Some(Instant::now());
                self.unproven_since = Some(Instant::now());
            }
            State::Failed => {
                self.exit = self.exit.max(Exit::Terminal);
                self.phase = Phase::Failed(Instant::now() + LAST_LINES);
            }
            _ => {}
        }
        self.state = state;
        if self.has_ended {
            for (room, join) in std::mem::take(&mut self.joins) {
                if !join.is_member {
                    self.join_given_up(&room, &join.reference);
                }
            }
        }
    }

    /// A room's membership has changed. Gives the `ref` of the line that asked for it, if that is answered by this.
    fn room_changed(&mut self, change: &RoomChange) -> Option<String> {
        let room = &*change.room;
        match change.state {
            RoomState::Joining if change.refused.is_some() => {
                self.unanswered.remove(room);
                return self.joins.get(room).map(|join| join.reference.clone());
            }
            RoomState::Joining => return None,
            RoomState::Joined => {
                self.unanswered.remove(room);
                if let Some(join) = self.joins.get_mut(room) {
                    join.is_member = true;
                }
                return None;
            }
            RoomState::Failed(_) | RoomState::Refused => self.exit = self.exit.max(Exit::Incomplete),
            _ => {}
        }
        self.unanswered.remove(room);
        self.joins.remove(room).map(|join| join.reference)
    }

    fn join_given_up(&mut self, room: &str, reference: &str) {
        self.exit = self.exit.max(Exit::Incomplete);
        output::join_given_up(&mut self.printed, room, reference);
    }

    /// It is known who we are, as far as it ever will be: what became of sends of earlier runs is told where nobody has
    /// read it, and known when it is asked for. A state file answers its own user's refs alone.
    fn user_known(&mut self) {
        let Some(Earlier { outcomes, asked, .. }) = self.earlier.take() else { return };
        let user = self.client.user();
        let is_own = user.is_none() || self.client.earlier_user().is_none_or(|before| Some(before) == user);
        if let Some(refs) = self.refs.as_mut().filter(|_| !is_own) {
            *refs = Refs::default();
        }
        for EarlierOutcome { id, room, reference, digest, status, reply, confirmed, .. } in outcomes {
            let reference = reference.filter(|_| is_own);
            if !confirmed {
                let outcome = Outcome::Final(status.clone());
                self.outcome(reference.as_deref(), &room, &outcome, reply.as_deref(), Told::Again);
                if let Some(commits) = &mut self.commits {
                    commits.told(id);
                }
            }
            if let (Some(refs), Some(reference)) = (&mut self.refs, reference) {
                refs.earlier(&reference, Resolved { room, status, reply }, digest.map(What));
            }
        }
        for (request, number) in asked {
            self.act(request, number);
        }
    }

    /// The end has come before anybody knew who we are: what was asked for is in the state file, and not for us to tell.
    fn user_unknown(&mut self) {
        for (Request { frame, reference, .. }, _) in
            self.earlier.take().into_iter().flat_map(|left| left.asked)
        {
            let room = if let Frame::Send { room, .. } = &frame { &**room } else { "" };
            self.outcome(reference.as_deref(), room, &Outcome::Kept, None, Told::Again);
        }
    }

    fn delivered(&mut self, delivery: &Delivery) {
        let reference = self.flight.resolve(delivery.id);
        let is_kept = self.has_ended && self.refs.is_some();
        let sends_again = self.mode.is_none_or(|mode| mode == Mode::Extended);
        let outcome = match &delivery.status {
            DeliveryStatus::Failed(SendFailure::Closed) if is_kept => Outcome::Kept,
            // Only an extended server can tell a message that is sent again.
            DeliveryStatus::Unknown if is_kept && sends_again => Outcome::Kept,
            // Closing was our doing, because the time was up.
            DeliveryStatus::Failed(SendFailure::Closed) if self.phase == Phase::Closing(true) => {
                Outcome::Final(DeliveryStatus::Failed(SendFailure::Timeout))
            }
            status => Outcome::Final(status.clone()),
        };
        self.outcome(reference.as_deref(), &delivery.room, &outcome, delivery.reply.as_deref(), Told::First);
        if let Outcome::Final(status) = &outcome {
            if let Some(commits) = &mut self.commits {
                commits.told(delivery.id);
            }
            // The file was another user's, and the ref is not.
            let is_own = !matches!(status, DeliveryStatus::Failed(SendFailure::UserChanged));
            if let (Some(refs), Some(reference)) = (self.refs.as_mut().filter(|_| is_own), &reference) {
                let (room, reply) = (delivery.room.clone(), delivery.reply.clone());
                let resolved = Resolved { room, status: status.clone(), reply };
                for _ in 0..refs.resolved(reference, resolved) {
                    self.outcome(
                        Some(reference),
                        &delivery.room,
                        &outcome,
                        delivery.reply.as_deref(),
                        Told::Again,
                    );
                }
            }
        }
        if matches!(self.phase, Phase::Draining(_)) {
            self.phase = Phase::Draining(Instant::now() + self.drain_timeout);
        }
    }

    fn outcome(
        &mut self,
        reference: Option<&str>,
        room: &str,
        outcome: &Outcome,
        reply: Option<&SendReply>,
        told: Told,
    ) {
        match outcome {
            Outcome::Final(status) if went_well(status) => {}
            _ => self.exit = self.exit.max(Exit::Incomplete),
        }
        let limit = matches!(outcome, Outcome::Final(DeliveryStatus::Failed(why)) if why.is_too_large())
            .then(|| {
                let message = format!("the message is too large: {}", content_limit(&self.client));
                SendReply::new(None, Some(message))
            });
        let reply = reply.or(limit.as_ref());
        output::delivery(&mut self.printed, reference, room, outcome, reply, told);
    }

    fn take_lines(&mut self) {
        // Before that nobody knows which `ref`s are known.
        if self.refs.is_some() && !self.has_begun {
            return;
        }
        while self.flight.has_room()
            && self.printed.len() < MOST_UNPRINTED
            && self.earlier.as_ref().is_none_or(Earlier::has_room)
        {
            let Some(Line { number, text }) = self.lines.pop_front() else { return };
            let request = text.map_err(BadLine::from).and_then(|text| input::parse(&text));
            match request {
                Ok(None) => {}
                Ok(Some(request)) => self.act(request, number),
                Err(bad) => {
                    self.exit = self.exit.max(Exit::Incomplete);
                    output::bad_line(&mut self.printed, number, &bad);
                }
            }
        }
    }

    /// Puts a line aside that asks for the outcome of an earlier run, until it is known whose that was.
    fn is_for_later(&mut self, request: &Request) -> bool {
        let (Some(earlier), Some(reference)) = (&self.earlier, &request.reference) else { return false };
        matches!(request.frame, Frame::Send { .. } | Frame::Own { .. })
            && (earlier.has(reference) || self.refs.as_ref().is_some_and(|refs| refs.knows(reference)))
    }

    fn act(&mut self, request: Request, number: u64) {
        if self.is_for_later(&request)
            && let Some(earlier) = &mut self.earlier
        {
            return earlier.asked.push((request, number));
        }
        let Request { frame, reference, slips } = request;
        self.tell_slips(slips, number);
        match frame {
            Frame::Join { room, .. } if self.has_ended => {
                if let Some(reference) = reference {
                    self.join_given_up(&room, &reference);
                }
            }
            Frame::Join { room, since, history } => {
                let personal = room == PERSONAL_ROOM;
                let join = Join::room(room.as_str()).since(since).history(history);
                let join = if personal { join.personal() } else { join };
                // The name has been checked with the rest of the line.
                let checked = self.client.join_with(join);
                debug_assert!(checked.is_ok());
                if let Some(reference) = reference {
                    self.joins.insert(room, AskedJoin { reference, is_member: false });
                }
            }
            Frame::Leave { room } => self.client.leave(&room),
            Frame::Signal { room, kind, data } => {
                // Room and data have been checked with the rest of the line.
                let signalled = self.client.signal(&room, &kind, &data.as_deref().and_then(as_raw));
                debug_assert!(signalled.is_ok());
            }
            Frame::Send { room, content, data } => {
                let weight = content.len() + data.as_ref().map_or(0, String::len);
                let what = What::of(&content, data.as_ref());
                let own = reference.clone();
                self.send(&room, what, weight, reference, number, |pipe| {
                    pipe.submit(&room, content, data.as_deref(), own.as_deref())
                });
            }
            Frame::Own { message, .. } | Frame::Keep { message, .. } if !self.is_here(&message) => {
                self.bad_line(number, &BadLine::other_namespace(reference));
            }
            Frame::Own { message, volatile, ack } => {
                self.send_own(&message, volatile, ack, reference, number);
            }
            Frame::Keep { key, message } => {
                self.has_sent = true;
                let kept = match message {
                    OwnMessage::Frame(json) => self.client.keep(&key, &as_raw(&json)),
                    OwnMessage::Event { name, arguments, .. } => {
                        self.client.keep_event(&key, &name, &as_raw(&arguments))
                    }
                };
                if let Err(why) = kept {
                    self.bad_line(number, &BadLine::not_kept(why));
                }
            }
            Frame::DropKept { key } => self.client.drop_kept(&key),
            Frame::Answer { ack, arguments } => {
                if let Err(why) = self.client.answer(ack, &as_raw(&arguments)) {
                    self.bad_line(number, &BadLine::not_answered(why));
                }
            }
            Frame::Close => {
                self.input = None;
                self.lines.clear();
            }
        }
    }

    /// Says once of each name that a line has a field which is probably misspelt. The line is none the worse for it.
    fn tell_slips(&mut self, slips: Vec<Slip>, number: u64) {
        for slip in slips {
            if self.slips.len() < MOST_SLIPS && self.slips.insert(slip.clone()) {
                let Slip { name, meant } = slip;
                eprint_line(&format!(
                    "rejoin: line {number}: the field \"{name}\" means nothing; did you mean \"{meant}\"?"
                ));
            }
        }
    }

    fn bad_line(&mut self, number: u64, bad: &BadLine) {
        self.exit = self.exit.max(Exit::Incomplete);
        output::bad_line(&mut self.printed, number, bad);
    }

    /// Whether an event is for the namespace of the connection, or names none.
    fn is_here(&self, message: &OwnMessage) -> bool {
        match message {
            OwnMessage::Event { namespace: Some(namespace), .. } => {
                self.namespace.as_ref() == Some(namespace)
            }
            _ => true,
        }
    }

    fn send_own(
        &mut self,
        message: &OwnMessage,
        volatile: bool,
        ack: bool,
        reference: Option<String>,
        number: u64,
    ) {
        let client = self.client.clone();
        let mut draft = match message {
            OwnMessage::Frame(json) => client.frame(&as_raw(json)),
            OwnMessage::Event { name, arguments, .. } => client.event(name, &as_raw(arguments)),
        };
        if let Some(own) = &reference {
            draft = draft.reference(own.as_str());
        }
        if volatile {
            draft = draft.volatile();
        }
        if ack {
            draft = draft.with_ack();
        }
        let content = draft.content().unwrap_or_default().to_owned();
        // As it is told of one that is taken up again.
        let what = What::of(&content, ack.then(|| "true".to_owned()).as_ref());
        self.send("", what, content.len(), reference, number, |_| draft.submit());
    }

    /// Makes a send, unless its `ref` says that it is made already.
    fn send(
        &mut self,
        room: &str,
        what: What,
        weight: usize,
        reference: Option<String>,
        number: u64,
        submit: impl FnOnce(&Self) -> Result<SendId, SendFailure>,
    ) {
        if let (Some(refs), Some(reference)) = (&mut self.refs, &reference) {
            match refs.given(reference, what, room) {
                Given::New => {}
                Given::OnItsWay => return,
                Given::Taken => {
                    self.exit = self.exit.max(Exit::Incomplete);
                    let bad = BadLine::reused(reference);
                    return output::bad_line(&mut self.printed, number, &bad);
                }
                Given::Resolved(Resolved { room, status, reply }) => {
                    let (outcome, reply) = (Outcome::Final(status), reply.as_deref());
                    return self.outcome(Some(reference), &room, &outcome, reply, Told::Again);
                }
            }
        }
        self.has_sent = true;
        match submit(self) {
            Ok(id) => {
                if let (Some(refs), Some(reference)) = (&mut self.refs, &reference) {
                    refs.sent(reference, room, what);
                }
                self.flight.add(id, reference, weight);
            }
            Err(why) => {
                let outcome = Outcome::Final(DeliveryStatus::Failed(why));
                self.outcome(reference.as_deref(), room, &outcome, None, Told::First);
            }
        }
    }

    fn submit(
        &self,
        room: &str,
        content: String,
        data: Option<&str>,
        reference: Option<&str>,
    ) -> Result<SendId, SendFailure> {
        let mut draft = self.client.message(room, content);
        if let Some(reference) = reference {
            draft = draft.reference(reference);
        }
        if let Some(data) = data {
            draft = draft.data(&as_raw(data));
        }
        draft.submit()
    }

    /// Begins the next phase when this one has nothing left to wait for.
    fn move_on(&mut self) {
        let has_earlier = self.earlier.as_ref().is_some_and(Earlier::has_something_to_tell);
        let are_joined = self.joins.values().all(|join| join.is_member);
        let is_idle = self.flight.is_empty() && self.lines.is_empty() && are_joined && !has_earlier;
        match self.phase {
            Phase::Open if self.input.is_none() && self.has_begun => {
                self.phase = Phase::Draining(Instant::now() + self.drain_timeout);
                self.move_on();
            }
            Phase::Draining(until) if is_idle => {
                self.phase = Phase::Settling(until);
                self.move_on();
            }
            Phase::Settling(until) => match self.settled_at(until) {
                Some(at) if at > Instant::now() => self.phase = Phase::Settling(at),
                _ => self.linger(),
            },
            Phase::Flushing(late)
                if self
                    .commits
                    .as_ref()
                    .is_none_or(|commits| self.printed.is_empty() && commits.is_empty()) =>
            {
                self.phase = Phase::Closing(late);
                // Ends by itself: the library closes within its own time limit.
                tokio::spawn(self.client.close());
            }
            // With a state file the end is a proper one, too: what has been printed is to be stored.
            Phase::Failed(_)
                if self.input.is_none()
                    && self.refs.is_some()
                    && self.flight.is_empty()
                    && self.lines.is_empty() =>
            {
                self.close(false);
            }
            Phase::Failed(_) if self.input.is_none() && is_idle => self.phase = Phase::Ended,
            _ => {}
        }
    }

    /// Until when the server may still refuse what it was asked for: a token, or a room of `-r`; `until` at the latest.
    fn settled_at(&self, until: Instant) -> Option<Instant> {
        let token = self.unproven_since.filter(|_| self.has_sent).map(|since| since + REFUSAL);
        let rooms = match self.state {
            _ if self.unanswered.is_empty() => None,
            State::Connecting => Some(until),
            State::Connected => self.connected_at.map(|since| since + REFUSAL),
            // What an outage does to them is known at another time.
            _ => None,
        };
        token.max(rooms).map(|at| at.min(until))
    }

    fn linger(&mut self) {
        if self.linger.is_zero() || self.unprinted.is_some() {
            self.close(false);
        } else {
            self.phase = Phase::Lingering(Instant::now() + self.linger);
        }
    }

    fn deadline_passed(&mut self) {
        match self.phase {
            Phase::Draining(_) => self.close(true),
            Phase::Settling(_) => self.linger(),
            // Whoever writes has had the time to write on.
            Phase::Failed(_) => self.input = None,
            _ => self.close(false),
        }
    }

    fn close(&mut self, late: bool) {
        self.user_unknown();
        self.phase = Phase::Flushing(late);
        self.move_on();
    }
}

/// JSON that was read with its line.
fn as_raw(json: &str) -> Option<&RawValue> {
    serde_json::from_str(json).ok()
}

/// The next lines of input; never ready once it has ended.
async fn next_lines(input: &mut Option<mpsc::Receiver<Vec<Line>>>) -> Option<Vec<Line>> {
    match input {
        Some(input) => input.recv().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
