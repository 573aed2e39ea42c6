//! A stored state in memory: the state as it was read, with every later change applied.

use crate::change::Change;
use crate::event::{DeliveryStatus, SendId, SendReply};
use crate::id::Id;
use crate::name::Name;
use crate::outbox::RESTORED;
use crate::payload::Payload;
#[cfg(feature = "frames")]
use crate::persisted::SavedFrame;
use crate::persisted::{Saved, SavedOutcome, SavedPosition, SavedProducer, SavedSend, digest};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

/// Maximum outcomes that are remembered, those that nobody has processed among them; the oldest go first.
const MAX_OUTCOMES: usize = 10_000;
/// Most of them that are remembered with the server's answer, which is up to 4 KiB and as many of words.
const MAX_REPLIES: usize = 256;
/// The ids of outcomes of earlier runs have this bit, which is no send's.
const EARLIER: u64 = RESTORED | 1 << 61;

/// The state that a store keeps, brought up to date by [`Change`]s. A store that keeps changes reads it back with the
/// same method that wrote it, so that both cannot differ.
#[derive(Debug)]
pub struct JournalState<P = String, N = Name> {
    user: Option<N>,
    extended: bool,
    worked: bool,
    window_ms: u64,
    dedupe_window_ms: u64,
    positions: BTreeMap<N, SavedPosition<N>>,
    /// The producer of each room and the number of its next send.
    producers: BTreeMap<N, (Id, u64)>,
    sends: BTreeMap<u64, SavedSend<P, N>>,
    outcomes: BTreeMap<u64, SavedOutcome<P, N>>,
    /// Those of them that have an answer, the oldest first.
    replied: VecDeque<u64>,
    /// What the present run calls the sends and outcomes that are not processed, and the other way round.
    keys: BTreeMap<SendId, u64>,
    ids: BTreeMap<u64, SendId>,
    last: u64,
    #[cfg(feature = "frames")]
    kept: Vec<SavedFrame<P, N>>,
}

impl<P, N: Ord> Default for JournalState<P, N> {
    fn default() -> Self {
        Self {
            user: None,
            extended: false,
            worked: false,
            window_ms: 0,
            dedupe_window_ms: 0,
            positions: BTreeMap::new(),
            producers: BTreeMap::new(),
            sends: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            replied: VecDeque::new(),
            keys: BTreeMap::new(),
            ids: BTreeMap::new(),
            last: 0,
            #[cfg(feature = "frames")]
            kept: Vec::new(),
        }
    }
}

impl<P: Payload, N: Clone + Ord> JournalState<P, N> {
    /// A ledger that begins with what a store has.
    pub fn new(saved: Saved<P, N>) -> Self {
        let mut journal = Self::default();
        journal.replace(saved);
        journal
    }

    /// The names under which a session knows what it takes up from [`JournalState::saved`]: to be said once, before its first
    /// change.
    pub fn assign_restored_ids(&mut self) {
        let sends = self.sends.keys().zip(1..).map(|(number, serial)| (SendId(RESTORED | serial), *number));
        let pending = self.outcomes.iter().filter(|(_, outcome)| !outcome.confirmed);
        let outcomes = pending.map(|(number, _)| (SendId(EARLIER | number), *number));
        self.keys = sends.chain(outcomes).collect();
        self.ids = self.keys.iter().map(|(id, number)| (*number, *id)).collect();
    }

    /// The outcomes of earlier runs, the oldest first, each with its name in this one.
    pub fn outcomes(&self) -> impl Iterator<Item = (SendId, &SavedOutcome<P, N>)> {
        self.outcomes.iter().map(|(number, outcome)| (SendId(EARLIER | number), outcome))
    }

    /// Whose an outcome is, where a server has announced it.
    pub fn user_of<'a>(&'a self, outcome: &'a SavedOutcome<P, N>) -> Option<&'a N> {
        outcome.user.as_ref().or(self.user.as_ref())
    }

    /// Whose the state is, once a server has announced it.
    pub fn user(&self) -> Option<&N> {
        self.user.as_ref()
    }

    /// The number of the last send: later ones have a higher one.
    pub fn last_number(&self) -> u64 {
        self.last
    }

