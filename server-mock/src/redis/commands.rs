//! Encodes requests of the hub as Redis commands. Owns the keys and arguments of each script.

use super::config::{Durability, RedisConfig};
use super::encode::{self, millis};
use super::keys::{Keys, RoomKeys, room_field};
use super::scripts::{self, Script};
use super::session_fields;
use super::shards::Command;
use crate::auth::{MOST_REVOCATIONS, Revocation, Revoked, TicketKey, hex};
use crate::hub::HubConfig;
use crate::hub::shared::{Control, Decision, KnownHead, StoreRequest, UsageReport};
use crate::shared_sessions::{SessionKey, SessionRecord};
use redis::Cmd;
use rejoin::messages::{Epoch, Signal};
use rejoin::{Id, Name};
use std::time::{Duration, UNIX_EPOCH};

/// A node that was away for longer does not learn of kicks and removals.
const REMOVALS_KEPT: Duration = Duration::from_secs(24 * 3600);
const MOST_REMOVALS: usize = 10_000;

/// Bans or revocations in one command.
const RESTORED_AT_ONCE: usize = 500;

/// What all nodes have to agree on, and who this one is.
#[derive(Debug, Clone)]
pub(super) struct Commands {
    pub(super) keys: Keys,
    pub(super) node: Id,
    history: usize,
    history_bytes: usize,
    retention: Duration,
    dedupe_window: Duration,
    attendance: Duration,
    /// So many confirm an entry before it is shown.
    replicas: u32,
    sessions_of_user: usize,
    is_sharded: bool,
}

impl Commands {
    pub(super) fn new(keys: Keys, node: Id, hub: &HubConfig, config: &RedisConfig) -> Self {
        Self {
            keys,
            node,
            history: hub.history.max(1),
            history_bytes: hub.history_bytes,
            // As the hub has it: never less than what tells two sends apart.
            retention: hub.retention.max(hub.dedupe_window),
            dedupe_window: hub.dedupe_window,
            attendance: config.presence_ttl,
            replicas: match config.durability {
                Durability::Redis => 0,
                Durability::Wait(replicas) => replicas.into(),
            },
            // Those that are open, and as many that are lost.
            sessions_of_user: hub.sockets_per_user.saturating_mul(2).max(1),
            is_sharded: config.address.is_cluster(),
        }
    }

    /// What happens in a room is published on the room's shard of a cluster.
    pub(super) fn is_sharded(&self) -> bool {
        self.is_sharded
    }

