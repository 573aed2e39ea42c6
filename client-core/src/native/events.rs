//! Events on their way to the application: in batches, bounded, and never holding up the socket.

use super::inbox::Inbox;
use crate::event::Event;
use crate::session::Diagnostics;
use core::pin::Pin;
use core::task::{Context, Poll};
use futures_core::Stream;
use futures_util::task::AtomicWaker;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most events that wait for the application: beyond, messages are dropped and [`Event::Lagged`] says how many.
const MOST_EVENTS: usize = 65_536;
/// Most bytes of message content that wait.
const MOST_BYTES: usize = 16 << 20;
/// What an application that never looks cannot be spared: states and outcomes come on top of the bound, up to
/// this many.
const MOST_KEPT: usize = MOST_EVENTS + 65_536;

/// The queue between driver and application.
#[derive(Debug, Default)]
pub(crate) struct EventQueue {
    state: Mutex<State>,
    reader: AtomicWaker,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<Event>,
    bytes: usize,
    skipped: u64,
    ended: bool,
    unread: bool,
    diagnostics: Diagnostics,
}

fn weight(event: &Event) -> usize {
    match event {
        Event::Message(message) => message.content.len() + message.timestamp.len(),
        Event::ServerError { message } => message.len(),
        Event::Garbled { error } => error.len(),
        _ => 0,
    }
}

/// Messages and remarks may be dropped under pressure; states, gaps and outcomes may not.
fn is_droppable(event: &Event) -> bool {
    matches!(
        event,
        Event::Message(_) | Event::UserJoined { .. } | Event::ServerError { .. } | Event::Garbled { .. }
    )
}

impl State {
    fn push(&mut self, event: Event) {
        let weight = weight(&event);
        let full = self.events.len() >= MOST_EVENTS || self.bytes + weight > MOST_BYTES;
        if (full && is_droppable(&event)) || self.events.len() >= MOST_KEPT {
            self.skipped += 1;
            return;
        }
        if self.skipped > 0 && !full {
            self.events.push_back(Event::Lagged { skipped: std::mem::take(&mut self.skipped) });
        }
        self.bytes += weight;
        self.events.push_back(event);
    }
}

impl EventQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here is left half-done by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a batch over.
    pub(crate) fn publish(&self, batch: &mut Vec<Event>, diagnostics: Diagnostics) {
        let mut state = self.lock();
        state.diagnostics = diagnostics;
        if batch.is_empty() {
            return;
        }
        if state.unread {
            batch.clear();
            return;
        }
        for event in batch.drain(..) {
            state.push(event);
        }
        drop(state);
        self.reader.wake();
    }

    pub(crate) fn diagnostics(&self) -> Diagnostics {
        self.lock().diagnostics
    }

    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.reader.wake();
    }

    fn take(&self, into: &mut VecDeque<Event>) -> bool {
        let mut state = self.lock();
        state.bytes = 0;
        std::mem::swap(&mut state.events, into);
        if state.skipped > 0 {
            into.push_back(Event::Lagged { skipped: std::mem::take(&mut state.skipped) });
        }
        state.ended
    }
}

/// Everything that happens to a client, in order. A [`Stream`]; it ends when the client is closed.
///
/// Read it all the time: up to 65,536 events and 16 MiB of messages wait, beyond that messages are dropped and
/// [`Event::Lagged`] says how many. Dropping it is allowed: then nothing is kept.
pub struct Events {
    queue: Arc<EventQueue>,
    inbox: Arc<Inbox>,
    batch: VecDeque<Event>,
}

impl Events {
    pub(crate) fn new(queue: Arc<EventQueue>, inbox: Arc<Inbox>) -> Self {
        Self { queue, inbox, batch: VecDeque::new() }
    }

    /// The next event; `None` when the client is closed and everything has been read.
    ///
    /// Cancel safe: an event not returned is still there.
    pub async fn next(&mut self) -> Option<Event> {
        core::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    /// All events that are there, at least one; empty when the client is closed and everything has been read.
    /// Cheaper than [`Events::next`] for busy rooms.
    ///
    /// Cancel safe: events not returned are still there.
    pub async fn next_batch(&mut self) -> VecDeque<Event> {
        core::future::poll_fn(|cx| self.poll_batch(cx)).await;
        std::mem::take(&mut self.batch)
    }

    /// Ready with `true` when `batch` holds something, `false` when nothing will come any more.
    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if !self.batch.is_empty() {
            return Poll::Ready(true);
        }
        // Registering first: what comes between looking and registering would wake nobody.
        for registered in [false, true] {
            let ended = self.queue.take(&mut self.batch);
            if !self.batch.is_empty() {
                return Poll::Ready(true);
            }
            if ended {
                return Poll::Ready(false);
            }
            if !registered {
                self.queue.reader.register(cx.waker());
            }
        }
        Poll::Pending
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        match self.poll_batch(cx) {
            Poll::Ready(_) => Poll::Ready(self.batch.pop_front()),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Stream for Events {
    type Item = Event;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll_event(cx)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.unread = true;
        state.events = VecDeque::new();
        drop(state);
        self.inbox.events_dropped();
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("batched", &self.batch.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Delivery, DeliveryStatus, Mode, SendId};
    use crate::messages::Message;

    fn message(n: usize) -> Event {
        Event::Message(Message {
            room: "r".into(),
            user: "u".into(),
            content: n.to_string(),
            timestamp: String::new(),
        })
    }

    #[test]
    fn a_slow_application_loses_messages_and_is_told_how_many_but_keeps_every_outcome() {
        let queue = EventQueue::default();
        let mut batch: Vec<Event> = (0..MOST_EVENTS + 5).map(message).collect();
        let status = DeliveryStatus::Written;
        batch.push(Event::Delivery(Delivery { id: SendId(1), room: "r".into(), status }));
        queue.publish(&mut batch, Diagnostics::default());
        let mut events = VecDeque::new();
        queue.take(&mut events);
        assert_eq!(events.pop_back(), Some(Event::Lagged { skipped: 5 }));
        assert!(matches!(events.pop_back(), Some(Event::Delivery(_))));
        assert_eq!(events.len(), MOST_EVENTS);
    }

    #[test]
    fn the_news_of_a_loss_comes_before_what_follows_it() {
        let queue = EventQueue::default();
        let big = "x".repeat(MOST_BYTES / 2 + 1);
        let big = || match message(0) {
            Event::Message(message) => Event::Message(Message { content: big.clone(), ..message }),
            other => other,
        };
        queue.publish(&mut vec![big(), big(), Event::Ready(Mode::Plain), message(1)], Diagnostics::default());
        let mut events = VecDeque::new();
        queue.take(&mut events);
        assert_eq!(events.remove(1), Some(Event::Lagged { skipped: 1 }));
    }
}
