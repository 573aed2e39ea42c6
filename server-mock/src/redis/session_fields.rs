//! Reads and writes the record of a Socket.IO session as the fields of a hash. What is read is remote input: it is bounded and checked here.

use super::keys::room_field;
use super::replies;
use crate::shared_sessions::{RecordedRoom, SessionRecord};
use redis::{Cmd, Value};
use rejoin::{Id, Name};

/// Most rooms that are read, most bytes of a room's name, and of what a client knows a session by.
const MOST_ROOMS: usize = 10_000;
const LONGEST_NAME: usize = 1_024;
const LONGEST_SID: usize = 64;

/// Adds the fields and their values but for the session's number and its version, which the script has.
pub(super) fn write(cmd: &mut Cmd, record: &SessionRecord) {
    cmd.arg("i").arg(&record.sid).arg("t").arg(record.settled).arg("l").arg(record.last_slot);
    cmd.arg("e").arg(u8::from(record.elsewhere));
    if let Some(begun_with) = record.begun_with {
        cmd.arg("b").arg(begun_with);
    }
    for RecordedRoom { slot, room, epoch, after } in &record.rooms {
        let after = after.map_or(String::from("-"), |after| after.to_string());
        cmd.arg(room_field(room)).arg(format!("{slot} {after} {} {room}", epoch.as_str()));
    }
}

/// What is kept of a session; `None` if there is nothing, or no server has written it so.
pub(super) fn read(value: &Value) -> Option<SessionRecord> {
    let mut record = SessionRecord {
        session: 0,
        version: 0,
        sid: String::new(),
        begun_with: None,
        settled: 0,
        last_slot: 0,
        elsewhere: false,
        rooms: Vec::new(),
    };
    let mut is_whole = 0;
    let mut take = |field: &Value, value: &Value| {
        let (field, number) = (replies::text(field)?, || replies::number(value));
        match field {
            "s" => (record.session, is_whole) = (number()?, is_whole + 1),
            "v" => (record.version, is_whole) = (number()?, is_whole + 1),
            "t" => (record.settled, is_whole) = (number()?, is_whole + 1),
            "l" => (record.last_slot, is_whole) = (u32::try_from(number()?).ok()?, is_whole + 1),
            "e" => record.elsewhere = number()? == 1,
            "b" => record.begun_with = Some(number()?),
            "i" => {
                let sid = replies::text(value).filter(|sid| sid.len() <= LONGEST_SID)?;
                (record.sid, is_whole) = (String::from(sid), is_whole + 1);
            }
            _ if field.starts_with('r') && record.rooms.len() < MOST_ROOMS => {
                record.rooms.push(room(replies::text(value)?)?);
            }
            _ => return None,
        }
        Some(())
    };
    match value {
        Value::Map(fields) => fields.iter().try_for_each(|(field, value)| take(field, value))?,
        Value::Array(fields) => fields.chunks(2).try_for_each(|pair| match pair {
            [field, value] => take(field, value),
            _ => None,
        })?,
        _ => return None,
    }
    // As a server has them that knows it by itself.
    record.rooms.sort_unstable_by(|one, other| one.room.cmp(&other.room));
    (is_whole == 5).then_some(record)
}

fn room(text: &str) -> Option<RecordedRoom> {
    let mut parts = text.splitn(4, ' ');
    let slot = parts.next()?.parse().ok()?;
    let after = match parts.next()? {
        "-" => None,
        after => Some(after.parse().ok()?),
    };
    let epoch = Id::new(parts.next()?).ok()?;
    let room = parts.next().filter(|room| !room.is_empty() && room.len() <= LONGEST_NAME)?;
    Some(RecordedRoom { slot, room: Name::from(room), epoch, after })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> SessionRecord {
        let room = |slot, room: &str, after| RecordedRoom {
            slot,
            room: Name::from(room),
            epoch: Id::new("e-1").unwrap(),
            after,
        };
        SessionRecord {
            session: 123_456_789_012,
            version: 3,
            sid: String::from("sid"),
            begun_with: Some(7),
            settled: 12,
            last_slot: 9,
            elsewhere: true,
            rooms: vec![room(2, "@me", None), room(9, "a room – of one's own", Some(4))],
        }
    }

    /// As Redis would answer.
    fn kept(record: &SessionRecord) -> Vec<(Value, Value)> {
        let mut cmd = redis::cmd("HSET");
        cmd.arg("s").arg(record.session).arg("v").arg(record.version);
        write(&mut cmd, record);
        let text = |arg: redis::Arg<&[u8]>| match arg {
            redis::Arg::Simple(bytes) => Value::BulkString(bytes.to_vec()),
            _ => Value::Nil,
        };
        let args: Vec<_> = cmd.args_iter().skip(1).map(text).collect();
        args.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
    }

    #[test]
    fn a_session_is_read_as_it_is_written() {
        let record = record();
        let fields = kept(&record);
        assert_eq!(read(&Value::Map(fields.clone())), Some(record.clone()));
        let flat = fields.into_iter().flat_map(|(field, value)| [field, value]).collect();
        assert_eq!(read(&Value::Array(flat)), Some(record));
    }

    #[test]
    fn what_no_server_has_written_is_none() {
        let fields = kept(&record());
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        for missing in 0..5 {
            let mut fields = fields.clone();
            fields.retain(|(field, _)| *field != text(["s", "v", "t", "l", "i"][missing]));
            assert_eq!(read(&Value::Map(fields)), None);
        }
        for (field, value) in [
            ("s", "x"),
            ("s", "-1"),
            ("l", "4294967296"),
            ("x", "1"),
            ("i", &"i".repeat(65)),
            ("r1", ""),
            ("r1", "1 2 e"),
            ("r1", "1 x e a"),
            ("r1", "-1 2 e a"),
            ("r1", "1 2 é a"),
            ("r1", "1 2 e "),
        ] {
            let mut fields = fields.clone();
            fields.push((text(field), text(value)));
            assert_eq!(read(&Value::Map(fields)), None, "{field} {value}");
        }
        for value in [Value::Nil, Value::Map(Vec::new()), Value::Array(vec![text("s")]), text("s")] {
            assert_eq!(read(&value), None);
        }
    }
}
