//! Checks a server's promises: its `hello`, an answer for each request, its limits, rates and tokens.

use super::ground_truth::{Key, LogId};
use super::{Checker, Micros};
use crate::sim::SECOND;
use rejoin::messages::{Ack, Code, Hello, Joined, Nack};
use rejoin::{Id, Name};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What a hub was told to keep.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Messages of one room.
    pub history: u64,
    /// Bytes of them.
    pub history_bytes: usize,
    /// Messages of one replay or history answer.
    pub replay: u64,
    /// Bytes of one message.
    pub content: usize,
    /// Sends per second.
    pub rate: Option<f64>,
    /// Unanswered sends.
    pub in_flight: u64,
    /// How long a line is remembered.
    pub dedupe_window: Micros,
    /// Time between two signs of life.
    pub heartbeat: Micros,
}

/// A user's allowance, as full as it can be.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    left: f64,
    at: Micros,
}

/// What is known of all servers so far: they have one configuration.
#[derive(Debug, Default)]
pub(super) struct Promises {
    pub(super) limits: Limits,
    allowances: BTreeMap<usize, Allowance>,
    signals: BTreeMap<usize, Allowance>,
    acked: HashSet<Id>,
    /// What extended connections have been told of who is in a room.
    lists: BTreeMap<(usize, LogId), BTreeSet<Name>>,
}

/// Takes one from a user's allowance at this rate. Gives what is left.
fn takes(of: &mut BTreeMap<usize, Allowance>, user: usize, now: Micros, rate: f64) -> f64 {
    let burst = (2.0 * rate).max(1.0);
    let allowance = of.entry(user).or_insert(Allowance { left: burst, at: now });
    let time = (now - allowance.at) as f64 / SECOND as f64;
    allowance.left = (allowance.left + time * rate).min(burst) - 1.0;
    allowance.at = now;
    allowance.left
}

impl Checker {
    /// What the hub was told to keep.
    pub fn keeps(&mut self, limits: Limits) {
        self.promises.limits = limits;
    }

    /// A hub says hello.
    pub fn greets(&mut self, user: &str, hello: &Hello) {
        let limits = self.promises.limits;
        let told = &hello.limits;
        let same = *hello.user_id == *user
            && hello.heartbeat_ms == limits.heartbeat / 1000
            && hello.dedupe_window_ms == limits.dedupe_window.div_ceil(1000)
            && told.in_flight == limits.in_flight
            && told.replay == limits.replay
            && told.content_bytes == limits.content as u64;
        if !same {
            self.violated(format!("2.2: {user} is greeted with {hello:?}, and the hub has {limits:?}"));
        }
    }

    /// A hub has dealt with a frame that asked for an answer, and gave none.
    pub fn unanswered(&mut self, conn: usize, frame: &str) {
        self.violated(format!("2.2: connection {conn} was not answered: {frame}"));
    }

    /// A message of a client is appended: its user may say that much, and its sender is a member if that is known.
    pub fn allows(&mut self, user: usize, key: Key, bytes: usize, member: bool) {
        let Limits { content, rate, .. } = self.promises.limits;
        if bytes > content {
            self.violated(format!("2.2: {key:?} has {bytes} bytes, {content} are allowed"));
        }
        if !member {
            self.violated(format!("1: {key:?} was said by somebody who is not in the room"));
        }
        // Each of several nodes keeps the rate by itself.
        let Some(rate) = rate.filter(|_| !self.several) else { return };
        if takes(&mut self.promises.allowances, user, self.now, rate) < -0.01 {
            self.violated(format!("2.3: u{user} says more than {rate} per second: {key:?}"));
        }
    }

    /// A signal of a user is handed on.
    pub fn signal_passes(&mut self, user: usize) {
        let Some(rate) = self.promises.limits.rate.filter(|_| !self.several) else { return };
        if takes(&mut self.promises.signals, user, self.now, rate) < -0.01 {
            self.violated(format!("2.2: u{user} signals more than {rate} per second"));
        }
    }

