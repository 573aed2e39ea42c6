//! `rejoin send`: sends one message, or stdin line by line, and reports each outcome.
//!
//! An extended server acknowledges each message. A plain one confirms nothing, and refuses a token only after it has accepted the
//! connection. But it echoes each message to its sender: after a message is written, its echo is awaited for a short time, and an
//! `error` or a close in that time counts as its failure.

mod attempts;
mod outcomes;
mod under_way;

use crate::args::SendArgs;
use crate::error::{Exit, Failure, eprint_line};
use crate::hints::Hints;
use crate::lines::{self, Line};
use crate::pipe::output::{self, Outcome, Repetition};
use crate::settings::{Settings, Sources, check_room, is_like_url, named, named_in_environment};
use crate::signals::{Signal, Signals};
use crate::termination::UNCONNECTED;
use crate::token_notices::TokenNotices;
use crate::{describe, sanitise};
use attempts::FailedAttempts;
use rejoin::messages::Code;
use rejoin::{
    Cause, Client, DeliveryStatus, Event, EventStreams, Events, Mode, Name, Receipt, RestoredOutcome,
    RoomState, SOCKET_IO_DETECTED, SendError, SendFailure, SendId, SendReply, State,
};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use under_way::{Entry, Message, Outcome as Known, UnderWay};

/// Time for the outcomes of what is under way when Ctrl-C is pressed.
const LAST_OUTCOMES: Duration = Duration::from_secs(1);

/// With a state file the first lines are read before anything is dialled, if they come within this.
const FIRST_LINES: Duration = Duration::from_millis(500);

/// After the connection has failed for good, lines are still read while others come within this time: they are told of.
const NEXT_LINES: Duration = Duration::from_millis(500);

/// How long an echo may take. A plain server that sends none costs this once per command, not per message.
const ECHO_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) async fn run(arguments: &SendArgs, mut signals: Signals) -> Result<Exit, Failure> {
    // One word alone is more likely a text, where a URL is known from elsewhere.
    let word = arguments.url.as_deref();
    let (word, connection) = if arguments.text.is_some() {
        named(word, &arguments.connection)
    } else {
        (word, named_in_environment(word, arguments.connection.clone()))
    };
    let sources = Sources::read(&connection)?;
    let (url, text) = match (word, &arguments.text) {
        // One word that is no URL, where a URL is known from elsewhere, is the text.
        (Some(word), None) if !is_like_url(word) && sources.url(None)?.is_some() => (None, Some(word)),
        (url, text) => (url, text.as_deref()),
    };
    // As other programs write stdin.
    let text = text.filter(|text| *text != "-");
    if let Some(text) = text.filter(|text| text.trim().is_empty()) {
        // Mostly a variable of a script that is not set.
        let what = if text.is_empty() { "is empty" } else { "has nothing but spaces" };
        return Err(Failure::usage("text", format!("nothing to send: the text {what}"))
            .hint("leave it out to send the lines of stdin"));
    }
    let described = {
        let url = sources.require_url(url)?;
        sources.at(url)
    };
    let Some(room) = arguments.room.clone().or_else(|| described.rooms().first().cloned()) else {
        return Err(Failure::usage("room", "no room to send to").hint("name one with -r ROOM"));
    };
    check_room(&room)?;
    let mut settings = described.settings(std::slice::from_ref(&room)).await?;
    settings.keep_in(arguments.state.state.as_ref());
    settings.record_in(&arguments.record);
    // Nothing can be sent on them.
    settings.event_streams = EventStreams::Never;
    settings.token_notices = Some(TokenNotices::default());
    settings.stay_in_one_namespace();
    // Nothing is read here, so nothing counts as read.
    settings.manual_commit = true;
    // It may have been named with its namespace.
    let room = settings.rooms.first().cloned().unwrap_or(room);
    let mut input = text.is_none().then(lines::stdin);
    let mut lines = VecDeque::new();
    if settings.state.is_some()
        && let Some(input) = &mut input
        && let Ok(Some(first)) = timeout(FIRST_LINES, input.recv()).await
    {
        lines.extend(first);
    }
    let mut sender = Sender::new(&settings, room, text, arguments)?;
    let client = sender.client.clone();
    let stop = Notify::new();
    let sending = async {
        let settled = async {
            // What a state file is to keep is there before the server can have refused anything.
            if let Some(text) = text {
                sender.hand_over(text.to_owned(), None);
            }
            sender.hand_over_lines(&mut lines);
            sender.client.connect();
            sender.begin().await?;
            sender.send_lines(lines, input, &stop).await?;
            sender.settle().await
        }
        .await;
        sender.client.close().await;
        if let Some(count) = describe::unreadable(&sender.client) {
            eprint_line(&count);
        }
        sender.tell_blank();
        settled.map(|()| sender.exit)
    };
    tokio::pin!(sending);
    let mut interrupted = None;
    let mut unconnected_until = None;
    loop {
        tokio::select! {
            biased;
            signal = signals.next() => match signal {
                Signal::Interrupt if interrupted.is_some() => return Ok(Exit::Interrupted),
                Signal::Interrupt => {
                    interrupted = Some(Instant::now() + LAST_OUTCOMES);
                    stop.notify_one();
                    // Gives each message that has been read and has no outcome its last one, which is told.
                    tokio::spawn(client.close());
                }
                Signal::Terminate => {
                    unconnected_until = Some(Instant::now() + UNCONNECTED);
                    stop.notify_one();
                }
            },
            result = &mut sending => return if interrupted.is_some() { Ok(Exit::Interrupted) } else { result },
            () = sleep_until(interrupted.unwrap_or_else(Instant::now)), if interrupted.is_some() => {
                return Ok(Exit::Interrupted);
            }
            () = sleep_until(unconnected_until.unwrap_or_else(Instant::now)), if unconnected_until.is_some() => {
                // What waits for a connection has its last outcome; on one its own comes in time.
                unconnected_until = if client.status().state == State::Connected {
                    Some(Instant::now() + UNCONNECTED)
                } else {
                    tokio::spawn(client.close());
                    None
                };
            }
        }
    }
}

