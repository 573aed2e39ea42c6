//! The queue between driver and application: batched and bounded. Never blocks the socket.

use crate::event::{Delivery, Event};
use crate::messages::Message;
use crate::session::Diagnostics;
use core::task::Waker;
use futures_util::task::AtomicWaker;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Maximum events that wait for the application: beyond, messages are dropped and [`Event::Lagged`] says how many.
pub(super) const MAX_EVENTS: usize = 65_536;
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
pub(crate) fn message_byte_len(message: &Message) -> usize {
    message.content.len() + message.timestamp.len() + length(message.data.as_ref())
}

/// The bytes an event holds, about: only what a server can make large.
pub(crate) fn byte_len(event: &Event) -> usize {
    match event {
        Event::Message(message) => message_byte_len(message),
        Event::Signal(signal) => length(signal.data.as_ref()),
        Event::Notification(notification) => length(notification.data.as_ref()),
        Event::Frame(frame) => frame.byte_len(),
        Event::ServerError { message, .. } => message.len(),
        Event::Malformed { error, raw, .. } => error.len() + raw.len(),
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
pub(super) struct DrainedEvents {
    pub(super) batch: Option<Vec<Event>>,
    pub(super) source: QueueState,
    /// The queue was nearly full and has room again.
    pub(super) calmed: bool,
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

    /// The application reads no more: nothing is kept from here on.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.unread = true;
        state.batches = VecDeque::new();
        state.events = 0;
        state.bytes = 0;
    }

    /// Wakes `reader` when there is something new.
    pub(super) fn register(&self, reader: &Waker) {
        self.reader.register(reader);
    }

    /// The oldest batch, and what there is to know beside it.
    pub(super) fn take(&self) -> DrainedEvents {
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