    fn sharded(&self) -> &'static str {
        if self.is_sharded { "1" } else { "0" }
    }

    /// The command that carries out a request; `whole`: with the script's text, which Redis then knows. `None` for
    /// [`StoreRequest::Close`], of which Redis need not know.
    pub(super) fn command(&self, request: &StoreRequest, whole: bool) -> Option<Command> {
        let (cmd, key) = match request {
            StoreRequest::Open { room, known_head: held, new_epoch: fresh, .. } => {
                let keys = self.keys.room(room);
                let mut cmd = call(&scripts::OPEN, whole, &[keys.room(), keys.log(), keys.here()]);
                name_room(&mut cmd, room, fresh, held.as_ref());
                cmd.arg(self.node.as_str()).arg(millis(self.retention)).arg(self.history);
                cmd.arg(keys.channel()).arg(self.sharded());
                (cmd, keys.room())
            }
            StoreRequest::Append { room, known_head: held, new_epoch: fresh, send, decision, .. } => {
                let keys = self.keys.room(room);
                // A backend's keys are nobody's: no user has a name without a character.
                let owner = send.as_ref().and_then(|send| send.user.as_deref()).unwrap_or_default();
                let line = send
                    .as_ref()
                    .map_or_else(|| keys.line("", ""), |send| keys.line(owner, send.pid.as_str()));
                let mut cmd = call(&scripts::APPEND, whole, &[keys.room(), keys.log(), line]);
                name_room(&mut cmd, room, fresh, held.as_ref());
                cmd.arg(millis(self.retention)).arg(self.history).arg(self.history_bytes);
                cmd.arg(keys.channel()).arg(self.sharded()).arg(owner);
                match send {
                    Some(send) => {
                        cmd.arg(send.pseq).arg(send.epoch.as_ref().map_or("", |epoch| epoch.as_str()))
                    }
                    None => cmd.arg("").arg(""),
                };
                cmd.arg(millis(self.dedupe_window));
                match decision {
                    Decision::Append(entry) => {
                        cmd.arg("append").arg(entry.id.as_str()).arg(encode::entry(entry))
                    }
                    Decision::Refuse(code) => {
                        let how = if code.is_temporary() { "defer" } else { "refuse" };
                        cmd.arg(how).arg(code.as_str()).arg("")
                    }
                };
                cmd.arg(self.replicas);
                (cmd, keys.room())
            }
            StoreRequest::UpdatePresence { room, users, is_snapshot: all } => {
                let keys = self.keys.room(room);
                let mut cmd = call(&scripts::ATTEND, whole, &[keys.here()]);
                cmd.arg(self.node.as_str()).arg(u8::from(*all)).arg(millis(self.attendance));
                cmd.arg(keys.channel()).arg(self.sharded()).arg(encode::attendance(&self.node, users, *all));
                for change in users {
                    cmd.arg(format!("{}{}", if change.is_present { '+' } else { '-' }, change.user));
                }
                (cmd, keys.here())
            }
            StoreRequest::Signal(Signal { room, user, kind, data }) => {
                let mut cmd = redis::cmd(if self.is_sharded { "SPUBLISH" } else { "PUBLISH" });
                let text = encode::signal(&self.node, user, kind, data.clone());
                let channel = self.keys.room(room).channel().to_owned();
                cmd.arg(&channel).arg(text);
                (cmd, channel)
            }
            StoreRequest::ReportUsage(UsageReport { user, connections, expires_in, sends, joins }) => {
                let key = self.keys.user(user);
                let mut cmd = call(&scripts::USAGE, whole, std::slice::from_ref(&key));
                cmd.arg(self.node.as_str()).arg(*connections).arg(millis(*expires_in));
                cmd.arg(sends.used).arg(sends.refill_milli).arg(joins.used).arg(joins.refill_milli);
                (cmd, key)
            }
            StoreRequest::Control(control) => {
                let text = encode::control(&self.node, control);
                if let Control::Kick { user, ban: Some(ban) } = control {
                    let mut cmd = call(&scripts::CONTROL, whole, &[self.keys.bans()]);
                    cmd.arg(self.keys.control()).arg(text).arg(user.as_str());
                    cmd.arg(if ban.is_zero() { 0 } else { millis(*ban).max(1) });
                    (cmd, self.keys.bans())
                } else {
                    let mut cmd = call(&scripts::REMOVAL, whole, &[self.keys.removals()]);
                    cmd.arg(self.keys.control()).arg(text).arg(millis(REMOVALS_KEPT)).arg(MOST_REMOVALS);
                    (cmd, self.keys.removals())
                }
            }
            StoreRequest::Close { .. } => return None,
        };
        Some(Command { cmd, key })
    }

    /// Enough replicas have a room's entries up to this one.
    pub(super) fn confirm(&self, room: &Name, epoch: &Epoch, seq: u64, whole: bool) -> Command {
        let keys = self.keys.room(room);
        let mut cmd = call(&scripts::CONFIRM, whole, &[keys.room(), keys.log()]);
        cmd.arg(room.as_str()).arg(epoch.as_str()).arg(seq).arg(keys.channel()).arg(self.sharded());
        Command { cmd, key: keys.room() }
    }

    /// Up to where a room has entries that nobody confirms.
    pub(super) fn tail(&self, room: &Name) -> Command {
        let keys = self.keys.room(room);
        // With its text, as it is rare.
        let mut cmd = call(&scripts::TAIL, true, &[keys.room(), keys.log()]);
        cmd.arg(room.as_str()).arg(millis(self.retention)).arg(self.replicas);
        Command { cmd, key: keys.room() }
    }

    /// Whether all commands are there that the scripts need, and allowed.
    pub(super) fn probe(&self) -> Command {
        // No room has such a name.
        let keys = self.keys.room(&Name::from(format!("@@{}", self.node.as_str())));
        let mut cmd = call(&scripts::PROBE, true, &[keys.room(), keys.log()]);
        cmd.arg(keys.channel()).arg(self.sharded());
        Command { cmd, key: keys.room() }
    }

    /// Begins a room anew, empty.
    pub(super) fn empty_room(&self, room: &Name) -> Command {
        let keys = self.keys.room(room);
        let mut cmd = call(&scripts::EMPTY, true, &[keys.room(), keys.log()]);
        cmd.arg(room.as_str()).arg(millis(self.retention)).arg(keys.channel()).arg(self.sharded());
        Command { cmd, key: keys.room() }
    }

    /// The epoch and the head of a room, and up to where it is shown.
    pub(super) fn head(&self, room: &Name) -> Command {
        let key = self.keys.room(room).room();
        let mut cmd = redis::cmd("HMGET");
        cmd.arg(&key).arg("epoch").arg("head").arg("safe");
        Command { cmd, key }
    }

    /// The bans that hold.
    pub(super) fn bans(&self, most: usize) -> Command {
        // With its text, as it is rare.
        let key = self.keys.bans();
        let mut cmd = call(&scripts::BANS, true, std::slice::from_ref(&key));
        cmd.arg(most);
        Command { cmd, key }
    }

    /// The newest removal there is.
    pub(super) fn last_removal(&self) -> Command {
        let key = self.keys.removals();
        let mut cmd = redis::cmd("XREVRANGE");
        cmd.arg(&key).arg("+").arg("-").arg("COUNT").arg(1);
        Command { cmd, key }
    }

    /// The removals behind one.
    pub(super) fn removals_after(&self, last: &str) -> Command {
        let key = self.keys.removals();
        let mut cmd = redis::cmd("XRANGE");
        cmd.arg(&key).arg(format!("({last}")).arg("+").arg("COUNT").arg(2 * MOST_REMOVALS);
        Command { cmd, key }
    }

    /// Writes bans back that Redis has lost, some at a time.
    pub(super) fn restore_bans(&self, bans: &[(Name, Duration)]) -> Vec<Command> {
        let lines = bans.iter().map(|(user, left)| {
            let control = Control::Kick { user: user.clone(), ban: Some(*left) };
            let text = encode::control(&self.node, &control);
            (user.to_string(), String::new(), *left, text)
        });
        self.restore(&self.keys.bans(), lines)
    }

    /// The same of revocations.
    pub(super) fn restore_revocations(&self, revocations: &[Revocation]) -> Vec<Command> {
        let lines = revocations.iter().map(|revocation| {
            let at = millis(revocation.at.duration_since(UNIX_EPOCH).unwrap_or_default());
            let text = encode::revocation(&self.node, revocation);
            (encode::revoked(&revocation.what), format!("{at}:"), revocation.lasts, text)
        });
        self.restore(&self.keys.revocations(), lines)
    }

    fn restore(
        &self,
        key: &str,
        lines: impl Iterator<Item = (String, String, Duration, String)>,
    ) -> Vec<Command> {
        let lines: Vec<_> = lines.collect();
        let commands = lines.chunks(RESTORED_AT_ONCE).map(|lines| {
            let mut cmd = call(&scripts::RESTORE, true, &[key.to_owned()]);
            cmd.arg(self.keys.control());
            for (field, value, left, text) in lines {
                cmd.arg(field).arg(value).arg(millis(*left)).arg(text);
            }
            Command { cmd, key: key.to_owned() }
        });
        commands.collect()
    }

    /// How many bans, and how many revocations, Redis knows.
    pub(super) fn counts(&self) -> [Command; 2] {
        [self.keys.bans(), self.keys.revocations()].map(|key| {
            let mut cmd = redis::cmd("HLEN");
            cmd.arg(&key);
            Command { cmd, key }
        })
    }

    pub(super) fn keep_ticket(&self, key: &TicketKey, sealed: &[u8], lasts: Duration) -> Command {
        let key = self.keys.ticket(&hex(key));
        let mut cmd = redis::cmd("SET");
        cmd.arg(&key).arg(sealed).arg("PX").arg(millis(lasts));
        Command { cmd, key }
    }

    pub(super) fn take_ticket(&self, key: &TicketKey) -> Command {
        let key = self.keys.ticket(&hex(key));
        let mut cmd = redis::cmd("GETDEL");
        cmd.arg(&key);
        Command { cmd, key }
    }

    pub(super) fn find_session(&self, key: &SessionKey) -> Command {
        let [key, _] = self.session_keys(key);
        let mut cmd = redis::cmd("HGETALL");
        cmd.arg(&key);
        Command { cmd, key }
    }

    pub(super) fn keep_session(
        &self,
        key: &SessionKey,
        record: &SessionRecord,
        before: Option<u64>,
        lasts: Duration,
    ) -> Command {
        let version = record.version;
        let mut command = self.prolong_or_keep_session(key, (record.session, before, version), lasts);
        session_fields::write(&mut command.cmd, record);
        command
    }

    pub(super) fn prolong_session(&self, key: &SessionKey, session: u64, lasts: Duration) -> Command {
        self.prolong_or_keep_session(key, (session, None, 0), lasts)
    }

    fn prolong_or_keep_session(
        &self,
        key: &SessionKey,
        (session, before, version): (u64, Option<u64>, u64),
        lasts: Duration,
    ) -> Command {
        let [own, all] = self.session_keys(key);
        let mut cmd = call(&scripts::SESSION_KEEP, true, &[own.clone(), all]);
        cmd.arg(session).arg(before.map_or(String::new(), |before| before.to_string())).arg(version);
        cmd.arg(millis(lasts).max(1)).arg(self.sessions_of_user).arg(&key.digest);
        Command { cmd, key: own }
    }

    pub(super) fn end_session(&self, key: &SessionKey, session: u64, lasts: Duration) -> Command {
        let [own, all] = self.session_keys(key);
        let mut cmd = call(&scripts::SESSION_END, true, &[own.clone(), all]);
        cmd.arg(session).arg(millis(lasts)).arg(&key.digest);
        Command { cmd, key: own }
    }

    /// Nobody who is removed comes back by a session into what it is removed from.
    pub(super) fn forget_sessions(&self, control: &Control) -> Command {
        let (user, field) = match control {
            Control::Kick { user, .. } => (user, String::new()),
            Control::Remove { room, user } => (user, room_field(room)),
        };
        let key = self.keys.sessions(user);
        let mut cmd = call(&scripts::SESSION_FORGET, true, std::slice::from_ref(&key));
        cmd.arg(self.keys.session_prefix(user)).arg(field);
        Command { cmd, key }
    }

    fn session_keys(&self, key: &SessionKey) -> [String; 2] {
        let own = self.keys.session_prefix(&key.user) + &key.digest;
        [own, self.keys.sessions(&key.user)]
    }

    pub(super) fn revoke(&self, what: &Revoked, lasts: Duration) -> Command {
        let key = self.keys.revocations();
        let mut cmd = call(&scripts::REVOKE, true, std::slice::from_ref(&key));
        cmd.arg(self.keys.control()).arg(self.node.as_str()).arg(encode::revoked(what));
        cmd.arg(millis(lasts)).arg(MOST_REVOCATIONS);
        Command { cmd, key }
    }

    /// The revocations that hold.
    pub(super) fn revocations(&self) -> Command {
        let key = self.keys.revocations();
        let mut cmd = call(&scripts::REVOCATIONS, true, std::slice::from_ref(&key));
        cmd.arg(MOST_REVOCATIONS);
        Command { cmd, key }
    }

    pub(super) fn room_keys(&self, room: &Name) -> RoomKeys {
        self.keys.room(room)
    }
}

/// What a script for a room gets first.
fn name_room(cmd: &mut Cmd, room: &Name, fresh: &Id, held: Option<&KnownHead>) {
    cmd.arg(room.as_str()).arg(fresh.as_str());
    match held {
        Some(held) => {
            cmd.arg(held.epoch.as_str()).arg(held.head);
            cmd.arg(held.id.as_ref().map_or("", |id| id.as_str()));
        }
        None => {
            cmd.arg("").arg(0).arg("");
        }
    }
}

fn call(script: &Script, whole: bool, keys: &[String]) -> Cmd {
    let mut cmd = redis::cmd(if whole { "EVAL" } else { "EVALSHA" });
    cmd.arg(if whole { &script.text } else { &script.sha });
    cmd.arg(keys.len());
    for key in keys {
        cmd.arg(key);
    }
    cmd
}
