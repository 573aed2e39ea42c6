//! Checks announced gaps: each names what is missing, and it is missing (invariant 3).

use super::Checker;
use super::feeds::Next;
use super::ground_truth::{LogId, PERSONAL};
use crate::sim::coverage::Sometimes;
use rejoin::{Gap, GapReason};

impl Checker {
    /// An application is told of a hole.
    pub(super) fn gap(&mut self, client: usize, place: LogId, gap: &Gap) {
        let (epochs, forks, oldest) = (
            self.ground_truth.epochs(place),
            self.ground_truth.forks(place),
            self.ground_truth.oldest(place),
        );
        let feed = self.feed(client, place);
        let next = match &feed.next {
            Next::Exactly(epoch, seq) if gap.epoch.as_ref() == Some(epoch) => Some(*seq),
            _ => None,
        };
        feed.last_unstamped = None;
        feed.last = None;
        let from_disk = feed.from_disk;
        let begin = feed.begin.take().filter(|_| feed.joined && gap.reason != GapReason::Reconnected);
        let is_new_log = gap.reason == GapReason::EpochChanged && place < PERSONAL;
        feed.next = match (&gap.epoch, gap.before, begin) {
            (Some(epoch), Some(before), _) => Next::Exactly(epoch.clone(), before),
            // All of a log that has begun anew is owed to who was there before, whatever the replay holds.
            (_, None, Some((epoch, _))) if is_new_log => Next::Exactly(epoch, 1),
            (_, None, Some((epoch, start))) => Next::Exactly(epoch, start),
            _ => Next::Any,
        };
        let names_it = matches!(gap.reason, GapReason::Trimmed | GapReason::Unavailable);
        let mut wrong = None;
        let asked_for = |checker: &Self, after| checker.asked_for(client, place, after);
        if let (Some(after), Some(before), true) = (gap.after, gap.before, names_it)
            && before <= after + 1
        {
            wrong = Some("is no hole".to_owned());
        }
        if gap.reason == GapReason::Forked
            && !from_disk
            && let (Some(next), Some(after), Some(epoch)) = (next, gap.after, &gap.epoch)
            && !(next..=after).all(|seq| self.was_told(client, place, epoch, seq))
        {
            wrong = Some(format!("begins after {after}, and {next} was to come"));
        }
        if names_it
            && let (Some(next), Some(after), Some(epoch)) = (next, gap.after, &gap.epoch)
            && after + 1 != next
            && !(next..=after).all(|seq| self.was_told(client, place, epoch, seq))
        {
            wrong = Some(format!("begins after {after}, and {next} was to come"));
        }
        let (state, real) = match gap.reason {
            GapReason::Trimmed => {
                let first = gap.after.map_or(next, |after| Some(after + 1));
                let is_over = gap.epoch.as_ref() != self.ground_truth.seen(place).0;
                (Sometimes::GapTrimmed, forks > 0 || is_over || first.is_none_or(|first| oldest > first))
            }
            GapReason::EpochChanged => (Sometimes::GapNewEpoch, epochs > 1),
            GapReason::Forked => (Sometimes::GapForked, forks > 0 || self.lied.contains(&client)),
            GapReason::Reconnected => (Sometimes::GapReconnected, true),
            _ => (Sometimes::GapUnavailable, gap.after.is_some_and(|after| asked_for(self, after) >= 2)),
        };
        self.cover.reach(state);
        if gap.reason == GapReason::Reconnected {
            // On a plain server the place in the log is lost, and with it what would tell old from new.
            self.begins_anew(client, place);
        }
        if gap.reason == GapReason::Forked && (gap.after > Some(48) || self.is_long(client, place)) {
            // So many ids are not remembered: what a replay repeats may be shown again.
            self.begins_anew(client, place);
        }
        if !real {
            wrong = Some("is not there".to_owned());
        }
        if let Some(wrong) = wrong {
            self.violated(format!("3: a gap told to u{client} {wrong}: {gap:?}"));
        }
    }

    /// What is told from now on may be what has been told before: after a leave, from a position of the user's own.
    pub(super) fn begins_anew(&mut self, client: usize, place: LogId) {
        let feed = self.feeds.all.entry((client, place)).or_default();
        feed.last = None;
        let told = std::mem::take(&mut feed.delivered);
        self.feeds.before.entry(client).or_default().extend(told);
    }

    fn is_long(&self, client: usize, place: LogId) -> bool {
        self.feeds.all.get(&(client, place)).is_some_and(|feed| feed.delivered.len() > 48)
    }
}
