//! Checks sends in transit: numbered correctly, stored in time, each appended at most once (invariant 1).

use super::Checker;
use super::ground_truth::{Key, LogId};
use crate::sim::Micros;
use crate::sim::coverage::Sometimes;
use rejoin::messages::{Ack, Code, ProducerTag};
use rejoin::{DeliveryStatus, Id, SendId};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One transmission of a send.
#[derive(Debug, Clone)]
pub(super) struct Transmission {
    pub(super) conn: usize,
    pub(super) extended: bool,
    pub(super) line: Option<(Id, u64)>,
    pub(super) reference: Option<Id>,
    /// Refused for now: certainly not appended.
    pub(super) is_refused: bool,
}

/// A send, from the moment its user made it.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) place: LogId,
    /// The number of its author's user.
    pub(super) user: usize,
    pub(super) content: String,
    pub(super) data: Option<String>,
    /// The outcome told in the current process of its client.
    pub(super) outcome: Option<DeliveryStatus>,
    /// It belongs to the current process: made there, or taken up from the disk.
    pub(super) alive: bool,
    pub(super) restored: bool,
    /// It was made while there was no connection.
    pub(super) offline: bool,
    /// Its user wanted it back when it was on its way.
    pub(super) cancelled: bool,
    pub(super) transmissions: Vec<Transmission>,
    transmitted_here: bool,
    pub(super) nacked: Option<Code>,
    /// The server has refused it for good.
    pub(super) refused: bool,
    /// The server that it was given to does not know its line: it is certainly not appended.
    pub(super) disowned: bool,
    pub(super) ack_lost: bool,
    pub(super) committed_at_crash: bool,
    pub(super) horizon: bool,
    /// When it was made, on its client's own clock, and when its time is over, if it has been given one.
    pub(super) made_at: Micros,
    pub(super) until: Option<Micros>,
    /// Its user wanted it back, at whatever time.
    pub(super) wanted_back: bool,
    /// Why servers have refused it, in the current process of its client.
    pub(super) refusals: Vec<Code>,
    /// The store had it as one that waits.
    pub(super) stored_waiting: bool,
    /// Its last frame, and on which connection.
    pub(super) frame: (usize, u64),
}

/// A send as its user made it.
#[derive(Debug, Clone, Default)]
pub struct NewSend {
    /// Where to.
    pub place: LogId,
    /// The number of its author's user.
    pub user: usize,
    /// What it says.
    pub content: String,
    /// What goes with it.
    pub data: Option<String>,
    /// There was no connection.
    pub offline: bool,
}

impl Sent {
    /// It has no outcome, and nothing of it has left its client.
    pub(super) fn waits(&self) -> bool {
        self.alive
            && self.outcome.is_none()
            && !self.transmitted_here
            && (!self.restored || self.stored_waiting)
    }

    /// It was numbered and given to this connection, and has not been made again since.
    pub(super) fn is_out_on(&self, conn: usize) -> bool {
        self.transmissions.last().is_some_and(|last| last.conn == conn && last.line.is_some())
            && self.transmitted_here
    }

    /// It was given to this connection with a number.
    pub(super) fn is_numbered_on(&self, conn: usize) -> bool {
        self.transmissions.iter().any(|one| one.conn == conn && one.line.is_some())
    }

    /// The line it was given in last.
    pub(super) fn producer(&self) -> Option<&Id> {
        self.transmissions.last()?.line.as_ref().map(|(pid, _)| pid)
    }

    /// Whether a message that was this send may have this beside its text: over a plain connection it is lost.
    pub(super) fn may_carry(&self, data: Option<&String>) -> bool {
        data == self.data.as_ref() || (data.is_none() && self.transmissions.iter().any(|one| !one.extended))
    }
}

/// The last send of a producer: when it was appended, to which log, and its number.
type Used = (Micros, Option<Id>, u32, u64);

/// All sends of all clients.
#[derive(Debug, Default)]
pub(super) struct Sends {
    pub(super) all: BTreeMap<Key, Sent>,
    /// What each number of a client's current process stands for.
    pub(super) numbers: HashMap<(usize, SendId), Key>,
    /// What each number of each line has been used for.
    lines: HashMap<(Id, u64), Key>,
    pub(super) references: HashMap<(usize, Id), Key>,
    /// The epoch that was named with each number first.
    epochs: HashMap<(Id, u64), Id>,
    /// The producer that each numbered transmission names, by connection and reference.
    pub(super) producers: HashMap<(usize, Id), Id>,
    /// What a connection has not answered, by producer.
    pub(super) in_flight: HashMap<(usize, Id), BTreeSet<Key>>,
    pub(super) used: HashMap<Id, Used>,
    pub(super) acked: Vec<(Key, usize)>,
    /// Those whose ack has come to their client.
    pub(super) answered: BTreeSet<Key>,
}

