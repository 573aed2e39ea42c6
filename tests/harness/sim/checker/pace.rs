//! Checks how often a client repeats a request or asks for tokens (protocol.md §2.2: every answer that leads to sending again is
//! subject to the backoff; dials: invariant 11). Progress is not limited: the next page of history, the next send.

use super::Checker;
use super::ground_truth::{Key, LogId};
use crate::sim::{Micros, SECOND};
use rejoin::Id;
use std::collections::{BTreeMap, VecDeque};

/// In which time things are counted.
const PERIOD: Micros = 10 * SECOND;

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// The same send is given to a connection.
    Transmission(Key),
    /// The same place of a room is asked for: the join names the same position.
    Join(LogId, Option<(Id, u64)>),
    /// The same page is asked for.
    History(LogId, Id, u64),
    Token,
}

impl What {
    /// How often in the period.
    fn most(&self) -> usize {
        match self {
            Self::Transmission(_) | Self::Join(..) => 16,
            Self::History(..) => 12,
            Self::Token => 8,
        }
    }
}

/// The last of each.
#[derive(Debug, Default)]
pub(super) struct Pace(BTreeMap<(usize, What), VecDeque<Micros>>);

impl Checker {
    fn counts(&mut self, client: usize, what: &What) {
        let (now, most) = (self.now, what.most());
        let last = self.pace.0.entry((client, what.clone())).or_default();
        while last.front().is_some_and(|at| now - at >= PERIOD) {
            last.pop_front();
        }
        last.push_back(now);
        let count = last.len();
        if count > most {
            self.violated(format!("pace: u{client} makes {what:?} {count} times in 10 s"));
        }
    }

    /// A send is given to a connection.
    pub(super) fn counts_transmission(&mut self, key: Key) {
        self.counts(key.0, &What::Transmission(key));
    }

    /// A room is asked for.
    pub fn counts_join(&mut self, client: usize, place: LogId, since: Option<(Id, u64)>) {
        self.counts(client, &What::Join(place, since));
    }

    /// A page of a log is asked for.
    /// One whose application takes messages by and by asks again whenever there is room.
    pub fn counts_history(&mut self, client: usize, place: LogId, epoch: Id, after: u64, slow: bool) {
        if !slow {
            self.counts(client, &What::History(place, epoch, after));
        }
    }

    /// The token source is asked.
    pub fn counts_token(&mut self, client: usize) {
        self.counts(client, &What::Token);
    }

    /// Another process, which knows nothing of what the last one did.
    pub(super) fn pace_restarted(&mut self, client: usize) {
        self.pace.0.retain(|(of, _), _| *of != client);
    }
}
