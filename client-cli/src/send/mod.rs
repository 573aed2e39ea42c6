//! `rejoin send`: sends one message, or stdin line by line, and reports each outcome.
//!
//! An extended server acknowledges each message. A plain one confirms nothing, and refuses a token only after it has accepted the
//! connection. But it echoes each message to its sender: after a message is written, its echo is awaited for a short time, and an
//! `error` or a close in that time counts as its failure.

mod under_way;

use crate::args::SendArgs;
use crate::error::{Exit, Failure, eprint_line};
use crate::hints::Hints;
use crate::lines::{self, BadText, Line};
use crate::pipe::output::{self, Outcome, Repetition};
use crate::settings::{Settings, Sources, check_room, named};
use crate::signals::{Signal, Signals};
use crate::token_notices::TokenNotices;
use crate::{describe, sanitise, socket_io};
use futures_util::FutureExt as _;
use rejoin::messages::Code;
use rejoin::{
    Cause, CauseCode, Client, DeliveryStatus, Event, Events, Mode, Receipt, RoomState, SOCKET_IO_DETECTED,
    SendError, SendFailure, SendId, State,
};
use std::collections::{BTreeSet, VecDeque};
use std::io::Write as _;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until, timeout_at};
use under_way::{Entry, Message, Outcome as Known, UnderWay};

/// Time for the outcomes of what is under way when Ctrl-C is pressed.
const LAST_OUTCOMES: Duration = Duration::from_secs(1);

/// An attempt that has failed is told when something has waited for the next one this long: until then what waited may have got
/// its outcome from the same loss, and the command ends with it.
const RETRY_NOTICE: Duration = Duration::from_millis(100);

/// How long an echo may take. A plain server that sends none costs this once per command, not per message.
const ECHO_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) async fn run(arguments: &SendArgs, mut signals: Signals) -> Result<Exit, Failure> {
    // One word alone is more likely a text, where a URL is known from elsewhere.
    let (word, connection) = match &arguments.text {
        Some(_) => named(arguments.url.as_deref(), &arguments.connection),
        None => (arguments.url.as_deref(), arguments.connection.clone()),
    };
    let sources = Sources::read(&connection)?;
    let (url, text) = match (word, &arguments.text) {
        // One word that is no URL, where a URL is known from other_namespaces, is the text.
        (Some(word), None) if !word.contains("://") && sources.url(None)?.is_some() => (None, Some(word)),
        (url, text) => (url, text.as_deref()),
    };
    if text.is_some_and(str::is_empty) {
        // Mostly a variable of a script that is not set.
        return Err(Failure::usage("text", "nothing to send: the text is empty")
            .hint("leave it out to send the lines of stdin"));
    }
    let described = {
        let url = sources.require_url(url)?;
        sources.at(&url)
    };
    let Some(room) = arguments.room.clone().or_else(|| described.rooms().first().cloned()) else {
        return Err(Failure::usage("room", "no room to send to").hint("name one with -r ROOM"));
    };
    check_room(&room)?;
    let mut settings = described.settings(std::slice::from_ref(&room)).await?;
    settings.keep_in(arguments.state.state.as_ref());
    settings.token_notices = Some(TokenNotices::default());
    // Nothing is read here, so nothing counts as read.
    settings.manual_commit = true;
    // It may have been named with its namespace.
    let room = settings.rooms.first().cloned().unwrap_or(room);
    let mut sender = Sender::new(&settings, room, arguments)?;
    let client = sender.client.clone();
    let stop = Notify::new();
    let sending = async {
        let settled = async {
            sender.begin().await?;
            match text {
                Some(text) => {
                    sender.hand_over(text.to_owned(), None);
                    sender.send_lines(None, &stop).await?;
                }
                None => sender.send_lines(Some(lines::stdin()), &stop).await?,
            }
            sender.settle().await
        }
        .await;
        sender.client.close().await;
        if let Some(count) = describe::unreadable(&sender.client) {
            eprint_line(&count);
        }
        settled.map(|()| sender.exit)
    };
    tokio::pin!(sending);
    let mut interrupted = None;
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
                Signal::Terminate => stop.notify_one(),
            },
            result = &mut sending => return if interrupted.is_some() { Ok(Exit::Interrupted) } else { result },
            () = sleep_until(interrupted.unwrap_or_else(Instant::now)), if interrupted.is_some() => {
                return Ok(Exit::Interrupted);
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
    /// The state could not be stored: nothing is kept.
    is_unstored: bool,
    under_way: UnderWay,
    /// Plain: written and not seen again yet.
    unechoed: VecDeque<String>,
    /// Of an earlier run, without an outcome yet.
    restored: BTreeSet<SendId>,
    /// Why the server does not let us into the room, in our words and its own.
    refused: Option<String>,
    /// For good, for this reason.
    shut_out: Option<Code>,
    /// The cause of the last attempt that failed, which has been told.
    told: Option<String>,
    /// One that is to be told, and when.
    untold: Option<(Instant, Cause)>,
    format: Format,
    exit: Exit,
}

