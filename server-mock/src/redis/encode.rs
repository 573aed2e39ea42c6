//! Encodes and decodes entries, notices and controls as they stand in Redis. What is decoded is remote input: it is bounded
//! and checked here.

use crate::auth::{Jti, Revocation, Revoked, hex, unhex};
use crate::hub::KIND_BYTES;
use crate::hub::LogEntry;
use crate::hub::shared::{Control, UserPresence};
use rejoin::messages::json::{is_data, nesting_depth};
use rejoin::messages::{MAX_DATA_LEVELS, ProducerSeq};
use rejoin::{Id, Name, utc};
use serde::{Deserialize, Serialize};
use std::time::{Duration, UNIX_EPOCH};

/// Most bytes of an entry, and of a notice.
pub(super) const LONGEST: usize = 2 << 20;

/// Most bytes of a name.
const LONGEST_NAME: usize = 1_024;

/// Most names in a notice of attendance.
const MOST_USERS: usize = 100_000;

/// A ban ends before the Unix time has more digits than these milliseconds.
const LONGEST_BAN: u64 = 1 << 43;

/// One entry, but for its number, its id and its time, which stand beside it.
#[derive(Serialize, Deserialize)]
struct Entry<'a> {
    #[serde(rename = "u", borrow)]
    user: std::borrow::Cow<'a, str>,
    #[serde(rename = "c", borrow, default, skip_serializing_if = "str::is_empty")]
    content: std::borrow::Cow<'a, str>,
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pid: Option<String>,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pseq: Option<u64>,
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
}

pub(super) fn entry(logged: &LogEntry) -> String {
    let entry = Entry {
        user: logged.user.as_str().into(),
        content: logged.content.as_str().into(),
        data: logged.data.clone(),
        pid: logged.origin.as_ref().map(|origin| origin.pid.as_str().to_owned()),
        pseq: logged.origin.as_ref().map(|origin| origin.pseq),
        kind: logged.kind.as_ref().map(|kind| kind.as_str().to_owned()),
    };
    // Strings and numbers only: this cannot fail.
    serde_json::to_string(&entry).unwrap_or_default()
}

/// An entry as Redis has it; `None` if no node has written it so.
pub(super) fn read_entry(seq: u64, id: &[u8], millis: u64, text: &[u8]) -> Option<LogEntry> {
    if text.len() > LONGEST || seq == 0 || millis > LONGEST_BAN {
        return None;
    }
    let entry: Entry<'_> = serde_json::from_slice(text).ok()?;
    let kind = match entry.kind {
        None => None,
        Some(kind) if kind.len() <= KIND_BYTES && !kind.is_empty() => Some(Name::from(kind)),
        Some(_) => return None,
    };
    let origin = match (entry.pid, entry.pseq) {
        (Some(pid), Some(pseq)) => Some(Box::new(ProducerSeq { pid: Id::new(&pid).ok()?, pseq })),
        (None, None) => None,
        _ => return None,
    };
    if entry.data.as_ref().is_some_and(|data| !good_data(data)) {
        return None;
    }
    Some(LogEntry {
        id: Id::from_bytes(id).ok()?,
        seq,
        user: read_name(&entry.user)?,
        content: entry.content.into_owned(),
        data: entry.data,
        timestamp: utc(Duration::from_millis(millis)),
        origin,
        kind,
    })
}

fn good_data(data: &str) -> bool {
    is_data(data) && nesting_depth(data) <= MAX_DATA_LEVELS
}

fn read_name(text: &str) -> Option<Name> {
    (!text.is_empty() && text.len() <= LONGEST_NAME).then(|| Name::from(text))
}

/// Something that was published in a room.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Published {
    Logged { epoch: Id, entry: Box<LogEntry> },
    Head { epoch: Id, head: u64 },
    Presence { node: Id, users: Vec<UserPresence>, whole: bool },
    Signal { node: Id, user: Name, kind: Name, data: Option<String> },
}