impl Checker {
    /// A user sends a message.
    pub fn sent(&mut self, key: Key, id: SendId, made: NewSend) {
        let NewSend { place, user, content, data, offline } = made;
        let sent = Sent {
            place,
            user,
            content,
            data,
            outcome: None,
            alive: true,
            restored: false,
            offline,
            cancelled: false,
            transmissions: Vec::new(),
            transmitted_here: false,
            nacked: None,
            refused: false,
            disowned: false,
            ack_lost: false,
            committed_at_crash: false,
            horizon: false,
            made_at: 0,
            until: None,
            wanted_back: false,
            refusals: Vec::new(),
            stored_waiting: false,
            frame: (usize::MAX, 0),
        };
        self.counts.comes(key.0, super::bounds::weight(&sent.content, sent.data.as_ref()));
        self.sends.all.insert(key, sent);
        self.sends.numbers.insert((key.0, id), key);
    }

    /// A stored state is about to be taken up, in which this send waits, or has been transmitted.
    pub fn is_stored(&mut self, key: Option<Key>, waits: bool) {
        if let Some(sent) = key.and_then(|key| self.sends.all.get_mut(&key)) {
            sent.stored_waiting = waits;
        }
    }

    /// A user takes a send back.
    pub fn cancelled(&mut self, key: Key) {
        if let Some(sent) = self.sends.all.get_mut(&key) {
            sent.cancelled = sent.outcome.is_none() && sent.transmitted_here;
            sent.wanted_back = true;
        }
    }

    /// A client gives a send to a connection.
    pub fn transmitted(
        &mut self,
        key: Key,
        conn: usize,
        extended: bool,
        reference: Option<&Id>,
        line: Option<&ProducerTag>,
        limit: usize,
    ) {
        self.counts_transmission(key);
        self.goes_on(conn, key);
        if let Some(tag) = line {
            let number = (tag.pid.clone(), tag.pseq);
            let first = self.sends.epochs.entry(number).or_insert_with(|| tag.epoch.clone()).clone();
            if first != tag.epoch {
                self.violated(format!("2.3: {key:?} names the epoch {}, and first {first}", tag.epoch));
            }
        }
        let line = line.map(|tag| (tag.pid.clone(), tag.pseq));
        let Some(sent) = self.sends.all.get_mut(&key) else {
            return self.violated(format!("4: u{}-{} is transmitted and was never sent", key.0, key.1));
        };
        if sent.outcome.is_some() {
            let outcome = sent.outcome.clone();
            self.violations.push(format!("7: {key:?} is transmitted after its outcome {outcome:?}"));
        }
        let earlier = sent.transmissions.last().cloned();
        if sent.disowned {
            self.cover.reach(Sometimes::Renumbered);
        }
        // A process that died with the refusal unstored finds the send on its disk as one that waits.
        let is_anew = sent.restored && sent.transmissions.iter().all(|one| one.is_refused);
        let counts = |earlier: &Transmission| !is_anew && (earlier.line.is_some() || !earlier.is_refused);
        if let Some(earlier) = earlier.filter(counts) {
            if line.is_none() {
                self.violations.push(format!("1: {key:?} is transmitted again without a number"));
            } else if !extended && earlier.extended {
                self.violations.push(format!("1: {key:?} is transmitted again to a plain server"));
            }
        }
        if let Some(line) = &line {
            let first = self.sends.lines.entry(line.clone()).or_insert(key);
            if *first != key {
                self.violations.push(format!("1: {key:?} uses the number {line:?} of {first:?}"));
            }
        }
        let mut conns: Vec<usize> = sent.transmissions.iter().map(|transmission| transmission.conn).collect();
        conns.push(conn);
        conns.dedup();
        if conns.len() > 2 {
            self.cover.reach(Sometimes::ThreeConnections);
        }
        sent.transmitted_here = true;
        let reference = reference.cloned();
        if let (Some(reference), Some((pid, _))) = (&reference, &line) {
            self.sends.producers.insert((conn, reference.clone()), pid.clone());
        }
        if let Some(reference) = &reference
            && self.sends.references.insert((conn, reference.clone()), key).is_some()
        {
            self.violations.push(format!("2.2: {key:?} uses the reference {reference} again"));
        }
        let mut flying = 0;
        if let (Some(reference), Some(line)) = (&reference, &line) {
            self.flies(key, conn, reference, line, limit);
        }
        if let Some((pid, pseq)) = &line {
            self.is_young(key, conn, pid, *pseq);
            let content =
                self.watched(key.0).and_then(|watch| watch.open).map_or(usize::MAX, |open| open.content);
            let Some(sent) = self.sends.all.get(&key) else { return };
            let size = super::bounds::weight(&sent.content, sent.data.as_ref()) - 64;
            // What a run before this has given a number may have been taken by a server that takes more.
            if size > content && sent.transmissions.is_empty() && (!sent.restored || sent.stored_waiting) {
                self.violated(format!("8: {key:?} has {size} bytes, its server takes {content}"));
            }
        }
        if let Some((pid, _)) = &line {
            let sends = self.sends.in_flight.entry((conn, pid.clone())).or_default();
            sends.insert(key);
            flying = sends.len();
        }
        let Some(sent) = self.sends.all.get_mut(&key) else { return };
        sent.transmissions.push(Transmission { conn, extended, line, reference, is_refused: false });
        if flying > limit {
            self.violated(format!("8: u{} has {flying} sends in flight, {limit} are allowed", key.0));
        }
    }

