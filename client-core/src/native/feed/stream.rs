//! The handle to a feed, and its event queue.

use crate::feed::{FeedEvent, FeedInput};
use crate::link::{Hint, State, StateChange};
use crate::native::clock::Clock;
use crate::time::Timestamp;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use futures_core::Stream;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Bytes of events that wait for the application; then the socket is not read.
const MAX_BYTES: u32 = 4 << 20;
/// What an event weighs at least: at most 16,384 of them wait.
const MIN_EVENT_BYTES: u32 = 256;
/// Requests that wait for the task.
const MAX_REQUESTS: usize = 64;

/// An event on its way.
struct Envelope {
    event: FeedEvent,
    last_event_id: Option<Arc<str>>,
    /// Its place in the queue.
    _permit: Option<OwnedSemaphorePermit>,
}

/// The task's end of it.
pub(crate) struct EventSender {
    queue: UnboundedSender<Envelope>,
    /// What bounds the queue.
    room: Arc<Semaphore>,
    pub(crate) state: watch::Sender<StateChange>,
}

/// An event that there is no room for yet.
#[derive(Debug)]
pub(crate) struct PendingEvent {
    event: FeedEvent,
    last_event_id: Option<Arc<str>>,
}

impl PendingEvent {
    pub(crate) fn new(event: FeedEvent, last_event_id: Option<Arc<str>>) -> Self {
        Self { event, last_event_id }
    }

    fn byte_len(&self) -> u32 {
        let bytes = match &self.event {
            FeedEvent::Message(message) => {
                message.content.len() + message.timestamp.len() + message.data.as_ref().map_or(0, String::len)
            }
            FeedEvent::Event { name, data, id } => {
                name.len() + data.len() + id.as_ref().map_or(0, |id| id.len())
            }
            FeedEvent::Malformed { error } => error.len(),
            _ => 0,
        };
        u32::try_from(bytes).unwrap_or(u32::MAX).clamp(MIN_EVENT_BYTES, MAX_BYTES)
    }
}

impl EventSender {
    /// Queues it at once, or gives it back where there is no room. Without a reader it is dropped.
    pub(crate) fn try_send(&self, waiting: PendingEvent) -> Option<PendingEvent> {
        match Arc::clone(&self.room).try_acquire_many_owned(waiting.byte_len()) {
            Ok(permit) => {
                self.send(waiting, Some(permit));
                None
            }
            Err(_) => Some(waiting),
        }
    }

    /// Waits for room for it.
    ///
    /// Cancel safe.
    pub(crate) async fn reserve(&self, waiting: &PendingEvent) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.room).acquire_many_owned(waiting.byte_len()).await.ok()
    }

    /// Reports it, in the room that was waited for, or beyond the bound at the very end.
    pub(crate) fn send(&self, waiting: PendingEvent, permit: Option<OwnedSemaphorePermit>) {
        let PendingEvent { event, last_event_id } = waiting;
        // Nobody may be there any more.
        let _ = self.queue.send(Envelope { event, last_event_id, _permit: permit });
    }
}

/// Both ends, and what the application requests.
pub(crate) fn feed_channel(clock: Clock) -> (FeedStream, EventSender, Receiver<FeedInput>) {
    let (queue, events) = unbounded_channel();
    let (asking, requests) = channel(MAX_REQUESTS);
    let (state, states) = watch::channel(StateChange { state: State::Connecting, cause: None });
    let room = Arc::new(Semaphore::new(MAX_BYTES as usize));
    let stream = FeedStream {
        events,
        requests: Some(asking),
        states,
        last_event_id: None,
        failed: AtomicBool::new(false),
        clock,
    };
    (stream, EventSender { queue, room, state }, requests)
}

/// A room that is being read: its events, in order. A [`Stream`]; it ends when the reading has been
/// [closed](FeedStream::close) or has [failed](State::Failed) for a reason that trying again does not mend: the last event
/// then is the change of state with its cause, and after [`FeedStream::reconnect`] the stream continues. Dropping it ends the
/// reading too.
///
/// Up to 4 MiB of events wait for you; then the socket is not read any more, and the server keeps what follows.
pub struct FeedStream {
    events: UnboundedReceiver<Envelope>,
    /// Gone when the end has been requested.
    requests: Option<Sender<FeedInput>>,
    states: watch::Receiver<StateChange>,
    last_event_id: Option<Arc<str>>,
    /// The last change of state taken is the failure, and nobody has requested another connection since.
    failed: AtomicBool,
    clock: Clock,
}

impl FeedStream {
    /// The next event; `None` when the reading has ended or failed, and everything has been taken.
    ///
    /// Cancel safe: an event not returned is still there.
    pub async fn next(&mut self) -> Option<FeedEvent> {
        core::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<FeedEvent>> {
        let next = match self.events.poll_recv(cx) {
            Poll::Pending if *self.failed.get_mut() => None,
            next => ready!(next),
        };
        Poll::Ready(next.map(|envelope| {
            self.last_event_id = envelope.last_event_id;
            if let FeedEvent::State(change) = &envelope.event {
                *self.failed.get_mut() = change.state == State::Failed;
            }
            envelope.event
        }))
    }

    /// What another process has to be given as [`since`](crate::FeedBuilder::since) to continue behind the event that
    /// was taken last.
    pub fn last_event_id(&self) -> Option<&str> {
        self.last_event_id.as_deref()
    }

    /// The connection as it is now, and why.
    pub fn state(&self) -> StateChange {
        self.states.borrow().clone()
    }

    /// The clock that the `retry_at` of a state is to be read against.
    pub fn now(&self) -> Timestamp {
        self.clock.monotonic()
    }

    /// Reports what the platform noticed about the network.
    pub fn hint(&self, hint: Hint) {
        self.request(FeedInput::Hint(hint));
    }

    /// Replaces the connection by a fresh one, or dials at once instead of waiting, also out of `failed`. The limit of 6
    /// dials in 30 s holds here too.
    pub fn reconnect(&self) {
        self.failed.store(false, Ordering::Relaxed);
        self.request(FeedInput::Reconnect);
    }

    fn request(&self, input: FeedInput) {
        if let Some(requests) = &self.requests {
            // Full: as many as that have been requested already, and one of them will do.
            let _ = requests.try_send(input);
        }
    }

    /// Ends the reading, and waits until connection and task are gone, which takes no answer of the server's. What had
    /// come before can still be taken.
    ///
    /// Cancel safe: the end continues without the waiting.
    pub async fn close(&mut self) {
        self.requests = None;
        while self.states.changed().await.is_ok() {}
    }
}

impl Stream for FeedStream {
    type Item = FeedEvent;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<FeedEvent>> {
        self.poll_event(cx)
    }
}

impl fmt::Debug for FeedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedStream").field("state", &self.state().state).finish_non_exhaustive()
    }
}