    /// The number of a send that is not processed.
    pub fn number(&self, id: SendId) -> Option<u64> {
        self.keys.get(&id).copied()
    }

    /// Takes a change of a session, and gives it as a store is to keep it; `None` if it is none, because it is about a
    /// send that was refused at once.
    pub fn record(&mut self, change: Change<P, N, SendId>) -> Option<Change<P, N>> {
        let change = match change {
            Change::Added { key, send } => {
                // One that was handed over and refused for certain is back under its number.
                let number = self.keys.get(&key).copied().unwrap_or(self.last + 1);
                self.keys.insert(key, number);
                self.ids.insert(number, key);
                Change::Added { key: number, send: SavedSend { number, ..send } }
            }
            change => change.with_key(|key| self.keys.get(&key).copied())?,
        };
        self.apply(change.clone());
        Some(change)
    }

    /// Does a change again that a store has kept.
    pub fn apply(&mut self, change: Change<P, N>) {
        match change {
            Change::Added { key, send } => {
                self.last = self.last.max(key);
                self.outcomes.remove(&key);
                self.sends.insert(key, send);
            }
            Change::Transmitted { key, transmitted } => {
                let Some(send) = self.sends.get_mut(&key) else { return };
                let mut next = transmitted.pseq + 1;
                if let Some((pid, later)) = self.producers.get(&send.room)
                    && *pid == transmitted.pid
                {
                    // An older number of the same producer leaves the next one as it is.
                    next = next.max(*later);
                }
                self.producers.insert(send.room.clone(), (transmitted.pid.clone(), next));
                send.transmitted = Some(transmitted);
            }
            Change::Requeued { key } => {
                if let Some(send) = self.sends.get_mut(&key) {
                    send.transmitted = None;
                }
            }
            // Until its outcome is known, all that can be said of it later is that nobody knows.
            Change::SentOnce { key } => self.resolve(key, DeliveryStatus::Unknown),
            Change::Resolved { key, status } => self.resolve(key, status),
            Change::Replied { key, reply } => self.replied(key, reply),
            Change::Confirmed { key } => self.confirm(key),
            Change::ProducerEnded { room } => {
                self.producers.remove(&room);
                let given_up = self.sends.values_mut().filter(|send| send.room == room);
                for transmitted in given_up.filter_map(|send| send.transmitted.as_mut()) {
                    transmitted.at_ms = 0;
                }
            }
            Change::Committed(position) => {
                self.positions.insert(position.room.clone(), position);
            }
            Change::PositionCleared { room } => {
                self.positions.remove(&room);
            }
            Change::UserChanged => {
                self.positions.clear();
                // They are the earlier user's, who may come back.
                for outcome in self.outcomes.values_mut() {
                    outcome.user = outcome.user.take().or_else(|| self.user.clone());
                }
            }
            Change::Server { user, extended, worked, window_ms, dedupe_window_ms } => {
                if self.user != user {
                    for outcome in self.outcomes.values_mut() {
                        outcome.user.take_if(|earlier| Some(&*earlier) == user.as_ref());
                    }
                }
                self.user = user;
                self.extended = extended;
                self.worked = worked;
                self.window_ms = window_ms;
                self.dedupe_window_ms = dedupe_window_ms;
            }
            Change::ClockSetBack { ms } => {
                for transmitted in self.sends.values_mut().filter_map(|send| send.transmitted.as_mut()) {
                    transmitted.at_ms = transmitted.at_ms.saturating_sub(ms);
                }
            }
            #[cfg(feature = "frames")]
            Change::Kept { key, frame } => match self.kept.iter_mut().find(|kept| kept.key == key) {
                Some(kept) => kept.frame = frame,
                None => self.kept.push(SavedFrame { key, frame }),
            },
            #[cfg(feature = "frames")]
            Change::KeptDropped { key } => self.kept.retain(|kept| kept.key != key),
            Change::Replaced(saved) => {
                let outcomes = core::mem::take(&mut self.outcomes);
                let replied = core::mem::take(&mut self.replied);
                self.replace(*saved);
                (self.outcomes, self.replied) = (outcomes, replied);
            }
        }
    }