    /// Whose number this is.
    pub(super) fn line_is_of(&self, pid: &Id, pseq: u64) -> Option<Key> {
        self.sends.lines.get(&(pid.clone(), pseq)).copied()
    }

    pub(super) fn lands(&mut self, key: Key) {
        if let Some(sent) = self.sends.all.get(&key) {
            for transmission in &sent.transmissions {
                let line = transmission.line.as_ref().map(|(pid, _)| (transmission.conn, pid.clone()));
                if let Some(flying) = line.and_then(|line| self.sends.in_flight.get_mut(&line)) {
                    flying.remove(&key);
                }
            }
        }
    }

    /// A numbered send is appended: the number before it must have been used up.
    pub(super) fn line_goes_on(&mut self, place: LogId, key: Key) {
        let Some(sent) = self.sends.all.get(&key) else { return };
        let Some((pid, pseq)) = sent.transmissions.last().and_then(|last| last.line.clone()) else { return };
        let (epoch, forks) = (self.ground_truth.seen(place).0.cloned(), self.ground_truth.forks(place));
        if pseq > 1
            && let Some(before) = self.sends.lines.get(&(pid.clone(), pseq - 1))
        {
            let copies = self.ground_truth.by_key(*before);
            let appended = copies.iter().any(|copy| self.ground_truth.record(*copy).epoch == epoch);
            let refused = self.sends.all.get(before).is_some_and(|before| before.refused);
            if !appended && !refused {
                let text =
                    format!("2.3: {key:?} was appended as {pid}:{pseq} and {before:?} before it was not");
                self.violations.push(text);
            }
        }
        self.sends.used.insert(pid, (self.now - self.stood, epoch, forks, pseq));
    }

    /// The store of several nodes refuses a send for good: its number is used up, whoever learns of it.
    pub fn refused_by_store(&mut self, pid: &Id, pseq: u64) {
        if let Some(sent) = self.line_is_of(pid, pseq).and_then(|key| self.sends.all.get_mut(&key)) {
            sent.refused = true;
        }
    }

    /// The store of a client that dies has the outcome of a send. Where its application was not told, a driver tells it in
    /// the next run.
    pub fn is_settled_on_disk(&mut self, key: Key) {
        if let Some(sent) = self.sends.all.get_mut(&key).filter(|sent| sent.outcome.is_none()) {
            sent.alive = false;
        }
    }

    /// A client dies. What it had given to a connection must be on its disk, if it has one.
    pub(super) fn sends_died(&mut self, client: usize, disk: Option<&[Key]>) {
        self.sends.numbers.retain(|(owner, _), _| *owner != client);
        self.counts.none_are_left(client);
        self.reasons_restarted(client);
        for (key, sent) in self.sends.all.range_mut((client, 0)..(client + 1, 0)) {
            let unresolved = sent.alive && sent.outcome.is_none();
            let lined = sent.transmissions.last().is_some_and(|last| last.line.is_some());
            if let Some(disk) = disk
                && unresolved
                && sent.transmitted_here
                && lined
                && !disk.contains(key)
            {
                self.violations.push(format!("2.3: {key:?} was transmitted and is not on the disk"));
            }
            sent.alive = false;
            sent.transmitted_here = false;
            sent.outcome = None;
            sent.refusals.clear();
            sent.wanted_back = false;
            sent.until = None;
        }
    }