impl Sender {
    fn new(settings: &Settings, room: String, arguments: &SendArgs) -> Result<Self, Failure> {
        settings.in_one_namespace()?;
        let (client, events) = settings.connect()?;
        Ok(Self {
            client,
            events,
            room,
            advice: settings.hints("send"),
            timeout: Duration::from_secs(arguments.timeout.into()),
            keeps: settings.state.is_some(),
            asks: settings.socket_io.as_ref().is_some_and(|server| server.options.acks),
            token_notices: settings.token_notices.clone(),
            mode: None,
            held_until: Instant::now() + Duration::from_secs(arguments.timeout.into()),
            is_unstored: false,
            under_way: UnderWay::default(),
            unechoed: VecDeque::new(),
            restored: BTreeSet::new(),
            refused: None,
            shut_out: None,
            told: None,
            untold: None,
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
        Ok(())
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
        let draft = self.client.message(&self.room, &*text);
        let left = self.held_until.saturating_duration_since(Instant::now());
        let timeout = if self.mode.is_none() { left } else { self.timeout };
        // With a state file it may wait for another run.
        let sending = if self.keeps { draft.send() } else { draft.timeout(timeout).send() };
        // The library's timeout is about the wait for a connection; this one also ends the wait for a server
        // that is connected and takes nothing.
        let patience = if self.keeps { self.timeout } else { self.timeout + ECHO_TIMEOUT };
        let until = Instant::now() + patience;
        self.under_way.add(Entry::Message(Message { number, text, sending, until }));
    }

    /// Tells what became of the first one that is under way.
    async fn finish(&mut self, mut outcome: Known) -> Result<(), Failure> {
        let Message { number, text, .. } = match self.under_way.take() {
            Some(Entry::Message(message)) => message,
            Some(Entry::Bad(number, bad)) => {
                self.no_message(number, bad);
                return Ok(());
            }
            None => return Ok(()),
        };
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
        self.tell(number, text, outcome);
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

    fn tell(&mut self, number: Option<u64>, text: String, outcome: Known) {
        if let Some(outcome) = &outcome
            && !self.is_kept(outcome)
        {
            self.print(|out, room| output::sent(out, number, room, Some(outcome.as_ref())));
        }
        match outcome {
            Some(Ok(Receipt::Written)) => self.unechoed.push_back(text),
            Some(Ok(receipt)) => {
                if let Some(answer) = receipt.answer().filter(|_| self.format == Format::Text) {
                    self.answered(number, answer);
                }
            }
            Some(outcome) if self.is_kept(&outcome) => self.kept(number),
            Some(Err(error)) => {
                let what = match &error {
                    SendError::Failed(why @ SendFailure::Closed) => {
                        format!("not sent: {}", describe::send_failure(*why))
                    }
                    error => sanitise::line(&error.to_string()),
                };
                self.failed(number, &what, error.code());
                if self.asks && error.code() == Code::NotJoined.as_str() && socket_io::is_room_in(&self.room)
                {
                    eprint_line(
                        "  a room of another namespace is given as -r /NS,ROOM together with --namespace /NS",
                    );
                }
                // What a Socket.IO server's handlers take is theirs to say.
                if error.is_too_large() && !self.asks && self.terminal().is_none() {
                    eprint_line(&format!("  {}", describe::content_limit(&self.client)));
                }
                if let (SendError::Refused { message: None, .. }, Some(answer)) = (&error, error.answer()) {
                    eprint_line(&format!("  {}", describe::answer(answer)));
                }
            }
            // Why has been said.
            None if self.is_unstored => {
                self.ended(number, "not sent", &SendError::Failed(SendFailure::NotStored));
            }
            None if self.keeps => self.kept(number),
            None => self.ended(number, &SendError::Unknown.to_string(), &SendError::Unknown),
        }
    }

    /// What has no outcome yet and waits for another run.
    fn is_kept(&self, outcome: &Result<Receipt, SendError>) -> bool {
        match outcome {
            Err(SendError::Failed(SendFailure::Closed)) => self.keeps,
            // Only an extended server can tell a message that is sent again.
            Err(SendError::Unknown) => {
                self.keeps
                    && self.mode.is_none_or(|mode| mode == Mode::Extended)
                    && matches!(self.client.status().state, State::Closing | State::Closed)
            }
            _ => false,
        }
    }

    /// It has an outcome of which the client has told nothing.
    fn ended(&mut self, number: Option<u64>, what: &str, error: &SendError) {
        self.print(|out, room| output::sent(out, number, room, Some(Err(error))));
        self.failed(number, what, error.code());
    }

    fn kept(&mut self, number: Option<u64>) {
        self.print(|out, room| output::sent(out, number, room, None));
        let what = "not delivered yet; it is kept, and the next run with this state file goes on with it";
        if self.terminal().is_some() {
            // What has failed is told at the end, and where the message is has to be known all the same.
            return self.print_failure(number, what, "kept");
        }
        self.failed(number, what, "kept");
    }

    fn failed(&mut self, number: Option<u64>, what: &str, code: &str) {
        if self.terminal().is_some() {
            // Which says more than what became of the message.
            return;
        }
        self.print_failure(number, what, code);
        if self.asks && code == SendError::Unknown.code() {
            eprint_line("  if this server's handlers never call their acks, --no-acks is for it");
        }
        if let Some(why) = &self.refused {
            let room = crate::render::plain_name(&self.room);
            eprint_line(&format!("  {room} could not be joined: {why}"));
        }
        self.print_cause();
    }

    /// Why there is no connection, where that has not been told.
    fn print_cause(&mut self) {
        let status = self.client.status();
        match self.untold.take().map(|(_, cause)| cause).or(status.cause) {
            Some(cause) => {
                let text = describe::cause(&cause);
                if self.told.as_ref() != Some(&text) {
                    eprint_line(&format!("  {text}"));
                    if let Some(advice) = self.advice.for_cause(&cause) {
                        eprint_line(&format!("  {advice}"));
                    }
                    self.told = Some(text);
                }
            }
            None if status.state == State::Connecting => {
                eprint_line("  the server had not answered by then: no connection was made");
            }
            None => {}
        }
    }

    /// What the server's handler said to a message is all that is known of it.
    fn answered(&mut self, number: Option<u64>, answer: &str) {
        self.write(format!("{}{}\n", line_of(number), describe::answer(answer)).as_bytes());
    }

    /// With `--json`: writes the lines that `form` forms for the room.
    fn print(&mut self, form: impl FnOnce(&mut Vec<u8>, &str)) {
        if self.format == Format::Json {
            let mut lines = Vec::new();
            form(&mut lines, &self.room);
            self.write(&lines);
        }
    }

    /// When the reader of stdout has gone, what is sent goes on, and the status says what became of it.
    fn write(&mut self, bytes: &[u8]) {
        if self.format == Format::Nothing {
            return;
        }
        let mut stdout = std::io::stdout().lock();
        if let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush())
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            self.format = Format::Nothing;
            self.print_failure(None, &format!("stdout cannot be written: {error}"), "stdout");
        }
    }

    fn terminal(&self) -> Option<Failure> {
        let snapshot = self.client.status();
        (snapshot.state == State::Failed).then(|| self.advice.failure(snapshot.cause.as_ref()))
    }

    /// Sends what is under way and the lines of an input until that ends or `stop` says so; what has been read by then is
    /// sent. As many wait together as fit: each has its own deadline.
    async fn send_lines(
        &mut self,
        mut input: Option<mpsc::Receiver<Vec<Line>>>,
        stop: &Notify,
    ) -> Result<(), Failure> {
        let mut lines = VecDeque::new();
        loop {
            while !self.is_held()
                && self.under_way.has_room()
                && let Some(Line { number, text }) = lines.pop_front()
            {
                match text {
                    // A line of input with nothing on it is no message, as in a chat.
                    Ok(text) if text.trim().is_empty() => {}
                    Ok(text) => self.hand_over(text, Some(number)),
                    Err(bad) => self.under_way.add(Entry::Bad(number, bad)),
                }
            }
            if lines.is_empty() && input.is_none() && self.under_way.is_empty() {
                return Ok(());
            }
            let told_at = self.untold.as_ref().map(|(at, _)| *at);
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
                    self.tries_again();
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
                self.unsent(lines);
                return Err(failure);
            }
        }
    }

