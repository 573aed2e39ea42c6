//! The event queue of an application: batched and bounded. Never blocks the socket.

use super::auto_commit::AutoCommit;
use super::command_queue::CommandQueue;
use crate::event::{Delivery, Event};
use crate::messages::Message;
use crate::session::{Diagnostics, Input};
use core::pin::Pin;
use core::task::{Context, Poll};
use futures_core::Stream;
use futures_util::task::AtomicWaker;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Maximum events that wait for the application: beyond, messages are dropped and [`Event::Lagged`] says how many.
const MAX_EVENTS: usize = 65_536;
/// Maximum bytes of message content that wait.
const MAX_BYTES: usize = 16 << 20;
/// What an application that never looks cannot be spared: states and outcomes come on top of the bound, up to
/// this many.
const HARD_MAX_EVENTS: usize = MAX_EVENTS + 65_536;
/// From here on messages of extended rooms are left on the server, to be fetched later: what one read of the socket
/// can still bring has to fit.
const HIGH_WATER_EVENTS: usize = MAX_EVENTS / 4 * 3;
const HIGH_WATER_BYTES: usize = MAX_BYTES / 4 * 3;
/// And from here on they are fetched.
const LOW_WATER_EVENTS: usize = MAX_EVENTS / 4;
const LOW_WATER_BYTES: usize = MAX_BYTES / 4;

/// The queue between driver and application.
#[derive(Debug, Default)]
pub(crate) struct EventQueue {
    state: Mutex<State>,
    reader: AtomicWaker,
}

/// What the driver can still give.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueueState {
    #[default]
    Running,
    /// The connection has failed: nothing more, unless it is requested.
    Failed,
    /// Nothing more.
    Ended,
}

#[derive(Debug, Default)]
struct State {
    /// As the driver handed them over: one allocation for each read of the socket, no move for each event.
    batches: VecDeque<Vec<Event>>,
    events: usize,
    bytes: usize,
    skipped: u64,
    source: QueueState,
    unread: bool,
    busy: bool,
    diagnostics: Diagnostics,
}

fn length(text: Option<&String>) -> usize {
    text.map_or(0, String::len)
}

/// The bytes a message holds, about.
pub(super) fn message_byte_len(message: &Message) -> usize {
    message.content.len() + message.timestamp.len() + length(message.data.as_ref())
}

/// The bytes an event holds, about: only what a server can make large.
pub(super) fn byte_len(event: &Event) -> usize {
    match event {
        Event::Message(message) => message_byte_len(message),
        Event::Signal(signal) => length(signal.data.as_ref()),
        Event::Notification(notification) => length(notification.data.as_ref()),
        Event::Frame(frame) => frame.byte_len(),
        Event::ServerError { message, .. } => message.len(),
        Event::Malformed { error } => error.len(),
        Event::Delivery(Delivery { reply: Some(reply), .. }) => {
            length(reply.answer.as_ref()) + length(reply.message.as_ref())
        }
        _ => 0,
    }
}

/// Messages that nobody can hand out again and remarks may be dropped under pressure; states, gaps and outcomes may
/// not, and messages with a position need not.
fn is_droppable(event: &Event) -> bool {
    match event {
        Event::Message(message) => message.entry.is_none(),
        Event::UserJoined { .. }
        | Event::UserLeft { .. }
        | Event::Presence(_)
        | Event::Signal(_)
        | Event::Frame(_)
        | Event::ServerError { .. }
        | Event::Malformed { .. } => true,
        _ => false,
    }
}

impl State {
    fn push(&mut self, mut batch: Vec<Event>) {
        let bytes: usize = batch.iter().map(byte_len).sum();
        if self.events + batch.len() > MAX_EVENTS || self.bytes + bytes > MAX_BYTES {
            return self.push_fitting(batch);
        }
        if self.skipped > 0 {
            batch.insert(0, Event::Lagged { skipped: std::mem::take(&mut self.skipped) });
        }
        self.bytes += bytes;
        self.events += batch.len();
        self.batches.push_back(batch);
    }

