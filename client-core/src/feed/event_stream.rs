//! `text/event-stream`, read piece by piece as it arrives (the HTML standard, "Parsing an event stream").
//!
//! What is held is one line and one event, and never more than a bound: a larger event is dropped and reported.

use crate::mutation::mutation;
use alloc::string::String;
use alloc::vec::Vec;

/// What a piece of a stream holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamItem {
    /// An event.
    Event(StreamEvent),
    /// An id without an event: what is to be resumed from has moved, and nothing has happened.
    Id(String),
    /// How many milliseconds to wait before coming back after the end.
    Retry(u64),
    /// An event was larger than the bound, and left out.
    TooLarge,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEvent {
    /// Its kind; `message` where the server names none.
    pub kind: String,
    /// Its lines, with a line feed between them.
    pub data: String,
    /// Its id, if it has one of its own: by the standard an event without one inherits the last.
    pub id: Option<String>,
}

/// The reader of one stream. Each response has its own.
#[derive(Debug)]
pub struct EventStream {
    /// Maximum bytes of an event, its field names included.
    most: usize,
    line: Vec<u8>,
    /// Bytes of the lines before this one that belong to the event.
    taken: usize,
    at: LineState,
    /// A carriage return has ended the line: a line feed behind it belongs to it.
    after_return: bool,
    /// The event has passed the bound.
    too_large: bool,
    /// Bytes of a byte order mark seen at the beginning; all of them when nothing of it is waited for any more.
    mark: usize,
    kind: String,
    data: String,
    has_data: bool,
    id: Option<String>,
}

/// Where in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineState {
    Start,
    /// In one whose bytes are kept.
    Field,
    /// In a comment, or in an event that is left out: nothing is kept.
    Skipped,
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

