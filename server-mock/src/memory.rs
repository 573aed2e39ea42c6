//! The memory budget, and how much of it is used: above four fifths of it newcomers are refused, above nine tenths the longest
//! queues are dropped. Drops none itself.

use crate::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// The least that a budget may be, however little the process uses when it starts.
const LEAST_BUDGET: u64 = 32 << 20;

/// The least budget that can work here, in whole MiB: twice what the process uses before anybody has come, because nobody is let
/// in above four fifths of it.
pub(crate) fn least_budget() -> u64 {
    let twice = process::resident_bytes().unwrap_or(0).saturating_mul(2);
    twice.max(LEAST_BUDGET).div_ceil(1 << 20) << 20
}

/// The most that the logs of rooms may have, so that newcomers are let in however much is said: half of what is left below four
/// fifths of the budget before anybody has come. The rest is for connections, and for what the bytes of logs do not count.
pub(crate) fn log_bytes(budget: u64) -> usize {
    let free = share(budget, 8).saturating_sub(process::resident_bytes().unwrap_or(0)) / 2;
    usize::try_from(free.max(budget / 16)).unwrap_or(usize::MAX)
}

#[derive(Debug, Default)]
pub(crate) struct Memory {
    budget: Option<u64>,
    used: AtomicU64,
}

impl Memory {
    pub(crate) fn new(budget: Option<u64>) -> Self {
        let memory = Self { budget, used: AtomicU64::new(0) };
        memory.look();
        memory
    }

    /// Whether nobody new is let in.
    pub(crate) fn is_short(&self) -> bool {
        self.budget.is_some_and(|budget| self.used() > share(budget, 8))
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn budget(&self) -> Option<u64> {
        self.budget
    }

    /// How many bytes of queues are to be dropped.
    pub(crate) fn excess(&self) -> u64 {
        self.budget.map_or(0, |budget| self.used().saturating_sub(share(budget, 9)))
    }

    /// Asks how much is used.
    pub(crate) fn look(&self) {
        if self.budget.is_some() {
            self.used.store(process::resident_bytes().unwrap_or(0), Ordering::Relaxed);
        }
    }
}

/// So many tenths.
fn share(budget: u64, tenths: u64) -> u64 {
    budget / 10 * tenths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_leave_room_for_newcomers_however_small_the_budget_is() {
        for budget in [least_budget(), 1 << 30, 64 << 30] {
            let most = log_bytes(budget) as u64;
            assert!(most >= budget / 16 && most <= share(budget, 8) / 2, "{budget}: {most}");
        }
    }

    #[test]
    fn newcomers_are_refused_above_eighty_per_cent_and_queues_dropped_above_ninety() {
        for (used, short, excess) in
            [(0, false, 0), (800, false, 0), (801, true, 0), (900, true, 0), (950, true, 50)]
        {
            let memory = Memory { budget: Some(1_000), used: AtomicU64::new(used) };
            assert_eq!((memory.is_short(), memory.excess()), (short, excess), "{used}");
        }
        let unlimited = Memory { budget: None, used: AtomicU64::new(u64::MAX) };
        assert_eq!((unlimited.is_short(), unlimited.excess()), (false, 0));
    }
}