    fn push_fitting(&mut self, batch: Vec<Event>) {
        let mut kept = Vec::new();
        for mut event in batch {
            let full = self.events >= MAX_EVENTS || self.bytes + byte_len(&event) > MAX_BYTES;
            if full && let Event::Delivery(delivery) = &mut event {
                // The outcome stays, what the server sent to it is dropped.
                delivery.reply = None;
            }
            let size = byte_len(&event);
            if (full && is_droppable(&event)) || self.events >= HARD_MAX_EVENTS {
                self.skipped += 1;
                continue;
            }
            if self.skipped > 0 && !full {
                self.events += 1;
                kept.push(Event::Lagged { skipped: std::mem::take(&mut self.skipped) });
            }
            self.bytes += size;
            self.events += 1;
            kept.push(event);
        }
        // An empty batch would look like an empty queue to the reader, with events behind it.
        if !kept.is_empty() {
            self.batches.push_back(kept);
        }
    }
}

/// What a look into the queue gives.
struct DrainedEvents {
    batch: Option<Vec<Event>>,
    source: QueueState,
    /// The queue was nearly full and has room again.
    calmed: bool,
}

impl EventQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here is left half-done by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a batch over, and with it whether the connection has failed: then there is nothing behind the batch. Returns whether the queue has become nearly full by it; whoever empties it again tells the driver.
    pub(crate) fn publish(&self, batch: &mut Vec<Event>, diagnostics: Diagnostics, has_failed: bool) -> bool {
        let mut state = self.lock();
        state.diagnostics = diagnostics;
        state.source = if has_failed { QueueState::Failed } else { QueueState::Running };
        if batch.is_empty() {
            return false;
        }
        if state.unread {
            batch.clear();
            return false;
        }
        state.push(std::mem::take(batch));
        let is_full = state.events >= HIGH_WATER_EVENTS || state.bytes >= HIGH_WATER_BYTES;
        let became_busy = is_full && !state.busy;
        state.busy |= is_full;
        drop(state);
        self.reader.wake();
        became_busy
    }

    pub(crate) fn diagnostics(&self) -> Diagnostics {
        self.lock().diagnostics
    }

    /// Has the reader look again: the driver has handled whatever it was requested.
    pub(crate) fn wake(&self) {
        self.reader.wake();
    }

    pub(crate) fn end(&self) {
        self.lock().source = QueueState::Ended;
        self.reader.wake();
    }

    /// The oldest batch, and what there is to know beside it.
    fn take(&self) -> DrainedEvents {
        let mut state = self.lock();
        let mut batch = state.batches.pop_front();
        if let Some(batch) = &batch {
            state.events -= batch.len();
            state.bytes -= batch.iter().map(byte_len).sum::<usize>();
        } else if state.skipped > 0 {
            batch = Some(vec![Event::Lagged { skipped: std::mem::take(&mut state.skipped) }]);
        }
        let calmed = state.busy && state.events <= LOW_WATER_EVENTS && state.bytes <= LOW_WATER_BYTES;
        state.busy &= !calmed;
        DrainedEvents { batch, source: state.source, calmed }
    }
}

/// Everything that happens to a client, in order. A [`Stream`] that ends when the client is closed, or has
/// [failed](crate::State::Failed) for a reason that trying again does not mend: the last event then is the change of state
/// with its [`Cause`](crate::Cause), which [`Client::terminated`](super::Client::terminated) gives too. After
/// [`Client::connect`](super::Client::connect), [`Client::reconnect`](super::Client::reconnect) or
/// [`Client::set_token`](super::Client::set_token) a stream that ended by a failure continues.
///
/// Read it all the time: up to 65,536 events and 16 MiB of messages wait. Beyond that messages of extended rooms stay
/// on the server until there is room, as long as the server keeps them: what it has meanwhile forgotten is an
/// [`Event::Gap`]. Those of plain rooms are dropped and [`Event::Lagged`] says how many. Dropping
/// the stream is allowed: then nothing is kept.
///
/// [`Client::subscribe`](super::Client::subscribe) gives the messages of one room to any number of other consumers.
///
/// With a stored state, asking for the next event or batch says that the ones before it have been processed, outcomes of
/// sends among them: a later run continues behind them ([`ClientBuilder::manual_commit`](super::ClientBuilder::manual_commit) leaves that to you).
pub struct Events {
    queue: Arc<EventQueue>,
    commands: Arc<CommandQueue>,
    batch: std::vec::IntoIter<Event>,
    /// What the application has taken and not been committed; `None` where nobody asks, or it commits by hand.
    auto_commit: Option<AutoCommit>,
}

