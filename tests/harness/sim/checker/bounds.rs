//! Checks queues from outside: they contain exactly the sends without an outcome, respect their bounds, and overflow by their policy
//! (invariant 8).

use super::ground_truth::Key;
use super::sends::Sent;
use super::{Checker, Micros};
use crate::sim::SECOND;
use rejoin::machine::ConnId;
use rejoin::{DeliveryStatus, Id, SendFailure, SendId};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What clients were told to keep to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bounds {
    /// Sends without an outcome.
    pub count: usize,
    /// Their bytes.
    pub bytes: usize,
    /// The oldest of them make room.
    pub drop_oldest: bool,
    /// How long one may wait.
    pub ttl: Micros,
    /// Messages behind a hole, and their bytes.
    pub held: (usize, usize),
    /// Bytes given to a connection that the operating system has not taken.
    pub unflushed: usize,
    /// Rooms.
    pub rooms: usize,
    /// Bytes of a message.
    pub content: usize,
}

/// How full a client says its queues are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queue {
    pub(super) count: usize,
    pub(super) bytes: usize,
    pub(super) held: (usize, usize),
}

/// What a send counts for beside its content and data.
const OVERHEAD: usize = 64;
/// A room that is silent for so long does not hold others back.
const QUIET: Micros = 5 * SECOND;

/// A numbered send without an answer.
#[derive(Debug, Clone)]
struct Flying {
    key: Key,
    reference: Id,
    pid: Id,
    pseq: u64,
    at: Micros,
    /// The same on its client's clock.
    own_at: Micros,
}

/// What is counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) bounds: Bounds,
    /// Sends without an outcome by client, and their bytes.
    open: Vec<(usize, usize)>,
    /// The application's own frames among them, and what each counts for.
    own: HashMap<(usize, SendId), usize>,
    /// Sends that found no place, in the present input of each client.
    full: Vec<Vec<Key>>,
    /// How many sends had no outcome then, and their bytes: others may go in the same input, for other reasons.
    full_at: HashMap<usize, (usize, usize)>,
    /// Frames that the operating system has not taken, by connection: number and bytes.
    unflushed: HashMap<usize, Vec<(u64, usize)>>,
    /// Of each line on a connection: how many sends are without an answer, and since when the oldest.
    flying: HashMap<usize, Vec<Flying>>,
    /// The connection that each client had before its present one.
    before: HashMap<usize, usize>,
    /// Connections on which a send was refused or given up: which answers the client waits for still is not known there.
    clouded: HashSet<usize>,
    /// What each reference on a connection was the name of.
    tags: HashMap<(usize, Id), (Id, u64)>,
}

pub(super) fn weight(content: &str, data: Option<&String>) -> usize {
    content.len() + data.map_or(0, String::len) + OVERHEAD
}

impl Counts {
    fn open(&mut self, client: usize) -> &mut (usize, usize) {
        if self.open.len() <= client {
            self.open.resize(client + 1, (0, 0));
            self.full.resize(client + 1, Vec::new());
        }
        &mut self.open[client]
    }

    /// A send is the client's from now on.
    pub(super) fn comes(&mut self, client: usize, weight: usize) {
        let (count, bytes) = self.open(client);
        (*count, *bytes) = (*count + 1, *bytes + weight);
    }

    /// A send has its outcome.
    pub(super) fn goes(&mut self, client: usize, weight: usize) {
        let (count, bytes) = self.open(client);
        (*count, *bytes) = (count.saturating_sub(1), bytes.saturating_sub(weight));
    }

    pub(super) fn none_are_left(&mut self, client: usize) {
        *self.open(client) = (0, 0);
        self.own.retain(|(of, _), _| *of != client);
        self.full[client].clear();
    }

    /// A send has its outcome. Of its line nothing is known any more if that is none: the first one counts there still.
    pub(super) fn lands(&mut self, key: Key, is_known: bool) {
        for flying in self.flying.values_mut() {
            let pid = flying.iter().find(|one| one.key == key && !is_known).map(|one| one.pid.clone());
            flying.retain(|one| one.key != key && pid.as_ref() != Some(&one.pid));
        }
    }

    /// How many sends of a client have no outcome.
    pub(super) fn open_count(&self, client: usize) -> usize {
        self.open.get(client).map_or(0, |(count, _)| *count)
    }

    pub(super) fn has_open(&self, client: usize) -> bool {
        self.open_count(client) > 0
    }

    /// Whether anything flies on a connection.
    pub(super) fn flies_on(&self, conn: usize) -> bool {
        self.flying.get(&conn).is_some_and(|flying| !flying.is_empty())
    }