    /// These have been read, and the connection has failed.
    fn unsent(&mut self, lines: impl IntoIterator<Item = Line>) {
        let closed = || Err(SendError::Failed(SendFailure::Closed));
        while let Some(entry) = self.under_way.take() {
            match entry {
                Entry::Message(Message { number, text, sending, .. }) => {
                    let outcome = sending.now_or_never().unwrap_or_else(closed);
                    self.tell(number, text, Some(outcome));
                }
                Entry::Bad(number, bad) => self.no_message(number, bad),
            }
        }
        let is_text = |line: &Line| line.text.as_ref().is_ok_and(|text| !text.trim().is_empty());
        let mut count = 0_usize;
        for line in lines.into_iter().filter(is_text) {
            count += 1;
            let outcome = closed();
            self.print(|out, room| {
                output::sent(out, Some(line.number), room, Some(outcome.as_ref()));
            });
        }
        if count > 0 {
            self.print_failure(
                None,
                &format!("{count} more lines have been read, and are not sent"),
                SendFailure::Closed.as_str(),
            );
        }
    }

    fn no_message(&mut self, number: u64, bad: BadText) {
        let (what, code) = match bad {
            BadText::TooLong => ("longer than 1 MiB", "line_too_long"),
            BadText::NotUtf8 => ("not UTF-8", "not_utf8"),
        };
        self.print(|out, room| output::unsent(out, number, room, code, what));
        self.print_failure(Some(number), what, code);
    }

