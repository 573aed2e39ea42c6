//! The bounded queue of frames on their way to one connection.
//!
//! Not a channel: whoever fills it wakes the connection's task only when that task sleeps, and the task takes
//! everything at once. In a fan-out that is what a delivery costs.

use crate::hub::{Text, is_retryable_close};
use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// While the server itself is behind, a queue may grow to this many times its limit.
const BACKLOG_FACTOR: usize = 4;

/// A queue larger than this gives its memory back once it is empty.
const RETAINED_CAPACITY: usize = 64;

/// Something to write.
#[derive(Debug, Clone)]
pub(crate) enum Outbound {
    Text(Text),
    /// A text of a fault, which means nothing.
    Garbage(Text),
    Ping,
    /// Nothing to write: the hub wants to know when the turn comes to it.
    Fence,
}

impl Outbound {
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) | Self::Garbage(text) => text.len(),
            Self::Ping | Self::Fence => 0,
        }
    }
}

/// The last thing a connection is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shutdown {
    /// Write what is queued, then a close frame.
    Close { code: u16, reason: &'static str },
    /// Write what is queued, then the end of the stream without a close frame: a client of the plain protocol comes back
    /// only after that.
    HangUp { code: u16, reason: &'static str },
    /// No close frame. Why, for the log.
    Abort(&'static str),
}

/// The result of queueing an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PushResult {
    /// It is in the queue, which is this full.
    Queued(QueueLevel),
    /// The queue was full: the connection is being closed with 4012.
    Full,
    /// The connection is on its way out already.
    Closed,
}

/// How full a queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum QueueLevel {
    Low,
    /// Beyond half of its limit: whoever sends should let the others write first.
    High,
}

/// What the connection's task found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Drained {
    Items,
    /// Nothing; the task is woken when there is something.
    Empty,
    Closed(Shutdown),
}

#[derive(Debug)]
pub(crate) struct SendQueue {
    queue: Mutex<Queue>,
    /// What is queued is to be dropped and the end carried out at once. Beside the lock, because the task asks
    /// each time it runs.
    aborting: AtomicBool,
    most_frames: usize,
    most_bytes: usize,
    /// The peer knows the plain protocol only.
    plain: bool,
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Outbound>,
    bytes: usize,
    /// Taken by the task and not yet written; they count against the limits until it comes back.
    taken: usize,
    taken_bytes: usize,
    end: Option<Shutdown>,
    waker: Option<Waker>,
    asleep: bool,
    /// The socket takes nothing.
    blocked: bool,
}

impl SendQueue {
    pub(crate) fn new(most_frames: usize, most_bytes: usize) -> Self {
        Self {
            queue: Mutex::default(),
            aborting: AtomicBool::new(false),
            most_frames: most_frames.max(1),
            most_bytes: most_bytes.max(1),
            plain: false,
        }
    }

    /// The queue of a peer that did not offer the extended protocol.
    pub(crate) fn for_plain_peer(self) -> Self {
        Self { plain: true, ..self }
    }

    /// Queues an item, or ends the connection when there is no room for it.
    pub(crate) fn push(&self, item: Outbound) -> PushResult {
        let mut queue = self.lock();
        if queue.end.is_some() {
            return PushResult::Closed;
        }
        let frames = queue.items.len() + queue.taken + 1;
        let bytes = queue.bytes + queue.taken_bytes + item.bytes();
        let slack = if queue.blocked { 1 } else { BACKLOG_FACTOR };
        // A single item always fits: otherwise a small limit would close every connection. So does a fence: the hub waits
        // for one before it sets another.
        let fits = frames == 1 || matches!(item, Outbound::Fence);
        if !fits && (frames > self.most_frames * slack || bytes > self.most_bytes.saturating_mul(slack)) {
            self.finish(&mut queue, self.shutdown_for(4012, "Slow consumer"));
            return PushResult::Full;
        }
        queue.bytes += item.bytes();
        queue.items.push_back(item);
        if mem::take(&mut queue.asleep)
            && let Some(waker) = &queue.waker
        {
            waker.wake_by_ref();
        }
        // One whose socket is stuck is nobody else's business: only a task that has yet to run counts.
        let high = !queue.blocked && (frames > self.most_frames / 2 || bytes > self.most_bytes / 2);
        PushResult::Queued(if high { QueueLevel::High } else { QueueLevel::Low })
    }

