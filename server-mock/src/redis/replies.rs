//! Decodes the replies of the scripts. A reply of another shape is a failure.

use super::encode::{is_place, read_entry, read_revocation};
use crate::auth::Revocation;
use crate::hub::LogEntry;
use crate::hub::shared::{RemoteMember, RoomState, StoreNotice, StoreResponse};
use redis::Value;
use rejoin::messages::Code;
use rejoin::{Id, Name};
use std::time::Duration;

/// Most attendees of a room that are taken.
const MOST_ATTENDEES: usize = 100_000;

pub(super) fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        _ => None,
    }
}

pub(super) fn text(value: &Value) -> Option<&str> {
    std::str::from_utf8(bytes(value)?).ok()
}

pub(super) fn id(value: &Value) -> Option<Id> {
    Id::from_bytes(bytes(value)?).ok()
}

pub(super) fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        other => text(other)?.parse().ok(),
    }
}

/// What `revocations.lua` answers.
pub(super) fn revocations(value: &Value) -> Vec<Revocation> {
    let Value::Array(parts) = value else { return Vec::new() };
    let read = |entry: &[Value]| {
        let [what, at, left] = entry else { return None };
        read_revocation(text(what)?, number(at)?, number(left)?)
    };
    parts.chunks_exact(3).filter_map(read).collect()
}

/// The id of the last entry in a part of a stream.
pub(super) fn last_place(value: &Value) -> Option<String> {
    let Value::Array(entries) = value else { return None };
    let Value::Array(parts) = entries.last()? else { return None };
    text(parts.first()?).filter(|place| is_place(place)).map(str::to_owned)
}

/// What `append.lua` answers.
pub(super) fn appended(value: &Value, sent: Option<&LogEntry>) -> Option<StoreResponse> {
    let Value::Array(parts) = value else { return None };
    let (kind, rest) = parts.split_first()?;
    let refused = |code, expected, dup| Some(StoreResponse::Refused { code, expected, dup });
    match (text(kind)?, rest) {
        ("ok", [epoch, seq, new, millis]) => {
            let (seq, new) = (number(seq)?, id(new)?);
            let timestamp = rejoin::utc(Duration::from_millis(number(millis)?));
            let entry = sent.map(|sent| Box::new(LogEntry { seq, timestamp, ..sent.clone() }));
            Some(StoreResponse::Appended { epoch: id(epoch)?, entry, id: new, seq, dup: false })
        }
        ("dup", [epoch, seq, old, kept @ ..]) => {
            let (seq, old) = (number(seq)?, id(old)?);
            let entry = match kept {
                [millis, entry] => {
                    read_entry(seq, old.as_bytes(), number(millis)?, bytes(entry)?).map(Box::new)
                }
                _ => None,
            };
            Some(StoreResponse::Appended { epoch: id(epoch)?, entry, id: old, seq, dup: true })
        }
        ("nack", [code]) => refused(Code::from_wire(text(code)?), None, true),
        ("refused", [code]) => refused(Code::from_wire(text(code)?), None, false),
        ("unknown", []) => refused(Code::UnknownProducer, None, false),
        ("gap", [expected]) => refused(Code::SequenceGap, Some(number(expected)?), false),
        _ => None,
    }
}

/// What `usage.lua` answers.
pub(super) fn usage(user: &Name, value: &Value) -> Option<StoreNotice> {
    let Value::Array(parts) = value else { return None };
    let [remote, sends, joins] = parts.as_slice() else { return None };
    Some(StoreNotice::Usage {
        user: user.clone(),
        remote_connections: u32::try_from(number(remote)?).unwrap_or(u32::MAX),
        sends_milli: number(sends)?,
        joins_milli: number(joins)?,
    })
}

