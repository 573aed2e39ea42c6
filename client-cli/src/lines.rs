//! Reads bounded lines from stdin on its own thread.
//!
//! Not tokio's stdin: a pending read there delays the end of the program.

use std::io::{BufRead, ErrorKind};
use tokio::sync::mpsc;

/// The longest line that is taken, in bytes.
pub(crate) const LONGEST_LINE: usize = 1 << 20;
/// Bytes handed over at once when more is there.
const BATCH: usize = 64 << 10;
/// Batches on their way: with the one being filled, at most 3 × (64 KiB + 1 MiB) are held.
const BATCHES: usize = 2;

/// What some editors and shells put in front of a text: no part of it.
pub(crate) const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// One line of input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// From 1.
    pub(crate) number: u64,
    pub(crate) text: Result<String, BadText>,
}

/// Why a line has no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadText {
    TooLong,
    NotUtf8,
    /// Nothing can be read any more: the last one.
    Unreadable(ErrorKind),
}

/// Starts reading stdin. The channel closes at its end; the thread is left alone when the program ends, since
/// nothing can wake it from a read.
pub(crate) fn stdin() -> mpsc::Receiver<Vec<Line>> {
    let (sender, receiver) = mpsc::channel(BATCHES);
    std::thread::spawn(move || {
        let mut reader = std::io::BufReader::with_capacity(BATCH, std::io::stdin().lock());
        let mut lines = Lines::default();
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(line) = lines.next(&mut reader) {
            bytes += line.text.as_ref().map_or(0, String::len);
            batch.push(line);
            // Hand over before a read that may block.
            if bytes >= BATCH || !reader.buffer().contains(&b'\n') {
                bytes = 0;
                if sender.blocking_send(std::mem::take(&mut batch)).is_err() {
                    return;
                }
            }
        }
    });
    receiver
}

/// Splits a reader into lines without ever holding more than one of the longest.
#[derive(Debug, Default)]
struct Lines {
    number: u64,
    has_failed: bool,
}

impl Lines {
    /// The next line; `None` at the end. When reading fails, that is the last one, in place of a line of which only the
    /// beginning is known.
    fn next(&mut self, reader: &mut impl BufRead) -> Option<Line> {
        let mut bytes = Vec::new();
        let mut too_long = false;
        let mut any = false;
        if self.has_failed {
            return None;
        }
        loop {
            let chunk = match reader.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.has_failed = true;
                    self.number += 1;
                    return Some(Line { number: self.number, text: Err(BadText::Unreadable(error.kind())) });
                }
            };
            if chunk.is_empty() && !any {
                return None;
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
            any = true;
            if bytes.len() + part.len() > LONGEST_LINE {
                too_long = true;
                bytes = Vec::new();
            } else if !too_long {
                bytes.extend_from_slice(part);
            }
            let is_last = chunk.is_empty();
            let used = part.len() + usize::from(end.is_some());
            reader.consume(used);
            if end.is_some() || is_last {
                break;
            }
        }
        self.number += 1;
        if self.number == 1 && bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        let text = if too_long {
            Err(BadText::TooLong)
        } else {
            String::from_utf8(bytes).map_err(|_| BadText::NotUtf8)
        };
        Some(Line { number: self.number, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    fn all(input: &[u8]) -> Vec<Result<String, BadText>> {
        let mut reader = BufReader::with_capacity(7, input);
        let mut lines = Lines::default();
        std::iter::from_fn(|| lines.next(&mut reader)).map(|line| line.text).collect()
    }

    #[test]
    fn lines_end_with_or_without_a_carriage_return_and_the_last_one_needs_no_end() {
        let expected: Vec<_> =
            ["one", "two", "", "three"].iter().map(|line| Ok((*line).to_owned())).collect();
        assert_eq!(all(b"one\r\ntwo\n\nthree"), expected);
        assert_eq!(all(b"one\ntwo\n\nthree\n"), expected);
        assert_eq!(all(b""), []);
    }

    #[test]
    fn an_overlong_line_and_invalid_text_cost_only_themselves() {
        let mut input = vec![b'x'; LONGEST_LINE + 1];
        input.extend_from_slice(b"\n\xff\xfe\nok\n");
        assert_eq!(all(&input), [Err(BadText::TooLong), Err(BadText::NotUtf8), Ok("ok".to_owned())]);
        let longest = "x".repeat(LONGEST_LINE);
        assert_eq!(all(longest.as_bytes()), [Ok(longest)]);
    }

    #[test]
    fn a_byte_order_mark_in_front_of_it_all_is_no_part_of_the_first_line() {
        let expected: Vec<_> = ["one", "\u{feff}two"].iter().map(|line| Ok((*line).to_owned())).collect();
        assert_eq!(all("\u{feff}one\n\u{feff}two\n".as_bytes()), expected);
        assert_eq!(all("\u{feff}".as_bytes()), [Ok(String::new())]);
    }

    #[test]
    fn a_read_that_fails_is_told_once_and_is_the_end() {
        struct Failing;
        impl std::io::Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(ErrorKind::IsADirectory.into())
            }
        }
        let mut reader = BufReader::new(std::io::Read::chain(&b"one\ntw"[..], Failing));
        let mut lines = Lines::default();
        let read: Vec<_> = std::iter::from_fn(|| lines.next(&mut reader)).map(|line| line.text).collect();
        assert_eq!(read, [Ok("one".to_owned()), Err(BadText::Unreadable(ErrorKind::IsADirectory))]);
    }

    #[test]
    fn lines_are_numbered_from_one_bad_ones_included() {
        let mut reader = &b"\xff\nb\n"[..];
        let mut lines = Lines::default();
        assert_eq!(lines.next(&mut reader).unwrap().number, 1);
        assert_eq!(lines.next(&mut reader).unwrap().number, 2);
    }
}
