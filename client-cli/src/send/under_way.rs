//! Messages that were handed over and have no outcome yet, and lines that are no messages, in the order of the input. Owns
//! their bounds and their deadlines; prints nothing.

use crate::lines::BadText;
use rejoin::{Receipt, SendError, SendFuture, SendId};
use std::collections::VecDeque;
use tokio::time::{Instant, sleep_until};

/// Most lines under way; the library's outbox takes more, so that none is refused for want of room.
const MOST: usize = 1_024;

/// Most bytes of them, beside one line that may be larger.
const MOST_BYTES: usize = 1 << 20;

/// The outcome, or `None` if the time was over first.
pub(super) type Outcome = Option<Result<Receipt, SendError>>;

/// A message that was handed over, with its deadline.
#[derive(Debug)]
pub(super) struct Message {
    /// Its line.
    pub(super) number: Option<u64>,
    pub(super) text: String,
    /// With a state file: its outcome is kept there until it has been told.
    pub(super) id: Option<SendId>,
    pub(super) sending: SendFuture,
    pub(super) until: Instant,
}

#[derive(Debug)]
pub(super) enum Entry {
    Message(Message),
    /// A line that is no message.
    Bad(u64, BadText),
}

/// They are told in their order: each has its own deadline, so the first one's comes first.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl UnderWay {
    pub(super) fn has_room(&self) -> bool {
        self.entries.len() < MOST && self.bytes < MOST_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn add(&mut self, entry: Entry) {
        self.bytes += bytes(&entry);
        self.entries.push_back(entry);
    }

    /// The outcome of the first one, which stays; never where there is none. Cancel safe.
    pub(super) async fn first(&mut self) -> Outcome {
        match self.entries.front_mut() {
            Some(Entry::Message(Message { sending, until, .. })) => tokio::select! {
                biased;
                outcome = sending => Some(outcome),
                () = sleep_until(*until) => None,
            },
            Some(Entry::Bad(..)) => None,
            None => std::future::pending().await,
        }
    }

    /// Takes the first one out.
    pub(super) fn take(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.bytes -= bytes(&entry);
        Some(entry)
    }
}

fn bytes(entry: &Entry) -> usize {
    match entry {
        Entry::Message(message) => message.text.len(),
        Entry::Bad(..) => 0,
    }
}
