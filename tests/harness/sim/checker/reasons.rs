//! Checks why and when sends fail: each reason is true, and timeouts are met (invariant 7).

use super::bounds::weight;
use super::ground_truth::{Key, LogId};
use super::{Checker, Micros};
use crate::sim::SECOND;
use rejoin::machine::Transmitted;
use rejoin::messages::{Code, ErrorDetail, Nack};
use rejoin::{Id, Name, SendFailure, SendId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// As exactly as a machine that counts in milliseconds can be held to.
const MS: Micros = 1_000;

/// Sends of earlier processes are older than the world.
const BEFORE: Micros = 100_000 * SECOND;

/// What is known of times and pauses.
#[derive(Debug, Default)]
pub(super) struct Reasons {
    /// By client and moment: what has to have its outcome then.
    due: BTreeSet<(usize, Micros, Key)>,
    /// When each number was used first, on the clock of its client that counts sleep. `None`: it is too old for ever.
    born: HashMap<(Id, u64), Option<Micros>>,
    /// Sends, rooms and pages that a server has refused for now, by connection, and until when.
    sends: HashMap<(usize, Key), Micros>,
    joins: HashMap<(usize, LogId), Micros>,
    pages: HashMap<(usize, LogId), Micros>,
    /// Requests for what follows a message, in a row.
    asked: BTreeMap<(usize, LogId), (usize, u64, u32)>,
    /// The last send that was made before a room was left.
    leaving: BTreeMap<(usize, LogId), u64>,
    /// What has failed last, in which input and why.
    last_failed: BTreeMap<usize, ((Micros, u64), SendFailure, Key)>,
    /// Rooms that a client is out of for good.
    out: BTreeSet<(usize, LogId)>,
}

impl Reasons {
    /// Whether a send is not made again any more.
    pub(super) fn is_old(&self, pid: &Id, pseq: u64, lived: Micros, horizon: Micros) -> bool {
        let born = self.born.get(&(pid.clone(), pseq)).copied().flatten();
        born.is_none_or(|born| lived + BEFORE >= born + horizon)
    }
}

/// What a server that asks to wait asks for.
fn pause(retry_after_ms: Option<u64>, least: u64) -> Micros {
    1_000 * retry_after_ms.unwrap_or(1_000).clamp(least, 600_000)
}

impl Checker {
    /// A send reaches a client, which has this clock.
    pub(super) fn made(&mut self, client: usize, id: SendId, now: Micros, timeout: Option<Duration>) {
        let ttl = self.counts.bounds.ttl;
        let Some(key) = self.sends.numbers.get(&(client, id)).copied() else { return };
        let Some(sent) = self.sends.all.get_mut(&key) else { return };
        let timeout = timeout.map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        sent.made_at = now;
        sent.until = timeout.filter(|time| *time < ttl).map(|time| now + time);
        if let Some(until) = sent.until {
            self.reasons.due.insert((client, until, key));
        }
    }

    /// What had its time has its outcome.
    pub(super) fn is_in_time(&mut self, client: usize) {
        let now = self.watched(client).map_or(0, |watch| watch.now);
        while let Some((of, until, key)) = self.reasons.due.range((client, 0, (0, 0))..).next().copied()
            && of == client
            && until + 2 * MS < now
        {
            self.reasons.due.remove(&(of, until, key));
            let open =
                |sent: &super::sends::Sent| sent.alive && sent.outcome.is_none() && sent.until.is_some();
            if self.sends.all.get(&key).is_some_and(open) {
                self.violated(format!("7: the time of {key:?} was over at {until}, and it has no outcome"));
            }
        }
    }

    /// What the server said of a refusal is told with it.
    pub(super) fn words_of_refusal(&mut self, client: usize, id: SendId, code: Code, words: Option<&str>) {
        // A client refuses by itself what goes to a room that nobody joins.
        if code != Code::NotJoined && words.is_none_or(str::is_empty) {
            self.violated(format!(
                "7: u{client} is told that {id:?} is refused with {code:?}, and no word of it"
            ));
        }
    }

    /// What waits together for too long, or until the end, fails in the order in which it was sent.
    pub(super) fn is_in_order(&mut self, client: usize, delivery: &rejoin::Delivery<String, Name>) {
        let now = (self.now, self.watched(client).map_or(0, |watch| watch.inputs));
        let Some(key) = self.sends.numbers.get(&(client, delivery.id)).copied() else { return };
        let rejoin::DeliveryStatus::Failed(why @ (SendFailure::Expired | SendFailure::Closed)) =
            delivery.status
        else {
            return;
        };
        let last = self.reasons.last_failed.insert(client, (now, why, key));
        if last.is_some_and(|(then, other, last)| then == now && other == why && last > key) {
            self.violated(format!("7: {key:?} fails with {why:?} after {last:?}"));
        }
    }

    pub(super) fn reasons_restarted(&mut self, client: usize) {
        self.reasons.due.retain(|(of, ..)| *of != client);
        self.reasons.leaving.retain(|(of, _), _| *of != client);
        self.reasons.out.retain(|(of, _)| *of != client);
        self.reasons.asked.retain(|(of, _), _| *of != client);
    }

    /// A send has failed, for this reason.
    pub(super) fn is_the_reason(&mut self, key: Key, why: SendFailure) {
        let client = key.0;
        let bounds = self.counts.bounds;
        let (Some(sent), Some(watch)) = (self.sends.all.get(&key), self.watched(client)) else { return };
        let now = watch.now;
        let out = self.reasons.out.contains(&(client, sent.place));
        let wanted = self.is_wanted(client, sent.place);
        let left = self.is_out(client, sent.place) || bounds.rooms < 4;
        let right = match why {
            SendFailure::QueueFull => true,
            SendFailure::TooLarge => {
                let size = weight(&sent.content, sent.data.as_ref()) - 64;
                size > bounds.content || watch.open.is_some_and(|open| size > open.content)
            }
            SendFailure::Expired => now + 2 * MS >= sent.made_at + bounds.ttl,
            SendFailure::Timeout => sent.until.is_some_and(|until| now + 2 * MS >= until),
            SendFailure::Closed => watch.ended,
            SendFailure::Refused(Code::NotJoined) => {
                let refused = self.is_refused_before(key, sent.place, Code::NotJoined);
                refused || out || !wanted && (!sent.restored || left)
            }
            // That an earlier send is missing is said of a later one.
            SendFailure::Refused(Code::SequenceGap) => {
                let last = (client, u64::MAX);
                self.is_refused_before(last, sent.place, Code::SequenceGap)
            }
            // What is behind one that is refused again and again is not made either.
            SendFailure::Refused(code) => self.is_refused_before(key, sent.place, code),
            SendFailure::UserChanged => self.is_taken_over(client) && sent.restored,
            SendFailure::Cancelled => sent.wanted_back,
            _ => false,
        };
        if !right {
            self.violated(format!("7: {key:?} has failed with {why:?}, and that is not so: {sent:?}"));
        }
    }

    /// Whether a server has refused a send, or one before it in the same room, for this reason.
    fn is_refused_before(&self, key: Key, at: LogId, code: Code) -> bool {
        let mut sends = self.sends.all.range((key.0, 0)..=key);
        sends.any(|(_, sent)| sent.place == at && sent.refusals.contains(&code))
    }

    /// A stored state is about to be taken up: this number was used then, by the wall clock, which shows `wall` now.
    pub fn stored(&mut self, client: usize, transmitted: &Transmitted, wall: Micros) {
        let lived = self.watched(client).map_or(0, |watch| watch.lived);
        let at = 1_000 * transmitted.at_ms;
        // Of a clock that was set back nothing can be said.
        let born = (at > 0 && at <= wall).then(|| (lived + BEFORE).saturating_sub(wall - at));
        self.reasons.born.insert((transmitted.pid.clone(), transmitted.pseq), born);
    }

    /// A numbered send is given to a connection: not when the server may have forgotten it, nor before it may.
    pub(super) fn is_young(&mut self, key: Key, conn: usize, pid: &Id, pseq: u64) {
        let Some(watch) = self.watched(key.0) else { return };
        let (lived, horizon) = (watch.lived + BEFORE, watch.dedupe / 2);
        let at = self.sends.all.get(&key).map_or(0, |sent| sent.place);
        let joined = self.is_joined(key.0, at) || self.is_out(key.0, at);
        let born = *self.reasons.born.entry((pid.clone(), pseq)).or_insert(Some(lived));
        if born.is_none_or(|born| lived >= born + horizon + 2 * MS) {
            self.violated(format!(
                "2.3: {key:?} is transmitted at {lived}, first at {born:?}, for {horizon} at most"
            ));
        }
        if !joined {
            self.violated(format!("2.3: {key:?} is transmitted before its room is joined"));
        }
        let until = self.reasons.sends.remove(&(conn, key));
        if let Some(until) = until.filter(|until| self.now + 2 * MS < *until) {
            self.violated(format!("2.3: {key:?} is to be made again at {until}, and is made now"));
        }
    }

    /// How old a send is, in its line.
    pub(super) fn age(&self, key: Key, line: &(Id, u64)) -> Option<Micros> {
        let lived = self.watched(key.0)?.lived + BEFORE;
        (*self.reasons.born.get(line)?).map(|born| lived - born)
    }

    /// A server refuses a send for now, and that counts: what was behind an earlier one that it has refused is made again after
    /// that, whatever is said of it.
    pub(super) fn pauses(&mut self, conn: usize, key: Key, nack: &Nack) {
        if matches!(nack.code, Code::RateLimited | Code::Overloaded | Code::Internal) && nack.retry {
            let until = self.now + pause(nack.retry_after_ms, 0);
            self.reasons.sends.insert((conn, key), until);
        }
    }

    /// A server refuses a join or a page over a connection.
    pub fn turned_down(&mut self, client: usize, conn: usize, at: LogId, refusal: &ErrorDetail) {
        let name = refusal.reference.as_ref().map_or("", Id::as_str);
        if !refusal.retry {
            if let Some((_, _, times)) = self.reasons.asked.get_mut(&(client, at)) {
                *times += 2;
            }
            return;
        }
        // A client that takes its server for another kind asks anew, and the answer to the earlier question says nothing.
        let is_of = |room: &Name| {
            self.watched(client)?.asked_of(room).map(|asked| Some(asked) == refusal.reference.as_ref())
        };
        let latest = refusal.room.as_ref().and_then(is_of);
        if name.starts_with('j') && latest == Some(false) {
            return;
        }
        if name.starts_with('h') && (!self.is_joined(client, at) || self.is_asking_for(client, at)) {
            // The page was for a stay that is over: the room is left, or is asked for anew.
            return;
        }
        let until = self.now + pause(refusal.retry_after_ms, 100);
        match name.chars().next() {
            Some('j') => self.reasons.joins.insert((conn, at), until),
            Some('h') => self.reasons.pages.insert((conn, at), until),
            _ => None,
        };
    }

    /// A server gives a page: what it has refused before that does not bind any more.
    pub fn page_given(&mut self, conn: usize, at: LogId) {
        self.reasons.pages.remove(&(conn, at));
    }

    /// A client asks for a room.
    pub fn joins_again(&mut self, client: usize, conn: usize, at: LogId) {
        self.asks_for(client, at);
        self.reasons.pages.remove(&(conn, at));
        self.reasons.asked.remove(&(client, at));
        if let Some(until) = self.reasons.joins.remove(&(conn, at))
            && self.now + 2 * MS < until
        {
            self.violated(format!("5: u{client} may ask for place {at} again at {until}, and does now"));
        }
    }

    /// A client asks for a page.
    pub fn pages_again(&mut self, client: usize, conn: usize, at: LogId, after: u64) {
        let asked = self.reasons.asked.entry((client, at)).or_insert((conn, after, 0));
        *asked =
            if (asked.0, asked.1) == (conn, after) { (conn, after, asked.2 + 1) } else { (conn, after, 1) };
        if let Some(until) = self.reasons.pages.remove(&(conn, at))
            && self.now + 2 * MS < until
        {
            self.violated(format!(
                "5: u{client} may ask for messages of place {at} at {until}, and does now"
            ));
        }
    }

    /// How often what follows a message has been asked for, in a row.
    pub(super) fn asked_for(&self, client: usize, at: LogId, after: u64) -> u32 {
        self.reasons
            .asked
            .get(&(client, at))
            .filter(|(_, of, _)| *of == after)
            .map_or(0, |(.., times)| *times)
    }

    /// A user wants to leave a room.
    pub fn leaves(&mut self, client: usize, at: LogId) {
        let last = self.sends.all.range((client, 0)..(client + 1, 0)).next_back().map_or(0, |(key, _)| key.1);
        self.reasons.leaving.insert((client, at), last);
    }

    /// A stored send is taken up: its room is left after it, unless somebody wants to stay.
    pub(super) fn taken_up(&mut self, client: usize, at: LogId, number: u64) {
        self.reasons.leaving.insert((client, at), number);
    }

    /// A user wants to be in a room.
    pub(super) fn stays(&mut self, client: usize, at: LogId) {
        self.reasons.leaving.remove(&(client, at));
        self.reasons.out.remove(&(client, at));
        if let Some(conn) = self.conns.get(&client) {
            self.reasons.joins.remove(&(*conn, at));
        }
    }

    /// An application is told that it is out of a room for good.
    pub(super) fn is_out_for_good(&mut self, client: usize, at: LogId) {
        self.reasons.out.insert((client, at));
    }

    /// An application is told that it has left a room: its earlier sends are final.
    pub(super) fn has_left(&mut self, client: usize, at: LogId) {
        let Some(last) = self.reasons.leaving.remove(&(client, at)) else { return };
        let mut sends = self.sends.all.range((client, 0)..=(client, last));
        let open = sends
            .find(|(_, sent)| sent.place == at && sent.alive && sent.outcome.is_none())
            .map(|(key, _)| *key);
        if let Some(key) = open {
            self.violated(format!("2.3: u{client} has left place {at}, and {key:?} has no outcome"));
        }
    }
}
