//! The Lua scripts, one for each operation, and their digests.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use std::fmt::Write as _;
use std::sync::LazyLock;

const ROOM: &str = include_str!("scripts/room.lua");
const SESSION: &str = include_str!("scripts/session.lua");

/// One script. Redis knows it by the SHA-1 of its text.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) text: String,
    pub(super) sha: String,
}

fn script(parts: &[&str]) -> Script {
    let text = parts.concat();
    let mut sha = String::with_capacity(40);
    for byte in digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref() {
        // Writing to a String does not fail.
        let _ = write!(sha, "{byte:02x}");
    }
    Script { text, sha }
}

pub(super) static OPEN: LazyLock<Script> =
    LazyLock::new(|| script(&[ROOM, include_str!("scripts/open.lua")]));
pub(super) static APPEND: LazyLock<Script> =
    LazyLock::new(|| script(&[ROOM, include_str!("scripts/append.lua")]));
pub(super) static CONFIRM: LazyLock<Script> =
    LazyLock::new(|| script(&[ROOM, include_str!("scripts/confirm.lua")]));
pub(super) static TAIL: LazyLock<Script> =
    LazyLock::new(|| script(&[ROOM, include_str!("scripts/tail.lua")]));
pub(super) static PROBE: LazyLock<Script> = LazyLock::new(|| script(&[include_str!("scripts/probe.lua")]));
pub(super) static EMPTY: LazyLock<Script> =
    LazyLock::new(|| script(&[ROOM, include_str!("scripts/empty.lua")]));
pub(super) static ATTEND: LazyLock<Script> = LazyLock::new(|| script(&[include_str!("scripts/attend.lua")]));
pub(super) static CONTROL: LazyLock<Script> =
    LazyLock::new(|| script(&[include_str!("scripts/control.lua")]));
pub(super) static REMOVAL: LazyLock<Script> =
    LazyLock::new(|| script(&[include_str!("scripts/removal.lua")]));
pub(super) static RESTORE: LazyLock<Script> =
    LazyLock::new(|| script(&[include_str!("scripts/restore.lua")]));
pub(super) static BANS: LazyLock<Script> = LazyLock::new(|| script(&[include_str!("scripts/bans.lua")]));

pub(super) static USAGE: LazyLock<Script> = LazyLock::new(|| script(&[include_str!("scripts/usage.lua")]));

pub(super) static REVOKE: LazyLock<Script> = LazyLock::new(|| script(&[include_str!("scripts/revoke.lua")]));
pub(super) static REVOCATIONS: LazyLock<Script> =
    LazyLock::new(|| script(&[include_str!("scripts/revocations.lua")]));

pub(super) static SESSION_KEEP: LazyLock<Script> =
    LazyLock::new(|| script(&[SESSION, include_str!("scripts/session_keep.lua")]));
pub(super) static SESSION_END: LazyLock<Script> =
    LazyLock::new(|| script(&[SESSION, include_str!("scripts/session_end.lua")]));
pub(super) static SESSION_FORGET: LazyLock<Script> =
    LazyLock::new(|| script(&[SESSION, include_str!("scripts/session_forget.lua")]));

/// Those that are called by their digest, for loading.
pub(super) fn all() -> [&'static Script; 8] {
    [&OPEN, &APPEND, &CONFIRM, &ATTEND, &CONTROL, &REMOVAL, &BANS, &USAGE]
}

/// The script by which any language pushes a notification to a user; its first lines say how. `redis-cli --eval` runs it.
pub const NOTIFY: &str = include_str!("scripts/notify.lua");
