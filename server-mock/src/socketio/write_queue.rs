//! The queue of what is to be written, in order.

use super::binary;
use super::payload::ATTACHMENT;
use std::collections::VecDeque;
use tokio_tungstenite::tungstenite::{Bytes, Utf8Bytes};

/// Beyond this nothing more is taken in until some of it is written: what a client asks for is then its own affair.
const MANY: usize = 256;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum WriteItem {
    /// An engine packet.
    Packet(Utf8Bytes),
    /// Bytes that belong to the packet before.
    Attachment(Bytes),
    /// Nothing to write: the hub wants to know when the turn comes to it, of the namespace with this number.
    Fence(u32),
}

impl WriteItem {
    fn bytes(&self) -> usize {
        match self {
            Self::Packet(packet) => packet.len(),
            Self::Attachment(bytes) => bytes.len(),
            Self::Fence(_) => 0,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct WriteQueue {
    lines: VecDeque<WriteItem>,
    bytes: usize,
}

impl WriteQueue {
    pub(super) fn push(&mut self, packet: impl Into<Utf8Bytes>) {
        let packet = packet.into();
        self.bytes += packet.len();
        self.lines.push_back(WriteItem::Packet(packet));
    }

    pub(super) fn attach(&mut self, bytes: Bytes) {
        self.bytes += bytes.len();
        self.lines.push_back(WriteItem::Attachment(bytes));
    }

    pub(super) fn mark(&mut self, member: u32) {
        self.lines.push_back(WriteItem::Fence(member));
    }

    /// Puts packets that were not delivered before all others.
    pub(super) fn give_back<'a>(&mut self, packets: impl DoubleEndedIterator<Item = &'a str>) {
        for packet in packets.rev() {
            let bytes = packet.strip_prefix(ATTACHMENT).and_then(binary::decode);
            let line = bytes.map_or_else(|| WriteItem::Packet(packet.into()), WriteItem::Attachment);
            self.bytes += line.bytes();
            self.lines.push_front(line);
        }
    }

    pub(super) fn pop(&mut self) -> Option<WriteItem> {
        let line = self.lines.pop_front()?;
        self.bytes -= line.bytes();
        Some(line)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(super) fn is_long(&self) -> bool {
        self.lines.len() >= MANY
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// How many and how many bytes.
    pub(super) fn backlog(&self) -> (usize, usize) {
        (self.lines.len(), self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_out_in_order_and_are_counted() {
        let mut write_queue = WriteQueue::default();
        write_queue.push("four");
        write_queue.mark(7);
        write_queue.push("é");
        write_queue.give_back(["first", "second", "bAQID"].into_iter());
        assert_eq!(write_queue.backlog(), (6, 4 + 2 + 5 + 6 + 3));
        let packet = |text: &str| Some(WriteItem::Packet(text.into()));
        assert_eq!(write_queue.pop(), packet("first"));
        assert_eq!(write_queue.pop(), packet("second"));
        assert_eq!(write_queue.pop(), Some(WriteItem::Attachment(Bytes::from_static(&[1, 2, 3]))));
        assert_eq!(write_queue.pop(), packet("four"));
        assert_eq!(write_queue.pop(), Some(WriteItem::Fence(7)));
        assert_eq!(write_queue.pop(), packet("é"));
        assert_eq!((write_queue.pop(), write_queue.backlog()), (None, (0, 0)));
    }
}