impl EventStream {
    /// A reader at the beginning of a stream whose events have at most so many bytes.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            line: Vec::new(),
            taken: 0,
            at: LineState::Start,
            after_return: false,
            too_large: false,
            mark: 0,
            kind: String::new(),
            data: String::new(),
            has_data: false,
            id: None,
        }
    }

    /// Reads on until something is complete, and takes what it has read from the front of `piece`. `None`: `piece` is
    /// used up.
    pub fn read(&mut self, piece: &mut &[u8]) -> Option<StreamItem> {
        self.skip_mark(piece);
        while let Some((first, rest)) = piece.split_first() {
            if core::mem::take(&mut self.after_return) && *first == b'\n' {
                *piece = rest;
                continue;
            }
            let end = piece.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (part, rest) = piece.split_at_checked(end.unwrap_or(piece.len()))?;
            self.take(part);
            *piece = rest;
            if let Some((ending, rest)) = rest.split_first() {
                *piece = rest;
                self.after_return = *ending == b'\r' && !mutation!(LineFeedEndsTwice);
                if let Some(item) = self.end_of_line() {
                    return Some(item);
                }
            }
        }
        None
    }

    /// Leaves a byte order mark at the beginning out.
    fn skip_mark(&mut self, piece: &mut &[u8]) {
        while let (Some(awaited), Some((first, rest))) = (BYTE_ORDER_MARK.get(self.mark), piece.split_first())
        {
            if first != awaited {
                let begun = core::mem::replace(&mut self.mark, BYTE_ORDER_MARK.len());
                self.take(BYTE_ORDER_MARK.get(..begun).unwrap_or_default());
                return;
            }
            self.mark += 1;
            *piece = rest;
        }
    }

    /// Takes a part of a line.
    fn take(&mut self, part: &[u8]) {
        let Some(first) = part.first() else { return };
        if self.at == LineState::Start {
            self.at = if *first == b':' || self.too_large { LineState::Skipped } else { LineState::Field };
        }
        if self.at == LineState::Skipped {
            return;
        }
        let most = if mutation!(EventUnbounded) { usize::MAX } else { self.most };
        if self.taken.saturating_add(self.line.len()).saturating_add(part.len()) > most {
            self.too_large = true;
            self.at = LineState::Skipped;
            self.line = Vec::new();
            return;
        }
        self.line.extend_from_slice(part);
    }

    fn end_of_line(&mut self) -> Option<StreamItem> {
        let at = core::mem::replace(&mut self.at, LineState::Start);
        let mut bytes = core::mem::take(&mut self.line);
        match at {
            LineState::Skipped => None,
            LineState::Start => self.end_of_event(),
            LineState::Field => {
                self.taken += bytes.len();
                let item = self.field(&String::from_utf8_lossy(&bytes));
                // For the next line.
                bytes.clear();
                self.line = bytes;
                item
            }
        }
    }

    fn field(&mut self, line: &str) -> Option<StreamItem> {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').filter(|_| !mutation!(SpaceKept)).unwrap_or(value);
        match name {
            "event" => self.kind = value.into(),
            "data" => {
                if core::mem::replace(&mut self.has_data, true) && !mutation!(LinesJoined) {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            "id" if !value.contains('\0') => self.id = Some(value.into()),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                // More than a number holds is longer than anybody waits.
                return Some(StreamItem::Retry(value.parse().unwrap_or(u64::MAX)));
            }
            _ => {}
        }
        None
    }

    fn end_of_event(&mut self) -> Option<StreamItem> {
        self.taken = 0;
        let kind = core::mem::take(&mut self.kind);
        let data = core::mem::take(&mut self.data);
        let has_data = core::mem::take(&mut self.has_data);
        let id = if mutation!(IdInherited) { self.id.clone() } else { self.id.take() };
        if core::mem::take(&mut self.too_large) {
            return Some(StreamItem::TooLarge);
        }
        if !has_data {
            return id.map(StreamItem::Id);
        }
        let kind = if kind.is_empty() { "message".into() } else { kind };
        Some(StreamItem::Event(StreamEvent { kind, data, id }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;
    use alloc::format;

    fn read(pieces: &[&[u8]], most: usize) -> Vec<StreamItem> {
        let mut stream = EventStream::new(most);
        let mut items = Vec::new();
        for piece in pieces {
            let mut piece = *piece;
            while let Some(item) = stream.read(&mut piece) {
                items.push(item);
            }
            assert!(piece.is_empty());
            assert!(stream.line.len() + stream.data.len() <= most, "more is held than the bound");
        }
        items
    }

    fn all(text: &str) -> Vec<StreamItem> {
        read(&[text.as_bytes()], 1 << 16)
    }

    fn event(kind: &str, data: &str, id: Option<&str>) -> StreamItem {
        StreamItem::Event(StreamEvent { kind: kind.into(), data: data.into(), id: id.map(Into::into) })
    }

    fn message(data: &str) -> StreamItem {
        event("message", data, None)
    }

    #[test]
    fn an_event_has_its_lines_its_kind_and_its_id() {
        assert_eq!(
            all("id: 7\nevent: add\ndata: 73857293\ndata:two\n\ndata\n\n"),
            [event("add", "73857293\ntwo", Some("7")), message("")]
        );
    }

    #[test]
    fn only_one_space_behind_the_colon_is_not_data() {
        assert_eq!(
            all("data:test\n\ndata: test\n\ndata:  x \n\n"),
            [message("test"), message("test"), message(" x ")]
        );
    }

    #[test]
    fn comments_unknown_fields_and_what_is_not_ended_are_nothing() {
        assert_eq!(all(": hello\n\n:\nfoo: bar\nfoo\n\ndata: unfinished\n"), []);
        assert_eq!(all(":data: x\ndata: y\n\n"), [message("y")]);
    }

    #[test]
    fn each_kind_of_line_end_ends_a_line_once() {
        for end in ["\n", "\r", "\r\n"] {
            let text = format!("data: a{end}data: b{end}{end}data: c{end}{end}");
            assert_eq!(all(&text), [message("a\nb"), message("c")], "{end:?}");
        }
        assert_eq!(all("data: a\r\r\ndata: b\n\r"), [message("a"), message("b")]);
    }

    #[test]
    fn a_byte_order_mark_is_left_out_at_the_beginning_only() {
        assert_eq!(all("\u{feff}data: a\n\n"), [message("a")]);
        assert_eq!(all("\u{feff}: comment\n\u{feff}data: a\n\ndata: b\n\n"), [message("b")]);
        assert_eq!(all("\u{feff}\u{feff}data: a\n\n"), []);
        assert_eq!(all("\u{feff}\ndata: a\n\n"), [message("a")]);
        assert_eq!(read(&[b"\xef", b"data: a\n\ndata: b\n\n"], 100), [message("b")], "the beginning of one");
    }

    #[test]
    fn an_id_belongs_to_its_event_and_one_with_a_nul_counts_for_nothing() {
        assert_eq!(
            all("id: 1\nid: 2\ndata: a\n\ndata: b\n\nid: 3\0\ndata: c\n\nid\ndata: d\n\n"),
            [event("message", "a", Some("2")), message("b"), message("c"), event("message", "d", Some(""))]
        );
        assert_eq!(all("id: e:7:x\n\nevent: x\n\n"), [StreamItem::Id("e:7:x".to_owned())]);
    }

    #[test]
    fn a_wait_is_made_of_digits_only() {
        assert_eq!(
            all(
                "retry: 1500\nretry: -1\nretry: 1.5\nretry:\nretry: 1e3\nretry: 99999999999999999999\ndata: a\n\n"
            ),
            [StreamItem::Retry(1500), StreamItem::Retry(u64::MAX), message("a")]
        );
    }

    #[test]
    fn what_is_not_utf8_is_replaced_and_nothing_else_suffers() {
        assert_eq!(
            read(&[b"data: a\xffb\xc3\n\ndata: \xc3", b"\xa9\n\n"], 100),
            [message("a\u{fffd}b\u{fffd}"), message("é")]
        );
    }

    #[test]
    fn an_event_beyond_the_bound_is_left_out_and_said_to_be() {
        let long = "x".repeat(100);
        let text = format!("data: a\n\nid: 5\ndata: {long}\ndata: y\n: {long}\n\ndata: b\n\n");
        assert_eq!(read(&[text.as_bytes()], 50), [message("a"), StreamItem::TooLarge, message("b")]);
        let many = format!("{}\n\ndata: b\n\n", "data: x\n".repeat(10));
        assert_eq!(read(&[many.as_bytes()], 50), [StreamItem::TooLarge, message("b")]);
        let exact = format!("data: {}\n\n", "x".repeat(44));
        assert_eq!(read(&[exact.as_bytes()], 50), [message(&"x".repeat(44))]);
    }

    #[test]
    fn a_comment_without_an_end_is_not_kept() {
        let mut stream = EventStream::new(16);
        let part = [b'x'; 1000];
        assert_eq!(stream.read(&mut &b"\xef\xbb"[..]), None);
        assert_eq!(stream.read(&mut &b"\xbf:"[..]), None);
        for _ in 0..100 {
            assert_eq!(stream.read(&mut &part[..]), None);
            assert!(stream.line.capacity() < 1000);
        }
        assert_eq!(stream.read(&mut &b"\ndata: a\n\n"[..]), Some(message("a")));
    }

    const SPECIMEN: &str = "\u{feff}: hi\r\nretry: 10\r\nid: e:1:a\r\ndata: {\"é\":1}\r\n\r\nevent: gap\rdata: x\r\r\
                            id: 2\n\n:\n\ndata: a\ndata\n\n";

    #[test]
    fn it_does_not_matter_where_a_stream_is_cut() {
        let whole = all(SPECIMEN);
        assert_eq!(whole.len(), 5, "{whole:?}");
        let bytes = SPECIMEN.as_bytes();
        for cut in 0..=bytes.len() {
            let (one, two) = bytes.split_at(cut);
            assert_eq!(read(&[one, two], 1 << 16), whole, "cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&single, 1 << 16), whole);
    }

    #[test]
    fn no_bytes_at_all_make_it_hold_more_than_its_bound() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..2000 {
            let alphabet = b"data: id:retry1\n\r\0\xef\xbb\xbf:xe";
            let bytes: Vec<u8> = (0..rng.usize(0..200)).map(|_| *rng.choice(alphabet).unwrap()).collect();
            let whole = read(&[&bytes], 40);
            let cut = rng.usize(0..=bytes.len());
            let (one, two) = bytes.split_at(cut);
            assert_eq!(read(&[one, two], 40), whole, "{bytes:?} cut at {cut}");
        }
    }
}