impl Events {
    pub(crate) fn new(queue: Arc<EventQueue>, commands: Arc<CommandQueue>, commits: bool) -> Self {
        let taken = commits.then(AutoCommit::default);
        Self { queue, commands, batch: Vec::new().into_iter(), auto_commit: taken }
    }

    /// The next event; `None` when the client is closed or has failed, and everything has been read.
    ///
    /// Cancel safe: an event not returned is still there.
    pub async fn next(&mut self) -> Option<Event> {
        core::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    /// The next events, as many as came together, at least one; empty when the client is closed or has failed,
    /// and everything has been read. Cheaper than [`Events::next`] for busy rooms.
    ///
    /// Cancel safe: events not returned are still there.
    pub async fn next_batch(&mut self) -> Vec<Event> {
        core::future::poll_fn(|cx| self.poll_batch(cx)).await;
        let batch: Vec<Event> = std::mem::take(&mut self.batch).collect();
        if let Some(taken) = &mut self.auto_commit {
            for event in &batch {
                taken.add(event);
            }
        }
        batch
    }

    /// Ready with `true` when `batch` holds something, `false` when nothing will come any more.
    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        // Whoever requests more is done with what he has.
        if let Some(taken) = &mut self.auto_commit {
            taken.commit(|room, position| self.commands.commit(room, position));
            if let Some(outcomes) = taken.outcomes() {
                self.commands.confirm(outcomes);
            }
        }
        if !self.batch.as_slice().is_empty() {
            return Poll::Ready(true);
        }
        // Twice: what comes between looking and registering would wake no task.
        for registered in [false, true] {
            let mut took = self.queue.take();
            let mut is_over = took.source == QueueState::Ended;
            if took.batch.is_none() && took.source == QueueState::Failed && self.commands.is_handled() {
                // Whatever was requested before that look has left its events in the queue by now.
                let calmed = took.calmed;
                took = self.queue.take();
                took.calmed |= calmed;
                is_over = took.source != QueueState::Running;
            }
            if took.calmed {
                self.commands.push(Input::Backpressure(false));
            }
            if let Some(batch) = took.batch {
                self.batch = batch.into_iter();
                return Poll::Ready(true);
            }
            if is_over {
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
            Poll::Ready(_) => {
                let event = self.batch.next();
                if self.batch.as_slice().is_empty() {
                    // Its memory goes with its last event: the next batch may be long in coming.
                    self.batch = Vec::new().into_iter();
                }
                if let (Some(taken), Some(event)) = (&mut self.auto_commit, &event) {
                    taken.add(event);
                }
                Poll::Ready(event)
            }
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
        state.batches = VecDeque::new();
        state.events = 0;
        state.bytes = 0;
        drop(state);
        self.commands.events_dropped();
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("batched", &self.batch.as_slice().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{DeliveryStatus, Mode, SendId};

    fn message(n: usize) -> Event {
        Event::Message(Message::plain("r".into(), "u".into(), n.to_string(), String::new()))
    }

    fn drain(queue: &EventQueue) -> VecDeque<Event> {
        core::iter::from_fn(|| queue.take().batch).flatten().collect()
    }

    #[test]
    fn a_slow_application_loses_messages_and_is_told_how_many_but_keeps_every_outcome() {
        let queue = EventQueue::default();
        let mut batch: Vec<Event> = (0..MAX_EVENTS + 5).map(message).collect();
        let status = DeliveryStatus::Written;
        batch.push(Event::Delivery(Delivery::new(SendId(1), "r".into(), status)));
        queue.publish(&mut batch, Diagnostics::default(), false);
        let mut events = drain(&queue);
        assert_eq!(events.pop_back(), Some(Event::Lagged { skipped: 5 }));
        assert!(matches!(events.pop_back(), Some(Event::Delivery(_))));
        assert_eq!(events.len(), MAX_EVENTS);
    }

    #[test]
    fn after_an_overflow_what_follows_is_read_without_another_event() {
        let queue = Arc::new(EventQueue::default());
        let mut events = Events::new(Arc::clone(&queue), Arc::default(), false);
        queue.publish(&mut (0..MAX_EVENTS).map(message).collect(), Diagnostics::default(), false);
        // Each of them is dropped whole.
        for n in 0..5 {
            queue.publish(&mut vec![message(n)], Diagnostics::default(), false);
        }
        let ready = Event::Ready(Mode::Plain);
        queue.publish(&mut vec![ready.clone()], Diagnostics::default(), false);
        let mut read = Vec::new();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(Some(event)) = events.poll_event(&mut cx) {
            read.push(event);
        }
        assert_eq!(read.split_off(MAX_EVENTS), [ready, Event::Lagged { skipped: 5 }]);
    }

    #[test]
    fn the_news_of_a_loss_comes_before_what_follows_it() {
        let queue = EventQueue::default();
        let big = "x".repeat(MAX_BYTES / 2 + 1);
        let big = || match message(0) {
            Event::Message(message) => Event::Message(Message { content: big.clone(), ..message }),
            other => other,
        };
        queue.publish(
            &mut vec![big(), big(), Event::Ready(Mode::Plain), message(1)],
            Diagnostics::default(),
            false,
        );
        assert_eq!(drain(&queue).remove(1), Some(Event::Lagged { skipped: 1 }));
    }

    fn stamped(n: usize) -> Event {
        let id = crate::id::Id::new("x").unwrap();
        let meta = crate::messages::EntryMeta {
            id: id.clone(),
            epoch: id,
            seq: n as u64,
            replay: false,
            producer: None,
        };
        match message(n) {
            Event::Message(message) => Event::Message(Message { entry: Some(Box::new(meta)), ..message }),
            other => other,
        }
    }

    #[test]
    fn a_nearly_full_queue_says_so_once_and_again_when_it_is_nearly_empty() {
        let queue = EventQueue::default();
        let publish = |count: usize| {
            let mut batch: Vec<Event> = (0..count).map(stamped).collect();
            queue.publish(&mut batch, Diagnostics::default(), false)
        };
        let batches = HIGH_WATER_EVENTS / 1024;
        let became_busy: Vec<bool> = (0..batches + 4).map(|_| publish(1024)).collect();
        assert_eq!(became_busy.iter().position(|became| *became), Some(batches - 1));
        assert_eq!(became_busy.iter().filter(|became| **became).count(), 1);
        let calmed: Vec<bool> = (0..batches + 4).map(|_| queue.take().calmed).collect();
        assert_eq!(calmed.iter().position(|calmed| *calmed), Some(batches + 3 - LOW_WATER_EVENTS / 1024));
        assert_eq!(calmed.iter().filter(|calmed| **calmed).count(), 1);
        assert!(publish(HIGH_WATER_EVENTS));
    }

    #[test]
    fn a_message_with_a_position_is_never_dropped() {
        let queue = EventQueue::default();
        let mut batch: Vec<Event> = (0..MAX_EVENTS).map(message).collect();
        queue.publish(&mut batch, Diagnostics::default(), false);
        queue.publish(&mut vec![message(0), stamped(1)], Diagnostics::default(), false);
        let mut events = drain(&queue);
        assert_eq!(events.pop_back(), Some(Event::Lagged { skipped: 1 }));
        assert_eq!(events.pop_back(), Some(stamped(1)));
    }

    #[test]
    fn what_has_been_read_makes_room_again() {
        let queue = EventQueue::default();
        for _ in 0..3 {
            let mut batch: Vec<Event> = (0..MAX_EVENTS).map(message).collect();
            queue.publish(&mut batch, Diagnostics::default(), false);
            let events = drain(&queue);
            assert_eq!(events.len(), MAX_EVENTS);
        }
        let state = queue.lock();
        assert_eq!((state.events, state.bytes), (0, 0));
    }
}
