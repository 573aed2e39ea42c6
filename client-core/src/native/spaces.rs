//! One more namespace of a Socket.IO client, as the driver has it: where its handles ask, and where they are told. Decides
//! nothing.

use super::client::ConnectionStatus;
use super::events::{self, EventQueue};
use super::inbox::{Inbox, is_by_event};
use super::machine::Observed;
use super::options::TokenSource;
use super::socket_io::SocketIo;
use super::subscription::Subscriptions;
use super::trace;
use super::waiters::{Waiter, Waiters};
use crate::config::Config;
use crate::event::{Delivery, Event, SendId};
use crate::link::{State, StateChange};
use crate::session::{Diagnostics, Input, Join};
use crate::socketio::{Namespace, OpenError, Session};
use crate::time::Timestamp;
use crate::token::{Credentials, Token, TokenError};
use futures_util::future::BoxFuture;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::sync::watch;

/// The namespaces of one connection that have handles.
#[derive(Debug)]
pub(crate) struct Registry {
    open: Mutex<Vec<Namespace>>,
    config: Config,
}

impl Registry {
    /// That of a client of this server. Its own namespace stays for good; `config` is that of all.
    pub(crate) fn of(server: Option<&SocketIo>, config: &Config) -> Option<Arc<Self>> {
        let open = Mutex::new(vec![server?.namespace.clone()]);
        Some(Arc::new(Self { open, config: config.clone() }))
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

    fn remove(&self, namespace: &Namespace) {
        self.lock().retain(|known| known != namespace);
    }
}

/// Whoever drops it ends it.
pub(crate) struct Space {
    pub(crate) namespace: Namespace,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) joins: Vec<Join>,
    pub(crate) source: Option<TokenSource>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) queue: Arc<EventQueue>,
    pub(crate) subscriptions: Arc<Subscriptions>,
    pub(crate) status: watch::Sender<ConnectionStatus>,
    pub(crate) waiters: Waiters,
    pub(crate) registry: Arc<Registry>,
    pub(crate) rest: Rest,
}

/// What nobody gives it.
#[derive(Default)]
pub(crate) struct Rest {
    fetching: Option<BoxFuture<'static, Result<Token, TokenError>>>,
    inputs: Vec<Input>,
    confirmed: Vec<SendId>,
    events: Vec<Event>,
    outcomes: Vec<Delivery>,
    wakers: Vec<Waker>,
    closed: Option<StateChange>,
}

/// What the handles of a namespace ask for.
pub(crate) struct Asked {
    pub(crate) inputs: Vec<Input>,
    pub(crate) waiters: Vec<Waiter>,
    pub(crate) is_abandoned: bool,
}

impl Space {
    /// What has been asked for since the last time.
    pub(crate) fn take(&mut self, cx: &Context<'_>) -> Asked {
        let mut inputs = std::mem::take(&mut self.rest.inputs);
        let took = self.inbox.take(&mut inputs, &mut self.rest.confirmed, cx);
        self.rest.confirmed.clear();
        self.waiters.given_back(took.given_back);
        Asked { inputs, waiters: took.waiters, is_abandoned: took.is_abandoned }
    }

    /// The token source has been asked.
    pub(crate) fn fetch(&mut self, cx: &mut Context<'_>) {
        trace::fetching_token();
        self.rest.fetching = self.source.as_ref().map(|source| source());
        // A future that was never polled wakes nobody.
        cx.waker().wake_by_ref();
    }

    /// What the token source has answered.
    pub(crate) fn poll_token(&mut self, cx: &mut Context<'_>) -> Option<Result<Token, TokenError>> {
        let fetching = self.rest.fetching.as_mut()?;
        let Poll::Ready(result) = fetching.as_mut().poll(cx) else { return None };
        self.rest.fetching = None;
        Some(result)
    }

    /// Something happened. Gives the bytes that it holds, about.
    pub(crate) fn event(&mut self, event: Event, now: Timestamp) -> usize {
        trace::event(&event, now);
        if !self.waiters.is_empty() {
            self.waiters.observe(&event);
        }
        let weight = events::weight(&event);
        match event {
            Event::Delivery(delivery) if !is_by_event(delivery.id) => self.rest.outcomes.push(delivery),
            Event::State(change) if change.state == State::Closed => {
                self.rest.events.push(Event::State(change.clone()));
                self.rest.closed = Some(change);
            }
            Event::State(change) => {
                self.show_state(&change);
                self.rest.events.push(Event::State(change));
            }
            Event::Ready(mode) => {
                self.status.send_modify(|status| status.ready = Some(mode));
                self.rest.events.push(Event::Ready(mode));
            }
            event => self.rest.events.push(event),
        }
        weight
    }

    fn show_state(&self, change: &StateChange) {
        self.status.send_modify(|status| {
            status.state = change.state;
            status.cause.clone_from(&change.cause);
            status.ready = None;
        });
    }

    /// Gives outcomes and events to those who wait for them. Says whether the namespace has been left, so that nothing
    /// comes behind them.
    pub(crate) fn hand_over(&mut self, session: Option<&Session>) -> bool {
        let Rest { events, outcomes, wakers, closed, .. } = &mut self.rest;
        let closed = closed.take();
        if closed.is_some() {
            // First: whoever sees the end and sends is refused.
            self.inbox.refuse();
        }
        self.inbox.resolve(outcomes, wakers);
        let has_failed = session.is_some_and(|session| session.state() == State::Failed);
        self.subscriptions.publish(events, has_failed);
        let diagnostics = session.map_or_else(Diagnostics::default, Observed::diagnostics);
        self.queue.publish(events, diagnostics, has_failed);
        if has_failed {
            self.inbox.settle();
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
            self.waiters.answer(session, cause.as_ref(), &self.inbox);
        }
        false
    }
}

impl Drop for Space {
    /// However it ends, nobody goes on waiting.
    fn drop(&mut self) {
        self.registry.remove(&self.namespace);
        self.inbox.end();
        self.status.send_modify(|status| {
            status.state = State::Closed;
            status.ready = None;
        });
        self.queue.end();
        self.subscriptions.end();
    }
}

impl fmt::Debug for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Space").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
