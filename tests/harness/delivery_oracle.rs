//! Checks whether what clients of an extended server were told can be true. Independent of the code under test.
//!
//! Each account checks its own stream as it arrives: no duplicates, consecutive numbers, or a gap event that names what is missing
//! before any later message. [`check_accounts`] then compares the accounts with each other and with the outcomes of sends
//! (protocol.md §2.6, invariants 1–7).

use rejoin::messages::EntryMeta;
use rejoin::{DeliveryStatus, Event, Gap, GapReason, Id, SendFailure, SendId};
use std::collections::{BTreeMap, BTreeSet};

/// A message as its room's log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The log's life.
    pub epoch: Id,
    /// The number in it.
    pub seq: u64,
    /// The message's id.
    pub id: Id,
    /// Who said it.
    pub user: String,
    /// What; unique in a test.
    pub content: String,
}

/// What one client was told about one room.
#[derive(Debug, Default)]
pub struct Account {
    name: String,
    /// What it heard, in order.
    pub heard: Vec<Entry>,
    contents: BTreeSet<String>,
    /// Told since the last message.
    holes: Vec<Gap>,
    /// Holes it was told of.
    pub gaps: Vec<Gap>,
    sent: BTreeMap<SendId, String>,
    order: Vec<SendId>,
    /// What became of its sends.
    pub outcomes: BTreeMap<SendId, DeliveryStatus>,
}

impl Account {
    /// An account of this user's client.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Whose it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// It sent something.
    pub fn sent(&mut self, id: SendId, content: String) {
        assert_eq!(self.sent.insert(id, content), None, "{}: one number for two sends", self.name);
        self.order.push(id);
    }

    /// Whether it has sent something with this number.
    pub fn has_sent(&self, id: SendId) -> bool {
        self.sent.contains_key(&id)
    }

    /// Sends without an outcome.
    pub fn unresolved(&self) -> usize {
        self.sent.len() - self.outcomes.len()
    }

    /// Whether what it sent last is in the log.
    pub fn last_is_acknowledged(&self) -> bool {
        let last = self.order.last().and_then(|id| self.outcomes.get(id));
        matches!(last, Some(DeliveryStatus::Acked { .. }))
    }

    /// It was told something.
    pub fn event(&mut self, event: &Event) {
        let name = &self.name;
        match event {
            Event::Delivery(delivery) => {
                assert!(self.sent.contains_key(&delivery.id), "{name}: an outcome of nothing: {delivery:?}");
                let first = self.outcomes.insert(delivery.id, delivery.status.clone());
                assert_eq!(first, None, "{name}: two outcomes for one send");
            }
            Event::Gap(gap) => {
                self.gaps.push(gap.clone());
                self.holes.push(gap.clone());
            }
            Event::Message(message) => {
                let EntryMeta { id, epoch, seq, .. } =
                    message.entry.as_deref().cloned().unwrap_or_else(|| {
                        panic!("{name}: a message without a place: {message:?}");
                    });
                let content = message.content.clone();
                assert!(self.contents.insert(content.clone()), "{name}: {content} came twice");
                let entry = Entry { epoch, seq, id, user: message.user.to_string(), content };
                self.follows(&entry);
                self.heard.push(entry);
            }
            Event::Lagged { skipped } => panic!("{name}: {skipped} events were dropped"),
            _ => {}
        }
    }

    /// Whether a message can come where it came.
    fn follows(&mut self, next: &Entry) {
        let holes = std::mem::take(&mut self.holes);
        let Some(last) = self.heard.last() else { return };
        let name = &self.name;
        if last.epoch != next.epoch {
            let told = holes.iter().any(|gap| gap.reason == GapReason::EpochChanged);
            assert!(
                told,
                "{name}: {next:?} after {last:?}, and nobody said that the log began anew: {holes:?}"
            );
            return;
        }
        assert!(next.seq > last.seq, "{name}: {next:?} after {last:?}");
        // Every number between the two is in a hole, and no hole says more than what is missing.
        let mut at = last.seq;
        for gap in &holes {
            let right = gap.after == Some(at) && gap.before.is_none_or(|before| before <= next.seq);
            assert!(right, "{name}: {next:?} after {last:?}, but the gaps were {holes:?}");
            at = gap.before.unwrap_or(next.seq) - 1;
        }
        assert_eq!(next.seq, at + 1, "{name}: {next:?} after {last:?} with the gaps {holes:?}");
    }
}

/// What the network and the server may have cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// Nothing: every message acknowledged, every message heard by everybody, no gap.
    Nothing,
    /// The server has lost its memory: what that cost has to be announced.
    LostMemory,
}

/// Compares the accounts of all members of a room. Gives the messages that somebody heard, by place.
pub fn check_accounts(accounts: &[Account], allowed: Allowed) -> Vec<Entry> {
    let mut log: BTreeMap<(Id, u64), Entry> = BTreeMap::new();
    let mut by_content: BTreeMap<String, Entry> = BTreeMap::new();
    let said: BTreeMap<&String, &String> = accounts
        .iter()
        .flat_map(|account| account.sent.values().map(|content| (content, &account.name)))
        .collect();
    for account in accounts {
        for entry in &account.heard {
            let known = log.entry((entry.epoch.clone(), entry.seq)).or_insert_with(|| entry.clone());
            assert_eq!(known, entry, "{} heard something else there", account.name);
            let known = by_content.entry(entry.content.clone()).or_insert_with(|| entry.clone());
            assert_eq!(known, entry, "{} is in the log twice", entry.content);
            assert_eq!(said.get(&entry.content), Some(&&entry.user), "nobody said {}", entry.content);
        }
    }
    for account in accounts {
        check_sends(account, &by_content, allowed);
        if allowed == Allowed::Nothing {
            assert_eq!(account.gaps, [], "{}", account.name);
            let missing = log.len() - account.heard.len();
            assert_eq!(missing, 0, "{} misses {missing} messages", account.name);
        }
    }
    log.into_values().collect()
}

fn check_sends(account: &Account, log: &BTreeMap<String, Entry>, allowed: Allowed) {
    let name = &account.name;
    let mut last: BTreeMap<Id, u64> = BTreeMap::new();
    for id in &account.order {
        let content = &account.sent[id];
        let outcome = account.outcomes.get(id).unwrap_or_else(|| panic!("{name}: {content} has no outcome"));
        let entry = log.get(content);
        match outcome {
            DeliveryStatus::Acked { id, seq } => {
                let Some(entry) = entry else {
                    assert_eq!(allowed, Allowed::LostMemory, "{name}: {content} is acked and nowhere");
                    continue;
                };
                assert_eq!((id, seq), (&entry.id, &entry.seq), "{name}: {content} is elsewhere");
                let before = last.insert(entry.epoch.clone(), entry.seq);
                assert!(before < Some(entry.seq), "{name}: {content} overtook what was sent before it");
            }
            DeliveryStatus::Unknown => {
                assert_eq!(allowed, Allowed::LostMemory, "{name}: {content} is unknown");
            }
            DeliveryStatus::Failed(SendFailure::Closed) | DeliveryStatus::Written => {
                panic!("{name}: {content} is {outcome:?}")
            }
            DeliveryStatus::Failed(why) => {
                assert_eq!(entry, None, "{name}: {content} has failed ({why}) and is in the log");
                panic!("{name}: {content} has failed: {why}");
            }
            other => panic!("{name}: {content} is {other:?}"),
        }
    }
}
