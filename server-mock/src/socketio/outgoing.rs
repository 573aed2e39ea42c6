//! What waits to be written, in order.

use super::binary;
use super::payload::ATTACHMENT;
use std::collections::VecDeque;
use tokio_tungstenite::tungstenite::{Bytes, Utf8Bytes};

/// Beyond this nothing more is taken in until some of it is written: what a client asks for is then its own affair.
const MANY: usize = 256;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// An engine packet.
    Packet(Utf8Bytes),
    /// Bytes that belong to the packet before.
    Attachment(Bytes),
    /// Nothing to write: the hub wants to know when the turn comes to it, of the namespace with this number.
    Mark(u32),
}

impl Line {
    fn bytes(&self) -> usize {
        match self {
            Self::Packet(packet) => packet.len(),
            Self::Attachment(bytes) => bytes.len(),
            Self::Mark(_) => 0,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Outgoing {
    lines: VecDeque<Line>,
    bytes: usize,
}

impl Outgoing {
    pub(super) fn push(&mut self, packet: impl Into<Utf8Bytes>) {
        let packet = packet.into();
        self.bytes += packet.len();
        self.lines.push_back(Line::Packet(packet));
    }

    pub(super) fn attach(&mut self, bytes: Bytes) {
        self.bytes += bytes.len();
        self.lines.push_back(Line::Attachment(bytes));
    }

    pub(super) fn mark(&mut self, member: u32) {
        self.lines.push_back(Line::Mark(member));
    }

    /// Puts packets that were not delivered before all others.
    pub(super) fn give_back<'a>(&mut self, packets: impl DoubleEndedIterator<Item = &'a str>) {
        for packet in packets.rev() {
            let bytes = packet.strip_prefix(ATTACHMENT).and_then(binary::decode);
            let line = bytes.map_or_else(|| Line::Packet(packet.into()), Line::Attachment);
            self.bytes += line.bytes();
            self.lines.push_front(line);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Line> {
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
    pub(super) fn holding(&self) -> (usize, usize) {
        (self.lines.len(), self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_out_in_order_and_are_counted() {
        let mut outgoing = Outgoing::default();
        outgoing.push("four");
        outgoing.mark(7);
        outgoing.push("é");
        outgoing.give_back(["first", "second", "bAQID"].into_iter());
        assert_eq!(outgoing.holding(), (6, 4 + 2 + 5 + 6 + 3));
        let packet = |text: &str| Some(Line::Packet(text.into()));
        assert_eq!(outgoing.pop(), packet("first"));
        assert_eq!(outgoing.pop(), packet("second"));
        assert_eq!(outgoing.pop(), Some(Line::Attachment(Bytes::from_static(&[1, 2, 3]))));
        assert_eq!(outgoing.pop(), packet("four"));
        assert_eq!(outgoing.pop(), Some(Line::Mark(7)));
        assert_eq!(outgoing.pop(), packet("é"));
        assert_eq!((outgoing.pop(), outgoing.holding()), (None, (0, 0)));
    }
}