    /// Queues a text if the queue is less than half full and the socket takes what it is given; `false` if it does not.
    pub(crate) fn try_push(&self, text: Text) -> bool {
        {
            let queue = self.lock();
            let frames = queue.items.len() + queue.taken;
            let bytes = queue.bytes + queue.taken_bytes;
            if queue.blocked || frames >= self.most_frames / 2 || bytes >= self.most_bytes / 2 {
                return false;
            }
        }
        matches!(self.push(Outbound::Text(text)), PushResult::Queued(_))
    }

    /// How the connection ends when a rule with this close code says so.
    pub(crate) fn shutdown_for(&self, code: u16, reason: &'static str) -> Shutdown {
        if self.plain && is_retryable_close(code) {
            Shutdown::HangUp { code, reason }
        } else {
            Shutdown::Close { code, reason }
        }
    }

    /// Ends the connection by a rule, after what is queued has been written.
    pub(crate) fn close(&self, code: u16, reason: &'static str) {
        self.end_with(self.shutdown_for(code, reason));
    }

    /// Ends it with a close frame, whoever the peer is.
    pub(crate) fn close_with_frame(&self, code: u16, reason: &'static str) {
        self.end_with(Shutdown::Close { code, reason });
    }

    fn end_with(&self, end: Shutdown) {
        let mut queue = self.lock();
        if queue.end.is_none() {
            queue.end = Some(end);
            queue.wake();
        }
    }

    /// Frames and bytes that nobody has written yet.
    pub(crate) fn backlog(&self) -> (usize, usize) {
        let queue = self.lock();
        (queue.items.len() + queue.taken, queue.bytes + queue.taken_bytes)
    }

    /// Drops what is queued and ends the connection as one that takes too little.
    pub(crate) fn overflow(&self) {
        let mut queue = self.lock();
        if queue.end.is_none() {
            self.finish(&mut queue, self.shutdown_for(4012, "Slow consumer"));
        }
    }

    /// The end it has come to, if it has.
    pub(crate) fn end(&self) -> Option<Shutdown> {
        self.lock().end
    }

    /// Ends the connection at once, without a close frame. `why` is for the log.
    pub(crate) fn abort(&self, why: &'static str) {
        let mut queue = self.lock();
        self.finish(&mut queue, Shutdown::Abort(why));
    }

    /// Whether there is something to take, an end included. The task is woken when there is.
    pub(crate) fn is_ready_or_register(&self, waker: &Waker) -> bool {
        let mut queue = self.lock();
        if !queue.items.is_empty() || queue.end.is_some() {
            return true;
        }
        (queue.waker, queue.asleep) = (Some(waker.clone()), true);
        false
    }

