//! The task around a session: moves inputs and outputs. Decides nothing.

mod codec;
mod driven_session;
#[cfg(feature = "socketio")]
mod namespaces;
#[cfg(feature = "socketio")]
mod open_namespace;
mod outputs;
mod socket;
mod sockets;
mod storing;
mod token_mask;
mod waiters;

pub(crate) use codec::FrameCodec;
#[cfg(feature = "socketio")]
pub(crate) use codec::PacketCodec;
pub use codec::SOCKET_IO_DETECTED;
pub(crate) use driven_session::DrivenSession;
#[cfg(feature = "socketio")]
pub(crate) use open_namespace::{NamespaceBuffers, NamespaceRegistry, OpenNamespace};
pub(crate) use waiters::{OutboxCapacity, Waiters};

use crate::cause::DialError;
use crate::event::{Delivery, Event, SendId};
use crate::link::{ConnId, State, StateChange};
use crate::native::clock::Clock;
use crate::native::commands::{CommandQueue, Requests};
use crate::native::connect::{Endpoint, FrameStream, WebSocketConnector};
use crate::native::events::{EventQueue, Subscriptions};
use crate::native::options::TokenSource;
use crate::native::status::{ConnectionStatus, Transitions};
use crate::native::store::Persister;
use crate::recording::Recorder;
use crate::session::{Command, Input};
use crate::time::{ClockReading, Timestamp};
use crate::token::{Token, TokenError};
use codec::{Codec, InputOf};
use futures_util::future::BoxFuture;
use socket::Socket;
use sockets::Sockets;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use token_mask::TokenMask;
#[cfg(feature = "socketio")]
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::Sleep;

/// Frames read before their events are handed over and the outputs are written.
const BATCH: usize = 512;
/// Bytes of events at which they are handed over before that.
const BATCH_BYTES: usize = 1 << 20;
/// A buffer of no more inputs than this is given back when it is empty: most connections are quiet.
const KEPT_INPUTS: usize = 64;
/// Rounds before other tasks of the runtime get their turn.
const MAX_ROUNDS: usize = 8;
/// The timer is set back only for a deadline this much later: on a busy connection it moves with every frame.
const TIMER_SLACK: Duration = Duration::from_secs(1);

type Dialing = BoxFuture<'static, Result<FrameStream, DialError>>;

/// What a driver has around its session.
pub(crate) struct DriverParts {
    pub(crate) endpoints: Arc<[Endpoint]>,
    pub(crate) dialer: WebSocketConnector,
    pub(crate) source: Option<TokenSource>,
    pub(crate) commands: Arc<CommandQueue>,
    pub(crate) queue: Arc<EventQueue>,
    pub(crate) subscriptions: Arc<Subscriptions>,
    pub(crate) capacity: OutboxCapacity,
    pub(crate) status: watch::Sender<ConnectionStatus>,
    pub(crate) transitions: Transitions,
    pub(crate) clock: Clock,
    pub(crate) persister: Option<Box<Persister>>,
    pub(crate) requests: Option<Arc<Requests>>,
    #[cfg(feature = "sse")]
    pub(crate) websocket_retry: Duration,
    #[cfg(feature = "socketio")]
    pub(crate) to_open: Option<UnboundedReceiver<OpenNamespace>>,
}

pub(crate) struct Driver<M: DrivenSession> {
    session: M,
    /// What the codec of each connection is made from.
    codec: M::Codec,
    endpoints: Arc<[Endpoint]>,
    dialer: WebSocketConnector,
    source: Option<TokenSource>,
    commands: Arc<CommandQueue>,
    queue: Arc<EventQueue>,
    subscriptions: Arc<Subscriptions>,
    status: watch::Sender<ConnectionStatus>,
    transitions: Transitions,
    clock: Clock,
    now: ClockReading,
    dialing: Option<(ConnId, Dialing)>,
    fetching: Option<BoxFuture<'static, Result<Token, TokenError>>>,
    sockets: Sockets<M::Codec>,
    persister: Option<Box<Persister>>,
    requests: Option<Arc<Requests>>,
    /// Frames that wait for a store that fails. The session gives no more than a connection takes.
    held_frames: Vec<(ConnId, u64, <M::Codec as Codec>::Sent)>,
    token_mask: TokenMask,
    /// Outcomes that the application has processed; its allocation is reused.
    confirmed: Vec<SendId>,
    /// Closed, which is reported when everything is stored.
    closed: Option<StateChange>,
    timer: Option<Pin<Box<Sleep>>>,
    timer_deadline: Option<Timestamp>,
    inputs: Vec<Input>,
    events: Vec<Event>,
    /// Bytes of them, about.
    event_bytes: usize,
    outcomes: Vec<Delivery>,
    wakers: Vec<Waker>,
    waiters: Waiters,
    recorder: Option<Recorder>,
    #[cfg(feature = "sse")]
    websocket_retry: Duration,
    /// Other namespaces that have been requested, and those that are open.
    #[cfg(feature = "socketio")]
    to_open: Option<UnboundedReceiver<OpenNamespace>>,
    #[cfg(feature = "socketio")]
    namespaces: Vec<OpenNamespace>,
}

