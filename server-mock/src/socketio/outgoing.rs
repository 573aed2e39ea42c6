//! What waits to be written, in order.

use std::collections::VecDeque;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Beyond this nothing more is taken in until some of it is written: what a client asks for is then its own affair.
const MANY: usize = 256;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// An engine packet.
    Packet(Utf8Bytes),
    /// Nothing to write: the hub wants to know when the turn comes to it.
    Mark,
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

    pub(super) fn mark(&mut self) {
        self.lines.push_back(Line::Mark);
    }

    /// Puts packets that were not delivered before all others.
    pub(super) fn give_back<'a>(&mut self, packets: impl DoubleEndedIterator<Item = &'a str>) {
        for packet in packets.rev() {
            self.bytes += packet.len();
            self.lines.push_front(Line::Packet(packet.into()));
        }
    }

    pub(super) fn pop(&mut self) -> Option<Line> {
        let line = self.lines.pop_front()?;
        if let Line::Packet(packet) = &line {
            self.bytes -= packet.len();
        }
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
        outgoing.mark();
        outgoing.push("é");
        outgoing.give_back(["first", "second"].into_iter());
        assert_eq!(outgoing.holding(), (5, 4 + 2 + 5 + 6));
        let packet = |text: &str| Some(Line::Packet(text.into()));
        assert_eq!(outgoing.pop(), packet("first"));
        assert_eq!(outgoing.pop(), packet("second"));
        assert_eq!(outgoing.pop(), packet("four"));
        assert_eq!(outgoing.pop(), Some(Line::Mark));
        assert_eq!(outgoing.pop(), packet("é"));
        assert_eq!((outgoing.pop(), outgoing.holding()), (None, (0, 0)));
    }
}