    /// A send is refused as too fast: its user has said as much as is allowed.
    pub(super) fn was_too_fast(&mut self, user: usize, key: Key, wait_ms: Option<u64>) {
        let Some(rate) = self.promises.limits.rate.filter(|_| !self.several) else { return };
        let Some(allowance) = self.promises.allowances.get(&user) else { return };
        let left = allowance.left + (self.now - allowance.at) as f64 / SECOND as f64 * rate;
        // What the hub has left is no more than this.
        let needed = 1_000.0 * (1.0 - left) / rate;
        if wait_ms.is_some_and(|wait| (wait as f64) + 2.0 < needed) {
            self.violated(format!(
                "2.3: {key:?} may come again after {wait_ms:?} ms, and {needed:.0} are needed"
            ));
        }
        if left > 1.05 {
            self.violated(format!("2.3: {key:?} is refused as too fast, and u{user} has {left:.2} left"));
        }
    }

    /// The hub is another one, and knows nothing of what its users have said.
    pub fn allowances_anew(&mut self) {
        self.promises.allowances.clear();
        self.promises.signals.clear();
    }

    /// A log holds so many messages.
    pub fn holds(&mut self, place: LogId, count: usize, bytes: usize) {
        let (most, most_bytes) = (self.promises.limits.history, self.promises.limits.history_bytes);
        if bytes > most_bytes {
            self.violated(format!("8: the log of place {place} has {bytes} bytes, {most_bytes} are allowed"));
        }
        if count as u64 > most {
            self.violated(format!("8: the log of place {place} holds {count} messages, {most} are allowed"));
        }
    }

    /// A hub acknowledges a send.
    pub(super) fn ack_promised(&mut self, ack: &Ack) {
        let first = self.promises.acked.insert(ack.id.clone());
        // A node that stood still may say the first answer after another node has repeated it.
        if !first && !ack.dup && !self.several {
            self.violated(format!("2.3: {} is acked again, and not as a repetition", ack.id));
        }
    }

    /// A hub refuses a send that had this number in its line.
    pub(super) fn nack_promised(&mut self, nack: &Nack, pseq: Option<u64>) {
        if nack.code == Code::RateLimited && nack.retry_after_ms.is_none() {
            self.violated("2.2: a send is refused as too fast, and not told when to come again".to_owned());
        }
        if let (Code::SequenceGap, Some(pseq)) = (nack.code, pseq)
            && nack.expected.is_none_or(|expected| expected >= pseq)
        {
            self.violated(format!("2.3: {:?} is said to be missing before {pseq}", nack.expected));
        }
    }

    /// A hub answers a join of a room, which asked for so much of the past. Its log holds so many messages.
    pub(super) fn replay_promised(&mut self, place: LogId, joined: &Joined, history: u64, held: u64) {
        if place >= super::PERSONAL {
            return;
        }
        let most = self.promises.limits.replay;
        let right = if joined.recovered {
            joined.replay <= most
        } else {
            joined.replay == history.min(most).min(held)
        };
        if !right {
            self.violated(format!(
                "2.2: a join that asked for {history} of {held} is answered by {joined:?}, {most} are allowed"
            ));
        }
    }

    /// A history answer has so many messages; so many were asked for.
    pub(super) fn history_promised(&mut self, asked: u64, got: usize) {
        if got as u64 > asked.min(self.promises.limits.replay) {
            self.violated(format!("2.2: {asked} messages were asked for, and {got} came"));
        }
    }

    /// An extended connection is told a whole list.
    pub fn list_said(&mut self, conn: usize, place: LogId, members: Option<&[Name]>) {
        match members {
            Some(members) => self.promises.lists.insert((conn, place), members.iter().cloned().collect()),
            None => self.promises.lists.remove(&(conn, place)),
        };
    }

    /// An extended connection is told that somebody came or left: it is news.
    pub fn change_said(&mut self, conn: usize, place: LogId, user: &Name, here: bool) {
        self.member_changes(place, user);
        let Some(list) = self.promises.lists.get_mut(&(conn, place)) else { return };
        let news = if here { list.insert(user.clone()) } else { list.remove(user) };
        if !news {
            self.violated(format!(
                "15: connection {conn} is told that {user} is here: {here}, in place {place}, as it knew"
            ));
        }
    }

    /// Somebody is in a room now: these connections have been told so.
    pub fn has_come(&mut self, place: LogId, user: &Name, conns: impl Iterator<Item = usize>) {
        for conn in conns {
            if self.promises.lists.get(&(conn, place)).is_some_and(|list| !list.contains(user)) {
                self.violated(format!(
                    "15: connection {conn} is not told that {user} has come to place {place}"
                ));
            }
        }
    }

    /// A connection leaves a room.
    pub fn list_ends(&mut self, conn: usize, place: LogId) {
        self.promises.lists.remove(&(conn, place));
    }
}