    fn replace(&mut self, saved: Saved<P, N>) {
        let Saved {
            user,
            extended,
            worked,
            window_ms,
            dedupe_window_ms,
            positions,
            producers: lines,
            sends,
            outcomes,
            #[cfg(feature = "frames")]
            kept,
        } = saved;
        #[cfg(feature = "frames")]
        {
            self.kept = kept;
        }
        self.user = user;
        self.extended = extended;
        self.worked = worked;
        self.window_ms = window_ms;
        self.dedupe_window_ms = dedupe_window_ms;
        self.positions = positions.into_iter().map(|saved| (saved.room.clone(), saved)).collect();
        self.producers = lines.into_iter().map(|line| (line.room, (line.pid, line.next_pseq))).collect();
        self.sends = BTreeMap::new();
        self.outcomes = BTreeMap::new();
        // Numbers are kept where they are in order: changes that were stored later name them.
        let mut last = 0;
        for send in sends {
            last = if send.number > last { send.number } else { last + 1 };
            self.sends.insert(last, SavedSend { number: last, ..send });
        }
        for outcome in outcomes {
            let number = if outcome.number == 0 { last + 1 } else { outcome.number };
            last = last.max(number);
            if outcome.reply.is_some() {
                self.replied.push_back(number);
            }
            self.outcomes.insert(number, SavedOutcome { number, ..outcome });
        }
        self.last = self.last.max(last);
    }

    fn resolve(&mut self, number: u64, status: DeliveryStatus) {
        if let Some(SavedSend { room, content, data, reference, .. }) = self.sends.remove(&number) {
            let digest = reference.is_some().then(|| digest(&content, data.as_ref()));
            let status = status.into();
            let outcome = SavedOutcome {
                number,
                user: None,
                room,
                reference,
                digest,
                status,
                reply: None,
                confirmed: false,
            };
            self.outcomes.insert(number, outcome);
            if self.outcomes.len() > MAX_OUTCOMES
                && let Some((oldest, _)) = self.outcomes.pop_first()
            {
                self.forget_id(oldest);
            }
        } else if let Some(outcome) = self.outcomes.get_mut(&number) {
            outcome.status = status.into();
        }
    }

    fn replied(&mut self, number: u64, reply: Box<SendReply<P>>) {
        let Some(outcome) = self.outcomes.get_mut(&number) else { return };
        outcome.reply = Some(reply);
        self.replied.push_back(number);
        if self.replied.len() > MAX_REPLIES
            && let Some(oldest) = self.replied.pop_front().and_then(|oldest| self.outcomes.get_mut(&oldest))
        {
            oldest.reply = None;
        }
    }

    fn forget_id(&mut self, number: u64) {
        if let Some(id) = self.ids.remove(&number) {
            self.keys.remove(&id);
        }
    }

    /// What has no reference is requested by nobody later.
    fn confirm(&mut self, number: u64) {
        self.forget_id(number);
        let Some(outcome) = self.outcomes.get_mut(&number) else { return };
        outcome.confirmed = true;
        if outcome.reference.is_none() {
            self.outcomes.remove(&number);
        }
    }

