//! Holds outcomes that earlier runs left in the state file until an extended server has named this user: they may belong to another
//! user. Prints nothing.

use super::input::Request;
use rejoin::{Client, RestoredOutcome};
use std::collections::HashSet;

/// As many lines may ask for outcomes meanwhile.
const MOST_ASKED: usize = 1024;

#[derive(Debug)]
pub(super) struct RestoredOutcomes {
    pub(super) outcomes: Vec<RestoredOutcome>,
    /// Lines whose `ref` is one of them, or that of a send which goes on, with their numbers.
    pub(super) asked: Vec<(Request, u64)>,
    refs: HashSet<Box<str>>,
}

impl RestoredOutcomes {
    pub(super) fn of(client: &Client) -> Self {
        let outcomes = client.restored_outcomes();
        let refs = outcomes.iter().filter_map(|outcome| outcome.reference.clone()).collect();
        Self { outcomes, asked: Vec::new(), refs }
    }

    /// Whether an outcome has this `ref`.
    pub(super) fn has(&self, reference: &str) -> bool {
        self.refs.contains(reference)
    }

    pub(super) fn has_room(&self) -> bool {
        self.asked.len() < MOST_ASKED
    }

    /// Whether somebody waits for it, or has to be told.
    pub(super) fn has_outcomes(&self) -> bool {
        !self.asked.is_empty() || self.outcomes.iter().any(|outcome| !outcome.confirmed)
    }
}
