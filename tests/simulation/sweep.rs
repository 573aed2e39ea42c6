//! Plays many seeds on all cores.

use harness::sim::{Coverage, Outcome, Setup, Sometimes};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What many seeds came to.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// The first seed that violates something.
    pub(crate) bad: Option<u64>,
    cover: Coverage,
    reached: Vec<u64>,
    happenings: Vec<u64>,
    messages: usize,
    took: Duration,
}

impl Sweep {
    fn take(&mut self, outcome: &Outcome) {
        self.cover.join(outcome.cover);
        self.reached.resize(Sometimes::ALL.len(), 0);
        for (count, state) in self.reached.iter_mut().zip(Sometimes::ALL) {
            *count += u64::from(outcome.cover.has(*state));
        }
        self.happenings.push(outcome.happenings);
        self.messages += outcome.messages;
    }

    /// The states that no seed reached.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        Sometimes::ALL.iter().filter(|state| !self.cover.has(**state)).map(|state| state.text()).collect()
    }

    /// Prints how it went.
    pub(crate) fn report(&self, seeds: u64) {
        for (state, count) in Sometimes::ALL.iter().zip(&self.reached) {
            println!("{count:>8}  {}", state.text());
        }
        let reached = Sometimes::ALL.len() - self.missing().len();
        println!("{reached} of {} states reached", Sometimes::ALL.len());
        let mut happenings = self.happenings.clone();
        happenings.sort_unstable();
        let median = happenings.get(happenings.len() / 2).copied().unwrap_or(0);
        let seconds = self.took.as_secs_f64();
        println!(
            "{seeds} seeds in {seconds:.1} s: {:.0} seeds per second, median {median} events, {} messages",
            seeds as f64 / seconds,
            self.messages
        );
    }
}

/// Plays the seeds from 0 on; stops at a violation.
pub(crate) fn play(seeds: u64) -> Sweep {
    let start = Instant::now();
    let (next, bad) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let whole = Mutex::new(Sweep::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds || seed > bad.load(Ordering::Relaxed) {
                        return;
                    }
                    let outcome = Setup::of_seed(seed).play();
                    if !outcome.violations.is_empty() {
                        bad.fetch_min(seed, Ordering::Relaxed);
                    }
                    whole.lock().unwrap().take(&outcome);
                }
            });
        }
    });
    let mut whole = whole.into_inner().unwrap();
    let bad = bad.into_inner();
    whole.bad = (bad != u64::MAX).then_some(bad);
    whole.took = start.elapsed();
    whole
}