#[derive(Serialize, Deserialize)]
struct SignalText {
    u: String,
    k: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    d: Option<String>,
}

pub(super) fn signal(node: &Id, user: &Name, kind: &Name, data: Option<String>) -> String {
    let text = SignalText { u: user.to_string(), k: kind.to_string(), d: data };
    format!("S {} {}", node.as_str(), serde_json::to_string(&text).unwrap_or_default())
}

pub(super) fn attendance(node: &Id, users: &[UserPresence], whole: bool) -> String {
    let users: Vec<_> =
        users.iter().map(|change| (change.user.as_str(), u8::from(change.is_present))).collect();
    let whole = if whole { 'W' } else { 'A' };
    format!("{whole} {} {}", node.as_str(), serde_json::to_string(&users).unwrap_or_default())
}

/// What a room's channel brought; `None` if no node and no script of ours has published it.
pub(super) fn read_published(bytes: &[u8]) -> Option<Published> {
    if bytes.len() > LONGEST {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let (kind, rest) = text.split_once(' ')?;
    let (first, rest) = rest.split_once(' ')?;
    let first = Id::new(first).ok()?;
    match kind {
        "L" => {
            let mut parts = rest.splitn(4, ' ');
            let (seq, millis) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            let (id, text) = (parts.next()?, parts.next()?);
            let entry = read_entry(seq, id.as_bytes(), millis, text.as_bytes())?;
            Some(Published::Logged { epoch: first, entry: Box::new(entry) })
        }
        "H" => Some(Published::Head { epoch: first, head: rest.parse().ok()? }),
        "A" | "W" => {
            let users: Vec<(String, u8)> = serde_json::from_str(rest).ok()?;
            if users.len() > MOST_USERS {
                return None;
            }
            let read = |(user, here): (String, u8)| {
                Some(UserPresence { user: read_name(&user)?, is_present: here == 1 })
            };
            let users = users.into_iter().map(read).collect::<Option<_>>()?;
            Some(Published::Presence { node: first, users, whole: kind == "W" })
        }
        "S" => {
            let SignalText { u, k, d } = serde_json::from_str(rest).ok()?;
            let is_good = !k.is_empty() && k.len() <= KIND_BYTES && d.as_deref().is_none_or(good_data);
            let user = read_name(&u).filter(|_| is_good)?;
            Some(Published::Signal { node: first, user, kind: Name::from(k), data: d })
        }
        _ => None,
    }
}

#[derive(Serialize, Deserialize)]
struct ControlText {
    /// Which node says so; none for other programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    #[serde(flatten)]
    what: ControlKind,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum ControlKind {
    Kick {
        user: String,
        #[serde(default, rename = "banMs", skip_serializing_if = "Option::is_none")]
        ban_ms: Option<u64>,
    },
    Remove {
        room: String,
        user: String,
    },
}

pub(super) fn control(node: &Id, control: &Control) -> String {
    let what = match control {
        Control::Kick { user, ban } => ControlKind::Kick { user: user.to_string(), ban_ms: ban.map(millis) },
        Control::Remove { room, user } => {
            ControlKind::Remove { room: room.to_string(), user: user.to_string() }
        }
    };
    let text = ControlText { node: Some(node.as_str().to_owned()), at: None, what };
    serde_json::to_string(&text).unwrap_or_default()
}

/// What every node has to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReadControl {
    pub(super) control: Control,
    /// This node itself has said so.
    pub(super) is_own: bool,
    /// Its place among the removals that are remembered, if it is one.
    pub(super) at: Option<String>,
}

/// What the channel of controls brought, or what was remembered of it.
pub(super) fn read_control(node: &Id, bytes: &[u8]) -> Option<ReadControl> {
    if bytes.len() > LONGEST {
        return None;
    }
    let text: ControlText = serde_json::from_slice(bytes).ok()?;
    let is_own = text.node.as_deref() == Some(node.as_str());
    let control = match text.what {
        ControlKind::Kick { user, ban_ms } => Control::Kick {
            user: read_name(&user)?,
            ban: ban_ms.map(|ban| Duration::from_millis(ban.min(LONGEST_BAN))),
        },
        ControlKind::Remove { room, user } => {
            Control::Remove { room: read_name(&room)?, user: read_name(&user)? }
        }
    };
    Some(ReadControl { control, is_own, at: text.at.filter(|at| is_place(at)) })
}

/// Whether a text is the id of an entry in a stream.
pub(super) fn is_place(text: &str) -> bool {
    let is_number = |part: &str| part.parse::<u64>().is_ok();
    text.split_once('-').is_some_and(|(millis, number)| is_number(millis) && is_number(number))
}

/// What is taken back, as it is kept.
pub(super) fn revoked(what: &Revoked) -> String {
    match what {
        Revoked::User(user) => format!("u{user}"),
        Revoked::Token(jti) => format!("j{}", hex(&jti.0)),
    }
}

/// An entry of the list of revocations; `None` if no node has written it so.
pub(super) fn read_revocation(what: &str, at: u64, lasts: u64) -> Option<Revocation> {
    let what = match what.split_at_checked(1)? {
        ("u", user) => Revoked::User(read_name(user)?),
        ("j", jti) => Revoked::Token(Jti(unhex(jti)?)),
        _ => return None,
    };
    let time = |millis: u64| Duration::from_millis(millis.min(LONGEST_BAN));
    Some(Revocation { what, at: UNIX_EPOCH + time(at), lasts: time(lasts) })
}

/// What is published of a revocation; `revoke.lua` writes the same.
pub(super) fn revocation(node: &Id, revocation: &Revocation) -> String {
    let text = RevokeText {
        node: node.as_str().to_owned(),
        r#do: String::from("revoke"),
        what: revoked(&revocation.what),
        at_ms: millis(revocation.at.duration_since(UNIX_EPOCH).unwrap_or_default()),
        lasts_ms: millis(revocation.lasts),
    };
    serde_json::to_string(&text).unwrap_or_default()
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RevokeText {
    node: String,
    r#do: String,
    what: String,
    at_ms: u64,
    lasts_ms: u64,
}

/// Tokens that another node has taken back, on the channel of controls.
pub(super) fn read_revoke(node: &Id, bytes: &[u8]) -> Option<Revocation> {
    if bytes.len() > LONGEST {
        return None;
    }
    let text: RevokeText = serde_json::from_slice(bytes).ok()?;
    if text.r#do != "revoke" || text.node == node.as_str() {
        return None;
    }
    read_revocation(&text.what, text.at_ms, text.lasts_ms)
}

/// Whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).min(LONGEST_BAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged() -> LogEntry {
        LogEntry {
            id: Id::new("m1").unwrap(),
            seq: 7,
            user: Name::from("ada"),
            content: String::from("hi \"there\" \u{1f600}\n"),
            data: Some(String::from("{\"a\":[1]}")),
            timestamp: utc(Duration::from_millis(1_234_567)),
            origin: Some(Box::new(ProducerSeq { pid: Id::new("p").unwrap(), pseq: 3 })),
            kind: None,
        }
    }

    #[test]
    fn an_entry_comes_back_as_it_was() {
        let mut all = vec![logged()];
        all.push(LogEntry {
            origin: None,
            data: None,
            content: String::new(),
            kind: Some(Name::from("k")),
            ..logged()
        });
        for logged in all {
            let text = entry(&logged);
            assert_eq!(read_entry(7, b"m1", 1_234_567, text.as_bytes()), Some(logged.clone()));
            let published = format!("L e 7 1234567 m1 {text}");
            let notice = Published::Logged { epoch: Id::new("e").unwrap(), entry: Box::new(logged) };
            assert_eq!(read_published(published.as_bytes()), Some(notice));
        }
    }

    #[test]
    fn a_revocation_comes_back_as_it_was_on_other_nodes_only() {
        let (node, other) = (Id::new("n1").unwrap(), Id::new("n2").unwrap());
        for what in [Revoked::User(Name::from("ada é")), Revoked::Token(Jti::from("t1"))] {
            let text = serde_json::json!({"node": "n1", "do": "revoke", "what": revoked(&what), "atMs": 5, "lastsMs": 7});
            let read = read_revoke(&other, text.to_string().as_bytes()).unwrap();
            assert_eq!(
                read.clone(),
                Revocation {
                    what,
                    at: UNIX_EPOCH + Duration::from_millis(5),
                    lasts: Duration::from_millis(7)
                }
            );
            assert_eq!(read_revoke(&node, text.to_string().as_bytes()), None);
            let again = revocation(&node, &read);
            assert_eq!(read_revoke(&other, again.as_bytes()), Some(read));
        }
        for bad in ["", "u", "é", "j00", "xada"] {
            assert!(read_revocation(bad, 1, 1).is_none(), "{bad}");
        }
    }

    #[test]
    fn what_others_have_written_is_nothing() {
        let text = entry(&logged());
        assert!(read_entry(0, b"m1", 1, text.as_bytes()).is_none());
        assert!(read_entry(1, b"m 1", 1, text.as_bytes()).is_none());
        assert!(read_entry(1, b"m1", u64::MAX, text.as_bytes()).is_none());
        for bad in [
            "",
            "{}",
            "[]",
            "{\"u\":\"\"}",
            "{\"u\":\"a\",\"d\":\"{\"}",
            "{\"u\":\"a\",\"k\":\"\"}",
            "{\"u\":\"a\",\"p\":\"x\"}",
        ] {
            assert!(read_entry(1, b"m1", 1, bad.as_bytes()).is_none(), "{bad}");
        }
        for bad in [
            "",
            "L",
            "L e",
            "L e x 1 m {}",
            "H e x",
            "A n {}",
            "W n [[\"\",1]]",
            "S n {}",
            "X n 1",
            "H e\u{e9} 1",
        ] {
            assert!(read_published(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(read_published(&[b'H', b' ', 0xff, b' ', b'1']).is_none());
        for bad in [
            "",
            "{}",
            "{\"do\":\"kick\"}",
            "{\"do\":\"dance\",\"user\":\"a\"}",
            "{\"do\":\"kick\",\"user\":\"\"}",
        ] {
            assert!(read_control(&Id::new("n").unwrap(), bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn notices_and_controls_come_back_as_they_were_and_not_to_the_node_itself() {
        let node = Id::new("n1").unwrap();
        let users = vec![
            UserPresence { user: Name::from("a b"), is_present: true },
            UserPresence { user: Name::from("c"), is_present: false },
        ];
        let text = attendance(&node, &users, true);
        let wanted = Published::Presence { node: node.clone(), users, whole: true };
        assert_eq!(read_published(text.as_bytes()), Some(wanted));
        let text = signal(&node, &Name::from("ada"), &Name::from("typing"), Some(String::from("1")));
        assert!(matches!(read_published(text.as_bytes()), Some(Published::Signal { .. })));
        let other = Id::new("n2").unwrap();
        for what in [
            Control::Kick { user: Name::from("ada"), ban: Some(Duration::from_millis(5)) },
            Control::Kick { user: Name::from("ada"), ban: None },
            Control::Remove { room: Name::from("r"), user: Name::from("ada") },
        ] {
            let text = control(&node, &what);
            let read = |node| read_control(node, text.as_bytes()).unwrap();
            assert_eq!(read(&other), ReadControl { control: what.clone(), is_own: false, at: None });
            assert_eq!(read(&node), ReadControl { control: what, is_own: true, at: None });
            let placed = text.replace('}', r#","at":"12-3"}"#);
            let placed = read_control(&other, placed.as_bytes()).unwrap();
            assert_eq!(placed.at.as_deref(), Some("12-3"));
        }
    }
}