impl<M: DrivenSession> Driver<M> {
    pub(crate) fn new(mut session: M, codec: M::Codec, surroundings: DriverParts) -> Self {
        let DriverParts { endpoints, dialer, source, commands, queue, subscriptions, .. } = surroundings;
        let DriverParts { capacity: room, status, transitions, clock, persister, requests, .. } =
            surroundings;
        #[cfg(feature = "sse")]
        let DriverParts { websocket_retry, .. } = surroundings;
        #[cfg(feature = "socketio")]
        let DriverParts { to_open, .. } = surroundings;
        if persister.is_some() {
            session.track_changes();
        }
        let mut driver = Self {
            session,
            codec,
            endpoints,
            dialer,
            source,
            commands,
            queue,
            subscriptions,
            status,
            transitions,
            clock,
            now: ClockReading::default(),
            dialing: None,
            fetching: None,
            sockets: Sockets::default(),
            persister,
            requests,
            held_frames: Vec::new(),
            token_mask: TokenMask::default(),
            confirmed: Vec::new(),
            closed: None,
            timer: None,
            timer_deadline: None,
            inputs: Vec::new(),
            events: Vec::new(),
            event_bytes: 0,
            outcomes: Vec::new(),
            wakers: Vec::new(),
            waiters: Waiters::new(room),
            recorder: None,
            #[cfg(feature = "sse")]
            websocket_retry,
            #[cfg(feature = "socketio")]
            to_open,
            #[cfg(feature = "socketio")]
            namespaces: Vec::new(),
        };
        driver.update_now();
        driver
    }

    /// Records from here on what happens.
    pub(crate) fn record(&mut self, recorder: Option<Recorder>) {
        self.recorder = recorder;
    }

    pub(crate) fn input(&mut self, input: InputOf<M::Codec>) {
        if let Some(recorder) = &mut self.recorder {
            M::record_input(recorder, self.now, &input);
        }
        self.session.handle(self.now, input);
    }

    /// Once per round: a clock read per frame would cost as much as a short frame's parsing.
    fn update_now(&mut self) {
        self.now = self.clock.now();
    }

    /// One pass over everything that can be ready. Returns whether anything was.
    fn round(&mut self, cx: &mut Context<'_>) -> bool {
        self.update_now();
        let mut busy = self.take_inputs(cx);
        #[cfg(feature = "socketio")]
        {
            busy |= self.drain_namespaces(cx);
        }
        busy |= self.poll_token(cx);
        busy |= self.poll_dial(cx);
        // While the store is waited for, what arrives stays in the socket, and no deadline is met: what has arrived
        // is activity that a late one must not overlook. One that fails is not waited for.
        if !self.is_holding() {
            busy |= self.read(cx);
            busy |= self.poll_timer(cx);
        }
        self.perform(cx);
        if let Some((conn, through)) = self.sockets.poll_flush(cx) {
            self.input(Input::Flushed(conn, through));
            self.perform(cx);
            busy = true;
        }
        busy |= self.publish(cx);
        #[cfg(feature = "socketio")]
        self.publish_namespaces();
        busy |= self.store(cx);
        busy
    }

    fn take_inputs(&mut self, cx: &mut Context<'_>) -> bool {
        self.waiters.take_released(cx.waker());
        // Before the commands: what was requested before one is among them.
        #[cfg(feature = "socketio")]
        let opened = self.take_opened(cx);
        let mut inputs = std::mem::take(&mut self.inputs);
        let took = self.commands.drain(&mut inputs, &mut self.confirmed, cx);
        let busy = !inputs.is_empty() || !self.confirmed.is_empty() || !took.waiters.is_empty();
        #[cfg(feature = "socketio")]
        let busy = busy || !opened.is_empty();
        for id in self.confirmed.drain(..) {
            if let Some(persister) = &mut self.persister {
                persister.confirm(id);
            }
        }
        for input in inputs.drain(..) {
            if matches!(input, Input::Command(Command::Close)) {
                self.begin_persisting_close();
            }
            if let Some(input) = M::convert(input) {
                self.input(input);
            }
            self.perform(cx);
        }
        for waiter in took.waiters {
            self.waiters.add(waiter, self.session.session());
        }
        #[cfg(feature = "socketio")]
        for space in opened {
            self.open(space);
        }
        if inputs.capacity() > KEPT_INPUTS {
            self.inputs = inputs;
        }
        if took.is_abandoned && !matches!(self.session.state(), State::Closing | State::Closed) {
            self.begin_persisting_close();
            self.input(Input::Command(Command::Close));
            return true;
        }
        busy
    }

