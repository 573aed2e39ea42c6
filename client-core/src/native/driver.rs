//! The task around a session: it moves inputs and outputs and decides nothing.

use super::builder::TokenSource;
use super::client::Snapshot;
use super::dial::Dialer;
use super::endpoint::Endpoint;
use super::events::EventQueue;
use super::inbox::{Inbox, is_by_event};
use super::socket::Socket;
use super::transport::Transport;
use crate::cause::{DialError, DialErrorKind};
use crate::event::{Delivery, Event};
use crate::link::{ConnId, State};
use crate::session::{Command, Input, Output, Session};
use crate::time::{Moment, Timestamp};
use crate::token::{Token, TokenError};
use futures_util::future::BoxFuture;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::time::Sleep;
use tokio_tungstenite::WebSocketStream;

/// Frames read before their events are handed over and the outputs are written.
const BATCH: usize = 512;
/// A buffer of no more inputs than this is given back when it is empty: most connections are quiet.
const QUIET: usize = 64;
/// Rounds before other tasks of the runtime get their turn.
const ROUNDS: usize = 8;
/// The timer is set back only for a deadline this much later: on a busy connection it moves with every frame.
const LAZY: Duration = Duration::from_secs(1);
/// A deadline further away is looked at again then.
const FURTHEST: Duration = Duration::from_secs(86_400);

type Dialing = BoxFuture<'static, Result<WebSocketStream<Transport>, DialError>>;

pub(crate) struct Driver {
    session: Session,
    endpoints: Arc<[Endpoint]>,
    dialer: Dialer,
    source: Option<TokenSource>,
    inbox: Arc<Inbox>,
    queue: Arc<EventQueue>,
    snapshot: watch::Sender<Snapshot>,
    start: Instant,
    now: Moment,
    dialing: Option<(ConnId, Dialing)>,
    fetching: Option<BoxFuture<'static, Result<Token, TokenError>>>,
    socket: Option<Socket>,
    timer: Option<Pin<Box<Sleep>>>,
    armed: Option<Timestamp>,
    inputs: Vec<Input>,
    events: Vec<Event>,
    outcomes: Vec<Delivery>,
    wakers: Vec<Waker>,
}

