//! Subscriptions to single rooms: a bounded queue for each consumer, filled by the driver beside the one of
//! [`Events`](crate::Events). Never blocks the driver.

use super::queue::{QueueState, message_byte_len};
use crate::event::Event;
use crate::messages::Gap;
use crate::messages::Message;
use crate::name::Name;
use crate::native::commands::CommandQueue;
use core::pin::Pin;
use core::task::{Context, Poll};
use futures_core::Stream;
use futures_util::task::AtomicWaker;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Maximum items that wait in one subscription.
const MAX_ITEMS: usize = 4096;
/// Maximum bytes of their messages. One message alone may be larger.
const MAX_BYTES: usize = 4 << 20;

/// Why messages of a room are missing in a [`Subscription`]. It does not end the stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Missed {
    /// The subscription was read too slowly: so many items were dropped here. Other consumers have them.
    #[error("{0} messages were dropped here: the subscription is read too slowly")]
    Lagged(u64),
    /// The client itself has missed messages of the room, as [`Event::Gap`] tells.
    #[error("messages of the room were missed: {}", .0.reason.as_str())]
    Gap(Gap),
}

type Item = Result<Message, Missed>;

/// All subscriptions of a client.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    registry: Mutex<QueueList>,
}

#[derive(Debug, Default)]
struct QueueList {
    queues: Vec<Arc<Queue>>,
    source: QueueState,
}

/// What waits for one consumer.
#[derive(Debug)]
struct Queue {
    room: Name,
    items: Mutex<QueuedItems>,
    reader: AtomicWaker,
}

#[derive(Debug, Default)]
struct QueuedItems {
    items: VecDeque<Item>,
    bytes: usize,
    skipped: u64,
}

/// The bytes of a message's text, about.
fn bytes(item: &Item) -> usize {
    item.as_ref().map_or(0, message_byte_len)
}

impl QueuedItems {
    fn push(&mut self, item: Item) {
        let is_full = self.items.len() >= MAX_ITEMS || self.bytes.saturating_add(bytes(&item)) > MAX_BYTES;
        if is_full && !self.items.is_empty() {
            self.skipped += 1;
            return;
        }
        if self.skipped > 0 {
            self.items.push_back(Err(Missed::Lagged(std::mem::take(&mut self.skipped))));
        }
        self.bytes += bytes(&item);
        self.items.push_back(item);
    }

    fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front();
        if let Some(item) = item {
            self.bytes -= bytes(&item);
            return Some(item);
        }
        (self.skipped > 0).then(|| Err(Missed::Lagged(std::mem::take(&mut self.skipped))))
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, QueuedItems> {
        // Nothing in here is left half-done by a panic.
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriptions {
    fn lock(&self) -> MutexGuard<'_, QueueList> {
        // As above.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a batch of events to those whom it concerns, and with it whether the connection has failed: then there is
    /// nothing behind the batch.
    pub(crate) fn publish(&self, batch: &[Event], has_failed: bool) {
        let mut registry = self.lock();
        registry.source = if has_failed { QueueState::Failed } else { QueueState::Running };
        if registry.queues.is_empty() {
            return;
        }
        for event in batch {
            let (room, item): (_, &dyn Fn() -> Item) = match event {
                Event::Message(message) => (&message.room, &|| Ok(message.clone())),
                Event::Gap(gap) => (&gap.room, &|| Err(Missed::Gap(gap.clone()))),
                _ => continue,
            };
            for queue in registry.queues.iter().filter(|queue| queue.room == *room) {
                queue.lock().push(item());
                queue.reader.wake();
            }
        }
    }

    /// One more consumer of a room. `commands` are those of its client.
    pub(crate) fn add(self: &Arc<Self>, room: Name, commands: &Arc<CommandQueue>) -> Subscription {
        let queue = Arc::new(Queue { room, items: Mutex::default(), reader: AtomicWaker::new() });
        self.lock().queues.push(Arc::clone(&queue));
        Subscription { queue, subscriptions: Arc::clone(self), commands: Arc::clone(commands) }
    }

    /// Has the readers look again: the driver has handled whatever it was requested.
    pub(crate) fn wake(&self) {
        for queue in &self.lock().queues {
            queue.reader.wake();
        }
    }

    /// Nothing more will come.
    pub(crate) fn end(&self) {
        self.lock().source = QueueState::Ended;
        self.wake();
    }
}

/// The messages of one room, from [`Client::subscribe`](crate::Client::subscribe). A [`Stream`].
pub struct Subscription {
    queue: Arc<Queue>,
    subscriptions: Arc<Subscriptions>,
    commands: Arc<CommandQueue>,
}

impl Subscription {
    /// The next message, or why some are missing; `None` when the client is closed or has failed, and everything has been
    /// read. After a failure it continues when the client does, as [`Events`](crate::Events) do.
    ///
    /// Cancel safe: an item not returned is still there.
    pub async fn next(&mut self) -> Option<Result<Message, Missed>> {
        core::future::poll_fn(|cx| self.poll_item(cx)).await
    }

    /// The room.
    pub fn room(&self) -> &Name {
        &self.queue.room
    }

    fn poll_item(&mut self, cx: &Context<'_>) -> Poll<Option<Item>> {
        // Twice: what comes between looking and registering would wake no task.
        for registered in [false, true] {
            if let Some(item) = self.queue.lock().pop() {
                return Poll::Ready(Some(item));
            }
            if self.is_over() {
                // It may have come before the end, and after the look above.
                return Poll::Ready(self.queue.lock().pop());
            }
            if !registered {
                self.queue.reader.register(cx.waker());
            }
        }
        Poll::Pending
    }

    /// Whether nothing will come by itself any more.
    fn is_over(&self) -> bool {
        let source = || self.subscriptions.lock().source;
        match source() {
            QueueState::Running => false,
            QueueState::Ended => true,
            // Whatever was requested before this look has been published once it is settled.
            QueueState::Failed => self.commands.is_handled() && source() != QueueState::Running,
        }
    }
}

impl Stream for Subscription {
    type Item = Result<Message, Missed>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_item(cx)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.subscriptions.lock().queues.retain(|queue| !Arc::ptr_eq(queue, &self.queue));
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("room", &self.queue.room).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(content: &str) -> Message {
        Message::plain("r".into(), "u".into(), content.to_owned(), String::new())
    }

    fn drain(waiting: &mut QueuedItems) -> Vec<Item> {
        std::iter::from_fn(|| waiting.pop()).collect()
    }

    #[test]
    fn a_slow_consumer_is_told_in_the_place_of_what_it_missed_how_much_that_was() {
        let mut waiting = QueuedItems::default();
        for _ in 0..MAX_ITEMS + 3 {
            waiting.push(Ok(message("a")));
        }
        assert!(waiting.pop().is_some());
        waiting.push(Ok(message("b")));
        let items = drain(&mut waiting);
        assert_eq!(items.len(), MAX_ITEMS + 1);
        assert_eq!(items[MAX_ITEMS - 1..], [Err(Missed::Lagged(3)), Ok(message("b"))]);
        assert_eq!(waiting.bytes, 0);
    }

    #[test]
    fn what_was_dropped_last_is_told_without_another_message() {
        let mut waiting = QueuedItems::default();
        let big = "x".repeat(MAX_BYTES);
        // Alone it may be larger than all of them may be together.
        waiting.push(Ok(message(&big)));
        waiting.push(Ok(message("b")));
        waiting.push(Ok(message("c")));
        assert_eq!(drain(&mut waiting), [Ok(message(&big)), Err(Missed::Lagged(2))]);
    }
}