    /// The whole of it, as another run takes it up.
    pub fn saved(&self) -> Saved<P, N> {
        let lines = self.producers.iter().map(|(room, (pid, next_pseq))| SavedProducer {
            room: room.clone(),
            pid: pid.clone(),
            next_pseq: *next_pseq,
        });
        let on_line = |line: &SavedProducer<N>| {
            self.sends.values().any(|send| {
                send.room == line.room && send.transmitted.as_ref().is_some_and(|sent| sent.pid == line.pid)
            })
        };
        Saved {
            user: self.user.clone(),
            extended: self.extended,
            worked: self.worked,
            window_ms: self.window_ms,
            dedupe_window_ms: self.dedupe_window_ms,
            positions: self.positions.values().cloned().collect(),
            producers: lines.filter(on_line).collect(),
            sends: self.sends.values().cloned().collect(),
            outcomes: self.outcomes.values().cloned().collect::<Vec<_>>(),
            #[cfg(feature = "frames")]
            kept: self.kept.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned as _;
    use alloc::format;
    use alloc::string::ToString as _;

    fn added(journal: &mut JournalState, id: u64, reference: Option<&str>) {
        let send = SavedSend {
            number: 0,
            room: "r".into(),
            content: format!("{id}"),
            data: None,
            reference: reference.map(Into::into),
            transmitted: None,
        };
        assert!(journal.record(Change::Added { key: SendId(id), send }).is_some());
    }

    fn resolved(journal: &mut JournalState, id: u64) {
        let status = DeliveryStatus::Written;
        assert!(journal.record(Change::Resolved { key: SendId(id), status }).is_some());
    }

    #[test]
    fn what_was_kept_and_done_again_is_what_it_was() {
        let mut journal = JournalState::default();
        let mut kept = Vec::new();
        let mut copy = JournalState::default();
        for id in 1..=9 {
            added(&mut journal, id, (id % 2 == 0).then_some("ref"));
        }
        for (number, send) in journal.sends.clone() {
            kept.push(Change::Added { key: number, send });
        }
        for id in 1..=6 {
            let status = DeliveryStatus::Unknown;
            kept.extend(journal.record(Change::Resolved { key: SendId(id), status }));
        }
        for id in 1..=3 {
            kept.extend(journal.record(Change::Confirmed { key: SendId(id) }));
        }
        for change in kept {
            copy.apply(change);
        }
        assert_eq!(copy.saved(), journal.saved());
        let outcomes: Vec<(u64, bool)> =
            copy.saved().outcomes.iter().map(|outcome| (outcome.number, outcome.confirmed)).collect();
        assert_eq!(outcomes, [(2, true), (4, false), (5, false), (6, false)]);
    }

    #[test]
    fn the_last_ten_thousand_outcomes_are_remembered() {
        let mut journal = JournalState::default();
        for id in 1..=MAX_OUTCOMES as u64 + 5 {
            added(&mut journal, id, Some(&format!("{id}")));
            resolved(&mut journal, id);
            assert!(journal.record(Change::Confirmed { key: SendId(id) }).is_some());
        }
        assert_eq!(journal.saved().outcomes.len(), MAX_OUTCOMES);
        assert_eq!(journal.saved().outcomes[0].reference.as_deref(), Some("6"));
    }

    #[test]
    fn the_last_answers_are_remembered_with_their_outcomes_over_a_restart() {
        let mut journal = JournalState::default();
        let mut copy = JournalState::default();
        for id in 1..=MAX_REPLIES as u64 + 2 {
            added(&mut journal, id, Some(&format!("{id}")));
            resolved(&mut journal, id);
            let reply = Box::new(SendReply::new(Some(id.to_string()), None));
            assert!(journal.record(Change::Replied { key: SendId(id), reply }).is_some());
            copy = JournalState::new(journal.saved());
        }
        let outcomes = copy.saved().outcomes;
        let answers: Vec<_> =
            outcomes.iter().map(|outcome| outcome.reply.as_ref()?.answer.as_deref()).collect();
        assert_eq!((answers[0], answers[1], answers[2]), (None, None, Some("3")));
        assert_eq!(answers.iter().flatten().count(), MAX_REPLIES);
    }

    #[test]
    fn what_was_handed_over_and_never_answered_is_unknown_in_the_next_run() {
        let mut journal = JournalState::default();
        added(&mut journal, 1, None);
        assert!(journal.record(Change::SentOnce { key: SendId(1) }).is_some());
        let mut next = JournalState::new(journal.saved());
        next.assign_restored_ids();
        let (id, status) = next.outcomes().map(|(id, outcome)| (id, outcome.status.clone())).next().unwrap();
        assert_eq!(DeliveryStatus::from(status), DeliveryStatus::Unknown);
        assert!(next.record(Change::Confirmed { key: id }).is_some());
        assert_eq!(next.outcomes().count(), 0);
    }

    #[test]
    fn what_was_handed_over_and_refused_for_certain_waits_again_under_its_number() {
        let mut journal = JournalState::default();
        added(&mut journal, 1, None);
        added(&mut journal, 2, None);
        assert!(journal.record(Change::SentOnce { key: SendId(1) }).is_some());
        added(&mut journal, 1, None);
        let saved = journal.saved();
        assert_eq!(saved.sends.iter().map(|send| send.number).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(saved.outcomes, []);
    }

    #[test]
    fn an_outcome_says_what_was_sent_as_a_number() {
        let mut journal = JournalState::default();
        added(&mut journal, 1, Some("a"));
        added(&mut journal, 2, None);
        resolved(&mut journal, 1);
        resolved(&mut journal, 2);
        let kept: Vec<_> = journal.saved().outcomes.iter().map(|outcome| outcome.digest).collect();
        let one = "1".to_owned();
        assert_eq!(kept, [Some(digest(&one, None)), None]);
        let others =
            [digest(&"2".to_owned(), None), digest(&one, Some(&one)), digest(&one, Some(&String::new()))];
        assert!(!others.contains(&digest(&one, None)), "{others:?}");
        // State files have it.
        assert_eq!(digest(&one, None), 0xe74c_6753_a799_4f31);
    }

    fn named(journal: &mut JournalState, user: &str) {
        let user = Some(user.into());
        let server = Change::Server { user, extended: true, worked: true, window_ms: 0, dedupe_window_ms: 0 };
        assert!(journal.record(server).is_some());
    }

    #[test]
    fn outcomes_are_their_users_who_may_come_back() {
        let mut journal = JournalState::default();
        // Nobody had been named when it was given.
        added(&mut journal, 1, Some("a"));
        for (id, user) in [(1, "ada"), (2, "bob"), (3, "ada")] {
            if id > 1 {
                assert!(journal.record(Change::UserChanged).is_some());
                added(&mut journal, id, Some("a"));
            }
            named(&mut journal, user);
            resolved(&mut journal, id);
        }
        let kept = |journal: &JournalState| -> Vec<_> {
            journal
                .saved()
                .outcomes
                .into_iter()
                .map(|kept| (kept.number, kept.user, kept.reference))
                .collect()
        };
        let a = || Some("a".into());
        let all = [(1, None, a()), (2, Some("bob".into()), a()), (3, None, a())];
        assert_eq!(kept(&journal), all);
        let mut copy = JournalState::new(journal.saved());
        copy.assign_restored_ids();
        assert_eq!(kept(&copy), all);
        let whose: Vec<_> = copy.outcomes().map(|(_, outcome)| copy.user_of(outcome).cloned()).collect();
        assert_eq!(whose, ["ada", "bob", "ada"].map(|user| Some(user.into())));
    }

    #[test]
    fn the_last_ten_thousand_outcomes_are_remembered_over_all_users() {
        let mut journal = JournalState::default();
        named(&mut journal, "ada");
        for id in 1..=MAX_OUTCOMES as u64 + 1 {
            if id == 9 {
                assert!(journal.record(Change::UserChanged).is_some());
                named(&mut journal, "bob");
            }
            added(&mut journal, id, Some("a"));
            resolved(&mut journal, id);
        }
        let kept = journal.saved().outcomes;
        assert_eq!((kept.len(), kept[0].number, kept[0].user.as_deref()), (MAX_OUTCOMES, 2, Some("ada")));
    }

    #[test]
    fn a_change_about_an_unknown_send_is_none() {
        let mut journal: JournalState = JournalState::default();
        let status = DeliveryStatus::Unknown;
        assert_eq!(journal.record(Change::Resolved { key: SendId(7), status }), None);
        assert_eq!(journal.record(Change::Confirmed { key: SendId(7) }), None);
    }

    #[test]
    fn a_replaced_state_keeps_the_outcomes_and_never_gives_a_number_twice() {
        let mut journal = JournalState::default();
        added(&mut journal, 1, Some("a"));
        resolved(&mut journal, 1);
        added(&mut journal, 2, Some("b"));
        assert!(journal.record(Change::Replaced(Box::default())).is_some());
        assert_eq!((journal.saved().outcomes.len(), journal.saved().sends.len()), (1, 0));
        added(&mut journal, 3, Some("c"));
        assert_eq!(journal.saved().sends[0].number, 3);
    }
}
