//! The scrollback of a room: its last messages and unread count. Bounded in count and bytes.

use crate::send_status::SendStatus;
use jiff::Timestamp;
use rejoin::SendId;
use std::collections::VecDeque;

/// Messages remembered per room, and bytes of them.
pub(super) const MAX_ENTRIES: usize = 200;
pub(super) const MAX_ENTRY_BYTES: usize = 256 << 10;

/// A message that was shown, or will be when the user comes to its room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScrollbackEntry {
    pub(crate) at: Timestamp,
    pub(crate) who: Speaker,
    pub(crate) content: String,
}

/// Who said something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// The user, here if the send has a number.
    Me(Option<SendId>, SendStatus),
    Other(String),
}

/// What has come to a room that the user was not in.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unread {
    pub(crate) count: u64,
    /// The user's name is in it.
    pub(crate) is_mentioned: bool,
}

/// The latest last.
#[derive(Debug, Default)]
pub(super) struct Scrollback {
    said: VecDeque<ScrollbackEntry>,
    bytes: usize,
    pub(super) unread: Unread,
}

impl Scrollback {
    pub(super) fn push(&mut self, said: ScrollbackEntry) {
        self.bytes += said.content.len();
        self.said.push_back(said);
        while self.said.len() > MAX_ENTRIES || self.bytes > MAX_ENTRY_BYTES {
            let Some(oldest) = self.said.pop_front() else { return };
            self.bytes -= oldest.content.len();
        }
    }

    /// The outcome of a send is known.
    pub(super) fn settled(&mut self, send: SendId, outcome: SendStatus) {
        for ScrollbackEntry { who, .. } in self.said.iter_mut().rev() {
            if let Speaker::Me(id, fate) = who
                && *id == Some(send)
            {
                *fate = outcome;
                return;
            }
        }
    }

    /// The last `count` things that were said.
    pub(super) fn last(&self, count: usize) -> Vec<ScrollbackEntry> {
        self.said.iter().skip(self.said.len().saturating_sub(count)).cloned().collect()
    }

    /// What holds `text`, whatever its case, the latest last: `most` at most, and how many there are.
    pub(super) fn find(&self, text: &str, most: usize) -> (Vec<ScrollbackEntry>, usize) {
        let wanted = text.to_lowercase();
        let found: Vec<&ScrollbackEntry> =
            self.said.iter().filter(|said| said.content.to_lowercase().contains(&wanted)).collect();
        let last = found.iter().skip(found.len().saturating_sub(most)).copied().cloned().collect();
        (last, found.len())
    }
}
