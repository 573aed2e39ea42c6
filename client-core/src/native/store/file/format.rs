//! The bytes of a state file, without any file.
//!
//! ```text
//! rejoin-state 2 <mark, 16 hex digits> <FNV-1a of the mark>
//! <bytes of what follows> <FNV-1a of it> {"url":"wss://…","state":{…}}
//! <bytes of what follows> <FNV-1a of it> [{"add":{…}},{"sent":[…]}]
//! …
//! ```
//!
//! The first group is a whole state, each later one what has changed since; a group counts whole or not at all. The last
//! one may be torn, because the process or the machine died while it was written: then it has never counted. The mark
//! says up to where the file was once complete, so that one that was cut short by other means is not mistaken for that.
//!
//! Version 1 had one whole state and no more: `rejoin-state 1 <bytes of what follows> <FNV-1a of it>` and a line.

use super::record::ProducerNames;
use crate::journal::JournalState;
use crate::persisted::Saved;
use serde::{Deserialize, Serialize};
use std::io;

/// What every file begins with.
pub(super) const MAGIC: &str = "rejoin-state";
const VERSION: u64 = 2;
const OLD: u64 = 1;
/// The first line is shorter than this.
const LONGEST_HEAD: usize = 80;
/// The two numbers at the beginning of a group are shorter than this.
const LONGEST_COUNT: usize = 40;

#[derive(Serialize)]
struct Written<'a> {
    url: &'a str,
    state: &'a Saved,
}

#[derive(Deserialize)]
struct Stored {
    url: Box<str>,
    state: Saved,
}

/// What is wrong with a file's content.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    Foreign,
    Version(u64),
    Damaged,
}

/// What a file says.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) url: Box<str>,
    pub(super) state: Saved,
    /// Where the next group goes and how much the first one was; `None` for a file that has to be written anew.
    pub(super) tail: Option<Tail>,
}

/// The end of a file that can be written on.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) length: usize,
    pub(super) snapshot: usize,
    pub(super) lines: ProducerNames,
}

/// A file with this state and nothing after it.
pub(super) fn snapshot(url: &str, state: &Saved) -> io::Result<Vec<u8>> {
    let mut bytes = head(0);
    let head_length = bytes.len();
    group(&mut bytes, &serde_json::to_vec(&Written { url, state })?);
    let complete = head(bytes.len() as u64);
    debug_assert_eq!(complete.len(), head_length);
    bytes.splice(..head_length, complete);
    Ok(bytes)
}

/// The first line of a file that is complete up to `mark`.
pub(super) fn head(mark: u64) -> Vec<u8> {
    let mark = format!("{mark:016x}");
    format!("{MAGIC} {VERSION} {mark} {:016x}\n", checksum(mark.as_bytes())).into_bytes()
}

/// Adds a group.
pub(super) fn group(bytes: &mut Vec<u8>, body: &[u8]) {
    bytes.extend(format!("{} {:016x} ", body.len(), checksum(body)).as_bytes());
    bytes.extend(body);
    bytes.push(b'\n');
}

/// Reads a file.
pub(super) fn read(bytes: &[u8]) -> Result<Content, Unreadable> {
    // A file cut in its first bytes is still one of ours.
    let magic = format!("{MAGIC} ");
    if !bytes.starts_with(magic.get(..bytes.len().min(magic.len())).unwrap_or_default().as_bytes()) {
        return Err(Unreadable::Foreign);
    }
    let end = bytes.iter().take(LONGEST_HEAD).position(|byte| *byte == b'\n').ok_or(Unreadable::Damaged)?;
    let (head, rest) = bytes.split_at(end);
    let head = std::str::from_utf8(head).map_err(|_| Unreadable::Damaged)?;
    let words: Vec<&str> = head.split(' ').skip(1).collect();
    let version = words.first().and_then(|word| word.parse().ok()).ok_or(Unreadable::Damaged)?;
    let [_, first, sum] = words[..] else { return Err(Unreadable::Damaged) };
    let sum = u64::from_str_radix(sum, 16).map_err(|_| Unreadable::Damaged)?;
    match version {
        OLD => read_old(first, sum, rest.get(1..).unwrap_or_default()),
        VERSION => {
            let mark = u64::from_str_radix(first, 16).map_err(|_| Unreadable::Damaged)?;
            if checksum(first.as_bytes()) != sum {
                return Err(Unreadable::Damaged);
            }
            read_groups(bytes, end + 1, usize::try_from(mark).unwrap_or(usize::MAX))
        }
        other => Err(Unreadable::Version(other)),
    }
}

fn read_old(length: &str, sum: u64, body: &[u8]) -> Result<Content, Unreadable> {
    let length: usize = length.parse().map_err(|_| Unreadable::Damaged)?;
    if body.len() != length || checksum(body) != sum {
        return Err(Unreadable::Damaged);
    }
    let Stored { url, state } = serde_json::from_slice(body).map_err(|_| Unreadable::Damaged)?;
    Ok(Content { url, state, tail: None })
}

fn read_groups(bytes: &[u8], from: usize, mark: usize) -> Result<Content, Unreadable> {
    let (body, mut at) = group_at(bytes, from).ok_or(Unreadable::Damaged)?;
    let Stored { url, state } = serde_json::from_slice(body).map_err(|_| Unreadable::Damaged)?;
    let snapshot = at - from;
    let mut journal = JournalState::new(state);
    let mut lines = ProducerNames::default();
    while at < bytes.len() {
        let Some((body, next)) = group_at(bytes, at) else { break };
        lines.read(body, &mut journal).map_err(|_| Unreadable::Damaged)?;
        at = next;
    }
    // What was complete once is not torn; and nothing is written behind a group before that group is complete.
    if at < mark || has_group(bytes.get(at..).unwrap_or_default()) {
        return Err(Unreadable::Damaged);
    }
    Ok(Content { url, state: journal.saved(), tail: Some(Tail { length: at, snapshot, lines }) })
}

/// The body of the group there, and where the next one begins.
fn group_at(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(at..)?;
    let start = rest.iter().take(LONGEST_COUNT).enumerate().filter(|(_, byte)| **byte == b' ').nth(1)?.0 + 1;
    let (length, sum) = std::str::from_utf8(rest.get(..start - 1)?).ok()?.split_once(' ')?;
    let length: usize = length.parse().ok()?;
    let end = start.checked_add(length)?;
    let body = rest.get(start..end)?;
    let whole = *rest.get(end)? == b'\n' && u64::from_str_radix(sum, 16).ok()? == checksum(body);
    whole.then_some((body, at + end + 1))
}

/// Whether a whole group begins behind some line's end in there.
fn has_group(bytes: &[u8]) -> bool {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.into_iter().any(|(end, _)| group_at(bytes, end + 1).is_some())
}

/// FNV-1a of 64 bits: it is to notice accidents, not attackers.
fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
