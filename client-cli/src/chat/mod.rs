//! `rejoin chat`: rooms for people. One loop owns all state; [`controller`] handles its events and lines.

mod controller;
mod namespaces;
mod pending;
mod summary;
mod ui;
mod unconfirmed;

use crate::alert::Alerts;
use crate::args::{ChatArgs, Protocol};
use crate::clock::Clock;
use crate::colours::Palette;
use crate::editor::Shared;
use crate::embedded::DEFAULT_ROOM;
use crate::error::{Exit, Failure, eprint_line};
use crate::hints::Login;
use crate::other_namespaces::OtherNamespaces;
use crate::settings::{NamedUrl, Settings, Sources, named};
use crate::signals::{Signal, Signals};
use crate::stdout_writer::WriteFailure;
use crate::suggested_options::quoted;
use crate::termination::Termination;
use crate::token::TokenFrom;
use crate::token_notices::TokenNotices;
use crate::{describe, embedded, profile};
use controller::Controller;
use namespaces::Namespaces;
use rejoin::{Event, State};
use rejoin_server::ServerHandle;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use ui::{Ui, UiEvent};

/// Bytes to print at which nothing more is read.
const MOST_UNPRINTED: usize = 64 << 10;
/// Messages under way at which no more lines are read; a quarter of the library's outbox.
const MOST_PENDING: usize = 1024;
/// At the end, messages are waited for as long as one becomes final within this time.
const DRAIN: Duration = Duration::from_secs(30);
/// Who leaves and waits this long is told what for.
const LEAVING_NOTICE: Duration = Duration::from_secs(1);
/// So often the status line is looked after: a round trip is measured without an event.
const REFRESH_INTERVAL: Duration = Duration::from_secs(5);

pub(crate) async fn run(arguments: &ChatArgs, mut signals: Signals) -> Result<Exit, Failure> {
    let is_own = arguments.listen.is_some();
    let named = (!is_own).then(|| named(arguments.url.as_deref(), &arguments.connection));
    let (url, connection) = named.unwrap_or_else(|| (None, arguments.connection.clone()));
    let sources = Sources::read(&connection)?;
    let screen = profile::screen()?.under(&arguments.screen);
    let given = if is_own { None } else { sources.url(url)? };
    let server = own_server(arguments, given.is_some()).await?;
    let own = server.as_ref().map(ServerHandle::url).unwrap_or_default();
    let url = given.unwrap_or_else(|| NamedUrl::given(own));
    let mut settings = sources.at(url).settings(&arguments.rooms).await?;
    if settings.rooms.is_empty() && settings.rooms_in.is_empty() {
        settings.rooms.push(DEFAULT_ROOM.to_owned());
    }
    settings.history = Some(controller::HISTORY);
    settings.notifications = arguments.display.notifications.unwrap_or(true);
    settings.show_events_elsewhere();
    settings.keep_in(arguments.state.state.as_ref());
    settings.record_in(&arguments.record);
    let token_notices = TokenNotices::while_connected();
    settings.token_notices = Some(token_notices.clone());
    let invented = generate_name(&mut settings);
    let (client, events) = settings.connect()?;
    let elsewhere = OtherNamespaces::open(&client, &settings)?;
    let shared = Arc::new(Shared::default());
    shared.lock().state = Some("connecting");
    let front = Ui::open(&shared, screen.history.unwrap_or(true));
    if front.is_terminal() {
        signals.listen_for_hangup();
    }
    let mut talk = Controller::new(
        namespaces(client, &elsewhere, &settings, invented.clone()),
        Arc::clone(&shared),
        front.layout(),
        Clock::new(arguments.display.utc),
        &settings.shown_rooms(),
    );
    talk.printer.advice = settings.hints("chat");
    let tells_typing = front.is_terminal() && screen.typing.unwrap_or(true);
    let has_title = front.is_terminal() && screen.title.unwrap_or(true);
    if front.is_terminal() {
        apply_screen(&mut talk, screen, has_title);
    }
    let page = server
        .as_ref()
        .and_then(|server| embedded::page(&server.url(), settings.rooms.first().map_or(DEFAULT_ROOM, |r| r)));
    print_greeting(&mut talk, &settings, server.is_some(), page.as_ref(), invented.as_deref());
    if front.is_terminal() {
        talk.notice("/help lists the commands; Ctrl-D leaves");
    }
    let opening = page.filter(|_| arguments.open).map(|page| tokio::spawn(embedded::open(page)));
    let look_at = Instant::now() + REFRESH_INTERVAL;
    let mut chat = Chat {
        events,
        elsewhere,
        front,
        talk,
        token_notices,
        shared,
        tells_typing,
        opening,
        phase: Phase::Open,
        is_own: server.is_some(),
        is_warned: false,
        leaving: None,
        termination: Termination::new(),
        look_at,
        printed: 0,
    };
    let end = chat.run(&mut signals).await;
    let has_waited = chat.leaving.is_some_and(|leaving| leaving.is_told);
    let Chat { front, talk, events, elsewhere, printed, .. } = chat;
    front.settle(printed).await;
    front.close(has_title, has_waited);
    if let Some(count) = describe::unreadable(talk.client()) {
        eprint_line(&count);
    }
    let exit = match end {
        End::Interrupted => {
            unconfirmed::report(&talk, events, elsewhere, settings.state.is_some()).await;
            return Ok(Exit::Interrupted);
        }
        End::BrokenPipe => Exit::Success,
        End::Failed(failure) => return Err(failure),
        End::Done => talk.exit,
    };
    let finish = async {
        let is_terminal = front.is_terminal();
        let unprinted = front.stdout.finish().await.err().filter(|_| !is_terminal);
        if let Some(server) = server {
            embedded::stop(server).await;
        }
        unprinted.and_then(Failure::write_failed)
    };
    tokio::select! {
        biased;
        failure = finish => failure.map_or(Ok(exit), Err),
        () = signals.interrupted() => Ok(Exit::Interrupted),
    }
}