impl Driver {
    #[expect(
        clippy::too_many_arguments,
        reason = "called once, by the builder; a struct would only rename it"
    )]
    pub(crate) fn new(
        session: Session,
        endpoints: Arc<[Endpoint]>,
        dialer: Dialer,
        source: Option<TokenSource>,
        inbox: Arc<Inbox>,
        queue: Arc<EventQueue>,
        snapshot: watch::Sender<Snapshot>,
        start: Instant,
    ) -> Self {
        let mut driver = Self {
            session,
            endpoints,
            dialer,
            source,
            inbox,
            queue,
            snapshot,
            start,
            now: Moment::default(),
            dialing: None,
            fetching: None,
            socket: None,
            timer: None,
            armed: None,
            inputs: Vec::new(),
            events: Vec::new(),
            outcomes: Vec::new(),
            wakers: Vec::new(),
        };
        driver.look_at_the_clock();
        driver
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.session.handle(self.now, input);
    }

    /// Once per round: a clock read per frame would cost as much as a short frame's parsing.
    fn look_at_the_clock(&mut self) {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.now = Moment::new(Timestamp::new(self.start.elapsed()), wall);
    }

    /// One pass over everything that can be ready. Says whether anything was.
    fn round(&mut self, cx: &mut Context<'_>) -> bool {
        self.look_at_the_clock();
        let mut busy = self.take_inputs(cx);
        busy |= self.poll_token(cx);
        busy |= self.poll_dial(cx);
        // Before the timer: what has arrived is proof of life that a late deadline must not overlook.
        busy |= self.read(cx);
        busy |= self.poll_timer(cx);
        self.perform(cx);
        if let Some(socket) = &mut self.socket
            && let Some(through) = socket.poll_flush(cx)
        {
            let conn = socket.conn;
            self.input(Input::Flushed(conn, through));
            self.perform(cx);
            busy = true;
        }
        self.hand_over();
        busy
    }

    fn take_inputs(&mut self, cx: &mut Context<'_>) -> bool {
        let mut inputs = std::mem::take(&mut self.inputs);
        let abandoned = self.inbox.take(&mut inputs, cx);
        let busy = !inputs.is_empty();
        for input in inputs.drain(..) {
            self.input(input);
            self.perform(cx);
        }
        if inputs.capacity() > QUIET {
            self.inputs = inputs;
        }
        if abandoned && !matches!(self.session.state(), State::Closing | State::Closed) {
            self.input(Input::Command(Command::Close));
            return true;
        }
        busy
    }

    fn poll_token(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(fetching) = &mut self.fetching else { return false };
        let Poll::Ready(result) = fetching.as_mut().poll(cx) else { return false };
        self.fetching = None;
        self.input(Input::Token(result));
        true
    }

    fn poll_dial(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((conn, dialing)) = &mut self.dialing else { return false };
        let Poll::Ready(result) = dialing.as_mut().poll(cx) else { return false };
        let conn = *conn;
        self.dialing = None;
        match result {
            Ok(stream) => {
                self.socket = Some(Socket::new(conn, stream));
                self.input(Input::Opened(conn));
            }
            Err(error) => self.input(Input::DialFailed(conn, error)),
        }
        true
    }

    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        for count in 0..BATCH {
            let Some(socket) = &mut self.socket else { return count > 0 };
            let Poll::Ready(input) = socket.poll_read(cx) else { return count > 0 };
            if matches!(input, Input::Closed(..)) {
                // The answer to a close frame is in the buffer; one try to get it out.
                socket.poll_flush(cx);
                self.socket = None;
            }
            self.input(input);
            // At once: a queue of outputs as long as a batch would stay allocated for good.
            self.perform(cx);
        }
        true
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = self.session.next_deadline() else {
            self.armed = None;
            return false;
        };
        if deadline <= self.now.monotonic {
            self.input(Input::Tick);
            return true;
        }
        let at = tokio::time::Instant::from_std(self.start)
            + deadline.since_start().min(self.now.monotonic.since_start().saturating_add(FURTHEST));
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if self.armed.is_none_or(|armed| deadline < armed || deadline > armed + LAZY) {
            self.armed = Some(deadline);
            timer.as_mut().reset(at);
        }
        let fired = timer.as_mut().poll(cx).is_ready();
        if fired {
            // Due or early: the next round looks at the clock again and decides.
            self.armed = None;
        }
        fired
    }

    fn perform(&mut self, cx: &mut Context<'_>) {
        while let Some(output) = self.session.poll() {
            match output {
                Output::Send { conn, frame, message } => {
                    if let Some(socket) = self.socket_of(conn) {
                        socket.write(frame, &message);
                    }
                }
                Output::Event(event) => self.event(event),
                Output::Ping { conn } => {
                    if let Some(socket) = self.socket_of(conn) {
                        socket.ping();
                    }
                }
                Output::Close { conn, code } => {
                    if let Some(socket) = self.socket_of(conn) {
                        socket.close(code);
                    }
                }
                Output::Abandon { conn, code } => self.abandon(conn, code, cx),
                Output::Dial { conn, endpoint, token, attempt: _, extended: _, url: _ } => {
                    self.dial(conn, endpoint, token);
                    // A future that was never polled wakes nobody.
                    cx.waker().wake_by_ref();
                }
                Output::Save => {}
                Output::FetchToken { rejected: _ } => {
                    self.fetching = self.source.as_ref().map(|source| source());
                    cx.waker().wake_by_ref();
                }
            }
        }
    }

    fn socket_of(&mut self, conn: ConnId) -> Option<&mut Socket> {
        self.socket.as_mut().filter(|socket| socket.conn == conn)
    }

    fn dial(&mut self, conn: ConnId, endpoint: usize, token: Option<Token>) {
        let dialer = self.dialer.clone();
        let endpoints = Arc::clone(&self.endpoints);
        let dialing: Dialing = Box::pin(async move {
            match endpoints.get(endpoint) {
                Some(endpoint) => dialer.dial(endpoint, token.as_ref()).await,
                None => Err(DialError::new(DialErrorKind::Dns, "there is no such URL")),
            }
        });
        self.dialing = Some((conn, dialing));
    }

    fn abandon(&mut self, conn: ConnId, code: u16, cx: &mut Context<'_>) {
        self.dialing.take_if(|(dialing, _)| *dialing == conn);
        if let Some(mut socket) = self.socket.take_if(|socket| socket.conn == conn) {
            socket.close(code);
            socket.poll_flush(cx);
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Delivery(delivery) if !is_by_event(delivery.id) => self.outcomes.push(delivery),
            Event::State(change) => {
                self.snapshot.send_modify(|snapshot| {
                    snapshot.state = change.state;
                    snapshot.cause.clone_from(&change.cause);
                    snapshot.ready = None;
                });
                self.events.push(Event::State(change));
            }
            Event::Ready(mode) => {
                self.snapshot.send_modify(|snapshot| snapshot.ready = Some(mode));
                self.events.push(Event::Ready(mode));
            }
            other => self.events.push(other),
        }
    }

    fn hand_over(&mut self) {
        self.inbox.resolve(&mut self.outcomes, &mut self.wakers);
        self.queue.publish(&mut self.events, self.session.diagnostics());
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        for _ in 0..ROUNDS {
            let busy = this.round(cx);
            if this.session.state() == State::Closed {
                return Poll::Ready(());
            }
            if !busy {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Driver {
    /// However it ends, nobody goes on waiting.
    fn drop(&mut self) {
        self.inbox.end();
        self.queue.end();
    }
}