/// What goes to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// What a Socket.IO server's handlers answer.
    Text,
    /// A line for each message.
    Json,
    /// Nothing any more: it cannot be written.
    Nothing,
}

/// What becomes of what a state file is to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Storing {
    Works,
    /// It could not be stored: nothing is kept.
    Fails,
    /// For as long as a message may wait: the next ones do not wait for the disk.
    GivenUp,
}

struct Sender {
    client: Client,
    events: Events,
    room: String,
    /// What to say when something is wrong.
    advice: Hints,
    timeout: Duration,
    /// What has no outcome at the end is not lost.
    keeps: bool,
    /// The server's handlers are asked for acks.
    asks: bool,
    token_notices: Option<TokenNotices>,
    /// What the last connection could promise.
    mode: Option<Mode>,
    /// Until when lines wait for the first connection's mode.
    held_until: Instant,
    storing: Storing,
    under_way: UnderWay,
    /// Plain: written and not seen again yet.
    unechoed: VecDeque<String>,
    /// Plain: the one whose outcome is about to be told, unless it is back already. What the server has said by then may be
    /// about something before it.
    just_written: Option<String>,
    /// Of an earlier run, without an outcome yet.
    restored: BTreeSet<SendId>,
    /// Outcomes that an earlier run has not told, until it is known that the server lets us in.
    untold: Vec<RestoredOutcome>,
    /// Why the server does not let us into the room, in our words and its own.
    refused: Option<String>,
    /// For good, for this reason.
    shut_out: Option<Code>,
    /// What the server has said last while nothing was known to be written.
    said: Option<String>,
    attempts: FailedAttempts,
    /// Why the connection was lost last.
    lost: Option<Cause>,
    /// Lines of input with nothing on them, while nothing else has come.
    blank: usize,
    has_lines: bool,
    format: Format,
    exit: Exit,
}

impl Sender {
    fn new(
        settings: &Settings,
        room: String,
        text: Option<&str>,
        arguments: &SendArgs,
    ) -> Result<Self, Failure> {
        let (client, events) = settings.connect_paused()?;
        Ok(Self {
            client,
            events,
            room,
            advice: settings.hints_of("send", text),
            timeout: Duration::from_secs(arguments.timeout.into()),
            keeps: settings.state.is_some(),
            asks: settings.socket_io.as_ref().is_some_and(|server| server.options.acks),
            token_notices: settings.token_notices.clone(),
            mode: None,
            held_until: Instant::now() + Duration::from_secs(arguments.timeout.into()),
            storing: Storing::Works,
            under_way: UnderWay::default(),
            unechoed: VecDeque::new(),
            just_written: None,
            restored: BTreeSet::new(),
            untold: Vec::new(),
            refused: None,
            shut_out: None,
            said: None,
            attempts: FailedAttempts::default(),
            lost: None,
            blank: 0,
            has_lines: false,
            format: if arguments.json { Format::Json } else { Format::Text },
            exit: Exit::Success,
        })
    }