/// The server of this chat, unless it goes to one that was given.
async fn own_server(arguments: &ChatArgs, is_given: bool) -> Result<Option<ServerHandle>, Failure> {
    if !is_given && arguments.connection.protocol == Some(Protocol::SocketIo) {
        return Err(Failure::usage("url", "no URL given")
            .hint("a chat on its own server speaks its own protocol: leave out --protocol socketio"));
    }
    if is_given && arguments.open {
        return Err(Failure::usage("open", "this chat is on another server, whose pages are not known here")
            .hint("leave out --open, or the URL that REJOIN_URL or the profile gives"));
    }
    if is_given { Ok(None) } else { embedded::start(arguments.listen).await.map(Some) }
}

/// Says where this chat is: on its own server, which may have a page for browsers, or on another one. `invented`: the name that
/// was made up.
fn print_greeting(
    talk: &mut Controller,
    settings: &Settings,
    is_own: bool,
    page: Option<&url::Url>,
    invented: Option<&str>,
) {
    if is_own {
        talk.notice("this chat has its own server; join it from another terminal with");
        talk.printer.verbatim(&command(settings));
        if let Some(page) = page {
            talk.notice(&format!("in the browser: {page}"));
        }
    } else {
        talk.notice(&format!("connecting to {}", settings.shown_url()));
    }
    if let Some(name) = invented {
        talk.notice(&format!("you are {name}; choose a name with --token NAME"));
    }
}

/// What a chat on a terminal has beside its lines.
fn apply_screen(talk: &mut Controller, screen: profile::Screen, has_title: bool) {
    let alerts = Alerts::new(screen.notify.unwrap_or_default());
    talk.printer.focus(alerts, Palette::of_terminal(screen.colours));
    if has_title {
        talk.set_titles();
    }
}

/// On this machine's own servers nobody needs a token to try a chat.
fn generate_name(settings: &mut Settings) -> Option<String> {
    if settings.login() != Login::Nothing || !settings.endpoint.is_loopback() {
        return None;
    }
    let login = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
    let mut name: String = login
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .take(24)
        .collect();
    if name.is_empty() {
        name.push_str("guest");
    }
    name.push('-');
    name.extend((0..4).map(|_| fastrand::lowercase()));
    settings.token = TokenFrom::Given(name.as_str().into());
    Some(name)
}

/// What to type in another terminal.
fn command(settings: &Settings) -> String {
    // As this one was called: `cargo run` starts a program that is on nobody's PATH.
    let program =
        std::env::args().next().filter(|name| !name.is_empty()).unwrap_or_else(|| "rejoin".to_owned());
    let mut command = format!("{program} chat {}", settings.endpoint);
    for room in settings.rooms.iter().filter(|room| settings.rooms.len() > 1 || *room != DEFAULT_ROOM) {
        command.push_str(" -r ");
        command.push_str(&quoted(room));
    }
    crate::sanitise::line(&command)
}

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// The user is leaving; waiting for outcomes until then, and longer with each of them.
    Draining(Instant),
    Closing,
    Ended,
}