    /// A client takes up a stored send under this number.
    pub(super) fn restored(&mut self, client: usize, id: SendId, content: &str) {
        let Some(key) = super::ground_truth::key(content).filter(|key| key.0 == client) else {
            return self.violated(format!("7: u{client} takes up {content}, which is not its own"));
        };
        if self.sends.numbers.insert((client, id), key).is_some() {
            self.violated(format!("7: u{client} takes up {key:?} under a number in use"));
        }
        match self.sends.all.get_mut(&key) {
            Some(sent) if !sent.alive => {
                sent.alive = true;
                sent.restored = true;
                let (place, size) = (sent.place, super::bounds::weight(&sent.content, sent.data.as_ref()));
                self.counts.comes(client, size);
                let now = self.watched(client).map_or(0, |watch| watch.now);
                if let Some(sent) = self.sends.all.get_mut(&key) {
                    sent.made_at = now;
                }
                self.taken_up(client, place, key.1);
            }
            _ => self.violated(format!("7: u{client} takes up {key:?}, which it has or never had")),
        }
    }

    /// What a send that was taken up carries, and what its application called it.
    pub(super) fn restored_whole(&mut self, client: usize, restored: &rejoin::Restored) {
        let Some(key) = super::ground_truth::key(&restored.content) else { return };
        let Some(sent) = self.sends.all.get(&key) else { return };
        let name = format!("ref-{}-{}", key.0, key.1);
        if sent.data != restored.data || restored.reference.as_deref() != Some(name.as_str()) {
            self.violated(format!("7: u{client} takes up {key:?} as {restored:?}"));
        }
    }

    /// A server answers a send.
    pub fn acked_by_server(&mut self, conn: usize, ack: &Ack) {
        if ack.dup
            && let Some(pid) = self.sends.producers.get(&(conn, ack.reference.clone()))
            && let Some(used) = self.sends.used.get_mut(pid)
        {
            used.0 = self.now - self.stood;
        }
        self.ack_promised(ack);
        let found = self.ground_truth.by_id(&ack.id).map(|index| self.ground_truth.record(index));
        if found.is_none_or(|record| record.seq != ack.seq || record.epoch.as_ref() != Some(&ack.epoch)) {
            self.violated(format!(
                "1: the server acks {} as number {}, which its log lacks",
                ack.id, ack.seq
            ));
        }
    }

    /// A client receives an ack on a connection; `moved` if it has opened another one since.
    pub fn ack_received(&mut self, conn: usize, ack: &Ack, moved: bool) {
        let Some(key) = self.sends.references.get(&(conn, ack.reference.clone())).copied() else { return };
        // Where its time was over its line goes on with it all the same.
        let waits = self.sends.all.get(&key).is_some_and(|sent| sent.outcome.is_none());
        if waits || self.counts.does_fly(conn, key) {
            self.is_taken(key);
        }
        self.lands(key);
        self.lands_on(conn, &ack.reference, false, None);
        let Some(sent) = self.sends.all.get(&key) else { return };
        if sent.outcome.is_some() {
            return;
        }
        self.sends.answered.insert(key);
        let sent = &self.sends.all[&key];
        if ack.dup {
            self.cover.reach(Sometimes::DupAck);
            if sent.restored {
                self.cover.reach(Sometimes::RestoredDupAck);
            }
        } else if sent.restored && sent.transmissions.len() == 1 {
            self.cover.reach(Sometimes::RestoredFirst);
        }
        if moved {
            self.cover.reach(Sometimes::AckOnOldConnection);
        }
    }

    /// A client has dealt with an ack: it counts, whatever happened before.
    pub fn ack_counts(&mut self, conn: usize, reference: &Id) {
        let key = self.sends.references.get(&(conn, reference.clone())).copied();
        let open =
            |key: &Key| self.sends.all.get(key).is_some_and(|sent| sent.alive && sent.outcome.is_none());
        if let Some(key) = key.filter(open) {
            self.violated(format!("7: {key:?} was acked and has no outcome"));
        }
    }
}