    fn print_failure(&mut self, number: Option<u64>, what: &str, code: &str) {
        self.exit = self.exit.max(Exit::Incomplete);
        let line = line_of(number);
        eprint_line(&format!("rejoin: {line}{what} [{code}]"));
    }

    /// Waits for what has been written to come back, or for what comes instead, and for what an earlier run left.
    async fn settle(&mut self) -> Result<(), Failure> {
        let start = Instant::now();
        while !self.unechoed.is_empty() || !self.restored.is_empty() {
            let patience = if self.restored.is_empty() { ECHO_TIMEOUT } else { self.timeout };
            match timeout_at(start + patience, self.events.next()).await {
                Ok(Some(event)) => {
                    self.event(&event)?;
                    if !self.restored.is_empty() {
                        self.tries_again();
                    }
                }
                Ok(None) => break,
                Err(_) if self.restored.is_empty() => break,
                Err(_) => {
                    let left = self.restored.len();
                    self.restored.clear();
                    let what =
                        format!("{left} messages of an earlier run are not delivered yet; they are kept");
                    self.print_failure(None, &what, "kept");
                }
            }
        }
        // A plain server that sends nothing back is allowed, and all that can be said of it is: written. Unless it has said
        // that we are not in the room.
        if let Some(code) = self.shut_out.filter(|_| !self.unechoed.is_empty()) {
            let what = match self.unechoed.len() {
                1 => "written, and not seen in the room".to_owned(),
                count => format!("written, and the last {count} not seen in the room"),
            };
            self.failed(None, &what, code.as_str());
        }
        self.unechoed.clear();
        Ok(())
    }

    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        match event {
            Event::Message(message) if *message.room == *self.room => {
                if let Some(at) = self.unechoed.iter().position(|text| *text == message.content) {
                    self.unechoed.remove(at);
                }
            }
            Event::Restored(restored) => {
                self.restored.insert(restored.id);
            }
            Event::Delivery(delivery) => {
                let was_restored = self.restored.remove(&delivery.id);
                if was_restored {
                    self.print(|out, room| {
                        let outcome = Outcome::Final(delivery.status.clone());
                        let room = if delivery.room.is_empty() { room } else { &*delivery.room };
                        output::delivery(
                            out,
                            None,
                            room,
                            &outcome,
                            delivery.reply.as_deref(),
                            Repetition::First,
                        );
                    });
                    // Told here, or nothing to be told.
                    self.client.confirm(delivery.id);
                }
                let what = match &delivery.status {
                    DeliveryStatus::Failed(why) => Some((describe::send_failure(*why), why.as_str())),
                    DeliveryStatus::Unknown => Some((SendError::Unknown.to_string(), "unknown")),
                    _ => None,
                };
                if let Some((what, code)) = what.filter(|_| was_restored) {
                    self.print_failure(None, &format!("a message of an earlier run: {what}"), code);
                    if let Some(said) = delivery.reply.as_ref().and_then(|reply| reply.message.as_deref()) {
                        eprint_line(&format!("  the server says: {}", sanitise::line(said)));
                    }
                }
            }
            Event::ServerError { message, .. } if !self.unechoed.is_empty() => {
                // It does not say which one it means: one of those that have not come back.
                self.unechoed.pop_front();
                self.print_failure(None, &format!("the server says: {}", sanitise::line(message)), "server");
            }
            // Nobody hears there what is written, however often it is sent.
            Event::Malformed { error } if &**error == SOCKET_IO_DETECTED => {
                return Err(Failure::terminal("incompatible", self.advice.malformed(error)));
            }
            Event::Mode(mode) => self.mode = Some(*mode),
            Event::StorageFailed { error } => {
                self.is_unstored = true;
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
                State::Failed => return Err(self.advice.failure(change.cause.as_ref())),
                State::Reconnecting { .. } if !self.unechoed.is_empty() && change.cause.is_some() => {
                    // Written to a connection that is gone: nobody will ever know.
                    let lost = self.unechoed.len();
                    self.unechoed.clear();
                    let why = change.cause.as_ref().map(describe::cause).unwrap_or_default();
                    let what = if lost == 1 {
                        "it may not have arrived".to_owned()
                    } else {
                        format!("the last {lost} may not have arrived")
                    };
                    self.print_failure(None, &format!("{why}; {what}"), "unknown");
                    self.told = Some(why);
                }
                State::Reconnecting { .. } | State::Suspended { .. } => {
                    if let Some(trouble) = &self.token_notices {
                        trouble.look(change);
                    }
                    self.attempt_failed(change.cause.as_ref());
                }
                State::Connected => self.untold = None,
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }

    /// An attempt has failed, which is told where something waits for the next one, or with what ends without one.
    fn attempt_failed(&mut self, cause: Option<&Cause>) {
        let Some(cause) = cause else { return };
        if cause.code == CauseCode::TokenUnavailable {
            // It has been told already.
            self.told = Some(describe::cause(cause));
        } else {
            let at = self.untold.as_ref().map_or_else(|| Instant::now() + RETRY_NOTICE, |(at, _)| *at);
            self.untold = Some((at, cause.clone()));
        }
    }

    /// Another attempt follows the one that has failed: says why it has, once for each cause.
    fn tries_again(&mut self) {
        let Some((_, cause)) = self.untold.take() else { return };
        let text = describe::cause(&cause);
        if self.told.as_ref() != Some(&text) {
            eprint_line(&format!("rejoin: {text}; trying again"));
            if let Some(advice) = self.advice.for_cause(&cause) {
                eprint_line(&format!("  {advice}"));
            }
            self.told = Some(text);
        }
    }
}

/// What an input has next; `None` at its end.
async fn next_batch(input: &mut Option<mpsc::Receiver<Vec<Line>>>) -> Option<Vec<Line>> {
    match input {
        Some(input) => input.recv().await,
        None => std::future::pending().await,
    }
}

/// Which line of the input it is about.
fn line_of(number: Option<u64>) -> String {
    number.map(|number| format!("line {number}: ")).unwrap_or_default()
}

/// Messages written at which echoes are waited for, so that neither list nor event queue grows with the input.
const MOST_UNECHOED: usize = 256;
