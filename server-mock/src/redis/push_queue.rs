//! The queue of notices between the subscriber and the hub, bounded in number and bytes. What does not fit is dropped, and
//! the drop is reported.

use super::connection::OnPush;
use redis::{PushInfo, PushKind, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::{Notify, mpsc};

const MOST: usize = 8_192;
const MOST_BYTES: usize = 32 << 20;

/// Most bytes of one thing to do: the names of a room and of a user.
const CONTROL_BYTES: usize = 16 << 10;

#[derive(Debug)]
pub(super) enum Notice {
    Message {
        channel: Vec<u8>,
        payload: Vec<u8>,
    },
    /// Of a cluster: no more messages of the channel come. It was left, or its slot is moved to another shard.
    Unsubscribed {
        channel: Vec<u8>,
    },
    /// Some before the next one were dropped.
    Overflow,
}

impl Notice {
    fn read(push: PushInfo) -> Option<Self> {
        let mut parts = push.data.into_iter();
        match (push.kind, parts.next(), parts.next()) {
            (
                PushKind::Message | PushKind::SMessage,
                Some(Value::BulkString(channel)),
                Some(Value::BulkString(payload)),
            ) => Some(Self::Message { channel, payload }),
            (PushKind::SUnsubscribe, Some(Value::BulkString(channel)), _) => {
                Some(Self::Unsubscribed { channel })
            }
            _ => None,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Message { channel, payload } => channel.len() + payload.len(),
            Self::Unsubscribed { channel } => channel.len(),
            Self::Overflow => 0,
        }
    }
}

pub(super) struct PushQueue {
    queue: mpsc::Receiver<Notice>,
    /// What every node has to do, beside what happens in rooms: no room takes its place.
    controls: mpsc::Receiver<Notice>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    bytes: AtomicUsize,
    overflowed: AtomicBool,
    essential_lost: Arc<Notify>,
}

impl PushQueue {
    /// A push queue, and what fills it. `control`: the channel of what every node has to do.
    pub(super) fn new(control: String) -> (Self, OnPush) {
        let (sender, queue) = mpsc::channel(MOST);
        let (controller, controls) = mpsc::channel(MOST);
        let shared = Arc::<Shared>::default();
        let filled = Arc::clone(&shared);
        let on_push = move |push: PushInfo| {
            let Some(notice) = Notice::read(push) else { return };
            if let Notice::Message { channel, payload } = &notice
                && channel == control.as_bytes()
            {
                if payload.len() > CONTROL_BYTES || controller.try_send(notice).is_err() {
                    filled.essential_lost.notify_one();
                }
                return;
            }
            let bytes = notice.bytes();
            let is_message = matches!(notice, Notice::Message { .. });
            let before = filled.bytes.fetch_add(bytes, Ordering::AcqRel);
            if before.saturating_add(bytes) > MOST_BYTES || sender.try_send(notice).is_err() {
                filled.bytes.fetch_sub(bytes, Ordering::AcqRel);
                if is_message {
                    filled.overflowed.store(true, Ordering::Release);
                } else {
                    filled.essential_lost.notify_one();
                }
            }
        };
        (Self { queue, controls, shared }, Arc::new(on_push))
    }

    /// The next notice. Never completes once the connection is gone. Cancellation safe.
    pub(super) async fn next(&mut self) -> Notice {
        if self.queue.is_empty() && self.shared.overflowed.swap(false, Ordering::AcqRel) {
            return Notice::Overflow;
        }
        tokio::select! {
            biased;
            Some(notice) = self.controls.recv() => notice,
            Some(notice) = self.queue.recv() => self.taken(notice),
            else => std::future::pending().await,
        }
    }

    /// Completes when something did not fit that reading rooms again does not make good: what every node has to do, or the
    /// end of a subscription.
    pub(super) fn essential_lost(&self) -> Arc<Notify> {
        Arc::clone(&self.shared.essential_lost)
    }

    /// The next notice, if it is there.
    pub(super) fn next_now(&mut self) -> Option<Notice> {
        self.queue.try_recv().ok().map(|notice| self.taken(notice))
    }

    fn taken(&self, notice: Notice) -> Notice {
        self.shared.bytes.fetch_sub(notice.bytes(), Ordering::AcqRel);
        notice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_fit_is_told_after_what_did() {
        let (mut push_queue, on_push) = PushQueue::new(String::from("control"));
        let payload = vec![0; MOST_BYTES / 4];
        for _ in 0..8 {
            let data = vec![Value::BulkString(vec![1]), Value::BulkString(payload.clone())];
            on_push(PushInfo { kind: PushKind::Message, data });
        }
        for _ in 0..3 {
            assert!(matches!(push_queue.next().await, Notice::Message { .. }));
        }
        assert!(matches!(push_queue.next().await, Notice::Overflow));
        let data = vec![Value::BulkString(vec![1]), Value::BulkString(payload)];
        on_push(PushInfo { kind: PushKind::Message, data });
        assert!(matches!(push_queue.next().await, Notice::Message { .. }));
    }

    #[tokio::test]
    async fn what_every_node_has_to_do_comes_however_much_happens_in_rooms() {
        let (mut push_queue, on_push) = PushQueue::new(String::from("control"));
        let say = |channel: &str| {
            let data = vec![Value::BulkString(channel.into()), Value::BulkString(vec![1])];
            on_push(PushInfo { kind: PushKind::Message, data });
        };
        (0..=MOST).for_each(|_| say("room"));
        say("control");
        assert!(matches!(push_queue.next().await, Notice::Message { channel, .. } if channel == b"control"));
        (0..=MOST).for_each(|_| say("control"));
        push_queue.essential_lost().notified().await;
    }
}
