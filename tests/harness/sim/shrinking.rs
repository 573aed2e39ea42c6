//! Removes from a failing run what it does not need to fail: delta debugging over the schedule, then over the plan.

use super::action::Step;
use super::plan::{DialFaults, Plan};
use super::{SECOND, Setup};

/// Runs it may take.
const BUDGET: usize = 3_000;

/// A smaller run that violates the same invariant. Gives the run itself if it violates nothing.
pub fn shrink(setup: &Setup) -> Setup {
    let Some(kind) = violated(setup) else { return setup.clone() };
    let mut search = Search { best: setup.clone(), kind, left: BUDGET };
    search.schedule();
    search.plan();
    search.schedule();
    search.best
}

/// The number of the first invariant that a run violates.
fn violated(setup: &Setup) -> Option<String> {
    let outcome = setup.play();
    let first = outcome.violations.first()?;
    Some(first.split(':').next().unwrap_or("").to_owned())
}

struct Search {
    best: Setup,
    kind: String,
    left: usize,
}

impl Search {
    /// Whether a candidate fails in the same way; if so it is the best one so far.
    fn keeps(&mut self, candidate: Setup) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let fails = violated(&candidate).as_deref() == Some(&self.kind);
        if fails {
            self.best = candidate;
        }
        fails
    }

    fn schedule(&mut self) {
        let mut parts = 2;
        while self.left > 0 && self.best.schedule.len() >= 2 {
            let steps = self.best.schedule.clone();
            let size = steps.len().div_ceil(parts);
            let smaller = (0..steps.len()).step_by(size).any(|start| {
                let end = (start + size).min(steps.len());
                let rest: Vec<Step> = steps[..start].iter().chain(&steps[end..]).cloned().collect();
                self.keeps(Setup { schedule: rest, ..self.best.clone() })
            });
            if smaller {
                parts = (parts - 1).max(2);
            } else if size == 1 {
                return;
            } else {
                parts = (parts * 2).min(steps.len());
            }
        }
        if self.best.schedule.len() == 1 {
            self.keeps(Setup { schedule: Vec::new(), ..self.best.clone() });
        }
    }

    fn plan(&mut self) {
        let simpler: [fn(&mut Plan); 9] = [
            |plan| plan.dial = DialFaults::default(),
            |plan| plan.latency = (SECOND / 100, SECOND / 100),
            |plan| plan.late_flush = 0,
            |plan| plan.legacy = false,
            |plan| plan.server.rate = None,
            |plan| plan.server.token_life = None,
            |plan| plan.token_source = None,
            |plan| plan.clients.iter_mut().for_each(|client| client.personal = false),
            |plan| plan.held = 1024,
        ];
        for simplify in simpler {
            let mut candidate = self.best.clone();
            simplify(&mut candidate.plan);
            self.keeps(candidate);
        }
        let end = self.best.schedule.last().map_or(SECOND, |step| step.at + SECOND);
        let mut candidate = self.best.clone();
        candidate.plan.chaos = end;
        self.keeps(candidate);
    }
}