/// How the chat ended.
enum End {
    Done,
    Interrupted,
    BrokenPipe,
    /// For good, and not by the user's wish.
    Failed(Failure),
}

/// The wait of a user who is leaving.
#[derive(Debug, Clone, Copy)]
struct Leaving {
    notice_at: Instant,
    /// What is waited for has been said.
    is_told: bool,
}

/// The namespaces of this chat, which is by this name where one was made up.
fn namespaces(
    client: rejoin::Client,
    elsewhere: &OtherNamespaces,
    settings: &Settings,
    invented: Option<String>,
) -> Namespaces {
    let first = settings.socket_io.as_ref().map_or("/", |server| server.namespace.as_str());
    let mut namespaces = Namespaces::new(client, first, invented);
    for (name, client) in elsewhere.clients() {
        namespaces.add(name, client.clone());
    }
    namespaces
}

struct Chat {
    events: rejoin::Events,
    /// What happens in further namespaces.
    elsewhere: OtherNamespaces,
    front: Ui,
    talk: Controller,
    token_notices: TokenNotices,
    shared: Arc<Shared>,
    /// Whether the others are told that the user is typing.
    tells_typing: bool,
    /// The browser that is being started; this ends by itself within seconds.
    opening: Option<JoinHandle<Result<(), String>>>,
    phase: Phase,
    /// The server is this process's own.
    is_own: bool,
    /// It has been said that it ends with this chat.
    is_warned: bool,
    /// The user is leaving.
    leaving: Option<Leaving>,
    termination: Termination,
    /// The number of the chunk that was handed over to be printed last.
    printed: u64,
    /// When the status line is looked after next.
    look_at: Instant,
}

impl Chat {
    async fn run(&mut self, signals: &mut Signals) -> End {
        loop {
            self.move_on();
            let unprinted = !self.talk.printer.printed.is_empty();
            let keeps_up = self.talk.printer.printed.len() < MOST_UNPRINTED;
            if self.phase == Phase::Ended && !unprinted {
                return self.talk.printer.failed.take().map_or(End::Done, End::Failed);
            }
            // On a terminal input is read however much is unprinted: the editor shows nothing until the line it has
            // finished is dealt with, so waiting for it here would be waiting for ever.
            let may_read = self.phase == Phase::Open
                && self.talk.namespaces.pending() < MOST_PENDING
                && (keeps_up || self.front.is_terminal());
            let deadline = self.deadline();
            tokio::select! {
                biased;
                signal = signals.next() => match signal {
                    Signal::Interrupt => return End::Interrupted,
                    Signal::Terminate => {
                        self.termination.request();
                        self.leave();
                    }
                },
                result = self.front.stdout.write(&mut self.talk.printer.printed), if unprinted => {
                    match result {
                        Ok(chunk) => self.printed = chunk,
                        Err(why) => return self.unprinted(why),
                    }
                }
                batch = self.events.next_batch(), if keeps_up && self.phase != Phase::Ended => {
                    if batch.is_empty() {
                        self.phase = Phase::Ended;
                    }
                    for event in &batch {
                        if let Event::State(change) = event {
                            self.token_notices.look(change);
                        }
                    }
                    self.take_events(None, &batch);
                }
                (namespace, batch) = self.elsewhere.next(), if keeps_up && self.phase != Phase::Ended => {
                    let namespace = namespace.to_owned();
                    self.take_events(Some(&namespace), &batch);
                }
                heard = self.front.input.next(), if may_read => {
                    self.talk.printer.set_layout(self.front.layout());
                    match heard {
                        UiEvent::Interrupt => return End::Interrupted,
                        UiEvent::End { stay } => self.end(stay),
                        UiEvent::Room(number) => self.talk.go_to_number(number),
                        UiEvent::Bad(bad) => self.talk.bad_line(bad),
                        UiEvent::Line { text, done } => {
                            if self.talk.typed(&text) {
                                self.leave();
                            } else if let Some(done) = done {
                                // The editor's thread waits for it, unless the terminal is gone.
                                let _ = done.send(());
                            }
                        }
                    }
                }
                failed = browser_failure(&mut self.opening), if self.opening.is_some() => {
                    self.opening = None;
                    if let Some(why) = failed {
                        self.talk.notice(&format!("no browser could be started; open the page yourself ({why})"));
                    }
                }
                () = self.shared.composing(), if self.tells_typing => self.talk.composing(),
                () = sleep_until(deadline), if deadline.is_some() => {}
            }
        }
    }