    fn poll_token(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(fetching) = &mut self.fetching else { return false };
        let Poll::Ready(result) = fetching.as_mut().poll(cx) else { return false };
        self.fetching = None;
        if let Ok(token) = &result {
            self.token_mask.note(token);
        }
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
                self.sockets.add(Socket::new(conn, stream, self.codec.for_connection()));
                self.input(Input::Opened(conn));
            }
            Err(error) => self.input(Input::DialFailed(conn, error)),
        }
        true
    }

    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        for count in 0..BATCH {
            let Poll::Ready(input) = self.sockets.poll_read(cx) else { return count > 0 };
            self.input(input);
            // At once: a queue of outputs as long as a batch would stay allocated permanently. What has to be stored first is
            // stored with the whole batch.
            self.perform(cx);
            if self.event_bytes >= BATCH_BYTES {
                break;
            }
        }
        true
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = self.session.next_deadline() else {
            self.timer_deadline = None;
            return false;
        };
        if deadline <= self.now.monotonic {
            self.input(Input::Tick);
            return true;
        }
        let at = self.clock.instant_at(self.now.monotonic, deadline);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if self.timer_deadline.is_none_or(|armed| deadline < armed || deadline > armed + TIMER_SLACK) {
            self.timer_deadline = Some(deadline);
            timer.as_mut().reset(at);
        }
        let fired = timer.as_mut().poll(cx).is_ready();
        if fired {
            // Due or early: the next round looks at the clock again and decides.
            self.timer_deadline = None;
        }
        fired
    }

    /// Gives outcomes and events to those who wait for them. Returns whether that was so much that the session has
    /// been reported to be careful.
    fn publish(&mut self, cx: &mut Context<'_>) -> bool {
        // Outcomes are reported when they are stored, and the end when everything is.
        if self.persister.as_ref().is_some_and(|persister| persister.is_holding() || persister.is_closing()) {
            return false;
        }
        self.fail_unstored();
        self.event_bytes = 0;
        self.commands.resolve(&mut self.outcomes, &mut self.wakers);
        let has_failed = self.session.state() == State::Failed;
        self.subscriptions.publish(&self.events, has_failed);
        let became_busy =
            self.queue.publish(&mut self.events, self.session.session().diagnostics(), has_failed);
        if has_failed {
            self.commands.mark_handled();
            self.queue.wake();
            self.subscriptions.wake();
        }
        if !self.waiters.is_empty() {
            let cause = self.status.borrow().cause.clone();
            self.waiters.answer(self.session.session(), cause.as_ref());
        }
        if became_busy {
            self.input(Input::Backpressure(true));
            self.perform(cx);
        }
        became_busy
    }

    fn flush_recording(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.flush();
        }
    }

    /// Stores what is left to be stored, lets go of the store, and only then says that all is over.
    fn finish(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.store(cx);
        if self.persister.as_ref().is_some_and(|persister| persister.is_closing()) {
            return Poll::Pending;
        }
        self.fail_unstored();
        self.persister = None;
        if let Some(change) = self.closed.take() {
            // First: whoever sees the end and sends is refused, and does not wait for a driver that is about to go.
            self.commands.close();
            #[cfg(feature = "socketio")]
            if let Some(to_open) = &mut self.to_open {
                to_open.close();
            }
            self.show_state(&change);
        }
        self.publish(cx);
        #[cfg(feature = "socketio")]
        self.publish_namespaces();
        Poll::Ready(())
    }
}

impl<M: DrivenSession> Future for Driver<M> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        for _ in 0..MAX_ROUNDS {
            if this.closed.is_some() {
                return this.finish(cx);
            }
            let busy = this.round(cx);
            if !busy && this.closed.is_none() {
                this.session.shrink_to_fit();
                this.flush_recording();
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<M: DrivenSession> Drop for Driver<M> {
    /// However it ends, every waiter is notified.
    fn drop(&mut self) {
        self.flush_recording();
        self.commands.end();
        if let Some(requests) = &self.requests {
            requests.end();
        }
        self.queue.end();
        self.subscriptions.end();
    }
}