/// What `open.lua` answers, and whether all entries are such as a node writes.
pub(super) fn opened(value: &Value) -> Option<(RoomState, bool)> {
    let Value::Array(parts) = value else { return None };
    let [epoch, head, gone_seq, gone_id, Value::Array(entries), Value::Array(here)] = parts.as_slice() else {
        return None;
    };
    let head = number(head)?;
    let mut state = RoomState {
        epoch: id(epoch)?,
        head,
        entries: Vec::with_capacity(entries.len()),
        preceding: (number(gone_seq)?, id(gone_id)),
        remote_members: Vec::new(),
    };
    let mut is_whole = true;
    for entry in entries {
        let Value::Array(parts) = entry else { return None };
        let [seq, entry_id, millis, text] = parts.as_slice() else { return None };
        let seq = number(seq)?;
        let expected = state.entries.last().map_or(state.preceding.0, |last| last.seq) + 1;
        match read_entry(seq, bytes(entry_id)?, number(millis)?, bytes(text)?) {
            Some(logged) if seq == expected => state.entries.push(logged),
            // What is before a hole, or cannot be read, is as good as trimmed.
            Some(logged) => {
                state.entries.clear();
                state.preceding = (seq.checked_sub(1)?, None);
                state.entries.push(logged);
            }
            None => {
                is_whole = false;
                state.entries.clear();
                state.preceding = (seq, id(entry_id));
            }
        }
    }
    if state.entries.last().map_or(state.preceding.0, |last| last.seq) != head {
        state.entries.clear();
        state.preceding = (head, None);
    }
    for pair in here.chunks_exact(2).take(MOST_ATTENDEES) {
        if let [field, left] = pair
            && let Some((node, user)) = text(field).and_then(|field| field.split_once('|'))
            && let (Ok(node), Some(left), false) = (Id::new(node), number(left), user.is_empty())
        {
            let expires_in = Duration::from_millis(left);
            state.remote_members.push(RemoteMember { node, user: Name::from(user), expires_in });
        }
    }
    Some((state, is_whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn entry(seq: u64, json: &str) -> Value {
        Value::Array(vec![text(&seq.to_string()), text("m"), text("1"), text(json)])
    }

    fn room(head: i64, gone: i64, entries: Vec<Value>) -> Option<RoomState> {
        let here = Value::Array(vec![text("n|a|b"), Value::Int(5), text("x"), Value::Int(1)]);
        let parts =
            vec![text("e"), Value::Int(head), Value::Int(gone), text(""), Value::Array(entries), here];
        opened(&Value::Array(parts)).map(|(state, _)| state)
    }

    #[test]
    fn a_room_with_a_hole_or_with_an_entry_of_others_begins_behind_it() {
        let good = r#"{"u":"a","c":"x"}"#;
        let seqs = |state: RoomState| {
            (state.preceding.0, state.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>())
        };
        let all = room(3, 0, vec![entry(1, good), entry(2, good), entry(3, good)]).unwrap();
        assert_eq!(all.remote_members.len(), 1);
        assert_eq!(&*all.remote_members[0].user, "a|b");
        assert_eq!(seqs(all), (0, vec![1, 2, 3]));
        assert_eq!(seqs(room(3, 0, vec![entry(1, good), entry(3, good)]).unwrap()), (2, vec![3]));
        assert_eq!(
            seqs(room(3, 0, vec![entry(1, good), entry(2, "?"), entry(3, good)]).unwrap()),
            (2, vec![3])
        );
        assert_eq!(seqs(room(3, 0, vec![entry(1, good), entry(2, good)]).unwrap()), (3, vec![]));
        assert_eq!(seqs(room(3, 1, vec![]).unwrap()), (3, vec![]));
        assert_eq!(seqs(room(0, 0, vec![]).unwrap()), (0, vec![]));
    }

    #[test]
    fn what_no_script_of_ours_answers_is_nothing() {
        let user = Name::from("ada");
        for bad in [Value::Nil, Value::Okay, Value::Array(vec![]), Value::Array(vec![text("ok")]), text("ok")]
        {
            assert!(appended(&bad, None).is_none() && opened(&bad).is_none(), "{bad:?}");
            assert!(usage(&user, &bad).is_none(), "{bad:?}");
        }
    }
}
