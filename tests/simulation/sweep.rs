//! Plays many seeds on all cores.

use harness::sim::{Amid, Coverage, Moves, Outcome, Setup, Sometimes, Waits};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What many seeds came to.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// The seeds that violate something, and what; it ends soon after so many as were asked for.
    pub(crate) bad: BTreeMap<u64, String>,
    cover: Coverage,
    reached: Vec<u64>,
    reached_amid: Vec<u64>,
    happenings: Vec<u64>,
    messages: usize,
    moves: Moves,
    waits: Waits,
    live: [u32; 4],
    /// Seeds in which every check was live everywhere.
    all_live: u64,
    took: Duration,
}

impl Sweep {
    fn take(&mut self, outcome: &Outcome) {
        self.cover.join(outcome.cover);
        self.reached.resize(Sometimes::ALL.len(), 0);
        for (count, state) in self.reached.iter_mut().zip(Sometimes::ALL) {
            *count += u64::from(outcome.cover.has(*state));
        }
        self.reached_amid.resize(Amid::ALL.len(), 0);
        for (count, state) in self.reached_amid.iter_mut().zip(Amid::ALL) {
            *count += u64::from(outcome.cover.has_amid(*state));
        }
        self.happenings.push(outcome.happenings);
        self.messages += outcome.messages;
        for (count, more) in self.live.iter_mut().zip(outcome.live) {
            *count += more;
        }
        let [whole, conns, intact, logs] = outcome.live;
        self.all_live += u64::from(whole == conns && intact == logs);
        for (count, more) in self.waits.iter_mut().zip(outcome.waits) {
            *count += more;
        }
        for (count, more) in self.moves.iter_mut().zip(outcome.moves) {
            *count += more;
        }
    }

    /// The states that no seed reached.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        Sometimes::ALL.iter().filter(|state| !self.cover.has(**state)).map(|state| state.text()).collect()
    }

    /// The states of several nodes that no seed reached.
    pub(crate) fn missing_amid(&self) -> Vec<&'static str> {
        Amid::ALL.iter().filter(|state| !self.cover.has_amid(**state)).map(|state| state.text()).collect()
    }

    /// Prints how it went with several nodes.
    pub(crate) fn report_amid(&self, seeds: u64) {
        for (state, count) in Amid::ALL.iter().zip(&self.reached_amid) {
            println!("{count:>8}  {}", state.text());
        }
        let reached = Amid::ALL.len() - self.missing_amid().len();
        println!("{reached} of {} states of several nodes reached", Amid::ALL.len());
        self.speed(seeds, "seeds with several nodes");
    }

    /// Whether the waits before a dial are spread over what is allowed.
    pub(crate) fn waits_are_spread(&self) -> bool {
        let all: u32 = self.waits.iter().sum();
        all < 400 || self.waits.iter().all(|count| *count > all / 5)
    }

    /// Whether the moves away from servers that are about to go are spread over the time that there is for them.
    pub(crate) fn moves_are_spread(&self) -> bool {
        let all: u32 = self.moves.iter().sum();
        all < 400 || self.moves.iter().all(|count| *count > all / 7)
    }

    /// Prints how it went.
    pub(crate) fn report(&self, seeds: u64) {
        for (state, count) in Sometimes::ALL.iter().zip(&self.reached) {
            println!("{count:>8}  {}", state.text());
        }
        println!("moves away from a server about to go, by quarter of the time for it: {:?}", self.moves);
        let [whole, conns, intact, logs] = self.live.map(f64::from);
        println!(
            "every check was live on {:.1} % of the connections, for {:.1} % of the logs, everywhere in {:.1} % of the seeds",
            100.0 * whole / conns,
            100.0 * intact / logs,
            100.0 * self.all_live as f64 / seeds as f64
        );
        println!("waits before a dial, by quarter of what is allowed: {:?}", self.waits);
        let reached = Sometimes::ALL.len() - self.missing().len();
        println!("{reached} of {} states reached", Sometimes::ALL.len());
        self.speed(seeds, "seeds");
    }

    fn speed(&self, seeds: u64, what: &str) {
        let mut happenings = self.happenings.clone();
        happenings.sort_unstable();
        let median = happenings.get(happenings.len() / 2).copied().unwrap_or(0);
        let seconds = self.took.as_secs_f64();
        println!(
            "{seeds} {what} in {seconds:.1} s: {:.0} seeds per second, median {median} events, {} messages",
            seeds as f64 / seconds,
            self.messages
        );
    }
}

/// Plays the setups of the seeds from `first` on; stops when `failures` of them violate something.
pub(crate) fn play(of: fn(u64) -> Setup, first: u64, seeds: u64, failures: usize) -> Sweep {
    let start = Instant::now();
    let (next, bad) = (AtomicU64::new(first), AtomicUsize::new(0));
    let whole = Mutex::new(Sweep::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds || bad.load(Ordering::Relaxed) >= failures {
                        return;
                    }
                    let outcome = of(seed).play();
                    let mut whole = whole.lock().unwrap();
                    whole.take(&outcome);
                    if let Some(violated) = outcome.violations.into_iter().next() {
                        bad.fetch_add(1, Ordering::Relaxed);
                        whole.bad.insert(seed, violated);
                    }
                }
            });
        }
    });
    let mut whole = whole.into_inner().unwrap();
    whole.took = start.elapsed();
    whole
}