    /// What flies on a connection.
    pub(super) fn keys_on(&self, conn: usize) -> impl Iterator<Item = Key> {
        self.flying.get(&conn).into_iter().flatten().map(|one| one.key)
    }

    /// Whether this send flies there.
    pub(super) fn does_fly(&self, conn: usize, key: Key) -> bool {
        self.flying.get(&conn).is_some_and(|flying| flying.iter().any(|one| one.key == key))
    }

    /// The reference under which this send flies there.
    pub(super) fn flies_as(&self, conn: usize, key: Key) -> Option<&Id> {
        self.flying.get(&conn)?.iter().find(|one| one.key == key).map(|one| &one.reference)
    }

    /// Since when the oldest of what flies on a connection does, on its client's clock.
    /// Whether a send was refused there, or given up.
    pub(super) fn is_clouded_on(&self, conn: usize) -> bool {
        self.clouded.contains(&conn)
    }

    pub(super) fn is_full(&mut self, key: Key) {
        let open = *self.open(key.0);
        self.full[key.0].push(key);
        self.full_at.insert(key.0, open);
    }
}

impl Checker {
    /// What all clients keep to.
    pub fn bounded(&mut self, bounds: Bounds) {
        self.counts.bounds = bounds;
    }

    /// A frame of the application's own is the client's from now on.
    pub fn own_comes(&mut self, client: usize, id: SendId, frame: &str) {
        let weight = weight(frame, None);
        self.counts.own.insert((client, id), weight);
        self.counts.comes(client, weight);
    }

    /// A frame of the application's own has its outcome.
    pub fn own_goes(&mut self, client: usize, id: SendId) {
        if let Some(weight) = self.counts.own.remove(&(client, id)) {
            self.counts.goes(client, weight);
        }
    }

    /// How full the queues of a client are.
    pub(super) fn queue_is(&mut self, client: usize, queue: Queue) {
        let bounds = self.counts.bounds;
        let (count, bytes) = *self.counts.open(client);
        if (queue.count, queue.bytes) != (count, bytes) {
            self.violated(format!("8: u{client} counts {queue:?}, and {count} sends have {bytes} bytes"));
        }
        if count > bounds.count || bytes > bounds.bytes {
            self.violated(format!("8: u{client} has {count} sends with {bytes} bytes: {bounds:?}"));
        }
        let (held, held_bytes) = queue.held;
        if held > bounds.held.0 || held_bytes > bounds.held.1 || held == 0 && held_bytes > 0 {
            self.violated(format!(
                "8: u{client} holds back {held} messages of {held_bytes} bytes: {bounds:?}"
            ));
        }
        let full = std::mem::take(&mut self.counts.full[client]);
        if let Some(newest) = full.last() {
            self.overflows(client, &full, *newest);
        }
    }

    /// These found no place.
    fn overflows(&mut self, client: usize, full: &[Key], newest: Key) {
        let bounds = self.counts.bounds;
        let (count, bytes) = self.counts.full_at.get(&client).copied().unwrap_or(self.counts.open[client]);
        let size =
            |key: &Key| self.sends.all.get(key).map_or(0, |sent| weight(&sent.content, sent.data.as_ref()));
        let waiting = self.sends.all.range((client, 0)..(client + 1, 0)).filter(|(_, sent)| sent.waits());
        let (mut waits, mut waits_bytes, mut oldest) = (0, 0, None);
        for (key, _) in waiting {
            (waits, waits_bytes, oldest) = (waits + 1, waits_bytes + size(key), oldest.or(Some(*key)));
        }
        let is_last = self.sends.all.range((client, 0)..(client + 1, 0)).next_back().map(|(key, _)| *key);
        let new = is_last == Some(newest);
        // The one that they made room for is gone itself.
        let open = |key| self.sends.all.get(&key).is_some_and(|sent| sent.outcome.is_none());
        let settled = !is_last.is_some_and(open);
        let fits = |count: usize, bytes: usize, size| count < bounds.count && bytes + size <= bounds.bytes;
        let right = if new {
            let (count, bytes) = if bounds.drop_oldest {
                (count.saturating_sub(waits), bytes.saturating_sub(waits_bytes))
            } else {
                (count, bytes)
            };
            full.len() == 1 && !fits(count, bytes, size(&newest))
        } else {
            // No more than had to, the oldest first.
            bounds.drop_oldest
                && oldest.is_none_or(|oldest| oldest > newest)
                && (!fits(count, bytes, size(&newest)) || settled)
        };
        if !right {
            self.violated(format!(
                "8: {full:?} found no place among {count} sends with {bytes} bytes, {waits} wait: {bounds:?}"
            ));
        }
    }