    fn take_events(&mut self, namespace: Option<&str>, batch: &[Event]) {
        self.talk.printer.set_layout(self.front.layout());
        let pending = self.talk.namespaces.pending();
        self.talk.take_events(namespace, batch);
        if matches!(self.phase, Phase::Draining(_)) && self.talk.namespaces.pending() < pending {
            self.phase = Phase::Draining(Instant::now() + DRAIN);
        }
    }

    /// Nothing more can be printed, for this reason: its reader has gone, or the terminal has, which nobody is left to be told.
    fn unprinted(&self, why: WriteFailure) -> End {
        let failure = if self.front.is_terminal() { None } else { Failure::write_failed(why) };
        failure.map_or(End::BrokenPipe, End::Failed)
    }

    fn deadline(&self) -> Option<Instant> {
        let drained = self.drained_at();
        let look = self.front.is_terminal().then_some(self.look_at);
        let due = self.talk.namespaces.next_due().into_iter().chain(self.talk.printer.next_due());
        let leaving = self.leaving.filter(|leaving| !leaving.is_told).map(|leaving| leaving.notice_at);
        due.chain(drained).chain(leaving).chain(look).chain(self.talk.typing.next_due()).min()
    }

    /// Until when messages of a user who is leaving are waited for: after a SIGTERM not for long without a connection.
    fn drained_at(&self) -> Option<Instant> {
        let Phase::Draining(at) = self.phase else { return None };
        Some(self.termination.limit(at))
    }

    /// Ctrl-D. Who ends a server that others are on is told so, and leaves with the next one.
    fn end(&mut self, stay: Option<oneshot::Sender<()>>) {
        let others = if self.is_own && !self.is_warned { self.talk.others() } else { 0 };
        match stay.filter(|_| others > 0) {
            Some(stay) => {
                self.is_warned = true;
                let whom = if others == 1 { "1 other".to_owned() } else { format!("{others} others") };
                self.talk
                    .notice(&format!("this chat's server ends with it, for {whom} too; Ctrl-D again leaves"));
                self.talk.refresh();
                // The editor's thread waits for it, unless the terminal is gone.
                let _ = stay.send(());
            }
            None => self.leave(),
        }
    }

    /// The user wants to go: what is under way is waited for.
    fn leave(&mut self) {
        if self.phase != Phase::Open {
            return;
        }
        self.phase = Phase::Draining(Instant::now() + DRAIN);
        self.leaving = Some(Leaving { notice_at: Instant::now() + LEAVING_NOTICE, is_told: false });
        self.front.hush();
        if self.talk.printer.state != State::Connected && self.talk.namespaces.pending() > 0 {
            self.tell_wait();
        }
    }

    /// Says what holds the user up.
    fn tell_wait(&mut self) {
        let what = match (self.phase, self.talk.namespaces.pending()) {
            (Phase::Open | Phase::Ended, _) => return,
            (Phase::Draining(_), 1) => "a message to be sent".to_owned(),
            (Phase::Draining(_), count @ 2..) => format!("{count} messages to be sent"),
            (Phase::Draining(_) | Phase::Closing, _) => "the server to close the connection".to_owned(),
        };
        if let Some(leaving) = &mut self.leaving {
            leaving.is_told = true;
        }
        self.talk.notice(&format!("waiting for {what}; Ctrl-C leaves at once"));
    }

    fn move_on(&mut self) {
        let now = Instant::now();
        self.termination.set_connected(self.talk.printer.state == State::Connected);
        if self.talk.typing.next_due().is_some_and(|due| now >= due) {
            self.talk.typing.forget(now);
            self.talk.refresh();
        }
        if now >= self.look_at {
            self.look_at = now + REFRESH_INTERVAL;
            self.talk.refresh();
        }
        if self.leaving.is_some_and(|leaving| !leaving.is_told && now >= leaving.notice_at) {
            self.tell_wait();
        }
        self.talk.show_overdue(now, false);
        self.talk.printer.print_repeats(self.phase == Phase::Ended);
        if self.talk.printer.failed.is_some() {
            self.talk.show_overdue(now, true);
            self.phase = Phase::Ended;
        }
        if let Some(until) = self.drained_at()
            && (self.talk.namespaces.is_empty() || now >= until)
        {
            self.phase = Phase::Closing;
            // Ends by itself: the library closes within its own time limit.
            tokio::spawn(self.talk.client().close());
        }
    }
}

/// Why the browser has not started, where that is so.
async fn browser_failure(opening: &mut Option<JoinHandle<Result<(), String>>>) -> Option<String> {
    match opening {
        Some(opening) => match opening.await {
            Ok(opened) => opened.err(),
            Err(error) => Some(error.to_string()),
        },
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