    /// Has the task woken when the end is decided, though it takes nothing now.
    pub(crate) fn register_waker(&self, waker: &Waker) {
        let mut queue = self.lock();
        if !queue.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            queue.waker = Some(waker.clone());
        }
    }

    /// Makes the task look again, at its faults for instance.
    pub(crate) fn wake(&self) {
        self.lock().wake();
    }

    fn finish(&self, queue: &mut Queue, end: Shutdown) {
        queue.items = VecDeque::new();
        queue.bytes = 0;
        queue.end = Some(end);
        self.aborting.store(true, Ordering::Release);
        queue.wake();
    }

    /// Whether whatever the task still holds is to be dropped.
    pub(crate) fn is_aborting(&self) -> bool {
        self.aborting.load(Ordering::Acquire)
    }

    /// Takes everything queued; what was taken before counts as written, unless `backlog` says how many frames
    /// of how many bytes are still held. Registers the waker if there is nothing.
    pub(crate) fn take(
        &self,
        into: &mut VecDeque<Outbound>,
        backlog: (usize, usize),
        waker: &Waker,
    ) -> Drained {
        let mut queue = self.lock();
        queue.blocked = false;
        (queue.taken, queue.taken_bytes) = backlog;
        if !queue.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            queue.waker = Some(waker.clone());
        }
        if !queue.items.is_empty() {
            queue.asleep = false;
            queue.taken += queue.items.len();
            queue.taken_bytes += mem::take(&mut queue.bytes);
            if into.is_empty() {
                mem::swap(into, &mut queue.items);
            } else {
                into.append(&mut queue.items);
            }
            return Drained::Items;
        }
        if let Some(end) = queue.end {
            return Drained::Closed(end);
        }
        queue.asleep = true;
        if queue.items.capacity() > RETAINED_CAPACITY {
            queue.items = VecDeque::new();
        }
        Drained::Empty
    }

    /// The task runs: no need to wake it for what it causes itself.
    pub(crate) fn mark_awake(&self) {
        self.lock().asleep = false;
    }

    /// The socket takes nothing more for now.
    pub(crate) fn mark_blocked(&self) {
        self.lock().blocked = true;
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Each change under the lock is complete in itself: a panic elsewhere leaves nothing half done.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn wake(&mut self) {
        self.asleep = false;
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: usize) -> Outbound {
        Outbound::Text(Text::from("x".repeat(bytes)))
    }

    fn level(send_queue: &SendQueue, bytes: usize) -> usize {
        (0..10_000).take_while(|_| matches!(send_queue.push(text(bytes)), PushResult::Queued(_))).count()
    }

    #[test]
    fn a_queue_whose_socket_is_blocked_holds_its_limit_and_no_more() {
        for (frames, bytes, each, fits) in [(8, 1 << 20, 1, 8), (1_000, 100, 10, 10)] {
            let send_queue = SendQueue::new(frames, bytes);
            send_queue.mark_blocked();
            assert_eq!(level(&send_queue, each), fits);
            let mut taken = VecDeque::new();
            let end = send_queue.take(&mut taken, (0, 0), Waker::noop());
            assert_eq!(end, Drained::Closed(Shutdown::Close { code: 4012, reason: "Slow consumer" }));
            assert!(send_queue.is_aborting() && taken.is_empty());
            assert_eq!(send_queue.push(text(1)), PushResult::Closed);
        }
    }

    #[test]
    fn a_mark_fits_behind_a_text_that_is_longer_than_the_limit() {
        let send_queue = SendQueue::new(1, 100);
        send_queue.mark_blocked();
        assert!(matches!(send_queue.push(text(1_000)), PushResult::Queued(_)));
        assert!(matches!(send_queue.push(Outbound::Fence), PushResult::Queued(_)));
        assert_eq!(send_queue.push(text(1)), PushResult::Full);
    }

    #[test]
    fn a_server_that_is_behind_queues_four_times_as_much() {
        assert_eq!(level(&SendQueue::new(8, 1 << 20), 1), 32);
    }

    #[test]
    fn what_the_task_holds_counts_until_it_is_written() {
        let send_queue = SendQueue::new(4, 1 << 20);
        let mut held = VecDeque::new();
        for _ in 0..3 {
            send_queue.push(text(1));
        }
        assert_eq!(send_queue.take(&mut held, (0, 0), Waker::noop()), Drained::Items);
        send_queue.mark_blocked();
        assert_eq!(level(&send_queue, 1), 1);
    }

    #[test]
    fn an_offer_is_taken_while_there_is_room_and_never_ends_the_connection() {
        let send_queue = SendQueue::new(8, 1 << 20);
        let offered = || send_queue.try_push(Text::from(String::from("x")));
        assert_eq!((0..100).filter(|_| offered()).count(), 4);
        assert_eq!(send_queue.take(&mut VecDeque::new(), (0, 0), Waker::noop()), Drained::Items);
        assert_eq!(send_queue.take(&mut VecDeque::new(), (0, 0), Waker::noop()), Drained::Empty);
        send_queue.mark_blocked();
        assert!(!offered());
        assert!(!send_queue.is_aborting());
    }

    #[test]
    fn a_close_waits_for_what_is_queued_and_refuses_what_comes_later() {
        let send_queue = SendQueue::new(4, 100);
        send_queue.push(text(1));
        send_queue.close(1012, "Service restart");
        assert_eq!(send_queue.push(text(1)), PushResult::Closed);
        let mut taken = VecDeque::new();
        assert_eq!(send_queue.take(&mut taken, (0, 0), Waker::noop()), Drained::Items);
        assert_eq!(taken.len(), 1);
        let end = send_queue.take(&mut taken, (0, 0), Waker::noop());
        assert_eq!(end, Drained::Closed(Shutdown::Close { code: 1012, reason: "Service restart" }));
    }

    #[test]
    fn a_plain_peer_that_is_to_come_back_gets_no_close_frame() {
        let send_queue = || SendQueue::new(1, 100).for_plain_peer();
        let hang_up = |code, reason| Some(Shutdown::HangUp { code, reason });
        let (restart, slow, unauthorized, fault) = (send_queue(), send_queue(), send_queue(), send_queue());
        restart.close(1012, "Service restart");
        assert_eq!(restart.end(), hang_up(1012, "Service restart"));
        slow.mark_blocked();
        assert_eq!(level(&slow, 1), 1);
        assert_eq!(slow.end(), hang_up(4012, "Slow consumer"));
        unauthorized.close(4001, "Unauthorized");
        assert_eq!(unauthorized.end(), Some(Shutdown::Close { code: 4001, reason: "Unauthorized" }));
        fault.close_with_frame(1012, "Fault");
        assert_eq!(fault.end(), Some(Shutdown::Close { code: 1012, reason: "Fault" }));
    }
}
