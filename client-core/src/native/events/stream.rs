//! The event queue as an application reads it, and the commits of what it has read.

use super::auto_commit::AutoCommit;
use super::queue::{EventQueue, QueueState};
use crate::event::Event;
use crate::native::commands::CommandQueue;
use crate::session::Input;
use core::pin::Pin;
use core::task::{Context, Poll};
use futures_core::Stream;
use std::fmt;
use std::sync::Arc;

/// Everything that happens to a client, in order. A [`Stream`] that ends when the client is closed, or has
/// [failed](crate::State::Failed) for a reason that trying again does not mend: the last event then is the change of state
/// with its [`Cause`](crate::Cause), which [`Client::terminated`](crate::Client::terminated) gives too. After
/// [`Client::connect`](crate::Client::connect), [`Client::reconnect`](crate::Client::reconnect) or
/// [`Client::set_token`](crate::Client::set_token) a stream that ended by a failure continues.
///
/// Read it all the time: up to 65,536 events and 16 MiB of messages wait. Beyond that messages of extended rooms stay
/// on the server until there is room, as long as the server keeps them: what it has meanwhile forgotten is an
/// [`Event::Gap`]. Those of plain rooms are dropped and [`Event::Lagged`] says how many. Dropping
/// the stream is allowed: then nothing is kept.
///
/// [`Client::subscribe`](crate::Client::subscribe) gives the messages of one room to any number of other consumers.
///
/// With a stored state, asking for the next event or batch says that the ones before it have been processed, outcomes of
/// sends among them: a later run continues behind them ([`ClientBuilder::manual_commit`](crate::ClientBuilder::manual_commit) leaves that to you).
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
                self.queue.register(cx.waker());
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
        self.queue.abandon();
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
    use super::super::queue::MAX_EVENTS;
    use super::*;
    use crate::event::Mode;
    use crate::messages::Message;
    use crate::session::Diagnostics;

    fn message(n: usize) -> Event {
        Event::Message(Message::plain("r".into(), "u".into(), n.to_string(), String::new()))
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
}