    /// With a state file: learns what an earlier run left, which comes before the first state.
    async fn begin(&mut self) -> Result<(), Failure> {
        let until = Instant::now() + self.timeout;
        while self.keeps
            && let Ok(Some(event)) = timeout_at(until, self.events.next()).await
        {
            self.event(&event)?;
            if matches!(event, Event::State(_)) {
                break;
            }
        }
        self.untold = self.client.restored_outcomes();
        self.untold.retain(|outcome| !outcome.confirmed);
        if self.client.stored_user().is_none() {
            self.tell_untold();
        }
        Ok(())
    }

    /// Tells what became of messages of an earlier run that nobody has read.
    fn tell_untold(&mut self) {
        for outcome in std::mem::take(&mut self.untold) {
            // Another user's is told when that one is back.
            if self.client.is_own_outcome(&outcome) {
                let RestoredOutcome { id, room, status, reply, .. } = outcome;
                self.tell_restored(id, &room, &status, reply.as_deref(), Repetition::Again);
            }
        }
    }

    /// Whether lines wait. Before the mode is known a message goes out without a number: what a server refuses for now is
    /// then lost, with others behind it under way. With a state file what was read is stored first.
    fn is_held(&self) -> bool {
        let has_ended = matches!(self.client.status().state, State::Failed | State::Closed);
        self.mode.is_none() && !self.keeps && !has_ended && Instant::now() < self.held_until
    }

    /// Queues one message; `number` is its line. Its time begins now, or has begun with the command where it waited for the
    /// mode.
    fn hand_over(&mut self, text: String, number: Option<u64>) {
        self.has_lines = true;
        let draft = self.client.message(&self.room, &*text);
        let left = self.held_until.saturating_duration_since(Instant::now());
        let timeout = if self.mode.is_none() { left } else { self.timeout };
        // With a state file it may wait for another run.
        let sending = if self.keeps { draft.manual_confirm().send() } else { draft.timeout(timeout).send() };
        let id = sending.id().ok().filter(|_| self.keeps);
        // The library's timeout is about the wait for a connection; this one also ends the wait for a server
        // that is connected and takes nothing.
        let patience = if self.keeps { self.timeout } else { self.timeout + ECHO_TIMEOUT };
        let until = Instant::now() + patience;
        self.under_way.add(Entry::Message(Message { number, text, id, sending, until }));
    }

    /// Queues lines, as far as they may go now.
    fn hand_over_lines(&mut self, lines: &mut VecDeque<Line>) {
        while !self.is_held()
            && (self.under_way.is_empty() || self.storing != Storing::GivenUp)
            && self.under_way.has_room()
            && let Some(Line { number, text }) = lines.pop_front()
        {
            match text {
                // A line of input with nothing on it is no message, as in a chat.
                Ok(text) if text.trim().is_empty() => self.blank += 1,
                Ok(_) if self.storing == Storing::GivenUp => self.unstored(Some(number)),
                Ok(text) => self.hand_over(text, Some(number)),
                Err(bad) => self.under_way.add(Entry::Bad(number, bad)),
            }
        }
    }

    /// Tells what became of the first one that is under way.
    async fn finish(&mut self, mut outcome: Known) -> Result<(), Failure> {
        let message = match self.under_way.take() {
            Some(Entry::Message(message)) => message,
            Some(Entry::Bad(number, bad)) => {
                self.no_message(number, bad);
                return Ok(());
            }
            None => return Ok(()),
        };
        self.just_written = matches!(outcome, Some(Ok(Receipt::Written))).then(|| message.text.clone());
        // What the server has said before it, such as why the room cannot be joined.
        let mut told = Ok(());
        while told.is_ok()
            && let Ok(Some(event)) = timeout_at(Instant::now(), self.events.next()).await
        {
            told = self.event(&event);
        }
        if told.is_err() && outcome.is_none() {
            // It waits, and nothing comes for it any more.
            outcome = Some(Err(SendError::Failed(SendFailure::Closed)));
        }
        if outcome.is_none() && self.storing != Storing::Works {
            // It is told as not sent: it must not go out once there is room on the disk.
            message.sending.cancel();
        }
        self.tell(&message, outcome);
        if let Some(text) = self.just_written.take() {
            self.unechoed.push_back(text);
            if told.is_err() {
                self.unechoed_lost("the connection has ended");
            }
        }
        told?;
        if let Some(failure) = self.terminal() {
            return Err(failure);
        }
        // What has come back meanwhile must not pile up.
        if self.unechoed.len() >= MOST_UNECHOED {
            self.settle().await?;
        }
        Ok(())
    }

    fn terminal(&self) -> Option<Failure> {
        let snapshot = self.client.status();
        (snapshot.state == State::Failed).then(|| self.advice.failure(snapshot.cause.as_ref()))
    }

