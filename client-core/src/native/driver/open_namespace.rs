//! The driver's part of one more Socket.IO namespace: its command queue and its event queue. Decides nothing.

use super::driven_session::ObservedSession;
use super::waiters::Waiters;
use crate::config::Config;
use crate::event::{Delivery, Event, SendId};
use crate::link::{State, StateChange};
use crate::native::commands::{CommandQueue, Waiter, is_reported_by_event};
use crate::native::events::{self, EventQueue, Subscriptions};
use crate::native::options::TokenSource;
use crate::native::status::{ConnectionStatus, Transitions};
use crate::native::trace;
use crate::session::{Diagnostics, Input, Join};
use crate::socketio::{Namespace, OpenError, Session};
use crate::time::Timestamp;
use crate::token::{Credentials, Token, TokenError};
use futures_util::future::BoxFuture;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

/// The namespaces of one connection that have handles, and the way of a new one to the driver.
#[derive(Debug)]
pub(crate) struct NamespaceRegistry {
    open: Mutex<Vec<Namespace>>,
    config: Config,
    /// No longer than `open` is.
    opened: UnboundedSender<OpenNamespace>,
}

impl NamespaceRegistry {
    /// That of a client whose own namespace is `first`, which stays permanently, and what its driver opens; `config` is that
    /// of all.
    pub(crate) fn new(first: Namespace, config: &Config) -> (Arc<Self>, UnboundedReceiver<OpenNamespace>) {
        let (opened, to_open) = unbounded_channel();
        (Arc::new(Self { open: Mutex::new(vec![first]), config: config.clone(), opened }), to_open)
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Namespace>> {
        // Nothing in here is left half-done by a panic.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, namespace: &Namespace) -> Result<(), OpenError> {
        let mut open = self.lock();
        if open.contains(namespace) {
            return Err(OpenError::AlreadyOpen);
        }
        if open.len() > crate::socketio::MAX_NAMESPACES {
            return Err(OpenError::TooMany);
        }
        open.push(namespace.clone());
        Ok(())
    }

    /// A namespace is to be opened; whether the driver takes it. One that it does not take is dropped, which ends it.
    pub(crate) fn open(&self, space: OpenNamespace) -> bool {
        self.opened.send(space).is_ok()
    }

    fn remove(&self, namespace: &Namespace) {
        self.lock().retain(|known| known != namespace);
    }
}

/// Whoever drops it ends it.
pub(crate) struct OpenNamespace {
    pub(crate) namespace: Namespace,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) joins: Vec<Join>,
    pub(crate) source: Option<TokenSource>,
    pub(crate) commands: Arc<CommandQueue>,
    pub(crate) queue: Arc<EventQueue>,
    pub(crate) subscriptions: Arc<Subscriptions>,
    pub(crate) status: watch::Sender<ConnectionStatus>,
    pub(crate) transitions: Transitions,
    pub(crate) waiters: Waiters,
    pub(crate) registry: Arc<NamespaceRegistry>,
    pub(crate) buffers: NamespaceBuffers,
}

/// What nobody gives it.
#[derive(Default)]
pub(crate) struct NamespaceBuffers {
    fetching: Option<BoxFuture<'static, Result<Token, TokenError>>>,
    inputs: Vec<Input>,
    confirmed: Vec<SendId>,
    events: Vec<Event>,
    outcomes: Vec<Delivery>,
    wakers: Vec<Waker>,
    closed: Option<StateChange>,
}

/// What the handles of a namespace request.
pub(crate) struct DrainedNamespace {
    pub(crate) inputs: Vec<Input>,
    pub(crate) waiters: Vec<Waiter>,
    pub(crate) is_abandoned: bool,
}

impl OpenNamespace {
    /// What has been requested since the last time.
    pub(crate) fn drain(&mut self, cx: &Context<'_>) -> DrainedNamespace {
        self.waiters.take_released(cx.waker());
        let mut inputs = std::mem::take(&mut self.buffers.inputs);
        let took = self.commands.drain(&mut inputs, &mut self.buffers.confirmed, cx);
        self.buffers.confirmed.clear();
        DrainedNamespace { inputs, waiters: took.waiters, is_abandoned: took.is_abandoned }
    }

    /// The token source has been asked.
    pub(crate) fn fetch(&mut self, cx: &mut Context<'_>) {
        trace::fetching_token();
        self.buffers.fetching = self.source.as_ref().map(|source| source());
        // A future that was never polled wakes no task.
        cx.waker().wake_by_ref();
    }

    /// What the token source has answered.
    pub(crate) fn poll_token(&mut self, cx: &mut Context<'_>) -> Option<Result<Token, TokenError>> {
        let fetching = self.buffers.fetching.as_mut()?;
        let Poll::Ready(result) = fetching.as_mut().poll(cx) else { return None };
        self.buffers.fetching = None;
        Some(result)
    }

    /// Something happened. Returns the bytes that it holds, about.
    pub(crate) fn event(&mut self, event: Event, now: Timestamp) -> usize {
        trace::event(&event, now);
        if let Event::State(change) = &event {
            self.transitions.push(now, change.clone());
        }
        if !self.waiters.is_empty() {
            self.waiters.observe(&event);
        }
        let size = events::byte_len(&event);
        match event {
            Event::Delivery(delivery) if !is_reported_by_event(delivery.id) => {
                self.buffers.outcomes.push(delivery);
            }
            Event::State(change) if change.state == State::Closed => {
                self.buffers.events.push(Event::State(change.clone()));
                self.buffers.closed = Some(change);
            }
            Event::State(change) => {
                self.show_state(&change);
                self.buffers.events.push(Event::State(change));
            }
            Event::Ready(mode) => {
                self.status.send_modify(|status| status.ready = Some(mode));
                self.buffers.events.push(Event::Ready(mode));
            }
            event => self.buffers.events.push(event),
        }
        size
    }

    fn show_state(&self, change: &StateChange) {
        self.status.send_modify(|status| {
            status.state = change.state;
            status.cause.clone_from(&change.cause);
            status.ready = None;
        });
    }

    /// Gives outcomes and events to those who wait for them. Returns whether the namespace has been left, so that nothing
    /// comes behind them.
    pub(crate) fn publish(&mut self, session: Option<&Session>) -> bool {
        let NamespaceBuffers { events, outcomes, wakers, closed, .. } = &mut self.buffers;
        let closed = closed.take();
        if closed.is_some() {
            // First: whoever sees the end and sends is refused.
            self.commands.close();
        }
        self.commands.resolve(outcomes, wakers);
        let has_failed = session.is_some_and(|session| session.state() == State::Failed);
        self.subscriptions.publish(events, has_failed);
        let diagnostics = session.map_or_else(Diagnostics::default, ObservedSession::diagnostics);
        self.queue.publish(events, diagnostics, has_failed);
        if has_failed {
            self.commands.mark_handled();
            self.queue.wake();
            self.subscriptions.wake();
        }
        if let Some(change) = closed {
            self.show_state(&change);
            return true;
        }
        if let Some(session) = session
            && !self.waiters.is_empty()
        {
            let cause = self.status.borrow().cause.clone();
            self.waiters.answer(session, cause.as_ref());
        }
        false
    }
}

impl Drop for OpenNamespace {
    /// However it ends, every waiter is notified.
    fn drop(&mut self) {
        self.registry.remove(&self.namespace);
        self.commands.end();
        self.status.send_modify(|status| {
            status.state = State::Closed;
            status.ready = None;
        });
        self.queue.end();
        self.subscriptions.end();
    }
}

impl fmt::Debug for OpenNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Space").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