    /// A send is given to a connection as its frame of this number: there was room for it.
    pub fn frame_is(&mut self, conn: usize, key: Key, frame: u64) {
        let most = self.counts.bounds.unflushed;
        let Some(sent) = self.sends.all.get_mut(&key) else { return };
        sent.frame = (conn, frame);
        let size = weight(&sent.content, sent.data.as_ref());
        let unflushed = self.counts.unflushed.entry(conn).or_default();
        let waits: usize = unflushed.iter().map(|(_, size)| size).sum();
        unflushed.push((frame, size));
        if size - 64 > self.counts.bounds.content {
            self.violated(format!("8: {key:?} has {size} bytes, its client allows less"));
        }
        if waits >= most {
            self.violated(format!("8: {key:?} is given to connection {conn}, where {waits} bytes wait"));
        }
    }

    /// The operating system has taken these frames of a connection.
    pub fn flushed(&mut self, conn: usize, through: u64) {
        if let Some(unflushed) = self.counts.unflushed.get_mut(&conn) {
            unflushed.retain(|(frame, _)| *frame > through);
        }
        self.frames_taken(conn, through);
    }

    /// Whether it has taken the last transmission of a send.
    pub(super) fn is_flushed(&self, key: Key) -> bool {
        let Some(sent) = self.sends.all.get(&key) else { return true };
        let (conn, frame) = sent.frame;
        let waits = |unflushed: &Vec<(u64, usize)>| unflushed.iter().any(|(other, _)| *other == frame);
        !self.counts.unflushed.get(&conn).is_some_and(waits)
    }

    /// A numbered send flies on a connection under this reference; so many may.
    pub(super) fn flies(&mut self, key: Key, conn: usize, reference: &Id, line: &(Id, u64), limit: usize) {
        let now = self.now;
        self.counts.tags.insert((conn, reference.clone()), line.clone());
        let (lived, horizon) = self.watched(key.0).map_or((0, 0), |watch| (watch.lived, watch.dedupe / 2));
        let own_at = self.watched(key.0).map_or(0, |watch| watch.now);
        let place = |key: &Key| self.sends.all.get(key).map(|sent| sent.place);
        let flying = self.counts.flying.entry(conn).or_default();
        // A room has one line at a time, and what is too old is not waited for.
        let reasons = &self.reasons;
        let ended: BTreeSet<Id> = flying
            .iter()
            .filter(|one| reasons.is_old(&one.pid, one.pseq, lived, horizon))
            .map(|one| one.pid.clone())
            .collect();
        flying.retain(|one| !ended.contains(&one.pid));
        // A line whose oldest is made again was quiet until now.
        let mut oldest: BTreeMap<Id, Micros> = BTreeMap::new();
        for one in flying.iter() {
            let at = oldest.entry(one.pid.clone()).or_insert(one.at);
            *at = one.at.min(*at);
        }
        // What is behind it in its line was taken back with it, and is made again after it.
        flying.retain(|one| {
            let is_before = one.pid == line.0 && one.pseq < line.1;
            one.key != key && (is_before || place(&one.key) != place(&key))
        });
        let quick = |pid: &Id| oldest.get(pid).is_some_and(|at| at + QUIET > now);
        let count = flying.iter().filter(|one| quick(&one.pid)).count();
        let (reference, pid) = (reference.clone(), line.0.clone());
        flying.push(Flying { key, reference, pid, pseq: line.1, at: now, own_at });
        // Where many may fly, one more is no sign of anything: what was given up without a word is not counted here.
        if count >= limit && limit < 4 && !self.counts.clouded.contains(&conn) {
            self.violated(format!("8: {key:?} is the {}th send in flight, {limit} are allowed", count + 1));
        }
    }

    /// A send is refused on a connection, or given up there.
    pub(super) fn is_clouded(&mut self, conn: usize) {
        self.counts.clouded.insert(conn);
    }

    /// A send is answered on a connection: with it, if `all`, what is behind it in its line, or from this number on, is
    /// certainly not taken.
    pub(super) fn lands_on(&mut self, conn: usize, reference: &Id, all: bool, expected: Option<u64>) {
        let Some((pid, pseq)) = self.counts.tags.get(&(conn, reference.clone())).cloned() else { return };
        let from = expected.filter(|expected| all && *expected < pseq).unwrap_or(pseq);
        if let Some(flying) = self.counts.flying.get_mut(&conn) {
            flying.retain(|one| one.pid != pid || one.pseq < from || one.pseq > pseq && !all);
        }
    }