    /// Sends what is under way and the lines of an input until that ends or `stop` says so; what has been read by then is
    /// sent. As many wait together as fit: each has its own deadline.
    async fn send_lines(
        &mut self,
        mut lines: VecDeque<Line>,
        mut input: Option<mpsc::Receiver<Vec<Line>>>,
        stop: &Notify,
    ) -> Result<(), Failure> {
        loop {
            self.hand_over_lines(&mut lines);
            if lines.is_empty() && input.is_none() && self.under_way.is_empty() {
                return Ok(());
            }
            let told_at = self.attempts.next_due();
            let done = tokio::select! {
                biased;
                () = stop.notified(), if input.is_some() => {
                    input = None;
                    Ok(())
                }
                outcome = self.under_way.first() => self.finish(outcome).await,
                event = self.events.next() => match event {
                    Some(event) => self.event(&event),
                    None if self.under_way.is_empty() && lines.is_empty() => return Ok(()),
                    None => self.finish(None).await,
                },
                () = sleep_until(self.held_until), if self.is_held() && !lines.is_empty() => Ok(()),
                () = sleep_until(told_at.unwrap_or_else(Instant::now)), if told_at.is_some() => {
                    self.attempts.tell_retry(&self.advice);
                    Ok(())
                }
                batch = next_batch(&mut input), if lines.is_empty() => {
                    match batch {
                        Some(batch) => lines.extend(batch),
                        None => input = None,
                    }
                    Ok(())
                }
            };
            if let Err(failure) = done {
                if lines.is_empty() && has_ended(&mut input) && self.is_done() {
                    // The connection is over, and so is what it was for.
                    return Ok(());
                }
                // Those that are there already are told of too.
                while input.is_some()
                    && lines.len() < MOST_UNECHOED
                    && let Ok(Some(batch)) = timeout(NEXT_LINES, next_batch(&mut input)).await
                {
                    lines.extend(batch);
                }
                self.unsent(lines);
                return Err(failure);
            }
        }
    }

    /// Whether each message has been delivered.
    fn is_done(&self) -> bool {
        self.exit == Exit::Success
            && self.under_way.is_empty()
            && self.unechoed.is_empty()
            && self.restored.is_empty()
            && self.untold.is_empty()
    }

    /// Waits for what has been written to come back, or for what comes instead, and for what an earlier run left.
    async fn settle(&mut self) -> Result<(), Failure> {
        let start = Instant::now();
        while !self.unechoed.is_empty() || self.awaits_earlier() {
            let patience = if self.awaits_earlier() { self.timeout } else { ECHO_TIMEOUT };
            match timeout_at(start + patience, self.events.next()).await {
                Ok(Some(event)) => {
                    self.event(&event)?;
                    if self.awaits_earlier() {
                        self.attempts.tell_retry(&self.advice);
                    }
                }
                Ok(None) => break,
                Err(_) if !self.awaits_earlier() => break,
                Err(_) => {
                    let left = self.restored.len() + self.untold.len();
                    self.restored.clear();
                    self.untold.clear();
                    let what =
                        format!("{left} messages of an earlier run have no outcome yet; they are kept");
                    self.print_failure(None, &what, "kept");
                }
            }
        }
        // A plain server that sends nothing back is allowed, and all that can be said of it is: written. Unless it has said
        // that we are not in the room, or complained.
        let complaint = self.shut_out.map(Code::as_str).or(self.said.as_ref().map(|_| "server"));
        if let Some(code) = complaint.filter(|_| !self.unechoed.is_empty()) {
            let what = match self.unechoed.len() {
                1 => "written, and not seen in the room".to_owned(),
                count => format!("written, and the last {count} not seen in the room"),
            };
            self.failed(None, &what, code);
        }
        self.unechoed.clear();
        Ok(())
    }

    /// Tells of what was written to a connection that is gone: nobody will ever know.
    fn unechoed_lost(&mut self, why: &str) {
        let what = match std::mem::take(&mut self.unechoed).len() {
            0 => return,
            1 => "it may not have arrived".to_owned(),
            lost => format!("the last {lost} may not have arrived"),
        };
        self.print_failure(None, &format!("{why}; {what}"), "unknown");
    }

    /// Whether an earlier run has left something that waits for the server.
    fn awaits_earlier(&self) -> bool {
        !self.restored.is_empty() || !self.untold.is_empty()
    }

