//! Checks refusals of servers: a refused send is certainly not appended, its line goes back or ends, and what was given to the same
//! connection behind it shares its fate. Checks that a line that goes on is not forgotten.

use super::Checker;
use super::ground_truth::Key;
use super::sends::{Sent, Transmission};
use crate::sim::SECOND;
use crate::sim::coverage::Sometimes;
use rejoin::messages::{Code, Nack};
use rejoin::{DeliveryStatus, Id};

impl Checker {
    /// A server refuses a send over a connection.
    pub fn refused_by_server(&mut self, conn: usize, nack: &Nack) {
        let Some(reference) = nack.reference.clone() else { return };
        let Some(key) = self.sends.references.get(&(conn, reference)).copied() else { return };
        if let Some(sent) = self.sends.all.get(&key)
            && nack.code == Code::RateLimited
        {
            let user = self.told_speaker().unwrap_or(sent.user);
            self.was_too_fast(user, key, nack.retry_after_ms);
        }
        let line = self.sends.all.get(&key).and_then(|sent| {
            let one = sent.transmissions.iter().rev().find(|one| one.reference == nack.reference)?;
            one.line.as_ref().map(|(_, pseq)| *pseq)
        });
        self.nack_promised(nack, line);
        let Some(sent) = self.sends.all.get_mut(&key) else { return };
        if nack.code != Code::UnknownProducer || self.bereft.contains_key(&sent.place) {
            sent.refused |= !nack.retry && nack.code != Code::UnknownProducer;
            return;
        }
        let line = sent.transmissions.iter().rev().find(|one| one.reference == nack.reference);
        let Some((pid, pseq)) = line.and_then(|one| one.line.as_ref()) else { return };
        let now = (self.ground_truth.seen(sent.place).0.cloned(), self.ground_truth.forks(sent.place));
        // Of a line that goes on, only so many answers are kept.
        if let Some((at, epoch, forks, last)) = self.sends.used.get(pid)
            && now == (epoch.clone(), *forks)
            && pseq + self.answers_kept > *last
            // Of several nodes the store's answer may be an old one.
            && (!self.several || self.now > at + 60 * SECOND)
            && self.now - self.stood - at + 5 * SECOND < self.dedupe_window
        {
            self.violated(format!("2.3: the server has forgotten the line of {key:?}"));
        }
    }

    /// A connection was refused before anything came on it: what it was given without a number, and in a way that a refusal
    /// could name, is certainly not appended.
    pub fn connection_refused(&mut self, client: usize, conn: usize) {
        for (_, sent) in self.sends.all.range_mut((client, 0)..(client + 1, 0)) {
            let last = sent.transmissions.last();
            let here =
                last.is_some_and(|last| last.conn == conn && last.line.is_none() && last.reference.is_some());
            if sent.outcome.is_none() && here {
                sent.disowned = true;
                sent.transmissions.clear();
            }
        }
    }

    /// The server does not know a send's line (any more): what this connection alone was given of it is certainly not
    /// appended.
    fn disown(&mut self, conn: usize, key: Key, reference: &Id) {
        let pid = |sent: &Sent| Some(sent.transmissions.last()?.line.as_ref()?.0.clone());
        let Some(line) = self.sends.producers.get(&(conn, reference.clone())).cloned() else { return };
        for (other, sent) in self.sends.all.range_mut((key.0, 0)..(key.0 + 1, 0)) {
            let only_here = sent.transmissions.iter().all(|one| one.conn == conn);
            if sent.outcome.is_none() && only_here && pid(sent).as_ref() == Some(&line) {
                sent.disowned = true;
                sent.transmissions.clear();
                if let Some(flying) = self.sends.in_flight.get_mut(&(conn, line.clone())) {
                    flying.remove(other);
                }
            }
        }
    }

    /// A client receives a nack on a connection.
    pub fn nack_received(&mut self, conn: usize, nack: &Nack) {
        let state = match nack.code {
            Code::SequenceGap => Some(Sometimes::SequenceGapNack),
            Code::UnknownProducer => Some(Sometimes::UnknownProducerNack),
            _ if !nack.retry => Some(Sometimes::RefusedForGood),
            _ => None,
        };
        if let Some(state) = state {
            self.cover.reach(state);
        }
        let Some(reference) = nack.reference.clone() else { return };
        let Some(key) = self.sends.references.get(&(conn, reference.clone())).copied() else { return };
        let flies = self.counts.flies_as(conn, key).cloned();
        self.lands(key);
        // Only what is said of the latest transmission counts, and of the connection in use.
        let moved = self.conns.get(&key.0) != Some(&conn);
        let latest = flies.as_ref() == Some(&reference);
        let over = self.is_line_over(key.0, conn, &reference);
        let counts = latest && !moved && !over && !self.may_be_due(key);
        if latest || flies.is_none() {
            // Of one that is not waited for any more the refusal counts all the same for what is behind it.
            let given_up = flies.is_none() && {
                let outcome = self.sends.all.get(&key).and_then(|sent| sent.outcome.as_ref());
                outcome == Some(&DeliveryStatus::Unknown)
            };
            let all = (counts || given_up) && (nack.retry || nack.code == Code::UnknownProducer);
            self.lands_on(conn, &reference, all, nack.expected);
        }
        self.is_clouded(conn);
        if !moved {
            self.is_refused(conn, key, nack, counts);
        }
        if counts {
            self.pauses(conn, key, nack);
        }
        if let Some(sent) = self.sends.all.get_mut(&key) {
            sent.refusals.push(nack.code);
            sent.nacked = Some(nack.code);
            for one in &mut sent.transmissions {
                one.is_refused |= nack.retry && one.reference == nack.reference;
            }
            if nack.code == Code::NotJoined {
                // What was given without a number is certainly not appended: it may be made again, on any connection.
                let is_it = |one: &Transmission| one.line.is_none() && one.reference == nack.reference;
                sent.transmissions.retain(|one| !is_it(one));
            }
            if !nack.retry {
                self.refused.insert((key.0, sent.place));
            }
        }
        if matches!(nack.code, Code::UnknownProducer | Code::SequenceGap) {
            self.disown(conn, key, &reference);
        }
    }
}
