//! Checks outcomes of sends: exactly one each, and a true one (invariants 5 and 7).

use super::Checker;
use super::ground_truth::{Key, LogId};
use super::sends::Sent;
use crate::sim::coverage::Sometimes;
use crate::sim::nodes::Amid;
use rejoin::messages::Code;
use rejoin::{DeliveryStatus, Id, SendFailure, SendId};

impl Checker {
    /// An application is told an outcome.
    pub(super) fn resolved(&mut self, client: usize, id: SendId, status: &DeliveryStatus) {
        let Some(key) = self.sends.numbers.get(&(client, id)).copied() else {
            return self.violated(format!("7: u{client} has an outcome for {id:?}, which was never sent"));
        };
        let Some(sent) = self.sends.all.get_mut(&key) else { return };
        if let Some(first) = sent.outcome.replace(status.clone()) {
            return self.violated(format!("7: {key:?} resolved twice: {first:?}, then {status:?}"));
        }
        let copies = self.ground_truth.by_key(key);
        let appended = !copies.is_empty();
        // Of one that its log has lost again the server has said that it knows nothing of it.
        let may_fail = sent.disowned && copies.iter().all(|copy| self.ground_truth.record(*copy).cropped);
        let transmitted = !sent.transmissions.is_empty();
        let size = super::bounds::weight(&sent.content, sent.data.as_ref());
        self.counts.goes(client, size);
        if matches!(status, DeliveryStatus::Acked { .. }) && !self.sends.answered.contains(&key) {
            self.is_taken(key);
        }
        self.counts.lands(key, *status != DeliveryStatus::Unknown);
        self.lands(key);
        // What is refused again and again until it is too old ends its line, as what nobody knows of does.
        let too_old =
            matches!(status, DeliveryStatus::Failed(SendFailure::Refused(_))) && self.is_given_up(key);
        if (*status == DeliveryStatus::Unknown || too_old)
            && let Some(conn) = self.conns.get(&client).copied()
        {
            self.is_clouded(conn);
            self.is_unclear(client, conn);
        }
        match status {
            DeliveryStatus::Acked { id, seq } => self.says_acked(key, id, *seq),
            DeliveryStatus::Failed(why) => {
                self.found_no_place(key, *why);
                self.is_the_reason(key, *why);
                if *why == SendFailure::Cancelled {
                    self.cover.reach(Sometimes::CancelledInTime);
                }
                if *why == SendFailure::QueueFull
                    && self.sends.numbers.keys().any(|of| of.0 == client && of.1 > id)
                {
                    self.cover.reach(Sometimes::GaveWay);
                }
                if appended && !may_fail {
                    self.violated(format!("7: {key:?} failed with {why:?} and was appended"));
                }
            }
            DeliveryStatus::Unknown => self.says_unknown(key, appended),
            DeliveryStatus::Written if !transmitted => {
                self.violated(format!("7: {key:?} is written and was never transmitted"));
            }
            DeliveryStatus::Written if !self.is_flushed(key) => {
                self.violated(format!("7: {key:?} is written, and its connection has not taken it"));
            }
            _ => {}
        }
    }

    /// Whether a send has been transmitted, has no final answer, and its own time, if it has one, is not over.
    fn is_given_up(&self, key: Key) -> bool {
        let now = self.watched(key.0).map_or(0, |watch| watch.now);
        self.sends.all.get(&key).is_some_and(|sent| {
            !sent.transmissions.is_empty() && !sent.refused && sent.until.is_none_or(|until| now < until)
        })
    }

    fn says_acked(&mut self, key: Key, id: &Id, seq: u64) {
        let Some(index) = self.ground_truth.by_id(id) else {
            return self.violated(format!("1: {key:?} is acked as {id}, which was never appended"));
        };
        let record = self.ground_truth.record(index);
        if record.key != key || record.seq != seq {
            let (real, number) = (record.key, record.seq);
            self.violated(format!("1: {key:?} is acked as {id}, number {seq}, which is {real:?}, {number}"));
        }
        self.cover.reach(if self.sends.answered.contains(&key) {
            Sometimes::AckBeforeEcho
        } else {
            Sometimes::EchoBeforeAck
        });
        self.sends.acked.push((key, index));
        let Some(sent) = self.sends.all.get(&key) else { return };
        match sent.nacked {
            Some(Code::RateLimited) => self.cover.reach(Sometimes::RateLimitedThenAcked),
            Some(Code::NotJoined) => self.cover.reach(Sometimes::NotJoinedThenAcked),
            Some(Code::Overloaded) => self.cover.reach_amid(Amid::Overloaded),
            _ => {}
        }
        for (is, state) in [
            (sent.ack_lost, Sometimes::AckLostAfterCommit),
            (sent.committed_at_crash, Sometimes::CrashAfterCommit),
            (sent.offline, Sometimes::SentOffline),
            (self.refused.contains(&(key.0, sent.place)), Sometimes::AckedAfterRefusal),
        ] {
            if is {
                self.cover.reach(state);
            }
        }
    }