    /// Tells what became of a message of an earlier run.
    fn tell_restored(
        &mut self,
        id: SendId,
        room: &Name,
        status: &DeliveryStatus,
        reply: Option<&SendReply>,
        told: Repetition,
    ) {
        let is_read = self.print(|out, own| {
            let room = if room.is_empty() { own } else { room };
            output::delivery(out, None, room, &Outcome::Final(status.clone()), reply, told, None);
        });
        // What another user left is told again when that one is back.
        let users = self.client.stored_user().zip(self.client.user());
        let is_own = told == Repetition::Again || users.is_none_or(|(before, present)| before == present);
        if is_read && is_own {
            self.client.confirm(id);
        }
        let (what, code) = match status {
            DeliveryStatus::Failed(why) => (describe::send_failure(*why), why.as_str()),
            DeliveryStatus::Unknown => (SendError::Unknown.to_string(), "unknown"),
            _ => return,
        };
        self.print_failure(None, &format!("a message of an earlier run: {what}"), code);
        if let Some(said) = reply.and_then(|reply| reply.message.as_deref()) {
            eprint_line(&format!("  the server says: {}", sanitise::line(said)));
        }
    }

    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        match event {
            Event::Message(message) if *message.room == *self.room => {
                if let Some(at) = self.unechoed.iter().position(|text| *text == message.content) {
                    self.unechoed.remove(at);
                } else {
                    self.just_written.take_if(|text| *text == message.content);
                }
            }
            Event::Restored(restored) => {
                self.restored.insert(restored.id);
            }
            Event::Delivery(delivery) if self.restored.remove(&delivery.id) => {
                let (status, reply) = (&delivery.status, delivery.reply.as_deref());
                self.tell_restored(delivery.id, &delivery.room, status, reply, Repetition::First);
            }
            // It does not say which one it means: one of those that have not come back.
            Event::ServerError { message, .. } => {
                let said = format!("the server says: {}", sanitise::line(message));
                if self.unechoed.pop_front().is_some() {
                    self.print_failure(None, &said, "server");
                } else if self.said.as_ref() != Some(&said) {
                    // About the room, or a message of which it is not known yet that it has been written.
                    eprint_line(&format!("rejoin: {said}"));
                    self.said = Some(said);
                }
            }
            // Nobody hears there what is written, however often it is sent.
            Event::Malformed { error, count, .. } if &**error == SOCKET_IO_DETECTED => {
                return Err(Failure::terminal("incompatible", self.advice.malformed(error, *count)));
            }
            Event::Mode(mode) => {
                self.mode = Some(*mode);
                self.tell_untold();
            }
            Event::StorageFailed { error } => {
                if self.storing == Storing::Works {
                    self.storing = Storing::Fails;
                }
                self.print_failure(None, error, "not_stored");
            }
            Event::Room(change) if *change.room == *self.room => {
                let said = change.message.as_deref();
                match (change.state, change.refused) {
                    (RoomState::Joining, Some(code)) => {
                        self.refused = Some(describe::refusal(code, said));
                        eprint_line(&format!("rejoin: {}", describe::not_yet(&self.room, code, said)));
                    }
                    (RoomState::Failed(code) | RoomState::Removed(code), _) => {
                        self.refused = Some(describe::refusal(code, said));
                        self.shut_out = Some(code);
                    }
                    _ => (self.refused, self.shut_out) = (None, None),
                }
            }
            Event::State(change) => match change.state {
                State::Failed => {
                    self.lost.clone_from(&change.cause);
                    self.unechoed_lost("the connection has ended");
                    return Err(self.advice.failure(change.cause.as_ref()));
                }
                State::Reconnecting { .. } if !self.unechoed.is_empty() && change.cause.is_some() => {
                    self.lost.clone_from(&change.cause);
                    let why = change.cause.as_ref().map(describe::cause).unwrap_or_default();
                    self.unechoed_lost(&why);
                    self.attempts.was_told(why);
                }
                State::Reconnecting { .. } | State::Suspended { .. } => {
                    self.lost.clone_from(&change.cause);
                    if let Some(trouble) = &self.token_notices {
                        trouble.look(change);
                    }
                    self.attempts.failed(change.cause.as_ref());
                }
                State::Connected => self.attempts.connected(),
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }
}

/// Whether nothing more will be read.
fn has_ended(input: &mut Option<mpsc::Receiver<Vec<Line>>>) -> bool {
    input.as_mut().is_none_or(|input| input.is_closed() && input.is_empty())
}

/// What an input has next; `None` at its end.
async fn next_batch(input: &mut Option<mpsc::Receiver<Vec<Line>>>) -> Option<Vec<Line>> {
    match input {
        Some(input) => input.recv().await,
        None => std::future::pending().await,
    }
}

/// Messages written at which echoes are waited for, so that neither list nor event queue grows with the input.
const MOST_UNECHOED: usize = 256;
