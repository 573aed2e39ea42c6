//! `rejoin send`: one message, or stdin line by line, and the certainty that it arrived, as far as there is one.
//!
//! A plain server confirms nothing, and refuses a token only after it has let the client in. But it sends each
//! message back to its sender: that echo is waited for a moment after the message is written, and an `error` or
//! a close that comes in its place is the failure it is.

use crate::args::SendArgs;
use crate::error::{Exit, Failure};
use crate::lines::{self, BadText, Line};
use crate::settings::{Settings, Sources, check_room};
use crate::signals::{Signal, Signals};
use crate::{sanitise, words};
use rejoin::{Client, Event, Events, SendError, State};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

/// How long an echo may take. A server that sends none costs this once per command, not per message.
const ECHO: Duration = Duration::from_secs(2);

pub(crate) async fn run(arguments: &SendArgs, mut signals: Signals) -> Result<Exit, Failure> {
    let sources = Sources::read(&arguments.connection)?;
    let (url, text) = match (&arguments.url, &arguments.text) {
        // One word that is no URL, where a URL is known from elsewhere, is the text.
        (Some(word), None) if !word.contains("://") && sources.url(None).is_some() => (None, Some(word)),
        (url, text) => (url.as_deref(), text.as_ref()),
    };
    let url = sources.needed_url(url)?;
    let Some(room) = arguments.room.clone().or_else(|| sources.profile.rooms.first().cloned()) else {
        return Err(Failure::usage("room", "no room to send to").hint("name one with -r ROOM"));
    };
    check_room(&room)?;
    let settings = sources.settings(&url, std::slice::from_ref(&room)).await?;
    let mut sender = Sender::new(&settings, room, Duration::from_secs(arguments.timeout.into()))?;
    let stop = Notify::new();
    let work = async {
        match text {
            Some(text) => sender.send(text, None).await?,
            None => sender.send_lines(&stop).await?,
        }
        sender.wait_for_echoes().await?;
        sender.client.close().await;
        Ok(sender.exit)
    };
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            signal = signals.next() => match signal {
                Signal::Interrupt => return Ok(Exit::Interrupted),
                Signal::Terminate => stop.notify_one(),
            },
            result = &mut work => return result,
        }
    }
}

struct Sender {
    client: Client,
    events: Events,
    room: String,
    timeout: Duration,
    /// Written and not seen again yet.
    unechoed: VecDeque<String>,
    exit: Exit,
}

impl Sender {
    fn new(settings: &Settings, room: String, timeout: Duration) -> Result<Self, Failure> {
        let (client, events) = settings.connect()?;
        let unechoed = VecDeque::new();
        Ok(Self { client, events, room, timeout, unechoed, exit: Exit::Success })
    }

    /// Sends one message; `number` is its line.
    async fn send(&mut self, text: &str, number: Option<u64>) -> Result<(), Failure> {
        let mut sending = self.client.send_within(&self.room, text, self.timeout);
        // The library's timeout is about the wait for a connection; this one also ends the wait for a server
        // that is connected and takes nothing.
        let outcome = match timeout(self.timeout + ECHO, &mut sending).await {
            Ok(outcome) => outcome,
            Err(_) => Err(SendError::Unknown),
        };
        match outcome {
            Ok(_) => self.unechoed.push_back(text.to_owned()),
            Err(error) => {
                if self.client.snapshot().state == State::Failed {
                    return Err(words::failure(self.client.snapshot().cause.as_ref()));
                }
                self.complain(number, &error.to_string(), error.code());
                if let Some(cause) = &self.client.snapshot().cause {
                    eprint_line(&format!("  {}", words::cause(cause)));
                }
            }
        }
        // What has come back meanwhile must not pile up.
        if self.unechoed.len() >= MOST_UNECHOED {
            self.wait_for_echoes().await?;
        }
        Ok(())
    }

    /// Sends stdin until it ends or `stop` says so; what has been read by then is sent.
    async fn send_lines(&mut self, stop: &Notify) -> Result<(), Failure> {
        let mut input = lines::stdin();
        loop {
            let batch = tokio::select! {
                biased;
                () = stop.notified() => return Ok(()),
                batch = input.recv() => batch,
            };
            let Some(batch) = batch else { return Ok(()) };
            for Line { number, text } in batch {
                match text {
                    Ok(text) if text.is_empty() => {}
                    Ok(text) => self.send(&text, Some(number)).await?,
                    Err(BadText::TooLong) => {
                        self.complain(Some(number), "longer than 1 MiB", "line_too_long");
                    }
                    Err(BadText::NotUtf8) => self.complain(Some(number), "not UTF-8", "not_utf8"),
                }
            }
        }
    }

    fn complain(&mut self, number: Option<u64>, what: &str, code: &str) {
        self.exit = self.exit.max(Exit::Incomplete);
        let line = number.map(|number| format!("line {number}: ")).unwrap_or_default();
        eprint_line(&format!("rejoin: {line}{what} [{code}]"));
    }

    /// Waits for what has been written to come back, and for what comes instead.
    async fn wait_for_echoes(&mut self) -> Result<(), Failure> {
        let until = Instant::now() + ECHO;
        while !self.unechoed.is_empty() {
            let Ok(event) = timeout_at(until, self.events.next()).await else {
                // The server sends nothing back. That is allowed, and all that can be said is: written.
                self.unechoed.clear();
                return Ok(());
            };
            match event {
                Some(Event::Message(message)) if *message.room == *self.room => {
                    if let Some(at) = self.unechoed.iter().position(|text| *text == message.content) {
                        self.unechoed.remove(at);
                    }
                }
                Some(Event::ServerError { message, .. }) => {
                    // It does not say which one it means: one of those that have not come back.
                    self.unechoed.pop_front();
                    self.complain(None, &format!("the server says: {}", sanitise::line(&message)), "server");
                }
                Some(Event::State(change)) => match change.state {
                    State::Failed => return Err(words::failure(change.cause.as_ref())),
                    State::Reconnecting { .. } if !self.unechoed.is_empty() && change.cause.is_some() => {
                        // Written to a connection that is gone: nobody will ever know.
                        let lost = self.unechoed.len();
                        self.unechoed.clear();
                        self.complain(
                            None,
                            &format!("the connection was lost; the last {lost} may not have arrived"),
                            "unknown",
                        );
                    }
                    _ => {}
                },
                Some(_) => {}
                None => return Ok(()),
            }
        }
        Ok(())
    }
}

/// Messages written at which echoes are waited for, so that neither list nor event queue grows with the input.
const MOST_UNECHOED: usize = 256;

fn eprint_line(line: &str) {
    use std::io::Write as _;
    // Stderr may be closed; there is nowhere left to say so.
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}