    fn says_unknown(&mut self, key: Key, appended: bool) {
        let Some(sent) = self.sends.all.get(&key) else { return };
        let place = sent.place;
        if sent.transmissions.is_empty() && !sent.restored && !sent.disowned {
            self.violated(format!("7: {key:?} is unknown and was never transmitted"));
            return;
        }
        self.is_unknown_in_time(key);
        self.is_uncertain(key);
        let Some(sent) = self.sends.all.get(&key) else { return };
        let lost = self.ground_truth.by_key(key).last().map(|index| self.ground_truth.record(*index).cropped);
        for (is, state) in [
            (appended, Sometimes::UnknownButAppended),
            (!appended, Sometimes::UnknownAndNotAppended),
            (self.ground_truth.epochs(place) > 1, Sometimes::UnknownAfterNewEpoch),
            (lost == Some(true) || self.ground_truth.forks(place) > 0, Sometimes::UnknownAfterFork),
            (sent.restored, Sometimes::RestoredUnknown),
            (sent.horizon, Sometimes::HorizonPassed),
            (sent.cancelled, Sometimes::CancelledTooLate),
        ] {
            if is {
                self.cover.reach(state);
            }
        }
    }

    /// Nothing that is to come could still tell what became of a send: its room has been caught up with, or will not be
    /// joined, or that takes too long.
    fn is_unknown_in_time(&mut self, key: Key) {
        let (Some(sent), Some(watch)) = (self.sends.all.get(&key), self.watched(key.0)) else { return };
        let Some(line) = sent.transmissions.last().and_then(|last| last.line.clone()) else { return };
        let out = self.is_out(key.0, sent.place);
        let over = sent.until.is_some_and(|until| watch.now + 2_000 >= until);
        let old = self.age(key, &line).is_none_or(|age| age + 2_000 >= 300_000_000);
        let given_up =
            watch.lost || watch.suspended || watch.ended || watch.too_large || self.is_taken_over(key.0);
        if !(self.is_joined(key.0, sent.place) || out || over || old || given_up) {
            self.violated(format!("7: {key:?} is unknown, and the replay of its room is to come"));
        }
    }

    /// The acked sends of each client and room stand in each log in the order in which they were made (invariant 5).
    pub(super) fn check_order(&mut self) {
        let mut acked = std::mem::take(&mut self.sends.acked);
        acked.retain(|(_, index)| !self.ground_truth.record(*index).cropped);
        acked.sort_by_key(|(key, index)| {
            let record = self.ground_truth.record(*index);
            (record.place, record.epoch.clone(), *key)
        });
        for pair in acked.windows(2) {
            let ([(one, first), (two, second)], same) = ([&pair[0], &pair[1]], pair[0].0.0 == pair[1].0.0);
            // What was given to a node that stands still may be appended when it moves again, behind what another line has brought
            // over another node since.
            let line = |key: &Key| self.sends.all.get(key).and_then(Sent::producer);
            if self.several && line(one) != line(two) {
                continue;
            }
            let (first, second) = (self.ground_truth.record(*first), self.ground_truth.record(*second));
            if same && first.place == second.place && first.epoch == second.epoch && first.seq > second.seq {
                let text = format!("5: {one:?} is number {}, {two:?} is {}", first.seq, second.seq);
                self.violations.push(text);
            }
        }
    }

    /// Whether a send was refused or given up before it was made.
    pub fn has_failed(&self, key: Key) -> bool {
        self.sends.all.get(&key).is_none_or(|sent| matches!(sent.outcome, Some(DeliveryStatus::Failed(_))))
    }

    /// How many sends of a client to some rooms have been given to an extended connection and have no outcome. They
    /// wait until they are too old where they cannot be given again: on a plain connection, and in a room that is
    /// not wanted any more.
    pub fn given(&self, client: usize, somewhere: impl Fn(LogId) -> bool) -> usize {
        let sends = self.sends.all.range((client, 0)..(client + 1, 0));
        let given = |sent: &Sent| {
            let given = sent.transmissions.iter().any(|one| one.extended && one.line.is_some());
            somewhere(sent.place) && (given || sent.restored || sent.disowned)
        };
        sends.filter(|(_, sent)| sent.alive && sent.outcome.is_none() && given(sent)).count()
    }

    /// Every send of the processes that live has its outcome (invariant 7).
    pub(super) fn check_outcomes(&mut self) {
        let open: Vec<Key> = self
            .sends
            .all
            .iter()
            .filter(|(_, sent)| sent.alive && sent.outcome.is_none())
            .map(|(key, _)| *key)
            .collect();
        for key in open {
            self.violated(format!("7: {key:?} has no outcome"));
        }
    }
}