    /// Whether a send or one before it in its line is too old to be made again: the line has ended, and no answer is waited for.
    fn is_too_old(&self, client: usize, one: &Flying, flying: &[Flying]) -> bool {
        let Some(watch) = self.watched(client) else { return false };
        let mut line = flying.iter().filter(|other| other.pid == one.pid && other.pseq <= one.pseq);
        line.any(|other| self.reasons.is_old(&other.pid, other.pseq, watch.lived, watch.dedupe / 2))
    }

    /// Whether the line of what was given to a connection under this reference has ended by its age: no refusal counts any more.
    pub(super) fn is_line_over(&self, client: usize, conn: usize, reference: &Id) -> bool {
        let Some(flying) = self.counts.flying.get(&conn) else { return false };
        let one = flying.iter().find(|one| one.reference == *reference);
        one.is_some_and(|one| self.is_too_old(client, one, flying))
    }

    /// When the oldest of the sends that are waited for was given to a connection, by its client's clock.
    pub(super) fn oldest_on(&self, client: usize, conn: usize) -> Option<Micros> {
        let all = self.counts.flying.get(&conn)?;
        // What is made again after a join is not asked about before.
        let waits = |one: &&Flying| !self.is_too_old(client, one, all) && !self.may_be_due(one.key);
        all.iter().filter(waits).map(|one| one.own_at).min()
    }

    /// The largest of the sends that fly on the connection of a client, if it is one alone.
    pub(super) fn largest_in_flight(&self, client: usize) -> Option<Key> {
        let conn = self.conns.get(&client)?;
        let flying = self.counts.flying.get(conn)?;
        let mut keys: Vec<(usize, Key, bool)> = flying
            .iter()
            .filter_map(|one| {
                let key = one.key;
                let sent = self.sends.all.get(&key).filter(|sent| sent.alive && sent.outcome.is_none())?;
                Some((weight(&sent.content, sent.data.as_ref()), key, self.is_too_old(client, one, flying)))
            })
            .collect();
        keys.sort_unstable();
        // One that is given up, or is about to be made again, may be the one, and is not blamed.
        let (size, key, _) = keys.pop().filter(|(_, key, given_up)| !given_up && !self.may_be_due(*key))?;
        // One that was given up without an answer is still on its way, and so is what was behind it in its line: either may
        // be the one.
        let is_rival = |(other, sent): (&Key, &Sent)| {
            *other != key
                && sent.alive
                && matches!(sent.outcome, None | Some(DeliveryStatus::Unknown))
                && sent.transmissions.iter().any(|transmission| transmission.conn == *conn)
                && weight(&sent.content, sent.data.as_ref()) >= size
        };
        let rivals = self.sends.all.range((client, 0)..(client + 1, 0)).any(is_rival);
        let alone = !rivals && keys.last().is_none_or(|(other, ..)| *other < size);
        (alone && self.sends.all.get(&key).is_some_and(|sent| !sent.disowned)).then_some(key)
    }

    pub(super) fn found_no_place(&mut self, key: Key, why: SendFailure) {
        if why == SendFailure::QueueFull {
            self.counts.is_full(key);
        }
    }

    /// The connection that a client has opened last.
    pub fn conn_is(&mut self, client: usize, conn: usize) {
        if let Some(old) = self.conns.insert(client, conn) {
            self.counts.before.insert(client, old);
        }
    }

    /// Nothing that was given to the old one of two connections is without an answer.
    pub(super) fn is_answered(&mut self, client: usize, old: ConnId) {
        let Some(before) = self.counts.before.get(&client).copied() else { return };
        let mut sends = self.sends.all.range((client, 0)..(client + 1, 0));
        let flying = self.counts.flying.get(&before).map_or(&[][..], Vec::as_slice);
        let flies =
            |key: &Key| flying.iter().any(|one| one.key == *key && !self.is_too_old(client, one, flying));
        // A line that has ended, since one of its sends was given up, is not waited for.
        let has_ended = |key: &Key, sent: &Sent| {
            let mut later = self.sends.all.range((client, key.1 + 1)..(client + 1, 0));
            later.any(|(_, other)| {
                other.place == sent.place && other.producer().is_some() && other.producer() != sent.producer()
            })
        };
        let open = sends.find(|(key, sent)| {
            let flies = flies(key) && sent.alive && sent.outcome.is_none() && sent.is_out_on(before);
            flies && !has_ended(key, sent)
        });
        if let Some((key, _)) = open {
            let text =
                format!("2.2: u{client} closes connection {} and waits for the answer to {key:?}", old.0);
            self.violations.push(text);
        }
    }
}
